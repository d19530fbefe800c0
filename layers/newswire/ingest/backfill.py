"""Back-fill items from JSON Lines: check each line, archive the lines in records of about 1,000, and index them.

A loaded line never changes an item that a fetched document had. Among loads the later one wins.
"""

from __future__ import annotations

import gzip
import sys
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path
from typing import IO, cast

import msgspec
from msgspec import Struct

from newswire.app import App
from newswire.errors import UsageError
from newswire.feed_id import check_feed_id
from newswire.ingest.archiving import RecordSource, append_to_feed, reconcile
from newswire.ingest.feed_list import make_feed
from newswire.ingest.indexing import IndexResult, index_feeds, publish
from newswire.ingest.parse.load_lines import MAX_LINE_BYTES, LoadLine, read_line
from newswire.ingest.parse.sniff import GZIP_MAGIC

MAX_LINES_PER_RECORD = 1_000
MAX_BYTES_PER_RECORD = 4_000_000
"""Bytes after which a record ends before it has 1,000 lines; its last line may be longer."""
MAX_BUFFERED_LINES = 20_000
"""Maximum lines in memory, over all feeds."""
MAX_BUFFERED_BYTES = 32_000_000
MAX_REPORTED_LINES = 1_000
"""Maximum refused lines that a report keeps; it counts all of them."""

_BOM = b"\xef\xbb\xbf"
_encoder = msgspec.json.Encoder()


class RefusedLine(Struct, frozen=True):
    """A line that was refused, and the reason."""

    file: str
    line: int
    reason: str


class LoadReport(Struct, frozen=True):
    """The result of a load."""

    lines: int
    """Number of lines that were accepted."""
    refused: tuple[RefusedLine, ...]
    """The first refused lines; `refused_count` is the number of all."""
    refused_count: int
    indexed: tuple[IndexResult, ...]


def load(app: App, files: list[str], feed: str | None, progress: Callable[[int], object] | None = None) -> LoadReport:
    """Load files, gzipped or plain; `-` is standard input. A line without `feed` belongs to the feed of the argument.

    `progress` is called with the number of lines of each archived record, then with the number of items of each indexed
    one. Raises `UsageError` for a file that cannot be read.
    """
    buffer = _LineBuffer(app, progress)
    refused: list[RefusedLine] = []
    refused_count = lines = 0
    for name in files:
        with _open(name) as stream:
            for number, text in _read_lines(stream):
                line = read_line(text.removeprefix(_BOM) if number == 1 else text)
                if isinstance(line, LoadLine):
                    line = _with_feed(line, feed)
                if isinstance(line, str):
                    refused_count += 1
                    if len(refused) < MAX_REPORTED_LINES:
                        refused.append(RefusedLine(name, number, line))
                    continue
                lines += 1
                buffer.add(line.feed or feed or "", line)
    buffer.flush_all()
    reconcile(app, buffer.feeds)  # a power cut may have taken the state of records that are in the log, and are skipped
    indexed = index_feeds(app, buffer.feeds, progress=progress)
    publish(app, buffer.feeds)
    return LoadReport(lines, tuple(refused), refused_count, tuple(indexed))


class _RepeatDetector:
    """Detects a repeated load of one feed by comparing its records with the tail of the feed's log.

    A load may be repeated as a whole, or after it was interrupted. An item in two of its records would then change back
    and forth, each time with a new revision. So records that equal those of the log are skipped, from the last record that
    equals the first one to the end of the log. If they differ before that end, the skipped records are archived after all.
    """

    def __init__(self, app: App, feed_id: str, first: bytes) -> None:
        self._app = app
        self._feed_id = feed_id
        self._expected: list[int] = []
        """Numbers of the records in the log that a repeated load has next."""
        self._skipped: list[int] = []
        archive = app.archive
        head = archive.head(feed_id)
        for seq in range(head, 0, -1):
            record = archive.get(feed_id, seq)
            if record is None or record.kind != "load":
                break
            if record.body == first:
                self._expected = list(range(seq, head + 1))
                break

    def skip(self, body: bytes) -> bool:
        """Skip the next record of the load if it is the next one of the log; return whether it was skipped."""
        if not self._expected:
            return False
        record = self._app.archive.get(self._feed_id, self._expected[0])
        if record is None or record.body != body:
            return False
        self._skipped.append(self._expected.pop(0))
        return True

    def end(self) -> Iterator[bytes]:
        """End the comparison; yield the skipped bodies if the load is not a repeated one, so that they are archived."""
        skipped, is_repeated = self._skipped, not self._expected
        self._skipped, self._expected = [], []
        for seq in [] if is_repeated else skipped:
            record = self._app.archive.get(self._feed_id, seq)
            if record is not None:
                yield record.body


