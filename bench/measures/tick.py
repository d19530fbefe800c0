"""Measure a tick over 1,000 unchanged feeds, in seconds: `python -m bench tick`.

The baseline is a bare urllib3 pool that sends the same conditional requests. The target is a ratio of at most 1.5.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import urllib3

from bench.feed_server import ADDRESSES, ETAG
from bench.measurement import ROOT, Measurement, SkippedError, compare_times, join_figures, time_in_turns
from newswire.app import App
from newswire.clock import HOUR, Instant, system_clock
from newswire.ingest.poll import BatchReport, run_batches
from newswire.ingest.tick import tick
from newswire.model import Batch, Feed, Fetched, NotModified
from newswire.settings import Settings
from newswire.storage.queue.inline import InlineQueue

TARGET = 1.5
FEEDS = 1_000
LONGEST_INTERVAL_S = 3_600
FORWARD: Instant = 70 * 60_000
"""Milliseconds between ticks: longer than any interval, and short enough for several ticks before a full fetch."""
SERVER_WAIT_S = 10


@contextmanager
def feed_server() -> Iterator[int]:
    """Run the publisher in its own process, and yield its port."""
    command = [sys.executable, "-m", "bench.feed_server"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as server:
        try:
            line = server.stdout.readline() if server.stdout else ""
            if not line:
                msg = f"Skipped: no port is free on all of {ADDRESSES[0]} to {ADDRESSES[-1]}."
                raise SkippedError(msg)
            yield int(line)
        finally:
            server.terminate()


def urls_of(port: int, count: int = FEEDS) -> list[str]:
    """Return the URLs of `count` feeds, spread over the hosts."""
    return [f"http://{ADDRESSES[number % len(ADDRESSES)]}:{port}/feed/{number}" for number in range(count)]


class Polling:
    """A newswire with a clock that can be set forward, whose feeds were polled once."""

    def __init__(self, folder: Path, urls: Sequence[str]) -> None:
        self._forward: Instant = 0
        settings = Settings(
            data=str(folder), fetch_allow_private=True, fetch_ports="", poll_maximum_seconds=LONGEST_INTERVAL_S
        )
        self.settings = settings
        self._app = App(settings, clock=lambda: system_clock() + self._forward)
        for number, url in enumerate(urls):
            self._app.feeds.put(Feed(id=f"feed-{number:04d}", url=url), self._app.clock())
        self._count = len(urls)
        self._tick(Fetched)

    def unchanged(self) -> float:
        """Make all feeds due; return the seconds of a tick in which none of them changed."""
        self._forward += FORWARD
        return self._tick(NotModified)

    def _tick(self, wanted: type[Fetched | NotModified]) -> float:
        reports: list[BatchReport] = []

        def carry_out(batches: list[Batch]) -> None:
            reports.append(run_batches(self._app, batches))

        started = time.perf_counter()
        tick(self._app, InlineQueue(carry_out))
        took = time.perf_counter() - started
        right = sum(isinstance(polled.outcome, wanted) for report in reports for polled in report.polled)
        if right != self._count:
            msg = f"All {self._count} feeds must give {wanted.__name__}, got {right}."
            raise RuntimeError(msg)
        return took

    def close(self) -> None:
        """Close the newswire."""
        self._app.close()


class BarePool:
    """The requests alone: as many threads as newswire uses, each with one host and one feed at a time."""

    def __init__(self, urls: Sequence[str], settings: Settings) -> None:
        self._width = min(settings.poll_concurrency, len(ADDRESSES))
        self._headers = {"User-Agent": settings.user_agent, "Accept-Encoding": "gzip", "If-None-Match": ETAG}
        self._pool = urllib3.PoolManager(num_pools=64, maxsize=1, retries=False)
        self._hosts = [urls[start :: len(ADDRESSES)] for start in range(len(ADDRESSES))]

    def unchanged(self) -> float:
        """Return the seconds in which every feed was requested once."""
        started = time.perf_counter()
        with ThreadPoolExecutor(self._width) as threads:
            statuses = [status for host in threads.map(self._host, self._hosts) for status in host]
        took = time.perf_counter() - started
        if set(statuses) != {304}:
            msg = f"The publisher answered {sorted(set(statuses))}."
            raise RuntimeError(msg)
        return took

    def _host(self, urls: Sequence[str]) -> list[int]:
        return [self._pool.request("GET", url, headers=self._headers, redirect=False).status for url in urls]


def measure(quick: bool) -> Measurement:  # noqa: FBT001 - one switch, common to all measurements
    """Poll unchanged feeds with both in turns."""
    times = 3 if quick else 7
    if times * FORWARD >= 23 * HOUR:  # the next tick would fetch whole documents
        msg = "There are too many ticks for one day."
        raise ValueError(msg)
    with feed_server() as port, tempfile.TemporaryDirectory(prefix="bench-tick-") as folder:
        urls = urls_of(port)
        polling = Polling(Path(folder), urls)
        bare = BarePool(urls, polling.settings)
        bare.unchanged()
        seconds = time_in_turns(polling.unchanged, bare.unchanged, times)
        polling.close()
    note = f"{FEEDS:,} feeds of {len(ADDRESSES)} hosts; ours {join_figures(seconds[0])}, urllib3 {join_figures(seconds[1])}"
    return compare_times("tick", *seconds, "s", TARGET, note)
