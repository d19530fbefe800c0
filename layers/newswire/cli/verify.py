"""`newswire verify`: compare the log, the states of items and the index, and repair the index."""

from __future__ import annotations

import argparse

from newswire.app import App
from newswire.cli import FAILED, OK
from newswire.cli.console import plural, progress, say, say_json
from newswire.feed_id import unknown_feed
from newswire.ingest.verify import Fault, VerifyReport
from newswire.ingest.verify import verify as compare

_NAMED_IDS = 3


def verify(app: App, arguments: argparse.Namespace) -> int:
    """Compare, print what disagrees, and return 1 if something still does."""
    for feed_id in arguments.feeds:
        if app.feeds.row(feed_id) is None:
            raise unknown_feed(feed_id)
    with progress("comparing", "items") as advance:
        report = compare(
            app,
            arguments.feeds,
            sample=arguments.sample,
            full=arguments.full,
            repair=arguments.repair,
            progress=advance,
        )
    if arguments.json:
        say_json(report)
    else:
        _print(report, is_repair=arguments.repair)
    return FAILED if report.faults else OK


def _print(report: VerifyReport, *, is_repair: bool) -> None:
    for fault in report.repaired:
        say(f"{_line(fault)} Repaired.")
    for fault in report.faults:
        say(_line(fault))
    compared = f"{plural(report.compared_feeds, 'feed')} with {plural(report.compared_items, 'item')}"
    say(f"The numbers of {plural(report.feeds, 'feed')} were compared, and item by item those of {compared}.")
    if report.older:
        older = plural(report.older, "item")
        say(f"{older} of an older version were not compared in full: `newswire reindex` writes them again.")
    if report.skipped:
        say(f"Not compared, since another process indexes them: {', '.join(report.skipped)}.")
    if not report.faults:
        say("Log, states and index agree.")
    elif not is_repair:
        say("Run `newswire verify --repair` to write them again from the log.")


def _line(fault: Fault) -> str:
    ids = ", ".join(fault.ids[:_NAMED_IDS])
    more = f" and {len(fault.ids) - _NAMED_IDS:,} more" if len(fault.ids) > _NAMED_IDS else ""
    return f"{fault.feed}: {fault.sentence}" + (f" ({ids}{more})" if ids else "")
