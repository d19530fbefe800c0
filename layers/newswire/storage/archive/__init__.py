"""The archive: a numbered log of records for each feed, written once and never changed.

It is the truth that everything else is worked out from: the index is a fold over it, and a reindex replays it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import msgspec

from newswire.errors import DataError, DataNewerError
from newswire.extras import needs_extra
from newswire.model import Record

if TYPE_CHECKING:
    from newswire.settings import Settings

FORMAT = 1


class Archive(Protocol):
    """A log of records for each feed, numbered 1, 2, 3 and so on without holes.

    `poll.py` and `backfill.py` append under the feed's poll lease; `indexing.py` and `reindex.py` read. Every method may
    be called from several processes at once. What the medium does wrong is a `DataError` that names the place.
    """

    def put(self, record: Record) -> bool:
        """Write a record under its feed and number, durably, whole or not at all.

        A record is created only: where the number is taken the answer is False and nothing is changed. When True
        is returned the record survives a crash of the machine.
        """

    def get(self, feed: str, seq: int) -> Record | None:
        """Give the record with this number, exactly as it was put; None where there is none."""

    def head(self, feed: str, after: int = 0) -> int:
        """Give the number of the last record, knowing that `after` is in the log (0: nothing is known).

        It looks at the log itself, so it also sees a record whose writer died before telling anybody.
        """

    def feeds(self) -> list[str]:
        """Give the ids of all feeds that have a log, in order."""

    def remove(self, feed: str) -> None:
        """Delete a feed's whole log; nothing happens where there is none."""


def open_archive(settings: Settings) -> Archive:
    """Give the archive that the settings name; opens nothing yet."""
    if settings.bucket:
        with needs_extra("aws", "NEWSWIRE_BUCKET"):
            from newswire.storage.archive.s3 import S3Archive  # noqa: PLC0415 - only the chosen one is loaded

        return S3Archive(settings.bucket)
    from newswire.storage.archive.folder import FolderArchive  # noqa: PLC0415 - only the chosen one is loaded

    return FolderArchive(settings.data_folder / "archive")


class _Header(msgspec.Struct):
    format: int


class _Stored(msgspec.Struct):
    """The first line of an archived record: everything but the body, and how the body is packed."""

    format: int
    packing: str
    record: msgspec.Raw


_encoder = msgspec.json.Encoder()
_fields = msgspec.json.Decoder(Record)
_stored = msgspec.json.Decoder(_Stored)
_header = msgspec.json.Decoder(_Header)
_PACK_FROM = 200
_LEVEL = 3  # zlib: level 6 takes twice the time for 3 % less on the real feeds


def encode_record(record: Record) -> bytes:
    """Write a record as one line of JSON and, behind it, its body (deflated where that makes it smaller)."""
    import zlib  # noqa: PLC0415 - the search side never packs

    packed = zlib.compress(record.body, _LEVEL) if len(record.body) > _PACK_FROM else record.body
    packing = "zlib" if len(packed) < len(record.body) else "plain"
    bare = msgspec.structs.replace(record, body=b"")
    line = _encoder.encode(_Stored(FORMAT, packing, msgspec.Raw(_encoder.encode(bare))))
    return line + b"\n" + (packed if packing == "zlib" else record.body)


def decode_record(data: bytes, place: str) -> Record:
    """Read what `encode_record` wrote; `place` names it in the `DataError` for a damaged or newer one."""
    import zlib  # noqa: PLC0415 - the search side never unpacks

    line, mark, body = data.partition(b"\n")
    try:
        if _header.decode(line).format > FORMAT:
            msg = f"{place} was written by a newer version of newswire: update this one."
            raise DataNewerError(msg)
        stored = _stored.decode(line)
        record = _fields.decode(stored.record)
        if not mark:
            raise ValueError  # noqa: TRY301 - said once, below
        body = zlib.decompress(body) if stored.packing == "zlib" else body
    except (msgspec.DecodeError, ValueError, zlib.error) as error:
        msg = f"{place} is damaged ({type(error).__name__}): put it back from a copy; nothing else was touched."
        raise DataError(msg) from error
    return msgspec.structs.replace(record, body=body)
