"""Index feeds that are behind: fold their records, write items into the engine, move the cursors.

The order keeps everything whole whenever a process dies: claims, writes into the engine, item states, cursors. Writes
that were not remembered are repeated, and change nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial

import msgspec
from msgspec import Struct

from newswire.app import App
from newswire.clock import SECOND
from newswire.errors import DataError, EngineUnavailableError, NewswireError
from newswire.ingest.fold import HISTORY_LENGTH, fold_reading, step
from newswire.ingest.index_check import FENCE, check_index, remember_index
from newswire.ingest.reading import reader_of, refuse_error
from newswire.ingest.reading.record import TOO_COSTLY
from newswire.ingest.retention import cutoff_of, without_expired
from newswire.log import log_text
from newswire.model import (
    Count,
    FoldState,
    IndexReport,
    ItemDeletion,
    ItemState,
    ItemWrite,
    Reading,
    Record,
    Refusal,
    RefusedItem,
    Withdrawal,
)
from newswire.storage.feeds import FeedRow, Lease, new_lease
from newswire.storage.feeds.status import status_of

GROUP_WRITES = 60_000
"""Items after which the engine commits and the cursors move. A commit waits for merges: a year of news takes 58 s in
groups of 15,000 and 45 s in groups of 60,000."""
GROUP_RECORDS = 2_000
GROUP_COSTLY_RECORDS = 3
"""Records that were refused as too costly, after which a group ends: each took up to `NEWSWIRE_READ_TIMEOUT_SECONDS`, while
the items of other feeds waited for the commit."""
PATIENCE_SECONDS = 2.0
"""Time that a record may take at first. A slower one waits until the records of all other feeds were read."""
MAX_CLAIMED_FEEDS = 200
"""Maximum feeds that a run holds index leases on at a time."""
SAVING_SECONDS = 12
"""Time before the deadline at which a group ends, so that the engine can commit and the states are saved."""


class IndexResult(Struct, frozen=True):
    """The result of indexing one feed."""

    feed: str
    new: int = 0
    changed: int = 0
    unchanged: int = 0
    merged: int = 0
    """Entries that are the same item as another entry of their document."""
    records: int = 0
    refusal: Refusal | None = None
    """Why the last of its documents cannot be read as a feed."""
    refused_records: tuple[tuple[int, Refusal], ...] = ()
    """The numbers of all records that cannot be read as a feed, and why."""
    problem: str | None = None
    """Why its log cannot be read on; the feed stays behind."""
    refused_items: tuple[RefusedItem, ...] = ()


def index_feeds(
    app: App,
    feed_ids: Iterable[str],
    generation: int | None = None,
    *,
    fenced: bool = True,
    progress: Callable[[int], object] | None = None,
    time_left: Callable[[], float] | None = None,
) -> list[IndexResult]:
    """Index every record that these feeds have after their cursors, in groups; return the results by feed.

    Skip feeds that another process indexes. `fenced` returns at once while a reindex swaps (the reindex itself passes
    False). `progress` is called with the number of items of each record. `time_left` returns the seconds until
    everything must be saved; what there is no time for stays behind.

    Raises `EngineError` if the engine fails; the feeds then stay behind, and nothing is lost.
    """
    if fenced and app.feeds.is_locked(FENCE, app.clock()):
        return []
    feed_ids = list(feed_ids)
    number = generation
    if number is None:
        number = check_index(app) if feed_ids else app.engine.generation()
        if number is None:
            return []
    run = _IndexRun(app, number, feed_ids, progress, time_left)
    try:
        while run.claim():
            report = app.engine.index(run.writes(), number)
            run.withdraw()
            run.save(report)
            remember_index(app, number)
    finally:
        run.release()
    return list(run.results.values())


class _Progress:
    """A claimed feed: its lease, its fold state so far, and what is to be saved of it."""

    def __init__(self, row: FeedRow, lease: Lease) -> None:
        self.row = row
        self.lease = lease
        self.fold: FoldState = row.fold
        self.states: dict[str, ItemState] = {}
        self.counts: list[Count] = []
        self.records = 0
        self.done = False
        self.refusal: Refusal | None = None
        self.refused_records: list[tuple[int, Refusal]] = []
        self.problem: str | None = None
        self.withdrawals: dict[str, tuple[Withdrawal, int]] = {}
        """The withdrawals to carry out, with the numbers of their records, by item."""

    @property
    def needs_care(self) -> bool:
        """Return whether to read the next record in the child, whatever its size: the last one was too costly, or fatal."""
        return self.row.abandoned or self.fold.refused_code == TOO_COSTLY


class _IndexRun:
    """Indexes feeds group by group: claim some, hand their writes to the engine, save their states."""

    def __init__(
        self,
        app: App,
        generation: int,
        feed_ids: Iterable[str],
        progress: Callable[[int], object] | None,
        time_left: Callable[[], float] | None,
    ) -> None:
        self.results: dict[str, IndexResult] = {}
        self._app = app
        self._generation = generation
        self._progress = progress
        self._time_left = time_left
        self._waiting = list(dict.fromkeys(feed_ids))
        self._waiting.reverse()
        self._claimed: list[_Progress] = []
        self._writes = 0
        self._records = 0
        self._costly = 0
        self._slow: set[str] = set()
        """Feeds with a record that took longer than `PATIENCE_SECONDS`."""
        self._ahead: tuple[str, int, Record] | None = None
        """The record that is probably read next, with its feed and number, so that it is fetched once."""

    # --- claims ---

    def claim(self) -> bool:
        """Claim feeds for the next group; return whether there is anything to index, and time for it."""
        self._writes = self._records = self._costly = 0
        if self._is_late():
            return False
        records = sum(feed.row.poll.head - feed.fold.cursor for feed in self._claimed)
        while self._waiting and records < GROUP_RECORDS and len(self._claimed) < MAX_CLAIMED_FEEDS:
            feed = self._claim_feed(self._waiting.pop(), None)
            if feed is not None:
                self._claimed.append(feed)
                records += feed.row.poll.head - feed.fold.cursor
        return bool(self._claimed)

    def _claim_feed(self, feed_id: str, token: str | None) -> _Progress | None:
        """Claim a feed, or extend the claim with this token; None if another process has it."""
        now = self._app.clock()
        lease = new_lease(self._app.settings, now, token)
        row = self._app.feeds.claim_index(self._generation, feed_id, lease, now)
        return None if row is None else _Progress(row, lease)

    def release(self) -> None:
        """Release all leases; what was not saved stays behind."""
        for feed in self._claimed:
            self._app.feeds.release_index(self._generation, feed.row.feed.id, feed.lease.token)
        self._claimed = []

    # --- writes, pulled by the engine ---

    def writes(self) -> Iterator[ItemWrite]:
        """Yield the writes of the claimed feeds, until the group is full or the time is over."""
        for feed in self._claimed:
            while not feed.done and not self._is_full():
                record = self._next_record(feed)
                if record is not None:
                    yield from self._folded(feed, record)

    def _is_full(self) -> bool:
        is_large = self._writes >= GROUP_WRITES or self._records >= GROUP_RECORDS
        return is_large or self._costly >= GROUP_COSTLY_RECORDS or self._is_late()

    def _is_late(self) -> bool:
        return self._time_left is not None and self._time_left() < SAVING_SECONDS

    def _next_record(self, feed: _Progress) -> Record | None:
        """Read the next record of a feed; None at the end of its log, or where the log cannot be read on."""
        seq = feed.fold.cursor + 1
        if seq > feed.row.poll.head:
            feed.done = True
            return None
        if self._ahead is not None and self._ahead[:2] == (feed.row.feed.id, seq):
            ahead, self._ahead = self._ahead[2], None
            return ahead
        try:
            record = self._app.archive.get(feed.row.feed.id, seq)
        except DataError as error:
            feed.problem, feed.done = str(error), True
            return None
        if record is None:
            feed.problem = f"Record {seq} of {feed.row.feed.id} is missing from the archive: restore it from a backup."
            feed.done = True
        return record

    def _folded(self, feed: _Progress, record: Record) -> Iterator[ItemWrite]:
        """Read one record, fold it into the state of its feed, and yield its writes; a defect becomes a refusal."""
        if not self._has_time_for(feed, record):
            feed.done = True  # it stays behind: a document must not be refused because its reader had too little time
            return
        reading = self._read(feed, record)
        if reading is None:
            feed.done = True
            self._slow.add(record.feed)
            self._waiting.insert(0, record.feed)  # the last one to be claimed
            return
        self._read_ahead(feed)
        try:
            folded = fold_reading(feed.fold, record, reading, partial(self._states, feed))
        except NewswireError:
            raise  # a store failed, which is no fault of the record
        except Exception as error:  # noqa: BLE001 - logged as a defect; the record is refused, and the others are indexed
            reading = Reading(refusal=refuse_error(error))
            folded = step(feed.fold, record, reading, {})
        folded = without_expired(folded, cutoff_of(feed.row.feed, self._app.settings, self._app.clock()))
        feed.refusal = reading.refusal
        if reading.refusal is not None:
            feed.refused_records.append((record.seq, reading.refusal))
        self._costly += reading.refusal is not None and reading.refusal.code == TOO_COSTLY
        feed.fold = folded.fold
        feed.states.update(folded.states)
        feed.counts.append(folded.count)
        if folded.withdrawal is not None:
            feed.withdrawals[folded.withdrawal.id] = (folded.withdrawal, record.seq)
        feed.records += 1
        self._records += 1
        for write in folded.writes:
            self._writes += 1
            yield write
        if self._progress is not None and folded.writes:
            self._progress(len(folded.writes))

    def _read(self, feed: _Progress, record: Record) -> Reading | None:
        """Read a record; None if it is slow, and others wait."""
        reader = reader_of(self._app)
        if record.feed in self._slow:
            return reader.read(record, careful=feed.needs_care)
        return reader.try_read(record, PATIENCE_SECONDS, careful=feed.needs_care)

    def _read_ahead(self, feed: _Progress) -> None:
        """Start reading the record that most likely comes next: of this feed, else of the next one."""
        position = self._claimed.index(feed)
        after = next((other for other in self._claimed[position + 1 :] if not other.done), None)
        for candidate, seq in ((feed, feed.fold.cursor + 2), (after, after.fold.cursor + 1 if after else 0)):
            if candidate is None or seq > candidate.row.poll.head:
                continue
            try:
                record = self._app.archive.get(candidate.row.feed.id, seq)
            except DataError:
                return  # it is reported when its turn comes
            if record is not None and self._has_time_for(candidate, record):
                self._ahead = (candidate.row.feed.id, seq, record)
                reader_of(self._app).begin(record, careful=candidate.needs_care)
            return

    def _states(self, feed: _Progress, ids: set[str]) -> dict[str, ItemState]:
        """Return the states of items, of this group or stored."""
        ours = {id_: feed.states[id_] for id_ in ids if id_ in feed.states}
        unread = ids - ours.keys()
        return self._app.feeds.item_states(self._generation, feed.row.feed.id, unread) | ours if unread else ours

    def _has_time_for(self, feed: _Progress, record: Record) -> bool:
        """Return whether the next record of a feed can be read, however long it takes, before the group must be saved."""
        if self._time_left is None:
            return True
        seconds = reader_of(self._app).seconds_for(record, careful=feed.needs_care)
        return seconds <= self._time_left() - SAVING_SECONDS

    # --- results ---

    def withdraw(self) -> None:
        """Delete the withdrawn items of the group from the index, after its writes, and publish why.

        The statuses with fewer items come first, so that no search takes the deleted ones for lost ones.
        """
        feeds = [feed for feed in self._claimed if feed.withdrawals]
        if not feeds:
            return
        engine = self._app.engine
        if self._generation == engine.generation():
            status_by_feed = {feed.row.feed.id: status_of(feed.row) for feed in feeds}
            known = {status.id: status for status in engine.statuses(status_by_feed)}
            engine.publish(
                msgspec.structs.replace(
                    known.get(feed.row.feed.id, status_by_feed[feed.row.feed.id]),
                    indexed=max(status_by_feed[feed.row.feed.id].indexed - len(feed.withdrawals), 0),
                )
                for feed in feeds
            )
        withdrawn = [withdrawal for feed in feeds for withdrawal in feed.withdrawals.values()]
        engine.publish_withdrawals(withdrawal for withdrawal, _seq in withdrawn)
        deletions = [ItemDeletion(withdrawal.id, seq) for withdrawal, seq in withdrawn]
        engine.delete_items(deletions, self._generation)
        for withdrawal, _seq in withdrawn:
            log_text(f"The item {withdrawal.id} of {withdrawal.feed} is withdrawn: {withdrawal.reason}")

    def save(self, report: IndexReport) -> None:
        """Save states and cursors of the group; release the feeds that are done and keep the others claimed.

        A feed whose items the engine, or whose states the store did not take stays behind, with the reason. Raises
        `EngineUnavailableError` or `DataError` if none was taken.
        """
        refused_by_id = {item.id: item for item in report.refused}
        failed_by_id = {item.id: item for item in report.failed}
        progress: list[_Progress | None] = []
        failed: list[NewswireError] = []
        saved = 0
        for feed in self._claimed:
            feed_id = feed.row.feed.id
            if feed.records:
                try:
                    _check_all_taken(feed, failed_by_id)
                    self._save_feed(feed, tuple(refused_by_id[id_] for id_ in feed.states if id_ in refused_by_id))
                    saved += 1
                except (DataError, EngineUnavailableError) as error:
                    failed.append(error)
                    feed.problem, feed.done, feed.records, feed.counts = str(error), True, 0, []
                    self._add_result(feed, ())
            elif feed.problem is not None:
                self._add_result(feed, ())
            if feed.done:
                self._app.feeds.release_index(self._generation, feed_id, feed.lease.token)
            elif feed.records or self._is_half_over(feed.lease):
                progress.append(self._claim_feed(feed_id, feed.lease.token))
            else:
                progress.append(feed)
        self._claimed = [feed for feed in progress if feed is not None]
        if failed and not saved:
            raise failed[0]

    def _save_feed(self, feed: _Progress, refused: tuple[RefusedItem, ...]) -> None:
        if refused:
            feed.fold = msgspec.structs.replace(
                feed.fold,
                refused_items=(*refused, *feed.fold.refused_items)[:HISTORY_LENGTH],
                refused_count=feed.fold.refused_count + len(refused),
            )
        saved = self._app.feeds.save(self._generation, feed.row.feed.id, feed.lease.token, feed.fold, feed.states)
        if not saved:
            feed.done = True  # the lease went to another process, which does the same work; ours changed nothing
        self._add_result(feed, refused)

    def _add_result(self, feed: _Progress, refused: tuple[RefusedItem, ...]) -> None:
        feed_id = feed.row.feed.id
        before = self.results.get(feed_id, IndexResult(feed_id))
        self.results[feed_id] = IndexResult(
            feed=feed_id,
            new=before.new + sum(count.new for count in feed.counts),
            changed=before.changed + sum(count.changed for count in feed.counts),
            unchanged=before.unchanged + sum(count.unchanged for count in feed.counts),
            merged=before.merged + sum(count.merged for count in feed.counts),
            records=before.records + feed.records,
            refusal=feed.refusal,
            refused_records=(*before.refused_records, *feed.refused_records),
            problem=feed.problem,
            refused_items=(before.refused_items + refused)[:HISTORY_LENGTH],
        )

    def _is_half_over(self, lease: Lease) -> bool:
        return lease.until - self._app.clock() < self._app.settings.lease_seconds * SECOND // 2


def _check_all_taken(feed: _Progress, failed_by_id: Mapping[str, RefusedItem]) -> None:
    """Raise `EngineUnavailableError` if the engine did not take an item of a feed, for a reason that is not the item's."""
    first = next((failed_by_id[id_] for id_ in feed.states if id_ in failed_by_id), None)
    if first is not None:
        msg = f"The engine did not take items of {feed.row.feed.id} ({first.reason}). They are written again later."
        raise EngineUnavailableError(msg)


def publish(app: App, feed_ids: Iterable[str]) -> None:
    """Publish the statuses of these feeds, also of feeds whose poll failed or brought nothing new."""
    generation = app.engine.generation()
    app.engine.publish([status_of(row) for row in app.feeds.rows(generation, feed_ids)])
