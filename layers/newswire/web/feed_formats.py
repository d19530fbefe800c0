"""An answer as a feed or a table: items come in, RSS 2.0, Atom 1.0, JSON Feed 1.1, CSV or lines of JSON go out. Pure.

A feed names itself and its next page, and its items by ids that stay. Text is plain text: where a format takes markup (RSS),
it is escaped twice, so that what was `<b>` in a title is read as four characters and not as bold. newswire reads its own
feeds back with the same text and the same instants.
"""

from __future__ import annotations

import csv
import html
import io
import re
from collections.abc import Iterable, Mapping
from urllib.parse import quote

import msgspec
from msgspec import UNSET, Struct, UnsetType

from newswire.clock import Instant, to_datetime, to_rfc3339
from newswire.model import Item
from newswire.search.parameters import Format

CONTENT_TYPES: Mapping[str, str] = {
    "rss": "application/rss+xml; charset=utf-8",
    "atom": "application/atom+xml; charset=utf-8",
    "jsonfeed": "application/feed+json; charset=utf-8",
    "csv": "text/csv; charset=utf-8; header=present",
    "ndjson": "application/x-ndjson; charset=utf-8",
}
"""RFC 4287 section 7, RFC 4180 section 3 with RFC 7111; the others are what the formats say of themselves."""

_ITEM_URN = "urn:newswire:item:"
_XML_ESCAPES = {ord("&"): "&amp;", ord("<"): "&lt;", ord(">"): "&gt;", ord('"'): "&quot;"}
_ILLEGAL = dict.fromkeys((*range(9), 11, 12, *range(14, 32), 0xFFFE, 0xFFFF, *range(0xD800, 0xE000)))
"""What XML 1.0 (section 2.2) has no place for, not even escaped."""
_XML = {**_ILLEGAL, **_XML_ESCAPES}
_LANGUAGE = re.compile("[A-Za-z]{1,8}(?:-[A-Za-z0-9]{1,8})*")
_ODD = re.compile(r"""[\x00-\x20<>"{}|\\^`\x7f]|%(?![0-9A-Fa-f]{2})""")
_ODD_IN_PATH = re.compile(rf"{_ODD.pattern}|[\[\]]")
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_FORMULA = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")
_LINE_ENDS = {0x85: "\\u0085", 0x2028: "\\u2028", 0x2029: "\\u2029"}
_FIRST_OF_CELL = ("\t", "\r")


class FeedHead(Struct, frozen=True):
    """What a feed says of itself; addresses are absolute."""

    id: str
    """A URI that stays the same for the same search."""
    title: str
    description: str
    page: str
    """Where a person reads the same."""
    self: str
    first: str
    next: str | None = None
    updated: Instant = 0
    """When the newest change among its items was seen."""


# --- feeds ------------------------------------------------------------------------------------------------------------


def write_feed(form: Format, head: FeedHead, items: Iterable[Item]) -> str:
    """Write a feed of whole items as `rss`, `atom` or `jsonfeed`; `ValueError` for another format."""
    match form:
        case "rss":
            return _rss(head, items)
        case "atom":
            return _atom(head, items)
        case "jsonfeed":
            return _json_feed(head, items)
    msg = f"{form} is no format of feeds."
    raise ValueError(msg)


def _rss(head: FeedHead, items: Iterable[Item]) -> str:
    """Write RSS 2.0 (RSS Advisory Board, 2009) with atom:link, dc and content."""
    links = [f'<atom:link rel="self" type="application/rss+xml" href="{_xml(head.self)}"/>']
    if head.next is not None:
        links.append(f'<atom:link rel="next" type="application/rss+xml" href="{_xml(head.next)}"/>')
    parts = [
        '<?xml version="1.0" encoding="utf-8"?>\n<rss version="2.0" xmlns:atom="http://www.w3.org/2005/Atom"'
        ' xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:content="http://purl.org/rss/1.0/modules/content/"><channel>',
        f"<title>{_twice(head.title)}</title><link>{_xml(head.page)}</link>",
        f"<description>{_twice(head.description)}</description>{''.join(links)}",
        f"<lastBuildDate>{_rfc_822(head.updated)}</lastBuildDate><generator>newswire</generator>",
    ]
    parts += [_rss_item(item) for item in items]
    return "\n".join([*parts, "</channel></rss>\n"])


