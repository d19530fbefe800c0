"""The work queue between ticks, which put batches into it, and the runs that process them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from newswire.model import Batch


class WorkQueue(Protocol):
    """Delivers batches from `ingest/tick.py` to their consumers.

    It delivers each batch at least once, perhaps several times, late or out of order. So a consumer claims the feeds of a
    batch first. Nothing depends on a batch for correctness, since the next tick finds the same feeds again.
    """

    def put(self, batches: Iterable[Batch]) -> None:
        """Accept batches. They are kept as long as this process (or the queue) exists."""

    def waiting(self) -> int | None:
        """Return the approximate number of batches that wait or are in work; None for a queue that processes them at once."""
