"""The search function: a request of API Gateway is answered from OpenSearch."""

from __future__ import annotations

import gc
from typing import Any

gc.disable()  # What is imported stays: looking through it again and again meanwhile takes 12 ms of a cold start.

# urllib3 compiles regular expressions as it loads. Twenty imports deep, where opensearch-py asks for it, the calls of that lie
# across two chunks of the interpreter's stack, and each gets one and gives it back: 32 ms instead of 8.
import urllib3  # noqa: F401, TID251 - no publisher is asked here

from newswire.handlers.search import SearchFunction
from newswire.settings import read_settings

_function = SearchFunction(read_settings())
_function.load()
gc.freeze()
gc.enable()


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Answer one request."""
    return _function.handle(event, context)
