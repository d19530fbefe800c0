"""An index that was deleted, emptied or exchanged while polling goes on is filled again, and no answer looks whole before."""

import argparse
import shutil
import uuid

import msgspec
import pytest

from newswire.app import App
from newswire.cli.feeds import remove
from newswire.cli.main import main
from newswire.cli.status import status
from newswire.engines import FIRST_GENERATION
from newswire.engines.opensearch.engine import OpenSearchEngine
from newswire.engines.query import SearchQuery
from newswire.ingest.index_check import check_index
from newswire.ingest.indexing import index_feeds
from newswire.ingest.poll import run_batches
from newswire.ingest.reindex import reindex
from newswire.ingest.tick import tick
from newswire.model import Batch, Feed
from newswire.settings import Settings
from newswire.storage.queue.inline import InlineQueue
from tests.support.feed_server import rss, story
from tests.support.opensearch_node.indexes import delete_indexes
from tests.support.transports import AsEvents

FEEDS = ("a", "b", "c")


@pytest.fixture(params=["tantivy", pytest.param("3.8", marks=pytest.mark.opensearch)])
def wire(request, settings, clock, server, opensearch_nodes):
    """Yield a newswire that has polled three feeds of two items each, on each engine."""
    prefix = f"l{uuid.uuid4().hex[:10]}"
    if request.param != "tantivy":
        url = opensearch_nodes.url(request.param)
        settings = msgspec.structs.replace(
            settings, engine="opensearch", opensearch_url=url, opensearch_prefix=prefix, opensearch_timeout_seconds=30
        )
    built = App(settings, clock=clock)
    for feed in FEEDS:
        built.feeds.put(Feed(id=feed, url=server.says(f"/{feed}", rss(story(1), story(2), title=feed))), clock())
    poll(built)
    assert found(built) == 6
    yield built
    built.close()
    if request.param != "tantivy":
        delete_indexes(settings.opensearch_url, prefix)


def poll(app: App) -> None:
    run_batches(app, [Batch(FEEDS, now=True)])


def work(app: App) -> None:
    """Do what the next tick finds."""
    tick(app, InlineQueue(lambda batches: run_batches(app, batches)))


def found(app: App) -> int:
    app.engine.refresh()
    return app.engine.search(SearchQuery(size=0)).total


def answer(app: App) -> dict:
    return AsEvents(app).ask("/v1/search?size=1").json()


def says_that_it_is_rebuilt(app: App) -> bool:
    body = answer(app)
    signs = (
        body["total"]["exact"] is False,
        body["coverage"].get("rebuilding", False),
        "rebuilding" in {warning["code"] for warning in body["warnings"]},
    )
    assert len(set(signs)) == 1, signs
    return signs[0]


def delete(app: App) -> None:
    if app.settings.engine == "tantivy":
        shutil.rmtree(app.settings.data_folder / "index" / "g000001")
        return
    assert isinstance(app.engine, OpenSearchEngine)
    app.engine.client.indices.delete(index=f"{app.settings.opensearch_prefix}-items-g000001")


def empty(app: App) -> None:
    for feed in FEEDS:
        app.engine.delete_feed(feed, FIRST_GENERATION)


def delete_some(app: App) -> None:
    app.engine.delete_feed("b", FIRST_GENERATION)


def exchange(app: App) -> None:
    app.engine.reset(FIRST_GENERATION)


@pytest.mark.parametrize("harm", [delete, empty, delete_some, exchange])
def test_answers_say_so_until_everything_is_indexed_again(wire, clock, server, harm) -> None:
    before = {item.id: item for item in items_of(wire)}
    assert not says_that_it_is_rebuilt(wire)
    harm(wire)
    assert says_that_it_is_rebuilt(wire)
    server.says("/a", rss(story(3), title="a"))
    clock.go(minutes=10)
    poll(wire)
    for _ in range(3):
        work(wire)
    assert found(wire) == 7
    assert not says_that_it_is_rebuilt(wire)
    after = {item.id: item for item in items_of(wire)}
    assert {id_: after[id_] for id_ in before} == before, "no item has another date, revision or text"
    assert not any(status.behind for status in wire.engine.statuses())


def items_of(app: App):
    return [hit.item for hit in app.engine.search(SearchQuery(size=200)).hits]


@pytest.mark.parametrize("harm", [delete, empty, delete_some, exchange])
def test_quiet_feeds_are_enough_for_the_index_to_come_back(wire, harm) -> None:
    harm(wire)
    work(wire)
    assert found(wire) == 6
    assert not says_that_it_is_rebuilt(wire)


def test_status_page_and_metric_say_how_many_items_are_missing(wire, monkeypatch, capsys) -> None:
    delete_some(wire)
    assert AsEvents(wire).ask("/v1/status").json()["missing"] == 2
    assert b"The index is being rebuilt, and 2 items are not in it yet." in AsEvents(wire).ask("/?q=story").body
    status(wire, argparse.Namespace(json=False))
    assert "2 items missing" in capsys.readouterr().out
    assert tick(wire, InlineQueue(lambda _batches: None)).missing == 2
    work(wire)
    assert AsEvents(wire).ask("/v1/status").json()["missing"] == 0
    assert tick(wire, InlineQueue(lambda _batches: None)).missing == 0


