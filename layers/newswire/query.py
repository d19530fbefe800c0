"""Queries: what a caller asks for comes in as text, a tree of tokens goes out, which each engine translates.

The tree carries tokens (`words.py`), never text, so nothing of an engine's own syntax can be reached.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from newswire import words
from newswire.clock import Instant
from newswire.errors import UsageError

TextField = Literal["title", "summary", "content", "author", "category"]
ValueField = Literal["feed", "category", "author", "lang"]
DateField = Literal["published", "updated", "changed", "first_seen"]
Sort = Literal["relevance", "newest", "oldest"]

MAX_CHARACTERS = 1_000
MAX_WORDS = 64


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


class SearchQuery(Struct, frozen=True):
    """All that an engine is told of one search. Values are folded, instants half-open: start <= date < end."""

    node: Node | None = None
    filters: tuple[ValueFilter, ...] = ()
    date_field: DateField = "published"
    start: Instant | None = None
    end: Instant | None = None
    sort: Sort = "newest"
    size: int = 20
    after: Position | None = None
    with_content: bool = False
    facets: tuple[FacetQuery, ...] = ()
    edges: tuple[Instant, ...] = ()
    """The edges of histogram buckets, rising: bucket n is from edge n to before edge n + 1."""


def read_words(q: str) -> Node | None:
    """Read a query of words: all of them, a word of several tokens (`F-16`) as a phrase; None for an empty query.

    Raises `UsageError` for a query over 1,000 characters or 64 words: only size is refused.
    """
    if len(q) > MAX_CHARACTERS:
        msg = f"The query has {len(q)} characters; at most {MAX_CHARACTERS} are read."
        raise UsageError(msg)
    parts = [words.tokens(part) for part in q.split()]
    if not parts:
        return None
    if len(parts) > MAX_WORDS:
        msg = f"The query has {len(parts)} words; at most {MAX_WORDS} are read."
        raise UsageError(msg)
    nodes: list[Node] = [
        Word(part[0], words.stem(part[0])) if len(part) == 1 else Phrase(tuple(part)) for part in parts if part
    ]
    if not nodes:
        return Nothing()
    return nodes[0] if len(nodes) == 1 else And(tuple(nodes))


def understood(node: Node | None) -> str:
    """Print a tree the way a person would have to type it."""
    match node:
        case None | Nothing():
            return ""
        case Word(token=token):
            return token
        case Phrase(tokens=tokens):
            return '"' + " ".join(tokens) + '"'
        case And(nodes=nodes):
            return " AND ".join(understood(one) for one in nodes)
    raise TypeError(node)
