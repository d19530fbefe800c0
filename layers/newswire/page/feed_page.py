"""The page of a feed: its status and its newest items come in, and what its page says goes out. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from zoneinfo import ZoneInfo

from msgspec import Struct

from newswire.clock import DAY, Instant
from newswire.coverage import gaps_of
from newswire.engines import SearchPage
from newswire.health import State, state_of
from newswire.model import FeedStatus
from newswire.page.chart import Chart
from newswire.page.coverage_words import read_rfc3339
from newswire.page.forms import query_of
from newswire.page.item_rows import LONG_TEASER, ItemRow, in_zone, item_row, web_address, zone_parameter
from newswire.page.moments import Moment, local, moment, since_when
from newswire.page.search_page import Formats, chart_of_answer, formats_of
from newswire.parameters import written_list
from newswire.search import Answer

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
    url: str
    state: State
    state_words: str
    state_detail: str
    checked: Moment | None
    next_check: Moment | None
    is_due: bool
    total: int
    items: tuple[ItemRow, ...]
    chart: Chart | None
    gaps: tuple[str, ...]
    fetches: tuple[FetchRow, ...]
    formats: Formats
    search_href: str
    next: str
    first: str
    is_first: bool
    zone: str


def feed_view(
    parameters: Mapping[str, str],
    status: FeedStatus,
    answer: Answer,
    page: SearchPage,
    lately: Answer,
    origin: str,
    zone: ZoneInfo,
    now: Instant,
    grace_s: int,
) -> FeedView:
    """Say what is known of a feed; `lately` counts its items by day."""
    state = state_of(status, now, grace_s)
    statuses = {status.id: status}
    asked = {**zone_parameter(zone), "feed": written_list([status.id])}
    gaps = gaps_of(status, state)
    tail = in_zone(zone)
    return FeedView(
        id=status.id,
        title=status.title or status.id,
        description=status.description,
        link=web_address(status.link),
        url=status.url,
        state=state,
        state_words=_STATES[state],
        state_detail=(status.paused or "") if state == "paused" else (status.error or ""),
        checked=_moment(status.last_checked, zone, now),
        next_check=_moment(status.next_check, zone, now),
        is_due=status.next_check is not None and status.next_check <= now,
        total=answer.total.value,
        items=tuple(item_row(hit.item, {}, statuses, zone, now, tail, LONG_TEASER) for hit in page.hits),
        chart=chart_of_answer(lately, asked, zone, "../"),
        gaps=tuple(
            f"{since_when(read_rfc3339(one.from_), zone, now)} to "
            f"{since_when(read_rfc3339(one.to), zone, now) if one.to else 'now'}"
            for one in gaps
        ),
        fetches=tuple(
            FetchRow(moment(one.at, zone, now), one.error or f"HTTP {one.status}", one.new) for one in status.fetches
        ),
        formats=formats_of(asked, origin),
        search_href=query_of(asked),
        next=query_of({**parameters, "cursor": answer.next}) if answer.next else "",
        first=query_of({name: value for name, value in parameters.items() if name != "cursor"}) or "?",
        is_first="cursor" not in parameters,
        zone=zone.key,
    )


def lately_from(now: Instant, zone: ZoneInfo) -> str:
    """Give the day with which the days of the small chart begin, as a date value."""
    return local(now - (LATELY_DAYS - 1) * DAY, zone).date().isoformat()


def _moment(instant: Instant | None, zone: ZoneInfo, now: Instant) -> Moment | None:
    return None if instant is None else moment(instant, zone, now)
