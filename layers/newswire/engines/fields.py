"""What of an item is indexed, and how a value is labelled: the same for all engines, which only map it to their types. Pure.

An engine knows nothing of language: its text fields hold tokens of `analysis.py` with white space between, analyzed by
white space alone. `text` is title, summary and content together; a field `x_stem` holds the stems of `x`.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import get_args

from msgspec import Struct

from newswire import analysis
from newswire.clock import Instant, is_in_calendar
from newswire.engines.query import DateField, ValueField
from newswire.model import Item

# The order of the names below is that of the fields in an index: changing it changes the schema.
TEXT_FIELDS = ("title", "summary", "content")
WORD_FIELDS = ("text", *TEXT_FIELDS, "author", "category")
"""Fields of tokens, with positions."""
STEM_FIELDS = ("text_stem", *(f"{name}_stem" for name in TEXT_FIELDS))
"""Fields of stems, with frequencies."""
KEYWORD_FIELDS = ("feed", "lang", "category_value", "author_value")
"""Fields of folded whole values, for filters and facets."""
LABEL_FIELDS = ("feed_label", "lang_label", "category_label", "author_label")
"""Fields of labels: a folded value, `SPELLING_SEPARATOR`, and the value as the feed spells it."""
DATE_FIELDS: tuple[DateField, ...] = get_args(DateField)
SPELLING_SEPARATOR = "\x1f"
_TIE_DIGITS = 15


class TextTokens(Struct, frozen=True, gc=False):
    """The tokens of one text of an item, with white space between; `stems` is None for an item without stems."""

    field: str
    folded: str
    stems: str | None


class IndexFields(Struct, frozen=True, gc=False):
    """The indexed content of one item: texts that are not empty, words and values by field, dates, and the tie."""

    texts: tuple[TextTokens, ...]
    strings: dict[str, list[str]]
    dates: dict[str, Instant]
    tie: int


def index_fields(item: Item) -> IndexFields:
    """Return the indexed content of an item; raise `ValueError` for a date that no answer could show."""
    stemmed = analysis.is_stemmed(item.lang)
    texts = []
    content = "" if " ".join(item.content.split()) == item.summary else item.content  # the same words in lines
    for name, text in (("title", item.title), ("summary", item.summary), ("content", content)):
        if text:
            tokens = analysis.tokens(text)
            stems = " ".join(analysis.stems(tokens)) if stemmed else None
            texts.append(TextTokens(name, " ".join(tokens), stems))
    feed = analysis.fold_whole(item.feed)
    strings = {"feed": [feed], "feed_label": [label(feed, item.feed)]}
    if item.lang:
        parts = item.lang.split("-")
        strings["lang"] = ["-".join(parts[:length]) for length in range(1, len(parts) + 1)]  # lang:en finds en-US
        strings["lang_label"] = [label(item.lang, item.lang)]
    _add_values(strings, "category", item.categories)
    _add_values(strings, "author", item.authors)
    dates = {"published": item.published, "changed": item.changed, "first_seen": item.first_seen}
    if item.updated is not None:
        dates["updated"] = item.updated
    for name, instant in dates.items():
        if not is_in_calendar(instant):
            msg = f"{name} must be within the years 1 to 9999, got {instant} ms"
            raise ValueError(msg)
    return IndexFields(tuple(texts), strings, dates, tie_of(item.id))


def _add_values(strings: dict[str, list[str]], name: str, values: Iterable[str]) -> None:
    """Add the words of each value, and each whole value once, labelled with its first spelling."""
    words: list[str] = []
    spellings: dict[str, str] = {}
    for value in values:
        tokens, folded = _analyzed(value)
        words.append(tokens)
        spellings.setdefault(folded, value)
    if words:
        strings[name] = words
        strings[f"{name}_value"] = list(spellings)
        strings[f"{name}_label"] = [label(folded, value) for folded, value in spellings.items()]


@lru_cache(maxsize=8192)  # the same authors and categories recur
def _analyzed(value: str) -> tuple[str, str]:
    """Return the words of a value, and the value folded whole."""
    return " ".join(analysis.tokens(value)), analysis.fold_whole(value)


def value_field(name: ValueField) -> str:
    """Return the indexed field that holds the folded whole values of a field of an item."""
    return f"{name}_value" if name in {"category", "author"} else name


def label(folded: str, value: str) -> str:
    """Return the label of a value: facets count labels, so that a folded value can be shown in its commonest spelling."""
    return f"{folded}{SPELLING_SEPARATOR}{value}"


def tie_of(item_id: str) -> int:
    """Return the number that settles the order of items with equal dates or scores: the first 60 bits of the id."""
    return int(item_id[:_TIE_DIGITS], 16)
