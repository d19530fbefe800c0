"""The values that cross from one stage to the next: one frozen type per stage, in the order the data meets them.

A `Feed` is polled and gives a `Fetched`; that is archived as a `Record`; a record is parsed into a `Document` of
`Entry`s; an entry becomes a `Candidate` and, folded over the log, an `Item`, which the engine keeps. Instants are
milliseconds (`clock.Instant`); durations are seconds and say so in their names (`_s`).

What there are hundreds of thousands of is made with `gc=False`: frozen values hold no cycles, and looking for some in
them takes a tenth of a back-fill.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct, field

from newswire.clock import Instant

# --- feeds ------------------------------------------------------------------------------------------------------------

FeedKind = Literal["auto", "syndication", "jsonfeed", "listing", "sitemap"]
"""How a document is read: `auto` detects it; `syndication` is RSS, Atom, RDF and CDF."""

Origin = Literal["file", "added", "made"]
"""Where a feed comes from: feeds.toml, `newswire feeds add`, or made by `ingest` and `load` (and then not polled)."""


class Listing(Struct, frozen=True, forbid_unknown_fields=True):
    """Where the rows and their fields are in a JSON listing, as JMESPath expressions; all but `rows` are of a row."""

    rows: str
    title: str = "title"
    link: str = "link"
    date: str = "date"
    summary: str = "summary"
    guid: str = ""
    base: str = ""
    """The URL that relative links are resolved against; empty: the URL the document came from."""


class Feed(Struct, frozen=True):
    """A source that is polled, as its owner configured it."""

    id: str
    url: str = ""
    title: str = ""
    description: str = ""
    link: str = ""
    kind: FeedKind = "auto"
    origin: Origin = "added"
    polled: bool = True
    minimum_s: int | None = None
    maximum_s: int | None = None
    user_agent: str | None = None
    headers: dict[str, str] = {}
    listing: Listing | None = None
    lang: str | None = None
    removed: bool = False
    """Gone from the file that it came from: not polled, its items and its log stay."""


# --- fetching ---------------------------------------------------------------------------------------------------------


class Validators(Struct, frozen=True):
    """What a server gave us to ask "has it changed?" with, exactly as received, for one URL only."""

    url: str
    etag: str | None = None
    last_modified: str | None = None


class FetchRequest(Struct, frozen=True):
    """What to ask for: a URL, who asks, and what we have already."""

    url: str
    user_agent: str
    headers: dict[str, str] = {}
    """Sent to the origin of `secret_origin` only: they may be keys."""
    validators: Validators | None = None
    secret_origin: str = ""


class Hop(Struct, frozen=True):
    """One redirect: the status that sent us on, and where to."""

    status: int
    target: str


class Fetched(Struct, frozen=True):
    """A document came: status 200 with its bytes, decompressed."""

    url: str
    final_url: str
    status: int
    headers: dict[str, str]
    body: bytes
    content_type: str
    truncated: bool
    """The transfer ended before the length that was promised; the entries that are whole still count."""
    hops: tuple[Hop, ...]
    took_ms: int
    wire_bytes: int


class NotModified(Struct, frozen=True):
    """The server says that the document is the one we have (304)."""

    url: str
    final_url: str
    headers: dict[str, str]
    hops: tuple[Hop, ...]
    took_ms: int


class FetchFailed(Struct, frozen=True):
    """No document came; a value that is recorded, so that one bad feed never stops the others."""

    url: str
    code: str
    """One of the codes in docs/feeds.md."""
    sentence: str
    status: int | None = None
    headers: dict[str, str] = {}
    hops: tuple[Hop, ...] = ()
    took_ms: int = 0


Outcome = Fetched | NotModified | FetchFailed

# --- the archive ------------------------------------------------------------------------------------------------------

RecordKind = Literal["document", "load"]


class Record(Struct, frozen=True):
    """What one fetch or one back-fill brought, as archived: numbered within its feed, never changed."""

    feed: str
    seq: int
    kind: RecordKind
    fetched_at: Instant
    """Never decreases within a feed's log; every time in an item comes from here."""
    confirmed_at: Instant | None
    """When the document before this one was last known to be current: a gap can only begin after it."""
    url: str
    final_url: str
    status: int
    headers: dict[str, str]
    content_type: str
    feed_kind: FeedKind
    listing: Listing | None
    lang: str | None
    truncated: bool
    body: bytes


