"""Retention: how long items stay in the index, by the time at which they were first seen. Pure.

What leaves the index stays known by its state, so that it does not come back as new.
"""

from __future__ import annotations

import msgspec

from newswire.clock import DAY, Instant
from newswire.ingest.fold import Step
from newswire.model import Feed
from newswire.settings import Settings


def cutoff_of(feed: Feed, settings: Settings, now: Instant) -> Instant | None:
    """Return the instant before which items of a feed have left the index; None if they stay for ever."""
    days = settings.retention_days if feed.retention_days is None else feed.retention_days
    return now - days * DAY if days else None


def without_expired(folded: Step, cutoff: Instant | None) -> Step:
    """Return a step that does not write items from before the cutoff, and counts them as expired: a replay meets them."""
    expired = [write.item.id for write in folded.writes if cutoff is not None and write.item.first_seen < cutoff]
    if not expired:
        return folded
    gone = set(expired)
    states = {
        id_: msgspec.structs.replace(state, expired=True) if id_ in gone else state
        for id_, state in folded.states.items()
    }
    fold = msgspec.structs.replace(folded.fold, expired=folded.fold.expired + len(gone))
    writes = tuple(write for write in folded.writes if write.item.id not in gone)
    return msgspec.structs.replace(folded, fold=fold, states=states, writes=writes)
