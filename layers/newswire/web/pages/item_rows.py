"""Rows of an item list: titles, teasers, dates and links of items as a page shows them. Pure."""

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

MAX_TITLE_CHARACTERS = 400
"""Maximum characters of a title on any page, so that no feed can make a page long."""
MAX_TITLE_FROM_TEXT_CHARACTERS = 80
"""Maximum characters of a title that is the beginning of the text."""
MAX_TEASER_CHARACTERS = 320
"""Maximum characters of a summary in the results of a search; the item's own page has all of it."""
MAX_FEED_TEASER_CHARACTERS = 800
"""Maximum on a feed page, which is read and not skimmed; the longest summary of the first feed's page had 544."""
_DATE_LABELS: Mapping[DateField, str] = {"updated": "updated", "changed": "changed", "first_seen": "first seen"}


class ItemRow(Struct, frozen=True):
    """An item in a list. URLs are relative to the root of the pages, except `source`, the publisher's http(s) link."""

    href: str
    title: Markup
    teaser: Markup
    """Empty if it only repeats the title."""
    published: Moment
    other_date: str
    """The date by which the search orders, unless that is `published`."""
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
    most: int = MAX_TEASER_CHARACTERS,
) -> ItemRow:
    """Return the row of an item; `highlights` are escaped HTML with `<mark>` elements.

    `tail` is the query string that keeps the time zone; it is added to the links. `most` limits the teaser, in
    characters.
    """
    source = http_link(item.link)
    title = title_of(item)
    marked_title = highlights.get("title") if title == item.title else None
    teaser = shorten_text(item.summary or item.content, most)
    marked = highlights.get("summary") or highlights.get("content")
    return ItemRow(
        href=item_href(item.id) + tail,
        title=Markup(marked_title) if marked_title else escape(title),  # noqa: S704 - see `Highlighter`
        teaser=Markup(marked) if marked else escape("" if teaser == title else teaser),  # noqa: S704 - as above
        published=published_moment(item, zone, now),
        other_date=_other_date(item, date_field, zone, now),
        feed_href=feed_href(item.feed) + tail,
        feed=feed_title(item.feed, statuses),
        source=source,
        source_name=site_name(source),
        lang=language_of(item),
    )


def _other_date(item: Item, date_field: DateField, zone: ZoneInfo, now: Instant) -> str:
    if date_field == "published":
        return ""
    instant: Instant | None = getattr(item, date_field)
    return "" if instant is None else f"{_DATE_LABELS[date_field]} {moment(instant, zone, now).text}"


def language_of(item: Item) -> str:
    """Return the language of an item for a `lang` attribute; "" unless it is a language tag (RFC 5646)."""
    return item.lang if item.lang and is_language(item.lang) else ""


def title_of(item: Item) -> str:
    """Return the title of an item, or the beginning of its text, or a placeholder if it has neither."""
    return (
        shorten_text(item.title, MAX_TITLE_CHARACTERS)
        or shorten_text(item.summary or item.content, MAX_TITLE_FROM_TEXT_CHARACTERS)
        or "Item without title and text"
    )


def shorten_text(text: str, most: int = MAX_TEASER_CHARACTERS) -> str:
    """Return at most `most` characters of a text, cut at a word, with an ellipsis."""
    if len(text) <= most:
        return text
    cut = text[: most - 1]
    return f"{cut[: cut.rindex(' ')] if ' ' in cut[most // 2 :] else cut}…"


def item_href(item_id: str) -> str:
    """Return the URL of an item page, relative to the root."""
    return f"items/{quote(item_id, safe='')}"


def feed_href(feed: str) -> str:
    """Return the URL of a feed page, relative to the root."""
    return f"feeds/{quote(feed, safe='')}"


def feed_title(feed: str, statuses: Mapping[str, FeedStatus]) -> str:
    """Return the title of a feed, or its id if it has no title."""
    status = statuses.get(feed)
    return shorten_text((status.title if status else "") or feed, MAX_TITLE_CHARACTERS)
