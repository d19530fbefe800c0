"""Date values of a query: text comes in, the period that it names goes out. Pure."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone

from msgspec import Struct

from newswire.clock import MINUTE, SECOND, Instant, from_datetime

FORMS = "2025, 2025-05, 2025-05-26, 2025-05-26T12:00, 2025-05-26T12:00:30Z, 2025-05-26T12:00:30.5+02:00"

_DATE = re.compile(
    r"(?P<year>\d{4})(?:-(?P<month>\d{2})(?:-(?P<day>\d{2})"
    r"(?:T(?P<hour>\d{2}):(?P<minute>\d{2})(?::(?P<second>\d{2})(?:\.(?P<fraction>\d{1,3}))?)?"
    r"(?P<zone>Z|[+ -]\d{2}:\d{2})?)?)?)?"
)
_MAX_OFFSET = timedelta(hours=15)


class Period(Struct, frozen=True):
    """A half-open range of instants; None is "no bound" where it leaves the years 1 to 9999."""

    start: Instant | None
    end: Instant | None


def read_period(text: str) -> Period | None:
    """Read a date value: the year, month, day, minute, second or fraction that it names; None if it can't be read.

    Without an offset UTC is meant. A space in place of the `+` of an offset is understood (forms send it so).
    """
    match = _DATE.fullmatch(text)
    if match is None:
        return None
    part = {name: int(value) for name, value in match.groupdict().items() if value and name not in {"zone", "fraction"}}
    zone = _zone(match["zone"])
    if zone is None:
        return None
    fraction = match["fraction"] or ""
    try:
        start = datetime(
            part["year"],
            part.get("month", 1),
            part.get("day", 1),
            part.get("hour", 0),
            part.get("minute", 0),
            part.get("second", 0),
            int(fraction.ljust(3, "0") or 0) * 1000,
            tzinfo=zone,
        )
    except ValueError:
        return None
    return Period(_instant(start), _end(start, part, len(fraction)))


def _end(start: datetime, part: dict[str, int], digits: int) -> Instant | None:
    if "hour" not in part:
        year, month, day = start.year, start.month, start.day
        try:
            if "day" in part:
                return _instant(start + timedelta(days=1))
            following = (year + 1, 1) if "month" not in part or month == 12 else (year, month + 1)  # noqa: PLR2004
            return _instant(datetime(*following, day, tzinfo=start.tzinfo))
        except (ValueError, OverflowError):
            return None
    length = MINUTE if "second" not in part else SECOND // 10**digits
    at = _instant(start)
    return None if at is None else at + length


def _instant(moment: datetime) -> Instant | None:
    try:
        return from_datetime(moment.astimezone(UTC))
    except OverflowError:
        return None


def _zone(text: str | None) -> timezone | None:
    if text is None or text == "Z":
        return UTC
    offset = timedelta(hours=int(text[1:3]), minutes=int(text[4:6]))
    if offset > _MAX_OFFSET or int(text[4:6]) > 59:  # noqa: PLR2004 - minutes of an hour
        return None
    return timezone(-offset if text[0] == "-" else offset)
