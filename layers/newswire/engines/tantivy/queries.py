"""Translate a `SearchQuery` into tantivy query objects. Opens no index."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from tantivy import FieldType, Occur, Query

from newswire.clock import FIRST_INSTANT, LAST_INSTANT, Instant
from newswire.engines import TITLE_BOOST
from newswire.engines.fields import value_field
from newswire.engines.query import (
    And,
    InField,
    Node,
    Not,
    Nothing,
    Or,
    Phrase,
    Prefix,
    RecencyBand,
    SearchQuery,
    Value,
    ValueField,
    ValueFilter,
    Word,
)
from newswire.engines.tantivy.fields import fields


def translate(query: SearchQuery, *, scored: bool = False) -> Any:
    """Translate node, filters and range; without `scored`, leave out clauses that only affect the score."""
    clauses = []
    if query.node is not None:
        clauses.append((Occur.Must, _translate_node(query.node, None, scored=scored)))
    clauses += [clause for value_filter in query.filters for clause in _translate_filter(value_filter)]
    if query.start is not None or query.end is not None or query.date_field == "updated":
        clauses.append((Occur.Must, _drop_score(match_period(query.date_field, query.start, query.end))))
    if not clauses:
        return Query.all_query()
    return Query.boolean_query(clauses) if len(clauses) > 1 else clauses[0][1]


def match_period(field: str, start: Instant | None, end: Instant | None) -> Any:
    """Match a half-open range of a date field; None for no bound."""
    low, high = FIRST_INSTANT if start is None else start, LAST_INSTANT + 1 if end is None else end
    return Query.range_query(fields(), field, FieldType.Integer, low, high, include_upper=False)


def _translate_filter(value_filter: ValueFilter) -> Iterator[tuple[Any, Any]]:
    if value_filter.any_of:
        yield Occur.Must, _drop_score(_match_values(value_filter.field, value_filter.any_of))
    if value_filter.none_of:
        yield Occur.Must, _drop_score(_exclude(_match_values(value_filter.field, value_filter.none_of)))


def _match_values(field: ValueField, values: Iterable[str]) -> Any:
    name = value_field(field)
    texts = list(values)
    if len(texts) == 1:  # a set query collects its documents first: 0.7 ms for the commonest value
        return Query.term_query(fields(), name, texts[0], "basic")
    return Query.term_set_query(fields(), name, texts)


def _translate_node(node: Node, field: str | None, *, scored: bool) -> Any:
    match node:
        case Nothing():
            return Query.empty_query()
        case Word():
            return _search_text(lambda name: _match_word(name, node), field, scored=scored)
        case Phrase(tokens=tokens):
            return _search_text(lambda name: _match_phrase(name, tokens), field, scored=scored)
        case Prefix(token=token):
            # Tokens hold letters, digits and marks of scripts: nothing of a pattern; and nothing but ASCII may be escaped.
            pattern = "".join(f"\\{c}" if c.isascii() and not c.isalnum() else c for c in token) + ".*"
            return Query.const_score_query(Query.regex_query(fields(), field or "text", pattern), 1.0)
        case Value(field=name, value=value):
            return _drop_score(_match_values(name, [value]))
        case InField(field=name, node=inner):
            return _translate_node(inner, name, scored=scored)
        case Not(node=inner):
            return _drop_score(_exclude(_translate_node(inner, field, scored=False)))
        case And(nodes=nodes):
            return _translate_and(nodes, field, scored=scored)
        case Or(nodes=nodes):
            return _translate_or(nodes, field, scored=scored)
    raise TypeError(node)


def _translate_and(nodes: Iterable[Node], field: str | None, *, scored: bool) -> Any:
    included, excluded = _split_exclusions(nodes)
    clauses = [(Occur.Must, _translate_node(node, field, scored=scored)) for node in included]
    clauses += [] if included else [(Occur.Must, _drop_score(Query.all_query()))]
    clauses += [(Occur.MustNot, _translate_node(node, field, scored=False)) for node in excluded]
    return Query.boolean_query(clauses)


def _translate_or(nodes: Iterable[Node], field: str | None, *, scored: bool) -> Any:
    """Match any node. NOT a OR NOT b equals NOT (a AND b), so all exclusions become one clause."""
    included, excluded = _split_exclusions(nodes)
    clauses = [(Occur.Should, _translate_node(node, field, scored=scored)) for node in included]
    if excluded:
        all_excluded = [(Occur.Must, _translate_node(node, field, scored=False)) for node in excluded]
        clauses.append((Occur.Should, _drop_score(_exclude(Query.boolean_query(all_excluded)))))
    return Query.boolean_query(clauses)


def _search_text(build: Callable[[str], Any], field: str | None, *, scored: bool) -> Any:
    """Search one field; without a field search the whole text, and add a match in the title to the score."""
    if field is not None or not scored:
        return build(field or "text")
    return Query.boolean_query(
        [(Occur.Must, build("text")), (Occur.Should, Query.boost_query(build("title"), TITLE_BOOST))]
    )


def _match_phrase(field: str, tokens: tuple[str, ...]) -> Any:
    if len(tokens) == 1:
        return Query.term_query(fields(), field, tokens[0], "freq")
    return Query.phrase_query(fields(), field, list(tokens))


def _match_word(field: str, word: Word) -> Any:
    folded = Query.term_query(fields(), field, word.token, "freq")
    if field in {"author", "category"}:
        return folded
    stem = Query.term_query(fields(), f"{field}_stem", word.stem, "freq")
    return Query.disjunction_max_query([folded, stem])


def bands_with_items(recency: tuple[RecencyBand, ...], published: tuple[Instant, Instant]) -> list[RecencyBand]:
    """Return the bands that contain items, the newest first, including a last one for all older items.

    `published` is the first and the last publication in the index.
    """
    oldest, newest = published
    bands = []
    end: Instant | None = None
    for band in (*recency, RecencyBand(FIRST_INSTANT, 1.0)):
        if band.start <= newest and (end is None or oldest < end):
            bands.append(band)
        end = band.start
    return bands


def boost_bands(scoring: Any, bands: list[RecencyBand]) -> Any:
    """Multiply the score of each item by the factor of its band.

    tantivy cannot compute a factor from a date. So the result contains the query once for each band, boosted; only once
    if all items are in one band.
    """
    if len(bands) <= 1:
        return Query.boost_query(scoring, bands[0].factor) if bands else scoring
    clauses = []
    end: Instant | None = None
    for band in bands:
        clauses.append((Occur.Should, Query.boost_query(limit_period(scoring, band.start, end), band.factor)))
        end = band.start
    return Query.boolean_query(clauses)


def limit_period(scoring: Any, start: Instant, end: Instant | None) -> Any:
    """Limit a query to a half-open period of publication; the scores stay the same."""
    return Query.boolean_query(
        [(Occur.Must, scoring), (Occur.Must, _drop_score(match_period("published", start, end)))]
    )


def _drop_score(query: Any) -> Any:
    return Query.const_score_query(query, 0.0)


def _exclude(query: Any) -> Any:
    return Query.boolean_query([(Occur.Must, Query.all_query()), (Occur.MustNot, query)])


def _split_exclusions(nodes: Iterable[Node]) -> tuple[list[Node], list[Node]]:
    """Return the included nodes, and the nodes inside of exclusions."""
    included: list[Node] = []
    excluded: list[Node] = []
    for node in nodes:
        if isinstance(node, Not):
            excluded.append(node.node)
        else:
            included.append(node)
    return included, excluded


def count_leaves(node: Node | None, *, scored: bool = False) -> int:
    """Count the words, phrases and prefixes of a tree; with `scored`, skip those in exclusions."""
    match node:
        case Word() | Phrase() | Prefix():
            return 1
        case InField(node=inner):
            return count_leaves(inner, scored=scored)
        case Not(node=inner):
            return 0 if scored else count_leaves(inner)
        case And(nodes=nodes) | Or(nodes=nodes):
            return sum(count_leaves(child, scored=scored) for child in nodes)
        case _:
            return 0


def has_constant_score(node: Node | None) -> bool:
    """Return whether all matches of a tree have the same score: it has only prefixes, values and exclusions, without OR."""
    match node:
        case Word() | Phrase() | Or():
            return False
        case InField(node=inner):
            return has_constant_score(inner)
        case And(nodes=nodes):
            return all(has_constant_score(child) for child in nodes)
        case _:
            return True
