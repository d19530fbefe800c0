"""Cursors: where the next page begins, as a short opaque text. Pure.

A cursor holds no text of the query and no engine's text, and needs no secret: a forged one only moves the start. It
holds numbers only, so it outlives deployments.
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
LONGEST = 300
_MOST_OFFSET = 10_000
_TIE_BITS = 60


class Cursor(Struct, frozen=True, array_like=True):
    """The beginning of a page, and what it belongs to."""

    version: int
    fingerprint: bytes
    position: tuple[Instant, int, int]
    """The date and tie of the item before, by date; how many items came before, by relevance."""
    now: Instant
    """The reading of the clock that the first page was answered with."""
    index: bytes
    """Names the state of the index at the first page."""


_decoder = msgspec.msgpack.Decoder(Cursor)
_encoder = msgspec.msgpack.Encoder()


def fingerprint_of(parameters: Mapping[str, str]) -> bytes:
    """Name the query that a cursor belongs to: the parameters that may not change from page to page."""
    return sha256(_encoder.encode(sorted(parameters.items()))).digest()[:8]


def index_mark(version: str) -> bytes:
    """Shorten an engine's name for the state of its index."""
    return sha256(version.encode()).digest()[:4]


def write_cursor(fingerprint: bytes, position: Position, now: Instant, index: bytes) -> str:
    """Write a cursor: URL-safe, at most 300 bytes."""
    made = Cursor(VERSION, fingerprint, (position.value, position.tie, position.offset), now, index)
    return urlsafe_b64encode(_encoder.encode(made)).decode().rstrip("=")


def read_cursor(text: str) -> Cursor | None:
    """Read a cursor; None for what is none, whatever it is."""
    if len(text) > LONGEST or not text.isascii():
        return None
    try:
        read = _decoder.decode(urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except (ValueError, msgspec.DecodeError):
        return None
    value, tie, offset = read.position
    is_whole = (
        read.version == VERSION
        and FIRST_INSTANT <= value <= LAST_INSTANT
        and -1 <= tie < 1 << _TIE_BITS
        and 0 <= offset <= _MOST_OFFSET
        and FIRST_INSTANT <= read.now <= LAST_INSTANT
    )
    return read if is_whole else None


def position_of(cursor: Cursor) -> Position:
    """Give the position that a cursor stands for."""
    value, tie, offset = cursor.position
    return Position(value, tie, offset)
