"""Tell faults apart while tantivy works: those of its files, and those of the writes that it pulls from a caller."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from newswire.errors import EngineUnavailableError
from newswire.model import IndexReport, ItemWrite

_PANIC = "PanicException"
"""What PyO3 makes of a panic of tantivy, for which a damaged file is enough; it is not an `Exception`."""
_FOOTER = struct.Struct("<II")
"""The end of each file that tantivy writes once: the length of the footer before it, which is JSON, and a mark."""
_FOOTER_MARK = 1337
_CHUNK_BYTES = 1 << 20
_CHECKED_SUFFIXES = frozenset({".term", ".idx", ".pos", ".fast", ".fieldnorm", ".store"})


def damaged_file(folder: Path) -> str | None:
    """Return the name of a file of an index whose bytes are not those of its checksum; None if all are whole."""
    for file in sorted(folder.iterdir()):
        if file.suffix in _CHECKED_SUFFIXES and not _is_whole(file):
            return file.name
    return None


def _is_whole(file: Path) -> bool:
    """Return whether the body of a file has the CRC-32 of its footer."""
    with file.open("rb") as stream:
        size = stream.seek(0, io.SEEK_END)
        if size < _FOOTER.size:
            return False
        stream.seek(-_FOOTER.size, io.SEEK_END)
        length, mark = _FOOTER.unpack(stream.read(_FOOTER.size))
        body = size - _FOOTER.size - length
        if mark != _FOOTER_MARK or body < 0:
            return False
        stream.seek(body)
        try:
            expected = msgspec.json.decode(stream.read(length))["crc"]
        except (msgspec.MsgspecError, KeyError, TypeError):
            return False
        stream.seek(0)
        crc = 0
        while body > 0 and (chunk := stream.read(min(body, _CHUNK_BYTES))):
            crc, body = zlib.crc32(chunk, crc), body - len(chunk)
    return bool(crc == expected)


def with_errors_of_writes(
    work: Callable[[Iterator[ItemWrite]], IndexReport], writes: Iterable[ItemWrite]
) -> IndexReport:
    """Call `work` with the writes; raise what making the writes raises as it is, never as an error of the index."""
    try:
        return work(_mark_errors(writes))
    except _WritesError as error:
        raise error.error from None


class _WritesError(Exception):
    """The writes of a caller raised `error`, which is none of the index."""

    def __init__(self, error: Exception) -> None:
        super().__init__(str(error))
        self.error = error


def _mark_errors(writes: Iterable[ItemWrite]) -> Iterator[ItemWrite]:
    """Yield the writes; wrap what they raise, so that it is never taken for an error of the index."""
    try:
        yield from writes
    except Exception as error:
        raise _WritesError(error) from error


@contextmanager
def translate_errors(folder: Path) -> Iterator[None]:
    """Turn tantivy's errors about its files, and its panics, into `EngineUnavailableError`."""
    try:
        yield
    except BaseException as error:
        if not isinstance(error, ValueError | OSError) and type(error).__name__ != _PANIC:
            raise
        text = str(error)
        if "No space left" in text or "os error 28" in text:
            msg = f"The disk with {folder} is full. Free space and run the command again; existing data is intact."
            raise EngineUnavailableError(msg) from error
        if "code: 13" in text or "Permission denied" in text or "code: 30" in text:
            msg = f"{folder} is not writable. Change its owner, or set NEWSWIRE_DATA to another folder."
            raise EngineUnavailableError(msg) from error
        msg = (
            f"The index in {folder} is unusable ({text[:300]}). Run `newswire reindex` to rebuild it from the archive."
        )
        raise EngineUnavailableError(msg) from error
