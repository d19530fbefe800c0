"""The Protocol of search engines, and the values that an engine returns."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from typing import Protocol

from msgspec import Struct

from newswire.clock import Instant
from newswire.engines.coverage import CoverageQuery, FeedCoverage
from newswire.engines.query import Position, SearchQuery, ValueField
from newswire.feed_status import State
from newswire.model import FeedStatus, IndexIdentity, IndexReport, Item, ItemDeletion, ItemWrite, Withdrawal


class Hit(Struct, frozen=True):
    """An item in a page, with its score; None where nothing is scored. Scores compare only within one page."""

    item: Item
    score: float | None


class FacetValue(Struct, frozen=True):
    """A value of a facet in its commonest spelling, and the number of items that have it."""

    value: str
    count: int


class Facet(Struct, frozen=True):
    """The commonest values of a field over all found items."""

    field: ValueField
    values: tuple[FacetValue, ...]
    other: int
    """Number of (item, value) pairs that are not in `values`."""
    missing: int
    """Number of items without a value."""
    exact: bool


class SearchPage(Struct, frozen=True):
    """The answer of an engine to a search."""

    hits: tuple[Hit, ...]
    total: int
    next: Position | None
    facets: tuple[Facet, ...] = ()
    histogram: tuple[int, ...] = ()
    version: str = ""
    """Changes whenever the index does."""
    coverage: FeedCoverage | None = None
    """The coverage that the query asks for."""


class StatusPage(Struct, frozen=True):
    """Feed statuses in the order of their ids, and the number of those on all pages."""

    statuses: tuple[FeedStatus, ...]
    total: int


class EngineInfo(Struct, frozen=True):
    """The name, version and health of an engine."""

    name: str
    version: str
    healthy: bool
    schema: int = 0
    """Version of the index's fields: an index of another schema is not read."""


class ItemIndex(Protocol):
    """Keeps items and searches them. `ingest/indexing.py` writes; `search/` reads."""

    def index(self, writes: Iterable[ItemWrite], generation: int) -> IndexReport:
        """Write whole items into a generation; they are durable when it returns [SE-8].

        The writes are taken one by one, so they need not fit into memory [SE-9]. Of two writes of one item the one with
        the higher `seq` stays, whatever their order; an equal one replaces [SE-10]. Writing an item again unchanged
        changes nothing that a search can see [SE-11]. An item that cannot be kept is in the report as refused, with the
        reason, and does not stop the others [SE-12]. One that is not kept for any other reason, such as a write block,
        is in the report as failed, or this method raises [SE-46]. A missing generation is made: searches see the first one
        at once, another one only after a swap [SE-13]. An item with a date outside the years 1 to 9999 is refused [SE-44].
        What `writes` raises is raised unchanged, and never taken for an error of the engine [SE-45].
        """

    def delete_feed(self, feed: str, generation: int) -> None:
        """Delete all items of a feed from a generation [SE-14].

        Items that are indexed later are kept, whatever their `seq` [SE-15].
        """

    def delete_items(self, deletions: Iterable[ItemDeletion], generation: int) -> None:
        """Delete items, except those that the engine has with a higher `seq` [SE-53].

        An item that is indexed later with a `seq` that is not lower is kept [SE-54]. Unknown items are skipped [SE-55].
        Raises `EngineUnavailableError` if one was not deleted for another reason [SE-56].
        """

    def refresh(self) -> None:
        """Make every item that was indexed before this call visible to later searches [SE-16]."""

    def search(self, query: SearchQuery) -> SearchPage:
        """Find items [SE-24].

        A word matches title, summary and content together, by its folded form, or by its stem in items that have stems;
        a phrase matches in order within one of them; a prefix matches how tokens begin; `InField` limits all three to
        one field [SE-25]. Values compare whole and folded, and `lang=en` matches `en-US` [SE-26]. An item without the
        date of `date_field` is not found [SE-27]. The range is half-open [SE-28].

        Every sort is a total order: the item's `tie` settles equal dates and equal scores [SE-29]. `relevance` gives the
        best first: each score is multiplied by the factor of the `recency` band of the item's `published`; excluded
        words, values and filters do not score, and a prefix scores as a constant [SE-30]. A page has `size` items, fewer
        only at the end; `next` is the start of the next page, None at the end [SE-31]. Pages by date give each item
        once, also while others are added [SE-32]. Relevance gives the first 10,000 items [SE-33]. The total is
        exact [SE-34]. Facets and histogram cover all found items, not the page [SE-35]. Items have their content if
        `with_content` is set [SE-36]. With `coverage` the page has that of `StatusBoard.coverage` [SE-37]. `version`
        changes whenever the index does [SE-38].
        """

    def get(self, ids: Iterable[str]) -> dict[str, Item]:
        """Return the existing items among `ids`, with their content, by id [SE-39]."""

    def span(self, query: SearchQuery) -> tuple[Instant, Instant] | None:
        """Return the first and last instant of `date_field` among the found items; None if nothing is found [SE-40]."""

    def count(self, generation: int) -> int:
        """Count the items of a generation that a search would see [SE-23]."""


