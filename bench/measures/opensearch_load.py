"""Measure the back-fill of a year of news into OpenSearch, in seconds: `python -m bench opensearch_load`.

The baseline is a bare bulk load of the same documents into the same node. The target is a ratio of at most 1.3.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import msgspec
from opensearchpy import OpenSearch

from bench.cluster import year_cluster
from bench.measurement import Measurement, Ran, compare_times, join_figures, run_alone, time_in_turns
from bench.year import loaded_year
from newswire.app import App
from newswire.engines.opensearch.bodies import document_of, items_template
from newswire.engines.query import SearchQuery
from newswire.model import ItemWrite
from newswire.settings import Settings

TARGET = 1.3


def measure(quick: bool) -> Measurement:  # noqa: FBT001 - one switch, common to all measurements
    """Load with both in turns, each time into a new index."""
    lines, data = loaded_year(quick)
    ours: list[Ran] = []
    bare: list[Ran] = []
    with year_cluster(quick) as cluster, tempfile.TemporaryDirectory(prefix="bench-opensearch-") as built:
        documents = Path(built) / "documents.jsonl"
        count = _write_documents(data, documents)

        def run_ours() -> float:
            with tempfile.TemporaryDirectory(dir=built) as folder:
                command = [sys.executable, "-m", "newswire", "load", str(lines)]
                ours.append(run_alone(command, cluster.environ("ours", folder)))
            cluster.forget("ours")
            return ours[-1].wall_s

        def run_bare() -> float:
            with OpenSearch(cluster.url) as client:
                template = items_template("bare-*", 1, 0)["template"]
                client.indices.create(index="bare-1", body=template)
            program = str(Path(__file__).parents[1] / "bare_opensearch_load.py")
            bare.append(run_alone([sys.executable, program, str(documents), cluster.url, "bare-1"]))
            cluster.forget("bare")
            return bare[-1].wall_s

        run_bare()  # warm up the node
        walls = time_in_turns(run_ours, run_bare, 3 if quick else 2)
    note = (
        f"{count:,} documents; ours {join_figures(walls[0])}, bare {join_figures(walls[1])}; CPU time of the client "
        f"{sum(run.cpu_s for run in ours) / len(ours):.0f} s, bare {sum(run.cpu_s for run in bare) / len(bare):.0f} s; "
        f"peak {max(run.peak_mib for run in ours):.0f} MiB, bare {max(run.peak_mib for run in bare):.0f}"
    )
    return compare_times("opensearch_load", *walls, "s", TARGET, note)


def _write_documents(data: Path, target: Path) -> int:
    """Write the documents of all items in the loaded year, as newswire sends them; return their number."""
    app = App(Settings(data=str(data)))
    encode, query, count = msgspec.json.Encoder().encode, SearchQuery(sort="oldest", size=1000, with_content=True), 0
    with target.open("wb") as file:
        while True:
            page = app.engine.search(query)
            for hit in page.hits:
                file.write(encode(document_of(ItemWrite(hit.item, 1), 1)) + b"\n")
            count += len(page.hits)
            if page.next is None:
                break
            query = msgspec.structs.replace(query, after=page.next)
    app.close()
    return count
