"""The page of an item: the item comes in, and what its page says goes out. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote
from zoneinfo import ZoneInfo

from msgspec import Struct

from newswire.clock import Instant
from newswire.dates import utc
from newswire.model import DateFlag, FeedStatus, Item
from newswire.page.forms import query_of
from newswire.page.item_rows import feed_href, feed_title, host_of, title_of, web_address, zone_parameter
from newswire.page.moments import Moment, local, moment, published_moment
from newswire.page.search_page import Formats, formats_of
from newswire.parameters import written_list

_SOURCES = {
    "first_seen": "The feed gives no date that can be used: this is when newswire first saw the item.",
    "updated": "The feed says only when it was updated; this is that date.",
}
_FLAGS: Mapping[DateFlag, str] = {
    "undated": "The feed gives no date.",
    "unreadable": "The feed's date can't be read.",
    "future": "The feed's date lay more than a day ahead when it was fetched.",
    "epoch": "The feed's date is the zero of a clock that was never set.",
    "midnight": "The time of day may be missing: it is midnight.",
}


class Value(Struct, frozen=True):
    """A value that leads to all items that have it."""

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
    lang: str | None
    published: Moment
    feed: str
    feed_href: str
    source: str
    source_name: str
    authors: tuple[Value, ...]
    categories: tuple[Value, ...]
    dates: tuple[DateRow, ...]
    revision: int
    same_day_href: str
    api_href: str
    formats: Formats
    """Of its feed."""


def item_view(item: Item, status: FeedStatus | None, zone: ZoneInfo, now: Instant) -> ItemView:
    """Say what is known of an item."""
    statuses = {} if status is None else {item.feed: status}
    published = published_moment(item, zone, now)
    day_zone = utc() if item.published_precision == "day" else zone
    day = local(item.published, day_zone).date().isoformat()
    tz = zone_parameter(zone)
    return ItemView(
        id=item.id,
        title=title_of(item),
        summary=item.summary,
        content=item.content,
        lang=item.lang,
        published=published,
        feed=feed_title(item.feed, statuses),
        feed_href=feed_href(item.feed) + query_of(tz),
        source=web_address(item.link),
        source_name=host_of(item.link),
        authors=_values("author", item.authors, tz),
        categories=_values("category", item.categories, tz),
        dates=tuple(_dates(item, published, zone, now)),
        revision=item.revision,
        same_day_href=query_of({"from": day, "to": day, **tz}),
        api_href=f"v1/items/{quote(item.id, safe='')}",
        formats=formats_of({"feed": written_list([item.feed])}, ""),
    )


def _values(field: str, values: tuple[str, ...], tz: Mapping[str, str]) -> tuple[Value, ...]:
    return tuple(Value(value, query_of({**tz, field: written_list([value])})) for value in values)


def _dates(item: Item, published: Moment, zone: ZoneInfo, now: Instant) -> list[DateRow]:
    where = "" if item.published_source in _SOURCES else f" in {item.published_source}"
    said = f"The feed says “{item.published_raw}”{where}." if item.published_raw else ""
    notes = [_SOURCES.get(item.published_source, ""), said, *(_FLAGS[flag] for flag in item.date_flags)]
    rows = [DateRow("Published", published, tuple(filter(None, notes)))]
    if item.updated is not None:
        rows.append(DateRow("Updated", moment(item.updated, zone, now), ("By its publisher, as the feed says.",)))
    rows.append(
        DateRow("First seen", moment(item.first_seen, zone, now), ("When newswire fetched it for the first time.",))
    )
    if item.changed != item.first_seen:
        note = f"When newswire last saw it change; this is revision {item.revision}."
        rows.append(DateRow("Changed", moment(item.changed, zone, now), (note,)))
    return rows
