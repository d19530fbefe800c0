"""Dates of a query: text comes in, the period that it names goes out; and a range comes in, its buckets go out. Pure.

One time zone database is used everywhere, that of the `tzdata` package, so that an answer does not depend on the
machine. Local time is worked with in integers of milliseconds, as if it were UTC: Python's own arithmetic ends at
year 9999, where a range may not.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from calendar import monthrange
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from importlib import resources
from typing import Literal, cast
from zoneinfo import ZoneInfo

from msgspec import Struct

from newswire.clock import DAY, FIRST_INSTANT, HOUR, LAST_INSTANT, MINUTE, SECOND, Instant, from_datetime, to_datetime

FORMS = (
    "2025, 2025-05, 2025-05-26, 2025-W22, 2025-05-26T12:00, 2025-05-26T12:00:30Z, 2025-05-26T12:00:30.5+02:00, "
    "today, yesterday, now, P7D, PT36H, P1M, now-7d, now-36h, now-1M"
)
Unit = Literal["year", "month", "week", "day", "hour"]
UNITS: tuple[Unit, ...] = ("year", "month", "week", "day", "hour")
"""What a histogram counts by, the coarsest first."""
_LONGEST: dict[Unit, int] = {"year": 367 * DAY, "month": 32 * DAY, "week": 8 * DAY, "day": 2 * DAY, "hour": 2 * HOUR}
"""No unit is longer, whatever changes the clocks make in it."""
MAX_BUCKETS = 1_000
AUTO_BUCKETS = 100

_EXCLUDED_ZONES = {"localtime", "posixrules", "Factory"}
_DATE = re.compile(
    r"(?P<year>[0-9]{4})(?:-W(?P<week>[0-9]{2})|-(?P<month>[0-9]{2})(?:-(?P<day>[0-9]{2})"
    r"(?:T(?P<hour>[0-9]{2}):(?P<minute>[0-9]{2})(?::(?P<second>[0-9]{2})(?:\.(?P<fraction>[0-9]{1,3}))?)?"
    r"(?P<offset>Z|[+ -][0-9]{2}:[0-9]{2})?)?)?)?"
)
_DURATION = re.compile(
    r"P(?=.)(?:(?P<y>[0-9]+)Y)?(?:(?P<M>[0-9]+)M)?(?:(?P<w>[0-9]+)W)?(?:(?P<d>[0-9]+)D)?"
    r"(?:T(?=.)(?:(?P<h>[0-9]+)H)?(?:(?P<m>[0-9]+)M)?(?:(?P<s>[0-9]+)S)?)?"
)
_AGO = re.compile(r"now-(?P<count>[0-9]+)(?P<unit>[mhdwMy])")
_ELAPSED = {"s": SECOND, "m": MINUTE, "h": HOUR}
_MONTHS_A_YEAR = 12
_DAYS_A_WEEK = 7
_MINUTES_AN_HOUR = 60
_LONGEST_OFFSET = 18 * HOUR
"""No offset of RFC 3339 is refused that any zone of the database ever had (15 h 13 min at most)."""
_MOST_DIGITS = 9
REACH = 2 * DAY
"""No local time is further from UTC; nearer to the ends of the calendar than this, offsets are those so far in."""


class Period(Struct, frozen=True):
    """A half-open range of instants. None is "no bound": it lies before year 1 or after year 9999."""

    start: Instant | None
    end: Instant | None
    is_relative: bool = False
    """It was reckoned from now, so it moves by itself."""


class DateValueError(ValueError):
    """A text that is no date value, or a duration that leaves the years 1 to 9999; the text is a sentence."""

    def __init__(self, code: Literal["invalid_value", "out_of_range"], sentence: str) -> None:
        super().__init__(sentence)
        self.code = code


# --- time zones -------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=1)
def zone_names() -> frozenset[str]:
    """Give the names of all zones of the IANA database, aliases included; read from the `tzdata` package once."""
    listed = resources.files("tzdata").joinpath("zones").read_text("ascii").split()
    return frozenset(listed) - _EXCLUDED_ZONES


@lru_cache(maxsize=1024)
def read_zone(name: str) -> ZoneInfo | None:
    """Give the zone of this name; None where the IANA database has none."""
    if name not in zone_names():
        return None
    with resources.files("tzdata").joinpath("zoneinfo", *name.split("/")).open("rb") as file:
        return ZoneInfo.from_file(file, key=name)


def utc() -> ZoneInfo:
    """Give the zone that is meant where none is named."""
    return cast("ZoneInfo", read_zone("UTC"))


def _offset_at(instant: Instant, zone: ZoneInfo) -> int:
    """Give how far local time is ahead of UTC, in milliseconds."""
    within = min(max(instant, FIRST_INSTANT + REACH), LAST_INSTANT - REACH)
    offset = to_datetime(within).astimezone(zone).utcoffset()
    assert offset is not None  # noqa: S101 - a ZoneInfo always has one
    return offset // timedelta(milliseconds=1)


def local_at(instant: Instant, zone: ZoneInfo) -> int:
    """Give the local time of an instant, in milliseconds as if it were UTC; it may leave the years 1 to 9999."""
    return instant + _offset_at(instant, zone)


def _offsets_of(local: int, zone: ZoneInfo) -> tuple[int, int]:
    """Give the offsets that a local time can have: before and after a change, where there is one (PEP 495)."""
    within = to_datetime(min(max(local, FIRST_INSTANT), LAST_INSTANT)).replace(tzinfo=zone)
    both = [within.replace(fold=fold).utcoffset() or timedelta() for fold in (0, 1)]
    return both[0] // timedelta(milliseconds=1), both[1] // timedelta(milliseconds=1)


@lru_cache(maxsize=4096)  # histograms of the same months and years are asked for again and again
def _first_not_before(local: int, zone: ZoneInfo) -> Instant:
    """Give the first instant at which the local time is `local` or, where a change skips it, later."""
    candidates = sorted({local - offset for offset in _offsets_of(local, zone)})
    for instant in candidates:
        if local_at(instant, zone) == local:
            return instant
    return _change(candidates[0], candidates[-1], lambda instant: local_at(instant, zone) >= local)


def _change(low: Instant, high: Instant, is_after: Callable[[Instant], bool]) -> Instant:
    """Give the first instant after `low`, at most `high`, from which on something holds."""
    return low + 1 + bisect_left(range(low + 1, high), x=True, key=is_after)


def _printing_so(local: int, length: int, zone: ZoneInfo) -> tuple[Instant, Instant]:
    """Give the smallest half-open range of all instants whose local time is from `local` to before `local + length`.

    Where a change skips all of them, both ends are the instant of the change.
    """
    pieces = []
    for offset in {*_offsets_of(local, zone), *_offsets_of(local + length - 1, zone)}:
        low, high = local - offset, local + length - offset
        starts, ends = _offset_at(low, zone) == offset, _offset_at(high - 1, zone) == offset
        if starts and not ends:
            high = _change(low, high, lambda instant, own=offset: _offset_at(instant, zone) != own)  # type: ignore[misc]
        elif ends and not starts:
            low = _change(low, high, lambda instant, own=offset: _offset_at(instant, zone) == own)  # type: ignore[misc]
        if starts or ends:
            pieces.append((low, high))
    if not pieces:
        change = _first_not_before(local, zone)
        return change, change
    return min(low for low, _ in pieces), max(high for _, high in pieces)


# --- date values ------------------------------------------------------------------------------------------------------


def read_period(text: str, zone: ZoneInfo, now: Instant) -> Period:
    """Read a date value: a year, month, week, day, minute, second or fraction, or a moment reckoned from now.

    `zone` is what a date without an offset means. A space in place of the `+` of an offset is understood (forms send
    it so). Raises `DateValueError`. The forms and their meaning are in docs/api.md.
    """
    if text in {"today", "yesterday"}:
        local = local_at(now, zone) // DAY - (text == "yesterday")
        return Period(*_local_range(local * DAY, (local + 1) * DAY, zone), is_relative=True)
    if text == "now":
        return Period(now, now, is_relative=True)
    parts = _duration(text)
    if parts is not None:
        instant = _before(now, parts, zone)
        return Period(instant, instant, is_relative=True)
    match = _DATE.fullmatch(text)
    if match is None:
        raise _no_date(text)
    if match["hour"] is not None:
        return _moment(match, zone)
    try:
        start, end = _calendar(match)
    except ValueError as error:
        raise _no_date(text) from error
    return Period(*_local_range(start, end, zone))


def _no_date(text: str) -> DateValueError:
    return DateValueError("invalid_value", f"{_quoted(text)} is no date value.")


def _quoted(text: str) -> str:
    return ascii(text if len(text) <= 100 else f"{text[:100]}...")  # noqa: PLR2004 - as everywhere where a caller is quoted


def _calendar(match: re.Match[str]) -> tuple[int, int]:
    """Give the local time at which a year, month, week or day begins, and that of the next; `ValueError` if there is none."""
    year = int(match["year"])
    if match["week"] is not None:
        start = _local_day(date.fromisocalendar(year, int(match["week"]), 1))
        return start, start + 7 * DAY
    if match["day"] is not None:
        start = _local_day(date(year, int(match["month"]), int(match["day"])))
        return start, start + DAY
    if match["month"] is not None:
        month = int(match["month"])
        start = _local_day(date(year, month, 1))
        return start, start + monthrange(year, month)[1] * DAY
    start = _local_day(date(year, 1, 1))
    return start, start + (365 + (monthrange(year, 2)[1] == 29)) * DAY  # noqa: PLR2004 - a leap year's February


def _local_day(day: date) -> int:
    return from_datetime(datetime(day.year, day.month, day.day, tzinfo=UTC))


def _local_range(start: int, end: int, zone: ZoneInfo) -> tuple[Instant | None, Instant | None]:
    return _bound(_first_not_before(start, zone)), _bound(_first_not_before(end, zone)) if end <= LAST_INSTANT else None


def _bound(instant: Instant) -> Instant | None:
    """Give the instant, or None for "no bound" where it lies outside the years that a date can name."""
    return instant if FIRST_INSTANT <= instant <= LAST_INSTANT else None


def _moment(match: re.Match[str], zone: ZoneInfo) -> Period:
    """Read a minute, second or fraction; with an offset exactly, without one in the zone."""
    try:
        whole = datetime(
            int(match["year"]),
            int(match["month"]),
            int(match["day"]),
            int(match["hour"]),
            int(match["minute"]),
            int(match["second"] or 0),
            tzinfo=UTC,
        )
        offset = _read_offset(match["offset"])
    except ValueError as error:
        raise _no_date(match.string) from error
    fraction = match["fraction"] or ""
    local = from_datetime(whole) + int(fraction.ljust(3, "0"))
    length = MINUTE if match["second"] is None else SECOND // 10 ** len(fraction)
    if offset is None:
        start, end = _printing_so(local, length, zone)
    else:
        start, end = local - offset, local - offset + length
    return Period(_bound(start), _bound(end))


def _read_offset(text: str | None) -> int | None:
    if text is None:
        return None
    if text == "Z":
        return 0
    hours, minutes = int(text[1:3]), int(text[4:6])
    offset = hours * HOUR + minutes * MINUTE
    if minutes >= _MINUTES_AN_HOUR or offset > _LONGEST_OFFSET:
        raise ValueError(text)
    return -offset if text[0] == "-" else offset


def _duration(text: str) -> dict[str, int] | None:
    """Read how long ago, in parts; None where the text is no duration."""
    ago = _AGO.fullmatch(text)
    if ago is not None:
        found = {ago["unit"]: ago["count"]}
    elif match := _DURATION.fullmatch(text):
        found = {name: count for name, count in match.groupdict().items() if count is not None}
    else:
        return None
    if any(len(count.lstrip("0")) > _MOST_DIGITS for count in found.values()):
        raise _out_of_range(text)
    return {name: int(count) for name, count in found.items()}


def _out_of_range(text: str) -> DateValueError:
    return DateValueError("out_of_range", f"{_quoted(text)} before now is not within the years 1 to 9999.")


def _before(now: Instant, parts: dict[str, int], zone: ZoneInfo) -> Instant:
    """Give the instant so long before now: the calendar part in local time, then the rest as elapsed time.

    A day that a month does not have is its last one (31 March less a month is 28 February). A local time that occurs
    twice is the one nearer to now in its offset; one that a change skips is the instant of the change.
    """
    months = parts.get("y", 0) * _MONTHS_A_YEAR + parts.get("M", 0)
    days = parts.get("w", 0) * _DAYS_A_WEEK + parts.get("d", 0)
    instant = now
    if months or days:
        local = local_at(now, zone)
        try:
            day = to_datetime(local - local % DAY)
            year, month = divmod(day.year * _MONTHS_A_YEAR + day.month - 1 - months, _MONTHS_A_YEAR)
            day = day.replace(year=year, month=month + 1, day=min(day.day, monthrange(year, month + 1)[1]))
            moved = from_datetime(day) - days * DAY + local % DAY
            to_datetime(moved)
        except (ValueError, OverflowError, IndexError) as error:
            raise _out_of_range(f"P{months}M{days}D") from error
        same = moved - _offset_at(now, zone)
        instant = same if local_at(same, zone) == moved else _first_not_before(moved, zone)
    instant -= sum(parts.get(unit, 0) * length for unit, length in _ELAPSED.items())
    if not FIRST_INSTANT <= instant <= LAST_INSTANT:
        raise _out_of_range(f"PT{(now - instant) // HOUR}H")
    return instant


# --- buckets ----------------------------------------------------------------------------------------------------------


class TooManyBucketsError(ValueError):
    """A histogram would have more than 1,000 buckets; `fits` is the finest unit that has fewer, if there is one."""

    def __init__(self, fits: Unit | None) -> None:
        super().__init__(f"more than {MAX_BUCKETS} buckets")
        self.fits = fits


class BucketEdges(Struct, frozen=True):
    """The edges of histogram buckets, rising, and their unit: bucket n is from edge n to before edge n + 1."""

    unit: Unit | None
    edges: tuple[Instant, ...]


def bucket_edges(
    start: Instant | None,
    end: Instant | None,
    span: tuple[Instant, Instant] | None,
    unit: Unit | None,
    zone: ZoneInfo,
    most: int = AUTO_BUCKETS,
) -> BucketEdges:
    """Return the edges of contiguous buckets from `start` to `end`.

    `unit` None takes the finest unit that gives at most `most` buckets. Without a bound the buckets reach from the start
    of the first item's unit to the end of the last item's (`span`). A bound cuts the first or last bucket. Without bound
    and item there are no edges. Raises `TooManyBucketsError`.
    """
    if (start is None or end is None) and span is None:
        return BucketEdges(None, ())
    for tried in reversed(UNITS) if unit is None else (unit,):
        edges = _edges(start, end, span, tried, zone, MAX_BUCKETS if unit else most)
        if edges is not None:
            return BucketEdges(tried, edges)
    if unit is None:
        edges = _edges(start, end, span, "year", zone, MAX_BUCKETS)
        if edges is not None:
            return BucketEdges("year", edges)
    coarser = UNITS[: UNITS.index(unit)] if unit else ()
    fits = next((one for one in reversed(coarser) if _edges(start, end, span, one, zone, MAX_BUCKETS)), None)
    raise TooManyBucketsError(fits)


def _edges(
    start: Instant | None,
    end: Instant | None,
    span: tuple[Instant, Instant] | None,
    unit: Unit,
    zone: ZoneInfo,
    most: int,
) -> tuple[Instant, ...] | None:
    """Give the edges, or None where there would be more than so many buckets."""
    first, last = span or (0, 0)
    low = start if start is not None else _floor(first if end is None else min(first, end - 1), unit, zone)
    edges = [low]
    beyond = end if end is not None else max(last, low) + 1
    if (beyond - low) // _LONGEST[unit] > most:  # they need not be counted one by one
        return None
    for edge in _rising(low, unit, zone):
        if edge >= beyond:
            edges.append(end if end is not None else edge)
            return tuple(edges)
        edges.append(edge)
        if len(edges) > most:
            return None
    edges.append(beyond)
    return tuple(edges)


def _floor(instant: Instant, unit: Unit, zone: ZoneInfo) -> Instant:
    """Give the instant at which the unit that holds this one begins."""
    local = local_at(instant, zone)
    if unit == "hour":
        return max(instant - local % HOUR, FIRST_INSTANT)
    day = _first_day(local, unit)
    floor = _first_not_before(day, zone)
    if floor > instant:  # the clock went back over midnight, and this is the time before it for the second time
        floor = _first_not_before(_first_day(day - 1, unit), zone)
    return max(floor, FIRST_INSTANT)


def _first_day(local: int, unit: Unit) -> int:
    """Give the local time at which a year, month, week or day begins."""
    day = local // DAY
    if unit == "day":
        return day * DAY
    if unit == "week":
        return (day - (day + 3) % _DAYS_A_WEEK) * DAY  # 1970-01-01 was a Thursday
    moment = to_datetime(min(max(day * DAY, FIRST_INSTANT), LAST_INSTANT))
    return from_datetime(
        moment.replace(day=1, month=moment.month if unit == "month" else 1, hour=0, minute=0, second=0, microsecond=0)
    )


def _rising(low: Instant, unit: Unit, zone: ZoneInfo) -> Iterator[Instant]:
    """Give the beginnings of units after an instant, one after the other, up to the end of year 9999."""
    if unit == "hour":
        edge = low
        while edge <= LAST_INSTANT:
            edge += HOUR - local_at(edge, zone) % HOUR
            yield edge
        return
    day = _first_day(local_at(low, zone), unit)
    edge = low
    while True:
        day = _next_day(day, unit)
        if day > LAST_INSTANT:
            return
        following = _first_not_before(day, zone)
        if following > edge:  # a day that a change skips whole is no bucket
            edge = following
            yield edge


def _next_day(day: int, unit: Unit) -> int:
    if unit in {"day", "week"}:
        return day + (DAY if unit == "day" else _DAYS_A_WEEK * DAY)
    moment = to_datetime(day)
    if unit == "month":
        return day + monthrange(moment.year, moment.month)[1] * DAY
    return day + (365 + (monthrange(moment.year, 2)[1] == 29)) * DAY  # noqa: PLR2004 - a leap year's February
