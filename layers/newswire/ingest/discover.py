"""Finding the feed of a page: a URL that a person gave comes in, the URL of a feed goes out."""

from __future__ import annotations

from html.parser import HTMLParser
from urllib.parse import urljoin

from newswire.app import DocumentFetcher
from newswire.errors import UsageError
from newswire.ingest.parse.sniff import sniff
from newswire.model import Fetched, FetchFailed, FetchRequest, Refusal

_TYPES = {"application/rss+xml", "application/atom+xml", "application/feed+json", "application/rdf+xml"}


class _Links(HTMLParser):
    """Collects the addresses of `<link rel="alternate">` elements that are feeds."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        said = {name: value or "" for name, value in attrs}
        is_feed = said.get("type", "").lower() in _TYPES
        if tag == "link" and "alternate" in said.get("rel", "").lower().split() and is_feed and said.get("href"):
            self.found.append(said["href"])


def feed_url_of(fetcher: DocumentFetcher, url: str, user_agent: str) -> tuple[str, str | None]:
    """Give the URL of the feed at an address, and a remark where it is not sure.

    A feed is given back as it is; of a page the first `<link rel="alternate">` counts; an address that can't be fetched
    now is taken as it is, with a remark. Raises `UsageError` for a page that names no feed.
    """
    outcome = fetcher.fetch(FetchRequest(url, user_agent))
    if isinstance(outcome, FetchFailed):
        return url, f"It could not be fetched just now ({outcome.sentence}) and will be tried again."
    if not isinstance(outcome, Fetched):
        return url, None
    sniffed = sniff(outcome.body, outcome.content_type)
    if not isinstance(sniffed, Refusal):
        return url, None
    links = _Links()
    links.feed(outcome.body[:500_000].decode("utf-8", "replace"))
    if not links.found:
        msg = f"{url} is no feed and names none: {sniffed.sentence}"
        raise UsageError(msg)
    found = urljoin(outcome.final_url, links.found[0])
    return found, f"{url} is a page; its feed is {found}."
