"""Rebuild the index: replay the archive into a new generation, and swap it in as a whole.

The old generation keeps serving and keeps being updated during the rebuild. When the new one has nearly caught up, the
fence stops all other indexing. Then the rest is replayed, the counts are compared, and searches see the new generation.
A killed reindex resumes or starts again; a search never sees half an index.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Sequence

from msgspec import Struct

from newswire.app import App
from newswire.clock import SECOND
from newswire.errors import DataBusyError, DataError, EngineUnavailableError
from newswire.ingest.archiving import reconcile
from newswire.ingest.feed_list import make_feed
from newswire.ingest.index_check import FENCE
from newswire.ingest.indexing import index_feeds, publish
from newswire.ingest.item import EXTRACTION
from newswire.storage.feeds import FeedRow, Lease
from newswire.storage.feeds.metadata import BegunReindex
from newswire.storage.feeds.status import status_of

LOCK = "reindex"
"""The lock that one reindex holds until it ends."""
MAX_REPLAY_ROUNDS = 3
"""Replays before the fence: each catches up with what came during the one before, so that the fence is short."""
LOOK_SECONDS = 0.1
"""Pause between two looks at index leases or at the count of the new generation."""


class ReindexResult(Struct, frozen=True):
    """The result of a reindex."""

    generation: int
    items: int
    feeds: int
    resumed: bool
    """It continued a generation that a killed reindex had begun."""


def reindex(app: App, progress: Callable[[int], object] | None = None) -> ReindexResult:
    """Build the next generation from the archive and swap it in; one reindex at a time.

    `progress` is called with the number of items of each record. Raises `DataBusyError` if another reindex runs, and
    `DataError` if the archive does not belong to the index or cannot be read. Raises `EngineError` if the engine fails.
    After an error the old generation stays in use, and the next call resumes where this one stopped.
    """
    lock = _RenewedLock(app, LOCK)
    lock.take("Another reindex is running: wait until it ends.")
    try:
        archived = app.archive.feeds()
        if not archived:
            _check_index_is_empty(app)
        for feed_id in archived:
            make_feed(app, feed_id)  # a feed whose row was lost still has its log
        _check_same_feeds(app)
        reconcile(app)
        current = app.engine.generation()
        target, resumed = _choose_target(app, current)
        for _round in range(MAX_REPLAY_ROUNDS):
            lock.renew()
            _replay(app, target, lock, progress)
            if not app.feeds.behind(target):
                break
        return _swap(app, current, target, lock, progress, resumed=resumed)
    finally:
        lock.free()


def _check_index_is_empty(app: App) -> None:
    """Raise `DataError` if the index has items although the archive is empty: NEWSWIRE_DATA is then the wrong folder."""
    app.engine.refresh()
    items = app.engine.count(app.engine.generation())
    if items:
        msg = (
            f"The index has {items:,} items, but the archive in {app.settings.data} has no documents to rebuild it from: "
            "set NEWSWIRE_DATA to the folder with the documents, or restore them from a backup. The index is unchanged."
        )
        raise DataError(msg)


def _check_same_feeds(app: App) -> None:
    """Raise `DataError` if the index has items of unknown feeds: it was then built from another archive."""
    feed_ids = {row.feed.id for row in app.feeds.rows()}
    unknown = [status.id for status in app.engine.statuses() if status.items and status.id not in feed_ids]
    if unknown:
        msg = (
            f"The index has items of {len(unknown):,} feeds that are unknown in {app.settings.data}, such as "
            f"{unknown[0]!r}: set NEWSWIRE_DATA to the folder that the index was built from. The index is unchanged."
        )
        raise DataError(msg)


def _choose_target(app: App, current: int) -> tuple[int, bool]:
    """Return the generation to build, and whether it is resumed; drop all others but the current one.

    A generation is resumed if the same version of the extraction and of the schema began it.
    """
    existing = app.engine.generations()
    for number in existing:
        if number < current:
            _drop(app, number)  # its reindex died after the swap, before it dropped the old generation
    begun = [number for number in existing if number > current]
    last_begun, schema = app.feeds.metadata(BegunReindex), app.engine.info().schema
    target = None
    for number in begun:
        if target is None and last_begun == BegunReindex(number, EXTRACTION, schema):
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


def _replay(app: App, target: int, lock: _RenewedLock, progress: Callable[[int], object] | None) -> None:
    """Index all feeds that are behind in the target; raise `DataError` for a log that cannot be read to its end."""

    def report(count: int) -> None:
        lock.renew()
        if progress is not None:
            progress(count)

    for result in index_feeds(app, app.feeds.behind(target), target, fenced=False, progress=report):
        if result.problem is not None:
            msg = (
                f"The log of {result.feed} cannot be replayed to its end; the old index stays in use. {result.problem}"
            )
            raise DataError(msg)


def _swap(
    app: App, current: int, target: int, lock: _RenewedLock, progress: Callable[[int], object] | None, *, resumed: bool
) -> ReindexResult:
    """Replay the rest behind the fence, compare the counts, and swap the target in.

    Raises `EngineUnavailableError` if the target lacks items that the fold states count.
    """
    fence = _RenewedLock(app, FENCE)
    fence.take("Another process is swapping the index: run `newswire reindex` again in a minute.")
    try:
        until = time.monotonic() + app.settings.lock_wait_seconds
        while app.feeds.index_leases(current, app.clock()) and time.monotonic() < until:
            time.sleep(LOOK_SECONDS)
        _replay(app, target, fence, progress)
        lock.renew()
        rows = app.feeds.rows(target)
        expected = sum(row.fold.indexed for row in rows)
        app.engine.refresh()
        while (items := app.engine.count(target)) < expected and time.monotonic() < until:
            time.sleep(LOOK_SECONDS)
        if items < expected:
            msg = (
                f"The new index must have {expected} items, got {items}. The old index stays in use: "
                "run `newswire reindex` again."
            )
            raise EngineUnavailableError(msg)
        _publish_fewer(app, current, rows)
        app.engine.swap(target)
    finally:
        fence.free()
    publish(app, [row.feed.id for row in rows])
    _drop(app, current)
    return ReindexResult(target, items, len(rows), resumed)


def _publish_fewer(app: App, current: int, rows: Sequence[FeedRow]) -> None:
    """Publish the feeds that have fewer items in the new generation, so that no search takes the others for lost ones."""
    before = {status.id: status.indexed for status in map(status_of, app.feeds.rows(current))}
    statuses = [status for status in map(status_of, rows) if status.indexed < before.get(status.id, 0)]
    if statuses:
        app.engine.publish(statuses)


def _drop(app: App, generation: int) -> None:
    app.engine.drop(generation)
    app.feeds.drop_generation(generation)


class _RenewedLock:
    """A named lock of the feed store that long work renews while it runs."""

    def __init__(self, app: App, name: str) -> None:
        self._app = app
        self._name = name
        self._token = uuid.uuid4().hex
        self._until = 0
        self._busy_message = ""

    def take(self, busy_message: str) -> None:
        """Take the lock; raise `DataBusyError` with this message if another process has it, now or at a renewal."""
        self._busy_message = busy_message
        self.renew()

    def renew(self) -> None:
        """Extend the lock when half of its time is over; raise `DataBusyError` if another process has it."""
        now = self._app.clock()
        length = self._app.settings.lease_seconds * SECOND
        if self._until - now > length // 2:
            return
        self._until = now + length
        if not self._app.feeds.lock(self._name, Lease(self._token, self._until), now):
            raise DataBusyError(self._busy_message)

    def free(self) -> None:
        self._app.feeds.unlock(self._name, self._token)
