"""Polling end to end on one machine: a real server, the real stores, the embedded engine. One test for each rule."""

import msgspec
import pytest

from newswire.clock import DAY, HOUR, MINUTE
from newswire.engines.query import SearchQuery
from newswire.feed_status import state_of
from newswire.ingest.feeds_file import merge
from newswire.ingest.poll import run_batches, settle, tick
from newswire.ingest.reindex import reindex
from newswire.model import Batch, Feed, Fetched, FetchFailed, NotModified
from newswire.storage.feeds import Lease
from newswire.storage.queue.inline import InlineQueue
from tests.conftest import NOON
from tests.support.feed_server import Answer, FeedServer, rss, story


def add(wired, server, feed_id: str = "a", path: str | None = None, **more) -> str:
    url = server.url(path or f"/{feed_id}")
    wired.feeds.put(Feed(id=feed_id, url=url, **more), wired.clock())
    return url


def poll(wired, *feed_ids: str, now: bool = True):
    return run_batches(wired, [Batch(feed_ids or ("a",), now=now)])


def items(wired, **query):
    return [hit.item for hit in wired.engine.search(SearchQuery(size=200, **query)).hits]


def poll_state(wired, feed_id: str = "a"):
    return wired.feeds.row(feed_id, wired.engine.generation()).poll


def status(wired, feed_id: str = "a"):
    return wired.engine.statuses([feed_id])[0]


def test_what_a_feed_says_is_found(wired, server) -> None:
    server.says("/a", rss(story(1), story(2, "An odd title")))
    add(wired, server)
    report = poll(wired)
    assert [one.changed for one in report.polled] == [True]
    assert {item.title for item in items(wired)} == {"Story number 1", "An odd title"}
    assert status(wired).title == "A feed"
    assert status(wired).fetches[0].new == 2


def test_a_second_poll_of_an_unchanged_feed_writes_nothing(wired, server) -> None:
    server.says("/a", rss(story(1)), etag='"1"')
    add(wired, server)
    poll(wired)
    version = wired.engine.search(SearchQuery()).version
    report = poll(wired)
    assert isinstance(report.polled[0].outcome, NotModified)
    assert wired.engine.search(SearchQuery()).version == version
    assert (wired.archive.head("a"), status(wired).fetches[0].status) == (1, 304)


def test_the_same_body_without_validators_is_not_changed_either(wired, server) -> None:
    server.says("/a", rss(story(1)))
    add(wired, server)
    poll(wired)
    assert isinstance(poll(wired).polled[0].outcome, Fetched)
    assert wired.archive.head("a") == 1


@pytest.mark.parametrize(
    "volatile",
    ["<lastBuildDate>{}</lastBuildDate>", "<!-- made at {} -->", "<pubDate>Mon, 24 Nov 2025 {}:00:00 GMT</pubDate>"],
)
def test_a_body_that_differs_in_known_volatile_parts_is_not_changed(wired, server, volatile: str) -> None:
    add(wired, server)
    for hour in ("10", "11"):
        server.says("/a", rss(story(1), channel=volatile.format(hour)))
        poll(wired)
    assert wired.archive.head("a") == 1


def test_the_whole_document_is_asked_for_once_in_24_hours(wired, server, clock) -> None:
    server.says("/a", rss(story(1)), etag='"1"')
    add(wired, server)
    poll(wired)
    clock.go(hours=23)
    assert isinstance(poll(wired).polled[0].outcome, NotModified)
    clock.go(hours=1)
    assert isinstance(poll(wired).polled[0].outcome, Fetched)
    assert wired.archive.head("a") == 1


def test_a_changed_title_date_or_feed_url_never_doubles_an_item(wired, server) -> None:
    server.says("/a", rss(story(1)))
    add(wired, server)
    poll(wired)
    server.says("/a", rss(story(1, "Another title", pubDate="12 Nov 2025 12:00:00 GMT")))
    poll(wired)
    server.says("/moved", rss(story(1, "A third title")))
    add(wired, server, path="/moved")
    poll(wired)
    (item,) = items(wired)
    assert (item.title, item.revision, item.first_seen) == ("A third title", 3, NOON)


def test_a_failed_poll_is_a_state_and_the_feed_is_tried_again(wired, server, clock) -> None:
    server.says("/a", status=500)
    add(wired, server)
    report = poll(wired)
    assert isinstance(report.polled[0].outcome, FetchFailed)
    assert state_of(status(wired), clock(), 900) == "failing"
    assert status(wired).error == "127.0.0.1 answers 500 Internal Server Error."
    assert poll_state(wired).next_check > clock()


