"""Test polling end to end on one machine: a real server, real stores and the embedded engine."""

import functools

import msgspec
import pytest

from newswire.clock import DAY, HOUR, MINUTE
from newswire.engines.query import SearchQuery
from newswire.feed_status import state_of
from newswire.ingest.archiving import reconcile
from newswire.ingest.feed_list import merge
from newswire.ingest.poll import run_batches
from newswire.ingest.reindex import reindex
from newswire.ingest.tick import tick
from newswire.model import Batch, Feed, Fetched, FetchFailed, IndexReport, NotModified, RefusedItem
from newswire.storage.feeds import Lease
from newswire.storage.queue.inline import InlineQueue
from tests.conftest import NOON
from tests.support.feed_server import Answer, FeedServer, rss, story


def add(app, server, feed_id: str = "a", path: str | None = None, **more) -> str:
    url = server.url(path or f"/{feed_id}")
    app.feeds.put(Feed(id=feed_id, url=url, **more), app.clock())
    return url


def poll(app, *feed_ids: str, now: bool = True):
    return run_batches(app, [Batch(feed_ids or ("a",), now=now)])


def items(app, **query):
    return [hit.item for hit in app.engine.search(SearchQuery(size=200, **query)).hits]


def poll_state(app, feed_id: str = "a"):
    return app.feeds.row(feed_id, app.engine.generation()).poll


def status(app, feed_id: str = "a"):
    return app.engine.statuses([feed_id])[0]


def test_polled_items_are_searchable(app, server) -> None:
    server.says("/a", rss(story(1), story(2, "An odd title")))
    add(app, server)
    report = poll(app)
    assert [result.changed for result in report.polled] == [True]
    assert {item.title for item in items(app)} == {"Story number 1", "An odd title"}
    assert status(app).title == "A feed"
    assert status(app).fetches[0].new == 2


def test_feed_whose_items_were_not_taken_stays_behind_alone(app, server, monkeypatch) -> None:
    index = app.engine.index

    left_out: list[RefusedItem] = []

    def partly(writes, generation: int) -> IndexReport:
        def taken():
            for write in writes:
                if write.item.feed == "bad":
                    left_out.append(RefusedItem(write.item.id, "security_exception: no permission"))
                else:
                    yield write

        return msgspec.structs.replace(index(taken(), generation), failed=tuple(left_out))

    for feed in ("bad", "good"):
        add(app, server, feed)
        server.says(f"/{feed}", rss(story(1), story(2), title=feed))
    with monkeypatch.context() as patched:
        patched.setattr(app.engine, "index", partly)
        report = poll(app, "bad", "good")
    assert {result.feed: result.problem is not None for result in report.indexed} == {"bad": True, "good": False}
    assert (status(app, "bad").behind, status(app, "good").behind) == (True, False)
    assert (status(app, "bad").items, status(app, "good").items) == (0, 2)
    poll(app, "bad")
    assert (status(app, "bad").behind, status(app, "bad").items, status(app, "bad").refused_items) == (False, 2, ())
    assert len(items(app)) == 4


def test_second_poll_of_an_unchanged_feed_writes_nothing(app, server) -> None:
    server.says("/a", rss(story(1)), etag='"1"')
    add(app, server)
    poll(app)
    version = app.engine.search(SearchQuery()).version
    report = poll(app)
    assert isinstance(report.polled[0].outcome, NotModified)
    assert app.engine.search(SearchQuery()).version == version
    assert (app.archive.head("a"), status(app).fetches[0].status) == (1, 304)


def test_same_body_without_validators_is_unchanged(app, server) -> None:
    server.says("/a", rss(story(1)))
    add(app, server)
    poll(app)
    assert isinstance(poll(app).polled[0].outcome, Fetched)
    assert app.archive.head("a") == 1


@pytest.mark.parametrize(
    "volatile",
    ["<lastBuildDate>{}</lastBuildDate>", "<!-- made at {} -->", "<pubDate>Mon, 24 Nov 2025 {}:00:00 GMT</pubDate>"],
)
def test_volatile_parts_do_not_count_as_a_change(app, server, volatile: str) -> None:
    add(app, server)
    for hour in ("10", "11"):
        server.says("/a", rss(story(1), channel=volatile.format(hour)))
        poll(app)
    assert app.archive.head("a") == 1


