"""Bound the memory of documents that were fetched and wait to be archived."""

from __future__ import annotations

import threading


class WaitingRoom:
    """Bytes of documents that wait for the writing thread. A thread waits to add its own while there are too many."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._used = 0
        self._is_closed = False
        self._changed = threading.Condition()

    def take(self, size: int) -> None:
        """Add a document; wait unless there is room for it, or no other document waits."""
        with self._changed:
            self._changed.wait_for(lambda: self._is_closed or not self._used or self._used + size <= self._most)
            self._used += size

    def give(self, size: int) -> None:
        """Remove a document that was archived."""
        with self._changed:
            self._used -= size
            self._changed.notify_all()

    def close(self) -> None:
        """Wake every thread: nobody archives any more."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()
