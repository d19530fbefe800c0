"""Detect gaps: periods in which items may have appeared and disappeared between two fetches of a feed. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from newswire.clock import Instant
from newswire.model import Gap

MIN_FULLNESS = 0.8
"""Minimum share of the usual number of entries: a shorter document has room left, so nothing was pushed out of it."""
MIN_NEW_SHARE = 0.5
"""Minimum share of new entries: a document with fewer has little more than its pinned entries."""
PINNED_AFTER_DOCUMENTS = 10
"""Consecutive documents after which an entry counts as pinned: it then does not show that nothing was missed."""


def gap_between(
    older: Mapping[str, int], newer: Iterable[str], usual: float, start: Instant | None, end: Instant
) -> Gap | None:
    """Return the gap between two successive valid documents of a feed, or None.

    `older` has the entries of the older document, each with the number of consecutive documents that had it. There is a
    gap if all of these hold:

    - the newer document has at least 80 % of the usual number of entries;
    - the two share no entries, except pinned ones;
    - at least half of the newer document's entries are new.
    """
    entries = set(newer)
    if start is None or start >= end or not older or not entries or len(entries) < MIN_FULLNESS * usual:
        return None
    shared = entries & older.keys()
    new = len(entries) - len(shared)
    if any(older[id_] < PINNED_AFTER_DOCUMENTS for id_ in shared) or new < MIN_NEW_SHARE * len(entries):
        return None
    return Gap(start, end)
