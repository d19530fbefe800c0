"""Find the feed of a URL that a person gave: the URL itself, or the feed that its web page links to."""

from __future__ import annotations

from contextlib import suppress
from html.parser import HTMLParser

from newswire.app import DocumentFetcher
from newswire.errors import UsageError
from newswire.ingest.decompress import unpacked
from newswire.ingest.parse.sniff import sniff
from newswire.model import Fetched, FetchFailed, FetchRequest, Refusal
from newswire.urls import feed_url_problem, resolve

_FEED_MEDIA_TYPES = {"application/rss+xml", "application/atom+xml", "application/feed+json", "application/rdf+xml"}
MAX_DOCUMENT_BYTES = 50_000_000
MAX_PAGE_BYTES = 500_000
"""Bytes of a page that are searched for links: the links to its feeds are in its head."""


class _FeedLinkParser(HTMLParser):
    """Collects the URLs of `<link rel="alternate">` elements with the media type of a feed."""

    def __init__(self) -> None:
        super().__init__()
        self.feed_links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = {name: value or "" for name, value in attrs}
        is_feed = attributes.get("type", "").lower() in _FEED_MEDIA_TYPES
        is_alternate = "alternate" in attributes.get("rel", "").lower().split()
        if tag == "link" and is_alternate and is_feed and attributes.get("href"):
            self.feed_links.append(attributes["href"])


def feed_url_of(fetcher: DocumentFetcher, url: str, user_agent: str) -> tuple[str, str | None]:
    """Return the URL of the feed at `url`, and a remark for the person if `url` is a page or could not be fetched.

    The URL of a feed is returned unchanged. In a page, the first `<link rel="alternate">` to a feed counts. Raises
    `UsageError` for a page without such a link.
    """
    outcome = unpacked(fetcher.fetch(FetchRequest(url, user_agent)), MAX_DOCUMENT_BYTES)
    if isinstance(outcome, FetchFailed):
        return url, f"The fetch failed and will be retried. {outcome.sentence}"
    if not isinstance(outcome, Fetched):
        return url, None
    sniffed = sniff(outcome.body, outcome.content_type)
    if not isinstance(sniffed, Refusal):
        return url, None
    parser = _FeedLinkParser()
    with suppress(AssertionError, ValueError):  # html.parser raises these for some markup; the links before it count
        parser.feed(outcome.body[:MAX_PAGE_BYTES].decode("utf-8", "replace"))
    links = (resolve(link, outcome.final_url) for link in parser.feed_links)
    feed_url = next((link for link in links if feed_url_problem(link) is None), None)
    if feed_url is None:
        msg = f"{url} is not a feed, and does not link to one. {sniffed.sentence}"
        raise UsageError(msg)
    return feed_url, f"{url} is a web page; its feed is {feed_url}."
