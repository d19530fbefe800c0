"""Highlights: stored text and the tree of a query come in, text with marks goes out. Pure.

Made here and not by the engines, so that both mark the same: a word by its folded form or stem, a phrase as a whole,
a prefix by how a token begins. What stands under NOT is not marked.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice

from msgspec import Struct

from newswire import analysis
from newswire.engines.query import And, InField, Node, Or, Phrase, Prefix, Word
from newswire.model import Item

LONGEST = 300
"""So many characters of a summary or content are given, cut at words, round the best match."""
_BEFORE = 60
"""So many characters of them stand before the first mark, where there are so many."""

_STAND_INS = range(0xE000, 0xF8FF)
"""Letters of nobody's alphabet. Two that a text does not have stand for its marks until all of it is escaped at once."""
_ESCAPES = (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ('"', "&quot;"), ("'", "&#x27;"))
"""As `html.escape` has it; its module brings a table of all entities, which takes 2 ms of a cold start."""


class _Wanted(Struct, frozen=True):
    """What is looked for in one field."""

    tokens: frozenset[str]
    stems: frozenset[str]
    """Those of the same tokens: where there are stems, a token is found by its own."""
    prefixes: tuple[str, ...]
    phrases: Mapping[str, tuple[tuple[str, ...], ...]]
    """Phrases by their first token."""


class Highlighter:
    """Marks what a query looks for, in item after item."""

    def __init__(self, node: Node | None, fields: Iterable[str]) -> None:
        leaves = list(_leaves(node, None))
        self._wanted = {name: _wanted(leaf for field, leaf in leaves if field in {None, name}) for name in fields}

    def highlights_of(self, item: Item) -> dict[str, str]:
        """Return the fields with matches: escaped text with `<mark>` around each match.

        `title` is whole; other fields are cut at words to 300 characters around the best match.
        """
        texts = {"title": item.title, "summary": item.summary, "content": item.content}
        highlights = {}
        for name, wanted in self._wanted.items():
            text = texts[name]
            ranges = _matches(text, wanted, is_stemmed=analysis.is_stemmed(item.lang))
            if ranges:
                low, high = (0, len(text)) if name == "title" else _window(text, ranges)
                highlights[name] = _written(text, ranges, low, high)
        return highlights


def _leaves(node: Node | None, field: str | None) -> Iterator[tuple[str | None, Node]]:
    match node:
        case Word() | Phrase() | Prefix():
            yield field, node
        case InField(field=name, node=inner):
            yield from _leaves(inner, name)
        case And(nodes=nodes) | Or(nodes=nodes):
            for one in nodes:
                yield from _leaves(one, field)
        case _:
            pass


def _wanted(leaves: Iterable[Node]) -> _Wanted:
    tokens, stems, prefixes = set(), set(), []
    phrases: dict[str, list[tuple[str, ...]]] = {}
    for leaf in leaves:
        match leaf:
            case Word(token=token, stem=stem):
                tokens.add(token)
                stems.add(stem)
            case Prefix(token=token):
                prefixes.append(token)
            case Phrase(tokens=found):
                phrases.setdefault(found[0], []).append(found)
            case _:
                pass
    ordered = {first: tuple(sorted(found, key=len, reverse=True)) for first, found in phrases.items()}
    return _Wanted(frozenset(tokens), frozenset(stems), tuple(prefixes), ordered)


def _matches(text: str, wanted: _Wanted, *, is_stemmed: bool) -> list[tuple[int, int]]:
    """Give the ranges of the text that are to be marked, in order; they do not overlap."""
    if not text:
        return []
    tokens = analysis.tokens(text)
    found = _found(tokens, wanted, is_stemmed=is_stemmed)
    if not found:
        return []
    firsts = analysis.spans_of(text, [first for first, _ in found])
    lasts = analysis.spans_of(text, [last for _, last in found]) if wanted.phrases else firsts
    return [(start, end) for (start, _), (_, end) in zip(firsts, lasts, strict=False)]


def _found(tokens: list[str], wanted: _Wanted, *, is_stemmed: bool) -> list[tuple[int, int]]:
    """Give the first and the last token of each match, in order."""
    looked_for = wanted.stems if is_stemmed else wanted.tokens
    forms = analysis.stems(tokens) if is_stemmed and looked_for else tokens
    hits = [] if looked_for.isdisjoint(forms) else [at for at, form in enumerate(forms) if form in looked_for]
    if wanted.prefixes:
        hits = sorted({*hits, *(at for at, token in enumerate(tokens) if token.startswith(wanted.prefixes))})
    begins = [at for at, token in enumerate(tokens) if token in wanted.phrases] if wanted.phrases else []
    if not begins:
        return [(at, at) for at in hits]
    found: list[tuple[int, int]] = []
    single, following = set(hits), 0
    for at in sorted({*hits, *begins}):
        if at >= following and (length := _length_at(tokens, at, wanted) or int(at in single)):
            following = at + length
            found.append((at, following - 1))
    return found


def _length_at(tokens: Sequence[str], at: int, wanted: _Wanted) -> int:
    """Say how many tokens from this one on are a phrase; 0 for none."""
    for phrase in wanted.phrases.get(tokens[at], ()):
        if tuple(tokens[at : at + len(phrase)]) == phrase:
            return len(phrase)
    return 0


def _window(text: str, ranges: Sequence[tuple[int, int]]) -> tuple[int, int]:
    """Choose the part of a text that holds the most different matches, cut at words."""
    if len(text) <= LONGEST:
        return 0, len(text)
    room = LONGEST - 2  # an ellipsis at either end
    best, best_count, best_at = 0, (-1, -1), 0
    marked = [text[start:end].casefold() for start, end in ranges]
    last = 0
    for first, (low, _high) in enumerate(ranges):
        last = max(last, first)
        while last + 1 < len(ranges) and ranges[last + 1][1] - low <= room:
            last += 1
        count = (len(set(marked[first : last + 1])), last + 1 - first)
        if count > best_count:
            best, best_count, best_at = low, count, ranges[last][1]
    start = max(0, best - min(_BEFORE, max(0, room - (best_at - best))))
    end = min(len(text), start + room)
    start = max(0, min(start, end - room))
    if 0 < start < best:
        start = next((at + 1 for at in range(start - 1, best) if text[at].isspace()), best)
    if end < len(text) and not text[end].isspace():
        floor = min(max(best_at, start + 1), end)
        end = next((at for at in range(end, floor, -1) if text[at].isspace()), end)
    return start, end


def _written(text: str, ranges: Iterable[tuple[int, int]], low: int, high: int) -> str:
    before, after = islice((one for one in map(chr, _STAND_INS) if one not in text), 2)
    parts = ["…" if low else ""]
    at = low
    for start, end in ranges:
        if end <= at or start >= high:
            continue
        start, end = max(start, at), min(end, high)  # noqa: PLW2901 - a match longer than the window is cut
        parts += [text[at:start], before, text[start:end], after]
        at = end
    parts += [f"{text[at:high].rstrip()}…" if high < len(text) else text[at:]]
    return escaped("".join(parts)).replace(before, "<mark>").replace(after, "</mark>")


def escaped(text: str) -> str:
    """Write text so that it is text in HTML, also within quotes."""
    for plain, written in _ESCAPES:  # four times as fast as `translate`: most text has none of them
        text = text.replace(plain, written)
    return text
