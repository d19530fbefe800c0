"""What does a body look like? Bytes come in, one of three families of documents goes out, or why it is no feed."""

from __future__ import annotations

import re
from typing import Literal

from newswire.model import Refusal

Sniffed = Literal["syndication", "sitemap", "json"]

_LOOKED_AT = 100_000
_SPACE = b" \t\r\n\x00\xef\xbb\xbf\xff\xfe"
_ROOT = re.compile(
    rb"<(?:[\w.-]+:)?(rss|feed|rdf|channel|urlset|sitemapindex|html|opml|item|entry)[\s>/]", re.IGNORECASE
)
_COMMENT = re.compile(rb"<!--.*?-->|<\?.*?\?>|<!doctype[^\[>]*(?:\[.*?\]\s*)?>", re.DOTALL | re.IGNORECASE)
_HTML = re.compile(rb"<!doctype\s+html|<html[\s>]", re.IGNORECASE)


def sniff(body: bytes, content_type: str = "") -> Sniffed | Refusal:
    """Tell the family of a document by its first bytes; the content type only explains a refusal.

    Servers call feeds `text/html` and error pages `application/xml`, so what stands in the body decides.
    """
    head = body[:_LOOKED_AT].lstrip(_SPACE)
    if not head:
        return Refusal("empty", "The document is empty.")
    ascii_head = head.replace(b"\x00", b"")  # UTF-16 looks like ASCII then, which is enough to find the root
    if ascii_head[:1] in {b"{", b"["}:
        return "json"
    root = _ROOT.search(_COMMENT.sub(b"", ascii_head))
    name = root.group(1).lower() if root else b""
    if name in {b"rss", b"feed", b"rdf", b"channel", b"item", b"entry"} and not _comes_after_html(ascii_head, name):
        return "syndication"
    if name in {b"urlset", b"sitemapindex"}:
        return "sitemap"
    if name == b"html" or _HTML.search(ascii_head):
        return Refusal("html_page", "An HTML page came, not a feed: look in it for the address of its feed.")
    if name == b"opml":
        return Refusal("opml_list", "This is an OPML list of feeds: take it in with `newswire feeds import`.")
    said = f" (the server calls it {content_type[:60]})" if content_type else ""
    return Refusal("not_a_feed", f"The document is no RSS, Atom, RDF, CDF, JSON Feed, listing or sitemap{said}.")


def _comes_after_html(head: bytes, name: bytes) -> bool:
    """Say whether an HTML page begins before the element that looks like a feed's."""
    page = _HTML.search(head)
    return page is not None and page.start() < head.lower().find(b"<" + name)
