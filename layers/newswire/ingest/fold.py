"""Fold a record into the state of its feed: compute the next state, and the items to write.

Pure: no clock, no engine, no randomness. Every time in an item comes from its record's `fetched_at`. Replaying a log
therefore produces the same items, with the same ids, `first_seen`, `revision`, `changed` and flags.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec
from msgspec import Struct

from newswire.clock import DAY, HOUR, Instant
from newswire.ingest.gaps import gap_between
from newswire.ingest.identity import Identities, identify, title_key, wanted_ids
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
    Withdrawal,
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


StateReader = Callable[[set[str]], Mapping[str, ItemState]]


class Step(Struct, frozen=True):
    """The changes that one record makes."""

    fold: FoldState
    states: dict[str, ItemState]
    writes: tuple[ItemWrite, ...]
    count: Count
    withdrawal: Withdrawal | None = None
    """The item to delete from the index, if the record says so."""


def is_split_by_title(record: Record) -> bool:
    """Return whether entries of this record with one identity and several titles are several items.

    The lines of a back-fill are not: they may be versions of one item.
    """
    return record.kind == "document"


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
    identities = identify(reading.candidates, stored_states, by_title=is_split_by_title(record))
    chosen, states = identities.chosen, identities.states
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
            states[id_] = _split_state(after, id_, identities)
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
    count = Count(record.seq, new, changed, unchanged, merged=len(reading.candidates) - len(chosen))
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


def fold_reading(fold: FoldState, record: Record, reading: Reading, states_of: StateReader) -> Step:
    """Fold one record with the states that it needs; `states_of` returns those of items that have one, by id."""
    if record.kind == "withdrawal" and record.seq > fold.cursor:
        return _withdraw(fold, record, states_of)
    known: dict[str, ItemState | None] = {}
    by_title = is_split_by_title(record)
    while missing_ids := wanted_ids(reading.candidates, known, by_title=by_title):
        stored = states_of(missing_ids)
        known.update({id_: stored.get(id_) for id_ in missing_ids})
    return step(fold, record, reading, known)


def _withdraw(fold: FoldState, record: Record, states_of: StateReader) -> Step:
    """Fold a withdrawal: the item is in no index from now on. One of an item that is unknown or gone changes nothing."""
    withdrawal = msgspec.json.decode(record.body, type=Withdrawal)
    state = states_of({withdrawal.id}).get(withdrawal.id)
    count = Count(record.seq, 0, 0, 0)
    if state is None or (state.withdrawn and state.seq != record.seq):
        return Step(msgspec.structs.replace(fold, cursor=record.seq), {}, (), count)
    expired = fold.expired - state.expired
    after = msgspec.structs.replace(fold, cursor=record.seq, items=fold.items - 1, expired=expired)
    gone = msgspec.structs.replace(state, seq=record.seq, withdrawn=True, expired=False)
    return Step(after, {withdrawal.id: gone}, (), count, withdrawal)


# --- one item ---------------------------------------------------------------------------------------------------------


def _fold_item(before: ItemState | None, candidate: Candidate, record: Record) -> tuple[ItemState | None, bool]:
    """Return the state after this record, or None if it does not change, and whether the item must be written.

    A loaded line never changes an item that a fetched document had.
    """
    is_loaded = record.kind == "load"
    if before is None:
        return _first_state(candidate, record), True
    if before.withdrawn or before.expired or before.seq >= record.seq or (is_loaded and not before.loaded):
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
        title=title_key(candidate),
    )
    return after, True


def _split_state(state: ItemState, id_: str, identities: Identities) -> ItemState:
    """Return the state with the marks of the splits that its id keeps."""
    if id_ in identities.link_splits:
        state = msgspec.structs.replace(state, split=True)
    if keeper := identities.title_splits.get(id_):
        state = msgspec.structs.replace(state, split_title=keeper)
    return state


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
        title=title_key(candidate),
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
        image=candidate.image,
        enclosures=candidate.enclosures,
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
