"""Turn an entry into a `Candidate`: its identity, its date of publication, and its text without markup.

Pure: no clock, no engine, and no knowledge of other items. `fold.py` turns candidates into items.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable
from functools import lru_cache
from hashlib import sha256

import msgspec
import nh3

from newswire.clock import DAY, FIRST_INSTANT, SECOND, Instant
from newswire.ingest.parse.feed_dates import ReadDate, read_feed_date
from newswire.model import VALUE_LENGTH, Candidate, DateFlag, Document, Entry, ItemDate, Markup, RawDate
from newswire.urls import canonical_link, safe_link

EXTRACTION = 3
"""Version of the rules in this module and in `parse/`. An item of an older version is rewritten, without a new revision,
when its entry is seen again."""
ID_DIGITS = 32
"""Hexadecimal digits of an item's id: 128 bits."""
ENTRY_HASH_DIGITS = 24
"""Hexadecimal digits of the hash of an entry, which is only compared within one item."""

# --- text -------------------------------------------------------------------------------------------------------------

_BLOCK_TAGS = re.compile(
    r"<(?=/?(?:p|br|div|li|ul|ol|h[1-6]|tr|td|th|table|blockquote|section|article|figure|figcaption|hr|pre|dd|dt)\b)",
    re.IGNORECASE,
)
_DROPPED_ELEMENTS = {"script", "style", "noscript", "template", "iframe", "object", "svg", "math", "head"}
_CONTROL_CHARACTERS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]+")


def plain_text(markup: Markup) -> str:
    """Return text without markup and control characters, with entities decoded once more and white space collapsed.

    Block tags separate words. Only `html` markup is stripped and decoded.
    """
    text = markup.text
    if not text:
        return ""
    if markup.html and ("<" in text or "&" in text):
        if "<" in text:
            text = nh3.clean(_BLOCK_TAGS.sub(" <", text), tags=set(), clean_content_tags=_DROPPED_ELEMENTS)
        text = html.unescape(text)
    if not text.isprintable():
        text = _CONTROL_CHARACTERS.sub("", text)
    return " ".join(text.split())


def _clean_values(values: Iterable[str]) -> tuple[str, ...]:
    """Return the distinct values that are not empty, as plain text of at most `VALUE_LENGTH` characters."""
    return tuple(dict.fromkeys(cleaned for value in values if (cleaned := _clean_value(value))))


@lru_cache(maxsize=8192)  # authors and categories repeat from entry to entry
def _clean_value(value: str) -> str:
    return plain_text(Markup(value))[:VALUE_LENGTH].strip()


# --- dates ------------------------------------------------------------------------------------------------------------

MAX_AHEAD_OF_FETCH = DAY
"""Maximum time by which a date may be later than the fetch: a wrong time zone makes hours, not days."""


def date_of(candidates: Iterable[RawDate], fetched_at: Instant) -> ItemDate:
    """Choose the date of publication from the dates of an entry, best first.

    The first readable date counts, or a later one with the same second and a fraction. RSS has no fractions in pubDate,
    but may have a dc:date as well. The instant of the fetch replaces a missing, unreadable or impossible date; source and
    flags say so. Impossible are the zero of a clock (1970 or year 1), and more than 24 h after the fetch.
    """
    first: RawDate | None = None
    later_candidates = iter(candidates)
    for candidate in later_candidates:
        first = first or candidate
        date = read_feed_date(candidate.raw)
        if date is not None:
            return _check_date(*_prefer_fraction(candidate, date, later_candidates), fetched_at)
    raw = first.raw[:VALUE_LENGTH] if first else None
    flag: DateFlag = "unreadable" if first else "undated"
    return ItemDate(fetched_at, "first_seen", "second", raw, (flag,))


def _prefer_fraction(raw: RawDate, date: ReadDate, others: Iterable[RawDate]) -> tuple[RawDate, ReadDate]:
    """Return the first of `others` with the same second and a fraction, if there is one, else `raw`."""
    if date.precision == "second" and date.at % SECOND == 0:
        for other in others:
            exact = read_feed_date(other.raw) if "." in other.raw else None
            if exact is not None and exact.at // SECOND == date.at // SECOND:
                return other, exact
    return raw, date