def _rss_item(item: Item) -> str:
    lang, link = _lang(item), uri(item.link)
    parts = [f'<item{lang}><guid isPermaLink="false">{_ITEM_URN}{_xml(item.id)}</guid>']
    if item.title or not item.summary:  # one of the two is asked for
        parts.append(f"<title>{_twice(item.title)}</title>")
    if link:
        parts.append(f"<link>{_xml(link)}</link>")
    if item.summary:
        parts.append(f"<description>{_twice(item.summary)}</description>")
    if item.content:
        parts.append(f"<content:encoded>{_twice(item.content)}</content:encoded>")
    parts.append(f"<pubDate>{_rfc_822(item.published)}</pubDate>")
    parts.append(f"<dc:date>{to_rfc3339(item.published)}</dc:date>")  # it alone has milliseconds
    parts += [f"<dc:creator>{_twice(name)}</dc:creator>" for name in item.authors]
    parts += [f"<category>{_twice(name)}</category>" for name in item.categories]
    return "".join([*parts, "</item>"])


def _atom(head: FeedHead, items: Iterable[Item]) -> str:
    """Write Atom 1.0 (RFC 4287) with the links of a paged feed (RFC 5005, section 3)."""
    links = [("self", head.self), ("first", head.first), ("next", head.next)]
    parts = [
        '<?xml version="1.0" encoding="utf-8"?>\n<feed xmlns="http://www.w3.org/2005/Atom">',
        f"<id>{_xml(head.id)}</id><title>{_xml(head.title)}</title><subtitle>{_xml(head.description)}</subtitle>",
        f"<updated>{to_rfc3339(head.updated)}</updated><author><name>newswire</name></author>",
        f'<link rel="alternate" type="text/html" href="{_xml(head.page)}"/>',
        *(f'<link rel="{rel}" type="application/atom+xml" href="{_xml(href)}"/>' for rel, href in links if href),
        "<generator>newswire</generator>",
    ]
    parts += [_atom_entry(item) for item in items]
    return "\n".join([*parts, "</feed>\n"])


def _atom_entry(item: Item) -> str:
    lang, link = _lang(item), uri(item.link)
    updated = item.published if item.updated is None else item.updated
    parts = [f"<entry{lang}><id>{_ITEM_URN}{_xml(item.id)}</id><title>{_xml(item.title)}</title>"]
    if link:
        parts.append(f'<link rel="alternate" href="{_xml(link)}"/>')
    parts.append(f"<published>{to_rfc3339(item.published)}</published><updated>{to_rfc3339(updated)}</updated>")
    parts += [f"<author><name>{_xml(name)}</name></author>" for name in item.authors]
    parts += [f'<category term="{_xml(name)}"/>' for name in item.categories]
    if item.summary:
        parts.append(f"<summary>{_xml(item.summary)}</summary>")
    if item.content or not link:  # an entry without a link must have content (RFC 4287, section 4.1.2)
        parts.append(f"<content>{_xml(item.content)}</content>")
    return "".join([*parts, "</entry>"])


class _Author(Struct):
    name: str


class _JsonItem(Struct, omit_defaults=True):
    id: str
    content_text: str
    url: str | UnsetType = UNSET
    title: str | UnsetType = UNSET
    summary: str | UnsetType = UNSET
    date_published: str | UnsetType = UNSET
    date_modified: str | UnsetType = UNSET
    authors: tuple[_Author, ...] = ()
    tags: tuple[str, ...] = ()
    language: str | UnsetType = UNSET


