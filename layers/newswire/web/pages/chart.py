"""The chart of a histogram: draw bars as SVG, and the same buckets as rows of a list. Pure.

The SVG has no text, because it is stretched to the width of the page; the labels are outside it. A bar links to the same
search within its bucket.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from markupsafe import Markup, escape
from msgspec import Struct

from newswire.clock import LAST_INSTANT, MINUTE, SECOND, Instant, to_rfc3339
from newswire.search.answer import Bucket, Histogram
from newswire.search.buckets import Unit, is_whole
from newswire.web.pages.addresses import split_at_range
from newswire.web.pages.moments import MONTHS, local, short_day

WIDTH, HEIGHT = 600, 100
"""Size of the SVG view box, in its own units; a page stretches it."""
MAX_BARS = 60
"""Maximum bars: as many can be told apart on 320 pixels, and their URLs fit into the page."""
_MIN_BAR_HEIGHT = 2.0
"""Minimum height of a bar: one item among thousands stays visible."""
_GAP_SHARE = 0.15
"""Share of a bar's slot that stays empty."""


class Chart(Struct, frozen=True):
    """A chart: bars as SVG in a view box of `WIDTH` by `HEIGHT`, and rows of a list. Empty buckets have neither.

    Python draws it instead of a template, so that the common part of all URLs is escaped and encoded once.
    """

    bars: Markup
    rows: Markup
    unit: Unit
    first: str
    last: str
    highest: int
    total: int


def chart_of(histogram: Histogram | None, parameters: Mapping[str, str], zone: ZoneInfo, top: str) -> Chart | None:
    """Draw the histogram of a search with these parameters; return None for fewer than two buckets.

    `top` is the relative URL of the search page.
    """
    if histogram is None or histogram.unit is None or len(histogram.buckets) < 2:  # noqa: PLR2004 - one bar shows nothing
        return None
    unit, buckets = histogram.unit, histogram.buckets
    count = len(buckets)
    highest = max(bucket.count for bucket in buckets) or 1
    slot = WIDTH / count
    width = slot * (1 - _GAP_SHARE)
    lead, tail = (escape(part) for part in split_at_range(parameters))
    bars, rows = [], []
    for at, bucket in enumerate(buckets):
        if not bucket.count:
            continue
        height = max(bucket.count / highest * HEIGHT, _MIN_BAR_HEIGHT)
        value, text = _value_and_label(bucket.start, unit, zone)
        # The range of the search may cut the first and the last bucket.
        is_cut = at in {0, count - 1} and not is_whole(bucket.start, bucket.end, unit, zone)
        first, last = _range_values("" if is_cut else value, bucket)
        href = f"{top}{lead}from={first}&amp;to={last}{tail}"
        left = f"{at * slot + slot * _GAP_SHARE / 2:.1f}"
        whole = f"M{left} 0h{width:.1f}v{HEIGHT}h-{width:.1f}z"  # a low bar can be clicked over the whole height
        path = f"M{left} {HEIGHT}v-{height:.1f}h{width:.1f}v{height:.1f}z"
        title = f"<title>{text}: {bucket.count}</title>"
        bars.append(f'<a tabindex="-1" href="{href}">{title}<path d="{whole}"/><path d="{path}"/></a>')
        rows.append(f'<li><a href="{href}">{text}</a> {bucket.count:,}</li>')
    return Chart(
        bars=Markup("\n".join(bars)),  # noqa: S704 - made of escaped URLs, dates and numbers
        rows=Markup("\n".join(rows)),  # noqa: S704 - as above
        unit=unit,
        first=_value_and_label(buckets[0].start, unit, zone)[1],
        last=_value_and_label(buckets[-1].start, unit, zone)[1],
        highest=highest,
        total=sum(bucket.count for bucket in buckets),
    )


@lru_cache(maxsize=4096)  # pages draw the same days and months again and again
def _value_and_label(start: Instant, unit: Unit, zone: ZoneInfo) -> tuple[str, str]:
    """Return the date value and the label of the unit of time that contains an instant."""
    at = local(start, zone)
    return _date_value(at, unit), _label(at, unit)


def _label(at: datetime, unit: Unit) -> str:
    """Return the label of the unit that contains a local time: "2025", "May 2025", "26 May 2025", "26 May 2025, 14:00"."""
    match unit:
        case "year":
            return f"{at.year}"
        case "month":
            return f"{MONTHS[at.month - 1]} {at.year}"
        case "week":
            return f"week of {short_day(at - timedelta(days=at.weekday()))}"
        case "day":
            return short_day(at)
    return f"{short_day(at)}, {at:%H:%M}"


def _range_values(value: str, bucket: Bucket) -> tuple[str, str]:
    """Return the date values of `from` and `to` that select a bucket exactly.

    They are `value`, the date value of a whole bucket; without one, minutes in UTC, else milliseconds.
    """
    start, end = bucket.start, bucket.end
    if value:
        return value, value
    if start % MINUTE == 0 and end % MINUTE == 0:
        return _minute_value(start), _minute_value(end - MINUTE)
    return to_rfc3339(start), "9999" if end >= LAST_INSTANT else _millisecond_value(end - 1)


def _date_value(at: datetime, unit: Unit) -> str:
    """Return the date value of the year, month, week or day that contains a local time; "" for an hour."""
    match unit:
        case "year":
            return f"{at.year:04d}"
        case "month":
            return f"{at.year:04d}-{at.month:02d}"
        case "week":
            year, week, _ = at.isocalendar()
            return f"{year:04d}-W{week:02d}"
        case "day":
            return f"{at.year:04d}-{at.month:02d}-{at.day:02d}"
    return ""


def _millisecond_value(instant: Instant) -> str:
    return f"{to_rfc3339(instant)[:19]}.{instant % SECOND:03d}Z"


def _minute_value(instant: Instant) -> str:
    return f"{to_rfc3339(instant)[:16]}Z"
