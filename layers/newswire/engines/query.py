"""Queries: what an engine is told of a search. `grammar.py` makes the tree from text, each engine translates it.

The tree carries tokens (`analysis.py`), never text, so nothing of an engine's own syntax can be reached. The three
functions below make trees in their normal form, the only one that `grammar.py` gives and prints.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from msgspec import Struct

from newswire.clock import Instant

TextField = Literal["title", "summary", "content", "author", "category"]
ValueField = Literal["feed", "category", "author", "lang"]
DateField = Literal["published", "updated", "changed", "first_seen"]
Sort = Literal["relevance", "newest", "oldest"]


class Word(Struct, frozen=True, tag=True):
    """A plain word: its folded form anywhere, or its stem in items that have stems."""

    token: str
    stem: str


class Phrase(Struct, frozen=True, tag=True):
    """Folded tokens that stand one after the other within one field."""

    tokens: tuple[str, ...]


class Prefix(Struct, frozen=True, tag=True):
    """Any folded token that begins so; scored as a constant."""

    token: str


class Value(Struct, frozen=True, tag=True):
    """A whole value of `feed` or `lang`, folded."""

    field: Literal["feed", "lang"]
    value: str


class And(Struct, frozen=True, tag=True):
    """All of these."""

    nodes: tuple[Node, ...]


class Or(Struct, frozen=True, tag=True):
    """At least one of these; the more and the rarer, the higher."""

    nodes: tuple[Node, ...]


class Not(Struct, frozen=True, tag=True):
    """Every item but those of the node."""

    node: Node


class InField(Struct, frozen=True, tag=True):
    """The words within are looked for in this field only."""

    field: TextField
    node: Node


class Nothing(Struct, frozen=True, tag=True):
    """No item: a query that has no word after analysis."""


Node = Word | Phrase | Prefix | Value | And | Or | Not | InField | Nothing


def all_of(nodes: Iterable[Node | None]) -> Node | None:
    """Join nodes by AND: nested ones are taken in, exclusions come last, None stands for nothing asked."""
    found: list[Node] = []
    for node in nodes:
        if node is not None:
            found += node.nodes if isinstance(node, And) else (node,)
    found.sort(key=lambda node: isinstance(node, Not))
    return And(tuple(found)) if len(found) > 1 else found[0] if found else None


def any_of(nodes: Iterable[Node | None]) -> Node | None:
    """Join nodes by OR: nested ones are taken in, None stands for nothing asked."""
    found: list[Node] = []
    for node in nodes:
        if node is not None:
            found += node.nodes if isinstance(node, Or) else (node,)
    return Or(tuple(found)) if len(found) > 1 else found[0] if found else None


def none_of(node: Node | None) -> Node | None:
    """Exclude what a node finds; excluding an exclusion gives what it excluded."""
    if node is None:
        return None
    return node.node if isinstance(node, Not) else Not(node)


def is_scored(node: Node | None) -> bool:
    """Say whether there is anything to score: a word, phrase or prefix that is looked for rather than excluded."""
    match node:
        case Word() | Phrase() | Prefix():
            return True
        case InField(node=inner):
            return is_scored(inner)
        case And(nodes=nodes) | Or(nodes=nodes):
            return any(is_scored(one) for one in nodes)
        case _:
            return False


class ValueFilter(Struct, frozen=True):
    """Items with any of these values of a field (where there are some), and with none of those."""

    field: ValueField
    any_of: tuple[str, ...] = ()
    none_of: tuple[str, ...] = ()


class Position(Struct, frozen=True):
    """Where a page begins: behind this item by date, or at this offset by relevance."""

    value: Instant = 0
    tie: int = -1
    offset: int = 0


class FacetQuery(Struct, frozen=True):
    """How many of the commonest values of a field are wanted."""

    field: ValueField
    size: int = 10


class RecencyBand(Struct, frozen=True):
    """Items published from an instant on, up to the band before, and the factor of their scores."""

    start: Instant
    factor: float


class SearchQuery(Struct, frozen=True):
    """All that an engine is told of one search. Values are folded, instants half-open: start <= date < end."""

    node: Node | None = None
    filters: tuple[ValueFilter, ...] = ()
    date_field: DateField = "published"
    start: Instant | None = None
    end: Instant | None = None
    sort: Sort = "newest"
    recency: tuple[RecencyBand, ...] = ()
    """The factors of scores by publication, the newest first; what is older than the last has the factor 1."""
    size: int = 20
    after: Position | None = None
    with_content: bool = False
    facets: tuple[FacetQuery, ...] = ()
    edges: tuple[Instant, ...] = ()
    """The edges of histogram buckets, rising: bucket n is from edge n to before edge n + 1."""
    with_statuses: bool = False
    """Whether the statuses of feeds are wanted in the same answer: those of `named_feeds`."""


def named_feeds(query: SearchQuery) -> tuple[str, ...] | None:
    """Give the ids of the feeds that the `feed` filters let through or exclude; None where they let all others through."""
    found = [one for one in query.filters if one.field == "feed"]
    if not any(one.any_of for one in found):
        return None
    return tuple(sorted({id_ for one in found for id_ in (*one.any_of, *one.none_of)}))
