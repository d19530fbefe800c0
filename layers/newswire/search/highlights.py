"""Mark the matches of a query in the texts of an item. Pure.

Engines do not highlight, so that marks do not depend on the engine. A word matches by its folded form or stem, a phrase
as a whole, a prefix by the start of a token. A node under NOT marks nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from msgspec import Struct

from newswire import analysis
from newswire.engines.query import And, InField, Node, Or, Phrase, Prefix, Word
from newswire.model import Item

MAX_EXCERPT_CHARACTERS = 300
"""Maximum characters of a summary or content, cut at words around the best match."""
_LEAD_CHARACTERS = 60
"""Characters of context before the first mark, if the text has them."""

MAX_FIELD_CHARACTERS = 100_000
"""Maximum characters of a field that are searched for matches."""
MAX_ANSWER_CHARACTERS = 500_000
"""Maximum characters of all fields of an answer that are searched for matches: 0.1 s, and 0.3 s for the costliest."""
MAX_MATCHES = 500
"""Maximum matches of a field that are marked."""
_ESCAPES = (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ('"', "&quot;"), ("'", "&#x27;"))
"""Those of `html.escape`, whose module also loads a table of all entities: 2 ms of a cold start."""


class _Terms(Struct, frozen=True):
    """The words, prefixes and phrases of a query that apply to one field."""

    tokens: frozenset[str]
    stems: frozenset[str]
    """The stems of the tokens; they replace the tokens in items that are stemmed."""
    prefixes: tuple[str, ...]
    phrases: Mapping[str, Mapping[int, frozenset[tuple[str, ...]]]]
    """Phrases by their first token and by their length, the longest first."""


class Highlighter:
    """Marks the matches of one query in the items of an answer.

    The first 100,000 characters of a field are searched for matches; in an answer with more than 500,000 characters
    of text, every field gets an equal part of these.
    """

    def __init__(self, node: Node | None, fields: Iterable[str], items: Iterable[Item]) -> None:
        leaves = list(_leaves(node, None))
        self._terms = {name: _terms_of(leaf for field, leaf in leaves if field in {None, name}) for name in fields}
        lengths = [len(getattr(item, name)) for item in items for name in self._terms]
        self._limit = fair_share(lengths, MAX_ANSWER_CHARACTERS, MAX_FIELD_CHARACTERS)

    def highlights_of(self, item: Item) -> dict[str, str]:
        """Return the fields with matches: text escaped for HTML, with `<mark>` around each match.

        `title` is whole; other fields are cut at words to 300 characters around the best match.
        """
        texts = {"title": item.title, "summary": item.summary, "content": item.content}
        highlights = {}
        for name, terms in self._terms.items():
            text = texts[name]
            ranges = _match_ranges(_cut(text, self._limit), terms, is_stemmed=analysis.is_stemmed(item.lang))
            if ranges:
                low, high = (0, len(text)) if name == "title" else _choose_excerpt(text, ranges)
                highlights[name] = _mark(text, ranges, low, high)
        return highlights


def _cut(text: str, most: int) -> str:
    """Return the first characters of a text, cut before the last word, which may be a part of one."""
    if len(text) <= most:
        return text
    return text[:most].rsplit(None, 1)[0] if any(map(str.isspace, text[most - 200 : most])) else text[:most]


def fair_share(lengths: Iterable[int], total: int, most: int) -> int:
    """Return the largest limit, up to `most`, with which texts of these lengths have at most `total` characters."""
    ascending = sorted(lengths)
    for position, length in enumerate(ascending):
        share = total // (len(ascending) - position)
        if length > share:
            return min(share, most)
        total -= length
    return most


def _leaves(node: Node | None, field: str | None) -> Iterator[tuple[str | None, Node]]:
    """Yield the words, phrases and prefixes that are not excluded, each with its field; None is any field."""
    match node:
        case Word() | Phrase() | Prefix():
            yield field, node
        case InField(field=name, node=inner):
            yield from _leaves(inner, name)
        case And(nodes=nodes) | Or(nodes=nodes):
            for child in nodes:
                yield from _leaves(child, field)
        case _:
            pass


def _terms_of(leaves: Iterable[Node]) -> _Terms:
    tokens, stems, prefixes = set(), set(), []
    phrases: dict[str, list[tuple[str, ...]]] = {}
    for leaf in leaves:
        match leaf:
            case Word(token=token, stem=stem):
                tokens.add(token)
                stems.add(stem)
            case Prefix(token=token):
                prefixes.append(token)
            case Phrase(tokens=phrase):
                phrases.setdefault(phrase[0], []).append(phrase)
            case _:
                pass
    by_length = {
        first: {
            length: frozenset(phrase for phrase in group if len(phrase) == length)
            for length in sorted({len(phrase) for phrase in group}, reverse=True)
        }
        for first, group in phrases.items()
    }
    return _Terms(frozenset(tokens), frozenset(stems), tuple(prefixes), by_length)


def _match_ranges(text: str, terms: _Terms, *, is_stemmed: bool) -> list[tuple[int, int]]:
    """Return the half-open ranges of characters to mark, ascending; they do not overlap."""
    if not text:
        return []
    tokens = analysis.tokens(text)
    matches = _find_matches(tokens, terms, is_stemmed=is_stemmed)[:MAX_MATCHES]
    if not matches:
        return []
    firsts = analysis.spans_of(text, [first for first, _ in matches])
    lasts = analysis.spans_of(text, [last for _, last in matches]) if terms.phrases else firsts
    return [(start, end) for (start, _), (_, end) in zip(firsts, lasts, strict=False)]


def _find_matches(tokens: list[str], terms: _Terms, *, is_stemmed: bool) -> list[tuple[int, int]]:
    """Return the index of the first and of the last token of each match, ascending."""
    words = terms.stems if is_stemmed else terms.tokens
    forms = analysis.stems(tokens) if is_stemmed and words else tokens
    hits = [] if words.isdisjoint(forms) else [at for at, form in enumerate(forms) if form in words]
    if terms.prefixes:
        hits = sorted({*hits, *(at for at, token in enumerate(tokens) if token.startswith(terms.prefixes))})
    phrase_starts = [at for at, token in enumerate(tokens) if token in terms.phrases] if terms.phrases else []
    if not phrase_starts:
        return [(at, at) for at in hits]
    matches: list[tuple[int, int]] = []
    single, following = set(hits), 0
    for at in sorted({*hits, *phrase_starts}):
        if at >= following and (length := _phrase_length(tokens, at, terms) or int(at in single)):
            following = at + length
            matches.append((at, following - 1))
            if len(matches) == MAX_MATCHES:
                break
    return matches


def _phrase_length(tokens: Sequence[str], at: int, terms: _Terms) -> int:
    """Return the number of tokens of the longest phrase that starts at this token; 0 for none."""
    for length, phrases in terms.phrases.get(tokens[at], {}).items():
        if tuple(tokens[at : at + length]) in phrases:
            return length
    return 0


def _choose_excerpt(text: str, ranges: Sequence[tuple[int, int]]) -> tuple[int, int]:
    """Return the range of the text with the most different matches, cut at words."""
    if len(text) <= MAX_EXCERPT_CHARACTERS:
        return 0, len(text)
    room = MAX_EXCERPT_CHARACTERS - 2  # an ellipsis at either end
    best_start, best_count, best_end = 0, (-1, -1), 0
    marked = [text[start:end].casefold() for start, end in ranges]
    last = 0
    for first, (low, _high) in enumerate(ranges):
        last = max(last, first)
        while last + 1 < len(ranges) and ranges[last + 1][1] - low <= room:
            last += 1
        count = (len(set(marked[first : last + 1])), last + 1 - first)
        if count > best_count:
            best_start, best_count, best_end = low, count, ranges[last][1]
    start = max(0, best_start - min(_LEAD_CHARACTERS, max(0, room - (best_end - best_start))))
    end = min(len(text), start + room)
    start = max(0, min(start, end - room))
    if 0 < start < best_start:
        start = next((at + 1 for at in range(start - 1, best_start) if text[at].isspace()), best_start)
    if end < len(text) and not text[end].isspace():
        floor = min(max(best_end, start + 1), end)
        end = next((at for at in range(end, floor, -1) if text[at].isspace()), end)
    return start, end


def _mark(text: str, ranges: Iterable[tuple[int, int]], low: int, high: int) -> str:
    parts = ["…" if low else ""]
    at = low
    for start, end in ranges:
        if end <= at or start >= high:
            continue
        start, end = max(start, at), min(end, high)  # noqa: PLW2901 - a match longer than the excerpt is cut
        parts += [_escape_html(text[at:start]), "<mark>", _escape_html(text[start:end]), "</mark>"]
        at = end
    parts.append(_escape_html(f"{text[at:high].rstrip()}…" if high < len(text) else text[at:]))
    return "".join(parts)


def _escape_html(text: str) -> str:
    """Return text escaped for HTML content and quoted attributes."""
    for plain, entity in _ESCAPES:  # four times as fast as `translate`, because most texts have none of these
        text = text.replace(plain, entity)
    return text
