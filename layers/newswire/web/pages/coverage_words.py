"""Coverage in plain words: what an answer says of its feeds comes in, sentences for a reader go out. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from zoneinfo import ZoneInfo

from msgspec import Struct

from newswire.clock import Instant
from newswire.model import FeedStatus
from newswire.search.coverage import FeedCoverage, FeedGap, UnwatchedFeed
from newswire.web.pages.item_rows import feed_title
from newswire.web.pages.moments import since_when


class CoverageWords(Struct, frozen=True):
    """Whether the feeds were being watched: the whole in a sentence, then what is wrong, one sentence each."""

    is_whole: bool
    summary: str
    details: tuple[str, ...] = ()


def coverage_words(
    coverage: FeedCoverage,
    statuses: Mapping[str, FeedStatus],
    zone: ZoneInfo,
    now: Instant,
    end: Instant | None = None,
) -> CoverageWords:
    """Say how well the feeds were watched that an answer speaks of; `statuses` are of all there are, `end` is that of the range.

    A feed that stopped answering only after the range lacks nothing of it.
    """
    if not coverage.feeds:
        which = "None of these feeds is known here" if statuses else "No feed is being watched yet"
        return CoverageWords(is_whole=False, summary=f"{which}: what was published is not to be found.")
    known = _Known(statuses, zone, now)
    wrong = [one for one in coverage.not_ok if not _was_seen_until(one, end)]
    closed = [one for one in coverage.gaps if one.end is not None]
    unlisted = coverage.not_ok_count - len(coverage.not_ok)
    details = [*map(known.not_ok, wrong), *map(known.gap, closed)]
    if unlisted:
        details.append(f"{unlisted:,} more of the feeds {_are(unlisted)} not being watched.")
    if coverage.gap_count > len(coverage.gaps):
        details.append("There are more times than these in which items may have been missed.")
    if not details:
        which = "The feed is" if coverage.feeds == 1 else f"All {coverage.feeds:,} feeds are"
        summary = f"{which} being watched, and nothing is known to be missing."
        if not coverage.is_complete:
            summary = "The feeds were being watched in this range of time, and nothing is known to be missing."
        return CoverageWords(is_whole=True, summary=summary)
    if len(details) == 1:
        return CoverageWords(is_whole=False, summary=details[0])
    count = len(wrong) + unlisted
    if count:
        summary = f"{count:,} of {coverage.feeds:,} feeds {_are(count)} not being watched: items may be missing."
    else:
        which = "The feed is" if coverage.feeds == 1 else "The feeds are"
        summary = f"{which} being watched now, but there were times in which items may have been missed."
    return CoverageWords(is_whole=False, summary=summary, details=tuple(details))


def _was_seen_until(one: UnwatchedFeed, end: Instant | None) -> bool:
    return end is not None and one.last_success is not None and one.last_success >= end


class _Known(Struct, frozen=True):
    """What the sentences are made with."""

    statuses: Mapping[str, FeedStatus]
    zone: ZoneInfo
    now: Instant

    def not_ok(self, one: UnwatchedFeed) -> str:
        title = feed_title(one.feed, self.statuses)
        if one.state == "paused":
            status = self.statuses.get(one.feed)
            return f"{title} is not being watched. {status.paused or '' if status else ''}".strip()
        if one.last_success is None:
            return f"{title} has never answered: what it publishes may be missing."
        last = self._when(one.last_success)
        if one.state == "failing":
            return f"{title} has not answered since {last}: what it published after that may be missing."
        return f"{title} has not been asked since {last}: what it published after that may be missing."

    def gap(self, one: FeedGap) -> str:
        start, end = self._when(one.start), self._when(one.end or one.start)
        title = feed_title(one.feed, self.statuses)
        return f"{title} may have published items that came and went unseen between {start} and {end}."

    def _when(self, instant: Instant) -> str:
        return since_when(instant, self.zone, self.now)


def _are(count: int) -> str:
    return "is" if count == 1 else "are"
