"""Parse news sitemaps: one entry for each URL with a `news:news` element.

The format is that of sitemaps.org with Google's news extension. A URL without `news:news` is a page, not news, and is
skipped. expat parses the XML, which `repair.py` has mended; `sniff.py` has refused entity declarations.
"""

from __future__ import annotations

from xml.parsers import expat

from newswire.ingest.parse.repair import cut_open_entry, well_formed
from newswire.ingest.parse.sniff import from_root
from newswire.model import Document, Entry, Markup, RawDate, Record, Refusal
from newswire.urls import resolve_text

_FIELDS = frozenset({"loc", "lastmod", "title", "publication_date", "keywords", "language", "name"})
"""Elements that hold text."""


class _SitemapHandler:
    """Collects the entries of a sitemap from the events of expat."""

    def __init__(self, base: str, max_entries: int) -> None:
        self.entries: list[Entry] = []
        self.urls = 0
        self.root = ""
        self.has_more = False
        """There are more entries than the maximum."""
        self._base = base
        self._max_entries = max_entries
        self._fields: dict[str, str] = {}
        """The first text of each element of the current URL, by local name."""
        self._is_news = False
        self._text: list[str] = []
        self._field = ""
        """The element whose text is collected; elements inside it are markup of the text."""

    def start(self, name: str, _attributes: dict[str, str]) -> None:
        local = name.rpartition(" ")[2]
        if self._field:
            self._text.append(f"<{local}>")
            return
        self._field = local if local in _FIELDS else ""
        self._text = []
        if not self.root:
            self.root = local
        if local == "url":
            self._fields, self._is_news = {}, False
        elif local == "news":
            self._is_news = True

    def text(self, text: str) -> None:
        self._text.append(text)

    def end(self, name: str) -> None:
        space, _, local = name.rpartition(" ")
        if self._field and local != self._field:
            return
        self._field = ""
        text = "".join(self._text).strip()
        self._text = []
        if local == "url":
            self.urls += 1
            if self._is_news and len(self.entries) >= self._max_entries:
                self.has_more = True
            elif self._is_news:
                self.entries.append(self._build_entry())
        elif text and "image" not in space and "video" not in space:
            self._fields.setdefault(local, text)

    def _build_entry(self) -> Entry:
        fields = self._fields
        link, title = fields.get("loc", ""), fields.get("title", "")
        dates = (RawDate("pubDate", fields.get("publication_date", "")), RawDate("updated", fields.get("lastmod", "")))
        return Entry(
            link=resolve_text(link, self._base),
            title=Markup(title, html="<" in title or "&" in title),
            published=tuple(date for date in dates if date.raw),
            updated=dates[1] if dates[1].raw else None,
            categories=tuple(word.strip() for word in fields.get("keywords", "").split(",") if word.strip()),
            lang=fields.get("language") or None,
        )


def parse_sitemap(record: Record, max_entries: int) -> Document | Refusal:
    """Parse a news sitemap; of a truncated one, return the complete entries."""
    handler = _SitemapHandler(record.final_url or record.url, max_entries)
    parser = expat.ParserCreate("utf-8", namespace_separator=" ")
    parser.StartElementHandler = handler.start
    parser.EndElementHandler = handler.end
    parser.CharacterDataHandler = handler.text
    parser.buffer_text = True
    body, is_open = cut_open_entry(from_root(record.body), b"url")
    cut = record.truncated or is_open
    try:
        parser.Parse(well_formed(body), True)  # noqa: FBT003 - expat's signature: True marks the end of the document
    except expat.ExpatError as error:
        if not handler.entries:
            return Refusal("unreadable", f"The sitemap is not valid XML: {expat.ErrorString(error.code)}.")
        cut = True
    if handler.root == "sitemapindex":
        return Refusal("sitemap_index", "The document is an index of sitemaps: set the URL of one of its sitemaps.")
    if not handler.entries:
        return Refusal("no_news", f"None of the {handler.urls} URLs in the sitemap has a news:news element.")
    return Document(kind="sitemap", entries=tuple(handler.entries), cut=cut or handler.has_more)
