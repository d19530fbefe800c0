"""The work queue: a tick puts batches in, somebody carries them out."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from newswire.model import Batch


class WorkQueue(Protocol):
    """Takes batches from `poll.tick` to whoever carries them out.

    Each batch is delivered at least once, perhaps more often, late, or out of order: whoever carries it out claims
    what is in it, and nothing depends on a batch for correctness, since the next tick finds the same feeds again.
    """

    def put(self, batches: Iterable[Batch]) -> None:
        """Take over batches; when it returns they are not forgotten as long as the process (or the queue) lives."""

    def waiting(self) -> int | None:
        """Say about how many batches wait or are being carried out; None for a queue that carries them out at once."""
