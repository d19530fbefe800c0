"""The search engines: what an engine is told and what it answers, the same for all of them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Protocol, cast

from msgspec import Struct

from newswire.clock import Instant
from newswire.engines.query import Position, SearchQuery, ValueField
from newswire.model import FeedStatus, IndexReport, Item, ItemWrite

if TYPE_CHECKING:
    from newswire.engines.opensearch.client import Signing
    from newswire.settings import Settings


class Hit(Struct, frozen=True):
    """An item in an answer, with its score where one was asked for (it compares only within one answer)."""

    item: Item
    score: float | None


class FacetValue(Struct, frozen=True):
    """A value of a facet, in its commonest spelling, and how many items have it."""

    value: str
    count: int


class Facet(Struct, frozen=True):
    """The commonest values of a field over all that was found."""

    field: ValueField
    values: tuple[FacetValue, ...]
    other: int
    """How many pairs of item and value are not in `values`."""
    missing: int
    """How many items have no value."""
    exact: bool


class SearchPage(Struct, frozen=True):
    """What an engine answers to a search."""

    hits: tuple[Hit, ...]
    total: int
    next: Position | None
    facets: tuple[Facet, ...] = ()
    histogram: tuple[int, ...] = ()
    version: str = ""
    """Changes whenever the index does."""
    statuses: tuple[FeedStatus, ...] = ()


class EngineInfo(Struct, frozen=True):
    """What an engine says of itself."""

    name: str
    version: str
    healthy: bool
    schema: int = 0
    """The version of the index's fields: one that was built with another can't be gone on with."""


class SearchEngine(Protocol):
    """Keeps items and feed statuses, and searches the items [SE-1].

    Constructing an engine opens nothing [SE-2]. Every method may be called from several threads and processes at once,
    and raises nothing but the errors under `EngineError` and, for a local engine, `DataError` [SE-3]. An engine that
    does not answer raises `EngineUnavailableError` from every method but `close` [SE-4].

    An index of an older schema raises `IndexOutdatedError`, one of a newer schema `IndexSchemaError`: neither is
    read [SE-5].

    Generations: an index has a number, and searches see the current one only, whole [SE-6].
    """

    # Each sentence above and below is a test in tests/contract/test_search_engine.py. `indexing.py` writes, `reindex.py`
    # makes the next generation, `answer.py` and the command line read.

    def setup(self) -> None:
        """Make what is not there yet: an index that nothing was written to, and its place; what is there stays [SE-7]."""

    # --- writing ---

    def index(self, writes: Iterable[ItemWrite], generation: int) -> IndexReport:
        """Write whole items into a generation, durably when it returns [SE-8].

        The writes are taken one by one, so that they need not fit into memory [SE-9]. Of one item the write with the
        higher `seq` stays, whatever the order in which they come; an equal one replaces [SE-10]. Writing the same again
        changes nothing that a search can see [SE-11]. An item that can't be kept is in the report as refused, with the
        reason, and holds nothing back [SE-12]. A generation that does not exist is made; searches see the first one at
        once, any other one only after a swap [SE-13].
        """

    def delete_feed(self, feed: str, generation: int) -> None:
        """Delete all items of a feed from a generation [SE-14].

        What is indexed afterwards is kept, whatever its `seq` [SE-15].
        """

    def refresh(self) -> None:
        """Make all that was indexed before this call visible to searches after it [SE-16]."""

    def publish(self, statuses: Iterable[FeedStatus]) -> None:
        """Keep the status of each feed; one with a lower `rev` than what is kept is passed over, one marked deleted goes [SE-17].

        No search sees a status before the items that were indexed before it [SE-18].
        """

    # --- generations ---

    def generation(self) -> int:
        """Give the number of the generation that searches see; the first is 1 [SE-19]."""

    def generations(self) -> list[int]:
        """Give the numbers of all generations that exist, in order [SE-20]."""

    def swap(self, generation: int) -> None:
        """Let searches see this generation from now on, in one step [SE-21]."""

    def drop(self, generation: int) -> None:
        """Delete a generation; nothing happens where it does not exist, and the current one raises `ValueError` [SE-22]."""

    def count(self, generation: int) -> int:
        """Count the items of a generation that a search would see [SE-23]."""

    # --- reading ---

    def search(self, query: SearchQuery) -> SearchPage:
        """Find items [SE-24].

        A word is found in title, summary and content together, by its folded form, or by its stem in items that have
        stems; a phrase in its order within one of them; a prefix by how tokens begin; within `InField` only
        there [SE-25]. Values compare whole and folded, and `lang=en` lets `en-US` through [SE-26]. An item without the
        date of `date_field` is not found [SE-27]. The range is half-open [SE-28].

        Every sort is a total order: equal dates and equal scores are settled by the item's `tie` [SE-29]. `relevance`
        gives the best first, each score multiplied by the factor of the `recency` band that the item was published in;
        excluded words, values and filters do not score, and a prefix scores as a constant [SE-30]. `size` items are
        given, fewer only at the end; `next` is where the next page begins, None at the end [SE-31]. Pages by date give
        each item once, also while others are added [SE-32]. By relevance the first 10,000 are given [SE-33]. The total
        is exact [SE-34]. Facets and histogram are over all that was found, not over the page [SE-35]. Content is in the
        items where `with_content` asks for it [SE-36]. Where `with_statuses` asks for them, the statuses of the feeds
        that the `feed` filters name are with them, or all if these name none to let through [SE-37]. `version` changes
        whenever the index does [SE-38].
        """

    def get(self, ids: Iterable[str]) -> dict[str, Item]:
        """Give those of the items that exist, with their content [SE-39]."""

    def span(self, query: SearchQuery) -> tuple[Instant, Instant] | None:
        """Give the first and the last instant of `date_field` among what the query finds; None where nothing is found [SE-40]."""

    def statuses(self, feeds: Iterable[str] | None = None) -> list[FeedStatus]:
        """Give the published statuses of these feeds, or of all, by id [SE-41]."""

    def info(self) -> EngineInfo:
        """Say what the engine is and whether it is well; unlike the others this does not raise [SE-42]."""

    def close(self) -> None:
        """Give back what is open; any method opens it again [SE-43]."""


FIRST_GENERATION = 1
"""The generation that there is before any reindex."""
RELEVANCE_DEPTH = 10_000
TITLE_BOOST = 0.3
"""What a match in the title counts beside the one in the whole text, the same in all engines (docs/relevance.md)."""


def open_engine(settings: Settings) -> SearchEngine:
    """Give the engine that the settings name; opens nothing yet, and loads no other engine."""
    if settings.engine == "opensearch":
        from newswire.engines.opensearch.engine import OpenSearchEngine  # noqa: PLC0415 - only the chosen one is loaded

        return OpenSearchEngine(
            settings.opensearch_url,
            prefix=settings.opensearch_prefix,
            user=settings.opensearch_user,
            password=settings.opensearch_password,
            signing=cast("Signing", settings.opensearch_signing),
            region=settings.opensearch_region,
            timeout_s=settings.opensearch_timeout_seconds,
            shards=settings.opensearch_shards,
            replicas=settings.opensearch_replicas,
        )
    from newswire.engines.tantivy.engine import TantivyEngine  # noqa: PLC0415 - only the chosen one is loaded

    return TantivyEngine(
        settings.data_folder / "index",
        threads=settings.index_threads,
        heap_mb=settings.index_heap_mb,
        wait_s=settings.lock_wait_seconds,
    )