def _check_date(raw: RawDate, date: ReadDate, fetched_at: Instant) -> ItemDate:
    """Return the date with its flags; an impossible date becomes that of the fetch."""
    flags: list[DateFlag] = []
    if date.at in {0, -1000, 1000} or date.at < FIRST_INSTANT + 2 * DAY:
        flags.append("epoch")
    if date.at > fetched_at + MAX_AHEAD_OF_FETCH:
        flags.append("future")
    if flags:
        return ItemDate(fetched_at, "first_seen", "second", raw.raw[:VALUE_LENGTH], tuple(flags))
    midnight: tuple[DateFlag, ...] = ("midnight",) if date.precision != "day" and date.at % DAY == 0 else ()
    return ItemDate(date.at, raw.source, date.precision, raw.raw[:VALUE_LENGTH], midnight)


def has_date(date: ItemDate) -> bool:
    """Return whether the date comes from the feed, not from the fetch."""
    return date.source != "first_seen"


# --- identity ---------------------------------------------------------------------------------------------------------

_encoder = msgspec.json.Encoder()


def item_id(*parts: str) -> str:
    """Return the hash of an identity, as 32 hexadecimal digits. Different lists of parts have different encodings."""
    return sha256(_encoder.encode(parts)).hexdigest()[:ID_DIGITS]


def candidate_of(entry: Entry, feed: str, fetched_at: Instant, lang: str | None = None) -> Candidate | None:
    """Clean and identify an entry; return None if it has no title, text, link or guid.

    `lang` is the feed's, for an entry without a language. The identity is the first available of: feed and guid; feed and
    canonical link; feed, title and raw date; feed, title and text. With the last two, an edit makes a new item.
    """
    title = plain_text(entry.title)
    summary = plain_text(entry.summary)
    content = plain_text(entry.content)
    link = safe_link(entry.link)
    guid = entry.guid.strip()
    if not (title or summary or content or link or guid):
        return None
    canonical = canonical_link(link)
    if guid and entry.guid_is_link:
        guid = canonical_link(guid)
    first_date = entry.published[0].raw if entry.published else ""
    split_id = None
    if guid:
        plain_id = item_id(feed, "guid", guid)
        split_id = item_id(feed, "guid+link", guid, canonical)
    elif canonical:
        plain_id = item_id(feed, "link", canonical)
    elif first_date:
        plain_id = item_id(feed, "title+date", title, first_date)
    else:
        plain_id = item_id(feed, "title+text", title, summary or content)
    updated = read_feed_date(entry.updated.raw) if entry.updated else None
    return Candidate(
        id=plain_id,
        split_id=split_id,
        entry_hash=_entry_hash(entry, canonical if link == entry.link else canonical_link(entry.link)),
        title=title,
        link=link,
        summary=summary,
        content=content if content != summary else "",
        authors=_clean_values(entry.authors),
        categories=_clean_values(entry.categories),
        lang=language_tag(entry.lang or lang),
        date=date_of(entry.published, fetched_at),
        updated=updated.at if updated else None,
        canonical_link=canonical,
    )


def _entry_hash(entry: Entry, canonical: str) -> str:
    """Return the hash of an entry as parsed, without its date: a new version of the extraction is not an edit.

    The fold compares the date separately, since it keeps a date that disappears. The link counts in its canonical form:
    some publishers change its trackers at every fetch.
    """
    fields = (
        canonical,
        entry.title.text,
        entry.summary.text,
        entry.content.text,
        entry.authors,
        entry.categories,
        entry.updated.raw if entry.updated else "",
    )
    return sha256(_encoder.encode(fields)).hexdigest()[:ENTRY_HASH_DIGITS]


_LANG = re.compile(r"[A-Za-z]{2,3}(?:[-_][A-Za-z0-9]{1,8})*")


def language_tag(text: str | None) -> str | None:
    """Return a language tag in lower case with hyphens, since tags ignore case (RFC 5646 section 2.1.1), or None."""
    tag = (text or "").strip()[:VALUE_LENGTH]
    return tag.replace("_", "-").lower() if _LANG.fullmatch(tag) else None


def candidates_of(document: Document, feed: str, fetched_at: Instant, lang: str | None = None) -> list[Candidate]:
    """Return the candidates of a document in its order; empty entries are left out."""
    candidates = (candidate_of(entry, feed, fetched_at, lang or document.lang) for entry in document.entries)
    return [candidate for candidate in candidates if candidate is not None]
