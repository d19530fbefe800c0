"""`newswire ingest`: archive and index documents from disk as if they had been fetched."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import msgspec
from msgspec import Struct

from newswire.app import App
from newswire.cli import FAILED, OK
from newswire.cli.console import complain, indexed_line, progress, say
from newswire.clock import Instant
from newswire.errors import FetchError, UsageError
from newswire.ingest.archiving import RecordSource, append_to_feed
from newswire.ingest.decompress import decompress
from newswire.ingest.feed_list import make_feed
from newswire.ingest.indexing import IndexResult, index_feeds, publish
from newswire.model import Refusal
from newswire.search.dates import FORMS, DateValueError, read_period, utc
from newswire.urls import feed_url_problem

_FROM_DISK = RecordSource("document")


def ingest(app: App, arguments: argparse.Namespace) -> int:
    """Ingest documents from disk; return 1 if one of them cannot be read as a feed."""
    at = None
    if arguments.at is not None:
        at = _read_instant(arguments.at, app.clock())
    if arguments.url and (problem := feed_url_problem(arguments.url)):
        raise UsageError(f"--url: {problem}. Use a URL that starts with http:// or https://.")
    if not arguments.content_type.isprintable():
        raise UsageError(f"--content-type must be one line of text, got {arguments.content_type[:60]!r}.")
    source = RecordSource("document", arguments.url or None, arguments.content_type, at)
    taken = take_in(app, arguments.files, arguments.feed, source)
    is_one = len(arguments.files) == 1
    for result in taken.results:
        say(indexed_line(result if is_one else msgspec.structs.replace(result, refusal=None)))
    for name, refusal in [] if is_one else taken.refused_files:
        complain(f"{name}: {refusal.code}: {refusal.sentence}")
    return FAILED if taken.refused_files or any(result.problem for result in taken.results) else OK


def _read_instant(text: str, now: Instant) -> Instant:
    """Return the instant at which a date value starts, in UTC; raise `UsageError` for any other text."""
    try:
        start = read_period(text, utc(), now).start
    except DateValueError as error:
        raise UsageError(f"--at: {error} Allowed: {FORMS}.") from error
    if start is None:
        raise UsageError(f"--at must not be before year 1, got {text[:60]!r}.")
    return start


def _read_document(name: str, limit: int) -> bytes:
    """Read a document of at most `limit` bytes, the limit of fetched documents: a device file has no end."""
    try:
        with Path(name).open("rb") as file:
            body = file.read(limit + 1)
    except OSError as error:
        reason = (error.strerror or "error").lower()
        raise UsageError(f"{name or 'An empty name'} cannot be read ({reason}): name a document on disk.") from error
    if len(body) > limit:
        raise UsageError(f"{name} has more than {limit:,} bytes. Raise NEWSWIRE_FETCH_MAX_DECODED_BYTES to ingest it.")
    try:
        return decompress(body, "", limit, truncated=False)[0]
    except FetchError as error:
        raise UsageError(f"{name} cannot be read. {error}") from error


class TakenIn(Struct, frozen=True):
    """The results of indexing documents from disk, and the files that cannot be read as a feed."""

    results: list[IndexResult]
    refused_files: list[tuple[str, Refusal]]


def take_in(app: App, files: Sequence[str], feed_id: str, source: RecordSource = _FROM_DISK) -> TakenIn:
    """Archive documents from disk as if they had been fetched, index them, and publish the status of their feed."""
    bodies = [_read_document(name, app.settings.fetch_max_decoded_bytes) for name in files]
    make_feed(app, feed_id)
    names = {append_to_feed(app, feed_id, body, source): name for name, body in zip(files, bodies, strict=True)}
    with progress("indexing", "items") as advance:
        results = index_feeds(app, [feed_id], progress=advance)
    publish(app, [feed_id])
    refused = [(names[seq], refusal) for result in results for seq, refusal in result.refused_records if seq in names]
    return TakenIn(results, refused)
