"""Salvage damaged databases of a data folder: set them aside, and read the feeds that can still be read."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from newswire.clock import Instant
from newswire.model import Feed
from newswire.storage.sqlite_file import readable_values

FEEDS = "feeds.sqlite"
STATUSES = "index/status.sqlite"
_PARTS = ("", "-wal", "-shm")
"""A database is three files; a log that stays behind would be applied to the next database."""
_ORDERS = ("ASC", "DESC")
"""A damaged page ends a walk, so it is walked from both ends."""
_decode = msgspec.json.Decoder(Feed).decode


def set_aside(folder: Path, name: str, now: Instant) -> Path | None:
    """Rename a database in a data folder; return its new path, or None if there is none."""
    stamp = datetime.fromtimestamp(now / 1000, UTC).strftime("%Y%m%dT%H%M%S")
    aside = folder / f"{name}.damaged-{stamp}"
    found = [part for part in _PARTS if (folder / f"{name}{part}").exists()]
    for part in found:
        (folder / f"{name}{part}").rename(f"{aside}{part}")
    return aside if "" in found else None


def readable_feeds(database: Path) -> dict[str, Feed]:
    """Return the feeds that a damaged database still gives, by id; none if it cannot be opened at all."""
    feeds: dict[str, Feed] = {}
    for order in _ORDERS:
        for encoded in readable_values(database, f"SELECT feed FROM feeds ORDER BY id {order}"):
            with suppress(msgspec.MsgspecError, TypeError, ValueError):
                feed = _decode(encoded)
                feeds[feed.id] = feed
    return feeds
