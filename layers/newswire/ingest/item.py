"""Turn an entry into a `Candidate`: its identity, its date of publication, and its text without markup.

Pure: no clock, no engine, and no knowledge of other items. `fold.py` turns candidates into items.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from hashlib import sha256

import msgspec

from newswire.clock import DAY, HOUR, SECOND, Instant
from newswire.ingest.markup import clean_line, plain_text
from newswire.ingest.parse.feed_dates import ReadDate, read_feed_date
from newswire.model import (
    VALUE_LENGTH,
    Candidate,
    CutField,
    DateFlag,
    Document,
    Enclosure,
    Entry,
    ItemDate,
    Markup,
    RawDate,
)
from newswire.urls import canonical_link, safe_link, tidy_link

EXTRACTION = 7
"""Version of the rules in this module and in `parse/`. An item of an older version is rewritten, without a new revision,
when its entry is seen again."""
ID_DIGITS = 32
"""Hexadecimal digits of an item's id: 128 bits."""
ENTRY_HASH_DIGITS = 24
"""Hexadecimal digits of the hash of an entry, which is only compared within one item."""

# --- text -------------------------------------------------------------------------------------------------------------

MAX_TITLE_CHARACTERS = 2_000
MAX_TEXT_CHARACTERS = 200_000
"""Maximum characters of a summary or content: the longest books of a feed are shorter, and an answer of 200 items is cut
at 4 MB."""
MAX_LINK_CHARACTERS = 4_000
"""Maximum characters of a link: a longer one cannot be fetched (`fetch.py`) and is left out."""
MAX_VALUES = 100
"""Maximum authors and categories of an item: a facet counts each of them."""
_MARKUP_RATIO = 10
"""Markup is read up to this many times the length that its text may have. Images in the text take most of it."""


class _Cutter:
    """Cuts the fields of one entry to their maximums, before they are cleaned and after, and notes which were cut."""

    def __init__(self) -> None:
        self._cut: list[CutField] = []

    @property
    def cut(self) -> tuple[CutField, ...]:
        return tuple(self._cut)

    def clean(self, field: CutField, markup: Markup, most: int) -> str:
        """Return a text as plain text of at most `most` characters; a content keeps its lines, a summary its blocks."""
        text = markup.text
        if len(text) > most * _MARKUP_RATIO:
            markup = Markup(text[: most * _MARKUP_RATIO], html=markup.html)
        plain = plain_text(
            markup, lines=field == "content" or (field == "summary" and markup.html), title=field == "title"
        )
        if len(plain) > most or markup.text is not text:
            self._cut.append(field)
            plain = plain[:most].rstrip()
        return plain

    def link(self, link: str) -> str:
        """Return a link, or "" for one that is too long: the start of a link leads elsewhere."""
        if len(link) <= MAX_LINK_CHARACTERS:
            return link
        self._cut.append("link")
        return ""

    def values(self, field: CutField, values: Sequence[str]) -> tuple[str, ...]:
        """Return the first `MAX_VALUES` distinct values that are not empty, each as plain text."""
        if len(values) > MAX_VALUES:
            self._cut.append(field)
        return tuple(dict.fromkeys(cleaned for value in values[:MAX_VALUES] if (cleaned := _clean_value(value))))


def _clean_value(value: str) -> str:
    """Return a value as plain text of at most `VALUE_LENGTH` characters."""
    return _clean_short_value(value[: VALUE_LENGTH * _MARKUP_RATIO])


@lru_cache(maxsize=8192)  # authors and categories repeat from entry to entry
def _clean_short_value(value: str) -> str:
    return plain_text(Markup(value))[:VALUE_LENGTH].strip()


# --- dates ------------------------------------------------------------------------------------------------------------

MAX_AHEAD_OF_FETCH = DAY
"""Maximum time by which a date may be later than the fetch: a wrong time zone makes hours, not days."""


EARLIEST: Instant = -5_364_662_400_000
"""1800-01-01: the oldest newspapers that are published as feeds are younger."""
_EXCEL_ZEROS = (-2_209_161_600_000, -2_209_075_200_000, -2_208_988_800_000, -2_082_844_800_000)
"""1899-12-30, 1899-12-31 and 1900-01-01, from which spreadsheets count days, and 1904-01-01 (those of the Macintosh)."""
_WIDEST_OFFSET = 14 * HOUR
_ZERO = re.compile(r"-0001\b|\b0000[-/.]00[-/.]00")
"""Zero dates of PHP and MySQL, which are in no calendar."""


