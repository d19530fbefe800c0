"""Coverage: whether the feeds of a search were being watched in its range. Pure.

It tells "nothing was published" from "newswire was not looking".
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from newswire.clock import Instant
from newswire.feed_status import State, state_of
from newswire.model import FeedStatus

MAX_LISTED = 20
"""Maximum unwatched feeds, and gaps, that are listed; the counts cover all of them."""
_UNSEEN_STATES = {"failing", "stale"}
"""States in which items may come and go unseen."""


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

    feeds: int
    ok: int
    oldest_success: Instant | None
    not_ok_count: int
    gap_count: int
    not_ok: tuple[UnwatchedFeed, ...]
    gaps: tuple[FeedGap, ...]
    missing: int = 0
    """Number of items, of all feeds, that the index lacks while it is rebuilt."""

    @property
    def is_complete(self) -> bool:
        """Return whether every feed is ok, no gap meets the range, and the index has all items."""
        return not self.not_ok_count and not self.gap_count and not self.missing


def coverage_of(
    statuses: Iterable[FeedStatus], start: Instant | None, end: Instant | None, now: Instant, grace_s: int
) -> FeedCoverage:
    """Return the coverage of a half-open range; a bound of None is open."""
    feeds = not_ok_count = gap_count = 0
    not_ok: list[UnwatchedFeed] = []
    gaps: list[FeedGap] = []
    oldest_success: Instant | None = None
    for status in statuses:  # there may be ten thousand, so only listed feeds become values
        feeds += 1
        state = state_of(status, now, grace_s)
        if state != "ok":
            not_ok_count += 1
            if len(not_ok) < MAX_LISTED:
                since = status.failing_since if state == "failing" else None
                not_ok.append(UnwatchedFeed(status.id, state, status.last_success, since))
        if status.gaps or state in _UNSEEN_STATES:
            feed_gaps = gaps_of(status, state, start, end)
            gap_count += len(feed_gaps)
            gaps += feed_gaps[: MAX_LISTED - len(gaps)]
        success = status.last_success
        if success is not None and state != "paused" and (oldest_success is None or success < oldest_success):
            oldest_success = success
    return FeedCoverage(
        feeds, feeds - not_ok_count, oldest_success, not_ok_count, gap_count, tuple(not_ok), tuple(gaps)
    )


def gaps_of(
    status: FeedStatus, state: State, start: Instant | None = None, end: Instant | None = None
) -> list[FeedGap]:
    """Return the gaps of a feed that meet a half-open range, the newest first.

    While a feed fails, or is not polled at all, a gap is open from its last success. The next good document closes the
    gap, or shows that nothing was missed.
    """
    gaps = []
    open_since = status.last_success if state in _UNSEEN_STATES else None
    if open_since is not None and (end is None or open_since < end):
        gaps.append(FeedGap(status.id, open_since, None))
    return gaps + [
        FeedGap(status.id, gap.start, gap.end)
        for gap in status.gaps
        if (end is None or gap.start < end) and (start is None or gap.end > start)
    ]
