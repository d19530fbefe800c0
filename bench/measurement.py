"""Define a measurement, find its data, and time two programs against each other."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import cast

from msgspec import Struct

ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT.parent / "shared" / "data"
"""Real data next to the repository; measurements that need it are skipped if it is missing."""


class Measurement(Struct, frozen=True):
    """One figure and its baseline, measured in the same run."""

    name: str
    ours: float
    baseline: float
    unit: str
    ratio: float
    target: float | None = None
    """Maximum ratio, or None if there is no target."""
    note: str = ""


class SkippedError(Exception):
    """A measurement cannot run here; the message gives the reason."""


class Ran(Struct, frozen=True):
    """Time and memory used by a program in its own process."""

    wall_s: float
    cpu_s: float
    peak_mib: float


def carry_out(name: str, quick: bool) -> Measurement:  # noqa: FBT001 - one switch, common to all measurements
    """Run the measurement with this name in this process."""
    return cast("Measurement", importlib.import_module(f"bench.measures.{name}").measure(quick))


def require_file(path: Path) -> Path:
    """Return `path`, which is part of the data; raise `SkippedError` if it does not exist."""
    if not path.exists():
        msg = f"Skipped: {path.relative_to(ROOT.parent)} does not exist next to the repository."
        raise SkippedError(msg)
    return path


def time_in_turns(
    ours: Callable[[], float], baseline: Callable[[], float], times: int
) -> tuple[list[float], list[float]]:
    """Run both in turns, so that a slow machine slows both; return the figures of each."""
    seconds: tuple[list[float], list[float]] = ([], [])
    for _ in range(times):
        seconds[0].append(ours())
        seconds[1].append(baseline())
    return seconds


def compare_times(
    name: str, ours: Sequence[float], baseline: Sequence[float], unit: str, target: float | None, note: str
) -> Measurement:
    """Return a measurement with the medians of both."""
    middle, base = median(ours), median(baseline)
    return Measurement(name, round(middle, 4), round(base, 4), unit, round(middle / base, 3), target, note)


def run_alone(command: Sequence[str], environment: Mapping[str, str] | None = None) -> Ran:
    """Run a program in its own process; raise `RuntimeError` with its error output if it fails.

    Linux passes on the peak memory of the parent process. The peak is correct only while this process is smaller.
    """
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("NEWSWIRE_")
        and name != "PYTHONDONTWRITEBYTECODE"  # keep compiled modules, as an installation does
    }
    started = time.perf_counter()
    with subprocess.Popen(
        command,
        cwd=ROOT,
        env={**inherited, **(environment or {})},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    ) as child:
        stderr = child.stderr.read() if child.stderr else b""
        _, status, usage = os.wait4(child.pid, 0)
        wall = time.perf_counter() - started
        child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        msg = f"{' '.join(command[1:4])} ended with {child.returncode}: {stderr.decode(errors='replace')[-500:]}"
        raise RuntimeError(msg)
    kilo = 1024 if sys.platform == "darwin" else 1  # Linux counts in KiB, macOS in bytes
    return Ran(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / kilo / 1024)


def join_figures(figures: Sequence[float]) -> str:
    """Return the single figures as text for a note."""
    return " ".join(f"{figure:.2f}" for figure in figures)
