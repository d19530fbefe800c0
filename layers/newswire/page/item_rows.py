"""Items as rows of a list: what an engine found comes in, what a page says of each item goes out. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote, urlsplit
from zoneinfo import ZoneInfo

from markupsafe import Markup, escape
from msgspec import Struct

from newswire.clock import Instant
from newswire.model import FeedStatus, Item
from newswire.page.forms import query_of
from newswire.page.moments import Moment, published_moment

TEASER = 320
"""So many characters of a summary stand in the list of a search, cut at a word; the item's own page has it whole."""
LONG_TEASER = 800
"""So many on the page of a feed, which is read and not looked through: the longest of the first page had 544."""


class ItemRow(Struct, frozen=True):
    """An item in a list. Addresses begin at the page's own root; `source` is the publisher's, and only of http or https."""

    href: str
    title: Markup
    teaser: Markup
    published: Moment
    feed_href: str
    feed: str
    source: str
    source_name: str
    lang: str | None


def item_row(
    item: Item,
    highlights: Mapping[str, str],
    statuses: Mapping[str, FeedStatus],
    zone: ZoneInfo,
    now: Instant,
    tail: str = "",
    most: int = TEASER,
) -> ItemRow:
    """Say what a list says of an item; `highlights` are escaped, with marks.

    `tail` ends the addresses of its page and its feed's, so that they show times in the same zone.
    """
    source = web_address(item.link)
    teaser = highlights.get("summary") or highlights.get("content")
    return ItemRow(
        href=item_href(item.id) + tail,
        title=Markup(highlights["title"]) if "title" in highlights else escape(title_of(item)),  # noqa: S704 - escaped by Highlighter
        teaser=Markup(teaser) if teaser else escape(shortened(item.summary or item.content, most)),  # noqa: S704 - escaped by Highlighter
        published=published_moment(item, zone, now),
        feed_href=feed_href(item.feed) + tail,
        feed=feed_title(item.feed, statuses),
        source=source,
        source_name=host_of(source),
        lang=item.lang,
    )


def title_of(item: Item) -> str:
    """Give what an item is called: its title, or how its text begins."""
    return item.title or shortened(item.summary or item.content, 80) or "An item without title and text"


def shortened(text: str, most: int = TEASER) -> str:
    """Cut a text at a word, with an ellipsis."""
    if len(text) <= most:
        return text
    cut = text[: most - 1]
    return f"{cut[: cut.rindex(' ')] if ' ' in cut[most // 2 :] else cut}…"


def item_href(item_id: str) -> str:
    """Give the address of an item's page, from the root."""
    return f"items/{quote(item_id, safe='')}"


def in_zone(zone: ZoneInfo) -> str:
    """Give the query that keeps a time zone from page to page."""
    return query_of(zone_parameter(zone))


def zone_parameter(zone: ZoneInfo) -> dict[str, str]:
    """Give the parameter that keeps a time zone from page to page; none for UTC, which is meant without."""
    return {} if zone.key == "UTC" else {"tz": zone.key}


def feed_href(feed: str) -> str:
    """Give the address of a feed's page, from the root."""
    return f"feeds/{quote(feed, safe='')}"


def feed_title(feed: str, statuses: Mapping[str, FeedStatus]) -> str:
    """Give what a feed is called; its id where it has no title."""
    status = statuses.get(feed)
    return (status.title if status else "") or feed


def web_address(link: str) -> str:
    """Give an address that a page may lead to: only http and https; empty for any other."""
    try:
        return link if urlsplit(link).scheme.lower() in {"http", "https"} else ""
    except ValueError:
        return ""


def host_of(link: str) -> str:
    """Give the name of the host in an address, as a reader knows it."""
    try:
        return (urlsplit(link).hostname or "").removeprefix("www.")
    except ValueError:
        return ""
