"""The view of a search page: the results, filters and warnings in words and links. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from zoneinfo import ZoneInfo

from msgspec import Struct

from newswire import analysis
from newswire.clock import DAY, Instant
from newswire.engines.query import DateField
from newswire.model import FeedStatus
from newswire.search.answer import SearchResult, SearchWarning
from newswire.search.dates import local_at
from newswire.search.grammar import understood as written_query
from newswire.search.request import ListFilter
from newswire.web.pages.addresses import change_query, next_page_query, zone_query
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
    "updated": "updated by the publisher",
    "changed": "added or changed",
    "first_seen": "first seen",
}
_MAX_WARNINGS = 20
_MAX_FILTER_TEXTS = 5
"""Maximum filters that the title names, and that the suggestions of an empty result remove."""
_MAX_QUOTED_CHARACTERS = 24
"""Maximum characters of the query that a warning about a position quotes."""


class Suggestion(Struct, frozen=True):
    """A link to a wider search, for an empty result."""

    text: str
    href: str


class Results(Struct, frozen=True):
    """The results of a search, and what they mean."""

    total: int
    criteria: tuple[str, ...]
    """The dates, the order and the time zone of the search, in words."""
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
    """The view of a search page; without results the parameters were wrong."""

    title: str
    """The title of the page and of its feeds."""
    heading: str
    form: SearchForm
    formats: Formats | None = None
    results: Results | None = None
    is_wrong: bool = False


def shown_feeds(result: SearchResult) -> set[str]:
    """Return the ids of the feeds whose titles the page of a result shows."""
    request, coverage = result.request, result.coverage
    chosen = request.lists.get("feed") or ListFilter()
    ids = {analysis.fold_whole(feed) for feed in (*chosen.any_of, *chosen.none_of)}
    ids |= {hit.item.feed for hit in result.hits}
    ids |= {feed.feed for feed in coverage.not_ok} | {gap.feed for gap in coverage.gaps}
    return ids | {value.value for facet in result.facets if facet.field == "feed" for value in facet.values}


def search_view(
    parameters: Mapping[str, str],
    result: SearchResult,
    feeds: Iterable[FeedStatus],
    top: str,
    origin: str,
) -> SearchView:
    """Return the view of a result.

    `parameters` are those of the page's URL. `feeds` are `shown_feeds` and others that the form may offer.
    `top` is the relative URL of the root, `origin` the public URL.
    """
    statuses = {status.id: status for status in sorted(feeds, key=lambda status: status.id)}
    request, now = result.request, result.now
    facets = {facet.field: facet for facet in result.facets}
    zone, date_field, tail = request.tz, request.query.date_field, zone_query(request.tz)
    filters = filters_of(parameters, request, statuses)
    rows = tuple(item_row(hit.item, hit.highlights or {}, statuses, zone, now, tail, date_field) for hit in result.hits)
    read_as = written_query(request.node) if request.node is not None else ""
    results = Results(
        total=result.total,
        criteria=(*_describe_dates(result, zone), _ORDERS[request.query.sort], f"Times in {zone.key}"),
        understood="" if read_as == (request.q or "").strip() else read_as,
        filters=filters,
        warnings=tuple(_warning_text(warning, request.q or "") for warning in result.warnings[:_MAX_WARNINGS]),
        more_filters=sum(map(len, request.raw_lists.values())) - len(filters),
        items=rows,
        facets=facets_of(facets, parameters, statuses),
        chart=chart_of(result.histogram, parameters, zone, top),
        coverage=coverage_words(result.coverage, statuses, zone, now, request.query.end),
        suggestions=() if result.total else tuple(_suggest_wider(parameters, filters)),
        next=next_page_query(parameters, result.next),
        first=change_query(parameters),
        is_first="cursor" not in parameters,
    )
    about = [*([request.q] if request.q else []), *(filter_.text for filter_ in filters[:_MAX_FILTER_TEXTS])]
    return SearchView(
        title=", ".join(about) or "The newest items",
        heading=f"Results for {request.q}" if request.q else "What was published",
        form=form_view(parameters, statuses, now, request, facets.get("feed")),
        formats=formats_of(parameters, origin),
        results=results,
    )


def _describe_dates(result: SearchResult, zone: ZoneInfo) -> tuple[str, ...]:
    """Describe the date field and the range: whole days by date, both included, other bounds to the second."""
    query = result.request.query
    what = _DATES[query.date_field]
    start, end = query.start, query.end
    if start is None and end is None:
        return () if query.date_field == "published" else (f"Date: {what}",)
    is_whole = all(bound is None or local_at(bound, zone) % DAY == 0 for bound in (start, end))
    words = [what[0].upper() + what[1:]]
    if start is not None:
        words.append(f"{'since' if end is None else 'from'} {_bound_text(start, zone, is_whole=is_whole)}")
    if end is not None:
        words.append(
            f"to {_bound_text(end - 1, zone, is_whole=True)}" if is_whole else f"until {_bound_text(end, zone)}"
        )
    return (" ".join(words),)


def _bound_text(instant: Instant, zone: ZoneInfo, *, is_whole: bool = False) -> str:
    at = local(instant, zone)
    if is_whole:
        return short_day(at)
    return f"{short_day(at)}, {at:%H:%M:%S}" if at.second else f"{short_day(at)}, {at:%H:%M}"


def _warning_text(warning: SearchWarning, q: str) -> str:
    """Return the text of a warning, with the part of the query at its position."""
    if warning.position is None:
        return warning.detail
    end = warning.position + _MAX_QUOTED_CHARACTERS
    return f"{warning.detail} At “{q[warning.position : end]}{'…' if len(q) > end else ''}”."


def _suggest_wider(parameters: Mapping[str, str], filters: tuple[Filter, ...]) -> list[Suggestion]:
    """Suggest wider searches: any of the words, any time, and without each filter."""
    suggestions = []
    if len(parameters.get("q", "").split()) > 1 and "match" not in parameters:
        suggestions.append(Suggestion("with any of the words", change_query(parameters, match="any")))
    if {"from", "to"} & parameters.keys():
        suggestions.append(Suggestion("at any time", change_query(parameters, from_=None, to=None)))
    without = (Suggestion(f"without “{filter_.text}”", filter_.href) for filter_ in filters[:_MAX_FILTER_TEXTS])
    return [*suggestions, *without]
