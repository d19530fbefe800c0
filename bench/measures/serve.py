"""Measure `newswire serve` with one and two workers, in milliseconds per answer: `python -m bench serve`.

Sixteen clients, then 200, run in one process of their own, and share the processors with the server. The baseline is the
server with one worker. The target is 1.7 times its answers with two workers, with a p99 that is not above.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from urllib.parse import urlencode

from bench.measurement import Measurement
from bench.mix import fifty
from bench.served import Served
from bench.year import loaded_year

TARGET = round(1 / 1.7, 3)
FEW, MANY = 16, 200


def measure(quick: bool) -> Measurement:  # noqa: FBT001 - one switch, common to all measurements
    """Return the milliseconds per answer with two workers and with one, for sixteen clients."""
    _lines, data = loaded_year(quick)
    seconds = 3.0 if quick else 15.0
    targets = [f"/v1/search?{urlencode(search.sent)}" for search in fifty()]
    figures: dict[tuple[int, int], list[float]] = {}
    with tempfile.TemporaryDirectory(prefix="bench-serve-") as folder:
        targets_file, body = Path(folder) / "targets", Path(folder) / "body"
        targets_file.write_text("\n".join(targets))
        for workers in (1, 2):
            with Served(data, workers=workers) as served:
                for target in targets * workers:
                    body.write_bytes(served.ask(target))
                for clients in (FEW, MANY):
                    figures[workers, clients] = _load(served.port, seconds, targets_file, clients)
        with Served(body, Path(__file__).parents[1] / "plain_server.py") as plain:
            bare = _load(plain.port, seconds, targets_file, FEW)
    note = "; ".join(
        f"{workers} workers, {clients} clients: {rate:.0f} answers/s, median {middle:.0f} ms, p99 {p99:.0f} ms, "
        f"{refused:.0f} refused"
        for (workers, clients), (rate, middle, p99, refused) in figures.items()
    )
    one, two = figures[1, FEW], figures[2, FEW]
    ratio = one[0] / two[0]
    note += f"; {1 / ratio:.2f} times the answers; uvicorn alone: {bare[0]:.0f}/s"
    return Measurement("serve", round(1000 / two[0], 3), round(1000 / one[0], 3), "ms", round(ratio, 3), TARGET, note)


def _load(port: int, seconds: float, targets_file: Path, clients: int) -> list[float]:
    program = str(Path(__file__).parents[1] / "clients.py")
    command = [sys.executable, program, str(port), str(seconds), str(targets_file), str(clients)]
    finished = subprocess.run(command, check=True, stdout=subprocess.PIPE)
    figures: list[float] = json.loads(finished.stdout)
    return figures
