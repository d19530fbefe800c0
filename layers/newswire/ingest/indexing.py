"""Indexing: feeds whose log goes on after their cursor come in, their items are in the engine and the cursors moved on.

The order keeps everything whole whatever dies when: writes into the engine, then item states, then cursors. What was
written and not remembered is written again, the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import msgspec
from msgspec import Struct

from newswire.app import App
from newswire.clock import SECOND
from newswire.errors import DataError
from newswire.ingest.fold import KEPT, step, wanted_ids
from newswire.ingest.item import candidates_of
from newswire.ingest.parse import parse
from newswire.model import (
    Count,
    FoldState,
    ItemState,
    ItemWrite,
    Record,
    Refusal,
    RefusedItem,
)
from newswire.storage.feeds import FeedRow, Lease, new_lease
from newswire.storage.feeds.status import status_of

GROUP_WRITES = 60_000
"""After so many items the engine commits and the cursors move. A commit waits for merges: a year of news takes 58 s in
groups of 15,000 and 45 s in groups of 60,000."""
GROUP_RECORDS = 2_000
SAVING_S = 12
"""So many seconds before the end a group ends, so that the engine takes its writes, and states and cursors are saved."""

FENCE = "fence"
"""The lock that keeps everybody but a reindex from indexing, for the moment of its swap."""


class IndexResult(Struct, frozen=True):
    """What indexing did to one feed."""

    feed: str
    new: int = 0
    changed: int = 0
    unchanged: int = 0
    records: int = 0
    refusal: Refusal | None = None
    """Why the last of its documents can't be read as a feed."""
    problem: str | None = None
    """Why its log can't be read on; the feed stays behind."""
    refused_items: tuple[RefusedItem, ...] = ()


class _Progress:
    """One feed within a group: its lease, its state so far, and what is to be saved."""

    def __init__(self, row: FeedRow, lease: Lease) -> None:
        self.row = row
        self.lease = lease
        self.fold: FoldState = row.fold
        self.states: dict[str, ItemState] = {}
        self.counts: list[Count] = []
        self.records = 0
        self.done = False
        self.refusal: Refusal | None = None
        self.problem: str | None = None


def index_feeds(
    app: App,
    feed_ids: Iterable[str],
    generation: int | None = None,
    *,
    fenced: bool = True,
    progress: Callable[[int], object] | None = None,
    time_left: Callable[[], float] | None = None,
) -> list[IndexResult]:
    """Index everything that these feeds have after their cursors, in groups.

    Feeds that somebody else is indexing are passed over. `fenced` keeps out of the way of a reindex that is about to
    swap (its own call says False). `progress` is told how many items were written, as they are. `time_left` gives the
    seconds until all must be saved: then a group ends where it is, and the rest stays behind.

    Raises `EngineError` when the engine fails: the feeds then stay behind, and nothing is lost.
    """
    if fenced and app.feeds.is_locked(FENCE, app.clock()):
        return []
    number = app.engine.generation() if generation is None else generation
    waiting = list(dict.fromkeys(feed_ids))
    waiting.reverse()
    done: dict[str, IndexResult] = {}
    unfinished: _Progress | None = None

    def is_late() -> bool:
        return time_left is not None and time_left() < SAVING_S

    while (waiting or unfinished) and not is_late():
        group = _Group(app, number, progress, is_late)
        if unfinished is not None:
            group.feeds.append(unfinished)
        try:
            report = app.engine.index(group.writes(waiting, unfinished), number)
        except BaseException:
            group.give_up()
            raise
        unfinished = group.save(report.refused, done)
    if unfinished is not None:
        app.feeds.release_index(number, unfinished.row.feed.id, unfinished.lease.token)
    return list(done.values())


