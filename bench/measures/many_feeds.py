"""Measure a search with many feeds, in milliseconds: `python -m bench many_feeds`.

The same fifty searches run over the same year of news, with the statuses of 10, 10,000 and 100,000 feeds. The baseline is
the search with 10, and the target is a ratio of at most 1.1. `many_feeds_opensearch` is the same on OpenSearch.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from statistics import mean

import msgspec

from bench.measurement import Measurement
from bench.mix import Search, fifty
from bench.year import AT_THE_END, loaded_year
from newswire.clock import HOUR
from newswire.engines import SearchEngine
from newswire.engines.tantivy.engine import TantivyEngine
from newswire.model import FeedStatus, FetchLine, Gap
from newswire.search.answer import search
from newswire.search.request import read_search
from newswire.web.search_answers import answer_out

COUNTS = (10, 10_000, 100_000)
TARGET = 1.1
ROUNDS = 7
GRACE_S = 900


def measure(quick: bool) -> Measurement:  # noqa: FBT001 - one switch, common to all measurements
    """Return the milliseconds of a search with the most feeds and with the fewest."""
    _lines, data = loaded_year(quick)
    with tempfile.TemporaryDirectory(prefix="bench-feeds-", dir=data.parent) as folder:
        engines = {count: _engine(data / "index", Path(folder) / str(count), count) for count in COUNTS}
        return compare(engines, 3 if quick else ROUNDS, "many_feeds")


def compare(engines: Mapping[int, SearchEngine], rounds: int, name: str) -> Measurement:
    """Run the searches on every engine in turns; return the slowest mean beside that with the fewest feeds."""
    seconds: dict[int, list[float]] = {count: [] for count in engines}
    for number in range(rounds + 1):
        for one in fifty():
            for count in sorted(engines, reverse=bool(number % 2)):
                started = time.perf_counter()
                _ask(engines[count], one)
                if number:  # the first round is the warm-up
                    seconds[count].append((time.perf_counter() - started) * 1000)
    means = {count: mean(taken) for count, taken in seconds.items()}
    slowest = max(means.values())
    base = means[min(means)]
    note = "ms a search with " + ", ".join(f"{count:,} feeds {taken:.2f}" for count, taken in means.items())
    return Measurement(name, round(slowest, 3), round(base, 3), "ms", round(slowest / base, 3), TARGET, note)


def statuses(count: int) -> Iterable[FeedStatus]:
    """Yield the statuses of so many feeds: one in a hundred fails, and one in fifty has a gap."""
    line = FetchLine(AT_THE_END - HOUR, 200, 25_000, 310, seq=7, new=1, changed=0, unchanged=24)
    for number in range(count):
        yield FeedStatus(
            id=f"feed-{number:06d}",
            rev=1,
            title=f"Feed number {number}",
            description="",
            link="https://news.example/",
            url="https://news.example/feed.xml",
            kind="rss",
            last_checked=AT_THE_END - HOUR + number,
            last_success=AT_THE_END - HOUR + number,
            next_check=AT_THE_END + HOUR + number,
            failing_since=None,
            error_code="timeout" if number % 100 == 0 else None,
            error="The server did not answer." if number % 100 == 0 else None,
            paused=None,
            items=0,
            newest=AT_THE_END - number,
            per_day=3.4,
            behind=False,
            fetches=(line,) * 20,
            gaps=(Gap(AT_THE_END - 30 * HOUR, AT_THE_END - 20 * HOUR),) if number % 50 == 0 else (),
        )


def publish_all(engine: SearchEngine, count: int, part: int = 10_000) -> None:
    """Publish the statuses of so many feeds."""
    waiting = list(statuses(count))
    for start in range(0, count, part):
        engine.publish(waiting[start : start + part])


def _engine(index: Path, folder: Path, count: int) -> SearchEngine:
    """Return an engine over hard links to the files of an index, with the statuses of so many feeds."""
    for file in index.rglob("*"):
        if file.is_file() and not file.name.startswith("status.sqlite"):
            target = folder / file.relative_to(index)
            target.parent.mkdir(parents=True, exist_ok=True)
            os.link(file, target)
    engine = TantivyEngine(folder)
    publish_all(engine, count)
    return engine


def _ask(engine: SearchEngine, one: Search) -> bytes:
    request = read_search({name: [value] for name, value in one.sent.items()}, AT_THE_END)
    return msgspec.json.encode(answer_out(search(engine, request, lambda: AT_THE_END, GRACE_S)))