def test_whole_document_is_fetched_every_24_hours(app, server, clock) -> None:
    server.says("/a", rss(story(1)), etag='"1"')
    add(app, server)
    poll(app)
    clock.go(hours=23)
    assert isinstance(poll(app).polled[0].outcome, NotModified)
    clock.go(hours=1)
    assert isinstance(poll(app).polled[0].outcome, Fetched)
    assert app.archive.head("a") == 1


def test_changed_title_date_or_url_keeps_one_item(app, server) -> None:
    server.says("/a", rss(story(1)))
    add(app, server)
    poll(app)
    server.says("/a", rss(story(1, "Another title", pubDate="12 Nov 2025 12:00:00 GMT")))
    poll(app)
    server.says("/moved", rss(story(1, "A third title")))
    add(app, server, path="/moved")
    poll(app)
    (item,) = items(app)
    assert (item.title, item.revision, item.first_seen) == ("A third title", 3, NOON)


def test_failed_poll_is_a_state_and_is_retried(app, server, clock) -> None:
    server.says("/a", status=500)
    add(app, server)
    report = poll(app)
    assert isinstance(report.polled[0].outcome, FetchFailed)
    assert state_of(status(app), clock(), 900) == "failing"
    assert status(app).error == "127.0.0.1 answers 500 Internal Server Error."
    assert poll_state(app).next_check > clock()


def test_feed_recovers_within_a_day_after_30_days_of_errors(app, server, clock) -> None:
    server.says("/a", status=500)
    add(app, server)
    work = InlineQueue(lambda batches: run_batches(app, batches))
    end = clock() + 30 * DAY
    while clock() < end:
        tick(app, work)
        clock.at = min(max(poll_state(app).next_check, clock() + MINUTE), end)
    assert server.count("/a") >= 30
    server.says("/a", rss(story(1)))
    tried = end
    while not items(app):
        clock.at = max(poll_state(app).next_check, clock())
        tick(app, work)
        assert clock() - tried <= DAY
    assert state_of(status(app), clock(), 900) == "ok"


def test_retry_after_also_delays_successful_feeds(app, server, clock) -> None:
    server.says("/a", rss(story(1)), headers={"Retry-After": "50000"})
    add(app, server)
    poll(app)
    assert poll_state(app).next_check >= clock() + 50_000_000


def test_429_delays_all_feeds_of_the_host(app, server, clock) -> None:
    server.says("/a", status=429, headers={"Retry-After": "3600"})
    server.says("/b", rss(story(1)))
    add(app, server, "a")
    add(app, server, "b")
    poll(app, "a", "b")
    assert server.count("/b") == 0
    clock.go(minutes=30)
    assert "is held" in poll(app, "b").polled[0].refused
    clock.go(minutes=31)
    poll(app, "b")
    assert server.count("/b") == 1


def test_503_from_three_feeds_delays_the_host(app, server) -> None:
    for name in "abcde":
        server.says(f"/{name}", status=503)
        add(app, server, name)
    poll(app, *"abcde")
    assert [server.count(f"/{name}") for name in "abcde"] == [1, 1, 1, 0, 0]


def test_410_pauses_the_feed_until_its_url_changes(app, server, clock) -> None:
    server.says("/a", status=410)
    add(app, server)
    poll(app)
    assert state_of(status(app), clock(), 900) == "paused"
    assert "410" in status(app).paused
    clock.go(days=9)
    assert app.feeds.due(clock(), 10) == []
    server.says("/new", rss(story(1)))
    add(app, server, path="/new")
    assert [value.id for value in app.feeds.due(clock(), 10)] == ["a"]
    poll(app, now=False)
    assert state_of(status(app), clock(), 900) == "ok"


def test_corrected_url_is_fetched_by_the_next_tick(app, server, clock, tmp_path) -> None:
    feeds = tmp_path / "feeds.toml"
    server.says("/wrong", status=404)
    server.says("/right", rss(story(1)))
    work = InlineQueue(lambda batches: run_batches(app, batches))
    feeds.write_text(f'[feed.a]\nurl = "{server.url("/wrong")}"\n')
    merge(app.feeds, feeds, clock())
    for _ in range(9):
        clock.at = max(clock(), poll_state(app).next_check)
        tick(app, work)
    assert poll_state(app).next_check - clock() > 20 * HOUR
    clock.go(minutes=1)
    feeds.write_text(f'[feed.a]\nurl = "{server.url("/right")}"\n')
    merge(app.feeds, feeds, clock())
    tick(app, work)
    assert state_of(status(app), clock(), 900) == "ok"
    assert len(items(app)) == 1


