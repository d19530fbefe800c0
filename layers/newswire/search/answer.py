"""Answer a search request: ask the engine, and return a `SearchResult` of items, instants and numbers.

The HTTP API, feeds, tables, pages and the command line are renderers of the same result.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping

import msgspec
from msgspec import Struct

from newswire import analysis
from newswire.clock import LAST_INSTANT, SECOND, Clock, Instant, is_in_calendar
from newswire.engines import RELEVANCE_DEPTH, Facet, SearchEngine, SearchPage
from newswire.engines.coverage import CoverageQuery, FeedCoverage
from newswire.engines.query import Position, SearchQuery
from newswire.log import log_defect
from newswire.model import Item
from newswire.search.buckets import AUTO_BUCKETS, MAX_BUCKETS, TooManyBucketsError, Unit, bucket_edges
from newswire.search.cursor import index_mark, write_cursor
from newswire.search.highlights import Highlighter
from newswire.search.parameter_reader import BadParametersError, Problem, shorten
from newswire.search.request import ListFilter, SearchRequest


class ResultHit(Struct, frozen=True):
    """A found item. `highlights` has the marked texts by field; None if the request asks for none."""

    item: Item
    score: float | None
    highlights: Mapping[str, str] | None


class Bucket(Struct, frozen=True):
    """The number of items with their date in a half-open range."""

    start: Instant
    end: Instant
    count: int


class Histogram(Struct, frozen=True):
    """Contiguous buckets of one unit; the first and the last may be cut. `unit` is None if there is no bucket."""

    unit: Unit | None
    buckets: tuple[Bucket, ...]


class SearchWarning(Struct, frozen=True):
    """A fact that the caller should know and that is not an error. `position` counts code points of `q`."""

    code: str
    detail: str
    position: int | None = None


class SearchResult(Struct, frozen=True):
    """The answer to a search request, before any format."""

    request: SearchRequest
    hits: tuple[ResultHit, ...]
    total: int
    facets: tuple[Facet, ...]
    histogram: Histogram | None
    """None if the request asks for none."""
    next: str | None
    """The cursor of the next page; None on the last page."""
    next_position: Position | None
    coverage: FeedCoverage
    warnings: tuple[SearchWarning, ...]
    now: Instant
    """The instant of the answer, for relative ages."""
    took_ms: int


COVERAGE_RESOLUTION = 10 * SECOND
"""Resolution of the instant at which a feed is stale, so that an engine can count the feeds once for many searches."""

Watch = Callable[[float, int], object]
"""Called after each search with the milliseconds of the engine and the number of found items."""


def search(
    engine: SearchEngine,
    request: SearchRequest,
    clock: Clock,
    grace_s: int,
    watch: Watch | None = None,
    auto_buckets: int = AUTO_BUCKETS,
) -> SearchResult:
    """Search, and return the result. A histogram by `auto` has at most `auto_buckets` buckets where its unit allows it.

    Raises `BadParametersError` for a histogram of too many buckets, and whatever the engine raises.
    """
    started = time.perf_counter()
    now = clock()
    query, unit = _query_of(engine, request, auto_buckets)
    query = msgspec.structs.replace(query, coverage=_coverage_query(request, now, grace_s))
    sent_at = time.perf_counter()
    page = engine.search(query)
    if watch is not None:
        watch((time.perf_counter() - sent_at) * 1000, page.total)
    coverage = page.coverage or FeedCoverage({})
    cursor = None
    if page.next is not None:
        index = request.cursor.index if request.cursor else index_mark(page.version)
        cursor = write_cursor(request.fingerprint, page.next, request.now, index)
    hits, left_out = _hits_of(request, page)
    return SearchResult(
        request=request,
        hits=hits,
        total=page.total,
        facets=page.facets,
        histogram=_histogram_of(query, unit, page) if request.histogram else None,
        next=cursor,
        next_position=page.next,
        coverage=coverage,
        warnings=(*_warnings(request, page, coverage), *map(_left_out_warning, left_out)),
        now=now,
        took_ms=round((time.perf_counter() - started) * 1000),
    )


def _query_of(engine: SearchEngine, request: SearchRequest, auto_buckets: int) -> tuple[SearchQuery, Unit | None]:
    """Return the query for the engine, with the edges of the histogram, and the unit of its buckets."""
    query = request.query
    if request.histogram is None:
        return query, None
    span = None if query.start is not None and query.end is not None else engine.span(query)
    unit = None if request.histogram == "auto" else request.histogram
    try:
        buckets = bucket_edges(query.start, query.end, span, unit, request.tz, auto_buckets)
    except TooManyBucketsError as error:
        detail = f"A histogram by {request.histogram} would have more than {MAX_BUCKETS} buckets."
        allowed = f"{error.fits}, or a shorter range" if error.fits else "a shorter range"
        raise BadParametersError([Problem("histogram", "out_of_range", detail, allowed)]) from error
    return msgspec.structs.replace(query, edges=buckets.edges), buckets.unit


def _hits_of(request: SearchRequest, page: SearchPage) -> tuple[tuple[ResultHit, ...], tuple[str, ...]]:
    """Return the items of a page with their highlights, and the ids of those that no renderer could show.

    An item that cannot be shown is a defect, which is logged; it must not take the other items of the answer with it.
    """
    highlighter = None
    if request.highlight:
        highlighter = Highlighter(request.node, request.highlight, [hit.item for hit in page.hits])
    hits, left_out = [], []
    for hit in page.hits:
        try:
            _check_item(hit.item)
            highlights = None if highlighter is None else highlighter.highlights_of(hit.item)
        except Exception as error:  # noqa: BLE001 - logged as a defect; the other items are shown
            log_defect(error)
            left_out.append(hit.item.id)
        else:
            hits.append(ResultHit(hit.item, hit.score, highlights))
    return tuple(hits), tuple(left_out)


def get_items(engine: SearchEngine, ids: Iterable[str]) -> dict[str, Item]:
    """Return the existing items among `ids` that can be shown, by id; the others are logged as defects."""
    shown = {}
    for item_id, item in engine.get(ids).items():
        try:
            _check_item(item)
        except (OverflowError, UnicodeError) as error:
            log_defect(error)
        else:
            shown[item_id] = item
    return shown


def _check_item(item: Item) -> None:
    """Raise `OverflowError` for a date outside the years 1 to 9999, `UnicodeEncodeError` for text with a lone surrogate."""
    for instant in (item.published, item.changed, item.first_seen, item.updated):
        if instant is not None and not is_in_calendar(instant):
            msg = f"the item {item.id} has a date outside the years 1 to 9999: {instant} ms"
            raise OverflowError(msg)
    for text in (item.title, item.summary, item.content, item.link, *item.authors, *item.categories):
        if not text.isascii():
            text.encode()


def _left_out_warning(item_id: str) -> SearchWarning:
    detail = f"The item {item_id} cannot be shown and was left out, because of a defect of newswire; its log has the details."
    return SearchWarning("item_left_out", detail)


def _histogram_of(query: SearchQuery, unit: Unit | None, page: SearchPage) -> Histogram:
    edges = [min(edge, LAST_INSTANT) for edge in query.edges]  # the last instant of the calendar lies in a bucket, too
    counts = zip(edges, edges[1:], page.histogram, strict=False)
    return Histogram(unit, tuple(Bucket(start, end, count) for start, end, count in counts))


def _coverage_query(request: SearchRequest, now: Instant, grace_s: int) -> CoverageQuery:
    """Return the coverage of the feeds that the `feed` filter lets through, in the range of the search."""
    now -= now % COVERAGE_RESOLUTION
    feeds = request.lists.get("feed") or ListFilter()
    any_of, none_of = (tuple(dict.fromkeys(map(analysis.fold_whole, ids))) for ids in (feeds.any_of, feeds.none_of))
    return CoverageQuery(now, grace_s, request.query.start, request.query.end, any_of, none_of)


def _warnings(request: SearchRequest, page: SearchPage, coverage: FeedCoverage) -> Iterable[SearchWarning]:
    for repair in request.warnings:
        yield SearchWarning(repair.code, repair.detail, repair.position)
    yield from _unknown_feeds(request.lists.get("feed"), coverage)
    if coverage.missing:
        detail = f"The index is being rebuilt, and {coverage.missing:,} items are not in it yet: ask again later."
        yield SearchWarning("rebuilding", detail)
    if request.query.sort != "relevance":
        return
    if request.cursor is not None and request.cursor.index != index_mark(page.version):
        detail = "The index changed since the first page, so items may be repeated or missed. sort=newest avoids this."
        yield SearchWarning("order_changed", detail)
    after = request.query.after
    reached = (after.offset if after else 0) + len(page.hits)
    if reached >= RELEVANCE_DEPTH and page.total > reached:
        detail = f"sort=relevance lists at most {RELEVANCE_DEPTH:,} items. Use sort=newest to list all."
        yield SearchWarning("relevance_depth", detail)


def _unknown_feeds(feeds: ListFilter | None, coverage: FeedCoverage) -> Iterable[SearchWarning]:
    if feeds is None or not coverage.unknown:
        return
    unknown = set(coverage.unknown)
    for feed in (*feeds.any_of, *feeds.none_of):
        if analysis.fold_whole(feed) in unknown:
            yield SearchWarning("unknown_feed", f"There is no feed {shorten(feed)!r}.")
