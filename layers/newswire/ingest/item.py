"""Items: an entry comes in, a `Candidate` goes out: who it is, when it was published, and what it says in plain text.

Pure: the clock, the engine and what is known of other items play no part. `fold.py` makes items of candidates.
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
from newswire.urls import (
    canonical_link,
    safe_link,
)

EXTRACTION = 3
"""The version of the rules in this module and in `parse/`: an item that was made by an older one is written anew,
without a new revision, when its entry is seen again."""


ID_DIGITS = 32

# --- links ------------------------------------------------------------------------------------------------------------


# --- text -------------------------------------------------------------------------------------------------------------

_BLOCKS = re.compile(
    r"<(?=/?(?:p|br|div|li|ul|ol|h[1-6]|tr|td|th|table|blockquote|section|article|figure|figcaption|hr|pre|dd|dt)\b)",
    re.IGNORECASE,
)
_UNWANTED = {"script", "style", "noscript", "template", "iframe", "object", "svg", "math", "head"}
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]+")


def plain_text(markup: Markup) -> str:
    """Strip the markup (nh3), decode entities once more, and fold white space; plain text is only folded."""
    text = markup.text
    if not text:
        return ""
    if markup.html and ("<" in text or "&" in text):
        if "<" in text:
            text = nh3.clean(_BLOCKS.sub(" <", text), tags=set(), clean_content_tags=_UNWANTED)
        text = html.unescape(text)
    if not text.isprintable():
        text = _CONTROL.sub("", text)
    return " ".join(text.split())


def _values(values: Iterable[str]) -> tuple[str, ...]:
    """Clean a list of values: plain, cut, no empty ones, none twice."""
    return tuple(dict.fromkeys(cleaned for value in values if (cleaned := _value(value))))


@lru_cache(maxsize=8192)  # authors and categories come again and again
def _value(value: str) -> str:
    return plain_text(Markup(value))[:VALUE_LENGTH].strip()


# --- dates ------------------------------------------------------------------------------------------------------------

_FUTURE_AFTER = DAY


def date_of(candidates: Iterable[RawDate], fetched_at: Instant) -> ItemDate:
    """Choose the date of publication from what the feed said, best first.

    The first candidate that can be read counts, or a later one that gives the same second with its fraction (RSS has no
    fractions in pubDate, and dc:date beside it may). Without one (undated, unreadable), or with one that can't be true (the
    zero of a clock, 1970 or year 1; more than 24 h after the fetch), the date is that of the fetch, and says so in its
    source and flags.
    """
    said: RawDate | None = None
    rest = iter(candidates)
    for candidate in rest:
        said = said or candidate
        read = read_feed_date(candidate.raw)
        if read is not None:
            return _judged(*_exacter(candidate, read, rest), fetched_at)
    raw = said.raw[:VALUE_LENGTH] if said else None
    flag: DateFlag = "unreadable" if said else "undated"
    return ItemDate(fetched_at, "first_seen", "second", raw, (flag,))


def _exacter(said: RawDate, read: ReadDate, others: Iterable[RawDate]) -> tuple[RawDate, ReadDate]:
    """Give the candidate that says the same second with its fraction, if one does."""
    if read.precision == "second" and read.at % SECOND == 0:
        for other in others:
            exact = read_feed_date(other.raw) if "." in other.raw else None
            if exact is not None and exact.at // SECOND == read.at // SECOND:
                return other, exact
    return said, read


def _judged(said: RawDate, read: ReadDate, fetched_at: Instant) -> ItemDate:
    flags: list[DateFlag] = []
    if read.at in {0, -1000, 1000} or read.at < FIRST_INSTANT + 2 * DAY:
        flags.append("epoch")
    if read.at > fetched_at + _FUTURE_AFTER:
        flags.append("future")
    if flags:
        return ItemDate(fetched_at, "first_seen", "second", said.raw[:VALUE_LENGTH], tuple(flags))
    midnight: tuple[DateFlag, ...] = ("midnight",) if read.precision != "day" and read.at % DAY == 0 else ()
    return ItemDate(read.at, said.source, read.precision, said.raw[:VALUE_LENGTH], midnight)


def has_date(date: ItemDate) -> bool:
    """Say whether the feed gave a date that we believe."""
    return date.source != "first_seen"


# --- identity ---------------------------------------------------------------------------------------------------------

_encoder = msgspec.json.Encoder()


def item_id(*parts: str) -> str:
    """Hash the parts of an identity into 32 hexadecimal digits; no two lists of parts run together."""
    return sha256(_encoder.encode(parts)).hexdigest()[:ID_DIGITS]


def candidate_of(entry: Entry, feed: str, fetched_at: Instant, lang: str | None = None) -> Candidate | None:
    """Clean and identify an entry; None for one that says nothing at all (no title, no text, no link, no guid).

    `lang` is the feed's, for entries that name none. The identity is, in this order: feed and guid; feed and
    canonical link; feed, title and raw date; feed, title and text (for these two an edit makes a new item).
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
        authors=_values(entry.authors),
        categories=_values(entry.categories),
        lang=language_tag(entry.lang or lang),
        date=date_of(entry.published, fetched_at),
        updated=updated.at if updated else None,
        canonical_link=canonical,
    )


def _entry_hash(entry: Entry, canonical: str) -> str:
    """Hash what the parser gave but the date of publication: a change of our own extraction is no change of the entry.

    The date is compared by itself, since one that disappears from an entry is kept. Trackers in the link change from
    fetch to fetch at some publishers, so the link counts in its canonical form.
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
    return sha256(_encoder.encode(fields)).hexdigest()[:24]


_LANG = re.compile(r"[A-Za-z]{2,3}(?:[-_][A-Za-z0-9]{1,8})*")


def language_tag(said: str | None) -> str | None:
    """Give a language tag in lower case with hyphens (RFC 5646 compares them so), or None for what is none."""
    tag = (said or "").strip()[:VALUE_LENGTH]
    return tag.replace("_", "-").lower() if _LANG.fullmatch(tag) else None


def candidates_of(document: Document, feed: str, fetched_at: Instant, lang: str | None = None) -> list[Candidate]:
    """Clean and identify all entries of a document, in its order; entries that say nothing at all are left out."""
    found = (candidate_of(entry, feed, fetched_at, lang or document.lang) for entry in document.entries)
    return [candidate for candidate in found if candidate is not None]
