"""Measure a simple search beside 100 of the costliest requests, in milliseconds: `python -m bench overload`.

The baseline is the same search on the idle server. The target is ten times that.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median, quantiles

from bench.measurement import Measurement
from bench.served import Served
from bench.year import loaded_year
from tests.support.hostile import costliest_requests

SIMPLE = "/v1/search?q=baltic+exercise&size=10"
BROAD = [
    "/v1/search?q=the&facets=feed:200,lang,category:200,author:200&histogram=auto&size=0",
    "/v1/search?q=the&size=50&format=atom",
    "/v1/search?q=in&size=50&fields=content&from=2023-03",
    "/?q=people",
]
"""Searches of one word that ask for much."""
CLIENTS = 100
TARGET = 10.0
PAUSE_SECONDS = 0.02


def measure(quick: bool) -> Measurement:  # noqa: FBT001 - one switch, common to all measurements
    """Return the median of the simple search under load and on the idle server. The clients are a process of their own."""
    _lines, data = loaded_year(quick)
    seconds = 15 if quick else 40
    clients = Path(__file__).parents[1] / "clients.py"
    with Served(data, workers=2) as served, tempfile.TemporaryDirectory(prefix="bench-overload-") as folder:
        targets = Path(folder) / "targets"
        targets.write_text("\n".join(costliest_requests() + BROAD * 4))
        idle, health_idle = _times(served, 100), _times(served, 100, "/healthz")
        command = [sys.executable, str(clients), str(served.port), str(seconds), str(targets), str(CLIENTS)]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as attack:
            time.sleep(2)
            busy, health = _times(served, 50 if quick else 200), _times(served, 50, "/healthz")
            output, _ = attack.communicate()
    rate, middle, _p99, refused = json.loads(output)
    note = (
        f"ms, median of a simple search beside {CLIENTS} clients with the costliest requests ({rate * seconds:.0f} "
        f"answered, median {middle:.0f} ms, {refused} refused); p99 {quantiles(busy, n=100)[98]:.0f}; "
        f"/healthz {median(health):.1f}, idle {median(health_idle):.1f}"
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