def test_edit_during_a_fetch_is_kept(app, another, server, clock) -> None:
    other = another()
    server.says("/right", rss(story(2)))

    def edited_meanwhile(_asked) -> Answer:
        other.feeds.put(Feed(id="a", url=server.url("/right")), clock())
        return Answer(body=rss(story(1)))

    server.answers["/a"] = edited_meanwhile
    add(app, server)
    poll(app)
    work = InlineQueue(lambda batches: run_batches(app, batches))
    tick(app, work)
    assert server.count("/right") == 1
    assert sorted(item.title for item in items(app)) == ["Story number 1", "Story number 2"]
    assert state_of(status(app), clock(), 900) == "ok"


def test_one_connection_per_host_and_hosts_in_parallel(app, server) -> None:
    others = [FeedServer(f"127.0.0.{n}") for n in range(2, 6)]
    try:
        for n in range(6):
            server.says(f"/{n}", rss(story(n)), delay=0.05)
            add(app, server, f"same-{n}", f"/{n}")
        for n, other in enumerate(others):
            other.says("/x", rss(story(n)), delay=0.3)
            app.feeds.put(Feed(id=f"other-{n}", url=other.url("/x")), app.clock())
        ids = [f"same-{n}" for n in range(6)] + [f"other-{n}" for n in range(4)]
        import time

        started = time.monotonic()
        poll(app, *ids)
        took = time.monotonic() - started
        assert server.most_together == 1
        assert all(other.count("/x") == 1 for other in others)
        assert took < 1.2
    finally:
        for other in others:
            other.close()


def test_permanent_redirect_needs_3_sightings_over_48_hours(app, server, clock) -> None:
    server.says("/new", rss(story(1)))
    server.says("/a", status=301, headers={"Location": "/new"})
    add(app, server)
    for hours in (0, 20, 20):
        clock.go(hours=hours)
        poll(app)
        assert poll_state(app).adopted_url is None
    server.says("/new", rss(story(1), story(2)))
    clock.go(hours=20)
    poll(app)
    clock.go(hours=1)
    poll(app)
    assert poll_state(app).adopted_url == server.url("/new")
    before = server.count("/a")
    poll(app)
    assert server.count("/a") == before


def test_temporary_redirect_chain_is_never_adopted(app, server, clock) -> None:
    server.says("/new", rss(story(1)))
    server.says("/mid", status=301, headers={"Location": "/new"})
    for status_code in (302, 303, 307):
        server.says("/a", status=status_code, headers={"Location": "/mid"})
        add(app, server)
        for _ in range(5):
            server.says("/new", rss(story(1), story(2, f"t{clock()}")))
            clock.go(hours=24)
            poll(app)
    assert poll_state(app).adopted_url is None


def test_redirect_to_unrelated_content_is_not_adopted(app, server, clock) -> None:
    server.says("/a", rss(story(1)))
    add(app, server)
    poll(app)
    server.says("/a", status=301, headers={"Location": "/parked"})
    for n in range(6):
        server.says("/parked", rss(story(100 + n, guid=f"p{n}", link=f"https://parked.example/{n}")))
        clock.go(hours=24)
        poll(app)
    assert poll_state(app).adopted_url is None


def test_adopted_url_is_dropped_after_five_failures(app, server, clock) -> None:
    test_permanent_redirect_needs_3_sightings_over_48_hours(app, server, clock)
    server.says("/new", status=404)
    for _ in range(5):
        poll(app)
    server.says("/a", rss(story(3)))
    poll(app)
    assert poll_state(app).errors == 0
    assert any(item.title == "Story number 3" for item in items(app))


def test_non_feed_document_is_an_error_and_clears_validators(app, server, clock) -> None:
    server.says("/a", "<!doctype html><title>Maintenance</title>", etag='"page"')
    add(app, server)
    poll(app)
    assert state_of(status(app), clock(), 900) == "failing"
    assert status(app).error_code == "html_page"
    assert poll_state(app).validators is None
    server.says("/a", rss(story(1)), etag='"feed"')
    poll(app)
    assert state_of(status(app), clock(), 900) == "ok"
    assert len(items(app)) == 1


