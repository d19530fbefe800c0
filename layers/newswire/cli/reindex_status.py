"""`newswire reindex`, `engine setup` and `status`: the index is made or built anew, and how everything is is said."""

from __future__ import annotations

import argparse

import msgspec

from newswire import __version__
from newswire.app import App
from newswire.cli import OK
from newswire.cli.console import plural, progress, say, say_json
from newswire.feed_status import state_of
from newswire.storage.feeds.status import status_of


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


def engine(app: App, _arguments: argparse.Namespace) -> int:
    """Make the indexes of the engine, if they are not there yet."""
    app.engine.setup()
    info = app.engine.info()
    say(f"{info.name} {info.version} is ready: generation {app.engine.generation()}, schema {info.schema}.")
    return OK


class _StatusOut(msgspec.Struct):
    """What `newswire status` says."""

    version: str
    engine: str
    engine_version: str
    healthy: bool
    generation: int
    items: int
    feeds: dict[str, int]
    behind: int
    errors: dict[str, str]


def status(app: App, arguments: argparse.Namespace) -> int:
    """Say how the feeds and the index are."""
    info = app.engine.info()
    generation = app.generation()
    statuses = [status_of(row) for row in app.feeds.rows(generation)]
    now = app.clock()
    states: dict[str, int] = {}
    errors: dict[str, str] = {}
    for one in statuses:
        state = state_of(one, now, app.settings.stale_grace_seconds)
        states[state] = states.get(state, 0) + 1
        if state == "failing" and one.error:
            errors[one.id] = one.error
    out = _StatusOut(
        version=__version__,
        engine=info.name,
        engine_version=info.version,
        healthy=info.healthy,
        generation=generation,
        items=app.engine.count(generation) if info.healthy else 0,
        feeds=states,
        behind=len(app.feeds.behind(generation)),
        errors=errors,
    )
    if arguments.json:
        say_json(out)
        return OK
    say(f"newswire {out.version}, engine {out.engine} {out.engine_version}{'' if out.healthy else ' (not well)'}")
    say(f"{plural(out.items, 'item')} in generation {out.generation}; {plural(out.behind, 'feed')} behind")
    say(
        f"{plural(len(statuses), 'feed')}: "
        + (", ".join(f"{n} {state}" for state, n in sorted(states.items())) or "none")
    )
    for feed_id, error in errors.items():
        say(f"  {feed_id}: {error}")
    return OK
