"""Test both engines on a year of real news: equal results, stable walks and comparable ranking."""

import json
import random
import uuid
from collections.abc import Iterator
from typing import NamedTuple
from urllib.parse import urlencode

import msgspec
import pytest

from bench.relevance import judged_collection
from newswire.app import App
from newswire.ingest.backfill import load
from newswire.settings import Settings
from tests import golden
from tests.support.generated import Material, some_search
from tests.support.opensearch_node.indexes import delete_indexes, merge_indexes
from tests.support.processes import command
from tests.support.timeline import END_OF_2023, LINES, loaded_timeline, timeline_file
from tests.support.transports import AsEvents

SEARCHES = 600
LEAST_OVERLAP = 0.99
pytestmark = [pytest.mark.long, pytest.mark.opensearch]


class Year(NamedTuple):
    """The year on both engines, with its number of items."""

    embedded: App
    cluster: App
    total: int


@pytest.fixture(scope="module")
def prefix(opensearch_nodes) -> Iterator[str]:
    """Yield the index prefix of this module; delete its indexes afterwards."""
    url, built = opensearch_nodes.url("3.8"), f"y{uuid.uuid4().hex[:10]}"
    yield built
    delete_indexes(url, built)


def on_cluster(opensearch_nodes, prefix: str, data, **more) -> Settings:
    return Settings(
        data=str(data),
        engine="opensearch",
        opensearch_url=opensearch_nodes.url("3.8"),
        opensearch_prefix=prefix,
        opensearch_timeout_seconds=60,
        **more,
    )


@pytest.fixture(scope="module")
def year(shared, tmp_path_factory, opensearch_nodes, prefix) -> Iterator[Year]:
    """Yield the year on both engines; the embedded one is for reading only."""
    file, items = timeline_file(shared)
    embedded = App(Settings(data=str(loaded_timeline(shared))), clock=lambda: END_OF_2023)
    folder = tmp_path_factory.mktemp("year")
    cluster = App(on_cluster(opensearch_nodes, prefix, folder), clock=lambda: END_OF_2023)
    assert load(cluster, [str(file)], None).lines == LINES
    cluster.engine.refresh()
    merge_indexes(opensearch_nodes.url("3.8"), prefix)
    yield Year(embedded, cluster, len(items))
    embedded.close()
    cluster.close()


def test_fifty_searches_give_the_golden_answers_on_both_engines(year) -> None:
    answers = json.loads(golden.read("answers.json"))
    assert golden.answers(year.embedded, scored=True) == answers["tantivy"]
    assert golden.answers(year.cluster, scored=False) == answers["opensearch"]


def asked(api: AsEvents, sent: dict[str, str]) -> dict:
    answer = api.ask(f"/v1/search?{urlencode(sent)}")
    assert answer.status == 200, answer.body
    return answer.json()


COMPARED = ("query", "total", "items", "facets", "histogram")


def test_both_engines_give_the_same_answers(year) -> None:
    """All results are equal; by relevance, the first ten items overlap by 99 % on average."""
    rng = random.Random(2023)
    material = Material(year.embedded)
    both = (AsEvents(year.embedded), AsEvents(year.cluster))
    overlaps: list[float] = []
    results = 0
    for _ in range(SEARCHES):
        sent = some_search(rng, material)
        for sort in ("newest", "oldest"):
            more = {"sort": sort, "facets": "feed:200,lang:200", "size": "200", "fields": "id"}
            one, other = (asked(api, sent | more) for api in both)
            for name in COMPARED:
                assert one.get(name) == other.get(name), (sent, sort, name)
        results += one["total"]["value"] > 0
        if "q" not in sent or "items" not in one:
            continue
        ranked = [asked(api, sent | {"sort": "relevance", "size": "10", "fields": "id"}) for api in both]
        ids = [[item["id"] for item in answer.get("items", [])] for answer in ranked]
        if ids[0]:
            overlaps.append(len(set(ids[0]) & set(ids[1])) / len(ids[0]))
    assert results > SEARCHES / 2
    assert len(overlaps) > SEARCHES / 2
    overlap = sum(overlaps) / len(overlaps)
    print(f"{SEARCHES} searches, {results} find something; mean overlap of the first ten {overlap:.4f}")
    assert overlap >= LEAST_OVERLAP


def walked_while_more_comes_in(app: App, data, sort: str, total: int) -> None:
    """Walk all pages while another process loads more; assert that each original item appears once."""
    api, mark, more = AsEvents(app), f"more-{sort}", data / f"more-{sort}.jsonl"
    rows = (
        {
            "title": f"More {n}",
            "link": f"https://{mark}.example/{n}",
            "published": f"2023-{1 + n % 12:02}-{1 + n % 28:02}T{n % 24:02}:00:00Z",
        }
        for n in range(30_000)
    )
    more.write_text("".join(json.dumps(row) + "\n" for row in rows))
    settings = app.settings
    environ = {f"NEWSWIRE_{name.upper()}": str(getattr(settings, name)) for name in (
        "engine", "opensearch_url", "opensearch_prefix", "opensearch_timeout_seconds")}  # fmt: skip
    process = None
    ids: list[str] = []
    cursor = ""
    while True:
        page = asked(api, {"sort": sort, "size": "200", "fields": "id,feed"} | ({"cursor": cursor} if cursor else {}))
        ids += [item["id"] for item in page["items"] if not item["feed"].startswith("more-")]
        if process is None:
            process = command(app.settings.data_folder, "load", str(more), "--feed", mark, **environ)
        cursor = page["next"]
        if cursor is None:
            break
    _out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    assert len(ids) == total
    assert len(set(ids)) == total


@pytest.mark.parametrize("sort", ["newest", "oldest"])
def test_walk_gives_each_item_once_during_indexing(year, tmp_path, sort: str) -> None:
    walked_while_more_comes_in(year.cluster, tmp_path, sort, year.total)


def test_walk_over_three_shards_gives_each_item_once(shared, tmp_path, opensearch_nodes, prefix) -> None:
    file, items = timeline_file(shared)
    settings = on_cluster(opensearch_nodes, f"{prefix}-three", tmp_path / "data", opensearch_shards=3)
    app = App(settings, clock=lambda: END_OF_2023)
    assert load(app, [str(file)], None).lines == LINES
    app.engine.refresh()
    for sort in ("newest", "oldest"):
        walked_while_more_comes_in(app, tmp_path, sort, len(items))
    app.close()


@pytest.mark.parametrize(("collection", "least"), [("scifact", 0.679), ("cranfield", 0.367)])
def test_ranking_is_as_good_as_the_published_bm25(
    shared, tmp_path, opensearch_nodes, prefix, collection, least
) -> None:
    settings = on_cluster(opensearch_nodes, f"{prefix}-{collection}", tmp_path / "data", recency_weight=0)
    app = App(msgspec.structs.replace(settings))
    figure, queries, _documents = judged_collection(
        app, shared / "relevance" / collection, tmp_path / "documents.jsonl"
    )
    app.close()
    print(f"{collection}: nDCG@10 {figure:.4f} over {queries} queries")
    assert figure >= least
