"""Measure deep paging, in milliseconds per page: `python -m bench last_page`.

The figure is the last page of a walk by date over a year of news, and the baseline is the first page. The target is a
ratio of at most 2.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

from bench.api import make_in_process_client
from bench.measurement import Measurement, compare_times, time_in_turns
from bench.year import loaded_year
from newswire.app import App
from newswire.settings import Settings

TARGET = 2.0
SIZE = "20"
STEP = "200"


def measure(quick: bool) -> Measurement:  # noqa: FBT001 - one switch, common to all measurements
    """Walk to the end once, then request the first and the last page in turns."""
    _lines, data = loaded_year(quick)
    app = App(Settings(data=str(data)))
    ask = make_in_process_client(app)
    sent = {"sort": "newest", "size": STEP}
    pages, cursor = 0, ""
    while True:
        page = ask("/v1/search", {**sent, **({"cursor": cursor} if cursor else {})})
        pages += 1
        if page["next"] is None:
            break
        cursor = str(page["next"])

    def timed(call: Callable[[], object]) -> float:
        started = time.perf_counter()
        call()
        return (time.perf_counter() - started) * 1000

    size = str(len(page["items"]))  # request both pages with the size of the last one
    last = partial(ask, "/v1/search", {**sent, "size": size, "cursor": cursor})
    first = partial(ask, "/v1/search", {**sent, "size": size})
    seconds = time_in_turns(lambda: timed(last), lambda: timed(first), 50 if quick else 300)
    app.close()
    note = f"page {pages:,} of {pages:,} by newest against page 1, {size} items each"
    return compare_times("last_page", *seconds, "ms", TARGET, note)
