"""The state of a feed for readers: ok, stale, failing, paused or never. Pure.

Readers compute it from `next_check` and a grace at the moment of the request, so that a dead poller shows.
"""

from __future__ import annotations

from typing import Literal, get_args

from newswire.clock import SECOND, Instant
from newswire.model import FeedStatus

State = Literal["ok", "stale", "failing", "paused", "never"]
STATES: tuple[State, ...] = get_args(State)


def state_of(status: FeedStatus, now: Instant, grace_s: int) -> State:
    """Return the first state that applies, in the order paused, failing, never, stale, ok.

    A feed is stale when its next check is more than `grace_s` seconds overdue.
    """
    if status.paused is not None:
        return "paused"
    if status.error_code is not None:
        return "failing"
    if status.last_success is None:
        return "never"
    if status.next_check is not None and now > status.next_check + grace_s * SECOND:
        return "stale"
    return "ok"
