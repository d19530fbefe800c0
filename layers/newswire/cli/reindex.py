"""`newswire reindex`: rebuild the index from the archive, and a damaged list of feeds before it."""

from __future__ import annotations

import argparse

from newswire.app import App
from newswire.cli import OK
from newswire.cli.console import plural, progress, say
from newswire.ingest.reindex import reindex as rebuild

_NAMED_FEEDS = 10


def reindex(app: App, arguments: argparse.Namespace) -> int:
    """Build the next generation of the index from the archive, swap it in, and print its size."""
    if arguments.salvage:
        _salvage(app)
    with progress("reindexing", "items") as advance:
        result = rebuild(app, advance)
    resumed = " (resumed)" if result.resumed else ""
    items, feeds = plural(result.items, "item"), plural(result.feeds, "feed")
    say(f"Generation {result.generation} is in place{resumed}: {items} of {feeds}.")
    return OK


def _salvage(app: App) -> None:
    """Make the list of feeds again, and say what is lost of it."""
    from newswire.ingest.salvage import salvage  # noqa: PLC0415 - only after a damage

    salvaged = salvage(app)
    if salvaged.aside is not None:
        say(f"The damaged database is in {salvaged.aside}; delete it when you need it no more.")
    say(f"{plural(len(salvaged.read), 'feed')} read again with their configuration.")
    if salvaged.guessed:
        names = ", ".join(salvaged.guessed[:_NAMED_FEEDS])
        more = f" and {len(salvaged.guessed) - _NAMED_FEEDS:,} more" if len(salvaged.guessed) > _NAMED_FEEDS else ""
        say(f"From the archive, without titles, headers and intervals that a person set: {names}{more}.")
