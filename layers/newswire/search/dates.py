"""Read date values: return the period that a text names in a time zone. Pure.

Zones come from the `tzdata` package only, so an answer does not depend on the machine. A local time is an integer of
milliseconds, computed as if it were UTC. Python's datetimes end at year 9999, and a range may end later.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from calendar import monthrange
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from importlib import resources
from typing import Literal, cast
from zoneinfo import ZoneInfo

from msgspec import Struct

from newswire.clock import DAY, FIRST_INSTANT, HOUR, LAST_INSTANT, MINUTE, SECOND, Instant, from_datetime, to_datetime
from newswire.errors import RequestError
from newswire.search.parameter_reader import MAX_QUOTED_CHARACTERS

FORMS = (
    "2025, 2025-05, 2025-05-26, 2025-W22, 2025-05-26T12:00, 2025-05-26T12:00:30Z, 2025-05-26T12:00:30.5+02:00, "
    "today, yesterday, now, P7D, PT36H, P1M, now-7d, now-36h, now-1M"
)
DAYS_PER_WEEK = 7
_EXCLUDED_ZONES = {"localtime", "posixrules", "Factory"}
"""Entries of the database that depend on the machine, and the placeholder for "not set"."""
_DATE = re.compile(
    r"(?P<year>[0-9]{4})(?:-W(?P<week>[0-9]{2})|-(?P<month>[0-9]{2})(?:-(?P<day>[0-9]{2})"
    r"(?:T(?P<hour>[0-9]{2}):(?P<minute>[0-9]{2})(?::(?P<second>[0-9]{2})(?:\.(?P<fraction>[0-9]{1,3}))?)?"
    r"(?P<offset>Z|[+ -][0-9]{2}:[0-9]{2})?)?)?)?"
)
_DURATION = re.compile(
    r"P(?=.)(?:(?P<y>[0-9]+)Y)?(?:(?P<M>[0-9]+)M)?(?:(?P<w>[0-9]+)W)?(?:(?P<d>[0-9]+)D)?"
    r"(?:T(?=.)(?:(?P<h>[0-9]+)H)?(?:(?P<m>[0-9]+)M)?(?:(?P<s>[0-9]+)S)?)?"
)
_NOW_MINUS = re.compile(r"now-(?P<count>[0-9]+)(?P<unit>[mhdwMy])")
_ELAPSED_UNITS = {"s": SECOND, "m": MINUTE, "h": HOUR}
_MONTHS_PER_YEAR = 12
_MINUTES_PER_HOUR = 60
_MAX_OFFSET = 18 * HOUR
"""Maximum offset of a date value, in milliseconds; no zone of the database ever had more than 15 h 13 min."""
_MAX_DURATION_DIGITS = 9
"""Maximum digits of a count without leading zeros: a caller may send hundreds."""
OFFSET_MARGIN = 2 * DAY
"""More than any local time differs from UTC, in milliseconds. Within this distance of the ends of year 1 and year 9999,
zones keep the offset that they have at this distance."""


class Period(Struct, frozen=True):
    """A half-open range of instants. A bound is None if it lies before year 1 or after year 9999."""

    start: Instant | None
    end: Instant | None
    is_relative: bool = False
    """It was computed from now, so the same text names another period later."""


class DateValueError(RequestError):
    """A text is not a date value, or its duration leaves the years 1 to 9999."""

    def __init__(self, code: Literal["invalid_value", "out_of_range"], sentence: str) -> None:
        super().__init__(sentence)
        self.code = code


# --- time zones -------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=1)
def zone_names() -> frozenset[str]:
    """Return the names of all zones of the IANA database, aliases included."""
    names = resources.files("tzdata").joinpath("zones").read_text("ascii").split()
    return frozenset(names) - _EXCLUDED_ZONES


@lru_cache(maxsize=1024)
def read_zone(name: str) -> ZoneInfo | None:
    """Return the zone with this name; None if the IANA database has none."""
    if name not in zone_names():
        return None
    with resources.files("tzdata").joinpath("zoneinfo", *name.split("/")).open("rb") as file:
        return ZoneInfo.from_file(file, key=name)


def utc() -> ZoneInfo:
    """Return UTC, the default zone."""
    return cast("ZoneInfo", read_zone("UTC"))


def _offset_at(instant: Instant, zone: ZoneInfo) -> int:
    """Return by how many milliseconds local time is ahead of UTC."""
    clamped = min(max(instant, FIRST_INSTANT + OFFSET_MARGIN), LAST_INSTANT - OFFSET_MARGIN)
    offset = to_datetime(clamped).astimezone(zone).utcoffset()
    assert offset is not None  # noqa: S101 - a ZoneInfo always has one
    return offset // timedelta(milliseconds=1)


def local_at(instant: Instant, zone: ZoneInfo) -> int:
    """Return the local time of an instant, in milliseconds as if UTC; it may lie outside the years 1 to 9999."""
    return instant + _offset_at(instant, zone)


def _offsets_of(local: int, zone: ZoneInfo) -> tuple[int, int]:
    """Return the offsets that a local time can have, before and after a change of the clock (PEP 495)."""
    moment = to_datetime(min(max(local, FIRST_INSTANT), LAST_INSTANT)).replace(tzinfo=zone)
    before, after = (moment.replace(fold=fold).utcoffset() or timedelta() for fold in (0, 1))
    return before // timedelta(milliseconds=1), after // timedelta(milliseconds=1)


@lru_cache(maxsize=4096)  # requests repeat: many histograms have the same months and years
def first_instant_at(local: int, zone: ZoneInfo) -> Instant:
    """Return the first instant with this local time (milliseconds as if UTC), or the change that skips it."""
    candidates = sorted({local - offset for offset in _offsets_of(local, zone)})
    for instant in candidates:
        if local_at(instant, zone) == local:
            return instant
    return _find_change(candidates[0], candidates[-1], lambda instant: local_at(instant, zone) >= local)


def _find_change(low: Instant, high: Instant, is_after: Callable[[Instant], bool]) -> Instant:
    """Return the first instant for which `is_after` holds, after `low` and at most `high`."""
    return low + 1 + bisect_left(range(low + 1, high), x=True, key=is_after)


def _range_at(local: int, length: int, zone: ZoneInfo) -> tuple[Instant, Instant]:
    """Return the smallest half-open range of all instants with a local time from `local` to before `local + length`.

    If a change skips all of these local times, both ends are the instant of the change.
    """
    ranges = []
    for offset in {*_offsets_of(local, zone), *_offsets_of(local + length - 1, zone)}:
        low, high = local - offset, local + length - offset
        starts, ends = _offset_at(low, zone) == offset, _offset_at(high - 1, zone) == offset
        if starts and not ends:
            high = _find_change(low, high, lambda instant, own=offset: _offset_at(instant, zone) != own)  # type: ignore[misc]
        elif ends and not starts:
            low = _find_change(low, high, lambda instant, own=offset: _offset_at(instant, zone) == own)  # type: ignore[misc]
        if starts or ends:
            ranges.append((low, high))
    if not ranges:
        change = first_instant_at(local, zone)
        return change, change
    return min(low for low, _ in ranges), max(high for _, high in ranges)


# --- date values ------------------------------------------------------------------------------------------------------


def read_period(text: str, zone: ZoneInfo, now: Instant) -> Period:
    """Read a date value: a year, month, week, day, minute, second or fraction, or an instant relative to now.

    `zone` applies to dates without an offset. A space counts as the `+` of an offset, since HTML forms decode `+` so.
    Raises `DateValueError`. docs/api.md describes the forms and their meaning.
    """
    if text in {"today", "yesterday"}:
        local = local_at(now, zone) // DAY - (text == "yesterday")
        return Period(*_local_range(local * DAY, (local + 1) * DAY, zone), is_relative=True)
    if text == "now":
        return Period(now, now, is_relative=True)
    counts = _read_duration(text)
    if counts is not None:
        instant = _subtract_duration(text, counts, now, zone)
        return Period(instant, instant, is_relative=True)
    match = _DATE.fullmatch(text)
    if match is None:
        raise _not_a_date(text)
    if match["hour"] is not None:
        return _read_moment(match, zone)
    try:
        start, end = _local_period(match)
    except ValueError as error:
        raise _not_a_date(text) from error
    return Period(*_local_range(start, end, zone))


def _not_a_date(text: str) -> DateValueError:
    return DateValueError("invalid_value", f"{_quote(text)} is not a date value.")


def _quote(text: str) -> str:
    return ascii(text if len(text) <= MAX_QUOTED_CHARACTERS else f"{text[:MAX_QUOTED_CHARACTERS]}...")


def _local_period(match: re.Match[str]) -> tuple[int, int]:
    """Return the local times at which a year, month, week or day and the next one start.

    Raises `ValueError` if the calendar does not have it.
    """
    year = int(match["year"])
    if match["week"] is not None:
        start = _local_day(date.fromisocalendar(year, int(match["week"]), 1))
        return start, start + DAYS_PER_WEEK * DAY
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
    return _bound(first_instant_at(start, zone)), _bound(first_instant_at(end, zone)) if end <= LAST_INSTANT else None


def _bound(instant: Instant) -> Instant | None:
    """Return the instant; None, for no bound, outside the years 1 to 9999."""
    return instant if FIRST_INSTANT <= instant <= LAST_INSTANT else None


def _read_moment(match: re.Match[str], zone: ZoneInfo) -> Period:
    """Read a minute, second or fraction, at its offset or in the zone."""
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
        raise _not_a_date(match.string) from error
    fraction = match["fraction"] or ""
    local = from_datetime(whole) + int(fraction.ljust(3, "0"))
    length = MINUTE if match["second"] is None else SECOND // 10 ** len(fraction)
    if offset is None:
        start, end = _range_at(local, length, zone)
    else:
        start, end = local - offset, local - offset + length
    return Period(_bound(start), _bound(end))


def _read_offset(text: str | None) -> int | None:
    """Return the offset in milliseconds; raise `ValueError` if it is out of range."""
    if text is None:
        return None
    if text == "Z":
        return 0
    hours, minutes = int(text[1:3]), int(text[4:6])
    offset = hours * HOUR + minutes * MINUTE
    if minutes >= _MINUTES_PER_HOUR or offset > _MAX_OFFSET:
        raise ValueError(text)
    return -offset if text[0] == "-" else offset


def _read_duration(text: str) -> dict[str, int] | None:
    """Return the count of each unit of a duration (y, M, w, d, h, m, s); None if the text is not a duration."""
    if match := _NOW_MINUS.fullmatch(text):
        digits = {match["unit"]: match["count"]}
    elif match := _DURATION.fullmatch(text):
        digits = {unit: count for unit, count in match.groupdict().items() if count is not None}
    else:
        return None
    if any(len(count.lstrip("0")) > _MAX_DURATION_DIGITS for count in digits.values()):
        raise _out_of_range(text)
    return {unit: int(count) for unit, count in digits.items()}


def _out_of_range(text: str) -> DateValueError:
    return DateValueError("out_of_range", f"{_quote(text)} before now is not in the years 1 to 9999.")


def _subtract_duration(text: str, counts: dict[str, int], now: Instant, zone: ZoneInfo) -> Instant:
    """Return now minus a duration: first the calendar units in local time, then the rest as elapsed time.

    A day after the end of its month becomes the last day: 31 March minus a month is 28 February. A local time that
    occurs twice takes the offset of now if it can. A local time that a change skips is the instant of the change.
    Raises `DateValueError` with `text` if the result lies outside the years 1 to 9999.
    """
    months = counts.get("y", 0) * _MONTHS_PER_YEAR + counts.get("M", 0)
    days = counts.get("w", 0) * DAYS_PER_WEEK + counts.get("d", 0)
    instant = now
    if months or days:
        local = local_at(now, zone)
        try:
            day = to_datetime(local - local % DAY)
            year, month = divmod(day.year * _MONTHS_PER_YEAR + day.month - 1 - months, _MONTHS_PER_YEAR)
            day = day.replace(year=year, month=month + 1, day=min(day.day, monthrange(year, month + 1)[1]))
            shifted = from_datetime(day) - days * DAY + local % DAY
            to_datetime(shifted)
        except (ValueError, OverflowError, IndexError) as error:
            raise _out_of_range(text) from error
        with_same_offset = shifted - _offset_at(now, zone)
        is_valid = local_at(with_same_offset, zone) == shifted
        instant = with_same_offset if is_valid else first_instant_at(shifted, zone)
    instant -= sum(counts.get(unit, 0) * length for unit, length in _ELAPSED_UNITS.items())
    if not FIRST_INSTANT <= instant <= LAST_INSTANT:
        raise _out_of_range(text)
    return instant
