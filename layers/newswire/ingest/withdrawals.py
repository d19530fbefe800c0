"""Withdraw items: take one out of the index for good, by a record in the log of its feed.

The log has the withdrawal, so a reindex and a verification know of it, and an entry that comes again stays out.
"""

from __future__ import annotations

import msgspec

from newswire.app import App
from newswire.ingest.archiving import RecordSource, append_to_feed
from newswire.ingest.indexing import index_feeds, publish
from newswire.model import Item, Withdrawal


def withdraw(app: App, item: Item, reason: str) -> str | None:
    """Archive the withdrawal of an item and index it; return why the index could not follow yet, or None."""
    body = msgspec.json.encode(Withdrawal(item.id, item.feed, app.clock(), reason))
    append_to_feed(app, item.feed, body, RecordSource("withdrawal"))
    results = index_feeds(app, [item.feed])
    app.engine.refresh()
    publish(app, [item.feed])
    return next((result.problem for result in results if result.problem is not None), None)
