"""The values that the stages of newswire exchange, in one file, so that reading it once shows the whole walk of the data.

Polling a `Feed` brings a `Fetched`, which is archived as a `Record`. Parsing a record yields a `Document` with its
`Entry`s. An entry becomes a `Candidate`; folding the log turns candidates into `Item`s, which the engine keeps. Instants
are milliseconds (`clock.Instant`). Durations are seconds if their names end in `_s`.

The most frequent types have `gc=False`. Frozen values hold no cycles, and the garbage collector would take a tenth of a
back-fill to look for some.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct, field

from newswire.clock import Instant

# --- feeds ------------------------------------------------------------------------------------------------------------

FeedKind = Literal["auto", "syndication", "jsonfeed", "listing", "sitemap"]
"""The parser of a feed's documents: `auto` detects it; `syndication` is RSS, Atom, RDF and CDF."""

Origin = Literal["file", "added", "made"]
"""The source of a feed: feeds.toml, `newswire feeds add`, or `ingest` and `load`, whose feeds are not polled."""


class Listing(Struct, frozen=True, forbid_unknown_fields=True):
    """JMESPath expressions for a JSON listing: `rows` finds the rows, the others find the fields within a row."""

    rows: str
    title: str = "title"
    link: str = "link"
    date: str = "date"
    summary: str = "summary"
    guid: str = ""
    base: str = ""
    """The base URL of relative links; empty for the URL of the document."""


class Feed(Struct, frozen=True):
    """A source of items, as its owner configured it."""

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
    groups: tuple[str, ...] = ()
    """The groups that its owner put it into: the folders of an OPML file."""
    retention_days: int | None = None
    """Days after which an item leaves the index; 0 for never, None for the setting of all feeds."""
    removed: bool = False
    """No longer in its feeds file: not polled, but its items and its log stay."""


# --- fetching ---------------------------------------------------------------------------------------------------------


class Validators(Struct, frozen=True):
    """The validators of a conditional request, exactly as the server sent them, for one URL only."""

    url: str
    etag: str | None = None
    last_modified: str | None = None


class FetchRequest(Struct, frozen=True):
    """A request for a document: the URL, the user agent, and the validators of the known document."""

    url: str
    user_agent: str
    headers: dict[str, str] = {}
    """Sent only to `secret_origin`, since they may be API keys."""
    validators: Validators | None = None
    secret_origin: str = ""


class Hop(Struct, frozen=True):
    """One redirect: its status and its target URL."""

    status: int
    target: str


class Fetched(Struct, frozen=True):
    """A fetched document: status 200 and its body."""

    url: str
    final_url: str
    status: int
    headers: dict[str, str]
    body: bytes
    content_type: str
    truncated: bool
    """The transfer ended before the announced length; complete entries still count."""
    hops: tuple[Hop, ...]
    took_ms: int
    wire_bytes: int
    coding: str | None = None
    """The Content-Encoding of a body that is as it was sent; None for a body that is decompressed (`ingest/decompress.py`)."""


class NotModified(Struct, frozen=True):
    """The server answered 304: the known document is current."""

    url: str
    final_url: str
    headers: dict[str, str]
    hops: tuple[Hop, ...]
    took_ms: int


class FetchFailed(Struct, frozen=True):
    """A failed fetch. It is a value, not an exception, so one bad feed never stops the others."""

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

RecordKind = Literal["document", "load", "withdrawal"]
"""A fetched document, lines of a back-fill, or the decision of a person to take an item out for good."""


class Record(Struct, frozen=True):
    """The archived result of one fetch or one back-fill, numbered within its feed. It never changes."""

    feed: str
    seq: int
    kind: RecordKind
    fetched_at: Instant
    """Never decreases within a feed's log. `first_seen` and `changed` of items come from it."""
    confirmed_at: Instant | None
    """When the previous document was last known to be current; a gap can only begin after that."""
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

CutField = Literal["title", "link", "summary", "content", "authors", "categories"]
"""A field of an item that can be longer in its document than newswire keeps."""


class RawDate(Struct, frozen=True, gc=False):
    """A date as the feed wrote it, and the element that it comes from."""

    source: str
    raw: str


class Markup(Struct, frozen=True, gc=False):
    """Text from the parser; `html` is False for plain text."""

    text: str = ""
    html: bool = True


MAX_ENCLOSURES = 20
"""Maximum enclosures of an entry; the rest is left out."""


class Enclosure(Struct, frozen=True, gc=False):
    """A file that belongs to an item: its absolute address, its media type or kind, and its length in bytes if known."""

    url: str
    type: str = ""
    length: int | None = None


