"""Parse RSS, Atom, RDF and CDF with feedparser.

feedparser only gets a stream: it may open bytes or text as a file name or a URL. Its own sanitising, half of its time, is
off; `item.py` strips markup.
"""

from __future__ import annotations

import io
import re
import warnings
from typing import Any

import feedparser

from newswire.ingest.parse.sniff import charset_of
from newswire.model import Document, Entry, Hints, Markup, RawDate, Record, Refusal
from newswire.urls import resolve

_ENTRY = rb"(?:[\w.-]+:)?(?:item|entry)"
_OPEN = re.compile(rb"<" + _ENTRY + rb"[\s>]", re.IGNORECASE)
_CLOSE = re.compile(rb"</" + _ENTRY + rb"\s*>|/>\s*$", re.IGNORECASE)
_ROOT_CLOSE = re.compile(rb"</(?:[\w.-]+:)?(?:rss|feed|rdf|channel)\s*>", re.IGNORECASE)
_HIDDEN = re.compile(rb"""ispermalink\s*=\s*["']\s*(?:false|no|0)\s*["']""")
_HOUR = re.compile(rb"(?<!\d)(\d{1,2})\s*</hour")
_DAY = re.compile(rb"(?<!\w)(\w{1,12})\s*</day")
MAX_TAG_BYTES = 1_000
"""Maximum bytes of a start tag that is searched for attributes."""
MAX_GUID_BYTES = 10_000
MAX_HINT_BYTES = 10_000
"""Maximum bytes of skipHours and skipDays: 24 hours take 500."""
_DAYS = (b"monday", b"tuesday", b"wednesday", b"thursday", b"friday", b"saturday", b"sunday")

# RSS 1.0 module Syndication, and other spellings that mediacloud's rss-fetcher found in feeds.
_PERIOD_SECONDS = {
    "minutely": 60,
    "hourly": 3_600,
    "hour": 3_600,
    "daily": 86_400,
    "day": 86_400,
    "weekly": 604_800,
    "week": 604_800,
    "monthly": 2_592_000,
    "month": 2_592_000,
    "yearly": 31_536_000,
    "year": 31_536_000,
}
MAX_TTL_SECONDS = 366 * 86_400
MAX_NUMBER_DIGITS = 9


def parse_syndication(record: Record, max_entries: int) -> Document | Refusal:
    """Parse RSS, Atom, RDF or CDF; of a truncated document, return the complete entries."""
    body, cut = _cut_open_entry(record.body)
    parsed = _run_feedparser(body, record)
    if isinstance(parsed, Refusal):
        return parsed
    version = str(parsed.get("version") or "")
    raw_entries = parsed.entries
    if not version and not raw_entries:
        error = parsed.get("bozo_exception")
        reason = f" ({type(error).__name__})" if error is not None else ""
        return Refusal("not_a_feed", f"The document looks like XML, but is not RSS, Atom, RDF or CDF{reason}.")
    channel = parsed.feed
    hidden_guids = _find_hidden_guids(record.body)
    is_atom = version.startswith("atom")
    # feedparser puts dc:date into `updated`.
    date_source = "dc:date" if not is_atom and b":date>" in record.body else "updated"
    base = record.final_url or record.url
    entries = tuple(
        _build_entry(raw, base, hidden_guids, date_source, is_atom=is_atom) for raw in raw_entries[:max_entries]
    )
    return Document(
        kind=version or "syndication",
        title=_text(channel, "title"),
        description=_text(channel, "subtitle"),
        link=resolve(_text(channel, "link"), base),
        lang=_text(channel, "language") or None,
        hints=_read_hints(channel, record.body),
        entries=entries,
        cut=cut or record.truncated or len(raw_entries) > max_entries,
    )


def _run_feedparser(body: bytes, record: Record) -> Any:  # noqa: ANN401 - feedparser has no types
    headers = {"content-type": "application/xml"}
    if charset := charset_of(record.content_type):
        headers["content-type"] = f"application/xml; charset={charset}"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # feedparser's warnings are about its API, not about the document
            return feedparser.parse(
                io.BytesIO(body), response_headers=headers, sanitize_html=False, resolve_relative_uris=False
            )
    except (RecursionError, MemoryError):
        raise
    except Exception as error:  # noqa: BLE001 - a hostile document may make the parser fail in any way
        return Refusal("unreadable", f"The document cannot be parsed ({type(error).__name__}).")


def _cut_open_entry(body: bytes) -> tuple[bytes, bool]:
    """Return a body without a last entry that is not closed, and whether the document is truncated."""
    if body[:2] in {b"\xff\xfe", b"\xfe\xff"}:  # the patterns do not match UTF-16
        return body, False
    last = None
    for last in _OPEN.finditer(body):  # noqa: B007 - only the last one counts
        pass
    start = last.start() if last else 0
    if _ROOT_CLOSE.search(body, start):
        return body, False
    if last is None or _CLOSE.search(body, start):
        return body, True
    return body[:start], True


