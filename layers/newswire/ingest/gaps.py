"""Detect gaps: times in which items may have come and gone between two fetches of a feed. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from newswire.clock import Instant
from newswire.model import Gap

_FULL = 0.8


_FRESH = 0.5


PINNED_AFTER = 10
"""An entry that stood in so many documents in a row is taken for pinned, and says nothing about a gap."""


def gap_between(
    older: Mapping[str, int], newer: Iterable[str], usual: float, start: Instant | None, end: Instant
) -> Gap | None:
    """Say whether items may have come and gone between two successive good documents of a feed.

    `older` has the entries of the older document with the number of documents in a row each stood in. There is a gap
    if the newer document has at least 80 % of the usual number of entries, none that the older had too but pinned ones,
    and at least half of its entries are new (else it is one that only its pinned entries are left of).
    """
    entries = set(newer)
    if start is None or start >= end or not older or not entries or len(entries) < _FULL * usual:
        return None
    shared = entries & older.keys()
    if any(older[id_] < PINNED_AFTER for id_ in shared) or len(entries) - len(shared) < _FRESH * len(entries):
        return None
    return Gap(start, end)
