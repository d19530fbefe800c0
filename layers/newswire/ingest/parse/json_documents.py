"""Parse JSON Feed 1.x, and JSON listings whose rows a feed locates with JMESPath."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import lru_cache
from typing import Any

import jmespath
import msgspec

from newswire.ingest.parse.sniff import JSON_GUARD
from newswire.model import MAX_ENCLOSURES, Document, Enclosure, Entry, Listing, Markup, RawDate, Record, Refusal
from newswire.urls import resolve, resolve_text

MAX_FEED_AUTHORS = 10
"""Maximum authors of a feed that count for each of its items without authors."""
MAX_LENGTH = 1 << 53
"""A larger length of an attachment cannot be written as a number in JSON without loss."""
MAX_DEPTH = 100
"""Nesting up to which a truncated document is repaired; feeds are nested a few levels deep."""
MAX_DIGITS = 300
"""Digits of the largest double; a longer number is kept as its text."""
_TOKEN = re.compile(
    r'"[^"\\]*+(?:\\.[^"\\]*+)*+"?|-?[0-9][0-9.eE+-]*|,(?=\s*+[\]},])|\b(?:NaN|undefined)\b|-?\bInfinity\b', re.DOTALL
)
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_CONTROL = re.compile("[\x00-\x1f]")
_BEFORE_JSON = " \t\r\n\x00\ufeff"
_ESCAPE = re.compile(
    r"\\(?:(?P<pair>u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})|(?P<unit>u[0-9a-fA-F]{4})|.)", re.DOTALL
)


def parse_json(record: Record, max_entries: int) -> Document | Refusal:
    """Parse a JSON Feed, or a listing with the expressions of its feed; of a truncated document, return the complete rows."""
    text = record.body.decode("utf-8").lstrip(_BEFORE_JSON).removeprefix(JSON_GUARD.decode()).lstrip("," + _BEFORE_JSON)
    value, cut = _load(text)
    if isinstance(value, Refusal):
        return value
    if record.listing is not None and record.feed_kind in {"listing", "auto"}:
        return _read_listing(value, record, record.listing, max_entries, cut=cut or record.truncated)
    if isinstance(value, dict) and (
        "jsonfeed.org" in str(value.get("version")) or isinstance(value.get("items"), list)
    ):
        return _read_json_feed(value, record, max_entries, cut=cut or record.truncated)
    return Refusal(
        "not_a_feed",
        "The document is JSON, but not a JSON Feed: to read it as a listing, set `listing` in feeds.toml (docs/feeds.md).",
    )


def _load(text: str) -> tuple[Any, bool]:
    """Return the value of a JSON text, and whether it was cut off; the value may be a `Refusal`."""
    try:
        return msgspec.json.decode(text), False
    except msgspec.MsgspecError:
        mended = _TOKEN.sub(_mend_token, text)
    try:
        return msgspec.json.decode(mended), False
    except msgspec.MsgspecError as error:
        repaired = _repair(mended)
        if repaired is not None:
            with suppress(msgspec.MsgspecError):
                return msgspec.json.decode(repaired), True
        return Refusal(
            "unreadable", f"The document begins like JSON, but is not valid JSON: {str(error)[:120]}."
        ), False


def _mend_token(match: re.Match[str]) -> str:
    """Return one token of a JSON text without what would cost the whole document.

    In strings: raw control characters, halves of surrogate pairs and unknown escapes. Outside: a comma before the end of
    an array or object, a number beyond the range of a double, which JSON allows (RFC 8259 section 6), and what is none.
    """
    text = match[0]
    if text.startswith('"'):
        text = _CONTROL.sub(_escape_control, text)
        return _ESCAPE.sub(_mend_escape, text) if "\\" in text else text
    if text == ",":
        return ""
    if text[-1] in "Nyd":
        return "null"
    try:
        is_large = len(text) > MAX_DIGITS or not math.isfinite(float(text)) or not _NUMBER.fullmatch(text)
    except ValueError:
        is_large = True
    return f'"{text}"' if is_large else text


def _escape_control(match: re.Match[str]) -> str:
    return f"\\u{ord(match[0]):04x}"


def _mend_escape(match: re.Match[str]) -> str:
    escape = match[0]
    if match["pair"] or (match["unit"] and escape[2].lower() != "d") or (match["unit"] and escape[3] in "01234567"):
        return escape
    if match["unit"]:
        return "\\ufffd"  # half of a pair
    return escape if escape[1:2] in '"\\/bfnrt' and len(escape) == 2 else f"\\{escape}"  # noqa: PLR2004


def _repair(text: str) -> str | None:  # noqa: C901, PLR0912 - one state machine, read from top to bottom
    """Cut a truncated JSON text after its last complete row, and close the arrays and objects that are open there.

    A row is an object in an array. A text with something behind its value is cut after the value. Returns None if the
    text has no complete row, or is nested deeper than `MAX_DEPTH`.
    """
    open_brackets: list[str] = []
    cut_at: tuple[int, tuple[str, ...]] | None = None
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
            open_brackets.append("}" if letter == "{" else "]")
            if len(open_brackets) > MAX_DEPTH:
                return None
        elif letter in "}]":
            if not open_brackets or open_brackets.pop() != letter:
                return None
            if not open_brackets:
                return text[: position + 1]  # something follows the value: a comment, a semicolon
            is_row = letter == "}" and open_brackets[-1:] == ["]"]
            if is_row and (cut_at is None or len(open_brackets) <= len(cut_at[1])):
                cut_at = position + 1, tuple(open_brackets)
    if not open_brackets or cut_at is None:
        return None
    return text[: cut_at[0]] + "".join(reversed(cut_at[1]))


def _read_json_feed(value: dict[str, Any], record: Record, max_entries: int, *, cut: bool) -> Document:
    base = record.final_url or record.url
    rows = value.get("items")
    rows = [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
    lang = _string(value.get("language")) or None
    return Document(
        kind="jsonfeed",
        title=_string(value.get("title")),
        description=_string(value.get("description")),
        link=resolve(_string(value.get("home_page_url")), base),
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
        link=resolve(_string(row.get("url")) or _string(row.get("external_url")), base),
        title=Markup(_string(row.get("title")), html=False),
        summary=Markup(summary, html=False),
        content=content,
        published=tuple(date for date in dates if date.raw),
        updated=RawDate("updated", modified) if modified else None,
        authors=_authors(row.get("authors") or row.get("author")) or _authors(feed_authors)[:MAX_FEED_AUTHORS],
        categories=tuple(_string(tag) for tag in _list(row.get("tags")) if _string(tag)),
        lang=_string(row.get("language")) or None,
        enclosures=tuple(_attachments(row.get("attachments"), base)),
        image=resolve(_string(row.get("image")) or _string(row.get("banner_image")), base),
    )


def _attachments(value: object, base: str) -> Iterator[Enclosure]:
    for part in _list(value)[:MAX_ENCLOSURES]:
        url = resolve(_string(part.get("url")), base) if isinstance(part, dict) else ""
        if url:
            size = part.get("size_in_bytes")
            length = size if isinstance(size, int) and not isinstance(size, bool) and 0 < size < MAX_LENGTH else None
            yield Enclosure(url, _string(part.get("mime_type")), length)


def _authors(value: object) -> tuple[str, ...]:
    people = [value] if isinstance(value, dict | str) else _list(value)
    names = (_string(person.get("name") if isinstance(person, dict) else person) for person in people)
    return tuple(name for name in names if name)


def _list(value: object) -> Sequence[Any]:
    return value if isinstance(value, list) else []


def _string(value: object) -> str:
    """Return a string without outer spaces, or a number as text (many ids are numbers); "" for any other type."""
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return str(value)
    return ""


@lru_cache(maxsize=256)
def _compile(expression: str) -> Callable[[Any], Any]:
    search: Callable[[Any], Any] = jmespath.compile(expression).search
    return search


def check_listing(listing: Listing) -> str | None:
    """Return a clause that names the first expression of a listing that is not valid JMESPath; None if all are."""
    for name in ("rows", "title", "link", "date", "summary", "guid"):
        expression = getattr(listing, name)
        if not expression:
            continue
        try:
            _compile(expression)
        except jmespath.exceptions.JMESPathError as error:
            return f"listing.{name} must be a JMESPath expression ({str(error).splitlines()[0]})"
    return None


def _read_listing(
    value: object, record: Record, listing: Listing, max_entries: int, *, cut: bool
) -> Document | Refusal:
    try:
        rows = _compile(listing.rows)(value)
    except jmespath.exceptions.JMESPathError as error:
        return Refusal("wrong_listing", f"listing.rows cannot be evaluated in this document: {str(error)[:120]}.")
    if not isinstance(rows, list):
        return Refusal(
            "wrong_listing", f"listing.rows must lead to a list in this document, got none at {listing.rows!r}."
        )
    rows = [row for row in rows if isinstance(row, dict)]
    base = listing.base or record.final_url or record.url
    return Document(
        kind="listing",
        entries=tuple(_listing_entry(row, listing, base) for row in rows[:max_entries]),
        cut=cut or len(rows) > max_entries,
    )


def _listing_entry(row: dict[str, Any], listing: Listing, base: str) -> Entry:
    def evaluate(expression: str) -> str:
        if not expression:
            return ""
        try:
            return _string(_compile(expression)(row))
        except jmespath.exceptions.JMESPathError:
            return ""

    date = evaluate(listing.date)
    return Entry(
        guid=evaluate(listing.guid),
        guid_is_link=True,
        link=resolve_text(evaluate(listing.link), base),
        title=Markup(evaluate(listing.title), html=True),
        summary=Markup(evaluate(listing.summary), html=True),
        published=(RawDate("pubDate", date),) if date else (),
    )