def test_unknown_json_document_is_refetched_unconditionally(app, server, clock) -> None:
    server.says("/a", b'{"version": "nothing known"}', etag='"odd"')
    add(app, server)
    poll(app)
    assert status(app).error_code == "not_a_feed"
    assert state_of(status(app), clock(), 900) == "failing"
    poll(app)
    assert "if-none-match" not in server.last("/a")
    assert poll_state(app).errors >= 1


@pytest.mark.parametrize(
    ("page", "code"),
    [
        ("<!doctype html><title>Maintenance</title><p>Request {}", "html_page"),
        ('{{"error": "busy", "request": {}}}', "not_a_feed"),
        ("<urlset><url><loc>https://news.example/{}</loc></url></urlset>", "no_news"),
    ],
)
def test_changing_non_feed_documents_back_off_and_are_archived(app, server, clock, page: str, code: str) -> None:
    add(app, server)
    work = InlineQueue(lambda batches: run_batches(app, batches))
    waits = []
    for n in range(40):
        server.says("/a", page.format(n), etag=f'"{n}"')
        tick(app, work)
        assert status(app).error_code == code
        assert state_of(status(app), clock(), 900) == "failing"
        waits.append(poll_state(app).next_check - clock())
        clock.at = poll_state(app).next_check
    assert all(wait <= DAY for wait in waits)
    assert all(wait > 23 * HOUR - 1 for wait in waits[12:])
    assert waits[2:10] == sorted(waits[2:10])
    assert app.archive.head("a") == server.count("/a") == 40
    server.says("/a", rss(story(1)))
    tick(app, work)
    assert state_of(status(app), clock(), 900) == "ok"
    assert poll_state(app).next_check - clock() < HOUR
    assert len(items(app)) == 1


def test_truncated_transfer_keeps_whole_entries_only(app, server) -> None:
    whole = rss(story(1), story(2), story(3))
    part = whole[: whole.rfind(b"<item>") + 30]
    server.says("/a", part, etag='"1"', length=len(whole))
    add(app, server)
    poll(app)
    assert len(items(app)) == 2
    assert poll_state(app).validators is None
    server.says("/a", whole, etag='"1"')
    poll(app)
    assert len(items(app)) == 3


def test_gap_is_published_when_two_windows_do_not_overlap(app, server, clock) -> None:
    add(app, server)
    server.says("/a", rss(*[story(n) for n in range(10)]))
    poll(app)
    seen = clock()
    clock.go(hours=30)
    server.says("/a", rss(*[story(n) for n in range(50, 60)]))
    poll(app)
    assert [(gap.start, gap.end) for gap in status(app).gaps] == [(seen, clock())]


def test_outage_without_loss_leaves_no_gap(app, server, clock) -> None:
    add(app, server)
    server.says("/a", rss(*[story(n) for n in range(10)]))
    poll(app)
    server.says("/a", status=500)
    clock.go(hours=3)
    poll(app)
    server.says("/a", rss(*[story(n) for n in range(5, 15)]))
    clock.go(hours=3)
    poll(app)
    assert status(app).gaps == ()


def test_status_is_stale_when_polling_has_stopped(app, server, clock) -> None:
    server.says("/a", rss(story(1)))
    add(app, server)
    poll(app)
    assert state_of(status(app), clock(), 900) == "ok"
    assert state_of(status(app), clock() + DAY, 900) == "stale"


def test_engine_outage_stops_indexing_but_not_polling(app, server, clock, settings) -> None:
    from pathlib import Path

    server.says("/a", rss(story(1)))
    add(app, server)
    broken = Path(settings.data) / "index"
    broken.parent.mkdir(parents=True, exist_ok=True)
    (broken / "g000001").mkdir(parents=True)
    (broken / "g000001" / "schema").write_text("1")
    (broken / "g000001" / "meta.json").write_text("rubbish")
    (broken / "current").write_text("1")
    report = poll(app)
    assert report.engine_error is not None
    assert app.archive.head("a") == 1
    import shutil

    shutil.rmtree(broken)
    app.engine.close()
    tick(app, InlineQueue(lambda batches: run_batches(app, batches)))
    assert len(items(app)) == 1


# --- leases and races ---


