"""Measure fifty searches on OpenSearch, in milliseconds: `python -m bench opensearch_search`.

The baseline sends the same request bodies with urllib3 and decodes the JSON answers. The target is a ratio of at most
1.15.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from functools import partial
from statistics import median, quantiles
from typing import TYPE_CHECKING, Any, cast

import msgspec
import urllib3

from bench.cluster import year_cluster
from bench.measurement import Measurement
from bench.mix import Search, fifty
from bench.year import AT_THE_END
from newswire.app import App
from newswire.clock import system_clock
from newswire.engines import SearchEngine
from newswire.search.answer import search
from newswire.search.recency import bands_of
from newswire.search.request import read_search
from newswire.settings import Settings
from newswire.web.search_answers import answer_out

if TYPE_CHECKING:
    from newswire.engines.opensearch.engine import OpenSearchEngine

TARGET = 1.15
ROUNDS = 15


class _Sent(msgspec.Struct):
    """Requests that the engine sent."""

    requests: list[tuple[str, str, bytes]]


def measure(quick: bool) -> Measurement:  # noqa: FBT001 - one switch, common to all measurements
    """Return the median of all samples of ours and of the bare requests, run in turns on one node."""
    with year_cluster(quick) as cluster:
        app = App(cluster.settings)
        engine = cast("OpenSearchEngine", app.engine)
        pool = urllib3.PoolManager()
        ours: list[Callable[[], object]] = []
        bares: list[Callable[[], object]] = []
        for search in fifty():
            ask = partial(_ours, engine, search)
            sent = _record_requests(engine, ask)
            if len(sent.requests) != 1:
                msg = f"{dict(search.sent)} must take one round trip, got {len(sent.requests)}."
                raise RuntimeError(msg)
            method, path, body = sent.requests[0]
            ours.append(ask)
            bares.append(partial(_bare, pool, method, cluster.url + path, body))
        seconds = _in_turns(ours, bares, 3 if quick else ROUNDS)
        app.close()
    middle, base = median(seconds[0]), median(seconds[1])
    note = (
        f"{len(ours)} searches with one round trip each, median of {len(seconds[0])}, from parameters to the answer as JSON; "
        f"p99 {quantiles(seconds[0], n=100)[98]:.1f} ms, bare {quantiles(seconds[1], n=100)[98]:.1f}"
    )
    return Measurement(
        "opensearch_search", round(middle, 3), round(base, 3), "ms", round(middle / base, 3), TARGET, note
    )


def _ours(engine: SearchEngine, one: Search) -> bytes:
    sent = {name: [value] for name, value in one.sent.items()}
    request = read_search(sent, AT_THE_END, lambda now: bands_of(0.0, Settings().recency_days, now))
    return msgspec.json.encode(answer_out(search(engine, request, system_clock, 3600)))


def _bare(pool: urllib3.PoolManager, method: str, url: str, body: bytes) -> Any:  # noqa: ANN401 - any JSON
    return json.loads(pool.request(method, url, body=body, headers={"content-type": "application/x-ndjson"}).data)


def _record_requests(engine: OpenSearchEngine, ask: Callable[[], object]) -> _Sent:
    """Run a search once and record its requests."""
    connection = engine.client.transport.get_connection()
    plain, sent = connection.perform_request, _Sent([])

    def noted(method: str, url: str, params: Any, body: bytes, **more: Any) -> Any:  # noqa: ANN401 - as it is there
        sent.requests.append((method, url, body))
        return plain(method, url, params, body, **more)

    connection.perform_request = noted
    try:
        ask()
    finally:
        connection.perform_request = plain
    return sent


def _in_turns(
    ours: list[Callable[[], object]], bares: list[Callable[[], object]], rounds: int
) -> tuple[list[float], list[float]]:
    """Run every search both ways in alternating order; return the milliseconds of each."""
    seconds: tuple[list[float], list[float]] = ([], [])
    for number in range(rounds + 1):
        for pair in zip(ours, bares, strict=True):
            for kind in (0, 1) if number % 2 else (1, 0):
                started = time.perf_counter()
                pair[kind]()
                if number:  # the first round is the warm-up
                    seconds[kind].append((time.perf_counter() - started) * 1000)
    return seconds
