"""Back-fill: JSON Lines come in, are checked, archived in records of about 1,000 lines, and indexed.

A loaded line never changes an item that a fetched document gave; among loads the later one wins.
"""

from __future__ import annotations

import gzip
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path
from typing import IO, cast

import msgspec
from msgspec import Struct

from newswire.app import App
from newswire.errors import UsageError
from newswire.ingest.archiving import RecordSource, append_to_feed
from newswire.ingest.feed_list import make_feed
from newswire.ingest.indexing import IndexResult, index_feeds, publish
from newswire.ingest.parse.load_lines import LONGEST_LINE, LoadLine, read_line
from newswire.storage.feeds import FEED_ID

LINES_A_RECORD = 1_000
LINES_HELD = 20_000
"""So many lines are held in memory at most, over all feeds."""
REFUSED_SHOWN = 1_000

_GZIP_MAGIC = b"\x1f\x8b"
_BOM = b"\xef\xbb\xbf"
_encoder = msgspec.json.Encoder()


class RefusedLine(Struct, frozen=True):
    """A line that was not taken: where it stands and why."""

    file: str
    line: int
    reason: str


class LoadReport(Struct, frozen=True):
    """What a load did."""

    lines: int
    refused: tuple[RefusedLine, ...]
    refused_count: int
    indexed: tuple[IndexResult, ...]


def load(app: App, files: list[str], feed: str | None, progress: Callable[[int], object] | None = None) -> LoadReport:
    """Load files (gzipped or not, `-` is standard input); a line without `feed` belongs to the given one.

    `progress` is told of lines as they are archived, and of items as they are indexed.
    """
    keeper = _LineBuffer(app, progress)
    refused: list[RefusedLine] = []
    refused_count = lines = 0
    for name in files:
        with _opened(name) as stream:
            for number, text in _lines(stream):
                read = read_line(text.removeprefix(_BOM) if number == 1 else text)
                if isinstance(read, LoadLine):
                    feed_id = read.feed or feed
                    if feed_id is None:
                        read = "it names no feed, and no --feed was given"
                    elif not FEED_ID.fullmatch(feed_id):
                        read = f"feed {feed_id[:80]!r} can't be the id of a feed"
                if isinstance(read, str):
                    refused_count += 1
                    if len(refused) < REFUSED_SHOWN:
                        refused.append(RefusedLine(name, number, read))
                    continue
                lines += 1
                keeper.keep(read.feed or feed or "", read)
    keeper.flush_all()
    indexed = index_feeds(app, keeper.feeds, progress=progress)
    publish(app, keeper.feeds)
    return LoadReport(lines, tuple(refused), refused_count, tuple(indexed))


class _RepeatDetector:
    """Whether a load is one that came before, of one feed: its records are held against those that end the log.

    A load that is repeated, whole or after it was cut off, would let an item that stands in two of its records change to and
    fro, each time a revision. So records are passed over while they are those of the log, from the last one that
    equals the first on to the log's end; if they part before that end, what was passed over is archived after all.
    """

    def __init__(self, app: App, feed_id: str, first: bytes) -> None:
        self._app = app
        self._feed_id = feed_id
        self._rest: list[int] = []
        self._passed: list[int] = []
        archive = app.archive
        head = archive.head(feed_id)
        for seq in range(head, 0, -1):
            record = archive.get(feed_id, seq)
            if record is None or record.kind != "load":
                break
            if record.body == first:
                self._rest = list(range(seq, head + 1))
                break

    def knows(self, body: bytes) -> bool:
        """Say whether this record, the next one, is the next of the log."""
        if not self._rest:
            return False
        record = self._app.archive.get(self._feed_id, self._rest[0])
        if record is None or record.body != body:
            return False
        self._passed.append(self._rest.pop(0))
        return True

    def parted(self) -> Iterator[bytes]:
        """Give the bodies that were passed over and have to be archived after all, since the log went on otherwise."""
        passed, is_same = self._passed, not self._rest
        self._passed, self._rest = [], []
        for seq in [] if is_same else passed:
            record = self._app.archive.get(self._feed_id, seq)
            if record is not None:
                yield record.body


class _LineBuffer:
    """Holds checked lines by feed, and archives them in records."""

    def __init__(self, app: App, progress: Callable[[int], object] | None) -> None:
        self._app = app
        self._progress = progress
        self._held: dict[str, list[bytes]] = {}
        self._count = 0
        self.feeds: dict[str, _RepeatDetector] = {}

    def keep(self, feed_id: str, line: LoadLine) -> None:
        held = self._held.setdefault(feed_id, [])
        held.append(_encoder.encode(line))
        self._count += 1
        if len(held) >= LINES_A_RECORD:
            self._flush(feed_id)
        elif self._count >= LINES_HELD:
            self._flush(max(self._held, key=lambda one: len(self._held[one])))

    def flush_all(self) -> None:
        for feed_id in list(self._held):
            self._flush(feed_id)
        for feed_id, again in self.feeds.items():
            self._append(feed_id, again.parted())

    def _flush(self, feed_id: str) -> None:
        lines = self._held.pop(feed_id)
        self._count -= len(lines)
        body = b"\n".join(lines)
        if feed_id not in self.feeds:
            make_feed(self._app, feed_id)
            self.feeds[feed_id] = _RepeatDetector(self._app, feed_id, body)
        again = self.feeds[feed_id]
        if not again.knows(body):
            self._append(feed_id, again.parted())
            self._append(feed_id, [body])
        if self._progress is not None:
            self._progress(len(lines))

    def _append(self, feed_id: str, bodies: Iterable[bytes]) -> None:
        for body in bodies:
            append_to_feed(self._app, feed_id, body, RecordSource("load"))


@contextmanager
def _opened(name: str) -> Iterator[IO[bytes]]:
    """Open a file, or standard input for `-`, unpacking it if it is gzipped."""
    try:
        stream = cast("BufferedReader", sys.stdin.buffer if name == "-" else Path(name).open("rb"))  # noqa: SIM115 - closed below
    except OSError as error:
        msg = f"{name} can't be read ({(error.strerror or 'no such file').lower()}): give the path of a file of JSON Lines."
        raise UsageError(msg) from error
    try:
        start = stream.peek(2)[:2]
        yield cast("IO[bytes]", gzip.GzipFile(fileobj=stream)) if start == _GZIP_MAGIC else stream
    except (EOFError, gzip.BadGzipFile, OSError) as error:
        msg = f"{name} can't be read to its end ({error}): what came before was taken; mend the file and load it again."
        raise UsageError(msg) from error
    finally:
        if name != "-":
            stream.close()


def _lines(stream: IO[bytes]) -> Iterator[tuple[int, bytes]]:
    """Give lines with their numbers, empty ones left out; of an overlong one its beginning."""
    number = 0
    while line := stream.readline(LONGEST_LINE + 2):
        number += 1
        if len(line) > LONGEST_LINE and not line.endswith(b"\n"):
            while (rest := stream.readline(LONGEST_LINE)) and not rest.endswith(b"\n"):
                pass
        if stripped := line.strip():
            yield number, line if len(line) > LONGEST_LINE else stripped
