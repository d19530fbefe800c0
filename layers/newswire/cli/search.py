"""`newswire search`: the same search as `/v1/search`, printed."""

from __future__ import annotations

import argparse

from newswire.app import App
from newswire.cli import OK, USAGE
from newswire.cli.console import complain, say_json, show_answer
from newswire.search.answer import answer
from newswire.search.recency import bands_of
from newswire.search.request import SEARCH_PARAMETERS, BadParametersError, read_search

OPTIONS = tuple(name for name in SEARCH_PARAMETERS if name not in {"q", "format"})
"""What can be asked for besides words; on the command line with `-` in place of `_`."""


def search(app: App, arguments: argparse.Namespace) -> int:
    """Search once; everything that is wrong with the parameters is said at once, by the names that they have here."""
    sent = {name: [value] for name in OPTIONS if (value := getattr(arguments, name)) is not None}
    if arguments.words:
        sent["q"] = [" ".join(arguments.words)]
    settings = app.settings
    try:
        request = read_search(
            sent, app.clock(), lambda now: bands_of(settings.recency_weight, settings.recency_days, now)
        )
        found = answer(app.engine, request, app.clock, settings.stale_grace_seconds)
    except BadParametersError as error:
        for problem in error.problems:
            name = "the words" if problem.param == "q" else f"--{problem.param.replace('_', '-')}"
            allowed = f" Allowed: {problem.allowed}." if problem.allowed else ""
            complain(f"newswire: {name}: {problem.detail}{allowed}")
        return USAGE
    if arguments.json:
        say_json(found)
    else:
        show_answer(found)
    return OK
