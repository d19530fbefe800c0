"""Lambda entry point of ingest: queue the due feeds on a schedule; poll and index the feeds of queue messages."""

from __future__ import annotations

import gc
from typing import Any

gc.disable()  # Imported objects stay alive; scanning them repeatedly during the imports takes 12 ms of a cold start.

from newswire.handlers.ingest import IngestFunction
from newswire.settings import read_settings

_function = IngestFunction(read_settings())
_function.load()
gc.freeze()
gc.enable()


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Handle one event from EventBridge or SQS; return the failed messages as SQS expects them."""
    return _function.handle(event, context)
