"""`newswire items withdraw`: an item is gone for good, in every answer, after every poll, load and reindex."""

import shutil
import uuid

import msgspec
import pytest

from newswire.app import App
from newswire.cli.main import main
from newswire.engines.query import SearchQuery
from newswire.ingest.poll import run_batches
from newswire.ingest.reindex import reindex
from newswire.ingest.tick import tick
from newswire.ingest.verify import verify
from newswire.ingest.withdrawals import withdraw
from newswire.model import Batch, Feed, Item
from newswire.settings import Settings
from newswire.storage.queue.inline import InlineQueue
from tests.support.feed_server import rss, story
from tests.support.opensearch_node.indexes import delete_indexes
from tests.support.transports import AsEvents

REASON = "The publisher took it back; see ticket 7."


@pytest.fixture(params=["tantivy", pytest.param("3.8", marks=pytest.mark.opensearch)])
def wire(request, settings, clock, server, opensearch_nodes):
    """Yield a newswire that has polled two feeds of two items each, on each engine."""
    prefix = f"w{uuid.uuid4().hex[:10]}"
    if request.param != "tantivy":
        url = opensearch_nodes.url(request.param)
        settings = msgspec.structs.replace(settings, engine="opensearch", opensearch_url=url, opensearch_prefix=prefix)
    app = App(settings, clock=clock)
    for feed in ("a", "b"):
        app.feeds.put(Feed(id=feed, url=server.says(f"/{feed}", rss(story(1), story(2), title=feed))), clock())
    poll(app)
    yield app
    app.close()
    if request.param != "tantivy":
        delete_indexes(settings.opensearch_url, prefix)


def poll(app: App) -> None:
    run_batches(app, [Batch(("a", "b"), now=True)])
    app.engine.refresh()


def items_of(app: App) -> dict[str, Item]:
    app.engine.refresh()
    return {hit.item.id: hit.item for hit in app.engine.search(SearchQuery(size=100)).hits}


def first_of(app: App) -> Item:
    return min((item for item in items_of(app).values() if item.feed == "a"), key=lambda item: item.id)


def assert_gone(app: App, item: Item, left: int) -> None:
    api = AsEvents(app)
    answer = api.ask(f"/v1/items/{item.id}")
    problem = answer.json()
    assert (answer.status, problem["code"], problem["title"]) == (410, "withdrawn", "Gone")
    assert REASON in problem["detail"]
    assert "2025-11-24T12:00:00" in problem["detail"]
    assert api.ask(f"/v1/items?ids={item.id}").json()["not_found"] == [item.id]
    whole = api.ask("/v1/search?size=100").json()
    assert item.id not in {found["id"] for found in whole["items"]}
    assert (whole["total"], "rebuilding" in whole["coverage"]) == ({"value": left, "exact": True}, False)
    assert (api.ask("/v1/feeds/a").json()["items"], api.ask("/v1/status").json()["missing"]) == (left - 2, 0)
    page = api.ask(f"/items/{item.id}")
    assert (page.status, "This item was withdrawn" in page.body.decode()) == (410, True)
    assert verify(app, full=True).faults == ()


def test_withdrawn_item_is_gone_for_good(wire, server, clock) -> None:
    item = first_of(wire)
    assert withdraw(wire, item, REASON) is None
    assert_gone(wire, item, left=3)
    server.says("/a", rss(story(1, "An edit of the first"), story(2, "An edit of the second"), story(3), title="a"))
    clock.go(hours=1)
    poll(wire)
    assert_gone(wire, item, left=4)
    tick(wire, InlineQueue(lambda batches: run_batches(wire, batches)))
    assert_gone(wire, item, left=4)
    assert reindex(wire).items == 4
    assert_gone(wire, item, left=4)
    assert withdraw(wire, item, "again") is None, "a second withdrawal of an item changes nothing"
    assert len(items_of(wire)) == 4


def test_index_that_was_lost_is_filled_without_it(wire, server, clock) -> None:
    item = first_of(wire)
    withdraw(wire, item, REASON)
    if wire.settings.engine == "tantivy":
        shutil.rmtree(wire.settings.data_folder / "index")
    else:
        wire.engine.client.indices.delete(index=f"{wire.settings.opensearch_prefix}-items-g000001")
    for _ in range(2):
        tick(wire, InlineQueue(lambda batches: run_batches(wire, batches)))
    assert_gone(wire, item, left=3)


def test_no_search_takes_a_withdrawn_item_for_a_lost_one(wire, monkeypatch) -> None:
    """Another process looks between every two calls of the engine."""
    item, seen = first_of(wire), []
    for name in ("publish", "delete_items", "publish_withdrawals"):
        plain = getattr(wire.engine, name)

        def watched(*arguments, plain=plain):
            plain(*arguments)
            seen.append(AsEvents(wire).ask("/v1/status").json()["missing"])

        monkeypatch.setattr(wire.engine, name, watched)
    withdraw(wire, item, REASON)
    assert len(seen) >= 3
    assert set(seen) == {0}


def test_command_withdraws_says_so_and_refuses_what_it_cannot(tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.setenv("NEWSWIRE_DATA", str(tmp_path / "data"))
    document = tmp_path / "feed.xml"
    document.write_bytes(rss(story(1), story(2)))
    assert main(["ingest", str(document), "--feed", "news"]) == 0
    app = App(Settings(data=str(tmp_path / "data")))
    item = next(iter(items_of(app)))
    app.close()
    for wrong in (
        ["items"],
        ["items", "withdraw", "none", "--reason", "x"],
        ["items", "withdraw", item, "--reason", " "],
    ):
        assert main(wrong) == 2
    capsys.readouterr()
    assert main(["items", "withdraw", item, "--reason", REASON]) == 0
    assert f"{item} of news is withdrawn" in capsys.readouterr().out
    assert main(["items", "withdraw", item, "--reason", "Once more."]) == 0
    assert REASON in capsys.readouterr().out, "it says when and why it was withdrawn"
    assert main(["search", "--json"]) == 0
    assert item not in capsys.readouterr().out
    assert main(["ingest", str(document), "--feed", "news"]) == 0
    assert main(["load", str(_lines(tmp_path)), "--feed", "news"]) == 0
    assert main(["verify", "--full"]) == 0


def _lines(folder):
    path = folder / "lines.jsonl"
    path.write_text('{"title": "A loaded line", "link": "https://l.example/1", "published": "2025-05-26"}\n')
    return path
