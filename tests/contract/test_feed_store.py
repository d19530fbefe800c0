"""Test every feed store against the docstrings of `FeedStore`."""

import threading
import time

import msgspec
import pytest

from newswire.model import Feed, FoldState
from newswire.storage.feeds import Lease, PollResult
from newswire.storage.feeds.dynamodb import DynamoFeedStore
from newswire.storage.feeds.metadata import BegunReindex, LastTick, Metadata
from newswire.storage.feeds.sqlite import SqliteFeedStore
from tests.factories import item_state
from tests.support.aws import LateIndexes
from tests.support.memory import MemoryFeedStore, MemoryFeedStores

NOW = 1_763_985_600_000


def sqlite_stores(tmp_path, _request):
    return lambda: SqliteFeedStore(tmp_path / "store")


def dynamo_stores(_tmp_path, request):
    table = request.getfixturevalue("aws").table()
    return lambda: DynamoFeedStore(table)


def memory_stores(_tmp_path, _request):
    shared = MemoryFeedStores()
    return lambda: MemoryFeedStore(shared)


def late_dynamo_stores(_tmp_path, request):
    """Return a factory of stores whose indexes lag behind the table: results are the same, only later."""
    aws = request.getfixturevalue("aws")
    table, late = aws.table(), LateIndexes(aws.client("dynamodb"))

    def build():
        made = DynamoFeedStore(table)
        made._table.client = late
        return made

    return build


@pytest.fixture(params=[sqlite_stores, memory_stores, dynamo_stores, late_dynamo_stores])
def make(request, tmp_path):
    build, opened = request.param(tmp_path, request), []

    def another():
        opened.append(build())
        return opened[-1]

    yield another
    for store in opened:
        store.close()


def soon(look, wanted) -> None:
    """Retry for at most 3 seconds until the result is as wanted: indexes may lag, but never stay wrong."""
    until = time.monotonic() + 3
    while (found := look()) != wanted and time.monotonic() < until:
        time.sleep(0.05)
    assert found == wanted


@pytest.fixture
def store(make):
    made = make()
    made.put(Feed(id="a", url="http://one.example/feed"), NOW)
    return made


def lease(token: str = "t", seconds: int = 300) -> Lease:
    return Lease(token, NOW + seconds * 1000)


def remember(store, token: str, **fields):
    row = store.row("a")
    return store.remember([PollResult("a", token, msgspec.structs.replace(row.poll, **fields))])


def test_put_keeps_the_poll_state_of_a_known_feed(store) -> None:
    store.claim("a", lease(), NOW)
    remember(store, "t", head=7, next_check=NOW + 5)
    store.put(Feed(id="a", url="http://one.example/feed", title="New"), NOW)
    row = store.row("a")
    assert (row.feed.title, row.poll.head, row.poll.next_check) == ("New", 7, NOW + 5)
    assert store.row("b") is None


def test_rev_grows_with_every_change_and_after_removal(store) -> None:
    before = store.row("a").rev
    store.claim("a", lease(), NOW)
    remember(store, "t")
    assert store.row("a").rev > before
    last = store.row("a").rev
    store.remove("a")
    assert store.row("a") is None
    store.put(Feed(id="a"), NOW + 60_000)
    assert store.row("a").rev > last


@pytest.mark.parametrize(
    "edited",
    [{"url": "https://other.example/f"}, {"headers": {"X-Key": "k"}}, {"user_agent": "me"}, {"kind": "sitemap"}],
)
def test_edited_feed_is_due_at_once_at_its_configured_url(store, edited) -> None:
    store.claim("a", lease(), NOW)
    remember(store, "t", next_check=NOW + 80_000_000, adopted_url="https://adopted.example/f", errors=7)
    feed = store.row("a").feed
    store.put(msgspec.structs.replace(feed, title="Only another title", minimum_s=900), NOW)
    assert store.due(NOW, 10) == []
    store.put(msgspec.structs.replace(feed, **edited), NOW)
    host = "other.example" if "url" in edited else "one.example"
    soon(lambda: [(one.id, one.host) for one in store.due(NOW, 10)], [("a", host)])
    poll = store.row("a").poll
    assert (poll.next_check, poll.adopted_url, poll.errors) == (0, None, 7)


def test_poll_result_from_before_an_edit_is_refused(store) -> None:
    store.claim("a", lease(), NOW)
    store.put(msgspec.structs.replace(store.row("a").feed, url="https://other.example/f"), NOW)
    soon(lambda: [one.id for one in store.due(NOW, 10)], ["a"])
    assert remember(store, "t", next_check=NOW + 80_000_000) == ["a"]
    soon(lambda: store.orphaned(NOW, 10), ["a"])  # its holder may have written a record
    assert store.claim("a", lease("other"), NOW) is not None
    assert remember(store, "other", next_check=NOW + 5) == []


