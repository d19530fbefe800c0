"""Test newswire on OpenSearch: ingest, search over HTTP and on the command line, and reindex."""

import json
import uuid

import msgspec
import pytest
from opensearchpy import OpenSearch

from newswire.app import App
from newswire.engines.coverage import CoverageQuery, coverage_of
from newswire.engines.opensearch.bodies import SCHEMA
from newswire.engines.opensearch.engine import OpenSearchEngine
from newswire.engines.query import SearchQuery
from newswire.errors import EngineUnavailableError, IndexSchemaError
from newswire.feed_status import NOT_POLLED
from newswire.model import Gap, ItemWrite
from newswire.settings import Settings
from tests.conftest import NOON, ROOT
from tests.factories import feed_status, item
from tests.support.feed_server import rss, story
from tests.support.opensearch_node.indexes import delete_indexes
from tests.support.processes import Served, command
from tests.support.serverless import REGION, Collection
from tests.support.transports import AsEvents

pytestmark = pytest.mark.opensearch


@pytest.fixture(params=["3.8", "2.19"])
def cluster(request, opensearch_nodes):
    """Yield settings for a node, with an index prefix that no other test uses."""
    url, prefix = opensearch_nodes.url(request.param), f"j{uuid.uuid4().hex[:10]}"
    yield {"NEWSWIRE_ENGINE": "opensearch", "NEWSWIRE_OPENSEARCH_URL": url, "NEWSWIRE_OPENSEARCH_PREFIX": prefix}
    delete_indexes(url, prefix)


def said(tmp_path, cluster, *arguments: str) -> str:
    process = command(tmp_path / "data", *arguments, **cluster)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    return out


def test_ingest_search_and_reindex_on_opensearch(tmp_path, cluster) -> None:
    sample = str(ROOT / "sample" / "nato-sample.xml")
    assert "20 new" in said(tmp_path, cluster, "ingest", sample, "--feed", "sample-news")
    lines = tmp_path / "lines.jsonl"
    rows = [
        {"title": f"Line {n} of Łódź", "link": f"https://l.example/{n}", "published": "2025-05-26"} for n in range(1200)
    ]
    lines.write_text("".join(json.dumps(row) + "\n" for row in rows))
    said(tmp_path, cluster, "load", str(lines), "--feed", "lines")
    said(tmp_path, cluster, "load", str(lines), "--feed", "lines")  # a repeated load adds nothing
    served = Served(tmp_path / "data", **cluster)
    try:
        query = "/v1/search?q=lodz+OR+baltic&facets=feed&histogram=month&from=2025&to=2025&size=5&highlight=title"
        status, before = served.json(query)
        assert status == 200, before
        assert before["total"]["value"] == 1202
        assert {facet["value"]: facet["count"] for facet in before["facets"]["feed"]["values"]} == {
            "lines": 1200,
            "sample-news": 2,
        }
        assert sum(value["count"] for value in before["histogram"]) == 1202
        assert "1,220 items" in said(tmp_path, cluster, "reindex").replace("1220", "1,220")
        status, after = served.json(query)
        assert (after["total"], after["facets"]) == (before["total"], before["facets"])
        ids: list[str] = []
        more = ""
        while True:
            _status, page = served.json(f"/v1/search?size=200&fields=id{more}")
            ids += [item["id"] for item in page["items"]]
            if page["next"] is None:
                break
            more = f"&cursor={page['next']}"
        assert len(ids) == len(set(ids)) == 1220
        assert served.json("/v1/status")[1]["engine"]["name"] == "opensearch"
        for target, shown in (
            ("/?q=lodz+OR+baltic&from=2025&to=2025", "1,202 items"),
            ("/feeds/lines", "1,200 items"),
            (f"/items/{ids[0]}", "First seen"),
        ):
            status, headers, body = served.get(target)
            assert (status, headers["content-type"]) == (200, "text/html; charset=utf-8")
            assert shown in body.decode()
    finally:
        served.stop()


@pytest.mark.parametrize("block", ["index.blocks.write", "index.blocks.read_only"])
def test_items_that_a_blocked_index_did_not_take_are_indexed_later(tmp_path, cluster, block: str) -> None:
    node = OpenSearch(cluster["NEWSWIRE_OPENSEARCH_URL"])
    index = f"{cluster['NEWSWIRE_OPENSEARCH_PREFIX']}-items-g000001"
    lines = tmp_path / "lines.jsonl"

    def load(first: int) -> tuple[int, str]:
        lines.write_text("".join(json.dumps({"guid": str(first + n), "title": f"Line {n}"}) + "\n" for n in range(5)))
        process = command(tmp_path / "data", "load", str(lines), "--feed", "lines", **cluster)
        out, err = process.communicate(timeout=120)
        return process.returncode, out + err

    assert load(0)[0] == 0
    node.indices.put_settings(index=index, body={block: True})
    status, text = load(10)
    assert (status, "did not take items of lines (cluster_block_exception" in text) == (1, True), text
    assert "behind" in said(tmp_path, cluster, "feeds")
    node.indices.put_settings(index=index, body={block: None})
    assert load(20)[0] == 0
    assert "15 items found" in said(tmp_path, cluster, "search")
    assert "refused" not in said(tmp_path, cluster, "feeds")
    node.close()


