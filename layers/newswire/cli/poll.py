"""`newswire poll`: fetch, archive and index the feeds that are due or named, once or until Ctrl-C."""

from __future__ import annotations

import argparse
import threading
import time
from collections.abc import Callable, Sequence

from newswire.app import App
from newswire.cli import FAILED, OK, Voice
from newswire.cli.console import (
    complain,
    event_lines,
    indexed_line,
    place_of,
    polled_line,
    progress,
    say,
    summary_line,
)
from newswire.errors import FeedsFileError, NewswireError
from newswire.feed_id import unknown_feed
from newswire.ingest.archiving import reconcile
from newswire.ingest.feed_list import merge_feeds_file
from newswire.ingest.poll import BatchReport, PollReport, run_batches
from newswire.ingest.tick import tick
from newswire.log import log_defect
from newswire.model import Batch
from newswire.storage.queue.inline import InlineQueue

WATCH_SECONDS = 10.0
"""Pause between two polls of `--watch`, and of a server."""


def begin(app: App) -> None:
    """Prepare the stores, as at every start: apply feeds.toml, and update the feed store from the logs."""
    merge_feeds_file(app)
    reconcile(app)


def poll_once(
    app: App, feed_ids: Sequence[str], *, now: bool, voice: Voice = "events", is_repeated: bool = False
) -> int:
    """Poll the named feeds, else all feeds (`now`), else the feeds that are due; return the exit status.

    `is_repeated` is for rounds that nobody waits for: named feeds are skipped if they are not due, and only what happened
    is printed, without totals.
    """
    reports: list[BatchReport] = []

    def run(batches: list[Batch]) -> None:
        if is_repeated and voice != "all":
            reports.append(run_batches(app, batches))
            return
        with progress("polling", "feeds", sum(len(batch.feeds) for batch in batches)) as advance:

            def watch(polled: PollReport) -> None:
                if voice == "all":
                    say(polled_line(polled))
                advance(1)

            reports.append(run_batches(app, batches, watch))

    if feed_ids or now:
        run([Batch((feed_id,), now=not is_repeated) for feed_id in _choose_feeds(app, feed_ids)])
    else:
        tick(app, InlineQueue(run))
    if not reports and voice != "quiet" and not is_repeated:
        if not app.feeds.rows():
            say(f"The list of feeds in {place_of(app.settings)} is empty. Add one with `newswire feeds add URL`.")
        else:
            say("No feed is due. Run `newswire poll --now` to poll all feeds.")
    return max([OK, *(_print_report(report, voice, is_repeated=is_repeated) for report in reports)])


def _choose_feeds(app: App, feed_ids: Sequence[str]) -> Sequence[str]:
    """Return the named feeds, or all feeds that are polled; raise `UsageError` for a feed that does not exist."""
    for feed_id in feed_ids:
        if app.feeds.row(feed_id) is None:
            raise unknown_feed(feed_id)
    return feed_ids or [row.feed.id for row in app.feeds.rows() if row.feed.polled and not row.feed.removed]


def _print_report(report: BatchReport, voice: Voice, *, is_repeated: bool) -> int:
    """Print the results of a run; return the exit status."""
    if voice == "all":
        for indexed in report.indexed:
            if indexed.records or indexed.problem:
                say(indexed_line(indexed))
    elif voice == "events":
        for line in event_lines(report, is_repeated=is_repeated):
            say(line)
    if voice != "quiet" and not is_repeated:
        say(summary_line(report))
    if report.engine_error is not None:
        complain(f"newswire: {report.engine_error}")
    failed = any(polled.has_failed for polled in report.polled)
    failed = failed or any(indexed.refusal or indexed.problem for indexed in report.indexed)
    return FAILED if failed or report.engine_error is not None else OK


def poll(app: App, arguments: argparse.Namespace) -> int:
    """Poll once, or with `--watch` every 10 seconds until Ctrl-C."""
    begin(app)
    voice = voice_of(arguments)
    status = poll_once(app, arguments.feeds, now=arguments.now, voice=voice)
    while arguments.watch:
        time.sleep(WATCH_SECONDS)
        try:
            status = poll_once(app, arguments.feeds, now=False, voice=voice, is_repeated=True)
        except NewswireError as error:
            complain(f"newswire: {error}")
            status = FAILED
    return status


def voice_of(arguments: argparse.Namespace) -> Voice:
    """Return how much the options `--quiet` and `--verbose` ask for."""
    return "quiet" if arguments.quiet else "all" if arguments.verbose else "events"


def due_poller(app: App, voice: Voice = "events") -> Callable[[], None]:
    """Return the function that polls the feeds that are due, to be called again and again; it never raises.

    A broken feeds file does not stop it: it polls the feeds of the last good one.
    """
    last_error = ""

    def poll_due() -> None:
        nonlocal last_error
        try:
            try:
                merge_feeds_file(app)
                last_error = ""
            except FeedsFileError as error:
                if str(error) != last_error:  # the file is read every few seconds, so an error is printed once
                    last_error = str(error)
                    complain(f"newswire: {last_error}")
            poll_once(app, [], now=False, voice=voice, is_repeated=True)
        except NewswireError as error:
            complain(f"newswire: {error}")
        except Exception as error:  # noqa: BLE001 - a defect is logged, and the next round tries again
            log_defect(error)

    return poll_due


def keep_polling(stop: threading.Event, poll_once: Callable[[], object]) -> None:
    """Call `poll_once` until `stop` is set, with a pause of 10 seconds."""
    while not stop.is_set():
        poll_once()
        stop.wait(WATCH_SECONDS)
