"""`newswire ingest` and `newswire load`: documents and lines from disk go into the archive and the index."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from newswire.app import App
from newswire.cli import FAILED, OK
from newswire.cli.console import indexed_line, progress, say
from newswire.clock import Instant
from newswire.errors import UsageError
from newswire.ingest.archiving import RecordSource, append_to_feed
from newswire.ingest.feed_list import make_feed
from newswire.ingest.indexing import IndexResult, index_feeds, publish
from newswire.search.dates import FORMS, DateValueError, read_period, utc

_FROM_DISK = RecordSource("document")


def ingest(app: App, arguments: argparse.Namespace) -> int:
    """Take documents from disk, as though they had been fetched."""
    at = None
    if arguments.at is not None:
        at = _moment(arguments.at, app.clock())
    source = RecordSource("document", arguments.url or None, arguments.content_type, at)
    indexed = take_in(app, arguments.files, arguments.feed, source)
    for one in indexed:
        say(indexed_line(one))
    return FAILED if any(one.refusal or one.problem for one in indexed) else OK


def _moment(text: str, now: Instant) -> Instant:
    """Read a date value as the moment at which it begins, in UTC."""
    try:
        start = read_period(text, utc(), now).start
    except DateValueError as error:
        raise UsageError(f"--at: {error} Write one of {FORMS}.") from error
    if start is None:
        raise UsageError(f"--at: {text[:60]!r} is before year 1.")
    return start


def _body(name: str, limit: int) -> bytes:
    """Read a document, and no more of it than is taken of one that was fetched: a device has no end."""
    try:
        with Path(name).open("rb") as file:
            body = file.read(limit + 1)
    except OSError as error:
        raise UsageError(f"{name} can't be read ({(error.strerror or 'error').lower()}).") from error
    if len(body) > limit:
        raise UsageError(f"{name} has more than {limit} bytes (NEWSWIRE_FETCH_MAX_DECODED_BYTES): it is not taken in.")
    return body


def take_in(app: App, files: Sequence[str], feed_id: str, source: RecordSource = _FROM_DISK) -> list[IndexResult]:
    """Archive documents from disk as though they had been fetched, and index them."""
    bodies = [_body(name, app.settings.fetch_max_decoded_bytes) for name in files]
    make_feed(app, feed_id)
    for body in bodies:
        append_to_feed(app, feed_id, body, source)
    with progress("indexing", "items") as told:
        indexed = index_feeds(app, [feed_id], progress=told)
    publish(app, [feed_id])
    return indexed
