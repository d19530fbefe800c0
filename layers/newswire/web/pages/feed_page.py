"""The view of a feed page: its status, its newest items and its last fetches in words. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from urllib.parse import quote
from zoneinfo import ZoneInfo

from msgspec import Struct

from newswire.clock import Instant
from newswire.engines.coverage import gaps_of
from newswire.feed_status import State, state_of
from newswire.model import FeedStatus, FetchLine
from newswire.search.answer import SearchResult
from newswire.search.parameter_reader import included_list
from newswire.urls import http_link, site_name
from newswire.web.pages.addresses import change_query, next_page_query, query_of, zone_parameter, zone_query
from newswire.web.pages.chart import Chart, chart_of
from newswire.web.pages.coverage_words import CoverageWords, coverage_words
from newswire.web.pages.formats import Formats, formats_of
from newswire.web.pages.item_rows import MAX_FEED_TEASER_CHARACTERS, ItemRow, feed_title, item_row, shorten_text
from newswire.web.pages.moments import Moment, local, moment, since_when

CHART_DAYS = 30
"""Number of days in the chart, today included."""
_STATES: Mapping[State, str] = {
    "ok": "Up to date",
    "stale": "Check overdue",
    "failing": "Last check failed",
    "paused": "Paused",
    "never": "Not answered yet",
    "archive": "Loaded from files",
}


class FetchRow(Struct, frozen=True):
    """One of the last fetches; `new` counts its new items, None if no document was indexed."""

    at: Moment
    outcome: str
    new: int | None


class FeedView(Struct, frozen=True):
    """The view of a feed page. URLs are relative to the root of the pages, except `link`, the publisher's site."""

    id: str
    title: str
    description: str
    link: str
    link_name: str
    url: str
    coverage: CoverageWords
    state: State
    state_words: str
    state_detail: str
    checked: Moment | None
    answered: Moment | None
    """The last successful check, unless it is the last check."""
    next_check: Moment | None
    is_due: bool
    total: int
    items: tuple[ItemRow, ...]
    chart: Chart | None
    gaps: tuple[str, ...]
    fetches: tuple[FetchRow, ...]
    formats: Formats
    search_href: str
    api_href: str
    next: str
    first: str
    is_first: bool
    zone: str
    chart_days: int = CHART_DAYS


def feed_view(
    parameters: Mapping[str, str],
    status: FeedStatus,
    result: SearchResult,
    recent: SearchResult,
    origin: str,
    grace_s: int,
) -> FeedView:
    """Return the view of a feed; `recent` has the histogram of its last `CHART_DAYS` days."""
    zone, now = result.request.tz, result.now
    state = state_of(status, now, grace_s)
    statuses = {status.id: status}
    feed_parameters = {**zone_parameter(zone), "feed": included_list([status.id])}
    gaps = gaps_of(status, state)
    tail = zone_query(zone)
    return FeedView(
        id=status.id,
        title=feed_title(status.id, statuses),
        description=shorten_text(status.description, MAX_FEED_TEASER_CHARACTERS),
        link=http_link(status.link),
        link_name=site_name(status.link),
        url=status.url,
        coverage=coverage_words(result.coverage, statuses, zone, now),
        state=state,
        state_words=_STATES[state],
        state_detail=(status.paused or "") if state in {"paused", "archive"} else (status.error or ""),
        checked=_moment(status.last_checked, zone, now),
        answered=None if status.last_success == status.last_checked else _moment(status.last_success, zone, now),
        next_check=_moment(status.next_check, zone, now),
        is_due=status.next_check is not None and status.next_check <= now,
        total=result.total,
        items=tuple(
            item_row(hit.item, {}, statuses, zone, now, tail, most=MAX_FEED_TEASER_CHARACTERS) for hit in result.hits
        ),
        chart=chart_of(recent.histogram, feed_parameters, zone, "../"),
        gaps=tuple(
            f"{since_when(gap.start, zone, now)} to {'now' if gap.end is None else since_when(gap.end, zone, now)}"
            for gap in gaps
        ),
        fetches=tuple(
            FetchRow(moment(fetch.at, zone, now), _outcome_text(fetch), fetch.new) for fetch in status.fetches
        ),
        formats=formats_of(feed_parameters, origin),
        search_href=query_of(feed_parameters),
        api_href=f"v1/feeds/{quote(status.id, safe='')}",
        next=next_page_query(parameters, result.next),
        first=change_query(parameters),
        is_first="cursor" not in parameters,
        zone=zone.key,
    )


def _outcome_text(fetch: FetchLine) -> str:
    """Return the outcome of a fetch: its HTTP status, and its error code if the status does not say the same."""
    parts = [f"HTTP {fetch.status}"] if fetch.status is not None else []
    if fetch.error and fetch.error != f"http_{fetch.status}":
        parts.append(fetch.error.replace("_", " "))
    return ", ".join(parts)


def first_chart_day(now: Instant, zone: ZoneInfo) -> str:
    """Return the first day of the chart as a date value."""
    return (local(now, zone) - timedelta(days=CHART_DAYS - 1)).date().isoformat()


def _moment(instant: Instant | None, zone: ZoneInfo, now: Instant) -> Moment | None:
    return None if instant is None else moment(instant, zone, now)
