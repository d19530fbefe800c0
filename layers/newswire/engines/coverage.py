"""Coverage: whether the feeds of a search were being watched in its range. Pure.

It tells "nothing was published" from "newswire was not looking". `coverage_of` is the rule; an engine may count in another
way, so that its cost does not grow with the number of feeds.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from msgspec import Struct

from newswire.clock import Instant
from newswire.feed_status import STATES, State, state_of
from newswire.model import FeedStatus, Gap

MAX_LISTED = 20
"""Maximum unwatched feeds, and gaps, that are listed; the counts cover all of them."""
UNSEEN_STATES: frozenset[State] = frozenset({"failing", "stale"})
"""States in which items may come and go unseen."""
WATCHED_STATES: frozenset[State] = frozenset({"ok", "archive"})
"""States that are not listed: the feed is up to date, or is not to be polled."""


class CoverageQuery(Struct, frozen=True):
    """Which feeds, at which instant, and in which range. The range is half-open; a bound of None is open."""

    now: Instant
    grace_s: int
    """A feed is stale when its next check is overdue by more than these seconds."""
    start: Instant | None = None
    end: Instant | None = None
    any_of: tuple[str, ...] = ()
    """Only these feeds; all if empty."""
    none_of: tuple[str, ...] = ()
    """Without these feeds."""


class FeedHistory(Protocol):
    """What the coverage lists of a feed: a `FeedStatus`, or those fields of one."""

    @property
    def id(self) -> str:
        """The id of the feed."""

    @property
    def last_success(self) -> Instant | None:
        """When a check was last successful."""

    @property
    def failing_since(self) -> Instant | None:
        """When it began to fail."""

    @property
    def gaps(self) -> tuple[Gap, ...]:
        """Its closed gaps, the newest first."""


class UnwatchedFeed(Struct, frozen=True):
    """A feed that is not ok; `since` is when it began to fail."""

    feed: str
    state: State
    last_success: Instant | None
    since: Instant | None


class FeedGap(Struct, frozen=True):
    """A time in which items of a feed may have come and gone unseen; `end` is None while it is open."""

    feed: str
    start: Instant
    end: Instant | None


class FeedCoverage(Struct, frozen=True):
    """How well the feeds of a search were being watched in its range."""

    states: dict[State, int]
    """Number of feeds in each state, without states that no feed has."""
    oldest_success: Instant | None = None
    """The oldest last success of the feeds that are polled."""
    gap_count: int = 0
    not_ok: tuple[UnwatchedFeed, ...] = ()
    """The first `MAX_LISTED` by id."""
    gaps: tuple[FeedGap, ...] = ()
    """The first `MAX_LISTED`, by feed, and the newest first."""
    newest: Instant | None = None
    """The newest date of publication of the feeds."""
    behind: int = 0
    """Number of feeds with archived records that are not indexed yet."""
    unknown: tuple[str, ...] = ()
    """Those of the named feeds that do not exist, in the order of the query."""
    missing: int = 0
    """Number of items, of all feeds, that the index lacks while it is rebuilt."""

    @property
    def feeds(self) -> int:
        """Return the number of feeds."""
        return sum(self.states.values())

    @property
    def ok(self) -> int:
        """Return the number of feeds that are up to date."""
        return self.states.get("ok", 0)

    @property
    def archived(self) -> int:
        """Return the number of feeds that are not to be polled: their items were loaded."""
        return self.states.get("archive", 0)

    @property
    def not_ok_count(self) -> int:
        """Return the number of feeds that should be up to date and are not."""
        return self.feeds - self.ok - self.archived

    @property
    def is_complete(self) -> bool:
        """Return whether every polled feed is ok, no gap meets the range, and the index has all items."""
        return not self.not_ok_count and not self.gap_count and not self.missing


def coverage_of(statuses: Iterable[FeedStatus], query: CoverageQuery) -> FeedCoverage:
    """Return the coverage of the feeds with these statuses, which are all feeds, in the order of their ids."""
    any_of, none_of = set(query.any_of), set(query.none_of)
    unknown = dict.fromkeys((*query.any_of, *query.none_of))
    states = dict.fromkeys(STATES, 0)
    gap_count = behind = 0
    not_ok: list[UnwatchedFeed] = []
    gaps: list[FeedGap] = []
    oldest_success: Instant | None = None
    newest: Instant | None = None
    for status in statuses:
        unknown.pop(status.id, None)
        if (any_of and status.id not in any_of) or status.id in none_of:
            continue
        state = state_of(status, query.now, query.grace_s)
        states[state] += 1
        if state not in WATCHED_STATES and len(not_ok) < MAX_LISTED:
            not_ok.append(unwatched_feed(status, state))
        if status.gaps or state in UNSEEN_STATES:
            feed_gaps = gaps_of(status, state, query.start, query.end)
            gap_count += len(feed_gaps)
            gaps += feed_gaps[: MAX_LISTED - len(gaps)]
        success = status.last_success if state not in {"paused", "archive"} else None
        if success is not None and (oldest_success is None or success < oldest_success):
            oldest_success = success
        if status.newest is not None and (newest is None or status.newest > newest):
            newest = status.newest
        behind += status.behind
    return FeedCoverage(
        {state: count for state, count in states.items() if count},
        oldest_success,
        gap_count,
        tuple(not_ok),
        tuple(gaps),
        newest,
        behind,
        tuple(unknown),
    )


def unwatched_feed(status: FeedHistory, state: State) -> UnwatchedFeed:
    """Return what is listed of a feed that is not ok."""
    return UnwatchedFeed(status.id, state, status.last_success, status.failing_since if state == "failing" else None)


def gaps_of(
    status: FeedHistory, state: State, start: Instant | None = None, end: Instant | None = None
) -> list[FeedGap]:
    """Return the gaps of a feed that meet a half-open range, the newest first.

    While a feed fails, or is not polled at all, a gap is open from its last success. The next good document closes the
    gap, or shows that nothing was missed.
    """
    gaps = []
    open_since = status.last_success if state in UNSEEN_STATES else None
    if open_since is not None and (end is None or open_since < end):
        gaps.append(FeedGap(status.id, open_since, None))
    return gaps + [
        FeedGap(status.id, gap.start, gap.end)
        for gap in status.gaps
        if (end is None or gap.start < end) and (start is None or gap.end > start)
    ]
