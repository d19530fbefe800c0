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

from newswire.app import App
from newswire.clock import SECOND
from newswire.errors import DataBusyError, DataError, EngineUnavailableError
from newswire.ingest.archiving import reconcile
from newswire.ingest.feed_list import make_feed
from newswire.ingest.indexing import FENCE, index_feeds, publish
from newswire.ingest.item import EXTRACTION
from newswire.storage.feeds import Lease
from newswire.storage.feeds.metadata import BegunReindex

LOCK = "reindex"
_NEARLY_LEVEL = 3
_LOOK_EVERY_S = 0.1


class ReindexResult(Struct, frozen=True):
    """What a reindex did."""

    generation: int
    items: int
    feeds: int
    resumed: bool


def reindex(app: App, progress: Callable[[int], object] | None = None) -> ReindexResult:
    """Build the next generation from the archive and swap it in; one reindex at a time.

    Raises `DataBusyError` when another one runs, `DataError` when there is an index and nothing to build it from, and
    what the engine raises: then the old generation goes on, and the next call carries on where this one stopped.
    """
    keep = _Lock(app, LOCK)
    keep.take("Another reindex is running: wait for it to end.")
    try:
        kept = app.archive.feeds()
        if not kept:
            _check_nothing_is_lost(app)
        for feed_id in kept:
            make_feed(app, feed_id)  # a feed whose row was lost still has its log
        _check_same_feeds(app)
        reconcile(app)
        current = app.engine.generation()
        target, resumed = _target(app, current)
        for _round in range(_NEARLY_LEVEL):
            keep.renew()
            _replay(app, target, keep, progress)
            if not app.feeds.behind(target):
                break
        return _swap(app, current, target, keep, progress, resumed=resumed)
    finally:
        keep.free()


def _check_nothing_is_lost(app: App) -> None:
    """Refuse to put an empty index in the place of one that has items: this is then another folder than theirs."""
    app.engine.refresh()
    items = app.engine.count(app.engine.generation())
    if items:
        msg = (
            f"The index has {items:,} items, and the archive in {app.settings.data} has no documents to build it from: "
            "set NEWSWIRE_DATA to the folder that has them, or put them back from a copy. The index stays."
        )
        raise DataError(msg)


def _check_same_feeds(app: App) -> None:
    """Refuse to replace an index that has items of feeds which are unknown here: it is built from another archive."""
    known = {row.feed.id for row in app.feeds.rows()}
    unknown = [one.id for one in app.engine.statuses() if one.items and one.id not in known]
    if unknown:
        msg = (
            f"The index has items of {len(unknown):,} feeds that are not known in {app.settings.data} ({unknown[0]!r} is "
            "one): set NEWSWIRE_DATA to the folder that the index was built from. The index stays."
        )
        raise DataError(msg)


def _target(app: App, current: int) -> tuple[int, bool]:
    """Choose the generation to build: one that was begun by the same code goes on, others are dropped."""
    existing = app.engine.generations()
    for number in existing:
        if number < current:
            _drop(app, number)  # of a reindex that died between its swap and its end
    begun = [number for number in existing if number > current]
    before, schema = app.feeds.metadata(BegunReindex), app.engine.info().schema
    target = None
    for number in begun:
        if target is None and before == BegunReindex(number, EXTRACTION, schema):
            target = number
        else:
            _drop(app, number)
    for number in app.feeds.generations():
        if number not in {current, target}:
            app.feeds.drop_generation(number)
    if target is not None:
        return target, True
    number = max([current, *app.engine.generations()]) + 1
    app.feeds.keep_metadata(BegunReindex(number, EXTRACTION, schema))
    return number, False


def _replay(app: App, target: int, keep: _Lock, progress: Callable[[int], object] | None) -> None:
    def told(count: int) -> None:
        keep.renew()
        if progress is not None:
            progress(count)

    for one in index_feeds(app, app.feeds.behind(target), target, fenced=False, progress=told):
        if one.problem is not None:
            msg = f"The old index goes on, since the log of {one.feed} can't be replayed whole. {one.problem}"
            raise DataError(msg)


def _swap(
    app: App, current: int, target: int, keep: _Lock, progress: Callable[[int], object] | None, *, resumed: bool
) -> ReindexResult:
    fence = _Lock(app, FENCE)
    fence.take("Another process is about to swap the index: run it again in a minute.")
    try:
        until = time.monotonic() + app.settings.lock_wait_seconds
        while app.feeds.index_leases(current, app.clock()) and time.monotonic() < until:
            time.sleep(_LOOK_EVERY_S)
        _replay(app, target, fence, progress)
        keep.renew()
        rows = app.feeds.rows(target)
        expected = sum(row.fold.items - row.fold.refused_count for row in rows)
        app.engine.refresh()
        while (found := app.engine.count(target)) < expected and time.monotonic() < until:
            time.sleep(_LOOK_EVERY_S)
        if found < expected:
            msg = f"The new index has {found} items, not {expected}; the old one goes on. Run `newswire reindex` again."
            raise EngineUnavailableError(msg)
        app.engine.swap(target)
    finally:
        fence.free()
    publish(app, [row.feed.id for row in rows])
    _drop(app, current)
    return ReindexResult(target, found, len(rows), resumed)


def _drop(app: App, generation: int) -> None:
    app.engine.drop(generation)
    app.feeds.drop_generation(generation)


class _Lock:
    """A named lock of the feed store that is renewed while long work goes on."""

    def __init__(self, app: App, name: str) -> None:
        self._app = app
        self._name = name
        self._token = uuid.uuid4().hex
        self._until = 0
        self._otherwise = ""

    def take(self, otherwise: str) -> None:
        self._otherwise = otherwise
        self.renew()

    def renew(self) -> None:
        """Set the end of the lock anew; `DataBusyError` when it has gone to somebody else."""
        now = self._app.clock()
        length = self._app.settings.lease_seconds * SECOND
        if self._until - now > length // 2:
            return
        self._until = now + length
        if not self._app.feeds.lock(self._name, Lease(self._token, self._until), now):
            raise DataBusyError(self._otherwise)

    def free(self) -> None:
        self._app.feeds.unlock(self._name, self._token)
