"""Coverage: feed statuses and a range come in, a word on whether the feeds were being watched goes out. Pure.

It tells "nothing was published" from "we were not looking".
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct, field

from newswire.clock import Instant, to_rfc3339
from newswire.feed_status import State, state_of
from newswire.model import FeedStatus

LISTED = 20
"""Of feeds that are not ok and of gaps, how many are listed; the counts are whole."""
_UNSEEN = {"failing", "stale"}
"""States in which items may come and go unseen."""


class NotOk(Struct, frozen=True):
    """A feed that is not being watched as it should be; `since` is when it began to fail."""

    feed: str
    state: State
    last_success: str | None
    since: str | None


class GapOut(Struct, frozen=True):
    """A time in which items of a feed may have come and gone unseen; `to` is null while it is still open."""

    feed: str
    from_: str = field(name="from")
    to: str | None


class Coverage(Struct, frozen=True):
    """Whether the feeds that a search was about were being watched in its range."""

    feeds: int
    ok: int
    oldest_success: str | None
    not_ok_count: int
    gap_count: int
    not_ok: tuple[NotOk, ...]
    gaps: tuple[GapOut, ...]

    @property
    def is_whole(self) -> bool:
        """Say whether every feed is ok and no gap meets the range."""
        return not self.not_ok_count and not self.gap_count


def coverage_of(
    statuses: Iterable[FeedStatus], start: Instant | None, end: Instant | None, now: Instant, grace_s: int
) -> Coverage:
    """Say how well the feeds were watched in a range of time."""
    feeds = not_ok = gaps = 0
    wrong: list[NotOk] = []
    missed: list[GapOut] = []
    oldest: Instant | None = None
    for status in statuses:  # there may be ten thousand, so only what is listed is written out
        feeds += 1
        state = state_of(status, now, grace_s)
        if state != "ok":
            not_ok += 1
            if len(wrong) < LISTED:
                since = status.failing_since if state == "failing" else None
                wrong.append(NotOk(status.id, state, _time(status.last_success), _time(since)))
        if status.gaps or state in _UNSEEN:
            found = gaps_of(status, state, start, end)
            gaps += len(found)
            missed += found[: LISTED - len(missed)]
        last = status.last_success
        if last is not None and state != "paused" and (oldest is None or last < oldest):
            oldest = last
    return Coverage(feeds, feeds - not_ok, _time(oldest), not_ok, gaps, tuple(wrong), tuple(missed))


def gaps_of(status: FeedStatus, state: State, start: Instant | None = None, end: Instant | None = None) -> list[GapOut]:
    """Give the gaps of a feed that meet a range, the newest first.

    While a feed fails, or is not asked at all, a gap is open since it was last seen; the next good document closes it,
    or shows that nothing was missed.
    """
    found = []
    opened = status.last_success if state in _UNSEEN else None
    if opened is not None and (end is None or opened < end):
        found.append(GapOut(status.id, to_rfc3339(opened), None))
    return found + [
        GapOut(status.id, to_rfc3339(gap.start), to_rfc3339(gap.end))
        for gap in status.gaps
        if (end is None or gap.start < end) and (start is None or gap.end > start)
    ]


def _time(instant: Instant | None) -> str | None:
    return None if instant is None else to_rfc3339(instant)