def test_feeds_are_listed_by_id(store) -> None:
    store.put(Feed(id="c"), NOW)
    store.put(Feed(id="b"), NOW)
    assert [row.feed.id for row in store.rows()] == ["a", "b", "c"]


def test_due_feeds_come_longest_due_first_with_host(store) -> None:
    store.put(Feed(id="b", url="http://User:pw@Two.example:81/x"), NOW)
    store.put(Feed(id="c", url=""), NOW)
    store.put(Feed(id="d", url="http://x.example/", polled=False), NOW)
    store.put(Feed(id="e", url="http://x.example/", removed=True), NOW)
    store.claim("a", lease(), NOW)
    remember(store, "t", next_check=NOW - 5)
    soon(
        lambda: [(one.id, one.host) for one in store.due(NOW, 10)],
        [("b", "two.example:81"), ("a", "one.example")],
    )
    soon(lambda: [one.id for one in store.due(NOW, 1)], ["b"])
    soon(lambda: [one.id for one in store.due(NOW - 6, 10)], ["b"])


def test_claimed_feed_is_not_due_and_not_claimed_twice(store) -> None:
    assert store.claim("a", lease(), NOW) is not None
    assert store.claim("a", lease("other"), NOW) is None
    assert store.due(NOW, 10) == []
    assert store.claim("nobody", lease(), NOW) is None


def test_expired_lease_is_free_and_its_holder_cannot_write(store) -> None:
    store.claim("a", lease(), NOW)
    later = NOW + 300_000
    soon(lambda: store.orphaned(later, 10), ["a"])
    row = store.claim("a", Lease("new", later + 9), later)
    assert row.orphaned
    assert remember(store, "t", head=9) == ["a"]
    assert store.row("a").poll.head == 0
    assert not store.release("a", "t")
    assert remember(store, "new", head=3) == []


def test_remember_releases_the_lease_by_default(store) -> None:
    store.claim("a", lease(), NOW)
    row = store.row("a")
    assert store.remember([PollResult("a", "t", row.poll)], release=False) == []
    assert store.claim("a", lease("other"), NOW) is None
    assert store.release("a", "t")
    assert not store.row("a").orphaned
    assert not store.claim("a", lease("other"), NOW).orphaned


def test_claim_many_claims_only_the_free_feeds(store) -> None:
    store.put(Feed(id="b", url="http://b.example/"), NOW)
    store.claim("a", lease("other"), NOW)
    assert list(store.claim_many(["a", "b", "none"], lease(), NOW)) == ["b"]
    assert store.claim("b", lease("third"), NOW) is None
    assert [row.feed.id for row in store.rows(0, ["b", "a", "none"])] == ["a", "b"]


def test_host_is_leased_once_and_can_be_delayed(store) -> None:
    assert store.claim_host("h", lease(), NOW) == 0
    assert store.claim_host("h", lease("other"), NOW) == NOW + 300_000
    assert store.claim_host("h", lease(), NOW) == 0
    assert store.release_host("h", "t", hold_until=NOW + 60_000)
    assert store.claim_host("h", lease("other"), NOW) == NOW + 60_000
    assert store.claim_host("h", Lease("other", NOW + 99_000), NOW + 60_000) == 0


def test_feed_is_behind_until_its_cursor_reaches_its_head(store) -> None:
    assert store.behind(1) == []
    store.claim("a", lease(), NOW)
    remember(store, "t", head=2)
    soon(lambda: store.behind(1), ["a"])
    store.claim_index(1, "a", lease("i"), NOW)
    assert store.save(1, "a", "i", FoldState(cursor=2, items=3), {"x": item_state()})
    assert store.behind(1) == []
    soon(lambda: store.behind(2), ["a"])
    assert store.row("a", 1).fold.items == 3
    assert store.row("a", 2).fold == FoldState()


def test_behind_can_be_limited_to_some_feeds(store) -> None:
    for name in ("b", "c"):
        store.put(Feed(id=name, url=f"http://{name}.example/"), NOW)
    for name in ("a", "c"):
        row = store.claim(name, lease(), NOW)
        store.remember([PollResult(name, "t", msgspec.structs.replace(row.poll, head=1))])
    assert store.behind(1, among=["c", "b", "a", "none"]) == ["a", "c"]
    assert store.behind(1, 1, among=["c", "a"]) == ["a"]
    assert store.behind(1, among=["b"]) == store.behind(1, among=[]) == []


