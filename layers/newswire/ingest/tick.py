"""Decide what is to be done now: put feeds that are due, behind or orphaned into the work queue, in batches."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from msgspec import Struct

from newswire.app import App
from newswire.clock import HOUR, SECOND, Instant
from newswire.ingest.archiving import MOST_DUE
from newswire.model import Batch
from newswire.storage.feeds import DueFeed
from newswire.storage.queue import WorkQueue

FEEDS_A_BATCH = 20


_TICKED = "ticked"


class TickResult(Struct, frozen=True):
    """What a tick found: how many feeds it put into the queue, are behind, and should have been checked before now."""

    queued: int
    behind: int
    stale: int


def tick(app: App, work: WorkQueue, now: Instant | None = None) -> TickResult:
    """Put everything that is to be done now into the queue: feeds that are due, behind, or were left in the middle.

    While batches of earlier ticks still wait, only what became due since the last tick is added, except once an hour:
    a queue that can't keep up would else grow by all of it each minute.
    """
    now = app.clock() if now is None else now
    before = _ticked_before(app, work)
    since = before.last if before and before.waits and now - before.whole < HOUR else None
    due = app.feeds.due(now, MOST_DUE)
    behind = app.feeds.behind(app.generation())
    in_time = now - app.settings.stale_grace_seconds * SECOND
    stale = sum(one.at < in_time for one in due)
    if since is not None:
        due = [one for one in due if one.at > since]
    known = {one.id for one in due}
    left = () if since is not None else dict.fromkeys((*app.feeds.orphaned(now, MOST_DUE), *behind))
    others = [feed_id for feed_id in left if feed_id not in known]
    work.put(_batches(due, others))
    if before is not None:  # only now: what could not be put in is found again by the next tick
        app.feeds.keep_note(_TICKED, f"{now} {now if since is None else before.whole}")
    return TickResult(len(due) + len(others), len(behind), stale)


class _Before(Struct, frozen=True):
    """The ticks before this one: the last, the last whole one, and whether what they put in may still wait."""

    last: Instant
    whole: Instant
    waits: bool


def _ticked_before(app: App, work: WorkQueue) -> _Before | None:
    """Give what is remembered of the ticks before; None for a queue that carries batches out at once."""
    waiting = work.waiting()
    if waiting is None:
        return None
    last, whole = (int(at) for at in (app.feeds.note(_TICKED) or "0 0").split())
    return _Before(last, whole, waiting > 0)


def _batches(due: Iterable[DueFeed], others: Iterable[str]) -> Iterator[Batch]:
    """Fill batches with whole hosts, so that two of them seldom want the same one; only a host of many feeds is divided."""
    by_host: dict[str, list[str]] = {}
    for one in due:
        by_host.setdefault(one.host, []).append(one.id)
    filled: list[str] = []
    for ids in (*by_host.values(), *([id_] for id_ in others)):
        for start in range(0, len(ids), FEEDS_A_BATCH):
            some = ids[start : start + FEEDS_A_BATCH]
            if len(filled) + len(some) > FEEDS_A_BATCH:
                yield Batch(tuple(filled))
                filled = []
            filled += some
    if filled:
        yield Batch(tuple(filled))
