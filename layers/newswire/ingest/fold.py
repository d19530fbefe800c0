"""Fold a record into the state of its feed: compute the next state, and the items to write.

Pure: no clock, no engine, no randomness. Every time in an item comes from its record's `fetched_at`. Replaying a log
therefore produces the same items, with the same ids, `first_seen`, `revision`, `changed` and flags.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec
from msgspec import Struct

from newswire.clock import DAY, HOUR, Instant
from newswire.ingest.gaps import gap_between
from newswire.ingest.item import EXTRACTION, MAX_LINK_CHARACTERS, has_date
from newswire.ingest.markup import clean_line
from newswire.model import (
    VALUE_LENGTH,
    Candidate,
    Count,
    Document,
    FoldState,
    Item,
    ItemDate,
    ItemState,
    ItemWrite,
    Reading,
    Record,
    Refusal,
)
from newswire.urls import safe_link

MAX_FEED_TITLE_CHARACTERS = 1_000
MAX_FEED_DESCRIPTION_CHARACTERS = 4_000
HISTORY_LENGTH = 20
"""Maximum counts, gaps and refused items that the state of a feed keeps, the newest first."""
MAX_WINDOW_ENTRIES = 1_000
"""Maximum entries of the last document that the state keeps, to detect a gap at the next one."""
WINDOW_ID_DIGITS = 10
"""Digits of an id in the window: 40 bits tell the entries of two documents apart."""
USUAL_WEIGHT = 0.2
"""Weight of the newest document in the moving average of entries per document."""
RATE_WEIGHT = 0.3
"""Weight of the newest document in the moving average of items per day."""
MAX_RATE_DATES = 10
"""Number of newest dates that the rate of a feed is estimated from."""


class Step(Struct, frozen=True):
    """The changes that one record makes."""

    fold: FoldState
    states: dict[str, ItemState]
    writes: tuple[ItemWrite, ...]
    count: Count


def wanted_ids(candidates: Iterable[Candidate], stored_states: Mapping[str, ItemState | None]) -> set[str]:
    """Return the ids of the item states that `step` still needs; call again with those added until the set is empty.

    `stored_states` maps every id that was looked up to its state, or to None if it has none. An id of guid and link
    together is only needed for a guid that has, or once had, several links.
    """
    ids: set[str] = set()
    links: dict[str, set[str]] = {}
    for candidate in candidates:
        ids.add(candidate.id)
        links.setdefault(candidate.id, set()).add(candidate.canonical_link)
        state = stored_states.get(candidate.id)
        if candidate.split_id and ((state is not None and state.split) or len(links[candidate.id]) > 1):
            ids.add(candidate.split_id)
    for candidate in candidates:
        if candidate.split_id and len(links[candidate.id]) > 1:
            ids.add(candidate.split_id)
    return ids - stored_states.keys()


def step(
    fold: FoldState,
    record: Record,
    reading: Reading,
    stored_states: Mapping[str, ItemState | None],
) -> Step:
    """Fold one record. A record at or below the cursor changes nothing, nor does an item whose state is as new as it."""
    if record.seq <= fold.cursor:
        return Step(fold, {}, (), Count(record.seq, 0, 0, 0))
    document = reading.document
    if document is None:
        refusal = reading.refusal or Refusal("internal", "The document was not read.")
        refused = msgspec.structs.replace(
            fold,
            cursor=record.seq,
            refused_seq=record.seq,
            refused_code=refusal.code,
            refused=refusal.sentence,
            refused_by=EXTRACTION,
        )
        return Step(refused, {}, (), Count(record.seq, 0, 0, 0))
    chosen, states, splits = _identify(reading.candidates, stored_states)
    writes: list[ItemWrite] = []
    new = changed = unchanged = 0
    newest = fold.newest
    for id_, candidate in chosen.items():
        before = states.get(id_, stored_states.get(id_))
        if before is not None and before.seq == record.seq:  # folded by a run that died before it saved the cursor
            is_new = before.revision == 1 and before.first_seen == record.fetched_at
            is_edit = before.revision > 1 and before.changed == record.fetched_at
            new, changed, unchanged = new + is_new, changed + is_edit, unchanged + (not is_new and not is_edit)
            newest = max(newest or before.date.at, before.date.at)
            continue
        after, is_written = _fold_item(before, candidate, record)
        if after is not None:
            states[id_] = msgspec.structs.replace(after, split=True) if id_ in splits else after
        if not is_written or after is None:
            unchanged += 1
            continue
        writes.append(ItemWrite(_item_of(id_, candidate, after, record.feed), record.seq))
        newest = max(newest or after.date.at, after.date.at)
        if before is None:
            new += 1
        elif after.revision != before.revision:
            changed += 1
        else:
            unchanged += 1
    count = Count(record.seq, new, changed, unchanged)
    after_fold = msgspec.structs.replace(
        fold,
        cursor=record.seq,
        items=fold.items + new,
        newest=newest,
        counts=(count, *fold.counts)[:HISTORY_LENGTH],
    )
    if record.kind == "document":
        shares_item = any(_was_known(stored_states.get(id_), record) for id_ in chosen)
        after_fold = _fold_feed(after_fold, record, document, reading.entries, chosen, count, shares_item=shares_item)
    return Step(after_fold, states, tuple(writes), count)


# --- identity ---------------------------------------------------------------------------------------------------------


def _identify(
    candidates: Sequence[Candidate], stored_states: Mapping[str, ItemState | None]
) -> tuple[dict[str, Candidate], dict[str, ItemState], set[str]]:
    """Return one candidate per id, the states that a split changes, and the ids of split guids.

    A guid with several links is split by link, for ever. The entry with the stored link keeps the plain id; without a stored
    link the first entry keeps it. Of two candidates for one id, the later-dated counts.
    """
    groups: dict[str, list[Candidate]] = {}
    for candidate in candidates:
        groups.setdefault(candidate.id, []).append(candidate)
    chosen: dict[str, Candidate] = {}
    states: dict[str, ItemState] = {}
    splits: set[str] = set()
    for plain_id, group in groups.items():
        stored = stored_states.get(plain_id)
        by_link: dict[str, Candidate] = {}
        for candidate in group:
            twin = by_link.get(candidate.canonical_link)
            by_link[candidate.canonical_link] = candidate if twin is None else _later_dated(twin, candidate)
        if group[0].split_id is None or (len(by_link) == 1 and not (stored and stored.split)):
            best = group[0]
            for candidate in group[1:]:
                best = _later_dated(best, candidate)
            chosen[plain_id] = best
            continue
        splits.add(plain_id)
        if stored is not None and not stored.split:
            stored = states[plain_id] = msgspec.structs.replace(stored, split=True)
        keeper = stored.link if stored is not None else next(iter(by_link))
        for link, candidate in by_link.items():
            split_id = candidate.split_id or plain_id
            keeps_plain_id = link == keeper and stored_states.get(split_id) is None
            chosen[plain_id if keeps_plain_id else split_id] = candidate
    return chosen, states, splits


def _later_dated(first: Candidate, second: Candidate) -> Candidate:
    """Return the later-dated of two candidates for one item, or the first in the document if neither is later."""
    return second if (has_date(second.date), second.date.at) > (has_date(first.date), first.date.at) else first


# --- one item ---------------------------------------------------------------------------------------------------------


def _fold_item(before: ItemState | None, candidate: Candidate, record: Record) -> tuple[ItemState | None, bool]:
    """Return the state after this record, or None if it does not change, and whether the item must be written.

    A loaded line never changes an item that a fetched document had.
    """
    is_loaded = record.kind == "load"
    if before is None:
        return _first_state(candidate, record), True
    if before.seq >= record.seq or (is_loaded and not before.loaded):
        return None, False
    date = _choose_date(before, candidate.date)
    is_same = candidate.entry_hash == before.entry_hash and (
        not has_date(candidate.date) or candidate.date.raw == before.date.raw
    )
    if is_same and before.extraction == EXTRACTION:
        if before.loaded and not is_loaded:
            return msgspec.structs.replace(before, loaded=False), False
        return None, False
    after = msgspec.structs.replace(
        before,
        entry_hash=candidate.entry_hash,
        extraction=EXTRACTION,
        revision=before.revision if is_same else before.revision + 1,
        changed=before.changed if is_same else record.fetched_at,
        date=date,
        link=candidate.canonical_link,
        seq=record.seq,
        loaded=is_loaded,
    )
    return after, True


def _was_known(state: ItemState | None, record: Record) -> bool:
    """Return whether an item was known before this record, even if this record is folded into its state already."""
    if state is None:
        return False
    return state.seq < record.seq or state.first_seen < record.fetched_at or state.revision > 1


def _first_state(candidate: Candidate, record: Record) -> ItemState:
    return ItemState(
        entry_hash=candidate.entry_hash,
        extraction=EXTRACTION,
        revision=1,
        first_seen=record.fetched_at,
        changed=record.fetched_at,
        date=candidate.date,
        link=candidate.canonical_link,
        seq=record.seq,
        loaded=record.kind == "load",
        split=False,
    )


def _choose_date(before: ItemState, date: ItemDate) -> ItemDate:
    """Choose between the stored date of an item and the current date of its entry.

    A date that appears replaces the time of first sight. A date that disappears is kept. An item that never had a date
    keeps its time of first sight.
    """
    if has_date(date):
        return date
    if has_date(before.date):
        return before.date
    return msgspec.structs.replace(date, at=before.first_seen)


def _item_of(id_: str, candidate: Candidate, state: ItemState, feed: str) -> Item:
    return Item(
        id=id_,
        feed=feed,
        title=candidate.title,
        link=candidate.link,
        summary=candidate.summary,
        content=candidate.content,
        authors=candidate.authors,
        categories=candidate.categories,
        lang=candidate.lang,
        published=state.date.at,
        published_source=state.date.source,
        published_precision=state.date.precision,
        published_raw=state.date.raw,
        date_flags=state.date.flags,
        updated=candidate.updated,
        changed=state.changed,
        first_seen=state.first_seen,
        revision=state.revision,
        cut=candidate.cut,
    )


# --- the feed ---------------------------------------------------------------------------------------------------------


def _fold_feed(
    fold: FoldState,
    record: Record,
    document: Document,
    entries: int,
    chosen: Mapping[str, Candidate],
    count: Count,
    *,
    shares_item: bool,
) -> FoldState:
    """Fold a valid document into the description of its feed, and compare its entries with the previous document's."""
    window_ids = [id_[:WINDOW_ID_DIGITS] for id_ in chosen][:MAX_WINDOW_ENTRIES]
    start = record.confirmed_at if record.confirmed_at is not None else fold.good_at
    gap = gap_between(fold.window, window_ids, fold.usual, start, record.fetched_at) if fold.good_seq else None
    return msgspec.structs.replace(
        fold,
        title=clean_line(document.title, MAX_FEED_TITLE_CHARACTERS) or fold.title,
        description=clean_line(document.description, MAX_FEED_DESCRIPTION_CHARACTERS) or fold.description,
        link=safe_link(document.link[:MAX_LINK_CHARACTERS]) or fold.link,
        lang=document.lang[:VALUE_LENGTH] if document.lang else None,
        kind=document.kind,
        hints=document.hints,
        good_seq=record.seq,
        good_at=record.fetched_at,
        refused_code=None,
        refused=None,
        usual=entries if not fold.good_seq else fold.usual + USUAL_WEIGHT * (entries - fold.usual),
        per_day=_estimate_rate(fold, chosen, count, record.fetched_at),
        last_new=count.new,
        last_entries=entries,
        window={id_: fold.window.get(id_, 0) + 1 for id_ in window_ids},
        shared_url=record.final_url if shares_item else fold.shared_url,
        gaps=((gap, *fold.gaps) if gap else fold.gaps)[:HISTORY_LENGTH],
    )


def _estimate_rate(fold: FoldState, chosen: Mapping[str, Candidate], count: Count, now: Instant) -> float | None:
    """Return the items per day: from the dates of the newest entries, else from the new items since the last document.

    None if there is no estimate yet.
    """
    dates = sorted((c.date.at for c in chosen.values() if has_date(c.date)), reverse=True)[:MAX_RATE_DATES]
    if len(dates) > 1 and now - dates[-1] >= HOUR:
        return round(len(dates) * DAY / max(now - dates[-1], HOUR), 4)
    if fold.good_at is None or now <= fold.good_at:
        return fold.per_day
    rate = count.new * DAY / (now - fold.good_at)
    before = fold.per_day if fold.per_day is not None else rate
    return round(before + RATE_WEIGHT * (rate - before), 4)
