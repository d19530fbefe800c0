"""A histogram as a picture of when: buckets come in, SVG and the rows of a list go out. Pure.

The picture has no text, since it is stretched to the width that there is; what it says stands beside it. A bar leads to the
same search within its bucket.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from markupsafe import Markup, escape
from msgspec import Struct

from newswire.clock import LAST_INSTANT, MINUTE, SECOND, Instant, to_rfc3339
from newswire.search.answer import Histogram
from newswire.search.buckets import Unit
from newswire.search.dates import DateValueError, read_period
from newswire.web.pages.addresses import around_range
from newswire.web.pages.moments import MONTHS, local, short_day

WIDTH, HEIGHT = 600, 100
MOST_BARS = 60
"""So many bars can still be told apart on 320 pixels, and their addresses fit into the page."""
_LOWEST = 2.0
"""A bar that stands for one item among thousands is still seen."""
_GAP = 0.15


class Chart(Struct, frozen=True):
    """A picture of when, in a frame of `WIDTH` by `HEIGHT`: bars in SVG, and the same as rows of a list; empty buckets have none.

    Drawn here and not by a template: what is the same for all bars, which is most of it, is escaped and encoded once.
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
    width = slot * (1 - _GAP)
    lead, rest = (escape(part) for part in around_range(parameters))
    bars, rows = [], []
    for at, bucket in enumerate(buckets):
        if not bucket.count:
            continue
        height = max(bucket.count / highest * HEIGHT, _LOWEST)
        name, text = _names(bucket.start, unit, zone)
        first, last = _bounds(name, bucket.start, bucket.end, zone, is_cut=at in {0, count - 1})
        href = f"{top}{lead}from={first}&amp;to={last}{rest}"
        left = f"{at * slot + slot * _GAP / 2:.1f}"
        whole = f"M{left} 0h{width:.1f}v{HEIGHT}h-{width:.1f}z"  # so that a low bar can be hit, too
        path = f"M{left} {HEIGHT}v-{height:.1f}h{width:.1f}v{height:.1f}z"
        title = f"<title>{text}: {bucket.count}</title>"
        bars.append(f'<a tabindex="-1" href="{href}">{title}<path d="{whole}"/><path d="{path}"/></a>')
        rows.append(f'<li><a href="{href}">{text}</a> {bucket.count:,}</li>')
    return Chart(
        bars=Markup("\n".join(bars)),  # noqa: S704 - of escaped addresses, dates and numbers
        rows=Markup("\n".join(rows)),  # noqa: S704 - as above
        unit=unit,
        first=_names(buckets[0].start, unit, zone)[1],
        last=_names(buckets[-1].start, unit, zone)[1],
        highest=highest,
        total=sum(bucket.count for bucket in buckets),
    )


@lru_cache(maxsize=4096)  # the same days and months are drawn again and again
def _names(start: Instant, unit: Unit, zone: ZoneInfo) -> tuple[str, str]:
    """Give the date value of the unit that an instant lies in, and what a reader calls it."""
    at = local(start, zone)
    return _named(at, unit), _label(at, unit)


def _label(at: datetime, unit: Unit) -> str:
    """Name the unit of time that a local time lies in: "2025", "May 2025", "26 May 2025", "26 May 2025, 14:00"."""
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


def _bounds(name: str, start: Instant, end: Instant, zone: ZoneInfo, *, is_cut: bool) -> tuple[str, str]:
    """Give the date values of `from` and `to` that mean a bucket exactly, as a reader would write them where there are such."""
    if name and (not is_cut or _means(name, start, end, zone)):
        return name, name
    if start % MINUTE == 0 and end % MINUTE == 0:
        return _minute(start), _minute(end - MINUTE)
    return to_rfc3339(start), "9999" if end >= LAST_INSTANT else _millisecond(end - 1)


def _named(at: datetime, unit: Unit) -> str:
    """Give the date value of the year, month, week or day that a local time lies in; an hour has none."""
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


def _means(name: str, start: Instant, end: Instant, zone: ZoneInfo) -> bool:
    try:
        period = read_period(name, zone, start)
    except DateValueError:
        return False
    return period.start == start and period.end == end


def _millisecond(instant: Instant) -> str:
    return f"{to_rfc3339(instant)[:19]}.{instant % SECOND:03d}Z"


def _minute(instant: Instant) -> str:
    return f"{to_rfc3339(instant)[:16]}Z"
