"""`newswire reindex`, `engine setup` and `status`: the index is made or built anew, and how everything is is said."""

from __future__ import annotations

import argparse

from newswire.app import App
from newswire.cli import OK
from newswire.cli.console import plural, progress, say


def reindex(app: App, _arguments: argparse.Namespace) -> int:
    """Build the next generation of the index from the archive, and swap it in."""
    from newswire.ingest.reindex import reindex as rebuild  # noqa: PLC0415 - `status` needs nothing of the write side

    with progress("reindexing", "items") as told:
        done = rebuild(app, told)
    begun = " (went on with one that was begun)" if done.resumed else ""
    say(
        f"Generation {done.generation} is in place{begun}: {plural(done.items, 'item')} of {plural(done.feeds, 'feed')}."
    )
    return OK
