"""Measure the time from process start to the first answer, in milliseconds: `python -m bench opening`.

The answer is a search over a year of news, without HTTP. The baseline is a limit of 300 ms, and the target is to stay
below it.
"""

from __future__ import annotations

import sys
from statistics import median

from bench.measurement import Measurement, run_alone
from bench.year import loaded_year

MOST_MS = 300.0
OURS = """
import json
from aws_lambda_powertools.event_handler import APIGatewayRestResolver
from newswire.web.events import handle_event, build_api
from newswire.settings import read_settings
from newswire.app import App
app = App(read_settings())
resolver = APIGatewayRestResolver()
api = build_api(resolver, app.engine, app.settings, app.clock)
event = {"httpMethod": "GET", "path": "/v1/search", "multiValueQueryStringParameters": {"q": ["ukraine"]}}
answered = handle_event(resolver, api, event, None)
assert json.loads(answered["body"])["items"], answered
"""
BARE = """
import tantivy
from bench.bare_search import BareIndex, word
from pathlib import Path
assert BareIndex(Path({data!r})).found(word("ukraine"))[1]
"""


def measure(quick: bool) -> Measurement:  # noqa: FBT001 - one switch, common to all measurements
    """Start a process for each program in turns, after a warm-up."""
    _lines, data = loaded_year(quick)
    environ = {"NEWSWIRE_DATA": str(data)}
    programs = {"ours": OURS, "bare": BARE.format(data=str(data)), "empty": "pass"}
    seconds: dict[str, list[float]] = {name: [] for name in programs}
    run_alone([sys.executable, "-c", OURS], environ)
    for _ in range(5 if quick else 20):
        for name, program in programs.items():
            seconds[name].append(run_alone([sys.executable, "-c", program], environ).wall_s * 1000)
    ours = median(seconds["ours"])
    note = (
        f"ms from process start to the first answer of the API, slowest {max(seconds['ours']):.0f}; bare tantivy "
        f"(import, open, search): {median(seconds['bare']):.0f}; an empty interpreter: {median(seconds['empty']):.0f}"
    )
    return Measurement("opening", round(ours, 1), MOST_MS, "ms", round(ours / MOST_MS, 3), 1.0, note)
