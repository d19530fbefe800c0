"""The formats of a search besides JSON: write RSS 2.0, Atom 1.0, JSON Feed 1.1, CSV and JSON lines. Pure.

A feed links to itself and to its next page, and identifies its items by stable ids. Item texts are plain text. RSS reads
them as markup, so they are escaped twice there: a `<b>` in a title stays three characters and does not become bold.
newswire reads its own feeds back with the same texts and the same instants.
"""

from __future__ import annotations

import csv
import html
import io
import re
from collections.abc import Iterable, Mapping
from email.utils import format_datetime
from urllib.parse import quote

import msgspec
from msgspec import UNSET, Struct, UnsetType

from newswire.clock import Instant, to_datetime, to_rfc3339
from newswire.model import Enclosure, Item
from newswire.search.parameters import Format

CONTENT_TYPES: Mapping[str, str] = {
    "rss": "application/rss+xml; charset=utf-8",
    "atom": "application/atom+xml; charset=utf-8",
    "jsonfeed": "application/feed+json; charset=utf-8",
    "csv": "text/csv; charset=utf-8; header=present",
    "ndjson": "application/x-ndjson; charset=utf-8",
}
"""From RFC 4287 (section 7), RFC 4180 (section 3) with RFC 7111, and the specifications of the other formats."""

