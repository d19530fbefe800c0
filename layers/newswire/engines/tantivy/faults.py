"""Tell faults apart while tantivy works: those of its files, and those of the writes that it pulls from a caller."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from newswire.errors import EngineUnavailableError
from newswire.model import IndexReport, ItemWrite


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
    """Turn tantivy's errors about its files into `EngineUnavailableError`."""
    try:
        yield
    except (ValueError, OSError) as error:
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
