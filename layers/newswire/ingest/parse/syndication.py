"""Parse RSS, Atom, RDF and CDF with feedparser, by the rules of `feedparser_rules.py`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from xml.parsers import expat

from newswire.ingest.markup import plain_text
from newswire.ingest.parse.feedparser_rules import run_feedparser
from newswire.ingest.parse.repair import cut_open_entry, well_formed
from newswire.ingest.parse.sniff import from_root
from newswire.model import MAX_ENCLOSURES, Document, Enclosure, Entry, Hints, Markup, RawDate, Record, Refusal
from newswire.urls import resolve, resolve_text, scheme_of

_HOUR = re.compile(rb"(?<!\d)(\d{1,2})\s*</hour")
_DAY = re.compile(rb"(?<!\w)(\w{1,12})\s*</day")
MAX_TAG_BYTES = 1_000
"""Maximum bytes of a start tag that is searched for attributes."""
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
    """Parse RSS, Atom, RDF or CDF in UTF-8; of a truncated document, return the complete entries."""
    body, cut = cut_open_entry(from_root(record.body))
    try:
        parsed = run_feedparser(well_formed(body))
    except (expat.ExpatError, ValueError, LookupError, TypeError) as error:
        return Refusal("unreadable", f"The document cannot be parsed ({type(error).__name__}).")
    version = str(parsed.version or "")
    if not version and not parsed.entries:
        return Refusal("not_a_feed", "The document looks like XML, but is not RSS, Atom, RDF or CDF.")
    if version == "rss091u" and b"netscape" in record.body[: len(record.body) - len(body)].lower():
        version = "rss091n"
    channel = parsed.feeddata
    is_atom = version.startswith("atom")
    url = record.final_url or record.url
    resolve_link = resolve if is_atom else resolve_text  # RSS writes links as texts
    link = resolve_link(_text(channel, "link"), url)
    reader = _EntryReader(
        # RSS has no xml:base, and publishers write links against their site (RSS 2.0: "link, the URL of the website")
        base=link if not is_atom and scheme_of(link) in {"http", "https"} else url,
        # feedparser puts dc:date into `updated`
        date_source="dc:date" if not is_atom and b":date>" in record.body else "updated",
        is_atom=is_atom,
        feed_authors=tuple(_author_names(channel)) if is_atom else (),
    )
    return Document(
        kind=version or "syndication",
        title=plain_text(_markup(channel, "title", is_atom=is_atom), title=True),
        description=plain_text(_markup(channel, "subtitle", is_atom=is_atom))
        or plain_text(Markup(_text(channel, "itunes_summary") or _text(channel, "itunes_subtitle"))),
        link=link,
        lang=_text(channel, "language") or None,
        hints=_read_hints(channel, body),
        entries=tuple(reader.read(raw) for raw in parsed.entries[:max_entries]),
        cut=cut or record.truncated or len(parsed.entries) > max_entries,
    )


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


class _EntryReader:
    """Makes entries of what feedparser returns, with what they inherit from their document."""

    def __init__(self, base: str, date_source: str, feed_authors: tuple[str, ...], *, is_atom: bool) -> None:
        self._base = base
        self._date_source = date_source
        self._feed_authors = feed_authors
        self._is_atom = is_atom

    def read(self, raw: Any) -> Entry:  # noqa: ANN401 - feedparser has no types
        guid = _text(raw, "id")
        guid_is_link = bool(_get(raw, "guidislink"))
        updated = _text(raw, "updated")
        candidates = [
            RawDate("pubDate", _text(raw, "published")),
            RawDate(self._date_source, updated),
            RawDate("pubDate", _text(raw, "created")),
        ]
        title = _markup(raw, "title", is_atom=self._is_atom)
        summary, content, others = self._texts(raw)
        link = _text(raw, "link") or (guid if guid_is_link and _is_address(guid) else "") or _enclosure_link(raw)
        return Entry(
            guid=guid,
            guid_is_link=guid_is_link,
            link=(resolve if self._is_atom else resolve_text)(link, self._base),
            title=title if title.text else Markup(_text(raw, "media_title")),
            summary=summary,
            content=content,
            others=others,
            published=tuple(candidate for candidate in candidates if candidate.raw),
            updated=RawDate("updated", updated) if updated and self._date_source == "updated" else None,
            authors=self._authors(raw),
            categories=tuple(
                str(label).strip()
                for tag in _get(raw, "tags") or []
                if (label := _get(tag, "label") or _get(tag, "term"))
            ),
            lang=_lang(raw),
            enclosures=tuple(_enclosures(raw, self._base)),
            image=_image(raw, self._base),
        )

    def _authors(self, raw: Any) -> tuple[str, ...]:  # noqa: ANN401 - feedparser has no types
        """Return the authors of an entry, else of its source, else of its feed (RFC 4287 section 4.2.1)."""
        source = _get(raw, "source") or {}
        for element in (raw, source):
            if _get(element, "authors"):  # an author without a name is an author too
                return tuple(_author_names(element))
        return self._feed_authors

    def _texts(self, raw: Any) -> tuple[Markup, Markup, tuple[Markup, ...]]:  # noqa: ANN401 - feedparser has no types
        """Return the summary, the content, and the further texts, of other vocabularies.

        feedparser copies a content into a missing summary; without details, the summary is such a copy.
        """
        content = _content(raw)
        summary = _markup(raw, "summary", is_atom=self._is_atom)
        if content.text and not isinstance(_get(raw, "summary_detail"), dict):
            summary = Markup()
        names = ("media_description", "itunes_summary", "itunes_subtitle")
        others = [Markup(text) for name in names if (text := _text(raw, name))]
        if not summary.text and others:
            summary = others.pop(0)
        if not summary.text and not content.text:
            summary = Markup(_text(raw, "media_caption"))
        return summary, content, tuple(others)


def _is_address(text: str) -> bool:
    """Return whether a guid that is called a link is one: an absolute address, not a number or a name."""
    return text[:4].lower() == "http" and "://" in text[:9]


def _enclosure_link(raw: Any) -> str:  # noqa: ANN401 - feedparser has no types
    """Return the address of the first enclosure, the link of a podcast episode without a web page; "" if there is none."""
    links = (link for link in _get(raw, "links") or [] if dict.get(link, "rel") == "enclosure")
    return next((str(link["href"]) for link in links if dict.get(link, "href")), "")


def _lang(raw: Any) -> str | None:  # noqa: ANN401 - feedparser has no types
    """Return the language of an entry: its own element, else that of its content, else of its title."""
    if own := _text(raw, "language"):
        return own
    parts = _get(raw, "content")
    details = [*(parts if isinstance(parts, list) else []), _get(raw, "summary_detail"), _get(raw, "title_detail")]
    found = (dict.get(detail, "language") for detail in details if isinstance(detail, dict))
    return next((str(language) for language in found if language), None)


def _enclosures(raw: Any, base: str) -> Iterator[Enclosure]:  # noqa: ANN401 - feedparser has no types
    """Yield the enclosures of an entry, then its media:content, each address once."""
    links = [link for link in _get(raw, "links") or [] if dict.get(link, "rel") == "enclosure"]
    media = [part for part in _get(raw, "media_content") or [] if dict.get(part, "medium") != "document"]
    seen: set[str] = set()
    for part in [*links, *media]:
        url = resolve(str(dict.get(part, "href") or dict.get(part, "url") or "").strip(), base)
        if not url or url in seen:
            continue
        seen.add(url)
        length = _positive_integer(str(dict.get(part, "length") or dict.get(part, "filesize") or ""))
        kind = str(dict.get(part, "type") or dict.get(part, "medium") or "")
        yield Enclosure(url, kind, length)
        if len(seen) >= MAX_ENCLOSURES:
            return


def _image(raw: Any, base: str) -> str:  # noqa: ANN401 - feedparser has no types
    """Return the address of the first thumbnail, else of the first picture of the media or the enclosures, or ""."""
    thumbnails = _get(raw, "media_thumbnail") or []
    pictures = [part for part in _get(raw, "media_content") or [] if _is_picture(part)]
    links = [link for link in _get(raw, "links") or [] if dict.get(link, "rel") == "enclosure" and _is_picture(link)]
    own = _get(raw, "image")
    parts = [*thumbnails, *pictures, *links, *([own] if isinstance(own, dict) else [{"url": own}] if own else [])]
    urls = [resolve(url, base) for part in parts if (url := str(_get(part, "url") or _get(part, "href") or "").strip())]
    urls = [url for url in urls if scheme_of(url) in {"http", "https"}]
    if not urls:
        return ""
    secure = urls[0].replace("http:", "https:", 1)
    return secure if secure in urls else urls[0]


def _is_picture(part: Any) -> bool:  # noqa: ANN401 - feedparser has no types
    kind = str(dict.get(part, "type") or "")
    if kind or dict.get(part, "medium"):
        return kind.startswith("image/") or dict.get(part, "medium") == "image"
    url = str(_get(part, "url") or _get(part, "href") or "").partition("?")[0].lower()
    return url.endswith((".jpg", ".jpeg", ".png", ".webp", ".gif", ".avif"))


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
