"""What an item is in a tantivy index: an item with its seq comes in, a document of fields goes out, and back.

tantivy knows nothing of language here: its fields hold tokens from `analysis.py` with white space between.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Any

import msgspec
import tantivy

from newswire import analysis
from newswire.engines import SPELLING, tie_of
from newswire.model import Item, ItemWrite

SCHEMA = 1
"""The version of the fields below; an index of another one is built anew from the archive."""

_WORD_FIELDS = ("text", "title", "summary", "content", "author", "category")
_STEM_FIELDS = ("text_stem", "title_stem", "summary_stem", "content_stem")
_VALUE_FIELDS = ("feed", "lang", "category_value", "author_value")
_LABEL_FIELDS = ("feed_label", "lang_label", "category_label", "author_label")
_DATE_FIELDS = ("published", "updated", "changed", "first_seen")

_pack = msgspec.msgpack.Encoder()
_unpack = msgspec.msgpack.Decoder(Item)


@lru_cache(maxsize=1)
def fields() -> Any:
    """Give the fields of the index, as tantivy wants them."""
    builder = tantivy.SchemaBuilder()
    builder.add_text_field("id", tokenizer_name="raw", index_option="basic")
    for name in _WORD_FIELDS:
        builder.add_text_field(name, tokenizer_name="whitespace", index_option="position")
    for name in _STEM_FIELDS:
        builder.add_text_field(name, tokenizer_name="whitespace", index_option="freq")
    for name in _VALUE_FIELDS:
        builder.add_text_field(name, tokenizer_name="raw", index_option="basic")
    for name in _LABEL_FIELDS:
        builder.add_text_field(name, fast=True, tokenizer_name="raw", index_option="basic")
    for name in (*_DATE_FIELDS, "seq", "tie"):
        builder.add_integer_field(name, indexed=True, fast=True)
    builder.add_bytes_field("item", stored=True)
    builder.add_bytes_field("body", stored=True)
    return builder.build()


def document_of(write: ItemWrite) -> Any:
    """Make the document of an item: its tokens field by field, its values, its dates, and itself as stored bytes."""
    item = write.item
    document = tantivy.Document()
    add = document.add_text
    add("id", item.id)
    stemmed = analysis.is_stemmed(item.lang)
    for name, text in (("title", item.title), ("summary", item.summary), ("content", item.content)):
        if not text:
            continue
        found = analysis.tokens(text)
        folded = " ".join(found)
        add("text", folded)
        add(name, folded)
        if stemmed:
            stems = " ".join(analysis.stems(found))
            add("text_stem", stems)
            add(f"{name}_stem", stems)
    _add_value(document, "feed", item.feed)
    if item.lang:
        add("lang_label", f"{item.lang}{SPELLING}{item.lang}")
        parts = item.lang.split("-")
        for length in range(1, len(parts) + 1):
            add("lang", "-".join(parts[:length]))
    _add_values(document, "category", item.categories)
    _add_values(document, "author", item.authors)
    for field in ("published", "changed", "first_seen"):
        document.add_integer(field, getattr(item, field))
    if item.updated is not None:
        document.add_integer("updated", item.updated)
    document.add_integer("seq", write.seq)
    document.add_integer("tie", tie_of(item.id))
    document.add_bytes("item", _pack.encode(msgspec.structs.replace(item, content="") if item.content else item))
    if item.content:
        document.add_bytes("body", item.content.encode())
    return document


def _add_value(document: Any, name: str, value: str) -> None:
    _tokens, folded = _value(value)
    document.add_text(name, folded)
    document.add_text(f"{name}_label", f"{folded}{SPELLING}{value}")


def _add_values(document: Any, name: str, values: Iterable[str]) -> None:
    """Add a list of values: their words, and each once as a whole, with the first of its spellings."""
    seen = set()
    for value in values:
        tokens, folded = _value(value)
        document.add_text(name, tokens)
        if folded not in seen:
            seen.add(folded)
            document.add_text(f"{name}_value", folded)
            document.add_text(f"{name}_label", f"{folded}{SPELLING}{value}")


@lru_cache(maxsize=8192)  # authors and categories come again and again
def _value(value: str) -> tuple[str, str]:
    """Give the words of a value, and the value as it is compared whole."""
    return " ".join(analysis.tokens(value)), analysis.fold_whole(value)


def item_at(searcher: Any, address: Any, *, with_content: bool) -> Item:
    """Read the item at an address of a search; its content only where that is asked for."""
    document = searcher.doc(address)
    item = _unpack.decode(document.get_first("item"))
    body = document.get_first("body") if with_content else None
    return msgspec.structs.replace(item, content=bytes(body).decode()) if body else item
