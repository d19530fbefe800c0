"""Measure fifty searches over a year of news, in milliseconds: `python -m bench search`.

A search goes from its parameters to the answer as JSON, in this process. The baseline is a plain tantivy query with the
same filters, which reads the same stored bytes. Both run in turns, after a check that their totals are equal. The
target is a ratio of at most 2. The note also gives the times over HTTP and with recency.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from statistics import median, quantiles
from urllib.parse import urlencode

import msgspec

from bench.bare_search import BareIndex
from bench.measurement import Measurement
from bench.mix import Search, fifty
from bench.served import Served
from bench.year import AT_THE_END, loaded_year
from newswire.app import App
from newswire.clock import system_clock
from newswire.engines import SearchEngine
from newswire.search.answer import search
from newswire.search.recency import bands_of
from newswire.search.request import read_search
from newswire.settings import Settings
from newswire.web.search_answers import answer_out

TARGET = 2.0
MOST_P99 = 20.0
MOST_HTTP_MS = 3.0
ROUNDS = 15


def measure(quick: bool) -> Measurement:  # noqa: FBT001 - one switch, common to all measurements
    """Return the median of all samples of ours and of the bare queries."""
    _lines, data = loaded_year(quick)
    mix = list(fifty())
    app = App(Settings(data=str(data)))
    bare = BareIndex(data)
    plain = [partial(_ours, app.engine, each, 0.0) for each in mix]
    recent = [partial(_ours, app.engine, each, Settings().recency_weight) for each in mix]
    bares = [partial(bare.found, each.bare, each.size, each.sort, each.facets, each.edges) for each in mix]
    for each, ours, other in zip(mix, plain, bares, strict=True):
        total, expected = json.loads(ours())["total"]["value"], other()[0]
        if total != expected:
            msg = f"{dict(each.sent)} finds {total} items, but the bare query finds {expected}."
            raise RuntimeError(msg)
    seconds = _in_turns((plain, bares, recent), 3 if quick else ROUNDS)
    app.close()
    http = _over_http(data, mix, 3 if quick else ROUNDS)
    middle, base, with_recency = (median(search) for search in seconds)
    p99 = quantiles(seconds[0], n=100)[98]
    more = median(http) - middle
    note = (
        f"{len(mix)} searches, median of {len(seconds[0])}; p99 {p99:.1f} ms, {p99 / middle:.1f} times our median "
        f"(at most {MOST_P99:.0f}: {_kept(p99 <= MOST_P99 * middle)}); bare p99 {quantiles(seconds[1], n=100)[98]:.1f} ms; "
        f"over HTTP {median(http):.2f} ms, {more:.2f} more (at most {MOST_HTTP_MS:.0f}: {_kept(more <= MOST_HTTP_MS)}); "
        f"with recency {with_recency:.2f} ms, p99 {quantiles(seconds[2], n=100)[98]:.1f}"
    )
    return Measurement("search", round(middle, 3), round(base, 3), "ms", round(middle / base, 3), TARGET, note)


def _ours(engine: SearchEngine, one: Search, weight: float) -> bytes:
    sent = {name: [value] for name, value in one.sent.items()}
    request = read_search(sent, AT_THE_END, lambda now: bands_of(weight, Settings().recency_days, now))
    return msgspec.json.encode(answer_out(search(engine, request, system_clock, 3600)))


def _in_turns(kinds: Sequence[Sequence[Callable[[], object]]], rounds: int) -> tuple[list[float], ...]:
    """Run every search of every kind in turns; return the milliseconds of each kind."""
    seconds: tuple[list[float], ...] = tuple([] for _ in kinds)
    for _ in range(rounds):
        for together in zip(*kinds, strict=True):
            for kind, ask in enumerate(together):
                started = time.perf_counter()
                ask()
                seconds[kind].append((time.perf_counter() - started) * 1000)
    return seconds


def _over_http(data: Path, mix: Iterable[Search], rounds: int) -> list[float]:
    targets = [f"/v1/search?{urlencode(search.sent)}" for search in mix]
    seconds = []
    with Served(data, NEWSWIRE_RECENCY_WEIGHT="0") as served:
        for target in targets:
            served.ask(target)
        for _ in range(rounds):
            for target in targets:
                started = time.perf_counter()
                served.ask(target)
                seconds.append((time.perf_counter() - started) * 1000)
    return seconds


def _kept(is_kept: bool) -> str:  # noqa: FBT001 - the question itself
    return "kept" if is_kept else "MISSED"
