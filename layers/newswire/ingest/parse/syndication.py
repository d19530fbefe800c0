"""RSS, Atom, RDF and CDF: a record comes in, the entries as feedparser reads them go out.

feedparser is given a stream and nothing else: given bytes or text it may open them as a file name or a URL. Its own
sanitising is off (half of its time); `item.py` strips markup.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Iterator
from typing import Any
from urllib.parse import urljoin

import feedparser

from newswire.model import Document, Entry, Hints, Markup, RawDate, Record, Refusal

_ENTRY = rb"(?:[\w.-]+:)?(?:item|entry)"
_OPEN = re.compile(rb"<" + _ENTRY + rb"[\s>]", re.IGNORECASE)
_CLOSE = re.compile(rb"</" + _ENTRY + rb"\s*>|/>\s*$", re.IGNORECASE)
_ROOT_CLOSE = re.compile(rb"</(?:[\w.-]+:)?(?:rss|feed|rdf|channel)\s*>", re.IGNORECASE)
_NO_PERMALINK = re.compile(
    rb"""<guid[^>]*ispermalink\s*=\s*["']\s*(?:false|no|0)\s*["'][^>]*>(.*?)</guid""", re.IGNORECASE | re.DOTALL
)
_CDATA = re.compile(rb"<!\[CDATA\[(.*?)\]\]>", re.DOTALL)
_SKIP_HOURS = re.compile(rb"<skiphours[^>]*>(.*?)</skiphours", re.IGNORECASE | re.DOTALL)
_SKIP_DAYS = re.compile(rb"<skipdays[^>]*>(.*?)</skipdays", re.IGNORECASE | re.DOTALL)
_DAYS = (b"monday", b"tuesday", b"wednesday", b"thursday", b"friday", b"saturday", b"sunday")
_SCHEME = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*:")
_CHARSET = re.compile(r"charset\s*=\s*[\"']?([\w.:-]+)", re.IGNORECASE)