def test_engine_outage_keeps_polling_and_is_reported(tmp_path, server) -> None:
    nowhere = {"NEWSWIRE_ENGINE": "opensearch", "NEWSWIRE_OPENSEARCH_URL": "http://127.0.0.1:9"}
    (tmp_path / "feeds.toml").write_text(f'[feed.news]\nurl = "{server.says("/news", rss(story(1)))}"\n')

    def run(*arguments: str) -> tuple[int, str, str]:
        process = command(tmp_path / "data", *arguments, **nowhere)
        out, err = process.communicate(timeout=60)
        assert "Traceback" not in err
        return process.returncode, out, err

    status, out, err = run("poll")
    assert (status, "1 with a new document" in out) == (1, True)
    assert "NEWSWIRE_OPENSEARCH_URL" in err
    status, _out, err = run("search", "x")
    assert (status, "NEWSWIRE_OPENSEARCH_URL" in err) == (1, True)
    status, out, _err = run("status")
    assert (status, "it does not answer" in out, "1 feed behind" in out) == (0, True, True)
    status, out, _err = run("feeds")
    assert (status, out.startswith("news: ")) == (0, True)


def test_search_with_facets_takes_one_round_trip(tmp_path, opensearch_nodes) -> None:
    url, prefix = opensearch_nodes.url("3.8"), f"r{uuid.uuid4().hex[:10]}"
    domain = Collection(url, "es")
    app = App(
        Settings(
            data=str(tmp_path / "data"),
            engine="opensearch",
            opensearch_url=domain.url,
            opensearch_prefix=prefix,
            opensearch_signing="es",
            opensearch_region=REGION,
        )
    )
    app.engine.index([ItemWrite(item(n, "tank"), 1) for n in range(30)], 1)
    app.engine.publish([feed_status("news", 1)])
    api, before = AsEvents(app), domain.passed
    query = "q=tank&facets=feed,category,author,lang&histogram=year&from=1970&to=1971&feed=news&size=5&highlight=title"
    answer = api.ask(f"/v1/search?{query}").json()
    assert domain.passed - before == 1
    assert (answer["total"]["value"], answer["coverage"]["feeds"]) == (30, 1)
    app.close()
    domain.close()
    delete_indexes(url, prefix)


def test_missing_alias_is_an_error_until_setup(opensearch_nodes) -> None:
    url, prefix = opensearch_nodes.url("3.8"), f"a{uuid.uuid4().hex[:10]}"
    engine = OpenSearchEngine(url, prefix=prefix)
    for generation in (1, 2):
        engine.index([ItemWrite(item(n), 1) for n in range(generation * 10)], generation)
        engine.swap(generation)
        engine.client.indices.delete_alias(index=f"{prefix}-items-g00000{generation}", name=f"{prefix}-v*-read")
        for call in (lambda: engine.search(SearchQuery()), engine.generation):
            with pytest.raises(EngineUnavailableError, match="engine setup"):
                call()
        engine.setup()
        engine.refresh()
        assert (engine.generation(), engine.search(SearchQuery()).total) == (generation, generation * 10)
    engine.close()
    delete_indexes(url, prefix)


def test_foreign_index_is_left_alone_and_reported(opensearch_nodes) -> None:
    url, prefix = opensearch_nodes.url("3.8"), f"f{uuid.uuid4().hex[:10]}"
    engine = OpenSearchEngine(url, prefix=prefix)
    engine.client.indices.create(index=f"{prefix}-items-g000001", body={"mappings": {"dynamic": True}})
    with pytest.raises(IndexSchemaError, match="NEWSWIRE_OPENSEARCH_PREFIX"):
        engine.setup()
    with pytest.raises(IndexSchemaError, match="NEWSWIRE_OPENSEARCH_PREFIX"):
        engine.index([ItemWrite(item(1), 1)], 1)
    engine.close()
    delete_indexes(url, prefix)


def test_statuses_of_an_older_version_are_counted_and_then_completed(cluster) -> None:
    """The index of an older newswire lacks the fields by which a coverage counts."""
    url, prefix = cluster["NEWSWIRE_OPENSEARCH_URL"], cluster["NEWSWIRE_OPENSEARCH_PREFIX"]
    client, name = OpenSearch(url), f"{prefix}-v{SCHEMA}-status"
    types = {"id": "keyword", "seq": "long", "mark": "long", "deleted": "boolean", "indexed": "long"}
    fields: dict[str, dict[str, object]] = {field: {"type": type_} for field, type_ in types.items()}
    fields["status"] = {"type": "object", "enabled": False}
    client.indices.create(index=name, body={"mappings": {"dynamic": "strict", "properties": fields}})
    gap = Gap(NOON - 2, NOON - 1)
    old = [
        feed_status("failing", 3, last_success=NOON, error_code="dns"),
        feed_status("loaded", 4, paused=NOT_POLLED),
        feed_status("ok", 5, last_success=NOON, next_check=NOON + 1, gaps=(gap,)),
    ]
    for status in old:
        document: dict[str, object] = {"id": status.id, "seq": status.rev, "mark": 1, "deleted": False, "indexed": 0}
        document["status"] = msgspec.to_builtins(status)
        client.index(
            index=name,
            id=status.id,
            body=document,
            params={"version": status.rev, "version_type": "external_gte", "refresh": "true"},
        )
    engine = OpenSearchEngine(url, prefix=prefix)
    query = CoverageQuery(NOON, 900)
    assert engine.coverage(query) == coverage_of(old, query)
    engine.publish([feed_status("new", 1)])
    assert client.count(index=name, body={"query": {"exists": {"field": "standing"}}})["count"] == 4
    assert engine.coverage(query) == coverage_of(sorted([*old, feed_status("new", 1)], key=lambda one: one.id), query)
    assert engine.statuses(["failing"]) == [old[0]]
    engine.close()
