"""The search query that every engine translates, with its syntax tree of words, phrases and operators.

`search/grammar.py` builds the tree from text. The tree holds tokens (`analysis.py`), never text, so no user can reach an
engine's own query syntax. `all_of`, `any_of` and `none_of` build trees in normal form, the only form that `grammar.py`
returns and prints.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from msgspec import Struct

from newswire.clock import Instant
from newswire.engines.coverage import CoverageQuery

TextField = Literal["title", "summary", "content", "author", "category"]
ValueField = Literal["feed", "category", "author", "lang"]
DateField = Literal["published", "updated", "changed", "first_seen"]
Sort = Literal["relevance", "newest", "oldest"]


class Word(Struct, frozen=True, tag=True):
    """Match a word: its folded form in any item, or its stem in items that have stems."""

    token: str
    stem: str


class Phrase(Struct, frozen=True, tag=True):
    """Match folded tokens that follow each other within one field."""

    tokens: tuple[str, ...]


class Prefix(Struct, frozen=True, tag=True):
    """Match every folded token with this beginning; its score is a constant."""

    token: str


class Value(Struct, frozen=True, tag=True):
    """Match a whole, folded value of `feed` or `lang`."""

    field: Literal["feed", "lang"]
    value: str


class And(Struct, frozen=True, tag=True):
    """Match all children."""

    nodes: tuple[Node, ...]


class Or(Struct, frozen=True, tag=True):
    """Match any child; each match adds to the score, rarer terms more."""

    nodes: tuple[Node, ...]


class Not(Struct, frozen=True, tag=True):
    """Match every item that the child does not match."""

    node: Node


class InField(Struct, frozen=True, tag=True):
    """Limit the words of the child to one field."""

    field: TextField
    node: Node


class Nothing(Struct, frozen=True, tag=True):
    """Match no item: the query has no token after analysis."""


Node = Word | Phrase | Prefix | Value | And | Or | Not | InField | Nothing


def all_of(nodes: Iterable[Node | None]) -> Node | None:
    """Join nodes by AND. Flatten nested `And`s, put exclusions last, and skip None, the empty query."""
    children: list[Node] = []
    for node in nodes:
        if node is not None:
            children += node.nodes if isinstance(node, And) else (node,)
    children.sort(key=lambda node: isinstance(node, Not))
    return And(tuple(children)) if len(children) > 1 else children[0] if children else None


def any_of(nodes: Iterable[Node | None]) -> Node | None:
    """Join nodes by OR. Flatten nested `Or`s, and skip None, the empty query."""
    children: list[Node] = []
    for node in nodes:
        if node is not None:
            children += node.nodes if isinstance(node, Or) else (node,)
    return Or(tuple(children)) if len(children) > 1 else children[0] if children else None


def none_of(node: Node | None) -> Node | None:
    """Exclude the matches of a node; a double exclusion cancels out."""
    if node is None:
        return None
    return node.node if isinstance(node, Not) else Not(node)


def is_scored(node: Node | None) -> bool:
    """Return whether a tree has anything to score: a word, phrase or prefix that is not excluded."""
    match node:
        case Word() | Phrase() | Prefix():
            return True
        case InField(node=inner):
            return is_scored(inner)
        case And(nodes=nodes) | Or(nodes=nodes):
            return any(is_scored(child) for child in nodes)
        case _:
            return False


class ValueFilter(Struct, frozen=True):
    """Filter by values of a field: any of `any_of`, unless it is empty, and none of `none_of`."""

    field: ValueField
    any_of: tuple[str, ...] = ()
    none_of: tuple[str, ...] = ()


class Position(Struct, frozen=True):
    """The start of a page: after an item (`value`, `tie`) by date, or at `offset` by relevance."""

    value: Instant = 0
    tie: int = -1
    offset: int = 0


class FacetQuery(Struct, frozen=True):
    """A facet: the `size` commonest values of a field."""

    field: ValueField
    size: int = 10


class RecencyBand(Struct, frozen=True):
    """A period of publication, from `start` until the start of the previous band, and the score factor of its items."""

    start: Instant
    factor: float


class SearchQuery(Struct, frozen=True):
    """One search, as an engine receives it. Values are folded. The range is half-open: start <= date < end."""

    node: Node | None = None
    filters: tuple[ValueFilter, ...] = ()
    date_field: DateField = "published"
    start: Instant | None = None
    end: Instant | None = None
    sort: Sort = "newest"
    recency: tuple[RecencyBand, ...] = ()
    """Score factors by publication, the newest band first; items older than the last band have the factor 1."""
    size: int = 20
    after: Position | None = None
    with_content: bool = False
    facets: tuple[FacetQuery, ...] = ()
    edges: tuple[Instant, ...] = ()
    """Bounds of the histogram buckets, increasing: bucket n is half-open, from bound n to bound n + 1."""
    coverage: CoverageQuery | None = None
    """If set, the answer includes this coverage."""
