"""Find the feed of a URL that a person gave: the URL itself, or a feed that its web page links to.

What is found is fetched before it counts, so that a feed that cannot be read is not added.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from html.parser import HTMLParser

from msgspec import Struct

from newswire.app import DocumentFetcher
from newswire.ingest.decompress import unpacked
from newswire.ingest.parse.decode import decode
from newswire.ingest.parse.sniff import sniff
from newswire.model import Fetched, FetchFailed, FetchRequest, Outcome, Refusal
from newswire.urls import feed_url_problem, resolve, without_feed_scheme

_FEED_MEDIA_TYPES = frozenset({
    "application/rss+xml", "application/atom+xml", "application/feed+json", "application/rdf+xml", "application/x-rss+xml",
    "application/xml", "text/xml", "text/rss+xml", "text/rss", "text/atom+xml", "application/json",
})  # fmt: skip
MAX_DOCUMENT_BYTES = 50_000_000
MAX_PAGE_BYTES = 500_000
"""Bytes of a page that are searched for links: the links to its feeds are in its head."""
MAX_CANDIDATES = 10
"""Maximum links of a page that are fetched."""
PERMANENT_FAILURES = frozenset(
    {"http_404", "http_410", "port", "private_address", "redirect_loop", "too_many_redirects", "invalid_url"}
)
"""Failures that do not heal by themselves; docs/feeds.md has the remedy for each."""


class Found(Struct, frozen=True):
    """The feed at a URL, as far as it could be fetched."""

    url: str
    document: Fetched | None = None
    failure: FetchFailed | None = None
    """Why it could not be fetched now."""
    is_of_page: bool = False
    """The URL that was asked for is a page that links to it."""
    others: tuple[str, ...] = ()
    """Other feeds that the page links to."""


class NotFound(Struct, frozen=True):
    """There is no feed: the sentence says why, and what to do."""

    sentence: str


class _Link(Struct, frozen=True):
    href: str
    title: str
    media_type: str

    @property
    def rank(self) -> tuple[bool, bool]:
        """The order in which links are tried: feeds of comments last, and what may be JSON of an API after other feeds."""
        is_of_comments = "comment" in self.href.lower() or "comment" in self.title.lower()
        return is_of_comments, self.media_type == "application/json"


class _PageParser(HTMLParser):
    """Collects the base URL of a page and its `<link rel="alternate">` elements with the media type of a feed."""

    def __init__(self) -> None:
        super().__init__()
        self.base = ""
        self.links: list[_Link] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = {name: value or "" for name, value in attrs}
        if tag == "base" and not self.base:
            self.base = attributes.get("href", "").strip()
        media_type = attributes.get("type", "").partition(";")[0].strip().lower()
        relations = attributes.get("rel", "").lower().split()
        is_feed = "alternate" in relations and media_type in _FEED_MEDIA_TYPES and "stylesheet" not in relations
        if tag == "link" and (is_feed or "feed" in relations) and attributes.get("href", "").strip():
            self.links.append(_Link(attributes["href"].strip(), attributes.get("title", ""), media_type))


def find_feed(fetcher: DocumentFetcher, url: str, user_agent: str) -> Found | NotFound:
    """Return the feed at `url`, or the first of those that the page there links to and that can be read as a feed.

    A feed of comments counts after the others. A feed that cannot be fetched now, but may heal, is found.
    """
    outcome = _fetch(fetcher, url, user_agent)
    if isinstance(outcome, FetchFailed):
        return _failed(url, outcome)
    if not isinstance(outcome, Fetched):
        return Found(url)
    sniffed = sniff(outcome.body, outcome.content_type)
    if not isinstance(sniffed, Refusal):
        return Found(url, outcome)  # also JSON that is not a JSON Feed: a listing says where its rows are
    links = list(dict.fromkeys(_links_of(outcome)))[:MAX_CANDIDATES]
    reasons: dict[str, str] = {}
    for link in links:
        document = _fetch(fetcher, link, user_agent)
        if isinstance(document, Fetched):
            refusal = sniff(document.body, document.content_type)
            if not isinstance(refusal, Refusal) and not _is_other_json(document.body, refusal):
                return Found(
                    link,
                    document,
                    is_of_page=True,
                    others=tuple(other for other in links if other != link and other not in reasons),
                )
            sentence = refusal.sentence if isinstance(refusal, Refusal) else "The document is not a JSON Feed."
            reasons[link] = sentence
        elif isinstance(document, FetchFailed):
            reasons[link] = document.sentence
    if links:
        return NotFound(f"{url} is a web page, and none of its links to feeds can be read. {_listed(reasons)}")
    return NotFound(f"{url} is not a feed, and does not link to one. {sniffed.sentence}")


def _listed(reasons: Mapping[str, str]) -> str:
    return " ".join(f"{link}: {reason}" for link, reason in reasons.items())


def _is_other_json(body: bytes, kind: str) -> bool:
    """Return whether a document is JSON and not a JSON Feed: pages also link to answers of their API."""
    return kind == "json" and b"jsonfeed.org" not in body[:MAX_PAGE_BYTES] and b'"items"' not in body[:MAX_PAGE_BYTES]


def _failed(url: str, failure: FetchFailed) -> Found | NotFound:
    if failure.code in PERMANENT_FAILURES:
        remedy = "Correct the URL, or add it all the same with --force."
        return NotFound(f"{url} cannot be polled as it is. {failure.sentence} {remedy}")
    return Found(url, failure=failure)


def _fetch(fetcher: DocumentFetcher, url: str, user_agent: str) -> Outcome:
    return unpacked(fetcher.fetch(FetchRequest(url, user_agent)), MAX_DOCUMENT_BYTES)


def _links_of(page: Fetched) -> Iterator[str]:
    """Yield the addresses of the feeds that a page links to, in the order to try them."""
    parser = _PageParser()
    with suppress(AssertionError, ValueError):  # html.parser raises these for some markup; the links before it count
        parser.feed(decode(page.body[:MAX_PAGE_BYTES], page.content_type))
    base = resolve(parser.base, page.final_url) if parser.base else page.final_url
    for link in sorted(parser.links, key=lambda link: link.rank):
        address = resolve(without_feed_scheme(link.href), base)
        if feed_url_problem(address) is None:
            yield address
