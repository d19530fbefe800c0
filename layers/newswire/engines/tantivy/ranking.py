"""Rank the hits of a tantivy index by relevance or by date, with a total order, and return one page.

tantivy sorts by score or by one field, and orders equal hits by their address. This module orders equal hits by `tie`
instead. So pages stay the same when segments merge, and both engines agree.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import Any

from tantivy import FieldType, Occur, Order, Query

from newswire.clock import Instant
from newswire.engines import RELEVANCE_DEPTH
from newswire.engines.query import Position, RecencyBand, SearchQuery
from newswire.engines.tantivy.fields import fields
from newswire.engines.tantivy.queries import (
    bands_with_items,
    boost_bands,
    count_leaves,
    has_constant_score,
    limit_period,
    match_period,
    translate,
)

MAX_NARROW_LEAVES = 6
"""A query with more words, phrases and prefixes is wide: `_rerank` is then faster than one clause per band."""
MIN_RERANKED_HITS = 10_000
"""Minimum hits that `_rerank` reads: it takes 3 ms, and suffices unless scores are very close together."""
_LOOKAHEAD_HITS = 32
"""Hits beyond the page that are read first, to find the end of the last group of equal scores."""
_LOOKAHEAD_GROWTH = 8
"""Factor of the number of hits for the next try, if that group continues."""
_MAX_TIE = 1 << 62
"""Above every tie, which has 60 bits."""

Scored = tuple[float, Any]
"""A score, and the address of a document."""
Hits = list[tuple[Any, float | None]]


# --- by relevance -----------------------------------------------------------------------------------------------------


def page_by_relevance(
    searcher: Any, published: tuple[Instant, Instant] | None, query: SearchQuery
) -> tuple[Hits, int, Position | None]:
    """Return a page by score, the total, and the next page's start.

    `published` is the first and the last publication in the index; None if it is empty.
    """
    offset = query.after.offset if query.after else 0
    size = max(min(query.size, RELEVANCE_DEPTH - offset), 0)
    page, total = _find_best(searcher, published, query, offset, size)
    end = offset + len(page)
    has_more = page and end < min(total, RELEVANCE_DEPTH)
    return [(address, score) for score, address in page], total, Position(offset=end) if has_more else None


def _find_best(
    searcher: Any, published: tuple[Instant, Instant] | None, query: SearchQuery, offset: int, size: int
) -> tuple[list[Scored], int]:
    """Return the best hits from an offset on, and the total, in the cheapest of the exact ways below."""
    scoring = translate(query, scored=True)
    bands = bands_with_items(query.recency, published) if published is not None else []
    if has_constant_score(query.node):
        return _rank_constant(searcher, scoring, bands, offset, size)
    if query.recency and len(bands) > 1 and count_leaves(query.node, scored=True) > MAX_NARROW_LEAVES:
        reranked = _rerank(searcher, scoring, query.recency, offset, size)
        if reranked is not None:
            return reranked
    return _rank(searcher, boost_bands(scoring, bands), offset, size)


def _rank(searcher: Any, scoring: Any, offset: int, size: int) -> tuple[list[Scored], int]:
    """Read the best hits, and more until the last group of equal scores on the page is complete."""
    end = offset + size
    limit = end + _LOOKAHEAD_HITS
    while True:
        result = searcher.search(scoring, limit)
        hits = result.hits  # each access builds the list again: 1.4 ms for 10,000
        if len(hits) <= end or len(hits) == result.count or hits[-1][0] < hits[end - 1][0]:
            break
        limit = min(limit * _LOOKAHEAD_GROWTH, result.count)
    page = hits[offset:end]
    if not page:
        return [], result.count
    first = bisect_left(hits, -page[0][0], key=lambda hit: -hit[0])
    last = bisect_right(hits, -page[-1][0], key=lambda hit: -hit[0])
    ordered = _sort_by_tie(searcher, hits[first:last])
    return ordered[offset - first : end - first], result.count


def _sort_by_tie(searcher: Any, hits: list[Scored]) -> list[Scored]:
    """Sort hits by score, the highest first, and equal ones by tie."""
    ties = searcher.fast_field_values("tie", [address for _score, address in hits])
    keyed = sorted(
        (-score, tie, number) for number, ((score, _address), tie) in enumerate(zip(hits, ties, strict=True))
    )
    return [hits[number] for _score, _tie, number in keyed]


def _rank_constant(
    searcher: Any, scoring: Any, bands: list[RecencyBand], offset: int, size: int
) -> tuple[list[Scored], int]:
    """Read hits of equal score band by band, each by tie, so that nobody sorts 250,000 hits for a page of ten."""
    best = searcher.search(scoring, 1)
    page: list[Scored] = []
    if not best.hits:
        return page, 0
    score = best.hits[0][0]
    end: Instant | None = None
    for band in bands:
        missing = size - len(page)
        if not missing:
            break
        in_band = limit_period(scoring, band.start, end)
        end = band.start
        result = searcher.search(in_band, missing, offset=offset, order_by_field="tie", order=Order.Asc)
        page += [(score * band.factor, address) for _tie, address in result.hits]
        offset = max(offset - result.count, 0)
    return page, best.count


def _rerank(
    searcher: Any, scoring: Any, bands: tuple[RecencyBand, ...], offset: int, size: int
) -> tuple[list[Scored], int] | None:
    """Multiply the scores of the best hits by the factors of their bands; the page equals that over all hits.

    This is for wide queries, which tantivy would evaluate once for each band: 64 common words take 297 ms that way, and
    102 ms this way. An unread hit cannot reach the page if even the largest factor leaves it below the last hit of the
    page. If one could, scores are too close together and the result is None. Reading all hits instead would cost more
    than the bands do (250,000 hits: seconds).
    """
    result = searcher.search(scoring, max(MIN_RERANKED_HITS, 4 * (offset + size)))
    hits = result.hits  # each access builds the list again: 1.4 ms for 10,000
    published = searcher.fast_field_values("published", [address for _score, address in hits])
    reranked = [
        (score * next((band.factor for band in bands if at >= band.start), 1.0), address)
        for (score, address), at in zip(hits, published, strict=True)
    ]
    page = _sort_by_tie(searcher, reranked)[offset : offset + size]
    if len(hits) < result.count and page and hits[-1][0] * bands[0].factor >= page[-1][0]:
        return None
    return page, result.count


# --- by date ----------------------------------------------------------------------------------------------------------


def page_by_date(
    searcher: Any,
    tantivy_query: Any,
    query: SearchQuery,
) -> tuple[list[tuple[Any, float | None]], int, Position | None]:
    """Return a page by date, the total, and the next page's start.

    tantivy sorts by one field only, so a further search sorts the last group of equal dates by tie.
    """
    order = Order.Desc if query.sort == "newest" else Order.Asc
    field, after = query.date_field, query.after
    if after is None:
        result = searcher.search(tantivy_query, query.size + 1, order_by_field=field, order=order)
        total, hits = result.count, result.hits
    else:
        total = searcher.search(tantivy_query, 1).count
        hits = _search_tied(searcher, tantivy_query, field, after.value, after.tie, query.size + 1)
        if len(hits) <= query.size:
            descends = order == Order.Desc
            beyond = match_period(field, None, after.value) if descends else match_period(field, after.value + 1, None)
            tail = Query.boolean_query([(Occur.Must, tantivy_query), (Occur.Must, beyond)])
            missing = query.size + 1 - len(hits)
            hits = hits + searcher.search(tail, missing, count=False, order_by_field=field, order=order).hits
    if not query.size or not hits:
        return [], total, None
    ordered = _sort_ties(searcher, tantivy_query, query, hits)
    page = ordered[: query.size]
    last_value, last_address = page[-1]
    tie = int(searcher.fast_field_values("tie", [last_address])[0])
    following = Position(value=last_value, tie=tie) if len(ordered) > query.size else None
    return [(address, None) for _value, address in page], total, following


def _sort_ties(searcher: Any, tantivy_query: Any, query: SearchQuery, hits: list[Any]) -> list[Any]:
    """Sort equal dates by tie; search the last group again by tie if it may continue beyond the hits."""
    last = hits[-1][0]
    head = [hit for hit in hits if hit[0] != last]
    group = [hit for hit in hits if hit[0] == last]
    if len(hits) > query.size:
        start = query.after.tie if query.after is not None and query.after.value == last else -1
        group = _search_tied(searcher, tantivy_query, query.date_field, last, start, query.size + 1 - len(head))
    ties = searcher.fast_field_values("tie", [address for _value, address in head + group])
    keyed = list(zip(ties, head + group, strict=True))
    sign = -1 if query.sort == "newest" else 1
    keyed.sort(key=lambda pair: (sign * pair[1][0], pair[0]))
    return [hit for _tie, hit in keyed]


def _search_tied(searcher: Any, tantivy_query: Any, field: str, value: int, after: int, size: int) -> list[Any]:
    """Return the hits of one instant after a tie, sorted by tie."""
    clauses = [
        (Occur.Must, tantivy_query),
        (Occur.Must, Query.term_query(fields(), field, value, "basic")),
        (Occur.Must, Query.range_query(fields(), "tie", FieldType.Integer, after, _MAX_TIE, include_lower=False)),
    ]
    hits = searcher.search(Query.boolean_query(clauses), size, count=False, order_by_field="tie", order=Order.Asc).hits
    return [(value, address) for _tie, address in hits]
