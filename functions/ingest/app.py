"""The ingest function: a timed event fills the queue with what is to be polled, a message of the queue polls and indexes it."""

from __future__ import annotations

import gc
from typing import Any

gc.disable()  # What is imported stays: looking through it again and again meanwhile takes 12 ms of a cold start.

from newswire.handlers.ingest import IngestFunction
from newswire.settings import read_settings

_function = IngestFunction(read_settings())
_function.load()
gc.freeze()
gc.enable()


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Carry out one event of EventBridge or of SQS."""
    return _function.handle(event, context)
