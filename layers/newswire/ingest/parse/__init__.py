"""Parsing: a record comes in, a `Document` of entries goes out, or a `Refusal` that names why there is none.

Nothing is opened, fetched or resolved here: a body is bytes, whatever it looks like. Each kind of document has a
module, which is imported when the first document of its kind comes.
"""

from __future__ import annotations

from newswire.ingest.parse.sniff import Sniffed, sniff
from newswire.model import Document, Record, Refusal

MAX_ENTRIES = 10_000
"""Entries taken of one document unless the caller says otherwise; the rest is cut and said so."""


def parse(record: Record, max_entries: int = MAX_ENTRIES) -> Document | Refusal:
    """Read a record's body by the kind of its feed, or by what it looks like where the kind is `auto`.

    Never raises for anything that a body may hold, and never gives part of an entry.
    """
    if record.kind == "load":
        from newswire.ingest.parse.load_lines import parse_load  # noqa: PLC0415 - loaded for the first back-fill

        return parse_load(record)
    sniffed = sniff(record.body, record.content_type)
    if isinstance(sniffed, Refusal):
        return sniffed
    kind = _kind(record, sniffed)
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
        return Refusal("too_deep", "The document is nested more deeply than any feed is.")


def _kind(record: Record, sniffed: Sniffed) -> Sniffed | Refusal:
    """Hold what the document looks like against what the feed was configured as."""
    wanted = {"jsonfeed": "json", "listing": "json"}.get(record.feed_kind, record.feed_kind)
    if wanted in {"auto", sniffed}:
        return sniffed
    return Refusal("wrong_kind", f"The feed is configured as {record.feed_kind}, and something like {sniffed} came.")
