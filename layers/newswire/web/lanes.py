"""Lanes for the requests of one process: cheap ones, costly ones, and the status, each with threads and a bounded queue.

Costly searches then delay each other, and not the simple ones; a health check waits for neither.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar
from urllib.parse import parse_qs

_T = TypeVar("_T")

MAX_CHEAP_WORDS = 10
MAX_CHEAP_CHARACTERS = 100
MAX_CHEAP_SIZE = 50
STATUS_PATHS = frozenset({"/healthz", "/v1/status"})
_WORD = re.compile(r"\w+")


class Lane(Generic[_T]):
    """Runs calls in at most `threads` threads, and keeps at most `waiting` more in a queue."""

    def __init__(self, name: str, threads: int, waiting: int) -> None:
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix=name)
        self._limit = threads + waiting
        self._in_flight = 0
        self._guard = threading.Lock()

    def submit(self, call: Callable[[], _T]) -> Future[_T] | None:
        """Return the future of a call; None if the queue is full. A cancelled call that waits is not begun."""
        with self._guard:
            if self._in_flight >= self._limit:
                return None
            self._in_flight += 1
        future = self._executor.submit(call)
        future.add_done_callback(self._leave)
        return future

    def close(self) -> None:
        """Wait for the calls in progress, then end the threads."""
        self._executor.shutdown(wait=True, cancel_futures=True)

    def _leave(self, _future: Future[_T]) -> None:
        with self._guard:
            self._in_flight -= 1


class Lanes(Generic[_T]):
    """The three lanes of a process.

    One costly search runs at a time: it keeps a processor busy, and there is a process for each. With three of them a simple
    search took 18 times as long as on an idle server, with one twice as long (`python -m bench overload`).
    """

    def __init__(self) -> None:
        self._status: Lane[_T] = Lane("status", threads=1, waiting=100)
        self._cheap: Lane[_T] = Lane("answer", threads=12, waiting=120)
        self._costly: Lane[_T] = Lane("search", threads=1, waiting=8)

    def submit(self, path: str, query: bytes, call: Callable[[], _T]) -> Future[_T] | None:
        """Return the future of the call that answers this request; None if its lane is full."""
        if path in STATUS_PATHS:
            return self._status.submit(call)
        return (self._costly if is_costly(path, query) else self._cheap).submit(call)

    def close(self) -> None:
        """Wait for the calls in progress, then end the threads."""
        for lane in (self._status, self._cheap, self._costly):
            lane.close()


def is_costly(path: str, query: bytes) -> bool:
    """Return whether a request may take many times as long as a simple search, as far as its URL tells.

    Measured over 251,270 items: a search of one or two words takes 2 ms; 64 words, or a prefix of one letter, 500 ms.
    """
    if path not in {"/", "/v1/search"}:
        return False
    parameters = parse_qs(query.decode("latin-1"), encoding="utf-8", errors="replace")
    sizes = [value.strip() for value in parameters.get("size", ())]
    if any(not size.isascii() or not size.isdigit() or int(size[:6]) > MAX_CHEAP_SIZE for size in sizes):
        return True
    if any("content" in value for value in parameters.get("highlight", ())):
        return True
    words = " ".join(parameters.get("q", ()))
    return "*" in words or len(words) > MAX_CHEAP_CHARACTERS or len(_WORD.findall(words)) > MAX_CHEAP_WORDS
