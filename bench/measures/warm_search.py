"""Measure the warm search function without its requests to OpenSearch, in ms: `python -m bench warm_search`.

The figure is the median over fifty searches. The baseline is a limit of 3 ms, and the target is to stay below it.
"""

from __future__ import annotations

import contextlib
import io
import time
from statistics import median, quantiles
from types import SimpleNamespace
from typing import Any, cast
from urllib.parse import urlencode

from opensearchpy import Urllib3HttpConnection

from bench.cluster import year_cluster
from bench.measurement import Measurement
from bench.mix import fifty
from newswire.handlers.search import SearchFunction
from tests.support.transports import rest_event

LIMIT_MS = 3.0
ROUNDS = 15


class _Timed:
    """Add up the seconds that the client waits for OpenSearch."""

    def __init__(self) -> None:
        self.taken_s = 0.0
        plain = Urllib3HttpConnection.perform_request

        def perform_request(*arguments: Any, **named: Any) -> Any:  # noqa: ANN401 - as the client has it
            started = time.perf_counter()
            try:
                return plain(*arguments, **named)
            finally:
                self.taken_s += time.perf_counter() - started

        Urllib3HttpConnection.perform_request = perform_request  # type: ignore[method-assign]


def measure(quick: bool) -> Measurement:  # noqa: FBT001 - one switch, common to all measurements
    """Return the median milliseconds of our own time, and the limit."""
    engine = _Timed()
    context = cast("Any", SimpleNamespace(aws_request_id="bench"))
    own: list[float] = []
    whole: list[float] = []
    events = [rest_event(f"/v1/search?{urlencode(dict(search.sent))}") for search in fifty()]
    with year_cluster(quick) as cluster, contextlib.redirect_stdout(io.StringIO()):
        function = SearchFunction(cluster.settings)
        for _round in range(2 if quick else ROUNDS):
            for event in events:
                engine.taken_s = 0.0
                started = time.perf_counter()
                response = function.handle(event, context)
                took = time.perf_counter() - started
                if response["statusCode"] != 200:
                    raise RuntimeError(response["body"])
                if _round:
                    own.append((took - engine.taken_s) * 1000)
                    whole.append(took * 1000)
    middle = median(own)
    note = (
        f"ms of our own time in {len(own):,} answers (p95 {quantiles(own, n=20)[18]:.2f}), with log and metrics; "
        f"total {median(whole):.2f} ms; the baseline is the limit"
    )
    return Measurement("warm_search", round(middle, 3), LIMIT_MS, "ms", round(middle / LIMIT_MS, 3), 1.0, note)
