"""The clock: what time is it, and how an instant is written.

An instant is an integer of milliseconds since 1970-01-01T00:00:00Z, in every module, in both engines and in every
store. It is passed in wherever it matters, so that no rule reads the time by itself.
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
"""The first instant of year 1, the earliest that a date can name."""
LAST_INSTANT: Instant = 253_402_300_799_999
"""The last millisecond of year 9999, the latest that a date can name."""


def system_clock() -> Instant:
    """Give the time of this machine."""
    return time.time_ns() // 1_000_000


def to_datetime(instant: Instant) -> datetime:
    """Give the instant as an aware datetime in UTC; `OverflowError` outside the years 1 to 9999."""
    return _EPOCH + timedelta(milliseconds=instant)


def from_datetime(moment: datetime) -> Instant:
    """Give the instant of an aware datetime, cut to the millisecond."""
    return (moment - _EPOCH) // timedelta(milliseconds=1)


@lru_cache(maxsize=4096)  # an answer writes three for each item, and items that came together share two of them
def to_rfc3339(instant: Instant) -> str:
    """Write an instant as RFC 3339 in UTC with `Z`; milliseconds only where there are any."""
    if instant % SECOND:
        return f"{to_datetime(instant).isoformat(timespec='milliseconds')[:-6]}Z"
    return f"{to_datetime(instant).isoformat()[:-6]}Z"
