"""A tick: find the feeds that are due, behind or orphaned, and put them into the work queue in batches."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress

from msgspec import Struct

from newswire.app import App
from newswire.clock import HOUR, MINUTE, SECOND, Instant
from newswire.errors import EngineError
from newswire.ingest.archiving import MAX_FEEDS_PER_SEARCH
from newswire.ingest.expiry import feeds_with_expired_items
from newswire.ingest.generations import serving_generation
from newswire.ingest.index_check import check_index, missing_items
from newswire.model import Batch
from newswire.storage.feeds import DueFeed
from newswire.storage.feeds.metadata import LastTick
from newswire.storage.queue import WorkQueue

MAX_FEEDS_PER_BATCH = 20
COUNT_INTERVAL = 10 * MINUTE
"""While batches wait, all due feeds are read once in this time, to count those that are late: with 100,000 of them a tick
would read them all each minute."""
FEW_FEEDS = 1_000
"""So few due feeds are read at each tick all the same."""


class TickResult(Struct, frozen=True):
    """How many feeds a tick put into the queue, how many are behind, and how many checks are later than the stale grace."""

    queued: int
    behind: int
    stale: int
    missing: int = 0
    """Number of items that the index lacks; 0 if it does not answer."""


def tick(app: App, work: WorkQueue, now: Instant | None = None) -> TickResult:
    """Put everything that is to be done at `now` into the queue: feeds that are due, behind or orphaned.

    While batches of earlier ticks still wait, only feeds that became due since the last tick are added, and everything
    once an hour. Otherwise a backlogged queue would grow by the whole due list every minute.
    """
    now = app.clock() if now is None else now
    waiting = work.waiting()
    last = app.feeds.metadata(LastTick) or LastTick(at=0, whole_at=0)
    is_whole = not waiting or now - last.whole_at >= HOUR
    counts_all = is_whole or last.due <= FEW_FEEDS or now - last.counted_at >= COUNT_INTERVAL
    due = app.feeds.due(now, MAX_FEEDS_PER_SEARCH, since=0 if counts_all else last.at)
    missing = 0
    with suppress(EngineError):  # those who index report it
        missing = missing_items(app)
    with suppress(EngineError):
        check_index(app)
    behind = app.feeds.behind(serving_generation(app).number)
    stale_before = now - app.settings.stale_grace_seconds * SECOND
    stale = sum(feed.at < stale_before for feed in due) if counts_all else last.stale
    due_count = len(due) if counts_all else last.due
    others: list[str] = []
    if is_whole:
        due_ids = {feed.id for feed in due}
        orphaned = app.feeds.orphaned(now, MAX_FEEDS_PER_SEARCH)
        expired: list[str] = []
        with suppress(EngineError):
            expired = feeds_with_expired_items(app, now)
        others = [feed_id for feed_id in dict.fromkeys((*orphaned, *behind, *expired)) if feed_id not in due_ids]
    else:
        due = [feed for feed in due if feed.at > last.at]
    work.put(_batches(due, others))
    if waiting is not None:  # after `put`: the next tick finds again what could not be put into the queue
        whole_at, counted_at = now if is_whole else last.whole_at, now if counts_all else last.counted_at
        app.feeds.keep_metadata(LastTick(now, whole_at, counted_at, stale, due_count))
    return TickResult(len(due) + len(others), len(behind), stale, missing)


def _batches(due: Iterable[DueFeed], others: Iterable[str]) -> Iterator[Batch]:
    """Fill batches with whole hosts, so that two batches seldom want the same host. Divide a host of many feeds."""
    by_host: dict[str, list[str]] = {}
    for feed in due:
        by_host.setdefault(feed.host, []).append(feed.id)
    filled: list[str] = []
    for ids in (*by_host.values(), *([feed_id] for feed_id in others)):
        for start in range(0, len(ids), MAX_FEEDS_PER_BATCH):
            part = ids[start : start + MAX_FEEDS_PER_BATCH]
            if len(filled) + len(part) > MAX_FEEDS_PER_BATCH:
                yield Batch(tuple(filled))
                filled = []
            filled += part
    if filled:
        yield Batch(tuple(filled))
