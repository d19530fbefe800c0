"""`newswire load`: back-fill items from JSON Lines."""

from __future__ import annotations

import argparse

from newswire.app import App
from newswire.cli import FAILED, OK
from newswire.cli.console import complain, plural, progress, say
from newswire.feed_id import check_feed_id
from newswire.ingest.backfill import load as load_files

MAX_REFUSALS_SHOWN = 50
"""Maximum refused lines that are printed, so that a file of another format does not flood the terminal."""


def load(app: App, arguments: argparse.Namespace) -> int:
    """Back-fill items from JSON Lines; print the refused lines, and return 1 if there are any."""
    if arguments.feed is not None:
        check_feed_id(arguments.feed)
    with progress("loading", "items") as advance:
        report = load_files(app, arguments.files, arguments.feed, advance)
    for refused in report.refused[:MAX_REFUSALS_SHOWN]:
        complain(f"{refused.file}, line {refused.line}: {refused.reason}")
    if report.refused_count > MAX_REFUSALS_SHOWN:
        complain(f"… and {report.refused_count - MAX_REFUSALS_SHOWN:,} more refused lines.")
    new = sum(indexed.new for indexed in report.indexed)
    changed = sum(indexed.changed for indexed in report.indexed)
    say(
        f"{plural(report.lines, 'line')} loaded, {report.refused_count:,} refused; "
        f"{plural(new, 'item')} new, {changed:,} changed, {plural(len(report.indexed), 'feed')}."
    )
    return FAILED if report.refused_count else OK
