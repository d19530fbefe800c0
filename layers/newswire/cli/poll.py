"""`newswire poll`: the feeds that are due or named are fetched, kept and indexed, once or until Ctrl-C."""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence

from newswire.app import App
from newswire.cli import FAILED, OK
from newswire.cli.console import complain, indexed_line, polled_line, progress, say, summary_line
from newswire.errors import NewswireError, UsageError
from newswire.ingest.archiving import reconcile
from newswire.ingest.feed_list import merge_feeds_file
from newswire.ingest.poll import BatchReport, PollReport, run_batches
from newswire.ingest.tick import tick
from newswire.model import Batch, FetchFailed
from newswire.storage.queue.inline import InlineQueue

WATCH_EVERY_S = 10.0


def begin(app: App) -> None:
    """Do what every start of one machine does: take over feeds.toml, and bring the store level with the logs."""
    merge_feeds_file(app)
    reconcile(app)


def poll_once(app: App, feed_ids: Sequence[str], *, now: bool, quiet: bool = False, due_only: bool = False) -> int:
    """Poll the feeds that are named, or all (`now`), or what is due; `due_only` leaves out named ones that are not due."""
    reports: list[BatchReport] = []

    def carry_out(batches: list[Batch]) -> None:
        if quiet:
            reports.append(run_batches(app, batches))
            return
        with progress("polling", "feeds", sum(len(batch.feeds) for batch in batches)) as told:

            def watch(polled: PollReport) -> None:
                say(polled_line(polled))
                told(1)

            reports.append(run_batches(app, batches, watch))

    if feed_ids or now:
        carry_out([Batch((feed_id,), now=not due_only) for feed_id in _chosen(app, feed_ids)])
    else:
        tick(app, InlineQueue(carry_out))
    if not reports and not quiet:
        say("No feed is due; `newswire poll --now` polls them all, `newswire feeds` says when each is next.")
    return max([OK, *(_reported(report, quiet=quiet) for report in reports)])


def _chosen(app: App, feed_ids: Sequence[str]) -> Sequence[str]:
    """Give the feeds that a person named, or all that are polled; `UsageError` for one that is not there."""
    for feed_id in feed_ids:
        if app.feeds.row(feed_id) is None:
            msg = f"There is no feed {feed_id!r}: `newswire feeds` lists them, `newswire feeds add URL` adds one."
            raise UsageError(msg)
    return feed_ids or [row.feed.id for row in app.feeds.rows() if row.feed.polled and not row.feed.removed]


def _reported(report: BatchReport, *, quiet: bool) -> int:
    """Print what a run of polls did; gives the exit status."""
    if not quiet:
        for indexed in report.indexed:
            if indexed.records or indexed.problem:
                say(indexed_line(indexed))
        say(summary_line(report))
    if report.engine_error is not None:
        complain(f"newswire: {report.engine_error}")
    failed = any(one.refused is not None or isinstance(one.outcome, FetchFailed) for one in report.polled)
    failed = failed or any(one.refusal or one.problem for one in report.indexed)
    return FAILED if failed or report.engine_error is not None else OK


def poll(app: App, arguments: argparse.Namespace) -> int:
    """Poll once, or again and again with `--watch`."""
    begin(app)
    status = poll_once(app, arguments.feeds, now=arguments.now)
    while arguments.watch:
        time.sleep(WATCH_EVERY_S)
        try:
            status = poll_once(app, arguments.feeds, now=False, due_only=True)
        except NewswireError as error:
            complain(f"newswire: {error}")
            status = FAILED
    return status
