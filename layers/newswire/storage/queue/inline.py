"""Work carried out at once, in this process: the queue of one machine."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from newswire.model import Batch


class InlineQueue:
    """`WorkQueue` that hands all batches of a call to a function together, before `put` returns."""

    def __init__(self, carry_out: Callable[[list[Batch]], object]) -> None:
        self._carry_out = carry_out

    def put(self, batches: Iterable[Batch]) -> None:
        together = list(batches)
        if together:
            self._carry_out(together)

    def waiting(self) -> None:
        """Nothing waits: `put` returns when all is carried out."""