class Generations(Protocol):
    """Whole indexes by number; searches see one. `ingest/reindex.py` builds the next."""

    def generation(self) -> int:
        """Return the number of the generation that searches see; the first is 1 [SE-19]."""

    def generations(self) -> list[int]:
        """Return the numbers of all existing generations, in order [SE-20]."""

    def swap(self, generation: int) -> None:
        """Make this generation the current one, which searches see, in one step [SE-21]."""

    def drop(self, generation: int) -> None:
        """Delete a generation; do nothing if it does not exist, raise `ValueError` for the current one [SE-22]."""

    def identity(self, generation: int) -> IndexIdentity | None:
        """Return which index a generation has, another one after each making; None if it does not exist [SE-48]."""

    def give_identity(self, generation: int) -> IndexIdentity:
        """Make the index of a generation if it is missing, and give it an identity if it has none [SE-49]."""

    def reset(self, generation: int) -> IndexIdentity:
        """Delete the index of a generation and make an empty one, with another identity [SE-50]."""


class StatusBoard(Protocol):
    """Published feed statuses. They belong to no generation, so the read side needs no other store."""

    def publish(self, statuses: Iterable[FeedStatus]) -> None:
        """Keep the status of each feed: skip one with a lower `rev` than the kept one, remove one that is marked deleted [SE-17].

        No search sees a status before the items that were indexed before it [SE-18].
        """

    def publish_withdrawals(self, withdrawals: Iterable[Withdrawal]) -> None:
        """Keep why these items were taken out; of two for one item the later call counts [SE-57]."""

    def withdrawal(self, item_id: str) -> Withdrawal | None:
        """Return why an item was taken out; None for any other item [SE-58]."""

    def statuses(self, feeds: Iterable[str] | None = None) -> list[FeedStatus]:
        """Return the published statuses of these feeds, or of all, by id [SE-41]."""

    def status_page(
        self, after: str, size: int, state: State | None = None, now: Instant = 0, grace_s: int = 0
    ) -> StatusPage:
        """Return the first `size` statuses after an id: all, or those with a state at `now`, as `state_of` says [SE-51]."""

    def coverage(self, query: CoverageQuery) -> FeedCoverage:
        """Return what `coverage_of` returns for the published statuses [SE-52].

        `missing` is the number of items that all statuses count as `indexed` and that the current generation does not
        have [SE-47].
        """


class SearchEngine(ItemIndex, Generations, StatusBoard, Protocol):
    """Keeps items and feed statuses, and searches the items [SE-1].

    Constructing an engine opens nothing [SE-2]. Several threads and processes may call every method at once; a method
    raises only errors below `EngineError` and, in a local engine, `DataError` [SE-3]. Every method but `close` and
    `info` raises `EngineUnavailableError` if the engine does not answer [SE-4].

    An index of an older schema raises `IndexOutdatedError`, one of a newer schema `IndexSchemaError`; neither is
    read [SE-5].

    An index is a numbered generation, and a search sees the current one only, whole [SE-6].
    """

    # Each sentence of these docstrings is a test in tests/contract/test_search_engine.py, by its id.

    def setup(self) -> None:
        """Make what is missing: an empty index and its folder or aliases; existing parts stay as they are [SE-7]."""

    def info(self) -> EngineInfo:
        """Return the engine's name, version and health; this method does not raise [SE-42]."""

    def close(self) -> None:
        """Close what is open; the next call opens the engine again [SE-43]."""


def new_identity() -> str:
    """Return a new random identity of an index."""
    return secrets.token_hex(8)


FIRST_GENERATION = 1
"""The generation before any reindex."""
RELEVANCE_DEPTH = 10_000
"""Number of items that a search by relevance gives at most."""
TITLE_BOOST = 0.3
"""Weight of a match in the title beside the match in the whole text, the same in all engines (docs/relevance.md)."""
