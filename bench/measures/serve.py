"""Measure `newswire serve` under sixteen clients, in milliseconds per answer: `python -m bench serve`.

The clients run in one process of their own, and share the processors with the server. The baseline is uvicorn that
answers every request with the same bytes, under the same clients. The difference is the search, its JSON and the
threads. There is no target ratio.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from urllib.parse import urlencode

from bench.measurement import Measurement
from bench.mix import fifty
from bench.served import Served
from bench.year import loaded_year


def measure(quick: bool) -> Measurement:  # noqa: FBT001 - one switch, common to all measurements
    """Return the milliseconds per answer of both servers."""
    _lines, data = loaded_year(quick)
    seconds = 3.0 if quick else 15.0
    targets = [f"/v1/search?{urlencode(search.sent)}" for search in fifty()]
    here = Path(__file__).parents[1]
    with tempfile.TemporaryDirectory(prefix="bench-serve-") as built:
        targets_file, body = Path(built) / "targets", Path(built) / "body"
        targets_file.write_text("\n".join(targets))
        with Served(data) as served:
            body.write_bytes(served.ask(targets[0]))
            for target in targets:
                served.ask(target)
            before, started = _busy(served.pid), time.perf_counter()
            ours = _ask_for(served.port, seconds, targets_file)
            busy = (_busy(served.pid) - before) / (time.perf_counter() - started)
        with Served(body, here / "plain_server.py") as plain:
            bare = _ask_for(plain.port, seconds, targets_file)
    note = (
        f"ms per answer, 16 clients: {ours[0]:.0f} answers/s, median {ours[1]:.1f} ms, p99 {ours[2]:.0f} ms, with "
        f"{busy:.2f} of {os.cpu_count()} processors used by the server; "
        f"uvicorn alone: {bare[0]:.0f}/s, median {bare[1]:.1f} ms, p99 {bare[2]:.0f} ms"
    )
    return Measurement(
        "serve", round(1000 / ours[0], 3), round(1000 / bare[0], 3), "ms", round(bare[0] / ours[0], 2), None, note
    )


def _ask_for(port: int, seconds: float, targets_file: Path) -> list[float]:
    program = str(Path(__file__).parents[1] / "clients.py")
    finished = subprocess.run(
        [sys.executable, program, str(port), str(seconds), str(targets_file)], check=True, stdout=subprocess.PIPE
    )
    figures: list[float] = json.loads(finished.stdout)
    return figures


def _busy(pid: int) -> float:
    """Return the processor seconds that a process has used (proc(5), fields 14 and 15 of stat)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
