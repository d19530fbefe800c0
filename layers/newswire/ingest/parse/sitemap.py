"""News sitemaps: a record comes in, an entry for each address that carries news goes out.

The protocol is that of sitemaps.org with Google's news extension; addresses without a `news:news` element are pages,
not news, and are passed over. expat reads it, with entity declarations refused.
"""

from __future__ import annotations

from urllib.parse import urljoin
from xml.parsers import expat

from newswire.model import Document, Entry, Markup, RawDate, Record, Refusal


class _EntityDeclaredError(Exception):
    """The document declares entities, which no sitemap needs and attacks do."""


class _Reader:
    """Collects the addresses of one sitemap as expat walks it."""

    def __init__(self, base: str, max_entries: int) -> None:
        self.entries: list[Entry] = []
        self.urls = 0
        self.root = ""
        self.more = False
        self._base = base
        self._max = max_entries
        self._said: dict[str, str] = {}
        self._news = False
        self._text: list[str] = []

    def start(self, name: str, _attributes: dict[str, str]) -> None:
        local = name.rpartition(" ")[2]
        self._text = []
        if not self.root:
            self.root = local
        if local == "url":
            self._said, self._news = {}, False
        elif local == "news":
            self._news = True

    def text(self, text: str) -> None:
        self._text.append(text)

    def end(self, name: str) -> None:
        space, _, local = name.rpartition(" ")
        said = "".join(self._text).strip()
        self._text = []
        if local == "url":
            self.urls += 1
            if self._news and len(self.entries) >= self._max:
                self.more = True
            elif self._news:
                self.entries.append(self._entry())
        elif said and "image" not in space and "video" not in space:
            self._said.setdefault(local, said)

    def _entry(self) -> Entry:
        said = self._said
        link = said.get("loc", "")
        dates = (RawDate("pubDate", said.get("publication_date", "")), RawDate("updated", said.get("lastmod", "")))
        return Entry(
            link=urljoin(self._base, link) if link else "",
            title=Markup(said.get("title", ""), html=False),
            published=tuple(date for date in dates if date.raw),
            updated=dates[1] if dates[1].raw else None,
            categories=tuple(word.strip() for word in said.get("keywords", "").split(",") if word.strip()),
            lang=said.get("language") or None,
        )


def parse_sitemap(record: Record, max_entries: int) -> Document | Refusal:
    """Read a news sitemap; one that ends in the middle gives the addresses that are whole."""
    reader = _Reader(record.final_url or record.url, max_entries)
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.text
    parser.buffer_text = True
    parser.EntityDeclHandler = _refuse_entities
    cut = record.truncated
    try:
        parser.Parse(record.body, True)  # noqa: FBT003 - expat's own way to say that this is all
    except _EntityDeclaredError:
        return Refusal("entities", "The sitemap declares XML entities, which are not expanded.")
    except expat.ExpatError as error:
        if not reader.entries:
            return Refusal("unreadable", f"The sitemap can't be read: {expat.ErrorString(error.code)}.")
        cut = True
    if reader.root == "sitemapindex":
        return Refusal("sitemap_index", "This is an index of sitemaps: add the address of one of its sitemaps instead.")
    if not reader.entries:
        return Refusal("no_news", f"The sitemap has {reader.urls} addresses and none with a news:news element.")
    return Document(kind="sitemap", entries=tuple(reader.entries), cut=cut or reader.more)


def _refuse_entities(*_: object) -> None:
    raise _EntityDeclaredError
