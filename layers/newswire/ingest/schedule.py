"""Decide when a feed is checked next. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from hashlib import sha256

from msgspec import Struct

from newswire.clock import DAY, HOUR, SECOND, Instant, to_datetime
from newswire.ingest.parse.feed_dates import read_feed_date
from newswire.model import Feed, FoldState, Hints
from newswire.settings import Settings

DAY_SECONDS = 86_400
FIRST_INTERVAL_SECONDS = 1_800
"""The interval of a feed without history."""
MAX_BACKOFF_SECONDS = 23 * 3_600
"""Below a day, so that with the jitter a failing feed is retried every 24 hours, without limit."""
MAX_DOUBLINGS = 20
"""Doublings of the minimum interval; more make no difference, and would make huge integers."""
JITTER_SHARE = 0.1
MAX_JITTER_SECONDS = 300

_MAX_AGE = re.compile(r"(?:^|[\s,])max-age\s*=\s*\"?(\d{1,10})", re.IGNORECASE)
_NO_CACHE = re.compile(r"(?:^|[\s,])no-(?:cache|store)\b", re.IGNORECASE)


class Limits(Struct, frozen=True):
    """The bounds of the interval between two checks of a feed, in seconds."""

    minimum_s: int
    maximum_s: int


def limits_of(feed: Feed, settings: Settings) -> Limits:
    """Return the bounds of a feed: its own, else those of the settings. A maximum below the minimum becomes the minimum."""
    minimum = feed.minimum_s if feed.minimum_s is not None else settings.poll_minimum_seconds
    maximum = feed.maximum_s if feed.maximum_s is not None else settings.poll_maximum_seconds
    return Limits(minimum, max(minimum, maximum))


def interval_after_success(limits: Limits, fold: FoldState, headers: Mapping[str, str], before_s: int) -> int:
    """Return the seconds from a successful check to the next one; `before_s` is the previous interval.

    clamp(max(adaptive, min(max(ttl, sy:updatePeriod, max-age or Expires), maximum)), minimum, maximum)
    """
    hints: Hints = fold.hints
    requested = max(hints.ttl_s or 0, hints.update_period_s or 0, freshness_s(headers))
    interval_s = max(_adaptive_interval_s(fold, before_s), min(requested, limits.maximum_s))
    return max(limits.minimum_s, min(interval_s, limits.maximum_s))


def _adaptive_interval_s(fold: FoldState, before_s: int) -> int:
    """Return the expected time until one new item, at most a day.

    If half of the last document was new, return at most half of the previous interval.
    """
    if fold.per_day is None:
        interval = FIRST_INTERVAL_SECONDS
    else:
        interval = round(DAY_SECONDS / fold.per_day) if fold.per_day > 1 else DAY_SECONDS
    is_half_new = fold.last_entries > 0 and fold.last_new * 2 >= fold.last_entries
    if is_half_new and before_s and len(fold.counts) > 1:  # in the first document everything is new
        interval = min(interval, before_s // 2)
    return interval


def interval_after_error(limits: Limits, errors: int) -> int:
    """Return the backoff in seconds after `errors` consecutive failures: the minimum, doubled each time, up to 23 hours."""
    doubled = limits.minimum_s << min(errors - 1, MAX_DOUBLINGS)
    return min(doubled, MAX_BACKOFF_SECONDS)


def next_check(feed_id: str, now: Instant, interval_s: int, hints: Hints, floor_s: int = 0) -> Instant:
    """Return the instant of the next check: after the interval and the jitter, and outside skipped hours and days.

    `floor_s`, from Retry-After, is a lower bound, capped at 24 hours.
    """
    jitter = round(min(interval_s * JITTER_SHARE, MAX_JITTER_SECONDS) * _jitter_fraction(feed_id))
    at = now + (interval_s + jitter) * SECOND
    return max(_postpone_skipped(at, hints), now + min(floor_s, DAY_SECONDS) * SECOND)


def _jitter_fraction(feed_id: str) -> float:
    """Return a number from 0 to 1: always the same for a feed, and spread evenly over feeds."""
    return int.from_bytes(sha256(feed_id.encode()).digest()[:4]) / 0xFFFFFFFF


def _postpone_skipped(at: Instant, hints: Hints) -> Instant:
    """Postpone an instant out of skipped hours and days (UTC), by at most 24 hours; ignore hints that skip everything."""
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
    """Return the freshness lifetime of a response in seconds, from Cache-Control or Expires (RFC 9111 section 4.2.1)."""
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
    """Return the delay of Retry-After, which is seconds or a date (RFC 9110 section 10.2.3), from 0 to a day in seconds."""
    value = headers.get("retry-after", "").strip()
    if value.isascii() and value.isdigit():
        return min(int(value[:10]), DAY_SECONDS)
    date = read_feed_date(value)
    return max(0, min((date.at - now) // SECOND, DAY_SECONDS)) if date is not None else 0
