"""Wiring: settings come in, the edges that they name go out, together. Nothing is opened or connected to yet."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from newswire.clock import SECOND, Clock, Instant, system_clock
from newswire.engines import SearchEngine, open_engine
from newswire.errors import EngineError
from newswire.settings import Settings

if TYPE_CHECKING:
    from newswire.ingest.fetch import Fetcher
    from newswire.storage.archive import Archive
    from newswire.storage.feeds import FeedStore, Lease


class App:
    """The edges of one newswire, and its clock. Tests and the crash suite pass edges of their own."""

    def __init__(
        self,
        settings: Settings,
        *,
        clock: Clock = system_clock,
        feeds: FeedStore | None = None,
        archive: Archive | None = None,
        engine: SearchEngine | None = None,
        fetcher: Fetcher | None = None,
    ) -> None:
        self.settings = settings
        self.clock = clock
        self.engine = engine or open_engine(settings)
        self._feeds = feeds
        self._archive = archive
        self._fetcher = fetcher

    @property
    def feeds(self) -> FeedStore:
        """The store of feeds, made on first use: answering searches needs none."""
        if self._feeds is None:
            from newswire.storage.feeds import open_feeds  # noqa: PLC0415 - loaded when it is first needed

            self._feeds = open_feeds(self.settings)
        return self._feeds

    @property
    def archive(self) -> Archive:
        """The archive of what was fetched, made on first use like the store."""
        if self._archive is None:
            from newswire.storage.archive import open_archive  # noqa: PLC0415 - loaded when it is first needed

            self._archive = open_archive(self.settings)
        return self._archive

    @property
    def fetcher(self) -> Fetcher:
        """The HTTP client, made on first use: answering searches needs none."""
        if self._fetcher is None:
            from newswire.ingest.fetch import Fetcher  # noqa: PLC0415 - urllib3 takes 50 ms

            self._fetcher = Fetcher(self.settings)
        return self._fetcher

    def lease(self, now: Instant, token: str | None = None) -> Lease:
        """Make a lease from now on, of the length that is set, with a new token or one that we have."""
        from newswire.storage.feeds import Lease  # noqa: PLC0415 - loaded when it is first needed

        return Lease(token or uuid.uuid4().hex, now + self.settings.lease_seconds * SECOND)

    def generation(self) -> int:
        """Give the generation that searches see, or while the engine is away the one that is remembered.

        For what goes on meanwhile, such as polling; what writes into the engine asks the engine.
        """
        return self.generation_or_why()[0]

    def generation_or_why(self) -> tuple[int, EngineError | None]:
        """Give the same, and why the engine did not say, if it did not."""
        try:
            return self.engine.generation(), None
        except EngineError as error:
            return min(self.feeds.generations(), default=1), error

    def close(self) -> None:
        """Give back what is open."""
        if self._fetcher is not None:
            self._fetcher.close()
        if self._feeds is not None:
            self._feeds.close()
        self.engine.close()
