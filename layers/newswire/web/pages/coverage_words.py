"""Coverage in words: tell a reader which feeds are not up to date, and when items may have been missed. Pure.

A sentence claims only known facts: "nothing is known to be missing", not "everything is here" (decision 0011).
"""

from __future__ import annotations

from collections.abc import Mapping
from zoneinfo import ZoneInfo

from msgspec import Struct

from newswire.clock import Instant
from newswire.engines.coverage import FeedCoverage, FeedGap, UnwatchedFeed
from newswire.model import FeedStatus
from newswire.web.pages.item_rows import feed_title
from newswire.web.pages.moments import since_when


class CoverageWords(Struct, frozen=True):
    """A summary of all feeds, and one sentence per problem in `details`; a single problem is the summary itself."""

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
    """Describe the coverage of a search; `statuses` are those of the listed feeds, `end` is the end of the range.

    A feed that was checked with success after the end of the range is not a problem for it. Open gaps
    need no sentence of their own, because their feed has one.
    """
    if not coverage.feeds:
        summary = "No feed has been checked yet, so published items cannot be found."
        if coverage.unknown:
            summary = "None of these feeds is known here, so their items cannot be found."
        return CoverageWords(is_whole=False, summary=summary)
    sentences = _Sentences(statuses, zone, now)
    not_ok = [feed for feed in coverage.not_ok if not _was_checked_after(feed, end)]
    closed_gaps = [gap for gap in coverage.gaps if gap.end is not None]
    unlisted = coverage.not_ok_count - len(coverage.not_ok)
    details = [*map(sentences.describe_feed, not_ok), *map(sentences.describe_gap, closed_gaps)]
    if coverage.missing:
        details.insert(0, f"The index is being rebuilt, and {coverage.missing:,} items are not in it yet.")
    if unlisted:
        details.append(f"{unlisted:,} more {_feeds_are(unlisted)} not up to date.")
    if coverage.gap_count > len(coverage.gaps):
        details.append("There are more periods in which items may have been missed.")
    if not details:
        summary = f"{_polled_feeds_are(coverage)} up to date, and nothing is known to be missing."
        if coverage.archived == coverage.feeds:
            summary = "These items were loaded from files, and nothing is known to be missing."
        elif not coverage.is_complete:
            summary = "The feeds were being checked in this period, and nothing is known to be missing."
        return CoverageWords(is_whole=True, summary=summary)
    if len(details) == 1:
        return CoverageWords(is_whole=False, summary=details[0])
    summary = _summary_of(coverage, len(not_ok) + unlisted)
    return CoverageWords(is_whole=False, summary=summary, details=tuple(details))


def _summary_of(coverage: FeedCoverage, not_ok_count: int) -> str:
    """Return the summary of several problems, the gravest of them."""
    if coverage.missing:
        return "The index is being rebuilt, so items are missing."
    if not_ok_count:
        verb = "is" if not_ok_count == 1 else "are"
        return f"{not_ok_count:,} of {coverage.feeds:,} feeds {verb} not up to date, so items may be missing."
    subject = "The feed is" if coverage.feeds == 1 else "The feeds are"
    return f"{subject} up to date now, but items may have been missed earlier."


def _was_checked_after(feed: UnwatchedFeed, end: Instant | None) -> bool:
    return end is not None and feed.last_success is not None and feed.last_success >= end


class _Sentences(Struct, frozen=True):
    """Writes sentences, with feed titles from `statuses` and times in `zone`."""

    statuses: Mapping[str, FeedStatus]
    zone: ZoneInfo
    now: Instant

    def describe_feed(self, feed: UnwatchedFeed) -> str:
        title = feed_title(feed.feed, self.statuses)
        if feed.state == "paused":
            status = self.statuses.get(feed.feed)
            return f"{title} is not being checked. {status.paused or '' if status else ''}".strip()
        if feed.last_success is None:
            return f"{title} has never answered. Its items may be missing."
        last = self._when(feed.last_success)
        if feed.state == "failing":
            return f"{title} has not answered since {last}. Items that it published after that may be missing."
        return f"{title} has not been checked since {last}. Items that it published after that may be missing."

    def describe_gap(self, gap: FeedGap) -> str:
        start, end = self._when(gap.start), self._when(gap.end or gap.start)
        title = feed_title(gap.feed, self.statuses)
        return f"Items that {title} published between {start} and {end} may be missing."

    def _when(self, instant: Instant) -> str:
        return since_when(instant, self.zone, self.now)


def _polled_feeds_are(coverage: FeedCoverage) -> str:
    polled = coverage.feeds - coverage.archived
    return "The feed is" if coverage.feeds == 1 else f"All {polled:,} {'polled ' if coverage.archived else ''}feeds are"


def _feeds_are(count: int) -> str:
    return "feed is" if count == 1 else "feeds are"