def test_thirty_days_of_errors_then_fresh_within_24_hours_with_no_hand(wired, server, clock) -> None:
    server.says("/a", status=500)
    add(wired, server)
    work = InlineQueue(lambda batches: run_batches(wired, batches))
    end = clock() + 30 * DAY
    while clock() < end:
        tick(wired, work)
        clock.at = min(max(poll_state(wired).next_check, clock() + MINUTE), end)
    assert server.count("/a") >= 30
    server.says("/a", rss(story(1)))
    tried = end
    while not items(wired):
        clock.at = max(poll_state(wired).next_check, clock())
        tick(wired, work)
        assert clock() - tried <= DAY
    assert state_of(status(wired), clock(), 900) == "ok"


def test_retry_after_is_a_floor_also_for_good_answers(wired, server, clock) -> None:
    server.says("/a", rss(story(1)), headers={"Retry-After": "50000"})
    add(wired, server)
    poll(wired)
    assert poll_state(wired).next_check >= clock() + 50_000_000


def test_429_holds_the_host_for_all_its_feeds(wired, server, clock) -> None:
    server.says("/a", status=429, headers={"Retry-After": "3600"})
    server.says("/b", rss(story(1)))
    add(wired, server, "a")
    add(wired, server, "b")
    poll(wired, "a", "b")
    assert server.count("/b") == 0
    clock.go(minutes=30)
    assert "left alone" in poll(wired, "b").polled[0].refused
    clock.go(minutes=31)
    poll(wired, "b")
    assert server.count("/b") == 1


def test_503_holds_the_feed_and_after_three_feeds_the_host(wired, server) -> None:
    for name in "abcde":
        server.says(f"/{name}", status=503)
        add(wired, server, name)
    poll(wired, *"abcde")
    assert [server.count(f"/{name}") for name in "abcde"] == [1, 1, 1, 0, 0]


def test_410_pauses_and_says_so_and_a_new_address_wakes_it(wired, server, clock) -> None:
    server.says("/a", status=410)
    add(wired, server)
    poll(wired)
    assert state_of(status(wired), clock(), 900) == "paused"
    assert "410" in status(wired).paused
    clock.go(days=9)
    assert wired.feeds.due(clock(), 10) == []
    server.says("/new", rss(story(1)))
    add(wired, server, path="/new")
    assert [one.id for one in wired.feeds.due(clock(), 10)] == ["a"]
    poll(wired, now=False)
    assert state_of(status(wired), clock(), 900) == "ok"


def test_a_failing_feed_whose_address_is_mended_in_the_list_is_fetched_by_the_next_tick(
    wired, server, clock, tmp_path
) -> None:
    feeds = tmp_path / "feeds.toml"
    server.says("/wrong", status=404)
    server.says("/right", rss(story(1)))
    work = InlineQueue(lambda batches: run_batches(wired, batches))
    feeds.write_text(f'[feed.a]\nurl = "{server.url("/wrong")}"\n')
    merge(wired.feeds, feeds, clock())
    for _ in range(9):
        clock.at = max(clock(), poll_state(wired).next_check)
        tick(wired, work)
    assert poll_state(wired).next_check - clock() > 20 * HOUR
    clock.go(minutes=1)
    feeds.write_text(f'[feed.a]\nurl = "{server.url("/right")}"\n')
    merge(wired.feeds, feeds, clock())
    tick(wired, work)
    assert state_of(status(wired), clock(), 900) == "ok"
    assert len(items(wired)) == 1


def test_an_edit_while_a_feed_is_being_fetched_is_not_undone_by_what_comes_of_the_old_address(
    wired, another, server, clock
) -> None:
    other = another()
    server.says("/right", rss(story(2)))

    def edited_meanwhile(_asked) -> Answer:
        other.feeds.put(Feed(id="a", url=server.url("/right")), clock())
        return Answer(body=rss(story(1)))

    server.answers["/a"] = edited_meanwhile
    add(wired, server)
    poll(wired)
    work = InlineQueue(lambda batches: run_batches(wired, batches))
    tick(wired, work)
    assert server.count("/right") == 1
    assert sorted(item.title for item in items(wired)) == ["Story number 1", "Story number 2"]
    assert state_of(status(wired), clock(), 900) == "ok"


