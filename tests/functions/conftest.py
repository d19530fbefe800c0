"""Fixtures for the log lines of the functions."""

import io
import json
import logging

import pytest


@pytest.fixture(autouse=True)
def _logger_as_it_was():
    logger = logging.getLogger("newswire")
    before = {**vars(logger), "handlers": list(logger.handlers), "filters": list(logger.filters)}
    yield
    vars(logger).clear()
    vars(logger).update(before)


@pytest.fixture
def logged():
    """Return a function that parses the lines logged since its `attach` call."""
    stream = io.StringIO()

    def lines() -> list[dict]:
        return [json.loads(line) for line in stream.getvalue().splitlines()]

    def attach() -> None:
        for handler in logging.getLogger("newswire").handlers:
            if isinstance(handler, logging.StreamHandler):
                handler.setStream(stream)

    lines.attach = attach
    return lines
