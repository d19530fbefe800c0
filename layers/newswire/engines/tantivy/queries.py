"""Queries for tantivy: what an engine is told of a search comes in, tantivy's query objects come out. Opens nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from tantivy import FieldType, Occur, Query

from newswire.clock import FIRST_INSTANT, LAST_INSTANT, Instant
from newswire.engines import TITLE_BOOST
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
    ValueFilter,
    Word,
)
from newswire.engines.tantivy.fields import fields


def matching(query: SearchQuery, *, scored: bool = False) -> Any:
    """Translate a query; what only counts or orders by date does without what only scores."""
    clauses = []
    if query.node is not None:
        clauses.append((Occur.Must, _node(query.node, None, scored=scored)))
    clauses += [clause for one in query.filters for clause in _filter(one)]
    if query.start is not None or query.end is not None or query.date_field == "updated":
        clauses.append((Occur.Must, _unscored(within(query.date_field, query.start, query.end))))
    if not clauses:
        return Query.all_query()
    return Query.boolean_query(clauses) if len(clauses) > 1 else clauses[0][1]


def within(field: str, start: Instant | None, end: Instant | None) -> Any:
    """Let through a half-open range of a date."""
    low, high = FIRST_INSTANT if start is None else start, LAST_INSTANT + 1 if end is None else end
    return Query.range_query(fields(), field, FieldType.Integer, low, high, include_upper=False)


def _filter(one: ValueFilter) -> Iterator[tuple[Any, Any]]:
    if one.any_of:
        yield Occur.Must, _unscored(_values(one.field, one.any_of))
    if one.none_of:
        yield Occur.Must, _unscored(_negated(_values(one.field, one.none_of)))


def _values(field: str, values: Iterable[str]) -> Any:
    name = f"{field}_value" if field in {"category", "author"} else field
    wanted = list(values)
    if len(wanted) == 1:  # a set is collected before anything else is looked at: 0.7 ms for the commonest value
        return Query.term_query(fields(), name, wanted[0], "basic")
    return Query.term_set_query(fields(), name, wanted)


def _node(node: Node, field: str | None, *, scored: bool) -> Any:
    match node:
        case Nothing():
            return Query.empty_query()
        case Word():
            return _looked_for(lambda name: _word(name, node), field, scored=scored)
        case Phrase(tokens=tokens):
            return _looked_for(lambda name: _phrase(name, tokens), field, scored=scored)
        case Prefix(token=token):
            # Tokens hold letters, digits and marks of scripts: nothing of a pattern; and nothing but ASCII may be escaped.
            pattern = "".join(f"\\{c}" if c.isascii() and not c.isalnum() else c for c in token) + ".*"
            return Query.const_score_query(Query.regex_query(fields(), field or "text", pattern), 1.0)
        case Value(field=name, value=value):
            return _unscored(_values(name, [value]))
        case InField(field=name, node=inner):
            return _node(inner, name, scored=scored)
        case Not(node=inner):
            return _unscored(_negated(_node(inner, field, scored=False)))
        case And(nodes=nodes):
            return _all_of(nodes, field, scored=scored)
        case Or(nodes=nodes):
            return _any_of(nodes, field, scored=scored)
    raise TypeError(node)


def _all_of(nodes: Iterable[Node], field: str | None, *, scored: bool) -> Any:
    wanted, excluded = _parted(nodes)
    clauses = [(Occur.Must, _node(one, field, scored=scored)) for one in wanted]
    clauses += [] if wanted else [(Occur.Must, _unscored(Query.all_query()))]
    clauses += [(Occur.MustNot, _node(one, field, scored=False)) for one in excluded]
    return Query.boolean_query(clauses)


def _any_of(nodes: Iterable[Node], field: str | None, *, scored: bool) -> Any:
    """Find any of these; what is not in all of the exclusions is in one of them, so one list is joined for all."""
    wanted, excluded = _parted(nodes)
    clauses = [(Occur.Should, _node(one, field, scored=scored)) for one in wanted]
    if excluded:
        of_all = [(Occur.Must, _node(one, field, scored=False)) for one in excluded]
        clauses.append((Occur.Should, _unscored(_negated(Query.boolean_query(of_all)))))
    return Query.boolean_query(clauses)


def _looked_for(build: Callable[[str], Any], field: str | None, *, scored: bool) -> Any:
    """Look in one field, or in the whole text with the title counting beside it."""
    if field is not None or not scored:
        return build(field or "text")
    return Query.boolean_query(
        [(Occur.Must, build("text")), (Occur.Should, Query.boost_query(build("title"), TITLE_BOOST))]
    )


def _phrase(field: str, tokens: tuple[str, ...]) -> Any:
    if len(tokens) == 1:
        return Query.term_query(fields(), field, tokens[0], "freq")
    return Query.phrase_query(fields(), field, list(tokens))


def _word(field: str, word: Word) -> Any:
    folded = Query.term_query(fields(), field, word.token, "freq")
    if field in {"author", "category"}:
        return folded
    stem = Query.term_query(fields(), f"{field}_stem", word.stem, "freq")
    return Query.disjunction_max_query([folded, stem])


def bands_of(recency: tuple[RecencyBand, ...], published: tuple[Instant, Instant]) -> list[RecencyBand]:
    """Give the bands in which the index has items, the newest first, with one for all that is older than the rest."""
    oldest, newest = published
    found = []
    end: Instant | None = None
    for band in (*recency, RecencyBand(FIRST_INSTANT, 1.0)):
        if band.start <= newest and (end is None or oldest < end):
            found.append(band)
        end = band.start
    return found


def multiplied(scoring: Any, bands: list[RecencyBand]) -> Any:
    """Multiply scores by the factor of the band that an item was published in.

    tantivy can't compute a factor from a date, so the query is asked once for each band, boosted; once for an index of
    old items.
    """
    if len(bands) <= 1:
        return Query.boost_query(scoring, bands[0].factor) if bands else scoring
    asked = []
    before: Instant | None = None
    for band in bands:
        asked.append((Occur.Should, Query.boost_query(narrowed(scoring, band.start, before), band.factor)))
        before = band.start
    return Query.boolean_query(asked)


def narrowed(scoring: Any, start: Instant, before: Instant | None) -> Any:
    """Let through what was published in a range, without a change of its score."""
    return Query.boolean_query([(Occur.Must, scoring), (Occur.Must, _unscored(within("published", start, before)))])


def _unscored(query: Any) -> Any:
    return Query.const_score_query(query, 0.0)


def _negated(query: Any) -> Any:
    return Query.boolean_query([(Occur.Must, Query.all_query()), (Occur.MustNot, query)])


def _parted(nodes: Iterable[Node]) -> tuple[list[Node], list[Node]]:
    """Part nodes into those that are looked for and those that are excluded."""
    wanted: list[Node] = []
    excluded: list[Node] = []
    for node in nodes:
        if isinstance(node, Not):
            excluded.append(node.node)
        else:
            wanted.append(node)
    return wanted, excluded


def leaves(node: Node | None, *, scored: bool = False) -> int:
    """Count the words, phrases and prefixes of a tree, all of them or those that score."""
    match node:
        case Word() | Phrase() | Prefix():
            return 1
        case InField(node=inner):
            return leaves(inner, scored=scored)
        case Not(node=inner):
            return 0 if scored else leaves(inner)
        case And(nodes=nodes) | Or(nodes=nodes):
            return sum(leaves(one, scored=scored) for one in nodes)
        case _:
            return 0


def is_constant(node: Node | None) -> bool:
    """Say whether all that a tree finds has one and the same score: prefixes, values and exclusions, without a choice."""
    match node:
        case Word() | Phrase() | Or():
            return False
        case InField(node=inner):
            return is_constant(inner)
        case And(nodes=nodes):
            return all(is_constant(one) for one in nodes)
        case _:
            return True
