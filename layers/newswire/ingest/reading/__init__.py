"""Read a record in a cell: whatever a document does to its reader is a refusal of that record, and stops nothing else.

Most documents are read in this process. A child process (`process.py`) with a limit on memory and time reads those
that could cost too much: large ones, and all of a feed whose last record was too costly or whose last reader died.
"""

from __future__ import annotations

import re
from contextlib import suppress
from typing import TYPE_CHECKING

from newswire.app import App, RecordReader
from newswire.ingest.reading.record import TOO_COSTLY, read_record, refuse_defect
from newswire.log import log_defect
from newswire.model import Reading, Record, Refusal

if TYPE_CHECKING:
    from newswire.ingest.reading.process import ReadingProcess

MAX_BYTES_IN_PROCESS = 8_192
"""A larger document is read in the child. feedparser takes quadratic time for some: 16 s for 48 KB, so 0.5 s for 8 KB."""
MAX_NAME_BYTES = 2_000
"""A document with a longer run of letters, digits and dots is read in the child: feedparser looks for an address in it."""
_LONG_NAME = re.compile(rb"[\w.+@-]{%d}" % MAX_NAME_BYTES)


def refuse_error(error: Exception) -> Refusal:
    """Log what the reading of a record raised, and return it as the refusal of that record."""
    log_defect(error)
    if isinstance(error, MemoryError):
        return Refusal(TOO_COSTLY, "The document takes more memory to read than a process has.")
    return refuse_defect(type(error).__name__)


class GuardedReader:
    """Reads records. Nothing that a record does is raised; `close` ends the child process, if there is one."""

    def __init__(self, max_entries: int, timeout_s: float, memory_bytes: int) -> None:
        self._max_entries = max_entries
        self._timeout_s = timeout_s
        self._memory_bytes = memory_bytes
        self._process: ReadingProcess | None = None

    def read(self, record: Record, *, careful: bool = False) -> Reading:
        """Read a record; `careful` reads it in the child, whatever its size."""
        reading = self.try_read(record, self._timeout_s, careful=careful)
        return reading or Reading(refusal=Refusal(TOO_COSTLY, "Reading the document took too long."))

    def try_read(self, record: Record, patience_s: float, *, careful: bool = False) -> Reading | None:
        """Read a record; return None if the child takes longer than `patience_s` seconds, and end the child."""
        try:
            timeout_s = self.seconds_for(record, careful=careful)
            if not timeout_s:
                return read_record(record, self._max_entries)
            return self._child().read(record, self._max_entries, timeout_s, patience_s)
        except Exception as error:  # noqa: BLE001 - logged as a defect; other records are read
            return Reading(refusal=refuse_error(error))

    def begin(self, record: Record, *, careful: bool = False) -> None:
        """Start reading a record that is read next, in the child, while this process works on another one."""
        timeout_s = self.seconds_for(record, careful=careful)
        if timeout_s:
            with suppress(Exception):  # `read` meets the same fault, and reports it
                self._child().begin(record, self._max_entries, timeout_s)

    def seconds_for(self, record: Record, *, careful: bool = False) -> float:
        """Return the limit of time for a record that the child reads; 0 for one that this process reads."""
        return self._timeout_s if record.kind == "document" and (careful or is_suspect(record.body)) else 0.0

    def close(self) -> None:
        """End the child process."""
        if self._process is not None:
            self._process.close()

    def _child(self) -> ReadingProcess:
        if self._process is None:
            from newswire.ingest.reading.process import ReadingProcess  # noqa: PLC0415 - only for a large document

            self._process = ReadingProcess(self._memory_bytes)
        return self._process


def is_suspect(body: bytes) -> bool:
    """Return whether a document may take more time or memory than its size suggests."""
    return len(body) > MAX_BYTES_IN_PROCESS or _LONG_NAME.search(body) is not None


def reader_of(app: App) -> RecordReader:
    """Return the reader of the app; make it on first use."""
    if app.reader is None:
        settings = app.settings
        app.reader = GuardedReader(
            settings.fetch_max_entries, settings.read_timeout_seconds, settings.read_max_memory_bytes
        )
    return app.reader
