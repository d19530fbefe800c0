"""Metadata of the feed store: single values about the whole, each of a separate type, stored under its `KEY`."""

from __future__ import annotations

from typing import ClassVar, TypeVar

import msgspec
from msgspec import Struct

from newswire.clock import Instant
from newswire.model import IndexIdentity


class Metadata(Struct, frozen=True):
    """A value that the feed store keeps once. A subclass names its `KEY`."""

    KEY: ClassVar[str]


class MergedFeedsFile(Metadata, frozen=True):
    """The feeds file that was merged last, as the SHA-256 of its bytes in hex."""

    KEY: ClassVar[str] = "feeds file"
    sha256: str


class LastTick(Metadata, frozen=True):
    """The last tick, and the last tick that put everything into the queue."""

    KEY: ClassVar[str] = "ticked"
    at: Instant
    whole_at: Instant
    counted_at: Instant = 0
    """When all due feeds were last read."""
    stale: int = 0
    """Number of feeds that were late then."""
    due: int = 0
    """Number of feeds that were due then."""


class BegunReindex(Metadata, frozen=True):
    """The generation that a reindex has begun, and the versions of the code that builds it."""

    KEY: ClassVar[str] = "reindex"
    generation: int
    extraction: int
    schema: int


class FilledIndex(Metadata, frozen=True):
    """Which index each generation has that the fold states of the generation speak of."""

    KEY: ClassVar[str] = "index"
    identities: dict[int, IndexIdentity]


M = TypeVar("M", bound=Metadata)


def encode_metadata(value: Metadata) -> str:
    """Return the value as JSON."""
    return msgspec.json.encode(value).decode()


def decode_metadata(text: str | None, kind: type[M]) -> M | None:
    """Return the value that was stored; None if there is none, or if another version wrote it in another form.

    Nothing is lost by None: the file is merged again, the next tick is a whole one, and a reindex starts again.
    """
    if text is None:
        return None
    try:
        return msgspec.json.decode(text, type=kind)
    except msgspec.MsgspecError:
        return None