def test_search_of_one_feed_says_that_the_index_is_incomplete(wire) -> None:
    delete_some(wire)
    body = AsEvents(wire).ask("/v1/search?feed=a").json()
    assert (body["total"], body["coverage"]["rebuilding"]) == ({"value": 2, "exact": False}, True)
    table = AsEvents(wire).ask("/v1/search?format=csv")
    assert table.headers["x-coverage"] == "partial"


def test_purge_of_a_feed_is_no_loss(wire, clock) -> None:
    remove(wire, argparse.Namespace(id="b", purge=True))
    assert not says_that_it_is_rebuilt(wire)
    work(wire)
    assert found(wire) == 4


def test_reindex_remembers_the_index_that_it_made(wire) -> None:
    reindex(wire)
    assert not says_that_it_is_rebuilt(wire)
    number = check_index(wire)
    assert (number, wire.feeds.behind(number)) == (2, [])
    assert found(wire) == 6


def test_older_copy_of_an_embedded_index_is_noticed(app, clock, server) -> None:
    for feed in FEEDS:
        app.feeds.put(Feed(id=feed, url=server.says(f"/{feed}", rss(story(1), title=feed))), clock())
    poll(app)
    index = app.settings.data_folder / "index"
    app.engine.close()
    shutil.copytree(index, index.with_name("copy"))
    server.says("/a", rss(story(1), story(2), title="a"))
    clock.go(minutes=10)
    poll(app)
    assert found(app) == 4
    app.engine.close()
    shutil.rmtree(index)
    index.with_name("copy").rename(index)
    assert found(app) == 3
    work(app)
    assert found(app) == 4


@pytest.mark.parametrize("has_statuses", [True, False])
def test_index_of_a_stack_is_filled_again_by_a_reindex(settings, clock, server, aws, has_statuses: bool) -> None:
    cloud = msgspec.structs.replace(settings, table=aws.table(), bucket=aws.bucket())
    app = App(cloud, clock=clock)
    for feed in FEEDS:
        app.feeds.put(Feed(id=feed, url=server.says(f"/{feed}", rss(story(1), story(2), title=feed))), clock())
    poll(app)
    app.engine.close()
    index = settings.data_folder / "index"
    shutil.rmtree(index / "g000001" if has_statuses else index)
    server.says("/a", rss(story(3), title="a"))
    clock.go(minutes=10)
    report = run_batches(app, [Batch(FEEDS, now=True)])
    assert "does not exist. Run `newswire reindex`" in str(report.engine_error)
    ticked = tick(app, InlineQueue(lambda _batches: None))
    assert (ticked.behind, ticked.missing) == (1, 6), "the new document waits"
    assert says_that_it_is_rebuilt(app)
    assert reindex(app).items == 7
    assert not says_that_it_is_rebuilt(app)
    server.says("/b", rss(story(4), title="b"))
    clock.go(minutes=10)
    assert run_batches(app, [Batch(FEEDS, now=True)]).engine_error is None
    assert found(app) == 8
    app.close()


def test_index_of_another_newswire_is_left_alone(settings, clock, server, tmp_path, opensearch_nodes) -> None:
    prefix, url = f"l{uuid.uuid4().hex[:10]}", opensearch_nodes.url("3.8")
    shared = msgspec.structs.replace(settings, engine="opensearch", opensearch_url=url, opensearch_prefix=prefix)
    one = App(shared, clock=clock)
    other = App(msgspec.structs.replace(shared, data=str(tmp_path / "other")), clock=clock)
    for app in (one, other):
        app.feeds.put(Feed(id="a", url=server.says("/a", rss(story(1)))), clock())
    run_batches(one, [Batch(("a",), now=True)])
    report = run_batches(other, [Batch(("a",), now=True)])
    assert "has items that this newswire has not written" in str(report.engine_error)
    assert other.feeds.behind(1) == ["a"], "its document is kept, and waits"
    assert found(one) == 1
    for app in (one, other):
        app.close()
    delete_indexes(url, prefix)


def test_index_of_an_older_newswire_is_taken_over(app, clock, server) -> None:
    app.feeds.put(Feed(id="a", url=server.says("/a", rss(story(1)))), clock())
    run_batches(app, [Batch(("a",), now=True)])
    (app.settings.data_folder / "index" / "g000001" / "identity").unlink()
    clock.go(minutes=10)
    server.says("/a", rss(story(1), story(2)))
    run_batches(app, [Batch(("a",), now=True)])
    assert found(app) == 2
    assert app.engine.identity(1).id


def test_command_rebuilds_an_embedded_index_that_is_gone(app, clock, server, monkeypatch, capsys) -> None:
    app.feeds.put(Feed(id="a", url=server.says("/a", rss(story(1)))), clock())
    run_batches(app, [Batch(("a",), now=True)])
    app.close()
    shutil.rmtree(app.settings.data_folder / "index")
    monkeypatch.setenv("NEWSWIRE_DATA", app.settings.data)
    assert main(["search"]) == 0
    out, err = capsys.readouterr()
    assert "1 item found" in out
    assert "the index is gone and is rebuilt" in err


def test_nothing_is_done_for_a_newswire_without_items(settings: Settings) -> None:
    app = App(settings)
    assert check_index(app) == FIRST_GENERATION
    assert index_feeds(app, []) == []
    app.close()
