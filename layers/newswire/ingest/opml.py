"""Read and write lists of feeds as OPML 2.0, which most feed readers exchange."""

from __future__ import annotations

import re
from collections.abc import Iterable
from xml.parsers import expat
from xml.sax.saxutils import quoteattr

import msgspec
from msgspec import Struct

from newswire.errors import FeedsFileError
from newswire.ingest.feed_ids import FeedIds
from newswire.ingest.feeds_file import MAX_GROUPS, clean_group
from newswire.ingest.fold import MAX_FEED_TITLE_CHARACTERS
from newswire.ingest.markup import clean_line
from newswire.ingest.parse.decode import decode
from newswire.ingest.parse.prolog import declares_entities
from newswire.ingest.parse.repair import well_formed
from newswire.ingest.parse.sniff import from_root
from newswire.model import Feed
from newswire.urls import feed_key, feed_url_problem, safe_link, tidy_link, web_url, without_credentials

_END = re.compile(rb"</\s{0,9}(?:[\w.-]{1,40}:)?opml\s{0,9}>|<opml[^<>]{0,2000}/>", re.IGNORECASE)


class OpmlList(Struct, frozen=True):
    """The feeds of a file, each URL once, and a sentence for each outline that is left out."""

    feeds: tuple[Feed, ...]
    left_out: tuple[str, ...]


class _Outlines:
    """Collects feeds from the events of expat. An outline without a feed is a folder: a group of the feeds in it."""

    def __init__(self) -> None:
        self.root = ""
        self.feeds: dict[str, Feed] = {}
        self.left_out: list[str] = []
        self._ids = FeedIds(())
        self._folders: list[str] = []

    def start(self, name: str, attributes: dict[str, str]) -> None:
        local = name.rpartition(" ")[2].lower()
        self.root = self.root or local
        if local != "outline":
            return
        outline = {key.rpartition(" ")[2].lower(): value for key, value in attributes.items()}
        title = clean_line(outline.get("title") or outline.get("text") or "", MAX_FEED_TITLE_CHARACTERS)
        address = tidy_link(outline.get("xmlurl", "")) or self._feed_in_url(outline)
        self._folders.append("" if address else title)
        if address:
            self._add(title, web_url(address), outline.get("htmlurl", "").strip())
        elif outline.get("type", "").lower() in {"rss", "atom"} or "xmlurl" in outline:
            self.left_out.append(f"{title or 'An outline without a title'}: it has no xmlUrl")
        elif outline.get("url", "").strip():
            what = "another list" if outline.get("type", "").lower() == "include" else "a page"
            self.left_out.append(f"{title or 'An outline without a title'}: it is a link to {what}, and no feed")

    def end(self, name: str) -> None:
        if name.rpartition(" ")[2].lower() == "outline":
            self._folders.pop()

    @staticmethod
    def _feed_in_url(outline: dict[str, str]) -> str:
        """Return the address of an outline that has it in `url`, as some readers write it."""
        return outline.get("url", "").strip() if outline.get("type", "").lower() in {"rss", "atom"} else ""

    def _add(self, title: str, url: str, page: str) -> None:
        if problem := feed_url_problem(url):
            self.left_out.append(f"{title or 'An outline without a title'}: {problem}")
            return
        groups = tuple(filter(None, map(clean_group, self._folders)))
        key = feed_key(url)
        known = self.feeds.get(key)
        if known is None:
            link = without_credentials(safe_link(page))
            known = Feed(id=self._ids.new_id(title or url), url=url, title=title, link=link)
        groups = tuple(dict.fromkeys((*known.groups, *groups)))[:MAX_GROUPS]
        self.feeds[key] = msgspec.structs.replace(known, groups=groups)


def read_opml(data: bytes, name: str) -> OpmlList:
    """Read the outlines of an OPML file that have an address, with ids made from their titles.

    What is not well-formed is mended as in feeds. Raises `FeedsFileError` for any other file; `name` is the file's,
    for errors.
    """
    body = decode(data).encode("utf-8", "replace")
    if declares_entities(body):
        msg = f"{name} declares XML entities, which newswire does not expand: remove its <!ENTITY declarations."
        raise FeedsFileError(msg)
    outlines = _Outlines()
    parser = expat.ParserCreate("utf-8", namespace_separator=" ")
    parser.StartElementHandler = outlines.start
    parser.EndElementHandler = outlines.end
    try:
        parser.Parse(well_formed(from_root(body)), True)  # noqa: FBT003 - expat's signature: the end of the document
    except expat.ExpatError as error:
        raise FeedsFileError(f"{name} is not OPML ({expat.ErrorString(error.code)}): name a list of feeds.") from error
    if outlines.root != "opml":
        found = f"its root element is {outlines.root[:40]!r}" if outlines.root else "it has no elements"
        msg = f"{name} is not OPML ({found}): name a list of feeds, or add one feed with `newswire feeds add URL`."
        raise FeedsFileError(msg)
    cut = [] if _END.search(body) else ["what follows its last line: the file ends before </opml>"]
    return OpmlList(tuple(outlines.feeds.values()), (*outlines.left_out, *cut))


def write_opml(feeds: Iterable[Feed]) -> str:
    """Return feeds as OPML 2.0, each in the folders that are its groups.

    OPML cannot hold listings and headers: listing feeds and all headers are left out.
    """
    written = [feed for feed in feeds if feed.url and feed.kind != "listing"]
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        '<opml version="2.0">',
        "<head><title>newswire</title></head>",
        "<body>",
        *(_outline(feed) for feed in written if not feed.groups),
    ]
    for group in sorted({group for feed in written for group in feed.groups}):
        title = quoteattr(group)
        lines.append(f"<outline text={title} title={title}>")
        lines += [_outline(feed) for feed in written if group in feed.groups]
        lines.append("</outline>")
    return "\n".join([*lines, "</body>", "</opml>"]) + "\n"


def _outline(feed: Feed) -> str:
    title = quoteattr(feed.title or feed.id)
    page = f" htmlUrl={quoteattr(feed.link)}" if feed.link else ""
    return f'<outline type="rss" text={title} title={title} xmlUrl={quoteattr(feed.url)}{page}/>'
