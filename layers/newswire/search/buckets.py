"""Divide a range into the buckets of a histogram: calendar units in a time zone. Pure.

As in `dates.py`, a local time is an integer of milliseconds, computed as if it were UTC.
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Iterator
from typing import Literal
from zoneinfo import ZoneInfo

from msgspec import Struct

from newswire.clock import DAY, FIRST_INSTANT, HOUR, LAST_INSTANT, Instant, from_datetime, to_datetime
from newswire.errors import RequestError
from newswire.search.dates import DAYS_PER_WEEK, first_instant_at, local_at

Unit = Literal["year", "month", "week", "day", "hour"]
UNITS: tuple[Unit, ...] = ("year", "month", "week", "day", "hour")
"""The units of histogram buckets, the coarsest first."""
_MAX_LENGTHS: dict[Unit, int] = {
    "year": 367 * DAY,
    "month": 32 * DAY,
    "week": 8 * DAY,
    "day": 2 * DAY,
    "hour": 2 * HOUR,
}
"""Maximum lengths in milliseconds, for any change of the clock within the unit."""
MAX_BUCKETS = 1_000
AUTO_BUCKETS = 100
"""Maximum buckets of an `auto` histogram, unless even yearly buckets are more."""


class TooManyBucketsError(RequestError):
    """A histogram would have more than 1,000 buckets; `fits` is the finest unit within the limit, if there is one."""

    def __init__(self, fits: Unit | None) -> None:
        super().__init__(f"more than {MAX_BUCKETS} buckets")
        self.fits = fits


class BucketEdges(Struct, frozen=True):
    """The edges of histogram buckets, ascending, and their unit: bucket n is from edge n to before edge n + 1."""

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
    """Return the edges of contiguous buckets from `start` to `end`, with units in local time.

    Without a `unit`, take the finest unit with at most `most` buckets, or else years. `span` has the dates of the
    first and the last item: without a bound, the buckets cover the whole unit of that item. A bound cuts the first or
    the last bucket. There are no edges without a span unless both bounds are set. Raises `TooManyBucketsError`.
    """
    if (start is None or end is None) and span is None:
        return BucketEdges(None, ())
    for candidate in reversed(UNITS) if unit is None else (unit,):
        edges = _list_edges(start, end, span, candidate, zone, MAX_BUCKETS if unit else most)
        if edges is not None:
            return BucketEdges(candidate, edges)
    if unit is None:
        edges = _list_edges(start, end, span, "year", zone, MAX_BUCKETS)
        if edges is not None:
            return BucketEdges("year", edges)
    coarser = UNITS[: UNITS.index(unit)] if unit else ()
    fits = next((name for name in reversed(coarser) if _list_edges(start, end, span, name, zone, MAX_BUCKETS)), None)
    raise TooManyBucketsError(fits)


def _list_edges(
    start: Instant | None,
    end: Instant | None,
    span: tuple[Instant, Instant] | None,
    unit: Unit,
    zone: ZoneInfo,
    most: int,
) -> tuple[Instant, ...] | None:
    """Return the edges; None if there would be more than `most` buckets."""
    first, last = span or (0, 0)
    low = start if start is not None else _floor(first if end is None else min(first, end - 1), unit, zone)
    edges = [low]
    beyond = end if end is not None else max(last, low) + 1
    if (beyond - low) // _MAX_LENGTHS[unit] > most:  # certainly too many, so none are listed
        return None
    for edge in _starts_after(low, unit, zone):
        if edge >= beyond:
            edges.append(end if end is not None else edge)
            return tuple(edges)
        edges.append(edge)
        if len(edges) > most:
            return None
    edges.append(beyond)
    return tuple(edges)


def is_whole(start: Instant, end: Instant, unit: Unit, zone: ZoneInfo) -> bool:
    """Return whether a bucket is a whole unit: no bound of the search cut it."""
    return start == _floor(start, unit, zone) and end == next(_starts_after(start, unit, zone), LAST_INSTANT + 1)


def _floor(instant: Instant, unit: Unit, zone: ZoneInfo) -> Instant:
    """Return the instant at which the unit that contains this instant starts."""
    local = local_at(instant, zone)
    if unit == "hour":
        return max(instant - local % HOUR, FIRST_INSTANT)
    day = _first_day(local, unit)
    floor = first_instant_at(day, zone)
    if floor > instant:  # the clock went back over midnight: this is the second pass of the day before
        floor = first_instant_at(_first_day(day - 1, unit), zone)
    return max(floor, FIRST_INSTANT)


def _first_day(local: int, unit: Unit) -> int:
    """Return the local time at which the year, month, week or day of a local time starts."""
    day = local // DAY
    if unit == "day":
        return day * DAY
    if unit == "week":
        return (day - (day + 3) % DAYS_PER_WEEK) * DAY  # 1970-01-01 was a Thursday
    moment = to_datetime(min(max(day * DAY, FIRST_INSTANT), LAST_INSTANT))
    return from_datetime(
        moment.replace(day=1, month=moment.month if unit == "month" else 1, hour=0, minute=0, second=0, microsecond=0)
    )


def _starts_after(low: Instant, unit: Unit, zone: ZoneInfo) -> Iterator[Instant]:
    """Yield the starts of units after an instant, ascending, up to the end of year 9999."""
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
        following = first_instant_at(day, zone)
        if following > edge:  # a change can skip a whole day, which then has no bucket
            edge = following
            yield edge


def _next_day(day: int, unit: Unit) -> int:
    """Return the local time at which the unit after the one that starts at `day` starts."""
    if unit in {"day", "week"}:
        return day + (DAY if unit == "day" else DAYS_PER_WEEK * DAY)
    moment = to_datetime(day)
    if unit == "month":
        return day + monthrange(moment.year, moment.month)[1] * DAY
    return day + (365 + (monthrange(moment.year, 2)[1] == 29)) * DAY  # noqa: PLR2004 - a leap year's February