class _JsonFeed(Struct, omit_defaults=True):
    version: str
    title: str
    description: str
    home_page_url: str
    feed_url: str
    items: list[_JsonItem]
    next_url: str | UnsetType = UNSET


def _json_feed(head: FeedHead, items: Iterable[Item]) -> str:
    """Write JSON Feed 1.1; a summary stands as the content where there is no other, since each item must have content."""
    feed = _JsonFeed(
        version="https://jsonfeed.org/version/1.1",
        title=head.title,
        description=head.description,
        home_page_url=head.page,
        feed_url=head.self,
        items=[_json_item(item) for item in items],
        next_url=head.next or UNSET,
    )
    return msgspec.json.encode(feed).decode()


def _json_item(item: Item) -> _JsonItem:
    return _JsonItem(
        id=_ITEM_URN + item.id,
        content_text=item.content or item.summary,
        url=uri(item.link) or UNSET,
        title=item.title or UNSET,
        summary=item.summary if item.content and item.summary else UNSET,
        date_published=to_rfc3339(item.published),
        date_modified=UNSET if item.updated is None else to_rfc3339(item.updated),
        authors=tuple(map(_Author, item.authors)),
        tags=item.categories,
        language=item.lang if item.lang and is_language(item.lang) else UNSET,
    )


def _lang(item: Item) -> str:
    return f' xml:lang="{item.lang}"' if item.lang and is_language(item.lang) else ""


def is_language(tag: str) -> bool:
    """Say whether this has the form of a language tag (RFC 5646)."""
    return _LANGUAGE.fullmatch(tag) is not None


def uri(link: str) -> str:
    """Write a link as RFC 3986 (section 2) has it: what it has no place for percent-encoded; empty if not of http or https."""
    scheme, colon, rest = link.partition("://")
    if not colon or scheme.lower() not in {"http", "https"}:
        return ""
    authority, slash, path = rest.partition("/")
    return f"{scheme}://{_ODD.sub(_encoded, authority)}{slash}{_ODD_IN_PATH.sub(_encoded, path)}"


def _encoded(match: re.Match[str]) -> str:
    return quote(match.group(), safe="")


def _xml(text: str) -> str:
    return text.translate(_XML)


def _twice(text: str) -> str:
    """Escape plain text as the markup that RSS takes it for, and that as XML."""
    return _xml(html.escape(text, quote=False))


def _rfc_822(instant: Instant) -> str:
    """Write an instant as RSS has it, in English whatever the locale is."""
    at = to_datetime(instant)
    return f"{_DAYS[at.weekday()]}, {at.day:02d} {_MONTHS[at.month - 1]} {at.year:04d} {at:%H:%M:%S} GMT"


http_date = _rfc_822
"""An instant as HTTP has it (RFC 9110, section 5.6.7): the same form."""


# --- tables -----------------------------------------------------------------------------------------------------------


def write_csv(columns: Iterable[str], rows: Iterable[Mapping[str, object]]) -> str:
    """Write a table with a head as RFC 4180 has it; lists in a cell are joined with `; `.

    A cell of text that a spreadsheet would take for a formula gets `'` before it.
    """
    names = tuple(columns)
    file = io.StringIO()
    writer = csv.writer(file)
    writer.writerow(names)
    for row in rows:
        writer.writerow([_cell(row.get(name)) for name in names])
    return file.getvalue()


def _cell(value: object) -> object:
    if value is None:
        return ""
    if isinstance(value, list | tuple):
        value = "; ".join(map(str, value))
    elif isinstance(value, dict):
        value = "; ".join(f"{name}: {text}" for name, text in value.items())
    if isinstance(value, str) and (value.startswith(_FIRST_OF_CELL) or value.lstrip().startswith(_FORMULA)):
        return f"'{value}"
    return value


def write_lines(items: Iterable[object]) -> str:
    """Write one JSON object a line; what only some programs take for the end of a line is written as an escape."""
    encode = msgspec.json.Encoder().encode
    return "".join(f"{encode(item).decode().translate(_LINE_ENDS)}\n" for item in items)
