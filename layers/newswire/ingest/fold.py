"""The fold: the state of a feed, a record and the candidates in it come in; the state after it and the writes go out.

Pure: no clock, no engine, nothing random. Every time in an item is its record's `fetched_at`, so replaying a log gives
the same items: ids, `first_seen`, `revision`, `changed`, flags.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec
from msgspec import Struct

from newswire.clock import DAY, HOUR, Instant
from newswire.ingest.gaps import gap_between
from newswire.ingest.item import EXTRACTION, has_date
from newswire.model import (
    Candidate,
    Count,
    Document,
    FoldState,
    Item,
    ItemDate,
    ItemState,
    ItemWrite,
    Record,
    Refusal,
)

KEPT = 20
"""Of the last records, how many counts and gaps are kept."""
_WINDOW_KEPT = 1_000
_SHORT_ID = 10
_USUAL_WEIGHT = 0.2


class Step(Struct, frozen=True):
    """What one record changes."""

    fold: FoldState
    states: dict[str, ItemState]
    writes: tuple[ItemWrite, ...]
    count: Count


def wanted_ids(candidates: Iterable[Candidate], known: Mapping[str, ItemState | None]) -> set[str]:
    """Say which item states must still be read before `step` can be taken; ask again until there are none.

    `known` has an id for each state that was asked for, with None where there is none. The ids of guid and link
    together are only needed where a guid stands, or has stood, on several links.
    """
    wanted: set[str] = set()
    links: dict[str, set[str]] = {}
    for candidate in candidates:
        wanted.add(candidate.id)
        links.setdefault(candidate.id, set()).add(candidate.canonical_link)
        state = known.get(candidate.id)
        if candidate.split_id and ((state is not None and state.split) or len(links[candidate.id]) > 1):
            wanted.add(candidate.split_id)
    for candidate in candidates:
        if candidate.split_id and len(links[candidate.id]) > 1:
            wanted.add(candidate.split_id)
    return wanted - known.keys()


def step(
    fold: FoldState,
    record: Record,
    read: Document | Refusal,
    candidates: Sequence[Candidate],
    known: Mapping[str, ItemState | None],
) -> Step:
    """Apply one record. A record at or below the cursor changes nothing; so does an item state of this or a later record."""
    if record.seq <= fold.cursor:
        return Step(fold, {}, (), Count(record.seq, 0, 0, 0))
    if isinstance(read, Refusal):
        refused = msgspec.structs.replace(
            fold, cursor=record.seq, refused_seq=record.seq, refused_code=read.code, refused=read.sentence
        )
        return Step(refused, {}, (), Count(record.seq, 0, 0, 0))
    chosen, states, splits = _identified(candidates, known)
    writes: list[ItemWrite] = []
    new = changed = unchanged = 0
    newest = fold.newest
    for id_, candidate in chosen.items():
        before = states.get(id_, known.get(id_))
        if before is not None and before.seq == record.seq:  # applied, and the run ended before its cursor moved
            is_new = before.revision == 1 and before.first_seen == record.fetched_at
            is_edit = before.revision > 1 and before.changed == record.fetched_at
            new, changed, unchanged = new + is_new, changed + is_edit, unchanged + (not is_new and not is_edit)
            newest = max(newest or before.date.at, before.date.at)
            continue
        after, written = _folded(before, candidate, record)
        if after is not None:
            states[id_] = msgspec.structs.replace(after, split=True) if id_ in splits else after
        if not written or after is None:
            unchanged += 1
            continue
        writes.append(ItemWrite(_item(id_, candidate, after, record.feed), record.seq))
        newest = max(newest or after.date.at, after.date.at)
        if before is None:
            new += 1
        elif after.revision != before.revision:
            changed += 1
        else:
            unchanged += 1
    count = Count(record.seq, new, changed, unchanged)
    was_known = any(_knew(known.get(id_), record) for id_ in chosen)
    after_index = msgspec.structs.replace(
        fold,
        cursor=record.seq,
        items=fold.items + new,
        newest=newest,
        counts=(count, *fold.counts)[:KEPT],
    )
    if record.kind == "document":
        after_index = _described(after_index, record, read, chosen, count, was_known=was_known)
    return Step(after_index, states, tuple(writes), count)


# --- who is who -------------------------------------------------------------------------------------------------------


def _identified(
    candidates: Sequence[Candidate], known: Mapping[str, ItemState | None]
) -> tuple[dict[str, Candidate], dict[str, ItemState], set[str]]:
    """Give each candidate its id, one candidate for each; the states that a guid's split changes; the ids that are split.

    A guid on several links splits by link and stays split: the entry with the stored link keeps the plain id; where nothing
    is stored, the first does. The same id twice: the later-dated.
    """
    groups: dict[str, list[Candidate]] = {}
    for candidate in candidates:
        groups.setdefault(candidate.id, []).append(candidate)
    chosen: dict[str, Candidate] = {}
    states: dict[str, ItemState] = {}
    splits: set[str] = set()
    for plain_id, group in groups.items():
        stored = known.get(plain_id)
        by_link: dict[str, Candidate] = {}
        for candidate in group:
            twin = by_link.get(candidate.canonical_link)
            by_link[candidate.canonical_link] = candidate if twin is None else _later(twin, candidate)
        if group[0].split_id is None or (len(by_link) == 1 and not (stored and stored.split)):
            best = group[0]
            for candidate in group[1:]:
                best = _later(best, candidate)
            chosen[plain_id] = best
            continue
        splits.add(plain_id)
        if stored is not None and not stored.split:
            stored = states[plain_id] = msgspec.structs.replace(stored, split=True)
        keeper = stored.link if stored is not None else next(iter(by_link))
        for link, candidate in by_link.items():
            split_id = candidate.split_id or plain_id
            own = link == keeper and known.get(split_id) is None
            chosen[plain_id if own else split_id] = candidate
    return chosen, states, splits


def _later(one: Candidate, other: Candidate) -> Candidate:
    """Give the later-dated of two candidates for one item; the first of the document where neither is later."""
    return other if (has_date(other.date), other.date.at) > (has_date(one.date), one.date.at) else one


# --- one item ---------------------------------------------------------------------------------------------------------


def _folded(before: ItemState | None, candidate: Candidate, record: Record) -> tuple[ItemState | None, bool]:
    """Give the state after this record, or None where it stays, and whether the item is to be written."""
    loaded = record.kind == "load"
    if before is None:
        return _first_state(candidate, record, loaded=loaded), True
    if before.seq >= record.seq or (loaded and not before.loaded):
        return None, False
    date = _kept_date(before, candidate.date)
    same = candidate.entry_hash == before.entry_hash and (
        not has_date(candidate.date) or candidate.date.raw == before.date.raw
    )
    if same and before.extraction == EXTRACTION:
        if before.loaded and not loaded:
            return msgspec.structs.replace(before, loaded=False), False
        return None, False
    after = msgspec.structs.replace(
        before,
        entry_hash=candidate.entry_hash,
        extraction=EXTRACTION,
        revision=before.revision if same else before.revision + 1,
        changed=before.changed if same else record.fetched_at,
        date=date,
        link=candidate.canonical_link,
        seq=record.seq,
        loaded=loaded,
    )
    return after, True


def _knew(state: ItemState | None, record: Record) -> bool:
    """Say whether an item was known before this record, also when the record has been applied to it already."""
    if state is None:
        return False
    return state.seq < record.seq or state.first_seen < record.fetched_at or state.revision > 1


def _first_state(candidate: Candidate, record: Record, *, loaded: bool) -> ItemState:
    return ItemState(
        entry_hash=candidate.entry_hash,
        extraction=EXTRACTION,
        revision=1,
        first_seen=record.fetched_at,
        changed=record.fetched_at,
        date=candidate.date,
        link=candidate.canonical_link,
        seq=record.seq,
        loaded=loaded,
        split=False,
    )


def _kept_date(before: ItemState, date: ItemDate) -> ItemDate:
    """Choose between the date that we have and the one that the entry has now.

    A date that appears replaces the time of first sight, one that disappears is kept, and an item that never had one
    stays where it was first seen.
    """
    if has_date(date):
        return date
    if has_date(before.date):
        return before.date
    return msgspec.structs.replace(date, at=before.first_seen)


def _item(id_: str, candidate: Candidate, state: ItemState, feed: str) -> Item:
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
    )


# --- the feed ---------------------------------------------------------------------------------------------------------


def _described(
    fold: FoldState,
    record: Record,
    document: Document,
    chosen: Mapping[str, Candidate],
    count: Count,
    *,
    was_known: bool,
) -> FoldState:
    """Take over what a document says of its feed, and hold it against the document before."""
    short = [id_[:_SHORT_ID] for id_ in chosen][:_WINDOW_KEPT]
    entries = len(document.entries)
    start = record.confirmed_at if record.confirmed_at is not None else fold.good_at
    gap = gap_between(fold.window, short, fold.usual, start, record.fetched_at) if fold.good_seq else None
    return msgspec.structs.replace(
        fold,
        title=document.title or fold.title,
        description=document.description or fold.description,
        link=document.link or fold.link,
        lang=document.lang,
        kind=document.kind,
        hints=document.hints,
        good_seq=record.seq,
        good_at=record.fetched_at,
        refused_code=None,
        refused=None,
        usual=entries if not fold.good_seq else fold.usual + _USUAL_WEIGHT * (entries - fold.usual),
        per_day=_per_day(fold, chosen, count, record.fetched_at),
        last_new=count.new,
        last_entries=entries,
        window={id_: fold.window.get(id_, 0) + 1 for id_ in short},
        shared_url=record.final_url if was_known else fold.shared_url,
        gaps=((gap, *fold.gaps) if gap else fold.gaps)[:KEPT],
    )


_DATES_LOOKED_AT = 10


def _per_day(fold: FoldState, chosen: Mapping[str, Candidate], count: Count, now: Instant) -> float | None:
    """Estimate how many items a day the feed has: by the dates of its newest entries, else by what came since last time."""
    dates = sorted((c.date.at for c in chosen.values() if has_date(c.date)), reverse=True)[:_DATES_LOOKED_AT]
    if len(dates) > 1 and now - dates[-1] >= HOUR:
        return round(len(dates) * DAY / max(now - dates[-1], HOUR), 4)
    if fold.good_at is None or now <= fold.good_at:
        return fold.per_day
    seen = count.new * DAY / (now - fold.good_at)
    before = fold.per_day if fold.per_day is not None else seen
    return round(before + 0.3 * (seen - before), 4)
