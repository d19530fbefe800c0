"""When is a feed checked next? What we know of it comes in, an instant goes out. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from hashlib import sha256

from msgspec import Struct

from newswire.clock import DAY, HOUR, SECOND, Instant, to_datetime
from newswire.ingest.parse.feed_dates import read_feed_date
from newswire.model import Feed, FoldState, Hints
from newswire.settings import Settings

DAY_S = 86_400
FIRST_INTERVAL_S = 1_800
"""The interval for a feed of which nothing is known yet."""
LONGEST_BACKOFF_S = 23 * 3_600
"""With the jitter, a failing feed is tried again within 24 hours, for ever."""
JITTER = 0.1
LONGEST_JITTER_S = 300

_MAX_AGE = re.compile(r"(?:^|[\s,])max-age\s*=\s*\"?(\d{1,10})", re.IGNORECASE)
_NO_CACHE = re.compile(r"(?:^|[\s,])no-(?:cache|store)\b", re.IGNORECASE)


class Limits(Struct, frozen=True):
    """The bounds of the interval between two checks of a feed, in seconds."""

    minimum_s: int
    maximum_s: int


def limits_of(feed: Feed, settings: Settings) -> Limits:
    """Give a feed's own bounds, else those of the settings."""
    minimum = feed.minimum_s if feed.minimum_s is not None else settings.poll_minimum_seconds
    maximum = feed.maximum_s if feed.maximum_s is not None else settings.poll_maximum_seconds
    return Limits(minimum, max(minimum, maximum))


def interval_after_success(limits: Limits, fold: FoldState, headers: Mapping[str, str], before_s: int) -> int:
    """Give the seconds until the next check after a good one.

    clamp(max(adaptive, min(max(ttl, sy:updatePeriod, max-age or Expires), maximum)), minimum, maximum)
    """
    hints: Hints = fold.hints
    asked = max(hints.ttl_s or 0, hints.update_period_s or 0, freshness_s(headers))
    wanted = max(_adaptive(fold, before_s), min(asked, limits.maximum_s))
    return max(limits.minimum_s, min(wanted, limits.maximum_s))


def _adaptive(fold: FoldState, before_s: int) -> int:
    """Give the time in which one item is expected; half of the interval before, when half of the last window was new."""
    if fold.per_day is None:
        wanted = FIRST_INTERVAL_S
    else:
        wanted = round(DAY_S / fold.per_day) if fold.per_day > 1 else DAY_S
    half_new = fold.last_entries > 0 and fold.last_new * 2 >= fold.last_entries
    if half_new and before_s and len(fold.counts) > 1:  # in the first document everything is new
        wanted = min(wanted, before_s // 2)
    return wanted


def interval_after_error(limits: Limits, errors: int) -> int:
    """Give the seconds until the next try after so many errors in a row: doubling, at most a day, never giving up."""
    doubled = limits.minimum_s << min(errors - 1, 20)
    return min(doubled, LONGEST_BACKOFF_S)


def next_check(feed_id: str, now: Instant, interval_s: int, hints: Hints, floor_s: int = 0) -> Instant:
    """Give the instant of the next check: the interval, a jitter that only adds, hours and days to skip, Retry-After."""
    jitter = round(min(interval_s * JITTER, LONGEST_JITTER_S) * _fraction(feed_id))
    at = now + (interval_s + jitter) * SECOND
    return max(_after_skips(at, hints), now + min(floor_s, DAY_S) * SECOND)


def _fraction(feed_id: str) -> float:
    """Give a number from 0 to 1 that is always the same for a feed and different between feeds."""
    return int.from_bytes(sha256(feed_id.encode()).digest()[:4]) / 0xFFFFFFFF


def _after_skips(at: Instant, hints: Hints) -> Instant:
    """Move an instant out of skipped hours and days (UTC), by 24 hours at most; if all is skipped, not at all."""
    skipped_hours, skipped_days = set(hints.skip_hours), set(hints.skip_days)
    if not (skipped_hours or skipped_days) or len(skipped_hours) >= 24 or len(skipped_days) >= 7:  # noqa: PLR2004
        return at
    moved = at
    while moved < at + DAY:
        moment = to_datetime(moved)
        if moment.hour not in skipped_hours and moment.weekday() not in skipped_days:
            return moved
        moved = moved - moved % HOUR + HOUR
    return at + DAY


def freshness_s(headers: Mapping[str, str]) -> int:
    """Give how long a response says that it stays fresh, by Cache-Control or Expires (RFC 9111 section 4.2.1), in seconds."""
    control = headers.get("cache-control", "")
    if _NO_CACHE.search(control):
        return 0
    if match := _MAX_AGE.search(control):
        return int(match[1])
    expires, date = read_feed_date(headers.get("expires", "")), read_feed_date(headers.get("date", ""))
    if expires is None or date is None:
        return 0
    return max((expires.at - date.at) // SECOND, 0)


def retry_after_s(headers: Mapping[str, str], now: Instant) -> int:
    """Give what Retry-After asks for, in seconds from now, at most a day (RFC 9110 section 10.2.3: seconds or a date)."""
    said = headers.get("retry-after", "").strip()
    if said.isascii() and said.isdigit():
        return min(int(said[:10]), DAY_S)
    date = read_feed_date(said)
    return max(0, min((date.at - now) // SECOND, DAY_S)) if date is not None else 0