class _Group:
    """Feeds whose writes go into the engine together."""

    def __init__(
        self,
        app: App,
        generation: int,
        progress: Callable[[int], object] | None,
        is_late: Callable[[], bool],
    ) -> None:
        self._is_late = is_late
        self._app = app
        self._generation = generation
        self._progress = progress
        self._written = 0
        self._records = 0
        self.feeds: list[_Progress] = []

    def writes(self, waiting: list[str], unfinished: _Progress | None) -> Iterator[ItemWrite]:
        """Give the writes of the group one by one, taking feeds from the end of `waiting`."""
        if unfinished is not None:
            yield from self._writes_of(unfinished)
        while waiting and not self._is_full():
            feed = self._claimed(waiting.pop())
            if feed is not None:
                self.feeds.append(feed)
                yield from self._writes_of(feed)

    def _is_full(self) -> bool:
        return self._written >= GROUP_WRITES or self._records >= GROUP_RECORDS or self._is_late()

    def _claimed(self, feed_id: str) -> _Progress | None:
        now = self._app.clock()
        lease = new_lease(self._app.settings, now)
        row = self._app.feeds.claim_index(self._generation, feed_id, lease, now)
        return None if row is None else _Progress(row, lease)

    def _writes_of(self, feed: _Progress) -> Iterator[ItemWrite]:
        while not self._is_full():
            seq = feed.fold.cursor + 1
            if seq > feed.row.poll.head:
                feed.done = True
                return
            try:
                record = self._app.archive.get(feed.row.feed.id, seq)
                if record is None:
                    msg = f"Record {seq} of {feed.row.feed.id} is missing from the archive: put it back from a copy."
                    raise DataError(msg)  # noqa: TRY301 - the same outcome as one that is damaged
            except DataError as error:
                feed.problem, feed.done = str(error), True
                return
            yield from self._folded(feed, record)

    def _folded(self, feed: _Progress, record: Record) -> Iterator[ItemWrite]:
        read = parse(record, self._app.settings.fetch_max_entries)
        candidates = []
        if isinstance(read, Refusal):
            feed.refusal = read
        else:
            feed.refusal = None
            candidates = candidates_of(read, record.feed, record.fetched_at, record.lang)
        known: dict[str, ItemState | None] = {}
        while wanted := wanted_ids(candidates, known):
            ours = {id_: feed.states[id_] for id_ in wanted if id_ in feed.states}
            rest = wanted - ours.keys()
            found = self._app.feeds.item_states(self._generation, record.feed, rest) if rest else {}
            known.update({id_: ours.get(id_, found.get(id_)) for id_ in wanted})
        taken = step(feed.fold, record, read, candidates, known)
        feed.fold = taken.fold
        feed.states.update(taken.states)
        feed.counts.append(taken.count)
        feed.records += 1
        self._records += 1
        for write in taken.writes:
            self._written += 1
            yield write
        if self._progress is not None and taken.writes:
            self._progress(len(taken.writes))

    def save(self, refused: Iterable[RefusedItem], done: dict[str, IndexResult]) -> _Progress | None:
        """Write states and cursors, give leases back; gives the feed that the group ended in the middle of."""
        refused_by_id = {one.id: one for one in refused}
        unfinished = None
        for feed in self.feeds:
            ours = tuple(refused_by_id[id_] for id_ in feed.states if id_ in refused_by_id)
            if ours:
                kept = (*ours, *feed.fold.refused_items)[:KEPT]
                count = feed.fold.refused_count + len(ours)
                feed.fold = msgspec.structs.replace(feed.fold, refused_items=kept, refused_count=count)
            self._save_one(feed)
            feed_id = feed.row.feed.id
            before = done.get(feed_id, IndexResult(feed_id))
            done[feed_id] = IndexResult(
                feed=feed_id,
                new=before.new + sum(count.new for count in feed.counts),
                changed=before.changed + sum(count.changed for count in feed.counts),
                unchanged=before.unchanged + sum(count.unchanged for count in feed.counts),
                records=before.records + feed.records,
                refusal=feed.refusal,
                problem=feed.problem,
                refused_items=(before.refused_items + ours)[:KEPT],
            )
            if feed.done:
                self._app.feeds.release_index(self._generation, feed_id, feed.lease.token)
            else:
                unfinished = self._carried_on(feed)
        return unfinished

    def _save_one(self, feed: _Progress) -> None:
        if feed.records:
            saved = self._app.feeds.save(self._generation, feed.row.feed.id, feed.lease.token, feed.fold, feed.states)
            if not saved:
                feed.done = True  # the lease went to somebody else, who does the same work; ours changed nothing

    def _carried_on(self, feed: _Progress) -> _Progress | None:
        """Take up a feed whose log is longer than a group, under the same lease, renewed."""
        now = self._app.clock()
        lease = Lease(feed.lease.token, now + self._app.settings.lease_seconds * SECOND)
        row = self._app.feeds.claim_index(self._generation, feed.row.feed.id, lease, now)
        return None if row is None else _Progress(row, lease)

    def give_up(self) -> None:
        """Give the leases back without having saved anything: the feeds stay behind."""
        for feed in self.feeds:
            self._app.feeds.release_index(self._generation, feed.row.feed.id, feed.lease.token)


def publish(app: App, feed_ids: Iterable[str]) -> None:
    """Tell the search side how these feeds are, also those whose poll failed or brought nothing new."""
    generation = app.engine.generation()
    app.engine.publish([status_of(row) for row in app.feeds.rows(generation, feed_ids)])
