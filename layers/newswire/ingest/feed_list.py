"""Change the list of feeds in the store: merge the file that ships, add a feed for documents and loads."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import msgspec

from newswire.app import App
from newswire.clock import Instant
from newswire.errors import EngineError, FeedsFileError
from newswire.ingest.feeds_file import read_toml
from newswire.ingest.indexing import publish
from newswire.model import Feed
from newswire.storage.feeds import FeedStore, check_feed_id

NOTE = "feeds file"


def merge(
    store: FeedStore,
    path: Path,
    now: Instant,
    *,
    must_exist: bool = False,
    removed: Callable[[list[str]], object] = lambda _ids: None,
) -> bool:
    """Take the file over if it has changed since it was last taken over; says whether it had.

    `removed` is told of the feeds that are gone from it; if it raises, the file is taken over again the next time. A file that
    is not there changes nothing, unless it must exist. Raises `FeedsFileError`, and then changes nothing either.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError as error:
        if not must_exist:
            return False
        msg = f"NEWSWIRE_FEEDS names {path}, which is not there: correct it, or make the file (an empty one will do)."
        raise FeedsFileError(msg) from error
    except OSError as error:
        msg = f"{path} can't be read ({(error.strerror or 'error').lower()}): NEWSWIRE_FEEDS is to name a TOML file."
        raise FeedsFileError(msg) from error
    digest = sha256(data).hexdigest()
    if store.note(NOTE) == digest:
        return False
    listed = {feed.id: feed for feed in read_toml(data, str(path))}
    for feed in listed.values():
        store.put(feed, now)
    gone = [row.feed for row in store.rows() if row.feed.origin == "file" and row.feed.id not in listed]
    for feed in gone:
        if not feed.removed:
            store.put(msgspec.structs.replace(feed, removed=True), now)
    removed([feed.id for feed in gone])
    store.keep_note(NOTE, digest)
    return True


def take_over(app: App) -> EngineError | None:
    """Take feeds.toml over, if it has changed; gives what kept the search side from being told of the feeds that are gone.

    It is told the next time: the file is then taken over again. `FeedsFileError` for a file that can't be read as a list
    of feeds, or that was named and is not there.
    """
    settings = app.settings
    try:
        merge(
            app.feeds,
            Path(settings.feeds),
            app.clock(),
            must_exist=settings.names_feeds_file,
            removed=lambda ids: publish(app, ids),
        )
    except EngineError as error:
        return error
    return None


def make_feed(app: App, feed_id: str, **fields: object) -> None:
    """Make a feed that is not polled, if there is none of this id."""
    if app.feeds.row(check_feed_id(feed_id)) is None:
        feed = msgspec.convert({"id": feed_id, "origin": "made", "polled": False, **fields}, Feed)
        app.feeds.put(feed, app.clock())
