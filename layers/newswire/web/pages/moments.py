"""Instants in the words of a reader: an instant and a time zone come in, "2 Jun 2025, 14:00" goes out. Pure.

English, whatever the locale of the machine is.
"""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from msgspec import Struct

from newswire.clock import DAY, FIRST_INSTANT, LAST_INSTANT, Instant, to_datetime, to_rfc3339
from newswire.model import Item
from newswire.search.ages import relative_age
from newswire.search.dates import OFFSET_MARGIN, local_at, utc

MONTHS = ("January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
          "December")  # fmt: skip
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_LATELY = 6
"""So many days back a day is named by its weekday alone."""


class Moment(Struct, frozen=True):
    """An instant as a page shows it."""

    iso: str
    """For machines: RFC 3339 in UTC, or only the day where no time of day is known."""
    ago: str
    """How long ago: "2 hours 59 minutes ago", or how far ahead it lies."""
    text: str
    """Short: "2 Jun 2025, 14:00"."""
    full: str
    """Whole, with its time zone: "Monday 2 June 2025, 14:00:00, Europe/Brussels"."""


def moment(instant: Instant, zone: ZoneInfo, now: Instant) -> Moment:
    """Say an instant in the words of a reader."""
    at = local(instant, zone)
    return Moment(
        iso=to_rfc3339(instant),
        ago=_ago(instant, now),
        text=f"{short_day(at)}, {at.hour:02d}:{at.minute:02d}",
        full=f"{_whole_day(at)}, {at.hour:02d}:{at.minute:02d}:{at.second:02d}, {zone.key}",
    )


def published_moment(item: Item, zone: ZoneInfo, now: Instant) -> Moment:
    """Say when an item was published: where its feed gives no time of day, none is made up."""
    if item.published_precision != "day":
        return moment(item.published, zone, now)
    at = local(item.published, utc())
    days = now // DAY - item.published // DAY
    return Moment(
        iso=to_rfc3339(item.published)[:10],
        ago="today" if days == 0 else _ago(item.published // DAY * DAY, now // DAY * DAY),
        text=short_day(at),
        full=f"{_whole_day(at)}, no time of day given",
    )


def _ago(instant: Instant, now: Instant) -> str:
    if instant > now:
        return f"dated {relative_age(now, instant)} ahead"
    return f"{relative_age(instant, now)} ago"


def local(instant: Instant, zone: ZoneInfo) -> datetime:
    """Give the local time of an instant; near the ends of the calendar as if it were UTC, and no further than they are."""
    if FIRST_INSTANT + OFFSET_MARGIN < instant < LAST_INSTANT - OFFSET_MARGIN:
        return to_datetime(instant).astimezone(zone)
    return to_datetime(min(max(local_at(instant, zone), FIRST_INSTANT), LAST_INSTANT))


def short_day(at: datetime) -> str:
    """Write a day: "2 Jun 2025"."""
    return f"{at.day} {MONTHS[at.month - 1][:3]} {at.year}"


def since_when(instant: Instant, zone: ZoneInfo, now: Instant) -> str:
    """Say since when: "14:00 today", "Tuesday 14:00", "2 Jun 2025, 14:00"."""
    at, today = local(instant, zone), local(now, zone)
    days = (local_at(now, zone) // DAY) - (local_at(instant, zone) // DAY)
    if days == 0:
        return f"{at:%H:%M} today"
    if 0 < days <= _LATELY:
        return f"{DAYS[at.weekday()]} {at:%H:%M}"
    return f"{short_day(at)}, {at:%H:%M}" if at.year != today.year else f"{at.day} {MONTHS[at.month - 1]}, {at:%H:%M}"


def _whole_day(at: datetime) -> str:
    return f"{DAYS[at.weekday()]} {at.day} {MONTHS[at.month - 1]} {at.year}"
