"""JSON Feed 1.x, and JSON listings described by JMESPath: a record comes in, its entries go out."""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any
from urllib.parse import urljoin

import jmespath
import msgspec

from newswire.model import Document, Entry, Listing, Markup, RawDate, Record, Refusal

_DEEPEST = 100
_CHARSET = re.compile(r"charset\s*=\s*[\"']?([\w.:-]+)", re.IGNORECASE)


def parse_json(record: Record, max_entries: int) -> Document | Refusal:
    """Read a JSON Feed, or a listing by the feed's own expressions; a cut document gives the rows that are whole."""
    text = _decoded(record.body, record.content_type)
    value, cut = _loaded(text)
    if isinstance(value, Refusal):
        return value
    if record.listing is not None and record.feed_kind in {"listing", "auto"}:
        return _listing(value, record, record.listing, max_entries, cut=cut or record.truncated)
    if isinstance(value, dict) and (
        "jsonfeed.org" in str(value.get("version")) or isinstance(value.get("items"), list)
    ):
        return _json_feed(value, record, max_entries, cut=cut or record.truncated)
    return Refusal(
        "not_a_feed",
        "JSON came that is no JSON Feed; a listing needs `listing` expressions in feeds.toml (docs/feeds.md).",
    )


def _decoded(body: bytes, content_type: str) -> str:
    """Decode by a byte order mark, else as UTF-8 (RFC 8259 section 8.1), else by the charset that the server names."""
    if body.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return body.decode("utf-16", "replace")
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError:
        named = _CHARSET.search(content_type)
        try:
            return body.decode(named[1] if named else "utf-8", "replace")
        except LookupError:
            return body.decode("utf-8", "replace")


def _loaded(text: str) -> tuple[Any, bool]:
    """Load the text; where it ends in the middle, what was whole of it."""
    try:
        return msgspec.json.decode(text), False
    except msgspec.DecodeError as error:
        repaired = _closed(text)
        if repaired is not None:
            try:
                return msgspec.json.decode(repaired), True
            except msgspec.DecodeError:
                pass
        return Refusal(
            "unreadable", f"The document begins like JSON and can't be read as such: {str(error)[:120]}."
        ), False


def _closed(text: str) -> str | None:  # noqa: C901 - one state machine, read from top to bottom
    """Cut a JSON text after the last row that is whole, and close what is open there.

    A row is an object within an array; None where the text is not cut or no row is whole.
    """
    opened: list[str] = []
    kept: tuple[int, tuple[str, ...]] | None = None
    in_string = escaped = False
    for position, letter in enumerate(text):
        if in_string:
            if escaped:
                escaped = False
            elif letter == "\\":
                escaped = True
            elif letter == '"':
                in_string = False
        elif letter == '"':
            in_string = True
        elif letter in "{[":
            opened.append("}" if letter == "{" else "]")
            if len(opened) > _DEEPEST:
                return None
        elif letter in "}]":
            if not opened or opened.pop() != letter:
                return None
            if letter == "}" and opened and opened[-1] == "]" and (kept is None or len(opened) <= len(kept[1])):
                kept = position + 1, tuple(opened)
    if not opened or kept is None:
        return None
    return text[: kept[0]] + "".join(reversed(kept[1]))


def _json_feed(value: dict[str, Any], record: Record, max_entries: int, *, cut: bool) -> Document:
    base = record.final_url or record.url
    rows = value.get("items")
    rows = [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
    lang = _string(value.get("language")) or None
    return Document(
        kind="jsonfeed",
        title=_string(value.get("title")),
        description=_string(value.get("description")),
        link=_link(_string(value.get("home_page_url")), base),
        lang=lang,
        entries=tuple(
            _json_feed_entry(row, base, value.get("authors") or value.get("author")) for row in rows[:max_entries]
        ),
        cut=cut or len(rows) > max_entries,
    )


def _json_feed_entry(row: dict[str, Any], base: str, feed_authors: object) -> Entry:
    text = _string(row.get("content_text"))
    html = _string(row.get("content_html"))
    summary = _string(row.get("summary"))
    content = Markup(html, html=True) if html else Markup(text, html=False)
    modified = _string(row.get("date_modified"))
    dates = (RawDate("pubDate", _string(row.get("date_published"))), RawDate("updated", modified))
    return Entry(
        guid=_string(row.get("id")),
        guid_is_link=True,
        link=_link(_string(row.get("url")) or _string(row.get("external_url")), base),
        title=Markup(_string(row.get("title")), html=False),
        summary=Markup(summary, html=False) if summary else content,
        content=content if summary else Markup(),
        published=tuple(date for date in dates if date.raw),
        updated=RawDate("updated", modified) if modified else None,
        authors=_authors(row.get("authors") or row.get("author") or feed_authors),
        categories=tuple(_string(tag) for tag in _list(row.get("tags")) if _string(tag)),
        lang=_string(row.get("language")) or None,
    )


def _authors(value: object) -> tuple[str, ...]:
    people = [value] if isinstance(value, dict) else _list(value)
    return tuple(_string(one.get("name")) for one in people if isinstance(one, dict) and _string(one.get("name")))


def _list(value: object) -> Sequence[Any]:
    return value if isinstance(value, list) else []


def _string(value: object) -> str:
    """Give a string; numbers are written out (ids often are numbers), anything else is nothing."""
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return str(value)
    return ""


def _link(link: str, base: str) -> str:
    if not link:
        return ""
    try:
        return urljoin(base, link)
    except ValueError:
        return ""


@lru_cache(maxsize=256)
def _compiled(expression: str) -> Callable[[Any], Any]:
    search: Callable[[Any], Any] = jmespath.compile(expression).search
    return search


def check_listing(listing: Listing) -> str | None:
    """Say which expression of a listing is no JMESPath, or None."""
    for name in ("rows", "title", "link", "date", "summary", "guid"):
        expression = getattr(listing, name)
        if not expression:
            continue
        try:
            _compiled(expression)
        except jmespath.exceptions.JMESPathError as error:
            return f"listing.{name} is no JMESPath expression: {str(error).splitlines()[0]}"
    return None


def _listing(value: object, record: Record, listing: Listing, max_entries: int, *, cut: bool) -> Document | Refusal:
    try:
        rows = _compiled(listing.rows)(value)
    except jmespath.exceptions.JMESPathError as error:
        return Refusal("wrong_listing", f"listing.rows can't be worked out: {str(error)[:120]}.")
    if not isinstance(rows, list):
        return Refusal("wrong_listing", f"There are no rows at {listing.rows!r} in this document.")
    rows = [row for row in rows if isinstance(row, dict)]
    base = listing.base or record.final_url or record.url
    return Document(
        kind="listing",
        entries=tuple(_listing_entry(row, listing, base) for row in rows[:max_entries]),
        cut=cut or len(rows) > max_entries,
    )


def _listing_entry(row: dict[str, Any], listing: Listing, base: str) -> Entry:
    def said(expression: str) -> str:
        if not expression:
            return ""
        try:
            return _string(_compiled(expression)(row))
        except jmespath.exceptions.JMESPathError:
            return ""

    date = said(listing.date)
    return Entry(
        guid=said(listing.guid),
        guid_is_link=True,
        link=_link(said(listing.link), base),
        title=Markup(said(listing.title), html=True),
        summary=Markup(said(listing.summary), html=True),
        published=(RawDate("pubDate", date),) if date else (),
    )