_ITEM_URN_PREFIX = "urn:newswire:item:"
_XML_ESCAPES = {ord("&"): "&amp;", ord("<"): "&lt;", ord(">"): "&gt;", ord('"'): "&quot;"}
_ILLEGAL_IN_XML = dict.fromkeys((*range(9), 11, 12, *range(14, 32), 0xFFFE, 0xFFFF, *range(0xD800, 0xE000)))
"""Characters that XML 1.0 (section 2.2) does not allow, not even escaped; they are dropped."""
_XML_TABLE = {**_ILLEGAL_IN_XML, **_XML_ESCAPES}
_MEDIA_TYPE = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]{0,60}/[a-z0-9][a-z0-9!#$&^_.+-]{0,60}", re.IGNORECASE)
_KINDS = {"image": "image/jpeg", "audio": "audio/mpeg", "video": "video/mp4"}
"""The usual media type of what Media RSS calls a medium."""
_LANGUAGE_TAG = re.compile("[A-Za-z]{1,8}(?:-[A-Za-z0-9]{1,8})*")
_NOT_IN_URI = re.compile(r"""[\x00-\x20<>"{}|\\^`\x7f]|%(?![0-9A-Fa-f]{2})""")
_NOT_IN_PATH = re.compile(rf"{_NOT_IN_URI.pattern}|[\[\]]")
_FORMULA_STARTS = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")
_FORMULA_SIGNS = "=+\\-@\uff1d\uff0b\uff0d\uff20"
# The start of a formula after a separator of some spreadsheet. The limit of 50 keeps the time linear.
_FORMULA = re.compile(rf"(?<=[;\t])(?=[^\S\t]{{0,50}}[\"']?[{_FORMULA_SIGNS}])")
_CONTROL_STARTS = ("\t", "\r")
_LINE_END_ESCAPES = {0x85: "\\u0085", 0x2028: "\\u2028", 0x2029: "\\u2029"}
"""Unicode line ends, which some programs take for the end of a JSON line."""


class FeedHead(Struct, frozen=True):
    """The metadata of a feed; its URLs are absolute."""

    id: str
    """A URI that stays the same for the same search."""
    title: str
    description: str
    page: str
    """The URL of the same search for people."""
    self: str
    first: str
    next: str | None = None
    updated: Instant = 0
    """The newest `changed` of its items."""


# --- feeds ------------------------------------------------------------------------------------------------------------


def write_feed(form: Format, head: FeedHead, items: Iterable[Item]) -> str:
    """Write items with their content as `rss`, `atom` or `jsonfeed`; raise `ValueError` for another format."""
    match form:
        case "rss":
            return _write_rss(head, items)
        case "atom":
            return _write_atom(head, items)
        case "jsonfeed":
            return _write_json_feed(head, items)
    msg = f"form must be rss, atom or jsonfeed, got {form}."
    raise ValueError(msg)


def _write_rss(head: FeedHead, items: Iterable[Item]) -> str:
    """Write RSS 2.0 (RSS Advisory Board, 2009) with the modules atom:link, dc, content and media."""
    links = [f'<atom:link rel="self" type="application/rss+xml" href="{_escape_xml(head.self)}"/>']
    if head.next is not None:
        links.append(f'<atom:link rel="next" type="application/rss+xml" href="{_escape_xml(head.next)}"/>')
    parts = [
        '<?xml version="1.0" encoding="utf-8"?>\n<rss version="2.0" xmlns:atom="http://www.w3.org/2005/Atom"'
        ' xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:content="http://purl.org/rss/1.0/modules/content/"'
        ' xmlns:media="http://search.yahoo.com/mrss/"><channel>',
        f"<title>{_escape_twice(head.title)}</title><link>{_escape_xml(head.page)}</link>",
        f"<description>{_escape_twice(head.description)}</description>{''.join(links)}",
        f"<lastBuildDate>{http_date(head.updated)}</lastBuildDate><generator>newswire</generator>",
    ]
    parts += [_write_rss_item(item) for item in items]
    return "\n".join([*parts, "</channel></rss>\n"])


def _write_rss_item(item: Item) -> str:
    lang, link = _lang_attribute(item), _to_uri(item.link)
    parts = [f'<item{lang}><guid isPermaLink="false">{_ITEM_URN_PREFIX}{_escape_xml(item.id)}</guid>']
    if item.title or not item.summary:  # RSS 2.0 requires one of the two
        parts.append(f"<title>{_escape_twice(item.title)}</title>")
    if link:
        parts.append(f"<link>{_escape_xml(link)}</link>")
    if item.summary:
        parts.append(f"<description>{_escape_twice(item.summary)}</description>")
    if item.content:
        parts.append(f"<content:encoded>{_escape_twice(item.content)}</content:encoded>")
    parts.append(f"<pubDate>{http_date(item.published)}</pubDate>")
    parts.append(f"<dc:date>{to_rfc3339(item.published)}</dc:date>")  # only this date has milliseconds
    parts += [f"<dc:creator>{_escape_twice(name)}</dc:creator>" for name in item.authors]
    parts += [f"<category>{_escape_twice(name)}</category>" for name in item.categories]
    parts += [_write_rss_enclosure(enclosure) for enclosure in item.enclosures]
    if image := _to_uri(item.image):
        parts.append(f'<media:thumbnail url="{_escape_xml(image)}"/>')
    return "".join([*parts, "</item>"])


def _write_rss_enclosure(enclosure: Enclosure) -> str:
    """Write an enclosure; RSS 2.0 requires a length, which is 0 if it is unknown, and a media type."""
    url, kind = _escape_xml(_to_uri(enclosure.url)), _escape_xml(media_type_of(enclosure))
    return f'<enclosure url="{url}" length="{enclosure.length or 0}" type="{kind}"/>'


def media_type_of(enclosure: Enclosure) -> str:
    """Return the media type of an enclosure; a feed may only say its kind, as in `image`, or nothing."""
    if _MEDIA_TYPE.fullmatch(enclosure.type):
        return enclosure.type
    return _KINDS.get(enclosure.type.lower(), "application/octet-stream")


def _write_atom(head: FeedHead, items: Iterable[Item]) -> str:
    """Write Atom 1.0 (RFC 4287) with the links of a paged feed (RFC 5005, section 3)."""
    links = [("self", head.self), ("first", head.first), ("next", head.next)]
    parts = [
        '<?xml version="1.0" encoding="utf-8"?>\n<feed xmlns="http://www.w3.org/2005/Atom">',
        f"<id>{_escape_xml(head.id)}</id><title>{_escape_xml(head.title)}</title><subtitle>{_escape_xml(head.description)}</subtitle>",
        f"<updated>{to_rfc3339(head.updated)}</updated><author><name>newswire</name></author>",
        f'<link rel="alternate" type="text/html" href="{_escape_xml(head.page)}"/>',
        *(f'<link rel="{rel}" type="application/atom+xml" href="{_escape_xml(href)}"/>' for rel, href in links if href),
        "<generator>newswire</generator>",
    ]
    parts += [_write_atom_entry(item) for item in items]
    return "\n".join([*parts, "</feed>\n"])


def _write_atom_entry(item: Item) -> str:
    lang, link = _lang_attribute(item), _to_uri(item.link)
    updated = item.published if item.updated is None else item.updated
    parts = [f"<entry{lang}><id>{_ITEM_URN_PREFIX}{_escape_xml(item.id)}</id><title>{_escape_xml(item.title)}</title>"]
    if link:
        parts.append(f'<link rel="alternate" href="{_escape_xml(link)}"/>')
    parts.append(f"<published>{to_rfc3339(item.published)}</published><updated>{to_rfc3339(updated)}</updated>")
    # Without an author, an entry would have that of its feed (RFC 4287, section 4.2.1).
    parts += [f"<author><name>{_escape_xml(name)}</name></author>" for name in item.authors or ("",)]
    parts += [f'<category term="{_escape_xml(name)}"/>' for name in item.categories]
    for enclosure in item.enclosures:
        length = f' length="{enclosure.length}"' if enclosure.length else ""
        href, kind = _escape_xml(_to_uri(enclosure.url)), _escape_xml(media_type_of(enclosure))
        parts.append(f'<link rel="enclosure" type="{kind}" href="{href}"{length}/>')
    if item.summary:
        parts.append(f"<summary>{_escape_xml(item.summary)}</summary>")
    if item.content or not link:  # an entry without a link must have content (RFC 4287, section 4.1.2)
        parts.append(f"<content>{_escape_xml(item.content)}</content>")
    return "".join([*parts, "</entry>"])


class _Author(Struct):
    name: str


class _Attachment(Struct, omit_defaults=True):
    url: str
    mime_type: str
    size_in_bytes: int | None = None


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
    image: str | UnsetType = UNSET
    attachments: tuple[_Attachment, ...] = ()


class _JsonFeed(Struct, omit_defaults=True):
    version: str
    title: str
    description: str
    home_page_url: str
    feed_url: str
    items: list[_JsonItem]
    next_url: str | UnsetType = UNSET


def _write_json_feed(head: FeedHead, items: Iterable[Item]) -> str:
    """Write JSON Feed 1.1; the summary is also the content of an item without content, because content is required."""
    feed = _JsonFeed(
        version="https://jsonfeed.org/version/1.1",
        title=head.title,
        description=head.description,
        home_page_url=head.page,
        feed_url=head.self,
        items=[_to_json_item(item) for item in items],
        next_url=head.next or UNSET,
    )
    return msgspec.json.encode(feed).decode()


def _to_json_item(item: Item) -> _JsonItem:
    return _JsonItem(
        id=_ITEM_URN_PREFIX + item.id,
        content_text=item.content or item.summary,
        url=_to_uri(item.link) or UNSET,
        title=item.title or UNSET,
        summary=item.summary if item.content and item.summary else UNSET,
        date_published=to_rfc3339(item.published),
        date_modified=UNSET if item.updated is None else to_rfc3339(item.updated),
        authors=tuple(map(_Author, item.authors)),
        tags=item.categories,
        language=item.lang if item.lang and is_language(item.lang) else UNSET,
        image=_to_uri(item.image) or UNSET,
        attachments=tuple(
            _Attachment(_to_uri(enclosure.url), media_type_of(enclosure), enclosure.length)
            for enclosure in item.enclosures
        ),
    )


def _lang_attribute(item: Item) -> str:
    return f' xml:lang="{item.lang}"' if item.lang and is_language(item.lang) else ""


def is_language(tag: str) -> bool:
    """Return whether this has the form of a language tag (RFC 5646)."""
    return _LANGUAGE_TAG.fullmatch(tag) is not None


def _to_uri(link: str) -> str:
    """Return a link as a URI: percent-encode what RFC 3986 (section 2) does not allow. Return "" unless it is http(s)."""
    scheme, colon, after_scheme = link.partition("://")
    if not colon or scheme.lower() not in {"http", "https"}:
        return ""
    authority, slash, path = after_scheme.partition("/")
    return f"{scheme}://{_NOT_IN_URI.sub(_percent_encode, authority)}{slash}{_NOT_IN_PATH.sub(_percent_encode, path)}"


def _percent_encode(match: re.Match[str]) -> str:
    return quote(match.group(), safe="")


def _escape_xml(text: str) -> str:
    return text.translate(_XML_TABLE)


def _escape_twice(text: str) -> str:
    """Escape plain text as HTML, because RSS reads it as markup, and the result as XML."""
    return _escape_xml(html.escape(text, quote=False))


def http_date(instant: Instant) -> str:
    """Write an instant to the second in GMT, for HTTP (RFC 9110, section 5.6.7) and RSS (RFC 822), in English."""
    return format_datetime(to_datetime(instant), usegmt=True)


# --- tables -----------------------------------------------------------------------------------------------------------


def write_csv(columns: Iterable[str], rows: Iterable[Mapping[str, object]]) -> str:
    """Write CSV with a header line (RFC 4180); values of a list are joined with `; `, of enclosures their URLs.

    Text that a spreadsheet would run as a formula gets a `'` in front, also after a `;` or a tab within it: a spreadsheet
    of another language takes these for the separators.
    """
    names = tuple(columns)
    file = io.StringIO()
    writer = csv.writer(file)
    writer.writerow(names)
    for row in rows:
        writer.writerow([_csv_cell(row.get(name)) for name in names])
    return file.getvalue()


def _csv_cell(value: object) -> object:
    if value is None:
        return ""
    if isinstance(value, list | tuple):
        value = "; ".join(str(part["url"] if isinstance(part, dict) else part) for part in value)
    elif isinstance(value, dict):
        value = "; ".join(f"{name}: {text}" for name, text in value.items())
    if not isinstance(value, str):
        return value
    inert = _FORMULA.sub("'", value) if ";" in value or "\t" in value else value
    starts_a_formula = value.startswith(_CONTROL_STARTS) or value.lstrip().startswith(_FORMULA_STARTS)
    return f"'{inert}" if starts_a_formula else inert


def write_lines(items: Iterable[object]) -> str:
    """Write one JSON object per line; escape the line ends of Unicode."""
    encode = msgspec.json.Encoder().encode
    return "".join(f"{encode(item).decode().translate(_LINE_END_ESCAPES)}\n" for item in items)