def test_one_connection_to_a_host_at_a_time_and_many_hosts_at_once(wired, server) -> None:
    others = [FeedServer(f"127.0.0.{n}") for n in range(2, 6)]
    try:
        for n in range(6):
            server.says(f"/{n}", rss(story(n)), delay=0.05)
            add(wired, server, f"same-{n}", f"/{n}")
        for n, other in enumerate(others):
            other.says("/x", rss(story(n)), delay=0.3)
            wired.feeds.put(Feed(id=f"other-{n}", url=other.url("/x")), wired.clock())
        ids = [f"same-{n}" for n in range(6)] + [f"other-{n}" for n in range(4)]
        import time

        started = time.monotonic()
        poll(wired, *ids)
        took = time.monotonic() - started
        assert server.most_together == 1
        assert all(other.count("/x") == 1 for other in others)
        assert took < 1.2
    finally:
        for other in others:
            other.close()


def test_a_permanent_redirect_is_adopted_after_three_sightings_over_48_hours(wired, server, clock) -> None:
    server.says("/new", rss(story(1)))
    server.says("/a", status=301, headers={"Location": "/new"})
    add(wired, server)
    for hours in (0, 20, 20):
        clock.go(hours=hours)
        poll(wired)
        assert poll_state(wired).adopted_url is None
    server.says("/new", rss(story(1), story(2)))
    clock.go(hours=20)
    poll(wired)
    clock.go(hours=1)
    poll(wired)
    assert poll_state(wired).adopted_url == server.url("/new")
    before = server.count("/a")
    poll(wired)
    assert server.count("/a") == before


def test_a_temporary_redirect_is_never_adopted_nor_a_permanent_one_behind_it(wired, server, clock) -> None:
    server.says("/new", rss(story(1)))
    server.says("/mid", status=301, headers={"Location": "/new"})
    for status_code in (302, 303, 307):
        server.says("/a", status=status_code, headers={"Location": "/mid"})
        add(wired, server)
        for _ in range(5):
            server.says("/new", rss(story(1), story(2, f"t{clock()}")))
            clock.go(hours=24)
            poll(wired)
    assert poll_state(wired).adopted_url is None


def test_a_redirect_to_something_that_shares_nothing_is_not_adopted(wired, server, clock) -> None:
    server.says("/a", rss(story(1)))
    add(wired, server)
    poll(wired)
    server.says("/a", status=301, headers={"Location": "/parked"})
    for n in range(6):
        server.says("/parked", rss(story(100 + n, guid=f"p{n}", link=f"https://parked.example/{n}")))
        clock.go(hours=24)
        poll(wired)
    assert poll_state(wired).adopted_url is None


def test_an_adopted_address_is_given_up_after_five_failures(wired, server, clock) -> None:
    test_a_permanent_redirect_is_adopted_after_three_sightings_over_48_hours(wired, server, clock)
    server.says("/new", status=404)
    for _ in range(5):
        poll(wired)
    server.says("/a", rss(story(3)))
    poll(wired)
    assert poll_state(wired).errors == 0
    assert any(item.title == "Story number 3" for item in items(wired))


def test_a_document_that_turns_out_to_be_no_feed_counts_as_an_error_and_clears_the_validators(
    wired, server, clock
) -> None:
    server.says("/a", "<!doctype html><title>Maintenance</title>", etag='"page"')
    add(wired, server)
    poll(wired)
    assert state_of(status(wired), clock(), 900) == "failing"
    assert status(wired).error_code == "html_page"
    assert poll_state(wired).validators is None
    server.says("/a", rss(story(1)), etag='"feed"')
    poll(wired)
    assert state_of(status(wired), clock(), 900) == "ok"
    assert len(items(wired)) == 1


def test_what_looks_like_a_feed_and_is_none_is_asked_for_again_without_conditions(wired, server, clock) -> None:
    server.says("/a", b'{"version": "nothing known"}', etag='"odd"')
    add(wired, server)
    poll(wired)
    assert status(wired).error_code == "not_a_feed"
    assert state_of(status(wired), clock(), 900) == "failing"
    poll(wired)
    assert "if-none-match" not in server.last("/a")
    assert poll_state(wired).errors >= 1


