"""Tell apart the entries that say they are one item: split a guid by its links, and an identity by its titles. Pure.

A publisher may give one guid to several links, or one link to several stories. Entries of one document that differ so are
different items, and stay so: the item that was first keeps the plain id, the others have ids of their own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256

import msgspec
from msgspec import Struct

from newswire.ingest.item import has_date, item_id
from newswire.model import Candidate, ItemState

TITLE_KEY_DIGITS = 16
"""Hexadecimal digits of the hash of a title, which is only compared within one identity."""


class Identities(Struct):
    """One candidate for each id, the stored states that a split changes, and what each split id keeps."""

    chosen: dict[str, Candidate] = {}
    states: dict[str, ItemState] = {}
    link_splits: set[str] = set()
    """Plain ids whose guid has several links."""
    title_splits: dict[str, str] = {}
    """Ids whose entries have several titles, and the key of the title that keeps the id."""


def wanted_ids(
    candidates: Iterable[Candidate], stored_states: Mapping[str, ItemState | None], *, by_title: bool = True
) -> set[str]:
    """Return the ids of the states that `identify` still needs; call again with those added until the set is empty.

    `stored_states` maps every id that was looked up to its state, or to None if it has none. The id of one link
    or title is only needed for an identity that has, or once had, several.
    """
    assigner = _Assigner(stored_states, by_title=by_title)
    assigner.assign(candidates)
    return (assigner.looked_up | assigner.found.chosen.keys()) - stored_states.keys()


def identify(
    candidates: Iterable[Candidate], stored_states: Mapping[str, ItemState | None], *, by_title: bool = True
) -> Identities:
    """Return the ids of the candidates of one document; `by_title` is False for a back-fill, whose lines are versions."""
    assigner = _Assigner(stored_states, by_title=by_title)
    assigner.assign(candidates)
    return assigner.found


class _Assigner:
    """Assigns ids to the candidates of one document."""

    def __init__(self, stored_states: Mapping[str, ItemState | None], *, by_title: bool) -> None:
        self.found = Identities()
        self.looked_up: set[str] = set()
        self._stored = stored_states
        self._by_title = by_title

    def assign(self, candidates: Iterable[Candidate]) -> None:
        groups: dict[str, list[Candidate]] = {}
        for candidate in candidates:
            groups.setdefault(candidate.id, []).append(candidate)
        for plain_id, group in groups.items():
            for id_, entries in self._by_link(plain_id, group):
                self._choose(id_, entries)

    def _state(self, id_: str) -> ItemState | None:
        self.looked_up.add(id_)
        return self._stored.get(id_)

    def _by_link(self, plain_id: str, group: list[Candidate]) -> Iterable[tuple[str, list[Candidate]]]:
        """Return the entries of each id. The entry with the stored link keeps the plain id, without one the first entry."""
        if group[0].split_id is None:
            return [(plain_id, group)]
        stored = self._state(plain_id)
        links: dict[str, list[Candidate]] = {}
        for candidate in group:
            links.setdefault(candidate.canonical_link, []).append(candidate)
        if len(links) == 1 and not (stored and stored.split):
            return [(plain_id, group)]
        self.found.link_splits.add(plain_id)
        if stored is not None and not stored.split:
            self.found.states[plain_id] = msgspec.structs.replace(stored, split=True)
        keeper = stored.link if stored is not None else next(iter(links))
        split: list[tuple[str, list[Candidate]]] = []
        for link, entries in links.items():
            split_id = entries[0].split_id or plain_id
            keeps_plain_id = link == keeper and self._state(split_id) is None
            split.append((plain_id if keeps_plain_id else split_id, entries))
        return split

    def _choose(self, id_: str, entries: Sequence[Candidate]) -> None:
        """Choose the entry of each title. The stored title keeps the id, without one the first; so does an entry without."""
        stored = self._state(id_) if len(entries) > 1 or self._by_title else None
        titles: dict[str, list[Candidate]] = {}
        if self._by_title and (len(entries) > 1 or (stored and stored.split_title)):
            for entry in entries:
                titles.setdefault(title_key(entry), []).append(entry)
        untitled = titles.pop("", [])
        is_split = len(titles) > 1 or (stored is not None and stored.split_title and titles)
        if not is_split:
            self.found.chosen[id_] = _best(entries)
            return
        keeper = _keeper(stored, titles)
        self.found.title_splits[id_] = keeper
        if stored is not None and not stored.split_title:
            before = self.found.states.get(id_, stored)
            self.found.states[id_] = msgspec.structs.replace(before, split_title=keeper)
        for key, members in titles.items():
            title_id = item_id(id_, "title", key)
            keeps_id = key == keeper and self._state(title_id) is None
            self.found.chosen[id_ if keeps_id else title_id] = _best(members)
        if untitled and id_ not in self.found.chosen:
            self.found.chosen[id_] = _best(untitled)


def _keeper(stored: ItemState | None, titles: Mapping[str, Sequence[Candidate]]) -> str:
    """Return the key of the title that keeps the id of an identity with several titles."""
    if stored is not None and stored.split_title:
        return stored.split_title
    if stored is not None and stored.title in titles:
        return stored.title
    hash_ = stored.entry_hash if stored is not None else ""
    same = (key for key, members in titles.items() if any(member.entry_hash == hash_ for member in members))
    return next(same, next(iter(titles)))


def title_key(entry: Candidate) -> str:
    """Return the key of a title; of an entry without one, or without guid and link, its text counts too. "" for neither."""
    has_address = entry.split_id is not None or bool(entry.canonical_link)
    parts = [entry.title, "" if entry.title and has_address else entry.summary or entry.content]
    folded = "\n".join(" ".join(part.split()).casefold() for part in parts).strip()
    return sha256(folded.encode()).hexdigest()[:TITLE_KEY_DIGITS] if folded else ""


def _best(entries: Sequence[Candidate]) -> Candidate:
    """Return the latest-dated of the entries of one item, or the first in the document if none is later."""
    best = entries[0]
    for entry in entries[1:]:
        if (has_date(entry.date), entry.date.at) > (has_date(best.date), best.date.at):
            best = entry
    return best