# RSS 1.0 module Syndication, and the other spellings that mediacloud's rss-fetcher has met.
_PERIODS = {
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
_LONGEST_S = 366 * 86_400


def parse_syndication(record: Record, max_entries: int) -> Document | Refusal:
    """Read RSS, Atom, RDF or CDF; a document that ends in the middle gives the entries that are whole."""
    body, cut = _whole_entries(record.body)
    parsed = _feedparser_of(body, record)
    if isinstance(parsed, Refusal):
        return parsed
    version = str(parsed.get("version") or "")
    raw_entries = parsed.entries
    if not version and not raw_entries:
        reason = parsed.get("bozo_exception")
        why = f" ({type(reason).__name__})" if reason is not None else ""
        return Refusal("not_a_feed", f"The document looks like XML, and is no RSS, Atom, RDF or CDF{why}.")
    about = parsed.feed
    hidden = _not_permalinks(record.body)
    is_atom = version.startswith("atom")
    dated = "dc:date" if not is_atom and b":date>" in record.body else "updated"
    base = record.final_url or record.url
    entries = tuple(_entry(raw, base, hidden, dated, is_atom=is_atom) for raw in raw_entries[:max_entries])
    return Document(
        kind=version or "syndication",
        title=_text(about, "title"),
        description=_text(about, "subtitle"),
        link=_absolute(_text(about, "link"), base),
        lang=_text(about, "language") or None,
        hints=_hints(about, record.body),
        entries=entries,
        cut=cut or record.truncated or len(raw_entries) > max_entries,
    )


def _feedparser_of(body: bytes, record: Record) -> Any:  # noqa: ANN401 - feedparser has no types
    headers = {"content-type": "application/xml"}
    if charset := _CHARSET.search(record.content_type):
        headers["content-type"] = f"application/xml; charset={charset[1]}"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # feedparser's advice to its callers says nothing of the document
            return feedparser.parse(
                io.BytesIO(body), response_headers=headers, sanitize_html=False, resolve_relative_uris=False
            )
    except RecursionError:
        raise
    except Exception as error:  # noqa: BLE001 - whatever a hostile document does to the parser is its own outcome
        return Refusal("unreadable", f"The document could not be read ({type(error).__name__}).")


def _whole_entries(body: bytes) -> tuple[bytes, bool]:
    """Cut a last entry that was begun and never closed; says whether the document ends in the middle."""
    if body[:2] in {b"\xff\xfe", b"\xfe\xff"}:  # UTF-16 is not searched byte by byte
        return body, False
    last = None
    for last in _OPEN.finditer(body):  # noqa: B007 - only the last one is wanted
        pass
    start = last.start() if last else 0
    if _ROOT_CLOSE.search(body, start):
        return body, False
    if last is None or _CLOSE.search(body, start):
        return body, True
    return body[:start], True


def _not_permalinks(body: bytes) -> frozenset[str]:
    """Give the guids that are marked `isPermaLink="false"`: feedparser forgets the mark when a link came first."""
    found = set()
    for match in _NO_PERMALINK.finditer(body):
        raw = _CDATA.sub(rb"\1", match[1]).strip()
        found.add(raw.decode("utf-8", "replace").replace("&amp;", "&"))
    return frozenset(found)


def _get(raw: Any, name: str) -> Any:  # noqa: ANN401 - feedparser has no types
    """Get exactly this key: feedparser's own look-up gives `published` for a missing `updated`."""
    return dict.get(raw, name)


def _text(raw: Any, name: str) -> str:  # noqa: ANN401 - feedparser has no types
    value = _get(raw, name)
    return value.strip() if isinstance(value, str) else ""


def _markup(raw: Any, name: str, *, is_atom: bool) -> Markup:  # noqa: ANN401 - feedparser has no types
    text = _text(raw, name)
    detail = _get(raw, f"{name}_detail")
    plain = is_atom and isinstance(detail, dict) and dict.get(detail, "type") == "text/plain"
    return Markup(text, html=not plain)


def _content(raw: Any) -> Markup:  # noqa: ANN401 - feedparser has no types
    parts = _get(raw, "content")
    for part in parts if isinstance(parts, list) else []:
        kind = str(_get(part, "type") or "")
        if _get(part, "value") and (not kind or kind.startswith("text/") or "html" in kind):
            return Markup(str(_get(part, "value")).strip(), html=kind != "text/plain")
    return Markup()


def _entry(raw: Any, base: str, hidden: frozenset[str], dated: str, *, is_atom: bool) -> Entry:  # noqa: ANN401 - feedparser has no types
    guid = _text(raw, "id")
    updated = _text(raw, "updated")
    detail = _get(raw, "title_detail")
    candidates = [
        RawDate("pubDate", _text(raw, "published")),
        RawDate(dated, updated),
        RawDate("pubDate", _text(raw, "created")),
    ]
    return Entry(
        guid=guid,
        guid_is_link=guid not in hidden,
        link=_absolute(_text(raw, "link") or _enclosure(raw), base),
        title=_markup(raw, "title", is_atom=is_atom),
        summary=_markup(raw, "summary", is_atom=is_atom),
        content=_content(raw),
        published=tuple(candidate for candidate in candidates if candidate.raw),
        updated=RawDate("updated", updated) if updated and dated == "updated" else None,
        authors=tuple(_names(raw)),
        categories=tuple(
            str(said).strip() for tag in _get(raw, "tags") or [] if (said := _get(tag, "label") or _get(tag, "term"))
        ),
        lang=(dict.get(detail, "language") if isinstance(detail, dict) else None) or None,
    )


def _absolute(link: str, base: str) -> str:
    """Resolve a relative link against the document's own address (feedparser has seen to `xml:base` by then)."""
    if not link or _SCHEME.match(link):
        return link
    try:
        return urljoin(base, link)
    except ValueError:
        return link


def _enclosure(raw: Any) -> str:  # noqa: ANN401 - feedparser has no types
    """Give the address of the first enclosure: an episode without a page is found where its sound is."""
    for link in _get(raw, "links") or []:
        if dict.get(link, "rel") == "enclosure" and dict.get(link, "href"):
            return str(link["href"])
    return ""


def _names(raw: Any) -> Iterator[str]:  # noqa: ANN401 - feedparser has no types
    authors = _get(raw, "authors") or []
    found = False
    for author in authors:
        name = str(_get(author, "name") or _get(author, "email") or "").strip()
        if name:
            found = True
            yield name
    if not found and (name := _text(raw, "author")):
        yield name


def _hints(about: Any, body: bytes) -> Hints:  # noqa: ANN401 - feedparser has no types
    period = _PERIODS.get(_text(about, "sy_updateperiod").lower())
    frequency = _whole(_text(about, "sy_updatefrequency")) or 1
    ttl = _whole(_text(about, "ttl"))
    hours = _SKIP_HOURS.search(body)
    days = _SKIP_DAYS.search(body)
    named = re.findall(rb"(\w+)\s*</day", days[1].lower()) if days else []
    return Hints(
        ttl_s=min(ttl * 60, _LONGEST_S) if ttl else None,
        update_period_s=period // frequency if period else None,
        skip_hours=tuple(sorted({int(hour) % 24 for hour in re.findall(rb"(\d{1,2})\s*</hour", hours[1])}))
        if hours
        else (),
        skip_days=tuple(sorted({_DAYS.index(day) for day in named if day in _DAYS})),
    )


def _whole(text: str) -> int | None:
    """Read a positive whole number of at most nine digits."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 9 and int(text) > 0 else None  # noqa: PLR2004
