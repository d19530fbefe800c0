"""Test a cluster that fails while newswire uses it, and a newswire that is killed during a reindex."""

import json
import signal
import time
import uuid

import msgspec
import pytest
from opensearchpy import OpenSearch

from newswire.app import App
from newswire.clock import HOUR
from newswire.engines.opensearch.engine import OpenSearchEngine
from newswire.engines.query import SearchQuery
from newswire.ingest.archiving import reconcile
from newswire.ingest.indexing import index_feeds
from newswire.ingest.poll import run_batches
from newswire.model import Batch, Feed
from newswire.storage.feeds.sqlite import SqliteFeedStore
from tests.conftest import NOON, absent
from tests.support.crash import FEEDS, REINDEX_STEPS, child, everything, speak
from tests.support.feed_server import FeedServer, rss, story
from tests.support.opensearch_node.node import CannotStartError, Node
from tests.support.processes import command
from tests.support.transports import AsEvents

pytestmark = [pytest.mark.long, pytest.mark.opensearch]


@pytest.fixture(scope="module")
def node():
    """Yield a node for this module only, because its tests stop and kill it."""
    try:
        built = Node("3.8")
        built.start()
    except CannotStartError as error:
        absent(str(error))
    yield built
    built.stop()
    built.remove()


@pytest.fixture
def prefix() -> str:
    return f"o{uuid.uuid4().hex[:10]}"


def test_cluster_outage_keeps_documents_and_gives_503(settings, server: FeedServer, clock, node, prefix) -> None:
    settings = msgspec.structs.replace(
        settings, engine="opensearch", opensearch_url=node.url, opensearch_prefix=prefix, opensearch_timeout_seconds=5
    )
    app = App(settings, clock=clock)
    app.feeds.put(Feed(id="news", url=server.url("/news")), clock())
    api = AsEvents(app)

    def poll(number: int):
        server.says("/news", rss(*[story(number * 10 + k) for k in range(10)]))
        clock.go(minutes=10)
        run_batches(app, [Batch(("news",), now=True)])
        return api.ask("/v1/search?size=1")

    assert poll(0).json()["total"]["value"] == 10
    node.stop()
    for number in range(1, 11):
        answer = poll(number)
        assert answer.status == 503
        assert int(answer.headers["retry-after"]) > 0
        assert answer.json()["type"].endswith("unavailable")
    assert app.feeds.rows(1)[0].poll.head == 11  # all documents are archived
    node.start()
    reconcile(app)
    index_feeds(app, ["news"])
    app.engine.refresh()
    results = api.ask("/v1/search?size=200").json()
    assert results["total"]["value"] == 110
    assert poll(11).json()["total"]["value"] in {110, 120}  # new items show after the cluster's refresh
    app.close()


def test_node_killed_during_load_loses_nothing(tmp_path, node, prefix) -> None:
    lines = tmp_path / "lines.jsonl"
    count = 60_000
    with lines.open("w") as file:
        for n in range(count):
            row = {"title": f"Line {n}", "link": f"https://l.example/{n}", "published": f"2025-0{1 + n % 9}-11"}
            file.write(json.dumps(row | {"summary": "What was published about it. " * 8}) + "\n")
    environ = {
        "NEWSWIRE_ENGINE": "opensearch",
        "NEWSWIRE_OPENSEARCH_URL": node.url,
        "NEWSWIRE_OPENSEARCH_PREFIX": prefix,
        "NEWSWIRE_OPENSEARCH_SHARDS": "3",
    }

    def start():
        return command(tmp_path / "data", "load", str(lines), "--feed", "lines", **environ)

    client = OpenSearch(node.url)
    loading = start()
    until = time.monotonic() + 60
    while time.monotonic() < until and loading.poll() is None:
        if client.indices.exists(index=f"{prefix}-items-g000001"):
            client.indices.refresh(index=f"{prefix}-items-g000001")
            if client.count(index=f"{prefix}-items-g000001")["count"] > count // 10:
                break
        time.sleep(0.1)
    assert loading.poll() is None, "it was loaded before the node could be killed"
    node.stop(signal.SIGKILL)
    _out, err = loading.communicate(timeout=120)
    assert loading.returncode == 1
    assert "NEWSWIRE_OPENSEARCH_URL" in err
    assert "Traceback" not in err
    node.start()
    _out, err = start().communicate(timeout=300)
    engine = OpenSearchEngine(node.url, prefix=prefix)
    ids, after = [], None
    assert engine.count(1) == count
    while True:
        page = engine.search(SearchQuery(size=200, after=after))
        ids += [hit.item.id for hit in page.hits]
        if (after := page.next) is None:
            break
    assert len(ids) == len(set(ids)) == count
    engine.close()
    client.close()


@pytest.fixture(scope="module")
def said():
    server = FeedServer()
    yield server
    server.close()


@pytest.mark.parametrize(("step", "when", "call"), REINDEX_STEPS)
def test_killed_reindex_keeps_the_old_index_and_can_rerun(said, tmp_path, node, prefix, step, when, call) -> None:
    data = tmp_path / "data"
    store = SqliteFeedStore(data)
    for name in FEEDS:
        store.put(Feed(id=name, url=said.url(f"/{name}")), NOON)
    store.close()
    speak(said, 0)
    environ = {"engine": "opensearch", "opensearch_url": node.url, "opensearch_prefix": prefix}

    def engine() -> OpenSearchEngine:
        built = OpenSearchEngine(node.url, prefix=prefix)
        built.refresh()
        return built

    assert child(data, NOON, "poll", **environ) == 0
    before = everything(data, engine())
    die = {"step": step, "when": when, "call": call}
    assert child(data, NOON + HOUR, "reindex", die, **environ) == -signal.SIGKILL
    between = engine()
    assert between.search(SearchQuery()).total == len(before["items"])
    between.close()
    assert child(data, NOON + HOUR, "reindex", **environ) == 0
    assert everything(data, engine()) == before
