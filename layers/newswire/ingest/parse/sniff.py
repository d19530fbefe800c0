"""Detect the family of a document from its first bytes."""

from __future__ import annotations

import re
from typing import Literal

from newswire.ingest.parse.prolog import ENTITIES, declares_entities, root_start
from newswire.model import Refusal

Sniffed = Literal["syndication", "sitemap", "json"]

JSON_GUARD = b")]}'"
"""What some servers write before JSON, so that a browser does not run it."""
GZIP_MAGIC = b"\x1f\x8b"
"""The first bytes of a gzip file (RFC 1952 section 2.3.1)."""
MAX_SNIFFED_BYTES = 100_000
"""Bytes that are searched for the root element; it may come after long comments or a document type."""
_SPACE_AND_BOM = b" \t\r\n\x00\xef\xbb\xbf\xff\xfe"
_ROOT = re.compile(
    rb"<(?:[\w.-]+:)?(rss|feed|rdf|channel|urlset|sitemapindex|html|opml|item|entry)[\s>/]", re.IGNORECASE
)
_SYNDICATION_ROOTS = frozenset({b"rss", b"feed", b"rdf", b"channel", b"item", b"entry"})
_HTML = re.compile(rb"<!doctype\s+html|<html[\s>]", re.IGNORECASE)


def sniff(body: bytes, content_type: str = "") -> Sniffed | Refusal:
    """Return the family of a document, or a refusal; the content type only appears in the sentence of a refusal.

    The body decides, since servers label feeds `text/html` and error pages `application/xml`.
    """
    head = body[:MAX_SNIFFED_BYTES].lstrip(_SPACE_AND_BOM)
    if not head:
        return Refusal("empty", "The document is empty.")
    ascii_head = head.replace(b"\x00", b"")  # makes UTF-16 look like ASCII, which is enough to find the root
    if ascii_head.removeprefix(JSON_GUARD).lstrip(b", \t\r\n")[:1] in {b"{", b"["}:
        return "json"
    ascii_head = _without_comments(ascii_head)
    begin = root_start(ascii_head)
    root = _ROOT.search(ascii_head, begin)
    name = root.group(1).lower() if root else b""
    is_first = root is not None and root.start() == begin
    if name in _SYNDICATION_ROOTS and (is_first or not _comes_after_html(ascii_head, name)):
        return ENTITIES if declares_entities(body) else "syndication"
    if name in {b"urlset", b"sitemapindex"}:
        return ENTITIES if declares_entities(body) else "sitemap"
    if name == b"html" or _HTML.search(ascii_head):
        return Refusal("html_page", "The document is an HTML page, not a feed: set the URL of the page's feed.")
    if name == b"opml":
        return Refusal("opml_list", "The document is an OPML list of feeds: import it with `newswire feeds import`.")
    label = f" (its content type is {content_type[:60]})" if content_type else ""
    return Refusal("not_a_feed", f"The document is not RSS, Atom, RDF, CDF, JSON Feed, a listing or a sitemap{label}.")


def from_root(document: bytes) -> bytes:
    """Return a document from its root element on, without what comes before it."""
    begin = root_start(document)
    head = _without_comments(document[:MAX_SNIFFED_BYTES])
    root = _ROOT.search(head, begin) or _ROOT.search(document, begin)
    return document[root.start() :] if root else document


def _without_comments(head: bytes) -> bytes:
    """Return the beginning of a document with spaces in place of comments, which may speak of elements."""
    parts = []
    at = 0
    while (start := head.find(b"<!--", at)) >= 0:
        parts.append(head[at:start])
        end = head.find(b"-->", start + 4)
        at = len(head) if end < 0 else end + 3
        parts.append(b" " * (at - start))
    return b"".join([*parts, head[at:]])


def _comes_after_html(head: bytes, name: bytes) -> bool:
    """Return whether an HTML page begins before the first element of this name."""
    page = _HTML.search(head)
    return page is not None and page.start() < head.lower().find(b"<" + name)