@pytest.mark.parametrize(
    ("page", "code"),
    [
        ("<!doctype html><title>Maintenance</title><p>Request {}", "html_page"),
        ('{{"error": "busy", "request": {}}}', "not_a_feed"),
        ("<urlset><url><loc>https://news.example/{}</loc></url></urlset>", "no_news"),
    ],
)
def test_documents_that_are_no_feed_and_differ_each_time_are_asked_for_less_and_less_and_all_kept(
    wired, server, clock, page: str, code: str
) -> None:
    add(wired, server)
    work = InlineQueue(lambda batches: run_batches(wired, batches))
    waits = []
    for n in range(40):
        server.says("/a", page.format(n), etag=f'"{n}"')
        tick(wired, work)
        assert status(wired).error_code == code
        assert state_of(status(wired), clock(), 900) == "failing"
        waits.append(poll_state(wired).next_check - clock())
        clock.at = poll_state(wired).next_check
    assert all(one <= DAY for one in waits)
    assert all(one > 23 * HOUR - 1 for one in waits[12:])
    assert waits[2:10] == sorted(waits[2:10])
    assert wired.archive.head("a") == server.count("/a") == 40
    server.says("/a", rss(story(1)))
    tick(wired, work)
    assert state_of(status(wired), clock(), 900) == "ok"
    assert poll_state(wired).next_check - clock() < HOUR
    assert len(items(wired)) == 1


def test_a_transfer_cut_short_gives_its_whole_entries_and_leaves_no_validators(wired, server) -> None:
    whole = rss(story(1), story(2), story(3))
    part = whole[: whole.rfind(b"<item>") + 30]
    server.says("/a", part, etag='"1"', length=len(whole))
    add(wired, server)
    poll(wired)
    assert len(items(wired)) == 2
    assert poll_state(wired).validators is None
    server.says("/a", whole, etag='"1"')
    poll(wired)
    assert len(items(wired)) == 3


def test_a_gap_is_published_when_a_window_shares_nothing_with_the_one_before(wired, server, clock) -> None:
    add(wired, server)
    server.says("/a", rss(*[story(n) for n in range(10)]))
    poll(wired)
    seen = clock()
    clock.go(hours=30)
    server.says("/a", rss(*[story(n) for n in range(50, 60)]))
    poll(wired)
    assert [(gap.start, gap.end) for gap in status(wired).gaps] == [(seen, clock())]


def test_an_outage_without_a_loss_leaves_no_gap(wired, server, clock) -> None:
    add(wired, server)
    server.says("/a", rss(*[story(n) for n in range(10)]))
    poll(wired)
    server.says("/a", status=500)
    clock.go(hours=3)
    poll(wired)
    server.says("/a", rss(*[story(n) for n in range(5, 15)]))
    clock.go(hours=3)
    poll(wired)
    assert status(wired).gaps == ()


def test_a_dead_poller_shows_when_the_status_is_read(wired, server, clock) -> None:
    server.says("/a", rss(story(1)))
    add(wired, server)
    poll(wired)
    assert state_of(status(wired), clock(), 900) == "ok"
    assert state_of(status(wired), clock() + DAY, 900) == "stale"


def test_an_engine_that_is_down_stops_indexing_and_not_polling(wired, server, clock, settings) -> None:
    from pathlib import Path

    server.says("/a", rss(story(1)))
    add(wired, server)
    broken = Path(settings.data) / "index"
    broken.parent.mkdir(parents=True, exist_ok=True)
    (broken / "g000001").mkdir(parents=True)
    (broken / "g000001" / "schema").write_text("1")
    (broken / "g000001" / "meta.json").write_text("rubbish")
    (broken / "current").write_text("1")
    report = poll(wired)
    assert report.engine_error is not None
    assert wired.archive.head("a") == 1
    import shutil

    shutil.rmtree(broken)
    wired.engine.close()
    tick(wired, InlineQueue(lambda batches: run_batches(wired, batches)))
    assert len(items(wired)) == 1


# --- leases and races ---


