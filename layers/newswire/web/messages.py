"""What goes over HTTP, whatever the route: a call is read from an event, and a body becomes a response or a problem (RFC 9457).

The events are those of an API Gateway REST proxy; on one machine `asgi.py` makes them.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from hashlib import sha256
from typing import Any, Literal

import msgspec
from aws_lambda_powertools.event_handler import Response
from msgspec import UNSET, Struct, UnsetType

from newswire.search.parameter_reader import Problem

JSON = "application/json; charset=utf-8"
PROBLEM = "application/problem+json; charset=utf-8"
RETRY_AFTER_S = 10
RawParameters = Mapping[str, list[str]]
"""The parameters of a query, each with all its values."""

TITLES = {
    400: "Bad request",
    404: "Not found",
    405: "Method not allowed",
    500: "Internal error",
    503: "Engine unavailable",
    504: "Engine timeout",
}
ProblemCode = Literal[
    "invalid_request", "not_found", "method_not_allowed", "internal", "engine_unavailable", "engine_timeout"
]


class ProblemOut(Struct, frozen=True):
    """An error, as RFC 9457 has it; `errors` says what is wrong with each parameter."""

    type: str
    title: str
    status: int
    detail: str
    code: ProblemCode
    request_id: str
    errors: tuple[Problem, ...] | UnsetType = UNSET


def problem_of(status: int, code: ProblemCode, detail: str, errors: tuple[Problem, ...] = ()) -> ProblemOut:
    """Make a problem, with a request id of its own."""
    return ProblemOut(
        type=f"urn:newswire:{code}",
        title=TITLES[status],
        status=status,
        detail=detail,
        code=code,
        request_id=uuid.uuid4().hex,
        errors=errors or UNSET,
    )


class Request(Struct, frozen=True):
    """What a route needs to know of a request."""

    path: str
    parameters: RawParameters
    if_none_match: str
    if_modified_since: str
    base: str
    """What absolute links begin with; empty where the public address is not known, and links are relative."""
    origin: str
    """What links in a feed begin with: the same, or where this machine listens; never what a Host header says."""
    top: str = "./"
    """What leads from the address of `/` to everything else; a gateway also answers at its stage with no slash after it."""
    accept: str = ""


def read_request(event: Mapping[str, Any], public_url: str, address: str) -> Request:
    """Read what routes need of an event; `address` is where this machine listens, if it does."""
    base = public_url.rstrip("/") or _gateway_base(event)
    path = str(event.get("path") or "/")
    whole = str((event.get("requestContext") or {}).get("path") or path)
    return Request(
        path=path,
        # `queryStringParameters` keeps only the last of repeated ones.
        parameters=event.get("multiValueQueryStringParameters") or {},
        if_none_match=_header(event, "if-none-match"),
        if_modified_since=_header(event, "if-modified-since"),
        base=base,
        origin=base or address,
        top="./" if path != "/" or whole.endswith("/") else f"{whole}/",
        accept=_header(event, "accept"),
    )


def problem_response(problem: ProblemOut, content_type: str = PROBLEM, body: str = "") -> Response[Any]:
    """Answer with a problem, as JSON unless it was written otherwise."""
    headers: dict[str, str | list[str]] = {"X-Request-Id": problem.request_id, "Cache-Control": "no-store"}
    if problem.status == 503:  # noqa: PLR2004 - Service Unavailable
        headers["Retry-After"] = str(RETRY_AFTER_S)
    if problem.status == 405:  # noqa: PLR2004 - Method Not Allowed
        headers["Allow"] = "GET, HEAD"
    return Response(problem.status, content_type, body or msgspec.json.encode(problem).decode(), headers=headers)


def json_response(request: Request, body: bytes, tag: str, more: Mapping[str, str] | None = None) -> Response[Any]:
    """Answer with JSON, or say that it is the one that the caller has."""
    return whole_response(request, body, JSON, tag, more or {})


def whole_response(
    request: Request, body: bytes, content_type: str, tag: str, more: Mapping[str, str]
) -> Response[Any]:
    """Answer with a body, or say that it is the one that the caller has (RFC 9110, section 13.2.2)."""
    headers: dict[str, str | list[str]] = {
        "Cache-Control": "private, no-cache",
        "X-Request-Id": uuid.uuid4().hex,
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
    """Make a weak entity tag (RFC 9110, section 8.8.3)."""
    return f'W/"{sha256(body).hexdigest()[:24]}"'


def _is_known(if_none_match: str, tag: str) -> bool:
    """Compare weakly, as If-None-Match does (RFC 9110, section 13.1.2)."""
    known = {one.strip().removeprefix("W/") for one in if_none_match.split(",")}
    return "*" in known or tag.removeprefix("W/") in known


def _header(event: Mapping[str, Any], name: str) -> str:
    """Give a header of an event whatever its case, repeated ones joined."""
    several = event.get("multiValueHeaders") or {}
    for key, values in several.items():
        if key.lower() == name:
            return ", ".join(values)
    for key, value in (event.get("headers") or {}).items():
        if key.lower() == name:
            return str(value)
    return ""


def _gateway_base(event: Mapping[str, Any]) -> str:
    """Give the address that API Gateway answers at: its own domain with the stage, or a custom one with its mapping."""
    context = event.get("requestContext") or {}
    domain, path, whole = context.get("domainName"), event.get("path") or "/", context.get("path") or ""
    if not domain or not context.get("stage"):
        return ""
    return f"https://{domain}{whole[: -len(path)] if whole.endswith(path) else ''}"