class Entry(Struct, frozen=True, gc=False):
    """One element of a document, as parsed: not yet checked or cleaned."""

    guid: str = ""
    guid_is_link: bool = False
    """The guid may be used as a URL: it is not marked `isPermaLink="false"`."""
    link: str = ""
    title: Markup = Markup()
    summary: Markup = Markup()
    content: Markup = Markup()
    others: tuple[Markup, ...] = ()
    """Further texts, of other vocabularies (media:description, itunes:summary)."""
    published: tuple[RawDate, ...] = ()
    """Candidates for the publication date, the best first."""
    updated: RawDate | None = None
    authors: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    lang: str | None = None
    enclosures: tuple[Enclosure, ...] = ()
    image: str = ""
    """The address of a picture for the entry."""


class Hints(Struct, frozen=True):
    """Hints in a document about how often to poll it."""

    ttl_s: int | None = None
    update_period_s: int | None = None
    skip_hours: tuple[int, ...] = ()
    """Hours of the day in UTC, 0 to 23."""
    skip_days: tuple[int, ...] = ()
    """Days of the week, 0 is Monday."""


class Document(Struct, frozen=True, gc=False):
    """The parsed body of a record: the feed's metadata, and its entries in document order."""

    kind: str
    title: str = ""
    description: str = ""
    link: str = ""
    lang: str | None = None
    hints: Hints = Hints()
    entries: tuple[Entry, ...] = ()
    cut: bool = False
    """The document was cut off, or had more entries than the limit. All entries here are complete."""


class Refusal(Struct, frozen=True):
    """The reason why a document cannot be read as a feed: a code of docs/feeds.md and its sentence."""

    code: str
    sentence: str


# --- items ------------------------------------------------------------------------------------------------------------

Precision = Literal["day", "minute", "second"]
DateFlag = Literal["undated", "unreadable", "future", "epoch", "midnight"]


class ItemDate(Struct, frozen=True, gc=False):
    """The publication date of an item, and its source."""

    at: Instant
    source: str
    """`pubDate`, `dc:date`, `updated` or `first_seen`."""
    precision: Precision
    raw: str | None
    flags: tuple[DateFlag, ...] = ()


class Candidate(Struct, frozen=True, gc=False):
    """A cleaned and identified entry, not yet compared with the state of its item."""

    id: str
    """The plain id: from the guid, else the link, else title and date, else title and text."""
    split_id: str | None
    """The id from guid and link together, if there is a guid; used once the guid occurs with several links."""
    entry_hash: str
    """Hash of the entry's fields as parsed, without its date."""
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
    cut: tuple[CutField, ...] = ()
    """The fields that were longer in the document than newswire keeps."""
    image: str = ""
    enclosures: tuple[Enclosure, ...] = ()


class Reading(Struct, frozen=True):
    """The result of reading a record: a document without its entries and the candidates of its items, or a refusal."""

    document: Document | None = None
    refusal: Refusal | None = None
    entries: int = 0
    """The number of entries of the document; those without any content have no candidate."""
    candidates: tuple[Candidate, ...] = ()


class ItemState(Struct, frozen=True, array_like=True, gc=False):
    """The fold's small, permanent state of one item."""

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
    """Its guid had several links in one document, so each link is a separate item."""
    split_title: str = ""
    """Its identity had several titles in one document, so each is a separate item: the key of the title of this one."""
    title: str = ""
    """The key of its title, by which it is found when its identity stands on several entries; "" from older versions."""
    withdrawn: bool = False
    """A person took it out for good: it is in no index, and its entry never makes it again."""
    expired: bool = False
    """It left the index by its age; its entry does not make it again."""


class Item(Struct, frozen=True, gc=False):
    """The unit that is indexed and found."""

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
    cut: tuple[CutField, ...] = ()
    """The fields that were longer in the document than newswire keeps."""
    image: str = ""
    """The address of a picture, or ""."""
    enclosures: tuple[Enclosure, ...] = ()


class ItemWrite(Struct, frozen=True, gc=False):
    """A whole item for the engine, with its record's `seq`; of two writes the engine keeps the higher one."""

    item: Item
    seq: int


class Withdrawal(Struct, frozen=True):
    """The decision of a person to take an item out for good, and why. The body of a record of this kind."""

    id: str
    feed: str
    at: Instant
    reason: str


class ItemDeletion(Struct, frozen=True, gc=False):
    """An item to delete, unless the engine has it with a higher `seq` than this."""

    id: str
    seq: int


class RefusedItem(Struct, frozen=True):
    """An item that the engine refused, and the reason. It does not stop other items."""

    id: str
    reason: str


class IndexReport(Struct, frozen=True):
    """The result of a batch of writes."""

    written: int = 0
    outdated: int = 0
    """Writes that the engine skipped because it has a higher `seq`; this is not an error."""
    refused: tuple[RefusedItem, ...] = ()
    """Items that the engine will never take as they are."""
    failed: tuple[RefusedItem, ...] = ()
    """Items that it did not take now, for a reason that is not theirs: they must be written again."""


