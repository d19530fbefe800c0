"""Is a feed being watched? States, gaps and statuses of feeds, worked out from what polling and indexing remember.

Pure. The state is worked out when it is read, from `next_check` and a grace, so that a poller that is dead shows.
"""

from __future__ import annotations

from typing import Literal, get_args

from newswire.clock import SECOND, Instant
from newswire.model import FeedStatus

State = Literal["ok", "stale", "failing", "paused", "never"]
STATES: tuple[State, ...] = get_args(State)


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
