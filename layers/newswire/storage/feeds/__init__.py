"""The feed store: the list of feeds, what polling and indexing remember of each, and the leases on them.

Polling and indexing own different attributes and never write each other's, so that they can't undo each other's work.
What indexing remembers belongs to a generation of the index; what polling remembers does not.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from hashlib import sha256
from typing import TYPE_CHECKING, Protocol

import msgspec
from msgspec import Struct

from newswire.clock import Instant
from newswire.errors import UsageError
from newswire.model import Feed, FoldState, ItemState, PollState
from newswire.urls import host_of

if TYPE_CHECKING:
    from newswire.settings import Settings


class Lease(Struct, frozen=True):
    """The right to work on one thing until an instant; the token tells our lease from everybody else's."""

    token: str
    until: Instant


class FeedRow(Struct, frozen=True):
    """A feed with all that is remembered of it, read at one moment."""

    feed: Feed
    poll: PollState
    fold: FoldState
    rev: int
    """Grows with every change of the row, also over the removal of the feed and its coming back."""
    orphaned: bool = False
    """The last poll lease was not given back: its holder died, perhaps after it had written a record."""


class DueFeed(Struct, frozen=True):
    """A feed whose check is due, the host that it is fetched from, and since when it is due."""

    id: str
    host: str
    at: Instant = 0


class PollResult(Struct, frozen=True):
    """What one poll of one feed leaves behind."""

    feed: str
    token: str
    poll: PollState


class FeedStore(Protocol):
    """Feeds, their states and their leases, for several processes at once.

    `poll.py` uses the methods about polling, `indexing.py` and `reindex.py` those about indexing, the command line the
    list. A lease is free when nobody has it, when its `until` is not after `now`, or when its holder is known to be
    dead. Every write under a lease is refused (False) when the lease has gone to somebody else, and changes nothing
    then. What is found among all feeds (due, orphaned, behind) may be found some moments late, and never wrongly. What
    the medium does wrong is a `DataError`.
    """

    # --- the list ---

    def put(self, feed: Feed, now: Instant) -> None:
        """Add a feed, or replace its configuration; what is remembered of it stays.

        A feed that is now asked for or read otherwise (`configuration_of`) is due at once, at its configured address,
        and a poll lease on it ends: what its holder is about to learn is of the feed as it was.
        """

    def row(self, feed_id: str, generation: int = 0) -> FeedRow | None:
        """Give a feed with its states (those of `generation` for the index), or None."""

    def rows(self, generation: int = 0, ids: Iterable[str] | None = None) -> list[FeedRow]:
        """Give all feeds with their states, or those of the given that there are, by id."""

    def remove(self, feed_id: str) -> None:
        """Forget a feed and everything that is remembered of it and of its items, in every generation."""

    def note(self, key: str) -> str | None:
        """Give a remark that was kept under a key (such as the hash of feeds.toml), or None."""

    def keep_note(self, key: str, value: str) -> None:
        """Keep a remark under a key."""

    # --- polling ---

    def due(self, now: Instant, limit: int) -> list[DueFeed]:
        """Give at most so many feeds that are to be checked by now and that nobody has a lease on, the longest due first."""

    def orphaned(self, now: Instant, limit: int) -> list[str]:
        """Give feeds whose poll lease ran out or lost its holder without being given back."""

    def claim(self, feed_id: str, lease: Lease, now: Instant, generation: int = 0) -> FeedRow | None:
        """Take the poll lease of a feed and give its row; None if somebody else has it or there is no such feed."""

    def claim_many(
        self, feed_ids: Iterable[str], lease: Lease, now: Instant, generation: int = 0
    ) -> dict[str, FeedRow]:
        """Take the poll leases of several feeds, of those that can be taken; gives their rows."""

    def remember(self, results: Iterable[PollResult], *, release: bool = True) -> list[str]:
        """Write what polls leave behind, each under its lease, and give the leases back; gives the ids that were refused."""

    def release(self, feed_id: str, token: str) -> bool:
        """Give a poll lease back without having anything to remember."""

    def claim_host(self, host: str, lease: Lease, now: Instant) -> Instant:
        """Take the lease of a host; 0 when we have it, the instant until which it is held off or taken, if not."""

    def release_host(self, host: str, token: str, hold_until: Instant = 0) -> bool:
        """Give the lease of a host back; nobody gets it before `hold_until`."""

    # --- indexing ---

    def behind(self, generation: int, limit: int = 1_000_000, among: Iterable[str] | None = None) -> list[str]:
        """Give feeds whose log goes on after their cursor in this generation, as far as polling knows; of all, or of some."""

    def claim_index(self, generation: int, feed_id: str, lease: Lease, now: Instant) -> FeedRow | None:
        """Take the index lease of a feed in a generation and give its row; None if it is taken, or there is no such feed."""

    def item_states(self, generation: int, feed_id: str, ids: Iterable[str]) -> dict[str, ItemState]:
        """Give the states of those of the items that have one."""

    def save(self, generation: int, feed_id: str, token: str, fold: FoldState, states: Mapping[str, ItemState]) -> bool:
        """Write item states and, after them, the cursor with the rest of the index state, under the index lease."""

    def release_index(self, generation: int, feed_id: str, token: str) -> bool:
        """Give an index lease back."""

    def index_leases(self, generation: int, now: Instant) -> int:
        """Count the index leases of a generation that are held."""

    def generations(self) -> list[int]:
        """Give the numbers of the generations that something is remembered for, in order."""

    def drop_generation(self, generation: int) -> None:
        """Forget all index and item states of a generation."""

    # --- locks by name ---

    def lock(self, name: str, lease: Lease, now: Instant) -> bool:
        """Take a named lock (`reindex`, `fence`), or set the end of ours anew; False if somebody else has it."""

    def unlock(self, name: str, token: str) -> bool:
        """Give a named lock back."""

    def is_locked(self, name: str, now: Instant) -> bool:
        """Say whether somebody holds a named lock."""

    def close(self) -> None:
        """Give back what is open; leases stay as they are, and any method opens it again."""


