"""The search function: a request of API Gateway is answered from OpenSearch."""

from __future__ import annotations

import gc
from typing import Any

gc.disable()  # What is imported stays: looking through it again and again meanwhile takes 30 ms of a cold start.

from newswire.search_events import SearchFunction
from newswire.settings import read_settings

_function = SearchFunction(read_settings())
_function.load()
gc.freeze()
gc.enable()


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Answer one request."""
    return _function.handle(event, context)