def test_behind_is_tracked_per_generation(store) -> None:
    store.claim("a", lease(), NOW)
    remember(store, "t", head=2)
    for generation, cursor in ((1, 1), (2, 2)):
        store.claim_index(generation, "a", lease("i"), NOW)
        store.save(generation, "a", "i", FoldState(cursor=cursor), {})
    soon(lambda: store.behind(1), ["a"])
    assert store.behind(2) == []
    store.drop_generation(1)
    soon(lambda: store.behind(2), [])


def test_item_states_are_kept_per_generation(store) -> None:
    store.claim_index(1, "a", lease("i"), NOW)
    many = {f"{n:032x}": item_state(n) for n in range(1200)}
    store.save(1, "a", "i", FoldState(cursor=1), many)
    assert store.item_states(1, "a", [*many, "none"]) == many
    assert store.item_states(2, "a", many) == {}
    assert store.item_states(1, "b", many) == {}


def test_index_lease_covers_only_its_generation(store) -> None:
    assert store.claim_index(1, "a", lease("i"), NOW) is not None
    assert store.claim_index(1, "a", lease("j"), NOW) is None
    assert store.claim_index(2, "a", lease("j"), NOW) is not None
    assert store.index_leases(1, NOW) == 1
    assert not store.save(1, "a", "j", FoldState(cursor=9), {"x": item_state()})
    assert store.item_states(1, "a", ["x"]) == {}
    assert store.release_index(1, "a", "i")
    assert store.index_leases(1, NOW) == 0
    assert store.claim_index(1, "nobody", lease("j"), NOW) is None


def test_polling_and_indexing_keep_each_others_state(store) -> None:
    store.claim("a", lease(), NOW)
    store.claim_index(1, "a", lease("i"), NOW)
    remember(store, "t", head=5)
    store.save(1, "a", "i", FoldState(cursor=4), {})
    assert (store.row("a", 1).poll.head, store.row("a", 1).fold.cursor) == (5, 4)


def test_drop_generation_removes_all_its_states(store) -> None:
    for generation in (1, 2):
        store.claim_index(generation, "a", lease("i"), NOW)
        store.save(generation, "a", "i", FoldState(cursor=1), {"x": item_state()})
    assert store.generations() == [1, 2]
    store.drop_generation(1)
    assert store.generations() == [2]
    assert store.item_states(1, "a", ["x"]) == {}
    assert store.item_states(2, "a", ["x"]) == {"x": item_state()}


def test_named_locks_are_exclusive_and_renewable(store) -> None:
    assert store.lock("reindex", lease(), NOW)
    assert not store.lock("reindex", lease("other"), NOW)
    assert store.lock("reindex", lease("t", 900), NOW)
    assert store.is_locked("reindex", NOW + 600_000)
    assert not store.is_locked("fence", NOW)
    assert store.unlock("reindex", "t")
    assert not store.is_locked("reindex", NOW)
    assert store.lock("reindex", lease("other"), NOW)


def test_metadata_is_kept_one_value_of_each_kind(store) -> None:
    assert store.metadata(LastTick) is None
    store.keep_metadata(LastTick(at=1, whole_at=0))
    store.keep_metadata(LastTick(at=2, whole_at=1))
    store.keep_metadata(BegunReindex(generation=2, extraction=3, schema=4))
    assert store.metadata(LastTick) == LastTick(at=2, whole_at=1)
    assert store.metadata(BegunReindex) == BegunReindex(generation=2, extraction=3, schema=4)


def test_metadata_in_another_form_is_not_read(store) -> None:
    class Older(Metadata, frozen=True):
        KEY = LastTick.KEY
        text: str

    store.keep_metadata(Older("1763985600000 0"))
    assert store.metadata(LastTick) is None


def test_edited_paused_feed_is_polled_again(store) -> None:
    from newswire.storage.feeds import configuration_of

    store.claim("a", lease(), NOW)
    remember(store, "t", paused="gone", configured=configuration_of(store.row("a").feed))
    assert store.due(NOW, 10) == []
    store.put(Feed(id="a", url="http://one.example/new"), NOW)
    soon(lambda: [one.id for one in store.due(NOW, 10)], ["a"])


def test_concurrent_claims_give_the_feed_to_one_caller(make, store) -> None:
    got: list[int] = []

    def claim(number: int) -> None:
        if make().claim("a", lease(str(number)), NOW) is not None:
            got.append(number)

    threads = [threading.Thread(target=claim, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(got) == 1


def test_closed_store_reopens_on_the_next_call(store) -> None:
    store.close()
    assert store.row("a") is not None
