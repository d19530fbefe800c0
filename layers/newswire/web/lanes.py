"""Lanes for the requests of one process, by what they cost: each has its threads and a bounded queue.

Costly requests then delay each other, and not the simple ones; a health check waits for nothing.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, Literal, TypeVar
from urllib.parse import parse_qs

_T = TypeVar("_T")
Cost = Literal["health", "status", "simple", "broad", "costly"]

MAX_WAIT_SECONDS = 8.0
"""Maximum time that a request should wait in its lane: more requests than that takes are refused."""
MIN_WAITING = 8
MAX_WAITING = 200
WEIGHT = 0.2
"""Weight of the newest call in the moving average of a lane's times."""

MAX_SIMPLE_SIZE = 20
MAX_BROAD_SIZE = 50
MAX_WORDS = 10
MAX_CHARACTERS = 100
_SMALL_NUMBER = re.compile(r"[0-9]{1,5}")
_WORD = re.compile(r"\w+")
_SEARCHES = frozenset({"/", "/v1/search"})


class Lane(Generic[_T]):
    """Runs calls in at most `threads` threads, and keeps more in a queue as long as they need not wait for too long."""

    def __init__(self, name: str, threads: int, usual_s: float = 0.01, waiting: int | None = None) -> None:
        """Make a lane whose calls usually take `usual_s` seconds; `waiting` fixes the length of its queue."""
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix=name)
        self._threads = threads
        self._usual_s = usual_s
        self._waiting = waiting
        self._in_flight = 0
        self._guard = threading.Lock()

    def submit(self, call: Callable[[], _T]) -> Future[_T] | None:
        """Return the future of a call; None if the queue is full. A cancelled call that waits is not begun."""
        with self._guard:
            if self._in_flight >= self._threads + self._room():
                return None
            self._in_flight += 1
        future = self._executor.submit(self._timed, call)
        future.add_done_callback(self._leave)
        return future

    def close(self) -> None:
        """Wait for the calls in progress, then end the threads."""
        self._executor.shutdown(wait=True, cancel_futures=True)

    def _room(self) -> int:
        if self._waiting is not None:
            return self._waiting
        return max(MIN_WAITING, min(MAX_WAITING, int(MAX_WAIT_SECONDS * self._threads / self._usual_s)))

    def _timed(self, call: Callable[[], _T]) -> _T:
        started = time.monotonic()
        try:
            return call()
        finally:
            took_s = max(0.001, time.monotonic() - started)
            self._usual_s += WEIGHT * (took_s - self._usual_s)

    def _leave(self, _future: Future[_T]) -> None:
        with self._guard:
            self._in_flight -= 1


class Lanes(Generic[_T]):
    """The lanes of a process.

    One costly search runs at a time: it keeps a processor busy, and there is a process for each. With three of them a simple
    search took 18 times as long as on an idle server, with one twice as long (`python -m bench overload`).
    """

    def __init__(self) -> None:
        self._lanes: dict[Cost, Lane[_T]] = {
            "health": Lane("health", threads=1, waiting=100),
            "status": Lane("status", threads=1, waiting=100),
            "simple": Lane("simple", threads=12),
            "broad": Lane("broad", threads=2, usual_s=0.05),
            "costly": Lane("costly", threads=1, usual_s=0.5),
        }

    def submit(self, path: str, query: bytes, call: Callable[[], _T]) -> Future[_T] | None:
        """Return the future of the call that answers this request; None if its lane is full."""
        return self._lanes[cost_of(path, query)].submit(call)

    def close(self) -> None:
        """Wait for the calls in progress, then end the threads."""
        for lane in self._lanes.values():
            lane.close()


def cost_of(path: str, query: bytes) -> Cost:
    """Return what a request may cost, as far as its URL tells.

    Measured over 251,270 items: a search of one or two words takes 2 ms, with facets or as a page 50 ms; 64 words, or a
    prefix of one letter, take 500 ms. 50 items with 200 kB of content each take 1.5 s as a feed.
    """
    if path == "/healthz":
        return "health"
    if path == "/v1/status":
        return "status"
    parameters = parse_qs(query.decode("latin-1"), encoding="utf-8", errors="replace")
    if path == "/v1/items":
        return "broad" if ",".join(parameters.get("ids", ())).count(",") >= MAX_SIMPLE_SIZE else "simple"
    if path not in _SEARCHES:
        return "broad" if path.startswith("/feeds/") else "simple"
    size = _size_of(parameters)
    if size > MAX_BROAD_SIZE or "content" in _joined(parameters, "highlight") or _has_many_words(parameters):
        return "costly"
    is_broad = path == "/" or size > MAX_SIMPLE_SIZE or "content" in _joined(parameters, "fields")
    is_broad = is_broad or any(name in parameters for name in ("facets", "histogram"))
    return "broad" if is_broad or _joined(parameters, "format") not in {"", "json"} else "simple"


def _joined(parameters: dict[str, list[str]], name: str) -> str:
    return ",".join(parameters.get(name, ()))


def _size_of(parameters: dict[str, list[str]]) -> int:
    """Return the number of items that are asked for; any other text than a small number counts as many."""
    sizes = (value.strip() for value in parameters.get("size", ()))
    return max((int(size) if _SMALL_NUMBER.fullmatch(size) else 1_000 for size in sizes), default=0)


def _has_many_words(parameters: dict[str, list[str]]) -> bool:
    words = " ".join(parameters.get("q", ()))
    return "*" in words or len(words) > MAX_CHARACTERS or len(_WORD.findall(words)) > MAX_WORDS