# --- parsing ----------------------------------------------------------------------------------------------------------


VALUE_LENGTH = 256
"""Maximum characters of a feed, category, author or lang value; longer ones are cut, since values compare whole."""


class RawDate(Struct, frozen=True, gc=False):
    """A date as the feed wrote it, and which element said it."""

    source: str
    raw: str


class Markup(Struct, frozen=True, gc=False):
    """Text as the parser gives it; `html` says whether it is markup or already plain."""

    text: str = ""
    html: bool = True


class Entry(Struct, frozen=True, gc=False):
    """One element of a document, as the parser gives it; nothing is judged or cleaned yet."""

    guid: str = ""
    guid_is_link: bool = False
    """The guid may be taken for a URL: it was not marked `isPermaLink="false"`."""
    link: str = ""
    title: Markup = Markup()
    summary: Markup = Markup()
    content: Markup = Markup()
    published: tuple[RawDate, ...] = ()
    """The candidates for the date of publication, the best first."""
    updated: RawDate | None = None
    authors: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    lang: str | None = None


class Hints(Struct, frozen=True):
    """What a document says about how often it wants to be polled."""

    ttl_s: int | None = None
    update_period_s: int | None = None
    skip_hours: tuple[int, ...] = ()
    """Hours of the day in UTC, 0 to 23."""
    skip_days: tuple[int, ...] = ()
    """Days of the week, 0 is Monday."""


class Document(Struct, frozen=True, gc=False):
    """A record's body, read: the feed's own words about itself, and its entries in the order of the document."""

    kind: str
    title: str = ""
    description: str = ""
    link: str = ""
    lang: str | None = None
    hints: Hints = Hints()
    entries: tuple[Entry, ...] = ()
    cut: bool = False
    """The document ended in the middle, or had more entries than we take; what is given is whole."""


class Refusal(Struct, frozen=True):
    """A document that can't be read as a feed: a code of docs/feeds.md and its sentence."""

    code: str
    sentence: str


# --- items ------------------------------------------------------------------------------------------------------------

Precision = Literal["day", "minute", "second"]
DateFlag = Literal["undated", "unreadable", "future", "epoch", "midnight"]


class ItemDate(Struct, frozen=True, gc=False):
    """When an item was published, and how we know."""

    at: Instant
    source: str
    """`pubDate`, `dc:date`, `updated` or `first_seen`."""
    precision: Precision
    raw: str | None
    flags: tuple[DateFlag, ...] = ()


class Candidate(Struct, frozen=True, gc=False):
    """An entry, cleaned and identified, not yet compared with what we know of its item."""

    id: str
    """The plain id: of the guid, else the link, else title and date, else title and text."""
    split_id: str | None
    """The id of guid and link together, where there is a guid; taken once the guid stands on several links."""
    entry_hash: str
    """Over the entry's fields as the parser gave them, without its date."""
    title: str
    link: str
    summary: str
    content: str
    authors: tuple[str, ...]
    categories: tuple[str, ...]
    lang: str | None
    date: ItemDate
    updated: Instant | None
    canonical_link: str


class ItemState(Struct, frozen=True, array_like=True, gc=False):
    """The small row that is kept for each item for ever: what the fold must know of it to go on."""

    entry_hash: str
    extraction: int
    revision: int
    first_seen: Instant
    changed: Instant
    date: ItemDate
    link: str
    seq: int
    loaded: bool = False
    split: bool = False


class Item(Struct, frozen=True, gc=False):
    """What is indexed and found."""

    id: str
    feed: str
    title: str
    link: str
    summary: str
    content: str
    authors: tuple[str, ...]
    categories: tuple[str, ...]
    lang: str | None
    published: Instant
    published_source: str
    published_precision: Precision
    published_raw: str | None
    date_flags: tuple[DateFlag, ...]
    updated: Instant | None
    changed: Instant
    first_seen: Instant
    revision: int


class ItemWrite(Struct, frozen=True, gc=False):
    """A whole item for the engine, with its record's number: the engine keeps the higher one."""

    item: Item
    seq: int


class RefusedItem(Struct, frozen=True):
    """An item that the engine would not take, and why; recorded, and it holds nothing back."""

    id: str
    reason: str


