"""Relative ages: a span of time comes in, the words of a reader go out ("1 month 1 week", "2 hours 59 minutes")."""

from __future__ import annotations

from newswire.clock import DAY, HOUR, MINUTE, SECOND, Instant

# The units of the aggregator page that the project began with: a month has 30 days, a year 365.
_UNITS = (
    ("year", 365 * DAY),
    ("month", 30 * DAY),
    ("week", 7 * DAY),
    ("day", DAY),
    ("hour", HOUR),
    ("minute", MINUTE),
    ("second", SECOND),
)
_PARTS = 2
_MONTHS = 11


def relative_age(at: Instant, now: Instant) -> str:
    """Say how long ago an instant was, in its largest unit and the next smaller one if there is any of it."""
    left = max(now - at, 0)
    parts: list[str] = []
    for name, length in _UNITS:
        count, rest = divmod(left, length)
        if name == "month" and parts:
            count = min(count, _MONTHS)  # twelve of 30 days are less than a year of 365, and are not said beside one
        if count:
            parts.append(f"{count} {name}{'s' if count > 1 else ''}")
            left = rest
        elif parts:
            break
        if len(parts) == _PARTS:
            break
    return " ".join(parts) or "0 seconds"
