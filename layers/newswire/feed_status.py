"""Is a feed being watched? States, gaps and statuses of feeds, worked out from what polling and indexing remember.

Pure. The state is worked out when it is read, from `next_check` and a grace, so that a poller that is dead shows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

import msgspec

from newswire.clock import SECOND, Instant
from newswire.model import FeedStatus, FetchLine, Gap
from newswire.storage.feeds import FeedRow, configuration_of
from newswire.urls import redacted

State = Literal["ok", "stale", "failing", "paused", "never"]

_FULL = 0.8
_FRESH = 0.5
PINNED_AFTER = 10
"""An entry that stood in so many documents in a row is taken for pinned, and says nothing about a gap."""


def state_of(status: FeedStatus, now: Instant, grace_s: int) -> State:
    """Say how a feed is doing: paused before failing before never before stale before ok."""
    if status.paused is not None:
        return "paused"
    if status.error_code is not None:
        return "failing"
    if status.last_success is None:
        return "never"
    if status.next_check is not None and now > status.next_check + grace_s * SECOND:
        return "stale"
    return "ok"


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


def status_of(row: FeedRow) -> FeedStatus:
    """Put together what the search side is told of a feed."""
    feed, poll, fold = row.feed, row.poll, row.fold
    counts = {count.seq: count for count in fold.counts}
    paused = poll.paused if poll.configured == configuration_of(feed) else None
    if feed.removed:
        paused = "It is gone from the list of feeds; its items and its log stay."
    elif not feed.polled:
        paused = "It is not polled: its items came from files."
    refused = fold.refused_seq == poll.head and fold.refused_code is not None and poll.error_code is None
    return FeedStatus(
        id=feed.id,
        rev=row.rev,
        title=feed.title or fold.title,
        description=feed.description or fold.description,
        link=feed.link or fold.link,
        url=redacted(feed.url),
        kind=fold.kind or feed.kind,
        last_checked=poll.last_checked,
        last_success=poll.last_success,
        next_check=poll.next_check if paused is None and poll.last_checked is not None else None,
        failing_since=poll.failing_since,
        error_code=fold.refused_code if refused else poll.error_code,
        error=fold.refused if refused else poll.error,
        paused=paused,
        items=fold.items,
        newest=fold.newest,
        per_day=fold.per_day,
        behind=poll.head > fold.cursor,
        fetches=tuple(_counted(line, counts) for line in poll.fetches),
        gaps=fold.gaps,
        refused_items=fold.refused_items,
    )


def _counted(line: FetchLine, counts: Mapping[int, msgspec.Struct]) -> FetchLine:
    count = counts.get(line.seq) if line.seq is not None else None
    if count is None:
        return line
    _seq, new, changed, unchanged = msgspec.structs.astuple(count)
    return msgspec.structs.replace(line, new=new, changed=changed, unchanged=unchanged)
