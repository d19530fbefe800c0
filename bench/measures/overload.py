"""Measure a simple search beside 100 of the costliest requests, in milliseconds: `python -m bench overload`.

The baseline is the same search on the idle server. The target is ten times that.
"""

from __future__ import annotations

import http.client
import threading
import time
from statistics import median, quantiles

from bench.measurement import Measurement
from bench.served import Served
from bench.year import loaded_year
from tests.support.hostile import costliest_requests

SIMPLE = "/v1/search?q=baltic+exercise&size=10"
CLIENTS = 100
TARGET = 10.0
PAUSE_SECONDS = 0.02


def measure(quick: bool) -> Measurement:  # noqa: FBT001 - one switch, common to all measurements
    """Return the median of the simple search under load and on the idle server."""
    _lines, data = loaded_year(quick)
    costly = list(costliest_requests())
    stop = threading.Event()
    statuses: list[int] = []

    def attack(port: int, number: int) -> None:
        while not stop.is_set():
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
            connection.request("GET", costly[number % len(costly)])
            response = connection.getresponse()
            response.read()
            statuses.append(response.status)
            connection.close()
            stop.wait(0.1 if response.status == 503 else 0.0)

    with Served(data, workers=2) as served:
        idle = _times(served, 100)
        health_idle = _times(served, 100, "/healthz")
        threads = [threading.Thread(target=attack, args=(served.port, number)) for number in range(CLIENTS)]
        for thread in threads:
            thread.start()
        time.sleep(2)
        busy = _times(served, 50 if quick else 200)
        health = _times(served, 50, "/healthz")
        stop.set()
        for thread in threads:
            thread.join()
    answered = statuses.count(200)
    note = (
        f"ms, median of a simple search beside {CLIENTS} clients with the costliest requests ({answered} answered, "
        f"{statuses.count(503)} refused, {len(statuses) - answered - statuses.count(503)} others); p99 "
        f"{quantiles(busy, n=100)[98]:.0f}; /healthz {median(health):.1f}, idle {median(health_idle):.1f}"
    )
    ours, base = median(busy), median(idle)
    return Measurement("overload", round(ours, 2), round(base, 2), "ms", round(ours / base, 2), TARGET, note)


def _times(served: Served, times: int, target: str = SIMPLE) -> list[float]:
    milliseconds = []
    for _ in range(times):
        started = time.perf_counter()
        served.ask(target)
        milliseconds.append((time.perf_counter() - started) * 1000)
        time.sleep(PAUSE_SECONDS)
    return milliseconds
