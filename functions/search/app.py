"""The search function: a request of API Gateway is answered from OpenSearch."""

from __future__ import annotations

from typing import Any

from newswire.search_events import SearchFunction
from newswire.settings import read_settings

_function = SearchFunction(read_settings())


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Answer one request."""
    return _function.handle(event, context)
