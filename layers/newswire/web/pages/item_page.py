"""The page of an item: the item comes in, and what its page says goes out. Pure."""

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
from newswire.urls import http_link, site_name
from newswire.web.pages.addresses import query_of, zone_parameter
from newswire.web.pages.formats import Formats, formats_of
from newswire.web.pages.item_rows import feed_href, feed_title, language_of, shortened, title_of
from newswire.web.pages.moments import Moment, local, moment, published_moment

_SOURCES = {
    "first_seen": "This is when newswire first saw it.",
    "updated": "The feed says only when it was updated; this is that date.",
}
_FLAGS: Mapping[DateFlag, str] = {
    "undated": "The feed gives no date.",
    "unreadable": "The feed's date can't be read.",
    "future": "The feed's date lay more than a day ahead when it was fetched.",
    "epoch": "The feed's date is the zero of a clock that was never set.",
    "midnight": "The time of day may be missing: it is midnight.",
}


LONGEST = 100_000
"""So many characters of a text are on its page, so that it stays one that a browser shows; JSON has it all."""
MOST_VALUES = 100
"""So many authors and categories, for the same reason."""


class Value(Struct, frozen=True):
    """A value that leads to all items that have it; nowhere where it has no letter to look for."""

    text: str
    href: str


class DateRow(Struct, frozen=True):
    """A date of an item, and where it comes from."""

    name: str
    at: Moment
    notes: tuple[str, ...] = ()


class ItemView(Struct, frozen=True):
    """The page of an item. Addresses begin at the page's own root, but for `source`, which is the publisher's."""

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
    same_day_href: str
    api_href: str
    formats: Formats
    """Of its feed."""


def item_view(item: Item, statuses: Mapping[str, FeedStatus], zone: ZoneInfo, now: Instant) -> ItemView:
    """Say what is known of an item."""
    published = published_moment(item, zone, now)
    day_zone = utc() if item.published_precision == "day" else zone
    day = local(item.published, day_zone).date().isoformat()
    tz = zone_parameter(zone)
    day_tz = zone_parameter(day_zone)
    return ItemView(
        id=item.id,
        title=title_of(item),
        summary="" if item.summary == title_of(item) else shortened(item.summary, LONGEST),
        content="" if item.content in {item.summary, title_of(item)} else shortened(item.content, LONGEST),
        lang=language_of(item),
        published=published,
        feed=feed_title(item.feed, statuses),
        feed_href=feed_href(item.feed) + query_of(tz),
        source=http_link(item.link),
        source_name=site_name(item.link),
        authors=_values("author", item.authors, tz),
        categories=_values("category", item.categories, tz),
        dates=tuple(_dates(item, published, zone, now)),
        same_day_href=query_of({"from": day, "to": day, **day_tz}),
        api_href=f"v1/items/{quote(item.id, safe='')}",
        formats=formats_of({"feed": included_list([item.feed])}, ""),
    )


def _values(field: str, values: tuple[str, ...], tz: Mapping[str, str]) -> tuple[Value, ...]:
    return tuple(
        Value(value, query_of({**tz, field: included_list([value])}) if analysis.fold_whole(value) else "")
        for value in values[:MOST_VALUES]
    )


def _dates(item: Item, published: Moment, zone: ZoneInfo, now: Instant) -> list[DateRow]:
    where = "" if item.published_source in _SOURCES else f" in {item.published_source}"
    said = f"The feed says “{item.published_raw}”{where}." if item.published_raw else ""
    notes = [said, *(_FLAGS[flag] for flag in item.date_flags), _SOURCES.get(item.published_source, "")]
    rows = [DateRow("Published", published, tuple(filter(None, notes)))]
    if item.updated is not None:
        rows.append(DateRow("Updated", moment(item.updated, zone, now), ("By its publisher, as the feed says.",)))
    rows.append(
        DateRow("First seen", moment(item.first_seen, zone, now), ("When newswire saw it for the first time.",))
    )
    if item.changed != item.first_seen:
        note = f"When newswire last saw it change; this is revision {item.revision}."
        rows.append(DateRow("Changed", moment(item.changed, zone, now), (note,)))
    return rows
