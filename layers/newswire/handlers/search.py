"""Events of the search function: a request of API Gateway comes in, its response goes out, and a line of log and metrics."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.event_handler import APIGatewayRestResolver
from aws_lambda_powertools.metrics import MetricUnit

from newswire.clock import system_clock
from newswire.engines import SearchEngine, open_engine
from newswire.engines.opensearch.client import load_signer
from newswire.settings import Settings
from newswire.web.events import build_api, handle_event

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

_NAME = "newswire"
_FAILED = 500


class SearchFunction:
    """What `functions/search/app.py` calls. Making one opens nothing; the engine's client stays for the next event."""

    def __init__(self, settings: Settings, engine: SearchEngine | None = None) -> None:
        self._resolver = APIGatewayRestResolver()
        self._api = build_api(self._resolver, engine or open_engine(settings), settings, system_clock, self._searched)
        self._logger = Logger(service=_NAME)
        self._metrics = Metrics(namespace=_NAME)

    def load(self) -> None:
        """Import what the first event needs: an init has more of the processor than an event, and is not waited for."""
        load_signer()

    def _searched(self, took_ms: float, found: int) -> None:
        """Count a search; its metrics go out with those of the answer that it belongs to."""
        self._metrics.add_metric("QueryTime", MetricUnit.Milliseconds, round(took_ms, 1))
        self._metrics.add_metric("Results", MetricUnit.Count, found)

    def handle(self, event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
        """Answer one request; nothing is raised, whatever the event holds."""
        gateway: Mapping[str, Any] = event.get("requestContext") or {}
        self._logger.append_keys(
            function_request_id=context.aws_request_id, gateway_request_id=gateway.get("requestId")
        )
        started = time.perf_counter()
        response: dict[str, Any] = handle_event(self._resolver, self._api, event, context)
        took = round((time.perf_counter() - started) * 1000, 1)
        status = int(response["statusCode"])
        self._metrics.add_metric("AnswerTime", MetricUnit.Milliseconds, took)
        self._metrics.add_metric("AnswersFailed", MetricUnit.Count, int(status >= _FAILED))
        self._metrics.flush_metrics()
        self._logger.info("answer", extra={"path": event.get("path"), "status": status, "took_ms": took})
        return response
