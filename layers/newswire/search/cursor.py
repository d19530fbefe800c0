"""Write and read cursors: short opaque texts that hold the position of the next page. Pure.

A cursor has no text of the query or of an engine. It needs no secret, because a forged cursor only moves the start of
the page. It has numbers and digests only, so it stays valid across deployments.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from hashlib import sha256

import msgspec
from msgspec import Struct

from newswire.clock import FIRST_INSTANT, LAST_INSTANT, Instant
from newswire.engines.query import Position

VERSION = 2
MAX_CURSOR_CHARACTERS = 300
_MAX_OFFSET = 10_000
"""The depth of paging by relevance (`RELEVANCE_DEPTH`); a greater offset is forged."""
_TIE_BITS = 60
"""A tie is the first 60 bits of an item id."""


class Cursor(Struct, frozen=True, array_like=True):
    """The position of a page, and the query and the index that it belongs to."""

    version: int
    fingerprint: bytes
    position: tuple[Instant, int, int]
    """Date and tie of the last item of the page before (order by date), and the number of items before (relevance)."""
    now: Instant
    """The instant of the first page: relative dates keep their meaning on every page."""
    index: bytes
    """Mark of the state of the index at the first page."""


_decoder = msgspec.msgpack.Decoder(Cursor)
_encoder = msgspec.msgpack.Encoder()


def fingerprint_of(parameters: Mapping[str, str]) -> bytes:
    """Return an 8-byte digest of the parameters that must stay the same from page to page."""
    return sha256(_encoder.encode(sorted(parameters.items()))).digest()[:8]


def index_mark(version: str) -> bytes:
    """Return a 4-byte digest of an engine's version of its index."""
    return sha256(version.encode()).digest()[:4]


def write_cursor(fingerprint: bytes, position: Position, now: Instant, index: bytes) -> str:
    """Return a cursor as URL-safe base64, at most 300 characters."""
    cursor = Cursor(VERSION, fingerprint, (position.value, position.tie, position.offset), now, index)
    return urlsafe_b64encode(_encoder.encode(cursor)).decode().rstrip("=")


def read_cursor(text: str) -> Cursor | None:
    """Return the cursor of a text; None for any other text."""
    if len(text) > MAX_CURSOR_CHARACTERS or not text.isascii():
        return None
    try:
        cursor = _decoder.decode(urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except (ValueError, msgspec.DecodeError):
        return None
    value, tie, offset = cursor.position
    is_valid = (
        cursor.version == VERSION
        and FIRST_INSTANT <= value <= LAST_INSTANT
        and -1 <= tie < 1 << _TIE_BITS
        and 0 <= offset <= _MAX_OFFSET
        and FIRST_INSTANT <= cursor.now <= LAST_INSTANT
    )
    return cursor if is_valid else None


def position_of(cursor: Cursor) -> Position:
    """Return the position of a cursor, as an engine takes it."""
    value, tie, offset = cursor.position
    return Position(value, tie, offset)
