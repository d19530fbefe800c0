"""The ingest function: a timed event fills the queue with what is to be polled, a message of the queue polls and indexes it."""

from __future__ import annotations

from typing import Any

from newswire.ingest_events import IngestFunction
from newswire.settings import read_settings

_function = IngestFunction(read_settings())


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Carry out one event of EventBridge or of SQS."""
    return _function.handle(event, context)
