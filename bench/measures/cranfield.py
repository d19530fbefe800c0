"""Ranking of Cranfield: questions on aerodynamics."""

from __future__ import annotations

from bench.measurement import Measurement
from bench.relevance import measure_collection

PUBLISHED = 0.367
"""A plain BM25 with k1=1.2 and b=0.75."""


def measure(quick: bool) -> Measurement:  # noqa: ARG001, FBT001 - one switch, common to all measurements
    """Give nDCG@10."""
    return measure_collection("cranfield", PUBLISHED)
