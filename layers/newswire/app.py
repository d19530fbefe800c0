"""The composition root: an `App` holds the settings, the clock, the engine and the stores that the settings name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from newswire.clock import Clock, system_clock
from newswire.engines import SearchEngine
from newswire.engines.opening import open_engine
from newswire.settings import Settings

if TYPE_CHECKING:
    from newswire.model import FetchRequest, Outcome, Reading, Record
    from newswire.storage.archive import Archive
    from newswire.storage.feeds import FeedStore


class DocumentFetcher(Protocol):
    """Fetches documents of feeds, from several threads at once. `ingest/fetch.py` has the real one."""

    def fetch(self, request: FetchRequest) -> Outcome:
        """Fetch a document. Every failure is a `FetchFailed`; nothing is raised."""

    def close(self) -> None:
        """Close all connections."""


class RecordReader(Protocol):
    """Reads records of the archive. `ingest/reading` has the real one."""

    def read(self, record: Record, *, careful: bool = False) -> Reading:
        """Read a record; every failure is a refusal, and nothing is raised.

        `careful` protects this process from the document, at some cost.
        """

    def try_read(self, record: Record, patience_s: float, *, careful: bool = False) -> Reading | None:
        """Read a record like `read`; return None if that takes longer than `patience_s` seconds, and forget the attempt."""

    def begin(self, record: Record, *, careful: bool = False) -> None:
        """Begin with a record that is read next, if that can go on beside the caller's own work."""

    def seconds_for(self, record: Record, *, careful: bool = False) -> float:
        """Return the seconds that reading a record may take at most; 0 for one that takes a moment."""

    def close(self) -> None:
        """End what it has started."""


class App:
    """The parts of one newswire. Making one opens nothing; tests pass parts of their own.

    Stores are made on first use, since answering a search needs neither. The fetcher and the reader are None until the
    write side makes them (`ingest/fetch.py: fetcher_of`, `ingest/reading: reader_of`).
    """

    def __init__(
        self,
        settings: Settings,
        *,
        clock: Clock = system_clock,
        feeds: FeedStore | None = None,
        archive: Archive | None = None,
        engine: SearchEngine | None = None,
        fetcher: DocumentFetcher | None = None,
    ) -> None:
        self.settings = settings
        self.clock = clock
        self.engine = engine or open_engine(settings)
        self.fetcher = fetcher
        self.reader: RecordReader | None = None
        self._feeds = feeds
        self._archive = archive

    @property
    def feeds(self) -> FeedStore:
        """The feed store."""
        if self._feeds is None:
            from newswire.storage.feeds.opening import open_feeds  # noqa: PLC0415 - loaded on first use

            self._feeds = open_feeds(self.settings)
        return self._feeds

    @property
    def archive(self) -> Archive:
        """The archive of fetched documents."""
        if self._archive is None:
            from newswire.storage.archive.opening import open_archive  # noqa: PLC0415 - loaded on first use

            self._archive = open_archive(self.settings)
        return self._archive

    def close(self) -> None:
        """Close what is open."""
        if self.fetcher is not None:
            self.fetcher.close()
        if self.reader is not None:
            self.reader.close()
        if self._feeds is not None:
            self._feeds.close()
        self.engine.close()
