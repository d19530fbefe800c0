"""The state of a feed for readers: ok, stale, failing, paused, never or archive. Pure.

Readers compute it from `next_check` and a grace at the moment of the request, so that a dead poller shows.
"""

from __future__ import annotations

from typing import Literal, get_args

from newswire.clock import SECOND, Instant
from newswire.model import FeedStatus

State = Literal["ok", "stale", "failing", "paused", "never", "archive"]
STATES: tuple[State, ...] = get_args(State)
Standing = Literal["polled", "failing", "paused", "never", "archive"]
"""The state of a feed without the clock: a `polled` one is ok or stale."""

NOT_POLLED = "It is not polled: its items come from files."
"""Why a feed of `ingest` or `load` is paused. It is known by this sentence, which older versions published too."""


def standing_of(status: FeedStatus) -> Standing:
    """Return the first standing that applies, in the order archive, paused, failing, never, polled."""
    if status.paused is not None:
        return "archive" if status.paused == NOT_POLLED else "paused"
    if status.error_code is not None:
        return "failing"
    return "never" if status.last_success is None else "polled"


def stale_before(now: Instant, grace_s: int) -> Instant:
    """Return the instant before which a next check is overdue by more than `grace_s` seconds."""
    return now - grace_s * SECOND


def dated_state(standing: Standing, next_check: Instant | None, now: Instant, grace_s: int) -> State:
    """Return the state that a standing is at `now`.

    A polled feed is stale when its next check is more than `grace_s` seconds overdue.
    """
    if standing != "polled":
        return standing
    return "stale" if next_check is not None and next_check < stale_before(now, grace_s) else "ok"


def state_of(status: FeedStatus, now: Instant, grace_s: int) -> State:
    """Return the state of a feed at `now`, as `dated_state` says."""
    return dated_state(standing_of(status), status.next_check, now, grace_s)
