"""Rebuild a damaged feed store of one machine: the list of feeds from what can be read and from the archive.

All states are built again from the archive by the reindex that follows.
"""

from __future__ import annotations

from pathlib import Path

from msgspec import Struct

from newswire.app import App
from newswire.errors import UsageError
from newswire.ingest.feed_list import merge_feeds_file
from newswire.model import Feed
from newswire.storage.feeds.salvage import FEEDS, STATUSES, readable_feeds, set_aside


class Salvaged(Struct, frozen=True):
    """Where the damaged database is now, and where the feeds came from."""

    aside: Path | None
    read: tuple[str, ...]
    """Feeds with their whole configuration, from the damaged database or the feeds file."""
    guessed: tuple[str, ...]
    """Feeds of which only the archive knows: their address, without titles, headers and intervals that a person set."""


def salvage(app: App) -> Salvaged:
    """Set the database aside and make the list of feeds again; raise `UsageError` for a table in the cloud."""
    if app.settings.table:
        raise UsageError("--salvage is for feeds.sqlite on one machine. Restore a table from its backup.")
    folder, now = app.settings.data_folder, app.clock()
    aside = set_aside(folder, FEEDS, now)
    set_aside(folder, STATUSES, now)  # the reindex publishes all statuses again
    feeds = readable_feeds(aside) if aside is not None else {}
    for feed in feeds.values():
        app.feeds.put(feed, app.clock())
    merge_feeds_file(app)
    known = {row.feed.id for row in app.feeds.rows()}
    guessed = [feed_id for feed_id in app.archive.feeds() if feed_id not in known]
    for feed_id in guessed:
        app.feeds.put(_feed_of(app, feed_id), app.clock())
    return Salvaged(aside, tuple(sorted(known)), tuple(guessed))


def _feed_of(app: App, feed_id: str) -> Feed:
    """Return a feed as its last fetched document says; one that was only loaded is not polled."""
    for seq in range(app.archive.head(feed_id), 0, -1):
        record = app.archive.get(feed_id, seq)
        if record is not None and record.kind == "document" and record.url:
            return Feed(id=feed_id, url=record.url, kind=record.feed_kind, listing=record.listing, lang=record.lang)
    return Feed(id=feed_id, origin="made", polled=False)
