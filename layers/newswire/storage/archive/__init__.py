"""The archive: an append-only, numbered log of records for each feed.

Everything else derives from it: the index is a fold over the archive, and a reindex replays it.
"""

from __future__ import annotations

from typing import Protocol

import msgspec

from newswire.errors import DataError, DataNewerError
from newswire.model import Record

FORMAT = 2
"""Newest version of the form of an archived record; a newer one is not read. A withdrawal has this one, others have 1, so
that an older newswire reads them."""


class Archive(Protocol):
    """A log of records for each feed, numbered 1, 2, 3 and so on without gaps.

    `poll.py` and `backfill.py` append under the feed's poll lease; `indexing.py` and `reindex.py` read. Several processes
    may call every method at once. Every failure of the medium is a `DataError` that names the place.
    """

    def put(self, record: Record) -> bool:
        """Create a record under its feed and `seq`, atomically and durably.

        Return False, and change nothing, if the number is taken. After True the record survives a crash of the machine.
        """

    def get(self, feed: str, seq: int) -> Record | None:
        """Return the record with this `seq`, exactly as it was written; None if it does not exist."""

    def head(self, feed: str, after: int = 0) -> int:
        """Return the `seq` of the last record, 0 for an empty log. `after` is a known `seq`, or 0.

        It reads the log itself, so it also sees a record whose writer died before it saved its poll state.
        """

    def feeds(self) -> list[str]:
        """Return the ids of all feeds with a log, in order."""

    def remove(self, feed: str) -> None:
        """Delete the whole log of a feed; do nothing if it does not exist."""


class _Header(msgspec.Struct):
    format: int


class _Stored(msgspec.Struct):
    """The first line of an archived record: all fields but the body, and the packing of the body."""

    format: int
    packing: str
    record: msgspec.Raw


_encode = msgspec.json.Encoder().encode
_decode_record = msgspec.json.Decoder(Record).decode
_decode_stored = msgspec.json.Decoder(_Stored).decode
_decode_header = msgspec.json.Decoder(_Header).decode
_MAX_PLAIN_BYTES = 200
"""Maximum length of a body that is not compressed at all."""
_ZLIB_LEVEL = 3
"""Level 6 takes twice the time, and makes the real feeds 3 % smaller."""


def encode_record(record: Record) -> bytes:
    """Return a record as one line of JSON, followed by its body, compressed if that makes it smaller."""
    import zlib  # noqa: PLC0415 - the search side never compresses

    packed = zlib.compress(record.body, _ZLIB_LEVEL) if len(record.body) > _MAX_PLAIN_BYTES else record.body
    packing = "zlib" if len(packed) < len(record.body) else "plain"
    bare = msgspec.structs.replace(record, body=b"")
    line = _encode(_Stored(FORMAT if record.kind == "withdrawal" else 1, packing, msgspec.Raw(_encode(bare))))
    return line + b"\n" + (packed if packing == "zlib" else record.body)


def decode_record(data: bytes, place: str) -> Record:
    """Return the record that `encode_record` wrote.

    Raises `DataError` for a damaged record and `DataNewerError` for one of a newer format; both name `place`.
    """
    import zlib  # noqa: PLC0415 - the search side never decompresses

    line, separator, body = data.partition(b"\n")
    try:
        if _decode_header(line).format > FORMAT:
            msg = f"A newer version of newswire wrote {place}. Update newswire."
            raise DataNewerError(msg)
        stored = _decode_stored(line)
        record = _decode_record(stored.record)
        if not separator:
            raise ValueError  # noqa: TRY301 - the handler below has the message
        body = zlib.decompress(body) if stored.packing == "zlib" else body
    except (msgspec.DecodeError, ValueError, zlib.error) as error:
        msg = f"{place} is damaged ({type(error).__name__}). Restore it from a backup; nothing else changed."
        raise DataError(msg) from error
    return msgspec.structs.replace(record, body=body)
