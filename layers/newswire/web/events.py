"""Adapter for API Gateway: answer an event of its REST proxy (payload format 1.0) with the routes of `api.py`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.api_gateway import ApiGatewayResolver
from aws_lambda_powertools.event_handler.exceptions import NotFoundError

from newswire.clock import Clock
from newswire.engines import SearchEngine
from newswire.search.answer import Watch
from newswire.settings import Settings
from newswire.web.api import Api
from newswire.web.messages import ProblemOut, RawParameters, named_by_gateway, problem_of

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

MAX_TARGET_BYTES = 6_000
_UNENCODED = "!$'()*,/:;?@"
"""Characters that a query may hold unencoded (RFC 3986, section 3.4); an event does not tell how it was sent."""


def build_api(
    resolver: ApiGatewayResolver,
    engine: SearchEngine,
    settings: Settings,
    clock: Clock,
    watch: Watch | None = None,
    address: str = "",
) -> Api:
    """Register the routes on a Powertools resolver, over an engine that may not be open yet.

    `watch` is called after each search. `address` is the URL at which this machine listens, if it does.
    """
    api = Api(engine, settings, clock, watch, address)

    def route(path: str, answer: Callable[..., Response[Any]]) -> None:
        def handler(**captured: str) -> Response[Any]:
            request = api.read(resolver.current_event.raw_event)
            if request.path != "/" and request.path.endswith(("/", "\n")):  # the resolver would ignore it
                return api.not_found(request)
            return api.answer(lambda: answer(request, **captured), request)

        resolver.get(path)(handler)

    route("/v1/search", api.search)
    route("/v1/items", api.items)
    route("/v1/items/<item_id>", api.item)
    route("/v1/feeds", api.feeds)
    route("/v1/feeds/<feed_id>", api.feed)
    route("/v1/status", api.status)
    route("/healthz", api.health)
    route("/openapi.json", api.openapi)
    route("/", api.search_page)
    route("/feeds/<feed_id>", api.feed_page)
    route("/items/<item_id>", api.item_page)
    route("/assets/<name>", api.asset)

    @resolver.not_found
    def not_found(_error: NotFoundError) -> Response[Any]:
        return api.not_found(api.read(resolver.current_event.raw_event))

    return api


def handle_event(
    resolver: ApiGatewayResolver, api: Api, event: Mapping[str, Any], context: LambdaContext
) -> dict[str, Any]:
    """Answer an event; whatever it holds, the answer is one of the contract. Raises nothing."""
    method = str(event.get("httpMethod") or "GET").upper()
    with named_by_gateway(event):
        try:
            response = _resolve(resolver, api, event, method, context)
        except Exception as error:  # noqa: BLE001 - the last line of defence: a defect is logged, never shown
            response = _as_event(api.defect(error))
    return {**response, "body": ""} if method == "HEAD" else response


def _resolve(
    resolver: ApiGatewayResolver, api: Api, event: Mapping[str, Any], method: str, context: LambdaContext
) -> dict[str, Any]:
    parameters: RawParameters = event.get("multiValueQueryStringParameters") or {}
    target = f"{event.get('path') or '/'}?{urlencode(parameters, doseq=True, safe=_UNENCODED, errors='surrogatepass')}"
    problem = refuse(method, len(target.encode(errors="surrogatepass")))
    if problem is not None:
        return _as_event(api.answer_problem(problem, api.read(event)))
    response: dict[str, Any] = resolver.resolve(
        {**event, "httpMethod": "GET", "path": event.get("path") or "/"}, context
    )
    return response


def refuse(method: str, target_bytes: int) -> ProblemOut | None:
    """Return the problem of a request that no route answers: another method than GET and HEAD, or a target too long."""
    if method not in {"GET", "HEAD"}:
        return problem_of(405, "method_not_allowed", "Only GET and HEAD are allowed: no route changes anything.")
    if target_bytes > MAX_TARGET_BYTES:
        detail = f"The request target must have at most {MAX_TARGET_BYTES} bytes, got {target_bytes}."
        return problem_of(400, "invalid_request", detail)
    return None


def _as_event(response: Response[Any]) -> dict[str, Any]:
    headers = {name: [str(value)] for name, value in response.headers.items()}
    headers["Content-Type"] = [str(response.content_type)]
    return {
        "statusCode": response.status_code,
        "multiValueHeaders": headers,
        "body": response.body,
        "isBase64Encoded": False,
    }