class IndexIdentity(Struct, frozen=True):
    """Which index a generation has: that of another store, or an older copy of it, is not the one that was filled."""

    id: str
    """A random text that the index got when it was made; "" if an older newswire made it."""
    stamp: int
    """Grows with every write; 0 where the engine has no such number."""


# --- the state of a feed ----------------------------------------------------------------------------------------------


class FetchLine(Struct, frozen=True, array_like=True, gc=False):
    """One of the last fetches, for a person who looks for a problem."""

    at: Instant
    status: int | None
    bytes: int
    took_ms: int
    error: str | None = None
    seq: int | None = None
    new: int | None = None
    changed: int | None = None
    unchanged: int | None = None
    merged: int | None = None


class Move(Struct, frozen=True):
    """An observed permanent redirect: its target, the first sighting, and the number of sightings."""

    target: str
    since: Instant
    sightings: int


class PollState(Struct, frozen=True):
    """The poll state of a feed. Only `poll.py` writes it, under the feed's poll lease."""

    next_check: Instant = 0
    interval_s: int = 0
    head: int = 0
    """The `seq` of the last record that polling knows of."""
    head_at: Instant = 0
    """That record's `fetched_at`; the next record is never earlier."""
    body_hash: str = ""
    validators: Validators | None = None
    full_at: Instant = 0
    """When the document was last requested without validators."""
    last_checked: Instant | None = None
    last_success: Instant | None = None
    failing_since: Instant | None = None
    errors: int = 0
    error_code: str | None = None
    error: str | None = None
    paused: str | None = None
    """Why the feed is not polled, as a sentence, or null."""
    configured: str = ""
    """The digest of the configuration that this state belongs to (`configuration_of`); another one makes it invalid."""
    adopted_url: str | None = None
    move: Move | None = None
    fetches: tuple[FetchLine, ...] = ()
    """The last 20 fetches, the newest first."""


class Gap(Struct, frozen=True):
    """A period in which items may have appeared and vanished between two polls."""

    start: Instant = field(name="from")
    end: Instant = field(name="to")


class Count(Struct, frozen=True, array_like=True):
    """The numbers of new, changed and unchanged items of one record, and of entries that are the same item as another."""

    seq: int
    new: int
    changed: int
    unchanged: int
    merged: int = 0


class FoldState(Struct, frozen=True):
    """The fold's state of a feed after the record at its cursor. It belongs to a generation; a replay rebuilds it."""

    cursor: int = 0
    title: str = ""
    description: str = ""
    link: str = ""
    lang: str | None = None
    kind: str = ""
    hints: Hints = Hints()
    good_seq: int = 0
    """The last record that was readable as a feed."""
    good_at: Instant | None = None
    refused_seq: int = 0
    refused_code: str | None = None
    refused: str | None = None
    refused_by: int = 0
    """The version of the extraction that refused the record at `refused_seq`; a later one reads its document again."""
    usual: float = 0.0
    """The usual number of entries in a document (a moving average)."""
    per_day: float | None = None
    """Observed number of new items per day."""
    last_new: int = 0
    last_entries: int = 0
    window: dict[str, int] = {}
    """For each entry of the last readable document: its short id, and the number of consecutive documents with it."""
    shared_url: str | None = None
    """The last URL whose document contained a known item."""
    items: int = 0
    newest: Instant | None = None
    gaps: tuple[Gap, ...] = ()
    counts: tuple[Count, ...] = ()
    refused_items: tuple[RefusedItem, ...] = ()
    """The last items that the engine refused."""
    refused_count: int = 0
    """The total number of refused items."""
    expired: int = 0
    """Number of items that left the index by their age."""

    @property
    def indexed(self) -> int:
        """Return the number of items that the index must have."""
        return self.items - self.refused_count - self.expired


class FeedStatus(Struct, frozen=True):
    """The status of a feed for the search side. Every batch publishes it into the engine, which keeps the highest `rev`."""

    id: str
    rev: int
    title: str
    description: str
    link: str
    url: str
    """The redacted URL: without user info, and with `…` for query values."""
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
    indexed: int = 0
    """Number of its items that the index must have: those that the engine did not refuse. 0 from older versions."""
    merged: int = 0
    """Number of entries of its newest document that are the same item as another one."""


# --- work -------------------------------------------------------------------------------------------------------------


class Batch(Struct, frozen=True):
    """A unit of work of one tick: feeds to poll, then to index."""

    feeds: tuple[str, ...]
    now: bool = False
    """If True, poll also feeds that are not due, since a person requested it."""
