"""`newswire reindex`: rebuild the index from the archive."""

from __future__ import annotations

import argparse

from newswire.app import App
from newswire.cli import OK
from newswire.cli.console import plural, progress, say
from newswire.ingest.reindex import reindex as rebuild


def reindex(app: App, _arguments: argparse.Namespace) -> int:
    """Build the next generation of the index from the archive, swap it in, and print its size."""
    with progress("reindexing", "items") as advance:
        result = rebuild(app, advance)
    resumed = " (resumed)" if result.resumed else ""
    items, feeds = plural(result.items, "item"), plural(result.feeds, "feed")
    say(f"Generation {result.generation} is in place{resumed}: {items} of {feeds}.")
    return OK
