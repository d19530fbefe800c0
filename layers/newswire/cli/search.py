"""`newswire search`: the same search as /v1/search, printed."""

from __future__ import annotations

import argparse

from newswire.app import App
from newswire.cli import OK, USAGE
from newswire.cli.console import complain, place_of, say_json, show_result
from newswire.cli.search_options import SEARCH_OPTIONS, option_of
from newswire.search.answer import search as search_engine
from newswire.search.parameter_reader import BadParametersError, sentence_of
from newswire.search.recency import bands_of
from newswire.search.request import read_search


def search(app: App, arguments: argparse.Namespace) -> int:
    """Search once and print the result; print every wrong option at once."""
    parameters = {
        option.name: [value] for option in SEARCH_OPTIONS if (value := getattr(arguments, option.name)) is not None
    }
    if arguments.words:
        parameters["q"] = [" ".join(arguments.words)]
    settings = app.settings
    try:
        request = read_search(
            parameters, app.clock(), lambda now: bands_of(settings.recency_weight, settings.recency_days, now)
        )
        result = search_engine(app.engine, request, app.clock, settings.stale_grace_seconds)
    except BadParametersError as error:
        for problem in error.problems:
            name = "the words" if problem.param == "q" else option_of(problem.param)
            complain(f"newswire: {sentence_of(problem, name)}")
        return USAGE
    if arguments.json:
        from newswire.web.search_answers import answer_out  # noqa: PLC0415 - for this option only

        say_json(answer_out(result))
    else:
        show_result(result, place_of(app.settings))
    return OK
