"""Write relative ages in words, such as "1 month 1 week" or "2 hours 59 minutes". Pure."""

from __future__ import annotations

from newswire.clock import DAY, HOUR, MINUTE, SECOND, Instant

_UNITS = (
    ("year", 365 * DAY),
    ("month", 30 * DAY),
    ("week", 7 * DAY),
    ("day", DAY),
    ("hour", HOUR),
    ("minute", MINUTE),
    ("second", SECOND),
)
"""Names and lengths in milliseconds. A month of 30 days and a year of 365 are those of the aggregator page that the
project started from."""
_MAX_UNITS = 2
_MAX_MONTHS = 11
"""Maximum months after a year: 12 months of 30 days are less than a year of 365."""


def relative_age(at: Instant, now: Instant) -> str:
    """Return the age in its largest unit and, if it is not 0, the next smaller one.

    The age of a future instant is "0 seconds".
    """
    remaining = max(now - at, 0)
    parts: list[str] = []
    for name, length in _UNITS:
        count, remaining_s = divmod(remaining, length)
        if name == "month" and parts:
            count = min(count, _MAX_MONTHS)
        if count:
            parts.append(f"{count} {name}{'s' if count > 1 else ''}")
            remaining = remaining_s
        elif parts:
            break
        if len(parts) == _MAX_UNITS:
            break
    return " ".join(parts) or "0 seconds"
