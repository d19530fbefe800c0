"""Recency: how much newer items gain by relevance. Pure.

A score is BM25 times 1 + weight x step, the same in every engine. The step falls from 1 in equal parts to 0 at the
last of the ages (1, 7, 30 and 365 days unless set): an item less than a day old gains the whole weight. Factors, not
bonuses, since engines scale BM25 differently (docs/relevance.md).
"""

from __future__ import annotations

from collections.abc import Sequence

from newswire.clock import DAY, Instant
from newswire.engines.query import RecencyBand


def bands_of(weight: float, steps_days: Sequence[int], now: Instant) -> tuple[RecencyBand, ...]:
    """Give the bands of publication, the newest first, with the factor of each; empty where recency is off.

    Items before the last band have the factor 1.
    """
    if not weight:
        return ()
    count = len(steps_days)
    return tuple(
        RecencyBand(now - days * DAY, 1 + weight * (count - position) / count)
        for position, days in enumerate(steps_days)
    )
