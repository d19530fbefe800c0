"""The batches of a tick."""

from collections.abc import Sequence
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from newswire.app import App
from newswire.clock import HOUR, MINUTE
from newswire.ingest.tick import MAX_FEEDS_PER_BATCH, TickResult, tick
from newswire.model import Batch, Feed
from newswire.settings import Settings
from newswire.storage.feeds import FeedStore, Lease, PollResult
from tests.support.memory import MemoryFeedStore, MemoryFeedStores, MemoryQueue

NOW = 1_763_985_600_000
DATA = TemporaryDirectory(prefix="newswire-tick-")
"""The data folder of all newswires of this file: a tick makes an empty index in it."""


def store_of(due_by_host: Sequence[int], behind: int = 0) -> MemoryFeedStore:
    """Return a store with so many due feeds on each host, and feeds that are behind but not due."""
    store = MemoryFeedStore(MemoryFeedStores())
    for host, count in enumerate(due_by_host):
        for number in range(count):
            store.put(Feed(id=f"h{host}-{number}", url=f"https://h{host}.example/{number}"), NOW)
    for number in range(behind):
        store.put(Feed(id=f"behind-{number}", url="https://behind.example/"), NOW)
        keep(store, f"behind-{number}", head=1, next_check=NOW + HOUR)
    return store


def keep(store: MemoryFeedStore, feed_id: str, **fields: object) -> None:
    """Write the poll state of a feed under a lease."""
    row = store.claim(feed_id, Lease("t", NOW + HOUR), NOW)
    assert row is not None
    assert store.remember([PollResult(feed_id, "t", replace(row.poll, **fields))]) == []


def app_of(store: FeedStore, now: int = NOW) -> App:
    """Return a newswire whose index is empty, so that its generation is 1."""
    return App(Settings(data=DATA.name), clock=lambda: now, feeds=store)


def batches_of(store: FeedStore) -> list[Batch]:
    queue = MemoryQueue()
    tick(app_of(store), queue)
    return queue.take(1_000)


@given(st.lists(st.integers(1, 50), max_size=12), st.integers(0, 50))
def test_batches_hold_each_feed_once_and_whole_hosts(due_by_host: list[int], behind: int) -> None:
    batches = [batch.feeds for batch in batches_of(store_of(due_by_host, behind))]
    queued = [feed_id for feeds in batches for feed_id in feeds]
    assert len(queued) == len(set(queued)) == sum(due_by_host) + behind
    assert all(1 <= len(feeds) <= MAX_FEEDS_PER_BATCH for feeds in batches)
    for host, count in enumerate(due_by_host):
        parts = [feeds for feeds in batches if any(id_.startswith(f"h{host}-") for id_ in feeds)]
        assert len(parts) == -(-count // MAX_FEEDS_PER_BATCH), "a host has no more batches than it needs"
    assert queued[len(queued) - behind :] == sorted(f"behind-{n}" for n in range(behind))


@pytest.mark.parametrize(
    ("due_by_host", "sizes"),
    [
        ([], []),
        ([20], [20]),
        ([21], [20, 1]),
        ([12, 8, 1], [20, 1]),
        ([12, 9], [12, 9]),
        ([12, 9, 11], [12, 20]),
        ([45, 5], [20, 20, 10]),
    ],
)
def test_batch_is_closed_when_a_host_does_not_fit(due_by_host: list[int], sizes: list[int]) -> None:
    assert [len(batch.feeds) for batch in batches_of(store_of(due_by_host))] == sizes


def test_due_feed_that_is_behind_is_queued_once() -> None:
    store = store_of([2])
    keep(store, "h0-1", head=3)
    assert batches_of(store) == [Batch(("h0-0", "h0-1"))]


def test_waiting_batches_defer_what_was_queued_before() -> None:
    store, queue = store_of([3], behind=2), MemoryQueue()
    assert tick(app_of(store), queue) == TickResult(queued=5, behind=2, stale=3)
    assert tick(app_of(store, NOW + MINUTE), queue).queued == 0
    keep(store, "h0-0", next_check=NOW + 90_000)
    assert tick(app_of(store, NOW + 2 * MINUTE), queue).queued == 1
    assert tick(app_of(store, NOW + HOUR), queue).queued == 5, "once an hour everything is queued again"
    queue.take(1_000)
    assert tick(app_of(store, NOW + HOUR + MINUTE), queue).queued == 5, "an empty queue takes everything"
