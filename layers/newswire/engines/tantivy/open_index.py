"""An open tantivy index, and the stamps of files that show when it must be opened again."""

from __future__ import annotations

import os
from functools import cached_property
from typing import Any

from tantivy import Order, Query

from newswire.clock import Instant

Stamp = tuple[int, int]
"""The modification time and the inode of a file."""


def stamp_of(path: str) -> Stamp:
    """Return a stamp that changes whenever the file is replaced; zeros if it does not exist."""
    try:
        stat = os.stat(path)  # noqa: PTH116 - called twice per search, and a Path would take as long as the call
    except FileNotFoundError:
        return 0, 0
    return stat.st_mtime_ns, stat.st_ino


class OpenIndex:
    """An index that is open for reading, in the state that its files had at this stamp."""

    def __init__(self, generation: int, index: Any, current: Stamp, meta: str, stamp: Stamp) -> None:
        self.generation = generation
        self.index = index
        self.current = current
        """The stamp of the file that names the current generation."""
        self.meta = meta
        self.searcher = index.searcher()
        self.stamp = stamp
        """The stamp of the file at `meta`, which each commit replaces."""

    @cached_property
    def published(self) -> tuple[Instant, Instant] | None:
        """The first and the last publication in the index; None if it is empty."""
        ends = []
        for order in (Order.Asc, Order.Desc):
            result = self.searcher.search(Query.all_query(), 1, count=False, order_by_field="published", order=order)
            ends += [at for at, _address in result.hits]
        return (ends[0], ends[1]) if ends else None
