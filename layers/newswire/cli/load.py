"""`newswire load`: back-fill items from JSON Lines."""

from __future__ import annotations

import argparse

from newswire.app import App
from newswire.cli import FAILED, OK
from newswire.cli.console import complain, plural, progress, say
from newswire.ingest.backfill import load as load_files
from newswire.storage.feeds import check_feed_id

REFUSED_SHOWN = 50


def load(app: App, arguments: argparse.Namespace) -> int:
    """Back-fill items from JSON Lines; lines that are refused are named, and make the exit status 1."""
    if arguments.feed is not None:
        check_feed_id(arguments.feed)
    with progress("loading", "items") as told:
        report = load_files(app, arguments.files, arguments.feed, told)
    for refused in report.refused[:REFUSED_SHOWN]:
        complain(f"{refused.file}, line {refused.line}: {refused.reason}")
    if report.refused_count > REFUSED_SHOWN:
        complain(f"… and {report.refused_count - REFUSED_SHOWN:,} more lines.")
    new = sum(one.new for one in report.indexed)
    changed = sum(one.changed for one in report.indexed)
    say(
        f"{plural(report.lines, 'line')} taken, {report.refused_count:,} refused; "
        f"{plural(new, 'item')} new, {changed:,} changed, {plural(len(report.indexed), 'feed')}."
    )
    return FAILED if report.refused_count else OK
