"""Measure the back-fill of a year of news with `newswire load`, in seconds: `python -m bench load`.

The baseline is a minimal tantivy program that indexes the same lines. The targets are a ratio of at most 2 and a peak
of at most 400 MiB.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from bench.measurement import Measurement, Ran, compare_times, join_figures, run_alone, time_in_turns
from bench.year import QUICK_LINES, write_lines
from newswire.settings import Settings

TARGET = 2.0
MOST_MIB = 400.0


def measure(quick: bool) -> Measurement:  # noqa: FBT001 - one switch, common to all measurements
    """Load the lines with both, each time into an empty folder."""
    settings = Settings()
    ours: list[Ran] = []
    bare: list[Ran] = []
    with tempfile.TemporaryDirectory(prefix="bench-load-") as built:
        folder = Path(built)
        source = folder / "input.jsonl"
        lines = write_lines(source, QUICK_LINES if quick else None)

        def run_ours() -> float:
            with tempfile.TemporaryDirectory(dir=folder) as data:
                command = [sys.executable, "-m", "newswire", "load", str(source)]
                ours.append(run_alone(command, {"NEWSWIRE_DATA": data}))
            return ours[-1].wall_s

        def run_bare() -> float:
            with tempfile.TemporaryDirectory(dir=folder) as index:
                program = str(Path(__file__).parents[1] / "bare_load.py")
                limits = [str(settings.index_threads), str(settings.index_heap_mb)]
                bare.append(run_alone([sys.executable, program, str(source), index, *limits]))
            return bare[-1].wall_s

        walls = time_in_turns(run_ours, run_bare, 3 if quick else 1)
    peak = max(run.peak_mib for run in ours)
    cpu = sum(run.cpu_s for run in ours) / sum(run.cpu_s for run in bare)
    note = (
        f"{lines:,} lines; ours {join_figures(walls[0])}, bare {join_figures(walls[1])}; ratio of CPU time {cpu:.2f}; "
        f"peak {peak:.0f} MiB (at most {MOST_MIB:.0f}: {'kept' if peak <= MOST_MIB else 'MISSED'}), "
        f"bare {max(run.peak_mib for run in bare):.0f} MiB"
    )
    return compare_times("load", *walls, "s", TARGET, note)
