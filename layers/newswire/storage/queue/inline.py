"""The work queue of one machine: it processes batches at once, in this process."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from newswire.model import Batch


class InlineQueue:
    """`WorkQueue` that passes all batches of a call to one call of a function, before `put` returns."""

    def __init__(self, carry_out: Callable[[list[Batch]], object]) -> None:
        self._carry_out = carry_out

    def put(self, batches: Iterable[Batch]) -> None:
        batches = list(batches)
        if batches:
            self._carry_out(batches)

    def waiting(self) -> None:
        """Return None: `put` returns after the work is done, so no batch ever waits."""
