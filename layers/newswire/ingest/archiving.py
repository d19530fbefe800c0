"""Write records to a feed's log, and reconcile what polling remembers of the log with the log itself."""

from __future__ import annotations

import time
from collections.abc import Iterable

import msgspec

from newswire.app import App
from newswire.clock import Instant
from newswire.errors import DataBusyError, DataError, UsageError
from newswire.model import Fetched, PollState, Record
from newswire.storage.feeds import FeedRow, Lease, PollResult

MOST_DUE = 100_000


def reconcile(app: App, feed_ids: Iterable[str] | None = None) -> int:
    """Bring what polling knows of logs level with the logs themselves; gives how many feeds were not.

    On every start of one machine: a crash of the machine can forget what was remembered, never what was archived.
    """
    settled = 0
    for row in app.feeds.rows() if feed_ids is None else filter(None, map(app.feeds.row, feed_ids)):
        feed_id = row.feed.id
        if app.archive.head(feed_id, after=row.poll.head) == row.poll.head and not row.orphaned:
            continue
        now = app.clock()
        lease = app.lease(now)
        claimed = app.feeds.claim(feed_id, lease, now)
        if claimed is not None:
            poll = _with_head(app, feed_id, claimed.poll)
            settled += poll.head != claimed.poll.head
            app.feeds.remember([PollResult(feed_id, lease.token, poll)])
    return settled


def _with_head(app: App, feed_id: str, poll: PollState) -> PollState:
    """Give the state with the head that the log really has: a record's writer may have died before it was remembered."""
    head = app.archive.head(feed_id, after=poll.head)
    if head == poll.head:
        return poll
    last = app.archive.get(feed_id, head)
    return msgspec.structs.replace(poll, head=head, head_at=max(poll.head_at, last.fetched_at if last else 0))


def record_of(row: FeedRow, poll: PollState, outcome: Fetched, now: Instant) -> Record:
    """Make the record of a document that came, behind the last one that we know of."""
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
    """Archive a record under the first number that is free from its own on; gives the number.

    The number can be taken when a holder of the feed's lease outlived it; its record then comes first.
    """
    while not app.archive.put(record):
        seq = app.archive.head(record.feed, after=record.seq)
        last = app.archive.get(record.feed, seq)
        at = max(record.fetched_at, last.fetched_at if last else 0)
        record = msgspec.structs.replace(record, seq=seq + 1, fetched_at=at)
    return record.seq


LOOK_EVERY_S = 0.02
"""How often a lease that another holds is looked at."""


def append_to_feed(app: App, feed_id: str, body: bytes, **fields: object) -> int:
    """Append a record to a feed's log under its poll lease, as polling does; gives its number.

    `fields` are those of the record that are not the defaults of a back-fill; `fetched_at` is now unless given.
    """
    row, lease, now = _claimed(app, feed_id)
    try:
        head = app.archive.head(feed_id, after=row.poll.head)
        last = app.archive.get(feed_id, head) if head > row.poll.head else None
        head_at = max(row.poll.head_at, last.fetched_at if last else 0)
        wanted = fields.pop("fetched_at", None)
        if isinstance(wanted, int) and wanted < head_at:
            msg = (
                f"The time given for {feed_id} is before its last document: times in a feed's log never go back. "
                "Leave --at out, or bring older items in with `newswire load`."
            )
            raise UsageError(msg)  # noqa: TRY301 - the lease is given back below
        record = Record(
            feed=feed_id,
            seq=head + 1,
            kind="load",
            fetched_at=wanted if isinstance(wanted, int) else max(now, head_at),
            confirmed_at=row.poll.last_success,
            url=row.feed.url,
            final_url=row.feed.url,
            status=200,
            headers={},
            content_type="",
            feed_kind=row.feed.kind,
            listing=row.feed.listing,
            lang=row.feed.lang,
            truncated=False,
            body=body,
        )
        record = msgspec.structs.replace(record, **fields)
        seq = append(app, record)
    except BaseException:
        app.feeds.release(feed_id, lease.token)
        raise
    poll = msgspec.structs.replace(row.poll, head=seq, head_at=max(record.fetched_at, head_at))
    if record.kind == "document":
        poll = msgspec.structs.replace(poll, last_checked=record.fetched_at, last_success=record.fetched_at)
    if app.feeds.remember([PollResult(feed_id, lease.token, poll)]):
        reconcile(app, [feed_id])
    return seq


def _claimed(app: App, feed_id: str) -> tuple[FeedRow, Lease, Instant]:
    """Take the poll lease of a feed, waiting for one who polls it or loads into it meanwhile.

    Raises `DataBusyError` when it is still held after `lock_wait_seconds`, `DataError` when the feed is deleted meanwhile.
    """
    wait_s = app.settings.lock_wait_seconds
    until = time.monotonic() + wait_s
    while True:
        now = app.clock()
        lease = app.lease(now)
        row = app.feeds.claim(feed_id, lease, now)
        if row is not None:
            return row, lease, now
        if app.feeds.row(feed_id) is None:
            msg = f"The feed {feed_id} was deleted by another process meanwhile: run it again, and it is made anew."
            raise DataError(msg)
        if time.monotonic() >= until:
            msg = (
                f"The feed {feed_id} is being polled or loaded into by another process, for more than {wait_s} s "
                "(NEWSWIRE_LOCK_WAIT_SECONDS): run it again when that is done; lines that are there already do no harm."
            )
            raise DataBusyError(msg)
        time.sleep(LOOK_EVERY_S)
