"""Ranking of SciFact: claims looked for in abstracts of papers."""

from __future__ import annotations

from bench.measurement import Measurement
from bench.relevance import measure_collection

PUBLISHED = 0.679
"""BM25 with k1=0.9 and b=0.4 (Anserini, OpenSearch 3.7)."""


def measure(quick: bool) -> Measurement:  # noqa: ARG001, FBT001 - one switch, common to all measurements
    """Give nDCG@10."""
    return measure_collection("scifact", PUBLISHED)
