"""Retention: items leave the index by their age, stay known, and no answer takes them for lost ones."""

import uuid

import msgspec
import pytest

from newswire.app import App
from newswire.engines.query import SearchQuery
from newswire.ingest.poll import run_batches
from newswire.ingest.reindex import reindex
from newswire.ingest.tick import tick
from newswire.ingest.verify import verify
from newswire.ingest.withdrawals import withdraw
from newswire.model import Batch, Feed
from newswire.storage.queue.inline import InlineQueue
from tests.support.feed_server import rss, story
from tests.support.opensearch_node.indexes import delete_indexes
from tests.support.transports import AsEvents

FEEDS = ("general", "kept", "short")


@pytest.fixture(params=["tantivy", pytest.param("3.8", marks=pytest.mark.opensearch)])
def wire(request, settings, clock, server, opensearch_nodes):
    """Yield a newswire that keeps items for ten days, one feed for ever, and one for two days."""
    prefix = f"r{uuid.uuid4().hex[:10]}"
    settings = msgspec.structs.replace(settings, retention_days=10)
    if request.param != "tantivy":
        url = opensearch_nodes.url(request.param)
        settings = msgspec.structs.replace(settings, engine="opensearch", opensearch_url=url, opensearch_prefix=prefix)
    app = App(settings, clock=clock)
    for feed, days in zip(FEEDS, (None, 0, 2), strict=True):
        url = server.says(f"/{feed}", rss(story(1), story(2), title=feed))
        app.feeds.put(Feed(id=feed, url=url, retention_days=days), clock())
    poll(app)
    yield app
    app.close()
    if request.param != "tantivy":
        delete_indexes(settings.opensearch_url, prefix)


def poll(app: App) -> None:
    run_batches(app, [Batch(FEEDS, now=True)])
    app.engine.refresh()


def counts(app: App) -> tuple[int, ...]:
    """Return how many items of each feed a search finds; nothing may look lost."""
    app.engine.refresh()
    api = AsEvents(app)
    whole = api.ask("/v1/search?size=0&facets=feed").json()
    found = {value["value"]: value["count"] for value in whole["facets"]["feed"]["values"]}
    assert whole["total"]["exact"]
    assert "rebuilding" not in whole["coverage"]
    assert api.ask("/v1/status").json()["missing"] == 0
    assert verify(app, full=True).faults == ()
    return tuple(found.get(feed, 0) for feed in FEEDS)


def test_items_leave_by_their_age_and_do_not_come_back(wire, server, clock) -> None:
    assert counts(wire) == (2, 2, 2)
    for feed in FEEDS:
        server.says(f"/{feed}", rss(story(1, "An edit"), story(2), story(3), title=feed))
    clock.go(days=3)
    poll(wire)
    assert counts(wire) == (3, 3, 1), "an edit does not keep an item that is too old"
    clock.go(days=8)
    poll(wire)
    assert counts(wire) == (1, 3, 0)
    assert wire.feeds.row("short", 1).fold.items == 3, "what is gone stays known"
    tick(wire, InlineQueue(lambda batches: run_batches(wire, batches)))
    assert counts(wire) == (1, 3, 0)
    assert reindex(wire).items == 4
    assert counts(wire) == (1, 3, 0)
    for feed in FEEDS:
        server.says(f"/{feed}", rss(story(1, "Another edit"), story(4), title=feed))
    clock.go(hours=5)
    poll(wire)
    assert counts(wire) == (2, 4, 1)


def test_feed_that_nobody_polls_expires_too(wire, clock) -> None:
    item = next(hit.item for hit in wire.engine.search(SearchQuery(size=9)).hits if hit.item.feed == "general")
    assert withdraw(wire, item, "A court order.") is None
    row = wire.feeds.row("general")
    wire.feeds.put(msgspec.structs.replace(row.feed, polled=False), clock())
    clock.go(days=11)
    tick(wire, InlineQueue(lambda batches: run_batches(wire, batches)))
    assert counts(wire)[0] == 0
    assert reindex(wire).items == counts(wire)[1]


def test_run_that_dies_before_the_deletion_counts_nothing_twice(wire, clock, monkeypatch) -> None:
    clock.go(days=3)
    plain = wire.engine.delete_items
    monkeypatch.setattr(wire.engine, "delete_items", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        poll(wire)
    monkeypatch.setattr(wire.engine, "delete_items", plain)
    assert AsEvents(wire).ask("/v1/status").json()["missing"] == 0
    clock.go(minutes=30)
    poll(wire)
    assert counts(wire) == (2, 2, 0)
    assert wire.feeds.row("short", 1).fold.expired == 2
