"""A tick over feeds that did not change, against a bare urllib3 pool that makes the same conditional requests."""

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
from bench.measurement import ROOT, Measurement, SkippedError, alternated, compared, listed
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
"""Beyond the longest interval with its jitter, and several of them within the day after which documents come whole."""
SERVER_WAIT_S = 10


@contextmanager
def feed_server() -> Iterator[int]:
    """Run the publisher in a process of its own; gives its port."""
    command = [sys.executable, "-m", "bench.feed_server"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as server:
        try:
            line = server.stdout.readline() if server.stdout else ""
            if not line:
                msg = f"Skipped: this machine gives no port on all of {ADDRESSES[0]} to {ADDRESSES[-1]}."
                raise SkippedError(msg)
            yield int(line)
        finally:
            server.terminate()


def urls_of(port: int, count: int = FEEDS) -> list[str]:
    """Give the addresses of so many feeds, spread over the hosts."""
    return [f"http://{ADDRESSES[number % len(ADDRESSES)]}:{port}/feed/{number}" for number in range(count)]


class Polling:
    """A newswire whose clock can be set forward, with feeds that have been polled once."""

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
        """Make all feeds due, and give the seconds of a tick in which none of them changed."""
        self._forward += FORWARD
        return self._tick(NotModified)

    def _tick(self, wanted: type[Fetched | NotModified]) -> float:
        reports: list[BatchReport] = []

        def carry_out(batches: list[Batch]) -> None:
            reports.append(run_batches(self._app, batches))

        started = time.perf_counter()
        tick(self._app, InlineQueue(carry_out))
        took = time.perf_counter() - started
        right = sum(isinstance(one.outcome, wanted) for report in reports for one in report.polled)
        if right != self._count:
            msg = f"{right} of {self._count} feeds came as {wanted.__name__}."
            raise RuntimeError(msg)
        return took

    def close(self) -> None:
        """Give back what is open."""
        self._app.close()


class BarePool:
    """The requests alone: as many threads, one host after another in each, one feed of a host after another."""

    def __init__(self, urls: Sequence[str], settings: Settings) -> None:
        self._width = min(settings.poll_concurrency, len(ADDRESSES))
        self._headers = {"User-Agent": settings.user_agent, "Accept-Encoding": "gzip", "If-None-Match": ETAG}
        self._pool = urllib3.PoolManager(num_pools=64, maxsize=1, retries=False)
        self._hosts = [urls[start :: len(ADDRESSES)] for start in range(len(ADDRESSES))]

    def unchanged(self) -> float:
        """Give the seconds in which every feed was asked for once."""
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
    """Poll unchanged feeds with both, in turns."""
    times = 3 if quick else 7
    if times * FORWARD >= 23 * HOUR:  # the next tick would ask for whole documents
        msg = "There are too many ticks for one day."
        raise ValueError(msg)
    with feed_server() as port, tempfile.TemporaryDirectory(prefix="bench-tick-") as folder:
        urls = urls_of(port)
        polling = Polling(Path(folder), urls)
        bare = BarePool(urls, polling.settings)
        bare.unchanged()
        taken = alternated(polling.unchanged, bare.unchanged, times)
        polling.close()
    note = f"{FEEDS:,} feeds of {len(ADDRESSES)} hosts; ours {listed(taken[0])}, urllib3 {listed(taken[1])}"
    return compared("tick", *taken, "s", TARGET, note)
