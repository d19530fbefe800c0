"""Run the searches of the mix as plain tantivy queries, written by hand, on newswire's own index.

This is the baseline of `python -m bench search`. The queries find the same items as newswire, and read the stored bytes
of as many. They have no parameters, grammar, time zones, highlights or coverage; instants are in milliseconds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import Stemmer
import tantivy
from tantivy import FieldType, Occur, Order, Query

from bench.bare_load import schema

SCHEMA = schema()
_STEMMER = Stemmer.Stemmer("english")
FOREVER = 1 << 61


def word(folded: str) -> Query:
    """Match a word in the whole text, folded or stemmed; a match in the title adds to the score."""
    return _titled(lambda name: _either(name, folded), 0.3)


def phrase(*tokens: str) -> Query:
    """Match tokens in this order."""
    return _titled(lambda name: Query.phrase_query(SCHEMA, name, list(tokens)), 0.3)


def prefix(begins: str) -> Query:
    """Match tokens that begin with `begins`."""
    return Query.const_score_query(Query.regex_query(SCHEMA, "text", f"{begins}.*"), 1.0)


def in_title(folded: str) -> Query:
    """Match a word in the title only."""
    return _either("title", folded)


def exactly(field: str, value: str) -> Query:
    """Filter by one value of a field."""
    return Query.const_score_query(Query.term_query(SCHEMA, field, value, "basic"), 0.0)


def between(start: int, end: int, field: str = "published") -> Query:
    """Filter by a half-open range of instants, in milliseconds."""
    query = Query.range_query(SCHEMA, field, FieldType.Integer, start, end, include_upper=False)
    return Query.const_score_query(query, 0.0)


def all_of(*queries: Query) -> Query:
    """Combine queries with AND."""
    return Query.boolean_query([(Occur.Must, query) for query in queries])


def any_of(*queries: Query) -> Query:
    """Combine queries with OR."""
    return Query.boolean_query([(Occur.Should, query) for query in queries])


def without(query: Query, *excluded: Query) -> Query:
    """Exclude the matches of other queries."""
    return Query.boolean_query([(Occur.Must, query), *((Occur.MustNot, query) for query in excluded)])


def everything() -> Query:
    """Match every item."""
    return Query.all_query()


def _either(name: str, folded: str) -> Query:
    return Query.disjunction_max_query(
        [
            Query.term_query(SCHEMA, name, folded, "freq"),
            Query.term_query(SCHEMA, f"{name}_stem", _STEMMER.stemWord(folded), "freq"),
        ]
    )


def _titled(build: Callable[[str], Query], title: float) -> Query:
    boosted = Query.boost_query(build("title"), title)
    return Query.boolean_query([(Occur.Must, build("text")), (Occur.Should, boosted)])


class BareIndex:
    """The index of a data folder, opened with tantivy alone."""

    def __init__(self, data: Path) -> None:
        index = data / "index"
        folder = index / f"g{int((index / 'current').read_text()):06d}"
        self._searcher: Any = tantivy.Index.open(str(folder)).searcher()

    def found(
        self,
        query: Query,
        size: int = 20,
        sort: str = "relevance",
        facets: Sequence[str] = (),
        edges: Sequence[int] = (),
    ) -> tuple[int, list[bytes]]:
        """Return the total and the stored bytes of the first items; count facets and buckets as well."""
        searcher = self._searcher
        aggregations: dict[str, Any] = {
            facet: {"terms": {"field": f"{facet}_label", "size": 1_000_000, "missing": "\x1e"}} for facet in facets
        }
        if edges:
            ranges = [{"from": low, "to": high} for low, high in pairwise(edges)]
            aggregations["buckets"] = {"range": {"field": "published", "ranges": ranges}}
        if aggregations:
            searcher.aggregate(query, aggregations)
        if sort == "relevance":
            result = searcher.search(query, max(size, 1))
        else:
            order = Order.Desc if sort == "newest" else Order.Asc
            result = searcher.search(query, max(size, 1), order_by_field="published", order=order)
        return result.count, [searcher.doc(address).get_first("item") for _by, address in result.hits[:size]]
