"""Orders for tantivy: an open index and a query come in, the hits of one page go out in the order that both engines give.

tantivy orders by a score or by one field, and settles what is equal by where a document lies. Here that is settled by
`tie`, so that pages stand whatever is merged, and two engines agree.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import Any

from tantivy import FieldType, Occur, Order, Query

from newswire.clock import Instant
from newswire.engines import RELEVANCE_DEPTH
from newswire.engines.query import Position, RecencyBand, SearchQuery
from newswire.engines.tantivy.fields import fields
from newswire.engines.tantivy.queries import bands_of, is_constant, leaves, matching, multiplied, narrowed, within

WIDE = 6
"""A query that scores more words than this is ranked by `_reranked`."""
RERANKED = 10_000
"""So many hits are taken there at first: 3 ms, and enough unless scores lie very close together."""
_BEYOND = 32
"""So many more hits than are wanted are taken, to see where the last group of equal scores ends."""
_GROWTH = 8
_NO_UPPER = 1 << 62

Scored = tuple[float, Any]
"""A score, and where the document lies."""
Hits = list[tuple[Any, float | None]]


# --- by relevance -----------------------------------------------------------------------------------------------------


def by_relevance(
    searcher: Any, published: tuple[Instant, Instant] | None, query: SearchQuery
) -> tuple[Hits, int, Position | None]:
    """Give a page by score; `published` is the earliest and the latest publication in the index."""
    offset = query.after.offset if query.after else 0
    size = max(min(query.size, RELEVANCE_DEPTH - offset), 0)
    found, total = _best(searcher, published, query, offset, size)
    reached = offset + len(found)
    more = found and reached < min(total, RELEVANCE_DEPTH)
    return [(address, score) for score, address in found], total, Position(offset=reached) if more else None


def _best(
    searcher: Any, published: tuple[Instant, Instant] | None, query: SearchQuery, offset: int, size: int
) -> tuple[list[Scored], int]:
    """Give the best hits from an offset on, and how many there are in all, in the cheapest of four exact ways."""
    scoring = matching(query, scored=True)
    bands = bands_of(query.recency, published) if published is not None else []
    if is_constant(query.node):
        return _of_one_score(searcher, scoring, bands, offset, size)
    if query.recency and len(bands) > 1 and leaves(query.node, scored=True) > WIDE:
        best = _reranked(searcher, scoring, query.recency, offset, size)
        if best is not None:
            return best
    return _ranked(searcher, multiplied(scoring, bands), offset, size)


def _ranked(searcher: Any, scoring: Any, offset: int, size: int) -> tuple[list[Scored], int]:
    """Take the best hits, and more until the group of equal scores in which the page ends is there whole."""
    end = offset + size
    taken = end + _BEYOND
    while True:
        result = searcher.search(scoring, taken)
        hits = result.hits  # made anew at each look: 1.4 ms for 10,000
        if len(hits) <= end or len(hits) == result.count or hits[-1][0] < hits[end - 1][0]:
            break
        taken = min(taken * _GROWTH, result.count)
    page = hits[offset:end]
    if not page:
        return [], result.count
    first = bisect_left(hits, -page[0][0], key=lambda hit: -hit[0])
    last = bisect_right(hits, -page[-1][0], key=lambda hit: -hit[0])
    ordered = _by_tie(searcher, hits[first:last])
    return ordered[offset - first : end - first], result.count


def _by_tie(searcher: Any, hits: list[Scored]) -> list[Scored]:
    """Put hits in the order of their scores, equal ones in the order of their ties."""
    ties = searcher.fast_field_values("tie", [address for _score, address in hits])
    keyed = sorted(
        (-score, tie, number) for number, ((score, _address), tie) in enumerate(zip(hits, ties, strict=True))
    )
    return [hits[number] for _score, _tie, number in keyed]


def _of_one_score(
    searcher: Any, scoring: Any, bands: list[RecencyBand], offset: int, size: int
) -> tuple[list[Scored], int]:
    """Take hits that all score the same, band by band in the order of their ties; 250,000 need not be sorted for ten."""
    best = searcher.search(scoring, 1)
    found: list[Scored] = []
    if not best.hits:
        return found, 0
    score = best.hits[0][0]
    before: Instant | None = None
    for band in bands:
        wanted = size - len(found)
        if not wanted:
            break
        piece = narrowed(scoring, band.start, before)
        before = band.start
        result = searcher.search(piece, wanted, offset=offset, order_by_field="tie", order=Order.Asc)
        found += [(score * band.factor, address) for _tie, address in result.hits]
        offset = max(offset - result.count, 0)
    return found, best.count


def _reranked(
    searcher: Any, scoring: Any, bands: tuple[RecencyBand, ...], offset: int, size: int
) -> tuple[list[Scored], int] | None:
    """Multiply the scores of the best hits by the factors of their bands, exactly as if all had been.

    For wide queries, of which tantivy would evaluate the whole once for each band (64 common words: 297 ms, this way 102 ms).
    A hit that was not taken can't reach the page if even the largest factor would not lift it up to the page's last.
    None where one could, since too many scores lie close together: taking them all would cost more than the bands do
    (250,000 hits: seconds).
    """
    result = searcher.search(scoring, max(RERANKED, 4 * (offset + size)))
    hits = result.hits  # made anew at each look: 1.4 ms for 10,000
    published = searcher.fast_field_values("published", [address for _score, address in hits])
    lifted = [
        (score * next((band.factor for band in bands if at >= band.start), 1.0), address)
        for (score, address), at in zip(hits, published, strict=True)
    ]
    page = _by_tie(searcher, lifted)[offset : offset + size]
    if len(hits) < result.count and page and hits[-1][0] * bands[0].factor >= page[-1][0]:
        return None
    return page, result.count


# --- by date ----------------------------------------------------------------------------------------------------------


def by_date(
    searcher: Any,
    matching: Any,
    query: SearchQuery,
) -> tuple[list[tuple[Any, float | None]], int, Position | None]:
    """Give a page by date: tantivy orders by one field only, so the last of equal dates is asked for by its ties."""
    order = Order.Desc if query.sort == "newest" else Order.Asc
    field, after = query.date_field, query.after
    if after is None:
        result = searcher.search(matching, query.size + 1, order_by_field=field, order=order)
        total, found = result.count, result.hits
    else:
        total = searcher.search(matching, 1).count
        found = _tied(searcher, matching, field, after.value, after.tie, query.size + 1)
        if len(found) <= query.size:
            beyond = within(field, None, after.value) if order == Order.Desc else within(field, after.value + 1, None)
            rest = Query.boolean_query([(Occur.Must, matching), (Occur.Must, beyond)])
            wanted = query.size + 1 - len(found)
            found = found + searcher.search(rest, wanted, count=False, order_by_field=field, order=order).hits
    if not query.size or not found:
        return [], total, None
    ordered = _settled(searcher, matching, query, found)
    page = ordered[: query.size]
    last_value, last_address = page[-1]
    tie = int(searcher.fast_field_values("tie", [last_address])[0])
    following = Position(value=last_value, tie=tie) if len(ordered) > query.size else None
    return [(address, None) for _value, address in page], total, following


def _settled(searcher: Any, matching: Any, query: SearchQuery, found: list[Any]) -> list[Any]:
    """Put equal dates in the order of their ties; the last group is asked for anew where it may go on."""
    last = found[-1][0]
    head = [hit for hit in found if hit[0] != last]
    group = [hit for hit in found if hit[0] == last]
    if len(found) > query.size:
        start = query.after.tie if query.after is not None and query.after.value == last else -1
        group = _tied(searcher, matching, query.date_field, last, start, query.size + 1 - len(head))
    ties = searcher.fast_field_values("tie", [address for _value, address in head + group])
    keyed = list(zip(ties, head + group, strict=True))
    sign = -1 if query.sort == "newest" else 1
    keyed.sort(key=lambda pair: (sign * pair[1][0], pair[0]))
    return [hit for _tie, hit in keyed]


def _tied(searcher: Any, matching: Any, field: str, value: int, after: int, size: int) -> list[Any]:
    """Give the items of one instant behind a tie, in the order of their ties."""
    clauses = [
        (Occur.Must, matching),
        (Occur.Must, Query.term_query(fields(), field, value, "basic")),
        (Occur.Must, Query.range_query(fields(), "tie", FieldType.Integer, after, _NO_UPPER, include_lower=False)),
    ]
    hits = searcher.search(Query.boolean_query(clauses), size, count=False, order_by_field="tie", order=Order.Asc).hits
    return [(value, address) for _tie, address in hits]
