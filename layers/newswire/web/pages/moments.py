"""Instants as text for readers, such as "2 Jun 2025, 14:00", in a time zone. Pure.

The text is English, whatever the locale of the machine is.
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
_MAX_WEEKDAY_AGE_DAYS = 6
"""Maximum age of a day that is named by its weekday alone; a week back, the name would be that of today."""


class Moment(Struct, frozen=True):
    """An instant as a page shows it."""

    iso: str
    """For machines: RFC 3339 in UTC, or only the day if the time of day is unknown."""
    ago: str
    """The age, "2 hours 59 minutes ago", or the distance of a future instant."""
    text: str
    """Short: "2 Jun 2025, 14:00"."""
    full: str
    """Full, with the time zone: "Monday 2 June 2025, 14:00:00, Europe/Brussels"."""


def moment(instant: Instant, zone: ZoneInfo, now: Instant) -> Moment:
    """Return an instant as text in `zone`, with its age at `now`."""
    at = local(instant, zone)
    return Moment(
        iso=to_rfc3339(instant),
        ago=_ago(instant, now),
        text=f"{short_day(at)}, {at.hour:02d}:{at.minute:02d}",
        full=f"{_full_day(at)}, {at.hour:02d}:{at.minute:02d}:{at.second:02d}, {zone.key}",
    )


def published_moment(item: Item, zone: ZoneInfo, now: Instant) -> Moment:
    """Return when an item was published: the day only, in UTC, if its feed has no time of day."""
    if item.published_precision != "day":
        return moment(item.published, zone, now)
    at = local(item.published, utc())
    days = now // DAY - item.published // DAY
    return Moment(
        iso=to_rfc3339(item.published)[:10],
        ago="today" if days == 0 else _ago(item.published // DAY * DAY, now // DAY * DAY),
        text=short_day(at),
        full=f"{_full_day(at)}, no time of day given",
    )


def _ago(instant: Instant, now: Instant) -> str:
    if instant > now:
        return f"{relative_age(now, instant)} in the future"
    return f"{relative_age(instant, now)} ago"


def local(instant: Instant, zone: ZoneInfo) -> datetime:
    """Return the local time of an instant as a datetime.

    Within two days of the ends of the calendar it is labelled UTC, and it stays in the years 1 to 9999.
    """
    if FIRST_INSTANT + OFFSET_MARGIN < instant < LAST_INSTANT - OFFSET_MARGIN:
        return to_datetime(instant).astimezone(zone)
    return to_datetime(min(max(local_at(instant, zone), FIRST_INSTANT), LAST_INSTANT))


def short_day(at: datetime) -> str:
    """Return a day as "2 Jun 2025"."""
    return f"{at.day} {MONTHS[at.month - 1][:3]} {at.year}"


def since_when(instant: Instant, zone: ZoneInfo, now: Instant) -> str:
    """Return a time that follows "since": "14:00 today", "Tuesday 14:00", "2 June, 14:00", "2 Jun 2024, 14:00"."""
    at, today = local(instant, zone), local(now, zone)
    days = (local_at(now, zone) // DAY) - (local_at(instant, zone) // DAY)
    if days == 0:
        return f"{at:%H:%M} today"
    if 0 < days <= _MAX_WEEKDAY_AGE_DAYS:
        return f"{DAYS[at.weekday()]} {at:%H:%M}"
    return f"{short_day(at)}, {at:%H:%M}" if at.year != today.year else f"{at.day} {MONTHS[at.month - 1]}, {at:%H:%M}"


def _full_day(at: datetime) -> str:
    return f"{DAYS[at.weekday()]} {at.day} {MONTHS[at.month - 1]} {at.year}"
