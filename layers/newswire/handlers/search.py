"""Handler of the search function: answer requests of API Gateway, and write a log line and metrics for each."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.event_handler import APIGatewayRestResolver
from aws_lambda_powertools.metrics import MetricUnit

from newswire.clock import system_clock
from newswire.engines import SearchEngine
from newswire.engines.opening import open_engine
from newswire.engines.opensearch.client import load_signer
from newswire.settings import Settings
from newswire.web.events import build_api, handle_event

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

_NAME = "newswire"
_SERVER_ERROR = 500


class SearchFunction:
    """The handler that `functions/search/app.py` calls.

    The constructor opens nothing. The engine's client is opened by the first event and kept for the next ones.
    """

    def __init__(self, settings: Settings, engine: SearchEngine | None = None) -> None:
        self._resolver = APIGatewayRestResolver()
        self._api = build_api(
            self._resolver, engine or open_engine(settings), settings, system_clock, self._count_search
        )
        self._logger = Logger(service=_NAME)
        self._metrics = Metrics(namespace=_NAME)

    def load(self) -> None:
        """Import what the first event needs: the init phase has more CPU than an event, and no caller waits for it."""
        load_signer()

    def _count_search(self, took_ms: float, total: int) -> None:
        """Add the metrics of a search; they are flushed with those of its response."""
        self._metrics.add_metric("QueryTime", MetricUnit.Milliseconds, round(took_ms, 1))
        self._metrics.add_metric("Results", MetricUnit.Count, total)

    def handle(self, event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
        """Return the response to one event. Raise nothing: a defect gives a 500."""
        gateway: Mapping[str, Any] = event.get("requestContext") or {}
        self._logger.append_keys(
            function_request_id=context.aws_request_id, gateway_request_id=gateway.get("requestId")
        )
        started = time.perf_counter()
        response: dict[str, Any] = handle_event(self._resolver, self._api, event, context)
        took_ms = round((time.perf_counter() - started) * 1000, 1)
        status = int(response["statusCode"])
        self._metrics.add_metric("AnswerTime", MetricUnit.Milliseconds, took_ms)
        self._metrics.add_metric("AnswersFailed", MetricUnit.Count, int(status >= _SERVER_ERROR))
        self._metrics.flush_metrics()
        self._logger.info("answer", extra={"path": event.get("path"), "status": status, "took_ms": took_ms})
        return response
