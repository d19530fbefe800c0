"""What a measurement gives, where its data is, and how two programs are timed against each other."""

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
"""Real material, kept beside the repository and not in it; without it the measurements that need it are skipped."""


class Measurement(Struct, frozen=True):
    """One figure against the baseline that was measured in the same run."""

    name: str
    ours: float
    baseline: float
    unit: str
    ratio: float
    target: float | None = None
    """The ratio that is not to be exceeded; None where there is no such promise."""
    note: str = ""


class SkippedError(Exception):
    """A measurement that can't be carried out here, with the reason as a sentence."""


class Ran(Struct, frozen=True):
    """What a program took that was run by itself."""

    wall_s: float
    cpu_s: float
    peak_mib: float


def carry_out(name: str, quick: bool) -> Measurement:  # noqa: FBT001 - one switch, common to all measurements
    """Carry out the measurement of this name, in this process."""
    return cast("Measurement", importlib.import_module(f"bench.measures.{name}").measure(quick))


def needed(path: Path) -> Path:
    """Give back a path of the data that is there; `SkippedError` for one that is not."""
    if not path.exists():
        msg = f"Skipped: {path.relative_to(ROOT.parent)} is not there, beside the repository."
        raise SkippedError(msg)
    return path


def alternated(ours: Callable[[], float], baseline: Callable[[], float], times: int) -> tuple[list[float], list[float]]:
    """Take both in turns, so that whatever slows the machine down slows both; gives the figures of each."""
    taken: tuple[list[float], list[float]] = ([], [])
    for _ in range(times):
        taken[0].append(ours())
        taken[1].append(baseline())
    return taken


def compared(
    name: str, ours: Sequence[float], baseline: Sequence[float], unit: str, target: float | None, note: str
) -> Measurement:
    """Make a measurement of the medians of both."""
    one, other = median(ours), median(baseline)
    return Measurement(name, round(one, 4), round(other, 4), unit, round(one / other, 3), target, note)


def run_alone(command: Sequence[str], environment: Mapping[str, str] | None = None) -> Ran:
    """Run a program to its end in a process of its own; `RuntimeError` with what it said if it fails.

    The peak is that of the program only while the process that starts it is smaller: Linux hands it on.
    """
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("NEWSWIRE_")
        and name != "PYTHONDONTWRITEBYTECODE"  # compiled modules are kept, as installed
    }
    started = time.perf_counter()
    with subprocess.Popen(
        command,
        cwd=ROOT,
        env={**inherited, **(environment or {})},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    ) as child:
        said = child.stderr.read() if child.stderr else b""
        _, status, usage = os.wait4(child.pid, 0)
        wall = time.perf_counter() - started
        child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        msg = f"{' '.join(command[1:4])} ended with {child.returncode}: {said.decode(errors='replace')[-500:]}"
        raise RuntimeError(msg)
    kilo = 1024 if sys.platform == "darwin" else 1  # Linux counts in KiB, macOS in bytes
    return Ran(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / kilo / 1024)


def listed(figures: Sequence[float]) -> str:
    """Write the single figures for a note."""
    return " ".join(f"{one:.2f}" for one in figures)
