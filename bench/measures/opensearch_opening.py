"""Measure the time from process start to the first answer of OpenSearch, in ms: `python -m bench opensearch_opening`.

The baseline is the import of opensearch-py plus 30 ms, and the target is to stay below it.
"""

from __future__ import annotations

import sys
from statistics import median

from bench.cluster import year_cluster
from bench.measurement import Measurement, run_alone
from newswire.app import App
from newswire.engines.coverage import CoverageQuery
from newswire.engines.query import SearchQuery
from newswire.settings import Settings

MOST_MORE_MS = 30.0
WARMING = 500
OURS = """
from newswire.settings import read_settings
from newswire.app import App
from newswire.engines.coverage import CoverageQuery
from newswire.engines.query import SearchQuery
assert App(read_settings()).engine.search(SearchQuery(coverage=CoverageQuery(0, 0))).hits
"""
IMPORT = "import opensearchpy"


def measure(quick: bool) -> Measurement:  # noqa: FBT001 - one switch, common to all measurements
    """Start a process for each program in turns, after a warm-up of the node and the programs."""
    seconds: dict[str, list[float]] = {OURS: [], IMPORT: [], "pass": []}
    with year_cluster(quick) as cluster:
        environ = cluster.environ(cluster.settings.opensearch_prefix, cluster.settings.data)
        _warm(cluster.settings)
        for program in seconds:
            run_alone([sys.executable, "-c", program], environ)
        for _ in range(5 if quick else 20):
            for program, figures in seconds.items():
                figures.append(run_alone([sys.executable, "-c", program], environ).wall_s * 1000)
    ours, library = median(seconds[OURS]), median(seconds[IMPORT])
    note = (
        f"ms from process start to the first answer; {ours - library:.0f} ms more than importing opensearch-py (at most "
        f"{MOST_MORE_MS:.0f}); an empty interpreter: {median(seconds['pass']):.0f}"
    )
    limit = library + MOST_MORE_MS
    return Measurement("opensearch_opening", round(ours, 1), round(limit, 1), "ms", round(ours / limit, 3), 1.0, note)


def _warm(settings: Settings) -> None:
    """Warm up the node: its first answers take five times as long."""
    app = App(settings)
    for _ in range(WARMING):
        app.engine.search(SearchQuery(coverage=CoverageQuery(0, 0)))
    app.close()
