"""The feed store: the list of feeds, the state that polling and indexing keep of each, leases, locks and metadata.

Polling and indexing own different attributes of a feed's row and never write each other's, so neither can undo the
other's work. Fold state belongs to a generation of the index; poll state does not.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from hashlib import sha256
from typing import TYPE_CHECKING, Protocol, TypeVar

import msgspec
from msgspec import Struct

from newswire.clock import SECOND, Instant
from newswire.model import Feed, FoldState, ItemState, PollState
from newswire.urls import host_of

if TYPE_CHECKING:
    from newswire.settings import Settings
    from newswire.storage.feeds.metadata import Metadata

M = TypeVar("M", bound="Metadata")


class Lease(Struct, frozen=True):
    """The right to work on one thing until an instant; the token tells our lease from others."""

    token: str
    until: Instant


class FeedRow(Struct, frozen=True):
    """A feed with its states, read at one moment."""

    feed: Feed
    poll: PollState
    fold: FoldState
    rev: int
    """Grows with every change of the row, also when a removed feed comes back."""
    orphaned: bool = False
    """The last poll lease was not given back: its holder died, perhaps after it had written a record."""
    abandoned: bool = False
    """Of a claim for indexing: the last index lease was not given back; its holder died, perhaps of a record."""


class DueFeed(Struct, frozen=True):
    """A feed that is due for a check, the host it is fetched from, and the instant since when it is due."""

    id: str
    host: str
    at: Instant = 0


class PollResult(Struct, frozen=True):
    """The new poll state of a feed, to be written under the lease with this token."""

    feed: str
    token: str
    poll: PollState
    claimed: FeedRow | None = None
    """The row as it was claimed, so that it need not be read again: an edit of the feed ends the lease."""


class FeedList(Protocol):
    """The list of feeds. Used by the command line and by `ingest/feed_list.py`."""

    def put(self, feed: Feed, now: Instant) -> None:
        """Add a feed, or replace its configuration; its poll and fold state stay.

        A feed whose `configuration_of` changes is due at once, at its configured URL. A poll lease on it ends: the result
        of its holder belongs to the old configuration.
        """

    def row(self, feed_id: str, generation: int = 0) -> FeedRow | None:
        """Return a feed with its states (the fold state of `generation`), or None."""

    def rows(self, generation: int = 0, ids: Iterable[str] | None = None) -> list[FeedRow]:
        """Return all feeds with their states, or the known ones among `ids`, by id."""

    def remove(self, feed_id: str) -> None:
        """Delete a feed, its states and the states of its items, in every generation."""


class PollLeases(Protocol):
    """Due feeds, poll leases and host leases. Used by `ingest/tick.py`, `ingest/poll.py` and `ingest/archiving.py`."""

    def due(self, now: Instant, limit: int, since: Instant = 0) -> list[DueFeed]:
        """Return at most `limit` feeds whose check is due and that nobody has a lease on, the longest due first.

        With `since`, only those that are due since after this instant: what was due before it is not even read.
        """

    def orphaned(self, now: Instant, limit: int) -> list[str]:
        """Return at most `limit` feeds whose poll lease expired, or lost its holder, without being given back."""

    def claim(self, feed_id: str, lease: Lease, now: Instant, generation: int = 0) -> FeedRow | None:
        """Take the poll lease of a feed and return its row; None if it is taken or the feed does not exist."""

    def claim_many(
        self, feed_ids: Iterable[str], lease: Lease, now: Instant, generation: int = 0
    ) -> dict[str, FeedRow]:
        """Take the poll leases of several feeds and return the rows of those that were free, by id."""

    def remember(self, results: Iterable[PollResult], *, release: bool = True) -> list[str]:
        """Write poll states, each under its lease, and give the leases back; return the ids that were refused."""

    def release(self, feed_id: str, token: str) -> bool:
        """Release a poll lease without writing anything."""

    def claim_host(self, host: str, lease: Lease, now: Instant) -> Instant:
        """Take the lease of a host; return 0 on success, else the instant until which it is held off or taken."""

    def release_host(self, host: str, token: str, hold_until: Instant = 0) -> bool:
        """Release the lease of a host; nobody gets it before `hold_until`."""


class FoldStates(Protocol):
    """The fold state of feeds and items in each generation, under index leases. Used by `ingest/indexing.py` and `reindex.py`."""

    def behind(self, generation: int, limit: int = 1_000_000, among: Iterable[str] | None = None) -> list[str]:
        """Return feeds (all, or some) whose cursor is behind the last record that polling knows of."""

    def claim_index(self, generation: int, feed_id: str, lease: Lease, now: Instant) -> FeedRow | None:
        """Take the index lease of a feed and return its row; None if it is taken or the feed does not exist.

        The row is `abandoned` if another lease was there, which had expired or whose holder is dead.
        """

    def item_states(self, generation: int, feed_id: str, ids: Iterable[str]) -> dict[str, ItemState]:
        """Return the states of items that have one, by id."""

    def save(self, generation: int, feed_id: str, token: str, fold: FoldState, states: Mapping[str, ItemState]) -> bool:
        """Write item states and, after them, the fold state with its cursor, under the index lease."""

    def release_index(self, generation: int, feed_id: str, token: str) -> bool:
        """Release an index lease."""

    def index_leases(self, generation: int, now: Instant) -> int:
        """Count the held index leases of a generation."""

    def generations(self) -> list[int]:
        """Return the numbers of the generations that have any state, in order."""

    def drop_generation(self, generation: int) -> None:
        """Delete all fold and item states of a generation."""


class Locks(Protocol):
    """Locks by name (`reindex`, `fence`) and metadata, one value of each kind. Used by `ingest/reindex.py` and `tick.py`."""

    def lock(self, name: str, lease: Lease, now: Instant) -> bool:
        """Take a named lock, or extend ours; return False if somebody else has it."""

    def unlock(self, name: str, token: str) -> bool:
        """Release a named lock."""

    def is_locked(self, name: str, now: Instant) -> bool:
        """Return whether anybody holds a named lock."""

    def metadata(self, kind: type[M]) -> M | None:
        """Return the stored value of this kind; None if there is none, or another version wrote it in another form."""

    def keep_metadata(self, value: Metadata) -> None:
        """Store a value, instead of the one of its kind."""


class FeedStore(FeedList, PollLeases, FoldStates, Locks, Protocol):
    """Feeds, their states and their leases, for several processes at once.

    A lease is free when nobody has it, when its `until` is not after `now`, or when its holder is known to be dead. A
    write under a lease returns False, and changes nothing, once the lease has gone to somebody else. Searches over all
    feeds (`due`, `orphaned`, `behind`) may miss a change of the last moments; they never return a wrong feed. Raises
    `DataError` for any failure of the medium.
    """

    def close(self) -> None:
        """Close connections and files. Leases stay as they are; the next call opens the store again."""


def new_lease(settings: Settings, now: Instant, token: str | None = None) -> Lease:
    """Return a lease of `lease_seconds` from `now`, with a new token or a given one."""
    return Lease(token or uuid.uuid4().hex, now + settings.lease_seconds * SECOND)


def configuration_of(feed: Feed) -> str:
    """Return a digest of how a feed is fetched and read; validators, adopted URL and pause are valid for one such digest."""
    configuration = msgspec.json.encode(
        (feed.url, sorted(feed.headers.items()), feed.user_agent, feed.kind, feed.listing, feed.lang)
    )
    return sha256(configuration).hexdigest()[:16]


def is_polled(feed: Feed, poll: PollState) -> bool:
    """Return whether a feed is polled: it has a URL, is not removed and not paused. A new configuration ends a pause."""
    paused = poll.paused is not None and poll.configured == configuration_of(feed)
    return feed.polled and not feed.removed and bool(feed.url) and not paused


def after_edit(before: Feed, feed: Feed, poll: PollState) -> PollState | None:
    """Return the poll state after an edit that changes `configuration_of`: due at once. None if it does not change."""
    if configuration_of(before) == configuration_of(feed):
        return None
    return msgspec.structs.replace(poll, next_check=0, adopted_url=None)


def polled_host(feed: Feed, poll: PollState) -> str:
    """Return the `host:port` that a feed is fetched from."""
    return host_of(poll.adopted_url or feed.url)
