"""Compute the recency bands, which raise the relevance of newer items. Pure.

In every engine a score is BM25 x (1 + weight x step). The step falls in equal parts from 1 to 0 at the last of the ages
(default 1, 7, 30 and 365 days). An item of less than a day gains the whole weight. Bands are factors and not bonuses,
because engines scale BM25 differently (docs/relevance.md).
"""

from __future__ import annotations

from collections.abc import Sequence

from newswire.clock import DAY, Instant
from newswire.engines.query import RecencyBand


def bands_of(weight: float, steps_days: Sequence[int], now: Instant) -> tuple[RecencyBand, ...]:
    """Return the bands of publication with their factors, the newest first; none if the weight is 0.

    Older items have the factor 1.
    """
    if not weight:
        return ()
    count = len(steps_days)
    return tuple(
        RecencyBand(now - days * DAY, 1 + weight * (count - position) / count)
        for position, days in enumerate(steps_days)
    )
