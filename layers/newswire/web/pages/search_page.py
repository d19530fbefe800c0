"""The page of a search: an answer comes in, and what its page says goes out. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from zoneinfo import ZoneInfo

from msgspec import Struct

from newswire.clock import DAY, Instant
from newswire.engines.query import DateField
from newswire.model import FeedStatus
from newswire.search.answer import SearchResult, SearchWarning
from newswire.search.dates import local_at
from newswire.search.grammar import understood as written_query
from newswire.web.pages.addresses import address_of, following, in_zone
from newswire.web.pages.chart import Chart, chart_of
from newswire.web.pages.coverage_words import CoverageWords, coverage_words
from newswire.web.pages.formats import Formats, formats_of
from newswire.web.pages.item_rows import ItemRow, item_row
from newswire.web.pages.moments import local, short_day
from newswire.web.pages.narrowing import FacetView, Filter, facets_of, filters_of
from newswire.web.pages.search_form import SearchForm, form_view

_ORDERS = {"relevance": "Best match first", "newest": "Newest first", "oldest": "Oldest first"}
_DATES: Mapping[DateField, str] = {
    "published": "published",
    "updated": "updated by their publishers",
    "changed": "seen to come or change",
    "first_seen": "first seen",
}
_MOST_WARNINGS = 20
_MOST_SUGGESTED = 5
_PIECE = 24
"""So much of a query is quoted where a warning speaks of a place in it."""


class Suggestion(Struct, frozen=True):
    """A wider search, for whoever found nothing."""

    text: str
    href: str


class Found(Struct, frozen=True):
    """What was found, in words."""

    total: int
    said: tuple[str, ...]
    """Which dates, in which order and zone."""
    understood: str
    filters: tuple[Filter, ...]
    more_filters: int
    warnings: tuple[str, ...]
    items: tuple[ItemRow, ...]
    facets: tuple[FacetView, ...]
    chart: Chart | None
    coverage: CoverageWords
    suggestions: tuple[Suggestion, ...]
    next: str
    first: str
    is_first: bool


class SearchView(Struct, frozen=True):
    """The page of a search."""

    title: str
    """What it is about; it tells the page from others, and names its feeds."""
    heading: str
    form: SearchForm
    formats: Formats | None = None
    found: Found | None = None
    is_wrong: bool = False


def search_view(
    parameters: Mapping[str, str],
    result: SearchResult,
    of_all_feeds: Iterable[FeedStatus],
    top: str,
    origin: str,
) -> SearchView:
    """Say what was found; `parameters` are those of the page's address, which is at `top`; absolute ones begin with `origin`."""
    statuses = {status.id: status for status in of_all_feeds}
    request, now = result.request, result.now
    facets = {facet.field: facet for facet in result.facets}
    zone, date_field, tail = request.tz, request.query.date_field, in_zone(request.tz)
    filters = filters_of(parameters, request, statuses)
    rows = tuple(item_row(hit.item, hit.highlights or {}, statuses, zone, now, tail, date_field) for hit in result.hits)
    understood = written_query(request.node) if request.node is not None else ""
    found = Found(
        total=result.total,
        said=(*_dates_said(result, zone), _ORDERS[request.query.sort], f"Times in {zone.key}"),
        understood="" if understood == (request.q or "").strip() else understood,
        filters=filters,
        warnings=tuple(_warning(one, request.q or "") for one in result.warnings[:_MOST_WARNINGS]),
        more_filters=sum(map(len, request.raw_lists.values())) - len(filters),
        items=rows,
        facets=facets_of(facets, parameters, statuses),
        chart=chart_of(result.histogram, parameters, zone, top),
        coverage=coverage_words(result.coverage, statuses, zone, now, request.query.end),
        suggestions=() if result.total else tuple(_wider(parameters, filters)),
        next=following(parameters, result.next),
        first=address_of(parameters),
        is_first="cursor" not in parameters,
    )
    about = [*([request.q] if request.q else []), *(one.text for one in filters[:_MOST_SUGGESTED])]
    return SearchView(
        title=", ".join(about) or "The newest items",
        heading=f"Results for {request.q}" if request.q else "What was published",
        form=form_view(parameters, statuses, now, request, facets.get("feed")),
        formats=formats_of(parameters, origin),
        found=found,
    )


def _dates_said(result: SearchResult, zone: ZoneInfo) -> tuple[str, ...]:
    """Say which dates were searched, and in which range: whole days by their names, both included, else to the second."""
    query = result.request.query
    what = _DATES[query.date_field]
    start, end = query.start, query.end
    if start is None and end is None:
        return () if query.date_field == "published" else (f"By when they were {what}",)
    is_whole = all(bound is None or local_at(bound, zone) % DAY == 0 for bound in (start, end))
    said = [what[0].upper() + what[1:]]
    if start is not None:
        said.append(f"{'since' if end is None else 'from'} {_bound(start, zone, is_whole=is_whole)}")
    if end is not None:
        said.append(f"to {_bound(end - 1, zone, is_whole=True)}" if is_whole else f"until {_bound(end, zone)}")
    return (" ".join(said),)


def _bound(instant: Instant, zone: ZoneInfo, *, is_whole: bool = False) -> str:
    at = local(instant, zone)
    if is_whole:
        return short_day(at)
    return f"{short_day(at)}, {at:%H:%M:%S}" if at.second else f"{short_day(at)}, {at:%H:%M}"


def _warning(warning: SearchWarning, q: str) -> str:
    """Say what a caller should know, with the piece of the query that it is about."""
    if warning.position is None:
        return warning.detail
    piece = q[warning.position : warning.position + _PIECE]
    return f"{warning.detail} At “{piece}{'…' if len(q) > warning.position + _PIECE else ''}”."


def _wider(parameters: Mapping[str, str], filters: tuple[Filter, ...]) -> list[Suggestion]:
    """Suggest what may find more: any of the words, any time, and to go without each filter."""
    found = []
    if len(parameters.get("q", "").split()) > 1 and "match" not in parameters:
        found.append(Suggestion("with any of the words", address_of(parameters, match="any")))
    if {"from", "to"} & parameters.keys():
        found.append(Suggestion("at any time", address_of(parameters, from_=None, to=None)))
    return [*found, *(Suggestion(f"without “{one.text}”", one.href) for one in filters[:_MOST_SUGGESTED])]
