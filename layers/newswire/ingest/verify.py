"""Hold the log, the states of items and the index against each other, and mend the index from the log.

The numbers of all feeds are compared. Feeds whose numbers disagree, and a sample of the others, are compared item by item:
their logs are folded again, and each item must be in the index as the log says.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from hashlib import sha256
from typing import Literal

import msgspec
from msgspec import Struct

from newswire.app import App
from newswire.clock import SECOND
from newswire.engines.query import FacetQuery, SearchQuery, ValueFilter
from newswire.errors import DataError, NewswireError
from newswire.ingest.fold import Step, fold_reading, step
from newswire.ingest.indexing import publish
from newswire.ingest.item import EXTRACTION
from newswire.ingest.reading import reader_of, refuse_error
from newswire.model import FoldState, Item, ItemDeletion, ItemState, ItemWrite, Reading
from newswire.storage.feeds import FeedRow, Lease, new_lease

DEFAULT_SAMPLE = 5
"""Number of feeds that are compared item by item although their numbers agree."""
_FEEDS_PER_COUNT = 200
_ITEMS_PER_LOOK = 200

FaultKind = Literal["log", "state", "missing", "extra", "different", "unknown"]
"""`log`: a record is missing. `state`, `missing`, `different`: items of the log whose state is wrong, or that the index
lacks or has otherwise. `extra`: items of the index that the log does not have. `unknown`: items of a feed not in the list."""


class Fault(Struct, frozen=True):
    """One kind of disagreement of one feed: a sentence, and the ids of the items."""

    feed: str
    kind: FaultKind
    sentence: str
    ids: tuple[str, ...] = ()


class VerifyReport(Struct, frozen=True):
    """What was compared, and what disagrees."""

    feeds: int
    items: int
    """Number of items that the states count."""
    compared_feeds: int
    compared_items: int
    older: int
    """Number of items that an older version of the extraction wrote; a reindex writes them again."""
    skipped: tuple[str, ...]
    """Feeds that another process was indexing, so that they were not compared."""
    faults: tuple[Fault, ...]
    repaired: tuple[Fault, ...] = ()
    """What disagreed, and does not any more."""


class _Expected(Struct, frozen=True, gc=False):
    """An item as the log says: the digest of all its fields, and its state."""

    digest: bytes
    state: ItemState


class _Comparison:
    """A feed whose log was folded again, and what disagrees with it."""

    def __init__(self) -> None:
        self.fold = FoldState()
        self.expected: dict[str, _Expected] = {}
        self.faults: list[Fault] = []
        self.older = 0

    def add(self, folded: Step) -> None:
        """Add what one record makes of the items."""
        self.fold = folded.fold
        digests = {write.item.id: _digest(write.item) for write in folded.writes}
        for id_, state in folded.states.items():
            if state.withdrawn:
                self.expected.pop(id_, None)
                continue
            known = self.expected.get(id_)
            self.expected[id_] = _Expected(digests.get(id_, known.digest if known else b""), state)

    @property
    def wrong(self) -> set[str]:
        """Return the ids of items to write again."""
        return {id_ for fault in self.faults if fault.kind in {"missing", "different", "state"} for id_ in fault.ids}

    @property
    def extra(self) -> set[str]:
        """Return the ids of items to delete."""
        return {id_ for fault in self.faults if fault.kind == "extra" for id_ in fault.ids}


def verify(
    app: App,
    feed_ids: Sequence[str] = (),
    *,
    sample: int = DEFAULT_SAMPLE,
    full: bool = False,
    repair: bool = False,
    progress: Callable[[int], object] | None = None,
) -> VerifyReport:
    """Compare these feeds, or all; with `full` all of them item by item, else `sample` besides those that disagree.

    With `repair`, items that are missing or different are written again from the log, extra ones are deleted, and the
    states are mended. `progress` is called with the number of items of each compared feed.
    """
    app.engine.refresh()
    generation = app.engine.generation()
    rows = {row.feed.id: row for row in app.feeds.rows(generation, feed_ids or None)}
    faults = [] if feed_ids else list(_unknown_feeds(app, rows))
    suspects = list(_disagreeing(app, rows))
    others = [feed_id for feed_id, row in rows.items() if row.fold.cursor and feed_id not in set(suspects)]
    chosen = others if full or feed_ids else random.sample(others, min(sample, len(others)))
    repaired: list[Fault] = []
    skipped: list[str] = []
    items = older = 0
    for feed_id in (*suspects, *chosen):
        checked = _check_feed(app, generation, feed_id, repair=repair)
        if checked is None:
            skipped.append(feed_id)
            continue
        before, after = checked
        items += len(before.expected)
        older += before.older
        faults += after.faults
        left = {(fault.kind, fault.feed) for fault in after.faults}
        repaired += [fault for fault in before.faults if (fault.kind, fault.feed) not in left]
        if progress is not None:
            progress(len(before.expected))
    return VerifyReport(
        feeds=len(rows),
        items=sum(row.fold.items for row in rows.values()),
        compared_feeds=len(suspects) + len(chosen) - len(skipped),
        compared_items=items,
        older=older,
        skipped=tuple(skipped),
        faults=tuple(faults),
        repaired=tuple(repaired),
    )


# --- numbers ----------------------------------------------------------------------------------------------------------


def _unknown_feeds(app: App, rows: Mapping[str, FeedRow]) -> Iterator[Fault]:
    """Yield the feeds of the index that are not in the list."""
    for status in app.engine.statuses():
        if status.id not in rows and status.items:
            sentence = (
                "The index has items of a feed that is not in the list. Remove it with --purge, or restore the list."
            )
            yield Fault(status.id, "unknown", sentence)


def _disagreeing(app: App, rows: Mapping[str, FeedRow]) -> Iterator[str]:
    """Yield the feeds whose index has another number of items than their states count, or whose log is too short."""
    ids = list(rows)
    for start in range(0, len(ids), _FEEDS_PER_COUNT):
        part = ids[start : start + _FEEDS_PER_COUNT]
        facet = FacetQuery("feed", len(part))
        page = app.engine.search(SearchQuery(size=0, filters=(ValueFilter("feed", tuple(part)),), facets=(facet,)))
        counts = {value.value: value.count for value in page.facets[0].values}
        for feed_id in part:
            fold = rows[feed_id].fold
            is_short = app.archive.head(feed_id) < fold.cursor
            if is_short or counts.get(feed_id, 0) != fold.indexed:
                yield feed_id


# --- items ------------------------------------------------------------------------------------------------------------


def _check_feed(app: App, generation: int, feed_id: str, *, repair: bool) -> tuple[_Comparison, _Comparison] | None:
    """Compare a feed under its index lease, before and after the repair; None if another process has the lease."""
    now = app.clock()
    lease = new_lease(app.settings, now)
    row = app.feeds.claim_index(generation, feed_id, lease, now)
    if row is None:
        return None
    try:
        before = _compare(app, generation, row, lease)
        if not repair or not (before.wrong or before.extra):
            return before, before
        _repair(app, generation, row, lease, before)
        app.engine.refresh()
        after = _compare(app, generation, row, lease)
    finally:
        app.feeds.release_index(generation, feed_id, lease.token)
    publish(app, [feed_id])
    return before, after


def _compare(app: App, generation: int, row: FeedRow, lease: Lease) -> _Comparison:
    """Fold the log of a feed again up to its cursor, and compare states and index with it."""
    comparison, feed_id = _Comparison(), row.feed.id
    try:
        for folded in _replayed(app, generation, row, lease):
            comparison.add(folded)
    except DataError as error:
        comparison.faults.append(Fault(feed_id, "log", str(error)))
        return comparison
    found = _look_up(app, generation, feed_id, comparison)
    refused = {item.id for item in row.fold.refused_items}
    if len(found["missing"]) <= row.fold.refused_count and row.fold.refused_count > len(refused):
        found["missing"] = []  # only the last refused items are known by name
    found["missing"] = [id_ for id_ in found["missing"] if id_ not in refused]
    found["extra"] = sorted(set(_ids_in_index(app, feed_id)) - comparison.expected.keys())
    if comparison.older:
        comparison.older += len(found["extra"])
        found["extra"], found["state"] = [], []  # older rules may have made other items of the same entries
    comparison.faults += [
        Fault(feed_id, kind, _SENTENCES[kind].format(len(ids)), tuple(ids)) for kind, ids in found.items() if ids
    ]
    return comparison


def _look_up(app: App, generation: int, feed_id: str, comparison: _Comparison) -> dict[FaultKind, list[str]]:
    """Compare the expected items with their states and with the index; return the ids by what is wrong with them."""
    wrong: dict[FaultKind, list[str]] = {"state": [], "missing": [], "different": []}
    ids = list(comparison.expected)
    for start in range(0, len(ids), _ITEMS_PER_LOOK):
        part = ids[start : start + _ITEMS_PER_LOOK]
        states, found = app.feeds.item_states(generation, feed_id, part), app.engine.get(part)
        for id_ in part:
            expected, state = comparison.expected[id_], states.get(id_)
            if state is not None and state.expired:
                continue
            is_older = state is not None and state.extraction != EXTRACTION
            comparison.older += is_older
            if state != expected.state and not is_older:
                wrong["state"].append(id_)
            if id_ not in found:
                wrong["missing"].append(id_)
            elif not is_older and _digest(found[id_]) != expected.digest:
                wrong["different"].append(id_)
    return wrong


_SENTENCES: Mapping[FaultKind, str] = {
    "state": "{:,} items have a state that the log does not give.",
    "missing": "{:,} items of the log are missing from the index.",
    "different": "{:,} items of the index differ from the log.",
    "extra": "{:,} items of the index are not in the log.",
}


def _replayed(app: App, generation: int, row: FeedRow, lease: Lease) -> Iterator[Step]:
    """Yield the steps of folding a log again from its beginning; raise `DataError` for a record that is missing."""
    states: dict[str, ItemState] = {}
    fold, until = FoldState(), lease.until
    for seq in range(1, row.fold.cursor + 1):
        now = app.clock()
        if until - now < app.settings.lease_seconds * SECOND // 2:
            until = _renew(app, generation, row, lease, now)
        record = app.archive.get(row.feed.id, seq)
        if record is None:
            msg = f"Record {seq} of {row.feed.id} is missing from the archive: restore it from a backup."
            raise DataError(msg)
        reading = reader_of(app).read(record)
        try:
            folded = fold_reading(fold, record, reading, lambda ids: {i: states[i] for i in ids if i in states})
        except NewswireError:
            raise
        except Exception as error:  # noqa: BLE001 - indexing refused the record for the same defect
            folded = step(fold, record, Reading(refusal=refuse_error(error)), {})
        fold = folded.fold
        states.update(folded.states)
        yield folded


def _renew(app: App, generation: int, row: FeedRow, lease: Lease, now: int) -> int:
    longer = new_lease(app.settings, now, lease.token)
    if app.feeds.claim_index(generation, row.feed.id, longer, now) is None:
        msg = f"Another process took over {row.feed.id} while it was compared. Run `newswire verify` again."
        raise DataError(msg)
    return longer.until


def _ids_in_index(app: App, feed_id: str) -> Iterator[str]:
    query = SearchQuery(
        filters=(ValueFilter("feed", (feed_id,)),), date_field="first_seen", sort="oldest", size=_ITEMS_PER_LOOK
    )
    while True:
        page = app.engine.search(query)
        yield from (hit.item.id for hit in page.hits)
        if page.next is None:
            return
        query = msgspec.structs.replace(query, after=page.next)


def _digest(item: Item) -> bytes:
    return sha256(msgspec.msgpack.encode(item)).digest()[:16]


# --- repair -----------------------------------------------------------------------------------------------------------


def _repair(app: App, generation: int, row: FeedRow, lease: Lease, comparison: _Comparison) -> None:
    """Write the wrong items again from the log, delete the extra ones, and save their states."""
    wrong, cursor = comparison.wrong, row.fold.cursor
    deletions = [ItemDeletion(id_, cursor) for id_ in sorted(comparison.extra)]
    if deletions:
        app.engine.delete_items(deletions, generation)
    if wrong:
        app.engine.index(_writes_of(_replayed(app, generation, row, lease), wrong), generation)
    fold = row.fold
    if not comparison.older:
        fold = msgspec.structs.replace(fold, items=comparison.fold.items, newest=comparison.fold.newest)
    states = {id_: comparison.expected[id_].state for id_ in wrong}
    if not app.feeds.save(generation, row.feed.id, lease.token, fold, states):
        msg = f"Another process took over {row.feed.id} while it was repaired. Run `newswire verify` again."
        raise DataError(msg)


def _writes_of(steps: Iterable[Step], ids: set[str]) -> Iterator[ItemWrite]:
    for folded in steps:
        yield from (write for write in folded.writes if write.item.id in ids)