def test_two_processes_that_tick_at_once_fetch_each_feed_once(wired, another, server) -> None:
    import threading

    for n in range(12):
        server.says(f"/{n}", rss(story(n)), delay=0.02)
        add(wired, server, f"f{n}", f"/{n}")
    rivals = [wired, another()]
    threads = [
        threading.Thread(target=tick, args=(one, InlineQueue(lambda batches, one=one: run_batches(one, batches))))
        for one in rivals
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    work = InlineQueue(lambda batches: run_batches(wired, batches))
    tick(wired, work)
    assert [server.count(f"/{n}") for n in range(12)] == [1] * 12
    assert len(items(wired)) == 12


def test_a_lease_that_expires_while_its_holder_works_loses_nothing_and_doubles_nothing(
    wired, another, server, clock
) -> None:
    add(wired, server)
    rival = another()

    def slow(_asked) -> Answer:
        server.answers["/a"] = Answer(body=rss(story(1), story(2)))
        clock.go(hours=1)  # our lease runs out while the answer is under way
        poll(rival)
        return Answer(body=rss(story(1)))

    server.answers["/a"] = slow
    wired.feeds.claim_host = lambda *_: 0  # the host's lease would keep the rival out
    rival.feeds.claim_host = lambda *_: 0
    report = poll(wired)
    assert report.polled[0].refused == "Its lease went to another process."
    tick(wired, InlineQueue(lambda batches: run_batches(wired, batches)))
    settle(wired)
    tick(wired, InlineQueue(lambda batches: run_batches(wired, batches)))
    assert wired.archive.head("a") == wired.feeds.row("a", 1).index.cursor == 2
    assert len(items(wired)) == 2
    assert all(item.revision == 1 for item in items(wired))


def test_an_index_task_delivered_twice_and_late_changes_nothing(wired, another, server) -> None:
    add(wired, server)
    for n in range(4):
        server.says("/a", rss(story(1, f"Title {n}")))
        poll(wired)
    before = items(wired)
    for one in (wired, another(), wired):
        run_batches(one, [Batch(("a",)), Batch(("a",))])
    assert items(wired) == before
    assert before[0].revision == 4


def test_a_record_whose_writer_died_before_it_was_remembered_is_seen(wired, server, clock) -> None:
    add(wired, server)
    server.says("/a", rss(story(1)))
    poll(wired)
    record = wired.archive.get("a", 1)
    wired.archive.put(msgspec.structs.replace(record, seq=2, body=rss(story(1), story(2))))
    assert settle(wired) == 1
    tick(wired, InlineQueue(lambda batches: run_batches(wired, batches)))
    assert len(items(wired)) == 2


def test_an_unsettled_feed_is_taken_up_by_a_tick(wired, another, server, clock) -> None:
    add(wired, server)
    server.says("/a", rss(story(1)))
    poll(wired)
    other = another()
    other.feeds.claim("a", Lease("dead", clock() + HOUR), clock())
    record = wired.archive.get("a", 1)
    other.archive.put(msgspec.structs.replace(record, seq=2, body=rss(story(1), story(2))))
    other.feeds.close()  # the process dies with its lease
    tick(wired, InlineQueue(lambda batches: run_batches(wired, batches)))
    tick(wired, InlineQueue(lambda batches: run_batches(wired, batches)))
    assert len(items(wired)) == 2


# --- reindexing ---


def test_a_reindex_gives_the_same_items(wired, server, clock) -> None:
    add(wired, server)
    for n in range(5):
        server.says("/a", rss(story(1, f"Title {n}"), *[story(k) for k in range(2, 4 + n)]))
        poll(wired)
        clock.go(hours=1)
    before = items(wired)
    done = reindex(wired)
    assert (done.generation, done.items, done.resumed) == (2, len(before), False)
    assert items(wired) == before
    assert wired.engine.generations() == [2]
    assert wired.feeds.generations() == [2]


def test_polling_goes_on_after_and_while_a_reindex_runs(wired, another, server, clock) -> None:
    add(wired, server)
    server.says("/a", rss(story(1)))
    poll(wired)
    rival = another()
    real = wired.engine.index
    calls = iter(range(100))

    def index(writes, generation):
        if next(calls) == 0:
            server.says("/a", rss(story(1), story(2)))
            poll(rival)
        return real(writes, generation)

    wired.engine.index = index
    reindex(wired)
    del wired.engine.index
    assert len(items(wired)) == 2
    server.says("/a", rss(story(1), story(2), story(3)))
    poll(wired)
    assert len(items(wired)) == 3


def test_a_lost_store_is_built_anew_from_the_archive(wired, server, settings) -> None:
    from pathlib import Path

    add(wired, server)
    server.says("/a", rss(story(1), story(2)))
    poll(wired)
    before = items(wired)
    wired.close()
    for file in Path(settings.data).glob("feeds.sqlite*"):
        file.unlink()
    reindex(wired)
    assert items(wired) == before
