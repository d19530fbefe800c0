"""The tantivy schema: map an item's indexed fields to a document, and read an item back."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import msgspec
import tantivy

from newswire.engines.fields import DATE_FIELDS, KEYWORD_FIELDS, LABEL_FIELDS, STEM_FIELDS, WORD_FIELDS, index_fields
from newswire.model import Item, ItemWrite

SCHEMA = 1
"""Version of the schema below and of `engines/fields.py`; an index with another one is rebuilt from the archive."""

_pack = msgspec.msgpack.Encoder()
_unpack = msgspec.msgpack.Decoder(Item)


@lru_cache(maxsize=1)
def fields() -> Any:
    """Return the tantivy schema."""
    builder = tantivy.SchemaBuilder()
    builder.add_text_field("id", tokenizer_name="raw", index_option="basic")
    for name in WORD_FIELDS:
        builder.add_text_field(name, tokenizer_name="whitespace", index_option="position")
    for name in STEM_FIELDS:
        builder.add_text_field(name, tokenizer_name="whitespace", index_option="freq")
    for name in KEYWORD_FIELDS:
        builder.add_text_field(name, tokenizer_name="raw", index_option="basic")
    for name in LABEL_FIELDS:
        builder.add_text_field(name, fast=True, tokenizer_name="raw", index_option="basic")
    for name in (*DATE_FIELDS, "seq", "tie"):
        builder.add_integer_field(name, indexed=True, fast=True)
    builder.add_bytes_field("item", stored=True)
    builder.add_bytes_field("body", stored=True)
    return builder.build()


def document_of(write: ItemWrite) -> Any:
    """Build the document of an item: its indexed fields, its `seq`, and the item as stored bytes."""
    item = write.item
    indexed = index_fields(item)
    document = tantivy.Document()
    add = document.add_text
    add("id", item.id)
    for text in indexed.texts:
        add("text", text.folded)
        add(text.field, text.folded)
        if text.stems is not None:
            add("text_stem", text.stems)
            add(f"{text.field}_stem", text.stems)
    for name, values in indexed.strings.items():
        for value in values:
            add(name, value)
    for name, instant in indexed.dates.items():
        document.add_integer(name, instant)
    document.add_integer("seq", write.seq)
    document.add_integer("tie", indexed.tie)
    document.add_bytes("item", _pack.encode(msgspec.structs.replace(item, content="") if item.content else item))
    if item.content:
        document.add_bytes("body", item.content.encode())
    return document


def item_at(searcher: Any, address: Any, *, with_content: bool) -> Item:
    """Return the item at an address of a search, with its content if asked."""
    document = searcher.doc(address)
    item = _unpack.decode(document.get_first("item"))
    body = document.get_first("body") if with_content else None
    return msgspec.structs.replace(item, content=bytes(body).decode()) if body else item
