"""`newswire search`: the same search as `/v1/search`, printed."""

from __future__ import annotations

import argparse

from newswire.commands import OK, USAGE
from newswire.console import complain, say_json, show_answer
from newswire.search import BadParametersError, answer, read_request
from newswire.wiring import Wired


def search(wired: Wired, arguments: argparse.Namespace) -> int:
    """Search once; everything that is wrong with the parameters is said at once, by the names that they have here."""
    parameters = {
        name: [value]
        for name in ("from", "to", "feed", "sort", "size", "cursor")
        if (value := getattr(arguments, name)) is not None
    }
    if arguments.words:
        parameters["q"] = [" ".join(arguments.words)]
    try:
        request = read_request(parameters, wired.clock())
    except BadParametersError as error:
        for problem in error.problems:
            allowed = f" Allowed: {problem.allowed}." if problem.allowed else ""
            complain(f"newswire: --{problem.param}: {problem.detail}{allowed}")
        return USAGE
    found = answer(wired.engine, request, wired.clock, wired.settings.stale_grace_seconds)
    if arguments.json:
        say_json(found)
    else:
        show_answer(found)
    return OK
