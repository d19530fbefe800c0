"""Measure ranking: load a judged collection, run its queries as a caller would, and calculate nDCG@10.

The queries are `GET /v1/search?match=any` with recency off, on documents loaded with `newswire load`. The baseline is
the nDCG@10 published for BM25 on the same collection. The ratio is baseline to ours; the target is at most 1.
"""

from __future__ import annotations

import csv
import gzip
import json
import math
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from bench.api import Asked, make_in_process_client
from bench.measurement import DATA, Measurement, require_file
from newswire.app import App
from newswire.ingest.backfill import load
from newswire.settings import Settings

DEPTH = 10
QUERY_CHARACTERS = 1_000


def measure_collection(name: str, published: float) -> Measurement:
    """Return nDCG@10 over all judged queries of a collection."""
    folder = require_file(DATA / "relevance" / name)
    with tempfile.TemporaryDirectory(prefix="bench-relevance-") as built:
        app = App(Settings(data=str(Path(built) / "data"), recency_weight=0))
        figure, queries, documents = judged_collection(app, folder, Path(built) / "docs.jsonl")
        app.close()
    note = f"nDCG@10 over {queries} queries and {documents:,} documents; published for BM25: {published}"
    return Measurement(f"{name}", round(figure, 4), published, "", round(published / figure, 4), 1.0, note)


def judged_collection(app: App, folder: Path, lines: Path) -> tuple[float, int, int]:
    """Load a collection into an empty newswire; return nDCG@10 and the numbers of queries and documents."""
    judged = _judged(folder)
    ids = _write_lines(folder, lines)
    report = load(app, [str(lines)], "docs")
    app.engine.refresh()
    ask = make_in_process_client(app)
    gains = [
        ndcg([judged[query].get(ids[link], 0) for link in _found(ask, text)], judged[query].values())
        for query, text in _queries(folder)
        if query in judged
    ]
    return sum(gains) / len(gains), len(gains), report.lines


def ndcg(found: Sequence[float], judged: Iterable[float]) -> float:
    """Return nDCG@10 with linear gains, as trec_eval calculates it."""
    best = sorted(judged, reverse=True)[:DEPTH]
    ideal = sum(gain / math.log2(rank + 2) for rank, gain in enumerate(best))
    return sum(gain / math.log2(rank + 2) for rank, gain in enumerate(found[:DEPTH])) / ideal if ideal else 0.0


def _found(ask: Asked, text: str) -> list[str]:
    sent = {"q": text[:QUERY_CHARACTERS], "match": "any", "size": str(DEPTH), "fields": "link"}
    return [str(item["link"]) for item in ask("/v1/search", sent)["items"]]


def _judged(folder: Path) -> Mapping[str, dict[str, float]]:
    judged: dict[str, dict[str, float]] = {}
    with (folder / "qrels.tsv").open(newline="") as file:
        for row in csv.DictReader(file, delimiter="\t"):
            judged.setdefault(row["query_id"], {})[row["doc_id"]] = float(row["gain"])
    return judged


def _queries(folder: Path) -> Iterator[tuple[str, str]]:
    for line in (folder / "queries.jsonl").read_text().splitlines():
        row = json.loads(line)
        yield str(row["id"]), row["text"]


def _write_lines(folder: Path, target: Path) -> dict[str, str]:
    """Write the documents as lines to load; return the document id of each link."""
    ids: dict[str, str] = {}
    with gzip.open(folder / "docs.jsonl.gz", "rt") as documents, target.open("w") as lines:
        for line in documents:
            row = json.loads(line)
            link = f"https://docs.example/{row['id']}"
            ids[link] = str(row["id"])
            kept = {"guid": str(row["id"]), "link": link, "title": row["title"], "summary": row["text"], "lang": "en"}
            lines.write(json.dumps(kept) + "\n")
    return ids
