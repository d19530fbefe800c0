"""Measure the time of a page without the engine, in milliseconds: `python -m bench page`.

The pages are those of a year of news. The baseline is a limit of 5 ms for the slowest page, and the target is to stay
below it. The note also gives the longest HTML, which must not exceed 60 kB.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlencode

from bench.measurement import Measurement
from bench.mix import fifty
from bench.year import AT_THE_END, loaded_year
from newswire.app import App
from newswire.settings import Settings
from newswire.web.pages.forms import SEARCH_FIELDS
from tests.support.transports import AsEvents, rest_event

MOST_MS = 5.0
MOST_BYTES = 60_000
ROUNDS = 20
QUICK_ROUNDS = 3


class Timed:
    """Wrap an engine, and add up the seconds that it is busy."""

    def __init__(self, engine: Any) -> None:  # noqa: ANN401 - it stands for whatever it is given
        self._engine = engine
        self.busy = 0.0

    def __getattr__(self, name: str) -> Callable[..., Any]:
        """Return a timed method of the engine."""
        method = getattr(self._engine, name)

        def timed(*arguments: Any, **named: Any) -> Any:  # noqa: ANN401 - as above
            started = time.perf_counter()
            try:
                return method(*arguments, **named)
            finally:
                self.busy += time.perf_counter() - started

        return timed


def measure(quick: bool) -> Measurement:  # noqa: FBT001 - one switch, common to all measurements
    """Request pages of searches, feeds and items with 20 items each; return their time without the engine."""
    _lines, data = loaded_year(quick)
    app = App(Settings(data=str(data)), clock=lambda: AT_THE_END)
    engine = Timed(app.engine)
    app.engine = engine
    api = AsEvents(app)
    results = api.ask("/v1/search?size=40").json()["items"]
    targets = [
        "/",
        *(f"/feeds/{value['feed']}" for value in results[:20]),
        *(f"/items/{value['id']}" for value in results),
    ]
    targets += [f"/?{urlencode(text)}" for text in map(_for_a_page, (search.sent for search in fifty()))]
    own: dict[str, list[float]] = {}
    longest = 0
    for target in [target for target in targets for _ in range(QUICK_ROUNDS if quick else ROUNDS)]:
        event = rest_event(target)
        engine.busy = 0.0
        started = time.perf_counter()
        answered = api.answered(event)
        own.setdefault(target, []).append((time.perf_counter() - started - engine.busy) * 1000)
        if answered["statusCode"] != 200:
            msg = f"{event['path']}: {answered['statusCode']}"
            raise RuntimeError(msg)
        longest = max(longest, len(answered["body"].encode()))
    app.close()
    slowest = max(map(statistics.median, own.values()))
    all_of_them = sorted(value for each in own.values() for value in each)
    note = (
        f"ms of the slowest of {len(own)} pages without the engine (median of {len(own['/'])} rounds), limit 5; all pages: "
        f"median {statistics.median(all_of_them):.1f}, p99 {all_of_them[len(all_of_them) * 99 // 100]:.1f}; "
        f"longest page of 20 items {longest / 1000:.1f} kB of at most {MOST_BYTES // 1000}"
    )
    if longest > MOST_BYTES:
        note = f"TOO LONG: {note}"
    return Measurement("page", round(slowest, 2), MOST_MS, "ms", round(slowest / MOST_MS, 3), 1.0, note)


def _for_a_page(said: Mapping[str, str]) -> dict[str, str]:
    """Return the parameters of a search that the page has a field for, without `size`: pages have 20 items."""
    return {name: value for name, value in said.items() if name in SEARCH_FIELDS and name != "size"}
