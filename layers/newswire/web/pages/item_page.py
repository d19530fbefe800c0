"""The view of an item page: the item, its dates and where they come from. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote
from zoneinfo import ZoneInfo

from msgspec import Struct

from newswire import analysis
from newswire.clock import Instant
from newswire.model import DateFlag, FeedStatus, Item
from newswire.search.dates import utc
from newswire.search.parameter_reader import included_list
from newswire.urls import http_link, path_of, site_name
from newswire.web.pages.addresses import query_of, zone_parameter
from newswire.web.pages.formats import Formats, formats_of
from newswire.web.pages.item_rows import feed_href, feed_title, language_of, shorten_text, title_of
from newswire.web.pages.moments import Moment, local, moment, published_moment

_SOURCE_NOTES = {
    "first_seen": "This is when newswire first saw it.",
    "updated": "The feed has only an update date; this is that date.",
}
_FLAG_NOTES: Mapping[DateFlag, str] = {
    "undated": "The feed has no date for it.",
    "unreadable": "The date in the feed cannot be read.",
    "future": "The date in the feed was more than a day in the future when it was fetched.",
    "epoch": "The date in the feed is that of a clock that was never set.",
    "midnight": "The time is midnight, so the time of day may be missing.",
}
MAX_TEXT_CHARACTERS = 100_000
"""Maximum characters of a text on its page, so that a browser can show the page; the JSON has the whole text."""
MAX_VALUES = 100
"""Maximum authors, and maximum categories, for the same reason."""


class Value(Struct, frozen=True):
    """An author or category, with a link to all items that have it; `href` is "" if no query can match it."""

    text: str
    href: str


class DateRow(Struct, frozen=True):
    """A date of an item, with notes on its source."""

    name: str
    at: Moment
    notes: tuple[str, ...] = ()


class ItemView(Struct, frozen=True):
    """The view of an item page. URLs are relative to the root of the pages, except `source`, the publisher's."""

    id: str
    title: str
    summary: str
    content: str
    lang: str
    published: Moment
    feed: str
    feed_href: str
    source: str
    source_name: str
    authors: tuple[Value, ...]
    categories: tuple[Value, ...]
    dates: tuple[DateRow, ...]
    files: tuple[Value, ...]
    """Its picture and its enclosures."""
    cut: str
    """The names of the fields that are longer in the feed than newswire keeps; empty for none."""
    same_day_href: str
    api_href: str
    formats: Formats
    """The formats of its feed."""


def item_view(item: Item, statuses: Mapping[str, FeedStatus], zone: ZoneInfo, now: Instant) -> ItemView:
    """Return the view of an item, with times in `zone` and ages at `now`."""
    published = published_moment(item, zone, now)
    day_zone = utc() if item.published_precision == "day" else zone
    day = local(item.published, day_zone).date().isoformat()
    tz = zone_parameter(zone)
    day_tz = zone_parameter(day_zone)
    return ItemView(
        id=item.id,
        title=title_of(item),
        summary=""
        if item.summary in {title_of(item), " ".join(item.content.split())}
        else shorten_text(item.summary, MAX_TEXT_CHARACTERS),
        content="" if item.content == title_of(item) else shorten_text(item.content, MAX_TEXT_CHARACTERS),
        lang=language_of(item),
        published=published,
        feed=feed_title(item.feed, statuses),
        feed_href=feed_href(item.feed) + query_of(tz),
        source=http_link(item.link),
        source_name=site_name(item.link),
        authors=_value_links("author", item.authors, tz),
        categories=_value_links("category", item.categories, tz),
        dates=tuple(_date_rows(item, published, zone, now)),
        files=_files_of(item),
        cut=", ".join(item.cut),
        same_day_href=query_of({"from": day, "to": day, **day_tz}),
        api_href=f"v1/items/{quote(item.id, safe='')}",
        formats=formats_of({"feed": included_list([item.feed])}, ""),
    )


def _value_links(field: str, values: tuple[str, ...], tz: Mapping[str, str]) -> tuple[Value, ...]:
    return tuple(
        Value(value, query_of({**tz, field: included_list([value])}) if analysis.fold_whole(value) else "")
        for value in values[:MAX_VALUES]
    )


def _files_of(item: Item) -> tuple[Value, ...]:
    """Return links to the picture and the enclosures of an item; a page loads none of them by itself."""
    urls = [item.image, *(enclosure.url for enclosure in item.enclosures)]
    links = filter(None, map(http_link, dict.fromkeys(urls)))
    return tuple(Value(path_of(url).rpartition("/")[2] or site_name(url), url) for url in links)


def _date_rows(item: Item, published: Moment, zone: ZoneInfo, now: Instant) -> list[DateRow]:
    where = "" if item.published_source in _SOURCE_NOTES else f" in {item.published_source}"
    feed_date = f"The feed says “{item.published_raw}”{where}." if item.published_raw else ""
    notes = [feed_date, *(_FLAG_NOTES[flag] for flag in item.date_flags), _SOURCE_NOTES.get(item.published_source, "")]
    rows = [DateRow("Published", published, tuple(filter(None, notes)))]
    if item.updated is not None:
        rows.append(DateRow("Updated", moment(item.updated, zone, now), ("By the publisher, according to the feed.",)))
    rows.append(
        DateRow("First seen", moment(item.first_seen, zone, now), ("When newswire saw it for the first time.",))
    )
    if item.changed != item.first_seen:
        note = f"When newswire last saw it change; this is revision {item.revision}."
        rows.append(DateRow("Changed", moment(item.changed, zone, now), (note,)))
    return rows
