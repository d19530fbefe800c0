"""Test the docstrings of `PollLeases` on every feed store."""

import threading

import msgspec

from newswire.model import Feed
from newswire.storage.feeds import Lease, PollResult
from tests.contract.feed_store.leases import NOW, lease, remember, soon


def test_poll_result_from_before_an_edit_is_refused(store) -> None:
    store.claim("a", lease(), NOW)
    store.put(msgspec.structs.replace(store.row("a").feed, url="https://other.example/f"), NOW)
    soon(lambda: [value.id for value in store.due(NOW, 10)], ["a"])
    assert remember(store, "t", next_check=NOW + 80_000_000) == ["a"]
    soon(lambda: store.orphaned(NOW, 10), ["a"])  # its holder may have written a record
    assert store.claim("a", lease("other"), NOW) is not None
    assert remember(store, "other", next_check=NOW + 5) == []


def test_due_feeds_come_longest_due_first_with_host(store) -> None:
    store.put(Feed(id="b", url="http://User:pw@Two.example:81/x"), NOW)
    store.put(Feed(id="c", url=""), NOW)
    store.put(Feed(id="d", url="http://x.example/", polled=False), NOW)
    store.put(Feed(id="e", url="http://x.example/", removed=True), NOW)
    store.claim("a", lease(), NOW)
    remember(store, "t", next_check=NOW - 5)
    soon(
        lambda: [(value.id, value.host) for value in store.due(NOW, 10)],
        [("b", "two.example:81"), ("a", "one.example")],
    )
    soon(lambda: [value.id for value in store.due(NOW, 1)], ["b"])
    soon(lambda: [value.id for value in store.due(NOW - 6, 10)], ["b"])


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


def test_edited_paused_feed_is_polled_again(store) -> None:
    from newswire.storage.feeds import configuration_of

    store.claim("a", lease(), NOW)
    remember(store, "t", paused="gone", configured=configuration_of(store.row("a").feed))
    assert store.due(NOW, 10) == []
    store.put(Feed(id="a", url="http://one.example/new"), NOW)
    soon(lambda: [value.id for value in store.due(NOW, 10)], ["a"])


def test_concurrent_claims_give_the_feed_to_one_caller(make, store) -> None:
    response: list[int] = []

    def claim(number: int) -> None:
        if make().claim("a", lease(str(number)), NOW) is not None:
            response.append(number)

    threads = [threading.Thread(target=claim, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(response) == 1


def test_feeds_that_are_due_since_an_instant(store) -> None:
    for feed, at in (("a", NOW - 100), ("b", NOW - 50), ("c", NOW)):
        store.put(Feed(id=feed, url=f"https://{feed}.example/"), NOW)
        claimed = store.claim(feed, lease(), NOW)
        assert store.remember([PollResult(feed, "t", msgspec.structs.replace(claimed.poll, next_check=at))]) == []
    soon(lambda: [value.id for value in store.due(NOW, 10)], ["a", "b", "c"])
    soon(lambda: [value.id for value in store.due(NOW, 10, since=NOW - 50)], ["c"])
    soon(lambda: [value.id for value in store.due(NOW, 10, since=NOW - 51)], ["b", "c"])
    assert store.due(NOW, 10, since=NOW) == []


def test_result_with_the_claimed_row_needs_no_look(store) -> None:
    store.put(Feed(id="a", url="https://a.example/"), NOW)
    mine = Lease("mine", NOW + 10)
    claimed = store.claim("a", mine, NOW)
    poll = msgspec.structs.replace(claimed.poll, head=3, next_check=NOW + 99)
    assert store.remember([PollResult("a", "mine", poll, claimed)]) == []
    row = store.row("a")
    assert (row.poll.head, row.poll.next_check, row.orphaned) == (3, NOW + 99, False)
    assert store.behind(1, among=["a"]) == ["a"]
    again = store.claim("a", mine, NOW)
    store.put(Feed(id="a", url="https://other.example/"), NOW)  # an edit ends the lease
    assert store.remember([PollResult("a", "mine", poll, again)]) == ["a"]
