"""Change the list of feeds: merge feeds.toml into the store, and make feeds for documents and loads."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import msgspec

from newswire.app import App
from newswire.clock import Instant
from newswire.errors import EngineError, FeedsFileError
from newswire.feed_id import check_feed_id
from newswire.ingest.feeds_file import read_toml
from newswire.ingest.indexing import publish
from newswire.model import Feed
from newswire.storage.feeds import FeedStore
from newswire.storage.feeds.metadata import MergedFeedsFile


def merge(
    store: FeedStore,
    path: Path,
    now: Instant,
    *,
    must_exist: bool = False,
    removed: Callable[[list[str]], object] = lambda _ids: None,
) -> bool:
    """Merge a feeds file into the store if it has changed since the last merge; return whether it had.

    `removed` is called with the ids of feeds that are gone from the file; if it raises, the next call merges again. A
    missing file changes nothing, unless it must exist. Raises `FeedsFileError`, and then changes nothing either.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError as error:
        if not must_exist:
            return False
        msg = f"The feeds file {path} (NEWSWIRE_FEEDS) does not exist: correct the setting or make the file; it may be empty."
        raise FeedsFileError(msg) from error
    except OSError as error:
        reason = (error.strerror or "error").lower()
        msg = f"The feeds file {path} cannot be read ({reason}): NEWSWIRE_FEEDS must name a TOML file."
        raise FeedsFileError(msg) from error
    merged = MergedFeedsFile(sha256(data).hexdigest())
    if store.metadata(MergedFeedsFile) == merged:
        return False
    listed_feeds = {feed.id: feed for feed in read_toml(data, str(path))}
    for feed in listed_feeds.values():
        store.put(feed, now)
    removed_feeds = [row.feed for row in store.rows() if row.feed.origin == "file" and row.feed.id not in listed_feeds]
    for feed in removed_feeds:
        if not feed.removed:
            store.put(msgspec.structs.replace(feed, removed=True), now)
    removed([feed.id for feed in removed_feeds])
    store.keep_metadata(merged)
    return True


def merge_feeds_file(app: App) -> EngineError | None:
    """Merge the feeds file that the settings name; return the error that prevented publishing the removals, if any.

    The next call publishes them: it merges the file again. Raises `FeedsFileError` for a file that cannot be read, and
    for a configured file that does not exist.
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


def make_feed(app: App, feed_id: str) -> None:
    """Make a feed that is not polled, if there is none with this id."""
    if app.feeds.row(check_feed_id(feed_id)) is None:
        app.feeds.put(Feed(id=feed_id, origin="made", polled=False), app.clock())
