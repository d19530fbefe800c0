"""Measure ranking on SciFact, claims searched in abstracts of papers, as nDCG@10: `python -m bench scifact`.

The baseline is the figure published for BM25; the target is to reach it.
"""

from __future__ import annotations

from bench.measurement import Measurement
from bench.relevance import measure_collection

PUBLISHED = 0.679
"""nDCG@10 of BM25 with k1=0.9 and b=0.4 (Anserini, OpenSearch 3.7)."""


def measure(quick: bool) -> Measurement:  # noqa: ARG001, FBT001 - one switch, common to all measurements
    """Return nDCG@10 and the published figure."""
    return measure_collection("scifact", PUBLISHED)
