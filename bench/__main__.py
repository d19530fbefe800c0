"""Run measurements: `python -m bench [NAME…] [--quick]` prints a table and stores it in `bench/results/`.

Each measurement runs in its own process, so that none uses the caches or the memory of another.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import platform
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from bench.measurement import Measurement, SkippedError, carry_out

NAMES = sorted(file.stem for file in (Path(__file__).parent / "measures").glob("[a-z]*.py"))
RESULTS = Path(__file__).with_name("results")


class Result(msgspec.Struct, frozen=True):
    """A complete run, as stored."""

    at: str
    quick: bool
    python: str
    processors: int | None
    load_before: float
    """Load average of this machine over the minute before the run."""
    measurements: tuple[Measurement, ...]
    skipped: dict[str, str]


def main() -> int:
    """Run the named measurements, or all; return 1 if a target is missed."""
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure newswire against named baselines.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"measurements to run: {', '.join(NAMES)}")
    parser.add_argument("--quick", action="store_true", help="use fewer items and repetitions")
    arguments = parser.parse_args()
    if unknown := [name for name in arguments.names if name not in NAMES]:
        parser.error(f"NAME must be one of {', '.join(NAMES)}, got {unknown[0]!r}")
    now = datetime.now(UTC)
    load_before = round(os.getloadavg()[0], 2)
    measurements: list[Measurement] = []
    skipped: dict[str, str] = {}
    fresh = multiprocessing.get_context("spawn")
    print(f"{'':19}{'ours':>10}{'baseline':>11}{'':4}{'ratio':>8}{'target':>8}", flush=True)
    with ProcessPoolExecutor(1, mp_context=fresh, max_tasks_per_child=1) as processes:
        for name in arguments.names or NAMES:
            try:
                measured = processes.submit(carry_out, name, arguments.quick).result()
            except SkippedError as error:
                skipped[name] = str(error)
                print(f"{name:19}{error}", flush=True)
                continue
            measurements.append(measured)
            print(_line(measured), flush=True)
    result = Result(
        at=now.isoformat(timespec="seconds"),
        quick=arguments.quick,
        python=platform.python_version(),
        processors=os.cpu_count(),
        load_before=load_before,
        measurements=tuple(measurements),
        skipped=skipped,
    )
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{now:%Y%m%dT%H%M%SZ}.json"
    path.write_bytes(msgspec.json.format(msgspec.json.encode(result), indent=2) + b"\n")
    print(f"Results are in {path.relative_to(Path(__file__).parents[1])}.")
    return int(any(_is_missed(measurement) for measurement in measurements))


def _is_missed(measurement: Measurement) -> bool:
    return measurement.target is not None and measurement.ratio > measurement.target


def _line(one: Measurement) -> str:
    target = "" if one.target is None else f"{one.target:.2f}"
    missed = "  MISSED" if _is_missed(one) else ""
    figures = f"{one.ours:>10.2f}{one.baseline:>11.2f} {one.unit:<3}{one.ratio:>8.2f}{target:>8}{missed}"
    return f"{one.name:19}{figures}\n{'':19}{one.note}"


if __name__ == "__main__":
    raise SystemExit(main())