def test_concurrent_ticks_fetch_each_feed_once(app, another, server) -> None:
    import threading

    for n in range(12):
        server.says(f"/{n}", rss(story(n)), delay=0.02)
        add(app, server, f"f{n}", f"/{n}")
    rivals = [app, another()]
    threads = [
        threading.Thread(target=tick, args=(app, InlineQueue(functools.partial(run_batches, app)))) for app in rivals
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    work = InlineQueue(lambda batches: run_batches(app, batches))
    tick(app, work)
    assert [server.count(f"/{n}") for n in range(12)] == [1] * 12
    assert len(items(app)) == 12


def test_expired_lease_loses_and_duplicates_nothing(app, another, server, clock) -> None:
    add(app, server)
    rival = another()

    def slow(_asked) -> Answer:
        server.answers["/a"] = Answer(body=rss(story(1), story(2)))
        clock.go(hours=1)  # our lease expires during the fetch
        poll(rival)
        return Answer(body=rss(story(1)))

    server.answers["/a"] = slow
    app.feeds.claim_host = lambda *_: 0  # otherwise the host lease would block the rival
    rival.feeds.claim_host = lambda *_: 0
    report = poll(app)
    assert report.polled[0].refused == "Another process took its lease."
    tick(app, InlineQueue(lambda batches: run_batches(app, batches)))
    reconcile(app)
    tick(app, InlineQueue(lambda batches: run_batches(app, batches)))
    assert app.archive.head("a") == app.feeds.row("a", 1).fold.cursor == 2
    assert len(items(app)) == 2
    assert all(item.revision == 1 for item in items(app))


def test_repeated_index_task_changes_nothing(app, another, server) -> None:
    add(app, server)
    for n in range(4):
        server.says("/a", rss(story(1, f"Title {n}")))
        poll(app)
    before = items(app)
    for value in (app, another(), app):
        run_batches(value, [Batch(("a",)), Batch(("a",))])
    assert items(app) == before
    assert before[0].revision == 4


def test_record_of_a_dead_writer_is_reconciled(app, server, clock) -> None:
    add(app, server)
    server.says("/a", rss(story(1)))
    poll(app)
    record = app.archive.get("a", 1)
    app.archive.put(msgspec.structs.replace(record, seq=2, body=rss(story(1), story(2))))
    assert reconcile(app) == 1
    tick(app, InlineQueue(lambda batches: run_batches(app, batches)))
    assert len(items(app)) == 2


def test_orphaned_lease_is_taken_over_by_a_tick(app, another, server, clock) -> None:
    add(app, server)
    server.says("/a", rss(story(1)))
    poll(app)
    other = another()
    other.feeds.claim("a", Lease("dead", clock() + HOUR), clock())
    record = app.archive.get("a", 1)
    other.archive.put(msgspec.structs.replace(record, seq=2, body=rss(story(1), story(2))))
    other.feeds.close()  # the process dies with its lease
    tick(app, InlineQueue(lambda batches: run_batches(app, batches)))
    tick(app, InlineQueue(lambda batches: run_batches(app, batches)))
    assert len(items(app)) == 2


# --- reindexing ---


def test_reindex_gives_the_same_items(app, server, clock) -> None:
    add(app, server)
    for n in range(5):
        server.says("/a", rss(story(1, f"Title {n}"), *[story(k) for k in range(2, 4 + n)]))
        poll(app)
        clock.go(hours=1)
    before = items(app)
    completed = reindex(app)
    assert (completed.generation, completed.items, completed.resumed) == (2, len(before), False)
    assert items(app) == before
    assert app.engine.generations() == [2]
    assert app.feeds.generations() == [2]


def test_polling_continues_during_and_after_a_reindex(app, another, server, clock) -> None:
    add(app, server)
    server.says("/a", rss(story(1)))
    poll(app)
    rival = another()
    real = app.engine.index
    calls = iter(range(100))

    def index(writes, generation):
        if next(calls) == 0:
            server.says("/a", rss(story(1), story(2)))
            poll(rival)
        return real(writes, generation)

    app.engine.index = index
    reindex(app)
    del app.engine.index
    assert len(items(app)) == 2
    server.says("/a", rss(story(1), story(2), story(3)))
    poll(app)
    assert len(items(app)) == 3


def test_lost_feed_store_is_rebuilt_from_the_archive(app, server, settings) -> None:
    from pathlib import Path

    add(app, server)
    server.says("/a", rss(story(1), story(2)))
    poll(app)
    before = items(app)
    app.close()
    for file in Path(settings.data).glob("feeds.sqlite*"):
        file.unlink()
    reindex(app)
    assert items(app) == before
