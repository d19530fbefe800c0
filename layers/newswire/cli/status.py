"""`newswire status`: print the state of the feeds and the index."""

from __future__ import annotations

import argparse

import msgspec

from newswire.app import App
from newswire.cli import OK
from newswire.cli.console import place_of, plural, say, say_json
from newswire.engines.coverage import CoverageQuery, coverage_of
from newswire.feed_status import state_of
from newswire.ingest.generations import serving_generation
from newswire.storage.feeds.status import status_of
from newswire.web.feed_answers import status_out


def status(app: App, arguments: argparse.Namespace) -> int:
    """Print the number of feeds by state, the last errors, the size of the index, and where the data is."""
    info = app.engine.info()
    generation = serving_generation(app).number
    statuses = [status_of(row) for row in app.feeds.rows(generation)]
    items = app.engine.count(generation) if info.healthy else None
    coverage = coverage_of(statuses, CoverageQuery(app.clock(), app.settings.stale_grace_seconds))
    missing = max(sum(status.indexed for status in statuses) - (items or 0), 0)
    out = status_out(info, generation, items or 0, msgspec.structs.replace(coverage, missing=missing))
    if arguments.json:
        say_json(out if info.healthy else msgspec.to_builtins(out) | {"items": None})  # unknown, not none
        return OK
    behind = f"{plural(out.behind, 'feed')} behind"
    if items is None:
        say(f"newswire {out.version}, engine {info.name}: it does not answer. Check NEWSWIRE_OPENSEARCH_URL.")
        say(f"Items unknown; {behind}")
    else:
        say(f"newswire {out.version}, engine {info.name} {info.version}")
        lack = (
            f"; {plural(out.missing, 'item')} missing, which the next tick or poll indexes again" if out.missing else ""
        )
        say(f"{plural(items, 'item')} in generation {out.generation}; {behind}{lack}")
    say(f"Data: {place_of(app.settings)}")
    counts = ", ".join(f"{count} {state}" for state, count in sorted(out.feeds.items()) if count)
    say(f"{plural(len(statuses), 'feed')}: {counts or 'none'}")
    for feed in statuses:
        if feed.error and state_of(feed, app.clock(), app.settings.stale_grace_seconds) == "failing":
            say(f"  {feed.id}: {feed.error}")
    return OK
