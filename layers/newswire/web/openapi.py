"""The OpenAPI 3.1 document of the API, from the models of its answers and the table of search parameters. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import msgspec

from newswire import __version__
from newswire.feed_status import STATES
from newswire.search.parameters import MAX_SIZE, PARAMETER, PARAMETERS, Parameter
from newswire.web.feed_answers import DEFAULT_FEEDS_SIZE, FeedOut, FeedsOut, HealthOut, StatusOut
from newswire.web.feed_formats import CONTENT_TYPES
from newswire.web.messages import ProblemOut
from newswire.web.pages.forms import PAGE_FIELDS, SEARCH_FIELDS
from newswire.web.search_answers import MAX_IDS, Answer, ItemOut, ItemsOut

Json = dict[str, Any]


@lru_cache(maxsize=1)
def document() -> bytes:
    """Return the document as JSON."""
    models = (Answer, ItemOut, ItemsOut, FeedOut, FeedsOut, StatusOut, HealthOut, ProblemOut)
    references, schemas = msgspec.json.schema_components(models, ref_template="#/components/schemas/{name}")
    schema = dict(zip(models, references, strict=True))
    problem = schema[ProblemOut]
    paths = {
        "/v1/search": _with_other_formats(
            _route("Search items.", "search", schema[Answer], problem, list(map(_search_parameter, PARAMETERS)))
        ),
        "/v1/items": _route("Return items by id, with their content.", "items", schema[ItemsOut], problem, [_ids()]),
        "/v1/items/{item_id}": _route(
            "Return one item, with its content.", "item", schema[ItemOut], problem, [_in_path("item_id")]
        ),
        "/v1/feeds": _route("List the feeds, by id.", "feeds", schema[FeedsOut], problem, _feeds_parameters()),
        "/v1/feeds/{feed_id}": _route(
            "Return one feed, with its last fetches and gaps.", "feed", schema[FeedOut], problem, [_in_path("feed_id")]
        ),
        "/v1/status": _route("Return the state of newswire.", "status", schema[StatusOut], problem, []),
        "/healthz": _route("Return whether newswire can answer.", "health", schema[HealthOut], problem, []),
        "/openapi.json": _route("Return this document.", "openapi", {"type": "object"}, problem, []),
        "/": _page("The page of a search.", "search_page", _page_parameters(SEARCH_FIELDS)),
        "/feeds/{feed_id}": _page(
            "The page of a feed.", "feed_page", [_in_path("feed_id"), *_page_parameters(PAGE_FIELDS)]
        ),
        "/items/{item_id}": _page(
            "The page of an item.", "item_page", [_in_path("item_id"), *_page_parameters(["tz"])]
        ),
    }
    whole = {
        "openapi": "3.1.0",
        "info": {
            "title": "newswire",
            "version": __version__,
            "description": "What was published about X between these dates? docs/api.md explains every word of it.",
        },
        "paths": paths,
        "components": {"schemas": schemas},
    }
    return msgspec.json.encode(whole)


# --- parameters -------------------------------------------------------------------------------------------------------


def _search_parameter(parameter: Parameter) -> Json:
    sentence = parameter.sentence
    if parameter.kind in {"values", "choices"}:
        sentence += " One comma-separated value with CSV quoting."
    if parameter.kind == "choices":
        sentence += f" Words: {', '.join(parameter.allowed)}."
    return _parameter(parameter.name, _schema_of(parameter), sentence)


NOT_EMPTY = r"[^\s\u0085\u001c-\u001f]"
"""Matches a text that is more than white space. Expressions of JSON Schema (ECMA-262) do not know the characters named."""


def _schema_of(parameter: Parameter) -> Json:
    match parameter.kind:
        case "number":
            bounds = {"minimum": parameter.least, "maximum": parameter.most}
            return {"type": "integer", **bounds, "default": int(parameter.default)}
        case "choice":
            default = {"default": parameter.default} if parameter.default in parameter.allowed else {}
            return {"type": "string", "enum": list(parameter.allowed), **default}
        case "zone":
            return {"type": "string", "minLength": 1, "default": parameter.default}
        case "text":
            return {"type": "string", "minLength": 1, "maxLength": parameter.most, "pattern": NOT_EMPTY}
    return {"type": "string", "minLength": 1}


def _page_parameters(names: Sequence[str]) -> list[Json]:
    """Return parameters of a page: they mean the same as in the API, but a form may send them empty and repeated."""
    return [_search_parameter(PARAMETER[name]) | {"schema": {"type": "string"}} for name in names]


def _feeds_parameters() -> list[Json]:
    size = {"type": "integer", "minimum": 1, "maximum": MAX_SIZE, "default": DEFAULT_FEEDS_SIZE}
    return [
        _parameter("size", size, "The number of feeds on a page."),
        _parameter("cursor", {"type": "string", "minLength": 1}, "The value of next in an earlier answer."),
        _parameter("state", {"type": "string", "enum": list(STATES)}, "Only feeds in this state."),
    ]


def _ids() -> Json:
    value = r'(\s*"([^"]|"")*"\s*|[^",]+)'
    pattern = f"^{value}(,{value}){{0,{MAX_IDS - 1}}}$"
    sentence = f"1 to {MAX_IDS} ids: one comma-separated value with CSV quoting."
    return _parameter("ids", {"type": "string", "minLength": 1, "pattern": pattern}, sentence, required=True)


def _parameter(name: str, schema: Json, description: str, *, required: bool = False) -> Json:
    return {"name": name, "in": "query", "required": required, "description": description, "schema": schema}


def _in_path(name: str) -> Json:
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}


# --- routes -----------------------------------------------------------------------------------------------------------


def _page(summary: str, name: str, parameters: list[Json]) -> Json:
    """Describe a route that answers in HTML, also with errors."""
    routes = _route(summary, name, {}, {}, parameters)
    for operation in routes.values():
        for response in operation["responses"].values():
            if "content" in response:
                response["content"] = {"text/html": {"schema": {"type": "string"}}}
        operation["responses"]["303"] = {
            "description": "What a form sent redirects to the clean URL.",
            "headers": {"Location": {"schema": {"type": "string"}, "description": "Relative."}},
        }
    return routes


def _with_other_formats(route: Json) -> Json:
    """Add the content types that `format` gives besides JSON: feeds and tables."""
    for operation in route.values():
        content = operation["responses"]["200"]["content"]
        for content_type in CONTENT_TYPES.values():
            content[content_type.partition(";")[0]] = {"schema": {"type": "string"}}
        content[CONTENT_TYPES["jsonfeed"].partition(";")[0]] = {
            "schema": {"type": "object", "required": ["version", "items"]}
        }
    return route


def _route(summary: str, name: str, answer: Json, problem: Json, parameters: list[Json]) -> Json:
    responses: Json = {
        "200": {
            "description": "The answer.",
            "headers": {
                "ETag": {"schema": {"type": "string"}, "description": "Weak; If-None-Match gives 304."},
                "X-Request-Id": {"schema": {"type": "string"}, "description": "Names the request in the logs."},
            },
            "content": {"application/json": {"schema": answer}},
        },
        "304": {"description": "The answer still has the ETag that If-None-Match names."},
    }
    for status, description in (
        ("400", "Wrong parameters; every problem is named."),
        ("404", "No such route, item or feed."),
        *((("410", "The item was withdrawn."),) if name == "item" else ()),
        ("405", "Another method than GET or HEAD."),
        ("500", "A defect of newswire; it is logged with the request id."),
        ("503", "The search engine does not answer, or the server is overloaded."),
        ("504", "The answer was not ready before its deadline."),
    ):
        responses[status] = {"description": description, "content": {"application/problem+json": {"schema": problem}}}
    operation = {"summary": summary, "parameters": parameters, "responses": responses}
    return {"get": {"operationId": name, **operation}, "head": {"operationId": f"head_{name}", **operation}}