class _WaitingLines:
    """The lines of one feed that are not archived yet, and their bytes."""

    def __init__(self) -> None:
        self.lines: list[bytes] = []
        self.size = 0

    def add(self, line: bytes) -> None:
        self.lines.append(line)
        self.size += len(line)

    def fill_a_record(self) -> bool:
        return len(self.lines) >= MAX_LINES_PER_RECORD or self.size >= MAX_BYTES_PER_RECORD


class _LineBuffer:
    """Collects checked lines by feed, and archives them in records."""

    def __init__(self, app: App, progress: Callable[[int], object] | None) -> None:
        self._app = app
        self._progress = progress
        self._waiting: dict[str, _WaitingLines] = {}
        self._count = self._size = 0
        self.feeds: dict[str, _RepeatDetector] = {}
        """The detector of each feed that has a record; its keys are the feeds to index."""

    def add(self, feed_id: str, line: LoadLine) -> None:
        """Add a line; archive the lines of its feed, or of the feed with most of them, when the buffer is full."""
        waiting = self._waiting.setdefault(feed_id, _WaitingLines())
        encoded = _encoder.encode(line)
        waiting.add(encoded)
        self._count += 1
        self._size += len(encoded)
        if waiting.fill_a_record():
            self._flush(feed_id)
        elif self._count >= MAX_BUFFERED_LINES:
            self._flush(max(self._waiting, key=lambda other_id: len(self._waiting[other_id].lines)))
        elif self._size >= MAX_BUFFERED_BYTES:
            self._flush(max(self._waiting, key=lambda other_id: self._waiting[other_id].size))

    def flush_all(self) -> None:
        """Archive everything that is left."""
        for feed_id in list(self._waiting):
            self._flush(feed_id)
        for feed_id, detector in self.feeds.items():
            self._append(feed_id, detector.end())

    def _flush(self, feed_id: str) -> None:
        waiting = self._waiting.pop(feed_id)
        self._count -= len(waiting.lines)
        self._size -= waiting.size
        body = b"\n".join(waiting.lines)
        if feed_id not in self.feeds:
            make_feed(self._app, feed_id)
            self.feeds[feed_id] = _RepeatDetector(self._app, feed_id, body)
        detector = self.feeds[feed_id]
        if not detector.skip(body):
            self._append(feed_id, detector.end())
            self._append(feed_id, [body])
        if self._progress is not None:
            self._progress(len(waiting.lines))

    def _append(self, feed_id: str, bodies: Iterable[bytes]) -> None:
        for body in bodies:
            append_to_feed(self._app, feed_id, body, RecordSource("load"))


def _with_feed(line: LoadLine, feed: str | None) -> LoadLine | str:
    """Return the line, or the reason why it has no valid feed; `feed` is the one for lines that name none."""
    feed_id = line.feed or feed
    if feed_id is None:
        return "the line must name a feed, since --feed is not set"
    try:
        check_feed_id(feed_id)
    except UsageError as error:
        return str(error)
    return line


@contextmanager
def _open(name: str) -> Iterator[IO[bytes]]:
    """Open a file, or standard input for `-`; decompress it if it is gzipped."""
    try:
        if name == "-" and sys.stdin is None:
            raise UsageError("Standard input is closed: pass lines to it, or name a file of JSON Lines.")
        stream = cast("BufferedReader", sys.stdin.buffer if name == "-" else Path(name).open("rb"))  # noqa: SIM115 - closed below
    except OSError as error:
        msg = f"{name} cannot be read ({(error.strerror or 'no such file').lower()}): name a file of JSON Lines."
        raise UsageError(msg) from error
    try:
        start = stream.peek(2)[:2]
        yield cast("IO[bytes]", gzip.GzipFile(fileobj=stream)) if start == GZIP_MAGIC else stream
    except (EOFError, zlib.error, OSError) as error:
        msg = (
            f"{name} cannot be read to its end ({error}): repair the file and load it again. Lines before that point may be "
            "loaded already; repeated lines do no harm."
        )
        raise UsageError(msg) from error
    finally:
        if name != "-":
            stream.close()


def _read_lines(stream: IO[bytes]) -> Iterator[tuple[int, bytes]]:
    """Yield the lines that are not empty, with their numbers; cut an overlong one, so that `read_line` refuses it."""
    number = 0
    while line := stream.readline(MAX_LINE_BYTES + 2):
        number += 1
        if len(line) > MAX_LINE_BYTES and not line.endswith(b"\n"):
            while (skipped := stream.readline(MAX_LINE_BYTES)) and not skipped.endswith(b"\n"):
                pass
        if stripped := line.strip():
            yield number, line if len(line) > MAX_LINE_BYTES else stripped