class IndexReport(Struct, frozen=True):
    """What came of a batch of writes."""

    written: int = 0
    outdated: int = 0
    """Writes that lost against a higher number; done, and nothing to worry about."""
    refused: tuple[RefusedItem, ...] = ()


# --- the state of a feed ----------------------------------------------------------------------------------------------


class FetchLine(Struct, frozen=True, array_like=True, gc=False):
    """One of the last fetches, for a person who wonders what happened."""

    at: Instant
    status: int | None
    bytes: int
    took_ms: int
    error: str | None = None
    seq: int | None = None
    new: int | None = None
    changed: int | None = None
    unchanged: int | None = None


class Move(Struct, frozen=True):
    """A permanent redirect that was seen, and how often since when."""

    target: str
    since: Instant
    sightings: int


class PollState(Struct, frozen=True):
    """What polling remembers of a feed; owned by `poll.py`, written only under the feed's poll lease."""

    next_check: Instant = 0
    interval_s: int = 0
    head: int = 0
    """The number of the last record of the log that polling knows of."""
    head_at: Instant = 0
    """That record's `fetched_at`; the next one is never earlier."""
    body_hash: str = ""
    validators: Validators | None = None
    full_at: Instant = 0
    """When the whole document was last asked for without conditions."""
    last_checked: Instant | None = None
    last_success: Instant | None = None
    failing_since: Instant | None = None
    errors: int = 0
    error_code: str | None = None
    error: str | None = None
    paused: str | None = None
    """Why it is not polled, as a sentence, or null."""
    configured: str = ""
    """The configuration that this was learnt under (`feeds.configuration_of`); with another one it counts no more."""
    adopted_url: str | None = None
    move: Move | None = None
    fetches: tuple[FetchLine, ...] = ()
    """The last 20, the newest first."""


class Gap(Struct, frozen=True):
    """A time in which items may have come and gone unseen."""

    start: Instant = field(name="from")
    end: Instant = field(name="to")


class Count(Struct, frozen=True, array_like=True):
    """What one record gave."""

    seq: int
    new: int
    changed: int
    unchanged: int


class FoldState(Struct, frozen=True):
    """What the fold knows of a feed after the record at its cursor; belongs to a generation, rebuilt by a replay."""

    cursor: int = 0
    title: str = ""
    description: str = ""
    link: str = ""
    lang: str | None = None
    kind: str = ""
    hints: Hints = Hints()
    good_seq: int = 0
    """The last record that could be read as a feed."""
    good_at: Instant | None = None
    refused_seq: int = 0
    refused_code: str | None = None
    refused: str | None = None
    usual: float = 0.0
    """The usual number of entries in a document (a moving average)."""
    per_day: float | None = None
    """New items a day, as observed."""
    last_new: int = 0
    last_entries: int = 0
    window: dict[str, int] = {}
    """Of each entry of the last good document, a short id, and in how many documents in a row it stood."""
    shared_url: str | None = None
    """The last URL whose document held an item that we knew."""
    items: int = 0
    newest: Instant | None = None
    gaps: tuple[Gap, ...] = ()
    counts: tuple[Count, ...] = ()
    refused_items: tuple[RefusedItem, ...] = ()
    """The last items that the engine refused."""
    refused_count: int = 0
    """How many it has refused in all."""


class FeedStatus(Struct, frozen=True):
    """What the search side knows of a feed; published into the engine by every batch, the highest `rev` stays."""

    id: str
    rev: int
    title: str
    description: str
    link: str
    url: str
    """Without user info, and with `…` in place of query values."""
    kind: str
    last_checked: Instant | None
    last_success: Instant | None
    next_check: Instant | None
    failing_since: Instant | None
    error_code: str | None
    error: str | None
    paused: str | None
    items: int
    newest: Instant | None
    per_day: float | None
    behind: bool
    fetches: tuple[FetchLine, ...]
    gaps: tuple[Gap, ...]
    refused_items: tuple[RefusedItem, ...] = ()
    deleted: bool = False


# --- work -------------------------------------------------------------------------------------------------------------


class Batch(Struct, frozen=True):
    """A piece of work of one tick: feeds to poll and feeds to index; polling comes first."""

    feeds: tuple[str, ...]
    now: bool = False
    """Poll them even if they are not due: a person asked for it."""
