"""Items: an entry comes in, a `Candidate` goes out: who it is, when it was published, and what it says in plain text.

Pure: the clock, the engine and what is known of other items play no part. `fold.py` makes items of candidates.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable
from functools import lru_cache
from hashlib import sha256
from urllib.parse import SplitResult, urlsplit, urlunsplit

import msgspec
import nh3

from newswire.clock import DAY, FIRST_INSTANT, SECOND, Instant
from newswire.ingest.parse.feed_dates import ReadDate, read_feed_date
from newswire.model import Candidate, DateFlag, Document, Entry, ItemDate, Markup, RawDate

EXTRACTION = 3
"""The version of the rules in this module and in `parse/`: an item that was made by an older one is written anew,
without a new revision, when its entry is seen again."""

VALUE_LENGTH = 256
"""Values of feed, category, author and lang are cut at this many characters (they are compared whole)."""

ID_DIGITS = 32

# --- links ------------------------------------------------------------------------------------------------------------

# Version 1 of the list: parameters that say how a reader came, not what is read. Found in 46,282 of 251,270 real links.
# Never in it: p, id, article and the like, which are the identity at some publishers.
_TRACKERS = frozenset(
    [
        "fbclid",
        "gclid",
        "gclsrc",
        "dclid",
        "msclkid",
        "twclid",
        "yclid",
        "igshid",
        "mc_cid",
        "mc_eid",
        "mkt_tok",
        "_hsenc",
        "_hsmi",
        "wt_mc",
        "wtrid",
        "s_cid",
        "cmpid",
        "cmp",
        "ncid",
        "icid",
        "ocid",
        "campaign_id",
        "ns_campaign",
        "ns_mchannel",
        "ns_source",
        "ns_linkname",
        "ns_fee",
        "srcref",
        "traffic_source",
        "xtor",
        "at_medium",
        "at_campaign",
        "at_custom1",
        "at_custom2",
        "at_custom3",
        "at_custom4",
        "at_format",
        "at_link_id",
        "at_link_origin",
        "at_link_type",
        "at_ptr_name",
        "at_bbc_team",
        "at_campaign_type",
        "ftag",
        "rss",
        "selectedlocale",
        "spm",
        "smid",
        "partner",
        "sref",
        "ref_src",
        "ref_url",
        "ito",
        "guccounter",
        "guce_referrer",
        "guce_referrer_sig",
        "feedtype",
        "feedname",
        "soc_src",
        "soc_trk",
    ]
)
_TRACKER_PREFIXES = ("utm_", "pk_", "mtm_", "piwik_", "hsa_")
_TRACKER_VALUES = {
    "src": {"rss"},
    "source": {"rss", "feed"},
    "from": {"rss"},
    "ref": {"rss", "feed"},
    "feature": {"rss"},
}
# A link in which there is nothing to change but the scheme, as most are: taking it apart costs ten times as much.
_PLAIN_LINK = re.compile(r"https?://(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)+[a-z]+/[A-Za-z0-9/._~%!$&'()*+,;=:@-]*")
_DEFAULT_PORTS = {"http": 80, "https": 443}
_FRAGMENT_TRACKER = re.compile(r"(?:ftag|xtor|utm_[a-z]+|ref|rss)=|^rss$", re.IGNORECASE)


def _is_tracker(parameter: str) -> bool:
    name, _, value = parameter.partition("=")
    name = name.lower()
    return (
        name in _TRACKERS
        or name.startswith(_TRACKER_PREFIXES)
        or (name in _TRACKER_VALUES and value.lower() in _TRACKER_VALUES[name])
    )


def canonical_link(link: str) -> str:
    """Give the form of a link by which items are told apart; anything that is no http(s) URL stays as it is.

    https for http, lower-case host, no default port, trackers dropped, the other parameters in their order, the
    fragment kept unless it is a tracker (29 guids of the real feeds need theirs). RFC 3986 section 6.2.
    """
    link = link.strip()
    if link[:4].lower() != "http":
        return link
    if _PLAIN_LINK.fullmatch(link):
        return f"https{link[link.index(':') :]}"
    try:
        parts = urlsplit(link)
        port = parts.port
    except ValueError:
        return link
    if parts.scheme.lower() not in _DEFAULT_PORTS or not parts.hostname:
        return link
    return urlunsplit(_canonical(parts, port))


def _canonical(parts: SplitResult, port: int | None) -> tuple[str, str, str, str, str]:
    host = (parts.hostname or "").rstrip(".")
    host = f"[{host}]" if ":" in host else host
    authority = host if port in {None, 80, 443} else f"{host}:{port}"
    user = parts.netloc.rpartition("@")[0]
    query = parts.query
    if query:
        query = "&".join(one for one in query.split("&") if one and not _is_tracker(one))
    fragment = "" if _FRAGMENT_TRACKER.search(parts.fragment) else parts.fragment
    return "https", f"{user}@{authority}" if user else authority, parts.path or "/", query, fragment


def safe_link(link: str) -> str:
    """Give the link if it is http or https and has a host, else nothing: `javascript:` and the like are no links."""
    if link[:4].lower() != "http":
        return ""
    if _PLAIN_LINK.fullmatch(link):
        return link
    try:
        parts = urlsplit(link)
    except ValueError:
        return ""
    if parts.scheme.lower() not in _DEFAULT_PORTS or not parts.hostname or not link.isprintable():
        return ""
    return link.replace(" ", "%20")


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
