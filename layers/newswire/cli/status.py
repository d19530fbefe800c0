"""`newswire status`: print the state of the feeds and the index."""

from __future__ import annotations

import argparse

import msgspec

from newswire import __version__
from newswire.app import App
from newswire.cli import OK
from newswire.cli.console import plural, say, say_json
from newswire.feed_status import state_of
from newswire.ingest.generations import serving_generation
from newswire.storage.feeds.status import status_of


class _StatusOut(msgspec.Struct):
    """The JSON of `newswire status --json`."""

    version: str
    engine: str
    engine_version: str
    healthy: bool
    generation: int
    items: int | None
    """The number of items; null if the engine does not answer."""
    feeds: dict[str, int]
    behind: int
    errors: dict[str, str]


def status(app: App, arguments: argparse.Namespace) -> int:
    """Print the number of feeds by state, the last errors, and the size of the index."""
    info = app.engine.info()
    generation = serving_generation(app).number
    statuses = [status_of(row) for row in app.feeds.rows(generation)]
    now = app.clock()
    states: dict[str, int] = {}
    errors: dict[str, str] = {}
    for feed in statuses:
        state = state_of(feed, now, app.settings.stale_grace_seconds)
        states[state] = states.get(state, 0) + 1
        if state == "failing" and feed.error:
            errors[feed.id] = feed.error
    out = _StatusOut(
        version=__version__,
        engine=info.name,
        engine_version=info.version,
        healthy=info.healthy,
        generation=generation,
        items=app.engine.count(generation) if info.healthy else None,
        feeds=states,
        behind=len(app.feeds.behind(generation)),
        errors=errors,
    )
    if arguments.json:
        say_json(out)
        return OK
    if out.items is None:
        say(f"newswire {out.version}, engine {out.engine}: it does not answer. Check NEWSWIRE_OPENSEARCH_URL.")
        say(f"Items unknown; {plural(out.behind, 'feed')} behind")
    else:
        say(f"newswire {out.version}, engine {out.engine} {out.engine_version}")
        say(f"{plural(out.items, 'item')} in generation {out.generation}; {plural(out.behind, 'feed')} behind")
    say(
        f"{plural(len(statuses), 'feed')}: "
        + (", ".join(f"{n} {state}" for state, n in sorted(states.items())) or "none")
    )
    for feed_id, error in errors.items():
        say(f"  {feed_id}: {error}")
    return OK
