"""Instants: the clock of this machine, and conversions to and from datetimes and RFC 3339.

An instant is an integer: milliseconds since 1970-01-01T00:00:00Z. Every module, both engines and every store use it.
Callers pass the clock as an argument, so no rule reads the time by itself.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import lru_cache

Instant = int
Clock = Callable[[], Instant]

SECOND = 1_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
FIRST_INSTANT: Instant = -62_135_596_800_000
"""The first millisecond of year 1, the earliest that a datetime can hold."""
LAST_INSTANT: Instant = 253_402_300_799_999
"""The last millisecond of year 9999, the latest that a datetime can hold."""


def is_in_calendar(instant: Instant) -> bool:
    """Return whether a datetime can hold the instant: whether it lies within the years 1 to 9999."""
    return FIRST_INSTANT <= instant <= LAST_INSTANT


def system_clock() -> Instant:
    """Return the current time of this machine."""
    return time.time_ns() // 1_000_000


def to_datetime(instant: Instant) -> datetime:
    """Return the instant as an aware datetime in UTC; raise `OverflowError` outside the years 1 to 9999."""
    return _EPOCH + timedelta(milliseconds=instant)


def from_datetime(moment: datetime) -> Instant:
    """Return the instant of an aware datetime, rounded down to the millisecond."""
    return (moment - _EPOCH) // timedelta(milliseconds=1)


@lru_cache(maxsize=4096)  # an answer formats three per item; items that arrived together share two of them
def to_rfc3339(instant: Instant) -> str:
    """Return the instant as RFC 3339 in UTC with `Z`; milliseconds only if they are not zero."""
    if instant % SECOND:
        return f"{to_datetime(instant).isoformat(timespec='milliseconds')[:-6]}Z"
    return f"{to_datetime(instant).isoformat()[:-6]}Z"