def configuration_of(feed: Feed) -> str:
    """Name what a feed's validators, adopted address and pause were learnt under: how it is asked for and how it is read."""
    said = msgspec.json.encode(
        (feed.url, sorted(feed.headers.items()), feed.user_agent, feed.kind, feed.listing, feed.lang)
    )
    return sha256(said).hexdigest()[:16]


def is_polled(feed: Feed, poll: PollState) -> bool:
    """Say whether a feed is polled: not removed, and not paused (a pause ends when the feed is configured anew)."""
    paused = poll.paused is not None and poll.configured == configuration_of(feed)
    return feed.polled and not feed.removed and bool(feed.url) and not paused


def after_edit(before: Feed, feed: Feed, poll: PollState) -> PollState | None:
    """Give what is remembered of polling a feed that is asked for or read otherwise than before; None where it is not."""
    if configuration_of(before) == configuration_of(feed):
        return None
    return msgspec.structs.replace(poll, next_check=0, adopted_url=None)


def polled_host(feed: Feed, poll: PollState) -> str:
    """Give the host that a feed is fetched from."""
    return host_of(poll.adopted_url or feed.url)


def open_feeds(settings: Settings) -> FeedStore:
    """Give the feed store that the settings name; opens nothing yet."""
    if settings.table:
        from newswire.storage.feeds.dynamodb import DynamoFeedStore  # noqa: PLC0415 - only the chosen one is loaded

        return DynamoFeedStore(settings.table)
    from newswire.storage.feeds.sqlite import SqliteFeedStore  # noqa: PLC0415 - only the chosen one is loaded

    return SqliteFeedStore(settings.data_folder)


FEED_ID = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9])?")


def check_feed_id(feed_id: str) -> str:
    """Give the id back; `UsageError` for what can't be one."""
    if not FEED_ID.fullmatch(feed_id):
        msg = (
            f"{feed_id[:80]!r} can't be the id of a feed: lower-case letters, digits, '.', '_' and '-', at most 64, "
            "beginning and ending with a letter or digit."
        )
        raise UsageError(msg)
    return feed_id
