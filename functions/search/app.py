"""Lambda entry point of search: serve API Gateway requests from OpenSearch."""

from __future__ import annotations

import gc
from typing import Any

gc.disable()  # Imported objects stay alive; scanning them repeatedly during the imports takes 12 ms of a cold start.

# Import urllib3 early to shorten the cold start: it compiles regular expressions during its import.
# opensearch-py would import it twenty imports deep, on the boundary of two chunks of the interpreter's stack.
# Each call would then allocate and free a chunk. `python -m bench cold_search` with and without this line shows the cost.
import urllib3  # noqa: F401, TID251 - imported early only; sends no request here

from newswire.handlers.search import SearchFunction
from newswire.settings import read_settings

_function = SearchFunction(read_settings())
_function.load()
gc.freeze()
gc.enable()


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Return the response to one API Gateway request."""
    return _function.handle(event, context)
