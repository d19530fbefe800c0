"""Index the lines of a back-fill with a minimal tantivy program: `python bare_load.py INPUT FOLDER THREADS HEAP_MB`.

This is the baseline of `python -m bench load`. It reads the same lines and writes the same fields as newswire, but it
only lower-cases and splits words. It has no archive, no item states and no detection of repeated items. Item ids are
plain hashes, and it commits once.
"""

from __future__ import annotations

import re
import sys
from datetime import datetime
from hashlib import sha256
from pathlib import Path

import msgspec
import tantivy

_WORD = re.compile(r"\w+")


def schema() -> tantivy.Schema:
    """Return the fields of newswire's own index, at schema 1."""
    builder = tantivy.SchemaBuilder()
    builder.add_text_field("id", tokenizer_name="raw", index_option="basic")
    for name in ("text", "title", "summary", "content", "author", "category"):
        builder.add_text_field(name, tokenizer_name="whitespace", index_option="position")
    for name in ("text_stem", "title_stem", "summary_stem", "content_stem"):
        builder.add_text_field(name, tokenizer_name="whitespace", index_option="freq")
    for name in ("feed", "lang", "category_value", "author_value"):
        builder.add_text_field(name, tokenizer_name="raw", index_option="basic")
    for name in ("feed_label", "lang_label", "category_label", "author_label"):
        builder.add_text_field(name, fast=True, tokenizer_name="raw", index_option="basic")
    for name in ("published", "updated", "changed", "first_seen", "seq", "tie"):
        builder.add_integer_field(name, indexed=True, fast=True)
    builder.add_bytes_field("item", stored=True)
    builder.add_bytes_field("body", stored=True)
    return builder.build()


def _document(line: dict[str, str], seq: int, now: int) -> tantivy.Document:
    feed, lang = line["feed"], line["lang"].lower()
    id_ = sha256(f"{feed}\n{line['link']}".encode()).hexdigest()[:32]
    published = int(datetime.fromisoformat(line["published"]).timestamp() * 1000)
    document = tantivy.Document()
    document.add_text("id", id_)
    for name in ("title", "summary"):
        words = " ".join(_WORD.findall(line[name].lower()))
        document.add_text("text", words)
        document.add_text(name, words)
        if lang.startswith("en"):
            document.add_text("text_stem", words)
            document.add_text(f"{name}_stem", words)
    document.add_text("feed", feed)
    document.add_text("feed_label", f"{feed}\x1f{feed}")
    document.add_text("lang", lang)
    document.add_text("lang", lang[:2])
    document.add_text("lang_label", f"{lang}\x1f{lang}")
    for name, value in (("published", published), ("changed", now), ("first_seen", now), ("seq", seq)):
        document.add_integer(name, value)
    document.add_integer("tie", int(id_[:15], 16))
    item = {
        "id": id_,
        **line,
        "content": "",
        "authors": (),
        "categories": (),
        "published": published,
        "published_source": "pubDate",
        "published_precision": "second",
        "published_raw": line["published"],
        "date_flags": (),
        "updated": None,
        "changed": now,
        "first_seen": now,
        "revision": 1,
    }
    document.add_bytes("item", msgspec.msgpack.encode(item))
    return document


def main(source: str, folder: str, threads: str, heap_mb: str) -> None:
    index = tantivy.Index(schema(), folder)
    writer = index.writer(int(heap_mb) * 1_000_000, int(threads))
    decode = msgspec.json.Decoder(dict[str, str]).decode
    with Path(source).open("rb") as lines:
        for number, line in enumerate(lines):
            writer.add_document(_document(decode(line), 1 + number // 1_000, 1_700_000_000_000))
    writer.commit()
    writer.wait_merging_threads()


if __name__ == "__main__":
    main(*sys.argv[1:])
