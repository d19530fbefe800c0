"""Notice that the index is not the one that was filled, and have it filled again from the log.

An index can be deleted, emptied, replaced by an older copy or exchanged for that of another newswire, while the cursors of
the feeds still say that everything is in it. Indexing on from there would give answers that look whole and are not.
"""

from __future__ import annotations

import msgspec

from newswire.app import App
from newswire.engines import FIRST_GENERATION
from newswire.engines.coverage import CoverageQuery
from newswire.errors import EngineUnavailableError
from newswire.log import log_text
from newswire.model import IndexIdentity
from newswire.storage.feeds import FeedRow, new_lease
from newswire.storage.feeds.metadata import FilledIndex
from newswire.storage.feeds.status import status_of

FENCE = "fence"
"""The lock that stops all indexing while a reindex swaps generations, or a lost index is rebuilt."""

MAX_GENERATIONS = 3
"""Generations whose identity is remembered: the one that serves, the one that a reindex builds, and the one before."""


def check_index(app: App) -> int | None:
    """Return the generation to index into; None while another process rebuilds the index.

    If the index is not the one that was filled, or lacks items, all feeds are behind afterwards; with a table in the
    cloud, where that would delete a row for each item, it is left as it is. Raises `EngineError` then, if the engine
    fails, and for an index that another newswire has filled.
    """
    number = app.engine.generation()
    identity, reason = _find_fault(app, number)
    if not reason:
        if identity is None:
            identity = app.engine.give_identity(number)
        remember_index(app, number, identity)
        return number
    if app.settings.table:
        _publish_what_is_lost(app)
        msg = f"The index is not the one that was filled: {reason}. Run `newswire reindex` to fill it again."
        raise EngineUnavailableError(msg)
    now = app.clock()
    fence = new_lease(app.settings, now)
    if not app.feeds.lock(FENCE, fence, now):
        return None
    try:
        identity, reason = _find_fault(app, number)
        if reason:
            _begin_again(app, number, identity, reason)
    finally:
        app.feeds.unlock(FENCE, fence.token)
    return number


def remember_index(app: App, number: int, identity: IndexIdentity | None = None) -> None:
    """Remember which index a generation has, after it was written to."""
    identity = identity or app.engine.identity(number)
    if identity is None or not identity.id:
        identity = app.engine.give_identity(number)
    record = app.feeds.metadata(FilledIndex)
    known = record.identities if record is not None else {}
    if known.get(number) != identity:
        newest = dict(sorted((known | {number: identity}).items())[-MAX_GENERATIONS:])
        app.feeds.keep_metadata(FilledIndex(newest))


def _find_fault(app: App, number: int) -> tuple[IndexIdentity | None, str]:
    """Return the identity of the index, and why it cannot be the one that was filled; "" if it is."""
    identity = app.engine.identity(number)
    filled = app.feeds.generations()
    record = app.feeds.metadata(FilledIndex)
    known = record.identities.get(number) if record is not None else None
    if identity is None:
        return None, "it does not exist" if filled else ""
    if known is None or not known.id:
        if number not in filled and app.engine.count(number):
            msg = (
                f"Generation {number} of the index has items that this newswire has not written: set NEWSWIRE_DATA, or "
                "NEWSWIRE_OPENSEARCH_PREFIX, to those that belong together. The index is unchanged."
            )
            raise EngineUnavailableError(msg)
        return app.engine.give_identity(number), _lack_of(app)
    if identity.id != known.id:
        return identity, f"it is {identity.id}" if identity.id.startswith("damaged") else "it is another one"
    if identity.stamp < known.stamp:
        return identity, "it is an older copy"
    return identity, _lack_of(app)


def missing_items(app: App) -> int:
    """Return how many items the index lacks of those that the published statuses count."""
    return app.engine.coverage(CoverageQuery(app.clock(), app.settings.stale_grace_seconds)).missing


def _lack_of(app: App) -> str:
    missing = missing_items(app)
    return f"it lacks {missing:,} items" if missing else ""


def _publish_what_is_lost(app: App) -> None:
    """Publish how many items each feed has, if the statuses are gone too: searches compare it with the index."""
    if missing_items(app):
        return
    app.engine.publish([status_of(row) for row in _newest_rows(app)])


def _newest_rows(app: App) -> list[FeedRow]:
    """Return all feeds with their states in the newest generation that the feed store has."""
    return app.feeds.rows(max(app.feeds.generations(), default=FIRST_GENERATION))


def _begin_again(app: App, number: int, identity: IndexIdentity | None, reason: str) -> None:
    """Put all feeds behind, so that they are indexed again; searches say meanwhile that items are missing.

    An index that only lacks items keeps those that it has. After a crash at any place this begins again.
    """
    log_text(f"The index of generation {number} is filled again from the archive, since {reason}.")
    rows = _newest_rows(app)
    if not reason.startswith("it lacks"):
        identity = app.engine.reset(number)
    app.engine.publish([msgspec.structs.replace(status_of(row), behind=True) for row in rows])
    for generation in app.feeds.generations():
        app.feeds.drop_generation(generation)
    remember_index(app, number, identity)
