"""Write records to a feed's log, and reconcile the poll state with the log itself."""

from __future__ import annotations

import time
from collections.abc import Iterable

import msgspec
from msgspec import Struct

from newswire.app import App
from newswire.clock import Instant, to_rfc3339
from newswire.errors import DataBusyError, DataError, UsageError
from newswire.model import Fetched, PollState, Record, RecordKind
from newswire.storage.feeds import FeedRow, Lease, PollResult, new_lease

MAX_FEEDS_PER_SEARCH = 100_000
"""Maximum feeds that one search for due or orphaned feeds returns."""
LEASE_LOOK_SECONDS = 0.02
"""Pause between two tries to claim a lease that another process holds."""


class RecordSource(Struct, frozen=True):
    """Where a record that was not fetched comes from: a file on disk, or lines of a back-fill."""

    kind: RecordKind
    url: str | None = None
    """The URL that it counts as fetched from; None for the feed's own."""
    content_type: str = ""
    fetched_at: Instant | None = None
    """The instant at which it counts as fetched; None for now."""


def record_of(row: FeedRow, poll: PollState, outcome: Fetched, now: Instant) -> Record:
    """Build the record of a fetched document, numbered after the last record that polling knows of."""
    feed = row.feed
    return Record(
        feed=feed.id,
        seq=poll.head + 1,
        kind="document",
        fetched_at=max(now, poll.head_at),
        confirmed_at=poll.last_success,
        url=outcome.url,
        final_url=outcome.final_url,
        status=outcome.status,
        headers=outcome.headers,
        content_type=outcome.content_type,
        feed_kind=feed.kind,
        listing=feed.listing,
        lang=feed.lang,
        truncated=outcome.truncated,
        body=outcome.body,
    )


def append(app: App, record: Record) -> int:
    """Archive a record under the first free number from its own on; return the number.

    The number is taken if an earlier holder of the feed's lease outlived it; that holder's record then comes first.
    """
    while not app.archive.put(record):
        seq = app.archive.head(record.feed, after=record.seq)
        last = app.archive.get(record.feed, seq)
        at = max(record.fetched_at, last.fetched_at if last else 0)
        record = msgspec.structs.replace(record, seq=seq + 1, fetched_at=at)
    return record.seq


def append_to_feed(app: App, feed_id: str, body: bytes, source: RecordSource) -> int:
    """Append a record to a feed's log under its poll lease, as polling does; return its number.

    Raises `UsageError` for a `fetched_at` before the feed's last record, and what `_claim` raises.
    """
    row, lease, now = _claim(app, feed_id)
    try:
        poll = with_log_head(app, feed_id, row.poll)
        if source.fetched_at is not None and source.fetched_at < poll.head_at:
            msg = (
                f"The time of a document must not be before the last one of {feed_id} ({to_rfc3339(poll.head_at)}), got "
                f"{to_rfc3339(source.fetched_at)}. Leave --at out, or bring older items in with `newswire load`."
            )
            raise UsageError(msg)  # noqa: TRY301 - the lease is given back below
        url = source.url if source.url is not None else row.feed.url
        record = Record(
            feed=feed_id,
            seq=poll.head + 1,
            kind=source.kind,
            fetched_at=source.fetched_at if source.fetched_at is not None else max(now, poll.head_at),
            confirmed_at=row.poll.last_success,
            url=url,
            final_url=url,
            status=200,
            headers={},
            content_type=source.content_type,
            feed_kind=row.feed.kind,
            listing=row.feed.listing,
            lang=row.feed.lang,
            truncated=False,
            body=body,
        )
        seq = append(app, record)
    except BaseException:
        app.feeds.release(feed_id, lease.token)
        raise
    poll = msgspec.structs.replace(row.poll, head=seq, head_at=max(record.fetched_at, poll.head_at))
    if record.kind == "document":
        poll = msgspec.structs.replace(poll, last_checked=record.fetched_at, last_success=record.fetched_at)
    if app.feeds.remember([PollResult(feed_id, lease.token, poll)]):
        reconcile(app, [feed_id])
    return seq


def _claim(app: App, feed_id: str) -> tuple[FeedRow, Lease, Instant]:
    """Take the poll lease of a feed, waiting while another process polls it or loads into it.

    Raises `DataBusyError` if it is still taken after `lock_wait_seconds`, `DataError` if the feed was deleted meanwhile.
    """
    wait_s = app.settings.lock_wait_seconds
    until = time.monotonic() + wait_s
    while True:
        now = app.clock()
        lease = new_lease(app.settings, now)
        row = app.feeds.claim(feed_id, lease, now)
        if row is not None:
            return row, lease, now
        if app.feeds.row(feed_id) is None:
            msg = f"Another process deleted the feed {feed_id} meanwhile: run the command again to add it once more."
            raise DataError(msg)
        if time.monotonic() >= until:
            msg = (
                f"Another process has polled the feed {feed_id}, or loaded into it, for more than {wait_s} s "
                "(NEWSWIRE_LOCK_WAIT_SECONDS): run the command again later. Lines that are there already do no harm."
            )
            raise DataBusyError(msg)
        time.sleep(LEASE_LOOK_SECONDS)


def reconcile(app: App, feed_ids: Iterable[str] | None = None) -> int:
    """Correct the poll state of feeds (all, or some) whose log has records it does not know; return how many there were.

    Every start on one machine does this: a crash can lose poll state, never an archived record.
    """
    corrected = 0
    for row in app.feeds.rows() if feed_ids is None else filter(None, map(app.feeds.row, feed_ids)):
        feed_id = row.feed.id
        if app.archive.head(feed_id, after=row.poll.head) == row.poll.head and not row.orphaned:
            continue
        now = app.clock()
        lease = new_lease(app.settings, now)
        claimed = app.feeds.claim(feed_id, lease, now)
        if claimed is not None:
            poll = with_log_head(app, feed_id, claimed.poll)
            corrected += poll.head != claimed.poll.head
            app.feeds.remember([PollResult(feed_id, lease.token, poll)])
    return corrected


def with_log_head(app: App, feed_id: str, poll: PollState) -> PollState:
    """Return the poll state with the head of the real log: the writer of a record may have died before remembering it."""
    head = app.archive.head(feed_id, after=poll.head)
    if head == poll.head:
        return poll
    last = app.archive.get(feed_id, head)
    return msgspec.structs.replace(poll, head=head, head_at=max(poll.head_at, last.fetched_at if last else 0))
