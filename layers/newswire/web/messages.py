"""HTTP messages of all routes: read a request from an event, and write a response or a problem (RFC 9457).

The events are those of a REST proxy of API Gateway (payload format 1.0). On one machine `asgi.py` makes them.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from hashlib import sha256
from typing import Any, Literal

import msgspec
from aws_lambda_powertools.event_handler import Response
from msgspec import UNSET, Struct, UnsetType

from newswire.search.parameter_reader import Problem

JSON = "application/json; charset=utf-8"
PROBLEM = "application/problem+json; charset=utf-8"
RETRY_AFTER_SECONDS = 10
"""The `Retry-After` of a 503; error pages show it too."""
RawParameters = Mapping[str, list[str]]
"""The parameters of a query string, each with all its values."""

TITLES = {
    400: "Bad request",
    404: "Not found",
    405: "Method not allowed",
    408: "Request timeout",
    410: "Gone",
    500: "Internal error",
    503: "Unavailable",
    504: "Timeout",
}
ProblemCode = Literal[
    "invalid_request",
    "not_found",
    "withdrawn",
    "method_not_allowed",
    "internal",
    "engine_unavailable",
    "overloaded",
    "request_timeout",
    "engine_timeout",
    "answer_timeout",
]


class ProblemOut(Struct, frozen=True):
    """An error as a problem document (RFC 9457); `errors` lists every problem with a parameter."""

    type: str
    title: str
    status: int
    detail: str
    code: ProblemCode
    request_id: str
    errors: tuple[Problem, ...] | UnsetType = UNSET


def problem_of(status: int, code: ProblemCode, detail: str, errors: tuple[Problem, ...] = ()) -> ProblemOut:
    """Return a problem with a new request id; `type` is a URN of the code."""
    return ProblemOut(
        type=f"urn:newswire:{code}",
        title=TITLES[status],
        status=status,
        detail=detail,
        code=code,
        request_id=request_id(),
        errors=errors or UNSET,
    )


class Request(Struct, frozen=True):
    """The parts of an HTTP request that routes use; a missing header is an empty string."""

    path: str
    parameters: RawParameters
    if_none_match: str
    if_modified_since: str
    base: str
    """The public URL, for absolute links; empty if it is unknown, and links are then relative."""
    origin: str
    """The start of links in a feed: `base`, or the URL at which this machine listens. Never from a Host header."""
    top: str = "./"
    """The relative URL of the root, for links on the page at `/`; a gateway also serves its stage without a final slash."""
    accept: str = ""


_gateway_id: ContextVar[str] = ContextVar("gateway_id", default="")


@contextmanager
def named_by_gateway(event: Mapping[str, Any]) -> Iterator[None]:
    """Set the id of the answers in the block: that of API Gateway, which its log and that of the function have."""
    token = _gateway_id.set(str((event.get("requestContext") or {}).get("requestId") or ""))
    try:
        yield
    finally:
        _gateway_id.reset(token)


def request_id() -> str:
    """Return the id of the request: that of API Gateway, else a random one."""
    return _gateway_id.get() or uuid.uuid4().hex


def read_request(event: Mapping[str, Any], public_url: str, address: str) -> Request:
    """Read an event into a request; `address` is the URL at which this machine listens, if it does."""
    base = public_url.rstrip("/") or _gateway_base(event)
    path = str(event.get("path") or "/")
    whole = str((event.get("requestContext") or {}).get("path") or path)
    return Request(
        path=path,
        # `queryStringParameters` keeps only the last value of a repeated parameter.
        parameters=event.get("multiValueQueryStringParameters") or {},
        if_none_match=_header(event, "if-none-match"),
        if_modified_since=_header(event, "if-modified-since"),
        base=base,
        origin=base or address,
        top="./" if path != "/" or whole.endswith("/") else f"{whole}/",
        accept=_header(event, "accept"),
    )


def problem_response(problem: ProblemOut, content_type: str = PROBLEM, body: str = "") -> Response[Any]:
    """Return the response to a failed request: the problem as JSON, or `body` if a page shows it."""
    headers: dict[str, str | list[str]] = {"X-Request-Id": problem.request_id, "Cache-Control": "no-store"}
    if problem.status == 503:  # noqa: PLR2004 - Service Unavailable
        headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
    if problem.status == 405:  # noqa: PLR2004 - Method Not Allowed
        headers["Allow"] = "GET, HEAD"
    return Response(problem.status, content_type, body or msgspec.json.encode(problem).decode(), headers=headers)


def json_response(request: Request, body: bytes, tag: str, more: Mapping[str, str] | None = None) -> Response[Any]:
    """Return 200 with the JSON, or 304 if the caller's validator matches; `more` are further headers."""
    return whole_response(request, body, JSON, tag, more or {})


def whole_response(
    request: Request, body: bytes, content_type: str, tag: str, more: Mapping[str, str]
) -> Response[Any]:
    """Return 200 with the body, or 304 if the caller's validator matches (RFC 9110, section 13.2.2).

    If-None-Match is checked first. If-Modified-Since counts only without it, and must equal `Last-Modified`.
    """
    headers: dict[str, str | list[str]] = {
        "Cache-Control": "private, no-cache",
        "X-Request-Id": request_id(),
        "ETag": tag,
        "X-Content-Type-Options": "nosniff",
        **more,
    }
    if request.if_none_match:
        is_known = _is_known(request.if_none_match, tag)
    else:
        is_known = bool(request.if_modified_since) and request.if_modified_since == more.get("Last-Modified")
    if is_known:
        return Response(304, content_type, "", headers=headers)
    return Response(200, content_type, body.decode(), headers=headers)


def weak_etag(body: bytes) -> str:
    """Return a weak entity tag of the body: 24 hex digits of its SHA-256 (RFC 9110, section 8.8.3)."""
    return f'W/"{sha256(body).hexdigest()[:24]}"'


def _is_known(if_none_match: str, tag: str) -> bool:
    """Return whether If-None-Match lists the tag, by weak comparison (RFC 9110, section 13.1.2)."""
    tags = {listed_tag.strip().removeprefix("W/") for listed_tag in if_none_match.split(",")}
    return "*" in tags or tag.removeprefix("W/") in tags


def _header(event: Mapping[str, Any], name: str) -> str:
    """Return a header of an event, with repeated values joined by commas; "" if it was not sent."""
    repeated = event.get("multiValueHeaders") or {}
    for key, values in repeated.items():
        if key.lower() == name:
            return ", ".join(values)
    for key, value in (event.get("headers") or {}).items():
        if key.lower() == name:
            return str(value)
    return ""


def _gateway_base(event: Mapping[str, Any]) -> str:
    """Return the URL of the API at API Gateway, without a final slash; "" on one machine.

    It is the domain of the gateway with its stage, or a custom domain with its base path mapping.
    """
    context = event.get("requestContext") or {}
    domain, path, whole = context.get("domainName"), event.get("path") or "/", context.get("path") or ""
    if not domain or not context.get("stage"):
        return ""
    scheme = "http" if _header(event, "x-forwarded-proto") == "http" else "https"  # `sam local start-api` has no TLS
    return f"{scheme}://{domain}{whole[: -len(path)] if whole.endswith(path) else ''}"
