"""The page of a feed: its status and its newest items come in, and what its page says goes out. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from urllib.parse import quote
from zoneinfo import ZoneInfo

from msgspec import Struct

from newswire.clock import Instant
from newswire.feed_status import State, state_of
from newswire.model import FeedStatus, FetchLine
from newswire.search.answer import SearchResult
from newswire.search.coverage import gaps_of
from newswire.search.parameter_reader import included_list
from newswire.urls import http_link, site_name
from newswire.web.pages.addresses import address_of, following, in_zone, query_of, zone_parameter
from newswire.web.pages.chart import Chart, chart_of
from newswire.web.pages.coverage_words import CoverageWords, coverage_words
from newswire.web.pages.formats import Formats, formats_of
from newswire.web.pages.item_rows import LONG_TEASER, ItemRow, feed_title, item_row, shortened
from newswire.web.pages.moments import Moment, local, moment, since_when

LATELY_DAYS = 30
_STATES: Mapping[State, str] = {
    "ok": "Being watched",
    "stale": "Not asked when it should have been",
    "failing": "Does not answer",
    "paused": "Not being watched",
    "never": "Never answered yet",
}


class FetchRow(Struct, frozen=True):
    """One of the last fetches."""

    at: Moment
    outcome: str
    new: int | None


class FeedView(Struct, frozen=True):
    """The page of a feed. Addresses begin at the page's own root, but for `link`, which is the publisher's."""

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
    """When it last answered, if that is not when it was last checked."""
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
    lately_days: int = LATELY_DAYS


def feed_view(
    parameters: Mapping[str, str],
    status: FeedStatus,
    result: SearchResult,
    lately: SearchResult,
    origin: str,
    grace_s: int,
) -> FeedView:
    """Say what is known of a feed; `lately` counts its items by day."""
    zone, now = result.request.tz, result.now
    state = state_of(status, now, grace_s)
    statuses = {status.id: status}
    asked = {**zone_parameter(zone), "feed": included_list([status.id])}
    gaps = gaps_of(status, state)
    tail = in_zone(zone)
    return FeedView(
        id=status.id,
        title=feed_title(status.id, statuses),
        description=shortened(status.description, LONG_TEASER),
        link=http_link(status.link),
        link_name=site_name(status.link),
        url=status.url,
        coverage=coverage_words(result.coverage, statuses, zone, now),
        state=state,
        state_words=_STATES[state],
        state_detail=(status.paused or "") if state == "paused" else (status.error or ""),
        checked=_moment(status.last_checked, zone, now),
        answered=None if status.last_success == status.last_checked else _moment(status.last_success, zone, now),
        next_check=_moment(status.next_check, zone, now),
        is_due=status.next_check is not None and status.next_check <= now,
        total=result.total,
        items=tuple(item_row(hit.item, {}, statuses, zone, now, tail, most=LONG_TEASER) for hit in result.hits),
        chart=chart_of(lately.histogram, asked, zone, "../"),
        gaps=tuple(
            f"{since_when(gap.start, zone, now)} to {'now' if gap.end is None else since_when(gap.end, zone, now)}"
            for gap in gaps
        ),
        fetches=tuple(FetchRow(moment(one.at, zone, now), _outcome(one), one.new) for one in status.fetches),
        formats=formats_of(asked, origin),
        search_href=query_of(asked),
        api_href=f"v1/feeds/{quote(status.id, safe='')}",
        next=following(parameters, result.next),
        first=address_of(parameters),
        is_first="cursor" not in parameters,
        zone=zone.key,
    )


def _outcome(line: FetchLine) -> str:
    """Say how a fetch ended: by its status, and by our code where it was no good."""
    said = [f"HTTP {line.status}"] if line.status is not None else []
    if line.error and line.error != f"http_{line.status}":
        said.append(line.error.replace("_", " "))
    return ", ".join(said)


def lately_from(now: Instant, zone: ZoneInfo) -> str:
    """Give the day with which the days of the small chart begin, as a date value."""
    return (local(now, zone) - timedelta(days=LATELY_DAYS - 1)).date().isoformat()


def _moment(instant: Instant | None, zone: ZoneInfo, now: Instant) -> Moment | None:
    return None if instant is None else moment(instant, zone, now)
