"""Parse a record into a `Document` of entries, or return a `Refusal` with the reason.

Parsing opens, fetches and resolves nothing: a body is only bytes, whatever it looks like. Each kind of document has a
module, which is imported for the first document of its kind.
"""

from __future__ import annotations

import msgspec

from newswire.ingest.parse.decode import decode
from newswire.ingest.parse.sniff import Sniffed, sniff
from newswire.model import Document, Record, Refusal

MAX_ENTRIES = 10_000
"""Default maximum of entries per document; the rest is dropped, and `Document.cut` is set."""


def parse(record: Record, max_entries: int = MAX_ENTRIES) -> Document | Refusal:
    """Parse the body of a record by the kind of its feed; `auto` accepts every kind.

    Never returns part of an entry.
    """
    if record.kind == "load":
        from newswire.ingest.parse.load_lines import parse_load  # noqa: PLC0415 - loaded for the first back-fill

        return parse_load(record)
    record = _in_utf8(record)
    sniffed = sniff(record.body, record.content_type)
    if isinstance(sniffed, Refusal):
        return sniffed
    kind = _check_kind(record, sniffed)
    if isinstance(kind, Refusal):
        return kind
    try:
        if kind == "syndication":
            from newswire.ingest.parse.syndication import parse_syndication  # noqa: PLC0415 - feedparser takes 50 ms

            return parse_syndication(record, max_entries)
        if kind == "sitemap":
            from newswire.ingest.parse.sitemap import parse_sitemap  # noqa: PLC0415 - loaded for the first sitemap

            return parse_sitemap(record, max_entries)
        from newswire.ingest.parse.json_documents import parse_json  # noqa: PLC0415 - JMESPath takes 10 ms

        return parse_json(record, max_entries)
    except RecursionError:
        return Refusal("too_deep", "The document is nested more deeply than any real feed.")


def _in_utf8(record: Record) -> Record:
    """Return the record with its body in UTF-8, without a byte order mark; the declaration of XML stays as it was."""
    body = decode(record.body, record.content_type).encode("utf-8", "replace")
    return record if body == record.body else msgspec.structs.replace(record, body=body)


def _check_kind(record: Record, sniffed: Sniffed) -> Sniffed | Refusal:
    """Return the sniffed kind, or a refusal if the feed is configured as another kind."""
    expected = {"jsonfeed": "json", "listing": "json"}.get(record.feed_kind, record.feed_kind)
    if expected in {"auto", sniffed}:
        return sniffed
    return Refusal("wrong_kind", f"The document must match the feed's kind ({record.feed_kind}), got {sniffed}.")
