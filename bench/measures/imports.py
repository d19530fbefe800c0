"""Measure the imports of a cold start of the search side, in milliseconds: `python -m bench imports`.

The baseline imports only its third-party libraries. There is no target.
"""

from __future__ import annotations

import sys

from bench.measurement import Measurement, compare_times, run_alone, time_in_turns

OURS = "import newswire.web.api, newswire.app"
THIRD_PARTY = "import aws_lambda_powertools.event_handler, msgspec, Stemmer"


def measure(quick: bool) -> Measurement:  # noqa: FBT001 - one switch, common to all measurements
    """Start an interpreter for each in turns, after a warm-up."""

    def run(program: str) -> float:
        return run_alone([sys.executable, "-c", program]).wall_s * 1000

    run(OURS)
    ours, others = time_in_turns(lambda: run(OURS), lambda: run(THIRD_PARTY), 5 if quick else 15)
    empty = min(run("pass") for _ in range(3))
    note = f"both include {empty:.0f} ms of the interpreter; fastest {min(ours):.0f} and {min(others):.0f} ms"
    return compare_times("imports", ours, others, "ms", None, note)
