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


class Logged:
    """Parse the lines that were logged since `attach`."""

    def __init__(self) -> None:
        self._stream = io.StringIO()

    def attach(self) -> None:
        for handler in logging.getLogger("newswire").handlers:
            if isinstance(handler, logging.StreamHandler):
                handler.setStream(self._stream)

    def __call__(self) -> list[dict]:
        return [json.loads(line) for line in self._stream.getvalue().splitlines()]


@pytest.fixture
def logged() -> Logged:
    return Logged()
