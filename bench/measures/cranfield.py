"""Measure ranking on Cranfield, questions on aerodynamics, as nDCG@10: `python -m bench cranfield`.

The baseline is the figure published for BM25; the target is to reach it.
"""

from __future__ import annotations

from bench.measurement import Measurement
from bench.relevance import measure_collection

PUBLISHED = 0.367
"""nDCG@10 of a plain BM25 with k1=1.2 and b=0.75."""


def measure(quick: bool) -> Measurement:  # noqa: ARG001, FBT001 - one switch, common to all measurements
    """Return nDCG@10 and the published figure."""
    return measure_collection("cranfield", PUBLISHED)
