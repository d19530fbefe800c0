"""Items as rows of a list: what an engine found comes in, what a page says of each item goes out. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote
from zoneinfo import ZoneInfo

from markupsafe import Markup, escape
from msgspec import Struct

from newswire.clock import Instant
from newswire.engines.query import DateField
from newswire.model import FeedStatus, Item
from newswire.urls import http_link, site_name
from newswire.web.feed_formats import is_language
from newswire.web.pages.moments import Moment, moment, published_moment

TITLE = 400
"""So many characters of a title are shown, anywhere."""
TEASER = 320
"""So many characters of a summary stand in the list of a search, cut at a word; the item's own page has it whole."""
LONG_TEASER = 800
"""So many on the page of a feed, which is read and not looked through: the longest of the first page had 544."""
_ALSO: Mapping[DateField, str] = {"updated": "updated", "changed": "changed", "first_seen": "first seen"}


class ItemRow(Struct, frozen=True):
    """An item in a list. Addresses begin at the root of the pages; `source` is the publisher's, and only of http or https."""

    href: str
    title: Markup
    teaser: Markup
    """Empty where it says no more than the title."""
    published: Moment
    also: str
    """The date that the list is ordered by, where it is another."""
    feed_href: str
    feed: str
    source: str
    source_name: str
    lang: str


def item_row(
    item: Item,
    highlights: Mapping[str, str],
    statuses: Mapping[str, FeedStatus],
    zone: ZoneInfo,
    now: Instant,
    tail: str = "",
    date_field: DateField = "published",
    most: int = TEASER,
) -> ItemRow:
    """Say what a list says of an item; `highlights` are escaped, with marks.

    `tail` ends the addresses of its page and its feed's, so that they show times in the same zone.
    """
    source = http_link(item.link)
    title = title_of(item)
    marked_title = highlights.get("title") if title == item.title else None
    teaser = shortened(item.summary or item.content, most)
    marked = highlights.get("summary") or highlights.get("content")
    return ItemRow(
        href=item_href(item.id) + tail,
        title=Markup(marked_title) if marked_title else escape(title),  # noqa: S704 - see `Highlighter`
        teaser=Markup(marked) if marked else escape("" if teaser == title else teaser),  # noqa: S704 - as above
        published=published_moment(item, zone, now),
        also=_also(item, date_field, zone, now),
        feed_href=feed_href(item.feed) + tail,
        feed=feed_title(item.feed, statuses),
        source=source,
        source_name=site_name(source),
        lang=language_of(item),
    )


def _also(item: Item, date_field: DateField, zone: ZoneInfo, now: Instant) -> str:
    if date_field == "published":
        return ""
    instant: Instant | None = getattr(item, date_field)
    return "" if instant is None else f"{_ALSO[date_field]} {moment(instant, zone, now).text}"


def language_of(item: Item) -> str:
    """Give the language of an item for markup; empty where what its feed says is no language tag (RFC 5646)."""
    return item.lang if item.lang and is_language(item.lang) else ""


def title_of(item: Item) -> str:
    """Give what an item is called: its title, or how its text begins. Nothing that a feed says makes a page long."""
    return (
        shortened(item.title, TITLE) or shortened(item.summary or item.content, 80) or "An item without title and text"
    )


def shortened(text: str, most: int = TEASER) -> str:
    """Cut a text at a word, with an ellipsis."""
    if len(text) <= most:
        return text
    cut = text[: most - 1]
    return f"{cut[: cut.rindex(' ')] if ' ' in cut[most // 2 :] else cut}…"


def item_href(item_id: str) -> str:
    """Give the address of an item's page, from the root."""
    return f"items/{quote(item_id, safe='')}"


def feed_href(feed: str) -> str:
    """Give the address of a feed's page, from the root."""
    return f"feeds/{quote(feed, safe='')}"


def feed_title(feed: str, statuses: Mapping[str, FeedStatus]) -> str:
    """Give what a feed is called; its id where it has no title."""
    status = statuses.get(feed)
    return shortened((status.title if status else "") or feed, TITLE)
