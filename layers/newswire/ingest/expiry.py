"""Expiry: delete items from the index that are older than the retention of their feed.

The order keeps the counts true whenever a process dies: states and fold first, then the status with fewer items, then the
deletion. What was counted and not deleted is deleted by the next run.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

import msgspec

from newswire.app import App
from newswire.clock import Instant
from newswire.engines.query import FacetQuery, SearchQuery, ValueFilter
from newswire.ingest.indexing import publish
from newswire.ingest.retention import cutoff_of
from newswire.model import Feed, ItemDeletion
from newswire.storage.feeds import FeedRow, new_lease

MAX_FEEDS = 200
"""Maximum feeds that one search counts."""
MAX_ITEMS = 5_000
"""Maximum items of a feed that one run deletes; the next run continues."""
_ITEMS_PER_PAGE = 200


def expire(app: App, feeds: Iterable[Feed]) -> int:
    """Delete the expired items of these feeds; return their number."""
    now = app.clock()  # once, so that feeds with the same retention have the same cutoff, and one search
    by_cutoff: dict[Instant, list[str]] = defaultdict(list)
    for feed in feeds:
        cutoff = cutoff_of(feed, app.settings, now)
        if cutoff is not None:
            by_cutoff[cutoff].append(feed.id)
    deleted = 0
    for cutoff, ids in by_cutoff.items():
        for start in range(0, len(ids), MAX_FEEDS):
            for feed_id in _counts(app, cutoff, ids[start : start + MAX_FEEDS]):
                deleted += _expire_feed(app, feed_id, cutoff)
    return deleted


def feeds_with_expired_items(app: App, now: Instant) -> list[str]:
    """Return feeds with items that are older than the retention of all feeds; those with their own may be among them."""
    if not app.settings.retention_days:
        return []
    cutoff = cutoff_of(Feed(id=""), app.settings, now)
    return list(_counts(app, cutoff or 0, ()))


def _counts(app: App, cutoff: Instant, feed_ids: Iterable[str]) -> Mapping[str, int]:
    """Return the number of items that were first seen before an instant, by feed; of all feeds if none is named."""
    filters = (ValueFilter("feed", ids),) if (ids := tuple(feed_ids)) else ()
    facet = FacetQuery("feed", MAX_FEEDS)
    page = app.engine.search(SearchQuery(size=0, filters=filters, date_field="first_seen", end=cutoff, facets=(facet,)))
    return {value.value: value.count for value in page.facets[0].values}


def _expire_feed(app: App, feed_id: str, cutoff: Instant) -> int:
    """Delete the items of a feed that were first seen before an instant; none if another process indexes the feed."""
    generation, now = app.engine.generation(), app.clock()
    lease = new_lease(app.settings, now)
    row = app.feeds.claim_index(generation, feed_id, lease, now)
    if row is None:
        return 0
    deleted = 0
    try:
        while deleted < MAX_ITEMS and (ids := _oldest_ids(app, feed_id, cutoff)):
            row = _remember_expired(app, generation, row, lease.token, ids)
            if row is None:
                break
            publish(app, [feed_id])
            app.engine.delete_items([ItemDeletion(id_, row.fold.cursor) for id_ in ids], generation)
            app.engine.refresh()
            deleted += len(ids)
    finally:
        app.feeds.release_index(generation, feed_id, lease.token)
    return deleted


def _oldest_ids(app: App, feed_id: str, cutoff: Instant) -> list[str]:
    query = SearchQuery(
        filters=(ValueFilter("feed", (feed_id,)),),
        date_field="first_seen",
        end=cutoff,
        sort="oldest",
        size=_ITEMS_PER_PAGE,
    )
    return [hit.item.id for hit in app.engine.search(query).hits]


def _remember_expired(app: App, generation: int, row: FeedRow, token: str, ids: list[str]) -> FeedRow | None:
    """Save that items are expired, in their states and in the count; None if another process has the lease."""
    states = app.feeds.item_states(generation, row.feed.id, ids)
    new = {id_: msgspec.structs.replace(state, expired=True) for id_, state in states.items() if not state.expired}
    fold = msgspec.structs.replace(row.fold, expired=row.fold.expired + len(new))
    saved = app.feeds.save(generation, row.feed.id, token, fold, new)
    return msgspec.structs.replace(row, fold=fold) if saved else None
