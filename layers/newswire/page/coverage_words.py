"""Coverage in plain words: what an answer says of its feeds comes in, sentences for a reader go out. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from zoneinfo import ZoneInfo

from msgspec import Struct

from newswire.clock import Instant, from_datetime
from newswire.coverage import Coverage, GapOut, NotOk
from newswire.model import FeedStatus
from newswire.page.moments import since_when


class CoverageWords(Struct, frozen=True):
    """Whether the feeds were being watched: the whole in a sentence, then what is wrong, one sentence each."""

    is_whole: bool
    summary: str
    details: tuple[str, ...] = ()


def coverage_words(
    coverage: Coverage, statuses: Mapping[str, FeedStatus], zone: ZoneInfo, now: Instant
) -> CoverageWords:
    """Say how well the feeds were watched that an answer speaks of."""
    if not coverage.feeds:
        return CoverageWords(
            is_whole=False, summary="No feed is being watched: whatever was published, none of it is here."
        )
    if coverage.is_whole:
        which = "The feed is" if coverage.feeds == 1 else f"All {coverage.feeds:,} feeds are"
        return CoverageWords(is_whole=True, summary=f"{which} being watched: what was published is here.")
    known = _Known(statuses, zone, now)
    closed = [one for one in coverage.gaps if one.to is not None]
    details = [*map(known.not_ok, coverage.not_ok), *map(known.gap, closed)]
    unlisted = coverage.not_ok_count - len(coverage.not_ok)
    if unlisted:
        details.append(f"{unlisted:,} more of the feeds {_are(unlisted)} not being watched as they should be.")
    if coverage.gap_count > len(coverage.gaps):
        details.append("There are more times than these in which items may have been missed.")
    if len(details) == 1:
        return CoverageWords(is_whole=False, summary=details[0])
    if coverage.not_ok_count:
        count = coverage.not_ok_count
        summary = (
            f"{count:,} of {coverage.feeds:,} feeds {_are(count)} not watched as they should be: items may be missing."
        )
    else:
        summary = "The feeds are being watched now, but there were times in which items may have been missed."
    return CoverageWords(is_whole=False, summary=summary, details=tuple(details))


class _Known(Struct, frozen=True):
    """What the sentences are made with."""

    statuses: Mapping[str, FeedStatus]
    zone: ZoneInfo
    now: Instant

    def not_ok(self, one: NotOk) -> str:
        title = self._title(one.feed)
        if one.state == "paused":
            status = self.statuses.get(one.feed)
            return f"{title} is not being watched. {status.paused or '' if status else ''}".strip()
        if one.last_success is None:
            return f"{title} has never answered: nothing of it is here yet."
        last = self._when(one.last_success)
        if one.state == "failing":
            return f"{title} has not answered since {last}: what it published after that may be missing."
        return f"{title} has not been asked since {last}: what it published after that may be missing."

    def gap(self, one: GapOut) -> str:
        start, end = self._when(one.from_), self._when(one.to or "")
        return f"{self._title(one.feed)} may have published items that came and went unseen between {start} and {end}."

    def _title(self, feed: str) -> str:
        status = self.statuses.get(feed)
        return (status.title if status else "") or feed

    def _when(self, text: str) -> str:
        return since_when(read_rfc3339(text), self.zone, self.now)


def read_rfc3339(text: str) -> Instant:
    """Read an instant as answers write it."""
    return from_datetime(datetime.fromisoformat(text))


def _are(count: int) -> str:
    return "is" if count == 1 else "are"