def _find_hidden_guids(body: bytes) -> frozenset[str]:
    """Return the guids with `isPermaLink="false"`: feedparser loses the attribute if a link comes before the guid."""
    guids: set[str] = set()
    lower = body.lower()
    if b"ispermalink" not in lower:
        return frozenset()
    at = 0
    while (start := lower.find(b"<guid", at)) >= 0:
        tag_end = lower.find(b">", start, start + MAX_TAG_BYTES)
        at = start + 5 if tag_end < 0 else tag_end
        if tag_end < 0 or not _HIDDEN.search(lower, start, tag_end):
            continue
        end = lower.find(b"</guid", tag_end, tag_end + MAX_GUID_BYTES)
        if end >= 0:
            raw = body[tag_end + 1 : end].replace(b"<![CDATA[", b"").replace(b"]]>", b"").strip()
            guids.add(raw.decode("utf-8", "replace").replace("&amp;", "&"))
            at = end
    return frozenset(guids)


def _element_text(lower: bytes, name: bytes) -> bytes:
    """Return the inside of the first element of this name in a lower-cased document; empty if it is missing or long."""
    start = lower.find(b"<" + name)
    tag_end = lower.find(b">", start, start + MAX_TAG_BYTES) if start >= 0 else -1
    end = lower.find(b"</" + name, tag_end, tag_end + MAX_HINT_BYTES) if tag_end >= 0 else -1
    return lower[tag_end + 1 : end] if end >= 0 else b""


def _get(raw: Any, name: str) -> Any:  # noqa: ANN401 - feedparser has no types
    """Return the value of exactly this key: feedparser's own lookup returns `published` for a missing `updated`."""
    return dict.get(raw, name)


def _text(raw: Any, name: str) -> str:  # noqa: ANN401 - feedparser has no types
    value = _get(raw, name)
    return value.strip() if isinstance(value, str) else ""


def _markup(raw: Any, name: str, *, is_atom: bool) -> Markup:  # noqa: ANN401 - feedparser has no types
    text = _text(raw, name)
    detail = _get(raw, f"{name}_detail")
    is_plain = is_atom and isinstance(detail, dict) and dict.get(detail, "type") == "text/plain"
    return Markup(text, html=not is_plain)


def _content(raw: Any) -> Markup:  # noqa: ANN401 - feedparser has no types
    parts = _get(raw, "content")
    for part in parts if isinstance(parts, list) else []:
        kind = str(_get(part, "type") or "")
        if _get(part, "value") and (not kind or kind.startswith("text/") or "html" in kind):
            return Markup(str(_get(part, "value")).strip(), html=kind != "text/plain")
    return Markup()


def _build_entry(
    raw: Any,  # noqa: ANN401 - feedparser has no types
    base: str,
    hidden_guids: frozenset[str],
    date_source: str,
    *,
    is_atom: bool,
) -> Entry:
    guid = _text(raw, "id")
    updated = _text(raw, "updated")
    detail = _get(raw, "title_detail")
    candidates = [
        RawDate("pubDate", _text(raw, "published")),
        RawDate(date_source, updated),
        RawDate("pubDate", _text(raw, "created")),
    ]
    return Entry(
        guid=guid,
        guid_is_link=guid not in hidden_guids,
        link=resolve(_text(raw, "link") or _enclosure_url(raw), base),
        title=_markup(raw, "title", is_atom=is_atom),
        summary=_markup(raw, "summary", is_atom=is_atom),
        content=_content(raw),
        published=tuple(candidate for candidate in candidates if candidate.raw),
        updated=RawDate("updated", updated) if updated and date_source == "updated" else None,
        authors=tuple(_author_names(raw)),
        categories=tuple(
            str(label).strip() for tag in _get(raw, "tags") or [] if (label := _get(tag, "label") or _get(tag, "term"))
        ),
        lang=(dict.get(detail, "language") if isinstance(detail, dict) else None) or None,
    )


def _enclosure_url(raw: Any) -> str:  # noqa: ANN401 - feedparser has no types
    """Return the URL of the first enclosure, the link of a podcast episode without a web page; "" if there is none."""
    for link in _get(raw, "links") or []:
        if dict.get(link, "rel") == "enclosure" and dict.get(link, "href"):
            return str(link["href"])
    return ""


def _author_names(raw: Any) -> list[str]:  # noqa: ANN401 - feedparser has no types
    authors = _get(raw, "authors") or []
    names = [str(_get(author, "name") or _get(author, "email") or "").strip() for author in authors]
    return [name for name in names if name] or [name for name in [_text(raw, "author")] if name]


def _read_hints(channel: Any, body: bytes) -> Hints:  # noqa: ANN401 - feedparser has no types
    period = _PERIOD_SECONDS.get(_text(channel, "sy_updateperiod").lower())
    frequency = _positive_integer(_text(channel, "sy_updatefrequency")) or 1
    ttl = _positive_integer(_text(channel, "ttl"))
    lower = body.lower()
    hours = _HOUR.findall(_element_text(lower, b"skiphours"))
    days = _DAY.findall(_element_text(lower, b"skipdays"))
    return Hints(
        ttl_s=min(ttl * 60, MAX_TTL_SECONDS) if ttl else None,
        update_period_s=period // frequency if period else None,
        skip_hours=tuple(sorted({int(hour) % 24 for hour in hours})),
        skip_days=tuple(sorted({_DAYS.index(day) for day in days if day in _DAYS})),
    )


def _positive_integer(text: str) -> int | None:
    """Return the positive integer that a text of at most nine digits is, or None."""
    is_number = text.isascii() and text.isdigit() and len(text) <= MAX_NUMBER_DIGITS
    return (int(text) or None) if is_number else None