def date_of(candidates: Iterable[RawDate], fetched_at: Instant, lang: str | None = None) -> ItemDate:
    """Choose the date of publication from the dates of an entry, best first.

    The first readable and possible date counts, or a later one with the same second and a fraction. RSS has no fractions
    in pubDate, but may have a dc:date as well. The instant of the fetch replaces a missing, unreadable or impossible date;
    source and flags say so.

    Impossible are the zero of a clock (1970, or that of Excel, .NET or PHP), a year before 1800, and more
    than 24 h after the fetch. `lang` decides between months that one name has in several languages.
    """
    first: RawDate | None = None
    impossible: ItemDate | None = None
    every = list(candidates)
    for position, candidate in enumerate(every, start=1):
        first = first or candidate
        date = read_feed_date(candidate.raw, lang)
        if date is not None:
            checked = _check_date(*_prefer_fraction(candidate, date, every[position:]), fetched_at)
            if has_date(checked):
                return checked
            impossible = impossible or checked
    if impossible is not None:
        return impossible
    raw = first.raw[:VALUE_LENGTH] if first else None
    flag: DateFlag = "undated" if first is None else "epoch" if _ZERO.search(first.raw) else "unreadable"
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
    if is_zero(date.at):
        flags.append("epoch")
    if date.at > fetched_at + MAX_AHEAD_OF_FETCH:
        flags.append("future")
    if flags:
        return ItemDate(fetched_at, "first_seen", "second", raw.raw[:VALUE_LENGTH], tuple(flags))
    midnight: tuple[DateFlag, ...] = ("midnight",) if date.precision != "day" and date.at % DAY == 0 else ()
    return ItemDate(date.at, raw.source, date.precision, raw.raw[:VALUE_LENGTH], midnight)


def is_zero(at: Instant) -> bool:
    """Return whether an instant is the zero of a clock in some time zone, or before all that feeds report on."""
    is_unix_zero = abs(at) <= _WIDEST_OFFSET and (at % (HOUR // 4) == 0 or abs(at) == SECOND)
    return at < EARLIEST or is_unix_zero or any(abs(at - zero) <= _WIDEST_OFFSET for zero in _EXCEL_ZEROS)


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
    cutter = _Cutter()
    title = cutter.clean("title", entry.title, MAX_TITLE_CHARACTERS)
    summary = cutter.clean("summary", entry.summary, MAX_TEXT_CHARACTERS)
    content = cutter.clean("content", entry.content, MAX_TEXT_CHARACTERS)
    summary, content = _in_one_line(summary or content), content or summary
    if content == summary:  # with paragraphs it is kept: a summary is one line
        content = ""
    content = _with_others(title, summary, content, cutter, entry.others)
    written_link = tidy_link(entry.link)
    link = safe_link(cutter.link(written_link))
    guid = entry.guid.strip()
    if not (title or summary or content or link or guid):
        return None
    canonical = canonical_link(link)
    authors = cutter.values("authors", entry.authors)
    categories = cutter.values("categories", entry.categories)
    if guid and entry.guid_is_link:
        guid = canonical_link(guid)
    first_date = entry.published[0].raw if entry.published else ""
    split_id = None
    if guid:
        plain_id = item_id(feed, "guid", guid)
        split_id = item_id(feed, "guid+link", guid, canonical)
    elif canonical:
        plain_id = item_id(feed, "link", canonical)
    elif first_date and title:
        plain_id = item_id(feed, "title+date", title, first_date)
    else:
        plain_id = item_id(feed, "title+text", title, summary or content)
    return Candidate(
        id=plain_id,
        split_id=split_id,
        entry_hash=_entry_hash(entry, canonical if link == written_link else canonical_link(written_link)),
        title=title,
        link=link,
        summary=summary,
        content=content,
        authors=authors,
        categories=categories,
        lang=language_tag(entry.lang or lang),
        date=date_of(entry.published, fetched_at, entry.lang or lang),
        updated=_updated_at(entry, fetched_at),
        canonical_link=canonical,
        cut=cutter.cut,
        image=safe_link(tidy_link(entry.image[: MAX_LINK_CHARACTERS + 1])[:MAX_LINK_CHARACTERS]),
        enclosures=tuple(_safe_enclosures(entry.enclosures)),
    )


def _in_one_line(text: str) -> str:
    return " ".join(text.split("\n"))


def _with_others(title: str, summary: str, content: str, cutter: _Cutter, others: Sequence[Markup]) -> str:
    """Return the content with the texts of other vocabularies as further lines, but for those that stand there already."""
    for other in others:
        text = cutter.clean("content", other, MAX_TEXT_CHARACTERS)
        words = _in_one_line(text)
        if words and not any(words in _in_one_line(known) for known in (title, summary, content)):
            content = f"{content}\n{text}" if content else text
    return content[:MAX_TEXT_CHARACTERS]


def _safe_enclosures(enclosures: Iterable[Enclosure]) -> Iterator[Enclosure]:
    for enclosure in enclosures:
        url = safe_link(tidy_link(enclosure.url)) if len(enclosure.url) <= MAX_LINK_CHARACTERS else ""
        if url:
            kind = clean_line(enclosure.type, VALUE_LENGTH)
            yield Enclosure(url, kind, enclosure.length)


def _updated_at(entry: Entry, fetched_at: Instant) -> Instant | None:
    """Return the instant of the last update; None for none, and for one that cannot be, as with the publication date."""
    updated = read_feed_date(entry.updated.raw) if entry.updated else None
    if updated is None or is_zero(updated.at) or updated.at > fetched_at + MAX_AHEAD_OF_FETCH:
        return None
    return updated.at


def _entry_hash(entry: Entry, canonical: str) -> str:
    """Return the hash of an entry as parsed, without its date: a new version of the extraction is not an edit.

    The fold compares the date separately, since it keeps a date that disappears. The link counts in its canonical form:
    some publishers change its trackers at every fetch. Pictures and enclosures do not count, for the same reason.
    """
    fields = (
        canonical,
        entry.title.text,
        entry.summary.text,
        entry.content.text,
        entry.authors,
        entry.categories,
        entry.updated.raw if entry.updated else "",
        *(other.text for other in entry.others),
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
