"""Reindexing: the archive comes in, a new generation of the index goes out, swapped in whole.

The old generation serves and goes on meanwhile. When the new one is nearly level, the fence keeps everybody else from
indexing, the rest is replayed, the counts are compared, and searches see the new one. Killed anywhere, it goes on or
starts again, and a search never sees half an index.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable

from msgspec import Struct

from newswire.app import Wired
from newswire.clock import SECOND
from newswire.errors import DataBusyError, DataError, EngineUnavailableError
from newswire.ingest.backfill import make_feed
from newswire.ingest.indexing import FENCE, index_feeds, publish
from newswire.ingest.item import EXTRACTION
from newswire.ingest.poll import settle
from newswire.storage.feeds import Lease

LOCK = "reindex"
_NEARLY_LEVEL = 3
_LOOK_EVERY_S = 0.1


class Reindexed(Struct, frozen=True):
    """What a reindex did."""

    generation: int
    items: int
    feeds: int
    resumed: bool


def reindex(wired: Wired, progress: Callable[[int], object] | None = None) -> Reindexed:
    """Build the next generation from the archive and swap it in; one reindex at a time.

    Raises `DataBusyError` when another one runs, `DataError` when there is an index and nothing to build it from, and
    what the engine raises: then the old generation goes on, and the next call carries on where this one stopped.
    """
    keep = _Lock(wired, LOCK)
    keep.take("Another reindex is running: wait for it to end.")
    try:
        kept = wired.archive.feeds()
        if not kept:
            _check_nothing_is_lost(wired)
        for feed_id in kept:
            make_feed(wired, feed_id)  # a feed whose row was lost still has its log
        _check_same_feeds(wired)
        settle(wired)
        current = wired.engine.generation()
        target, resumed = _target(wired, current)
        for _round in range(_NEARLY_LEVEL):
            keep.renew()
            _replay(wired, target, keep, progress)
            if not wired.feeds.behind(target):
                break
        return _swap(wired, current, target, keep, progress, resumed=resumed)
    finally:
        keep.free()


def _check_nothing_is_lost(wired: Wired) -> None:
    """Refuse to put an empty index in the place of one that has items: this is then another folder than theirs."""
    wired.engine.refresh()
    items = wired.engine.count(wired.engine.generation())
    if items:
        msg = (
            f"The index has {items:,} items, and the archive in {wired.settings.data} has no documents to build it from: "
            "set NEWSWIRE_DATA to the folder that has them, or put them back from a copy. The index stays."
        )
        raise DataError(msg)


def _check_same_feeds(wired: Wired) -> None:
    """Refuse to replace an index that has items of feeds which are unknown here: it is built from another archive."""
    known = {row.feed.id for row in wired.feeds.rows()}
    unknown = [one.id for one in wired.engine.statuses() if one.items and one.id not in known]
    if unknown:
        msg = (
            f"The index has items of {len(unknown):,} feeds that are not known in {wired.settings.data} ({unknown[0]!r} is "
            "one): set NEWSWIRE_DATA to the folder that the index was built from. The index stays."
        )
        raise DataError(msg)


def _target(wired: Wired, current: int) -> tuple[int, bool]:
    """Choose the generation to build: one that was begun by the same code goes on, others are dropped."""
    existing = wired.engine.generations()
    for number in existing:
        if number < current:
            _drop(wired, number)  # of a reindex that died between its swap and its end
    begun = [number for number in existing if number > current]
    built_by = wired.feeds.note("reindex")
    code = f"{EXTRACTION} {wired.engine.info().schema}"
    target = None
    for number in begun:
        if target is None and built_by == f"{number} {code}":
            target = number
        else:
            _drop(wired, number)
    for number in wired.feeds.generations():
        if number not in {current, target}:
            wired.feeds.drop_generation(number)
    if target is not None:
        return target, True
    number = max([current, *wired.engine.generations()]) + 1
    wired.feeds.keep_note("reindex", f"{number} {code}")
    return number, False


def _replay(wired: Wired, target: int, keep: _Lock, progress: Callable[[int], object] | None) -> None:
    def told(count: int) -> None:
        keep.renew()
        if progress is not None:
            progress(count)

    for one in index_feeds(wired, wired.feeds.behind(target), target, fenced=False, progress=told):
        if one.problem is not None:
            msg = f"The old index goes on, since the log of {one.feed} can't be replayed whole. {one.problem}"
            raise DataError(msg)


def _swap(
    wired: Wired, current: int, target: int, keep: _Lock, progress: Callable[[int], object] | None, *, resumed: bool
) -> Reindexed:
    fence = _Lock(wired, FENCE)
    fence.take("Another process is about to swap the index: run it again in a minute.")
    try:
        until = time.monotonic() + wired.settings.lock_wait_seconds
        while wired.feeds.index_leases(current, wired.clock()) and time.monotonic() < until:
            time.sleep(_LOOK_EVERY_S)
        _replay(wired, target, fence, progress)
        keep.renew()
        rows = wired.feeds.rows(target)
        expected = sum(row.index.items - row.index.refused_count for row in rows)
        wired.engine.refresh()
        while (found := wired.engine.count(target)) < expected and time.monotonic() < until:
            time.sleep(_LOOK_EVERY_S)
        if found < expected:
            msg = f"The new index has {found} items, not {expected}; the old one goes on. Run `newswire reindex` again."
            raise EngineUnavailableError(msg)
        wired.engine.swap(target)
    finally:
        fence.free()
    publish(wired, [row.feed.id for row in rows])
    _drop(wired, current)
    return Reindexed(target, found, len(rows), resumed)


def _drop(wired: Wired, generation: int) -> None:
    wired.engine.drop(generation)
    wired.feeds.drop_generation(generation)


class _Lock:
    """A named lock of the feed store that is renewed while long work goes on."""

    def __init__(self, wired: Wired, name: str) -> None:
        self._wired = wired
        self._name = name
        self._token = uuid.uuid4().hex
        self._until = 0
        self._otherwise = ""

    def take(self, otherwise: str) -> None:
        self._otherwise = otherwise
        self.renew()

    def renew(self) -> None:
        """Set the end of the lock anew; `DataBusyError` when it has gone to somebody else."""
        now = self._wired.clock()
        length = self._wired.settings.lease_seconds * SECOND
        if self._until - now > length // 2:
            return
        self._until = now + length
        if not self._wired.feeds.lock(self._name, Lease(self._token, self._until), now):
            raise DataBusyError(self._otherwise)

    def free(self) -> None:
        self._wired.feeds.unlock(self._name, self._token)
