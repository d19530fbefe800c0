"""Build the published status of a feed from its row in the feed store. Pure."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from newswire.feed_status import NOT_POLLED
from newswire.model import Count, FeedStatus, FetchLine
from newswire.storage.feeds import FeedRow, configuration_of
from newswire.urls import http_link, redacted


def status_of(row: FeedRow) -> FeedStatus:
    """Return the status of a feed for the search side."""
    feed, poll, fold = row.feed, row.poll, row.fold
    counts = {count.seq: count for count in fold.counts}
    paused = poll.paused if poll.configured == configuration_of(feed) else None
    if feed.removed:
        paused = "It was removed from the list of feeds; its items and its log stay."
    elif not feed.polled:
        paused = NOT_POLLED
    refused = fold.refused_seq == poll.head and fold.refused_code is not None and poll.error_code is None
    return FeedStatus(
        id=feed.id,
        rev=row.rev,
        title=feed.title or fold.title,
        description=feed.description or fold.description,
        link=http_link(feed.link) or fold.link,
        url=redacted(feed.url),
        kind=fold.kind or feed.kind,
        last_checked=poll.last_checked,
        last_success=poll.last_success,
        next_check=poll.next_check if paused is None and poll.last_checked is not None else None,
        failing_since=poll.failing_since,
        error_code=fold.refused_code if refused else poll.error_code,
        error=fold.refused if refused else poll.error,
        paused=paused,
        items=fold.items,
        newest=fold.newest,
        per_day=fold.per_day,
        behind=poll.head > fold.cursor,
        fetches=tuple(_with_counts(line, counts) for line in poll.fetches),
        gaps=fold.gaps,
        refused_items=fold.refused_items,
        indexed=fold.indexed,
        merged=counts[fold.good_seq].merged if fold.good_seq in counts else 0,
    )


def _with_counts(line: FetchLine, counts: Mapping[int, Count]) -> FetchLine:
    """Return a fetch line with the item counts of its record, if the fold has them."""
    count = counts.get(line.seq) if line.seq is not None else None
    if count is None:
        return line
    return msgspec.structs.replace(
        line, new=count.new, changed=count.changed, unchanged=count.unchanged, merged=count.merged
    )
