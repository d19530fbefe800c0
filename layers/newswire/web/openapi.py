"""OpenAPI: the models of the answers come in, an OpenAPI 3.1 document of the whole API goes out. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import msgspec

from newswire import __version__
from newswire.search.answer import Answer, ItemOut
from newswire.search.dates import FORMS, MAX_BUCKETS
from newswire.search.grammar import MAX_CHARACTERS
from newswire.search.request import (
    DATE_FIELDS,
    DEFAULT_SIZE,
    FORMATS,
    HIGHLIGHT_FIELDS,
    HISTOGRAMS,
    ITEM_FIELDS,
    MATCHES,
    MAX_IDS,
    MAX_SIZE,
    SORTS,
    STATES,
    VALUE_FIELDS,
)
from newswire.web.api import FEEDS_A_PAGE, ItemsOut
from newswire.web.feed_answers import FeedOut, FeedsOut, StatusOut
from newswire.web.feed_formats import CONTENT_TYPES
from newswire.web.messages import ProblemOut
from newswire.web.pages.forms import PAGE_FIELDS, SEARCH_FIELDS

Json = dict[str, Any]

_LIST = "One comma-separated value with CSV quoting; a value that starts with - excludes."


@lru_cache(maxsize=1)
def document() -> bytes:
    """Give the document as JSON."""
    models = (Answer, ItemOut, ItemsOut, FeedOut, FeedsOut, StatusOut, ProblemOut)
    references, schemas = msgspec.json.schema_components(models, ref_template="#/components/schemas/{name}")
    schema = dict(zip(models, references, strict=True))
    paths = {
        "/v1/search": _with_other_forms(
            _route("Search items.", "search", schema[Answer], schema[ProblemOut], _search_parameters())
        ),
        "/v1/items": _route(
            "Give items by their ids, with their content.",
            "items",
            schema[ItemsOut],
            schema[ProblemOut],
            [
                _parameter(
                    "ids", {"type": "string", "minLength": 1, "pattern": _listed_up_to(MAX_IDS)}, _LIST, required=True
                )
            ],
        ),
        "/v1/items/{item_id}": _route(
            "Give one item, with its content.", "item", schema[ItemOut], schema[ProblemOut], [_in_path("item_id")]
        ),
        "/v1/feeds": _route(
            "List the feeds, by id.",
            "feeds",
            schema[FeedsOut],
            schema[ProblemOut],
            [
                _parameter(
                    "size",
                    {"type": "integer", "minimum": 1, "maximum": MAX_SIZE, "default": FEEDS_A_PAGE},
                    "How many feeds.",
                ),
                _parameter("cursor", {"type": "string", "minLength": 1}, "`next` of an earlier answer."),
                _parameter("state", {"type": "string", "enum": list(STATES)}, "Only feeds in this state."),
            ],
        ),
        "/v1/feeds/{feed_id}": _route(
            "Give one feed, with its last fetches and its gaps.",
            "feed",
            schema[FeedOut],
            schema[ProblemOut],
            [_in_path("feed_id")],
        ),
        "/v1/status": _route("Say how the whole is doing.", "status", schema[StatusOut], schema[ProblemOut], []),
        "/openapi.json": _route("This document.", "openapi", {"type": "object"}, schema[ProblemOut], []),
        "/": _page("Search, for people.", "search_page", _page_parameters(SEARCH_FIELDS)),
        "/feeds/{feed_id}": _page(
            "A feed, for people.", "feed_page", [_in_path("feed_id"), *_page_parameters(PAGE_FIELDS)]
        ),
        "/items/{item_id}": _page(
            "An item, for people.", "item_page", [_in_path("item_id"), *_page_parameters(("tz",))]
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


def _search_parameters() -> list[Json]:
    text: Json = {"type": "string", "minLength": 1}
    return [
        _parameter("q", {**text, "maxLength": MAX_CHARACTERS}, "A query; without one, every item."),
        _parameter("match", _choice(MATCHES, "all"), "What stands between words with no operator: AND or OR."),
        _parameter("from", text, f"The start of the period that this date value names: {FORMS}."),
        _parameter("to", text, "The end of the period that this date value names."),
        _parameter("tz", {**text, "default": "UTC"}, "IANA time zone of dates without an offset, and of buckets."),
        _parameter("date_field", _choice(DATE_FIELDS, "published"), "Which date the range and the order are about."),
        *(_parameter(name, text, _LIST) for name in VALUE_FIELDS),
        _parameter("sort", _choice(SORTS, None), "relevance with words to score, else newest."),
        _parameter(
            "size",
            {"type": "integer", "minimum": 0, "maximum": MAX_SIZE, "default": DEFAULT_SIZE},
            "How many items; 0 gives only the counts.",
        ),
        _parameter("cursor", text, "`next` of an earlier answer to the same query."),
        _parameter("fields", text, f"List of: {', '.join(ITEM_FIELDS)}. All but content unless given."),
        _parameter("highlight", text, f"List of: {', '.join(HIGHLIGHT_FIELDS)}."),
        _parameter("facets", text, f"List of: {', '.join(VALUE_FIELDS)}, each perhaps with a number, as category:50."),
        _parameter("histogram", _choice(HISTOGRAMS, None), f"Counts by date, in at most {MAX_BUCKETS} buckets."),
        _parameter("format", _choice(FORMATS, "json"), "The form of the answer."),
    ]


def _page_parameters(names: Sequence[str]) -> list[Json]:
    """Give those that a page takes: they mean what they mean to the API, but forms may send them empty and repeated."""
    return [one | {"schema": {"type": "string"}} for one in _search_parameters() if one["name"] in names]


def _page(summary: str, name: str, parameters: list[Json]) -> Json:
    """Describe a route whose answers are HTML, also where something is wrong."""
    routes = _route(summary, name, {}, {}, parameters)
    for operation in routes.values():
        for response in operation["responses"].values():
            if "content" in response:
                response["content"] = {"text/html": {"schema": {"type": "string"}}}
        operation["responses"]["303"] = {
            "description": "What a form sent leads to the clean address.",
            "headers": {"Location": {"schema": {"type": "string"}, "description": "Relative."}},
        }
    return routes


def _choice(values: tuple[str, ...], default: str | None) -> Json:
    return {"type": "string", "enum": list(values), **({"default": default} if default else {})}


def _listed_up_to(most: int) -> str:
    value = r'(\s*"([^"]|"")*"\s*|[^",]+)'
    return f"^{value}(,{value}){{0,{most - 1}}}$"


def _parameter(name: str, schema: Json, description: str, *, required: bool = False) -> Json:
    return {"name": name, "in": "query", "required": required, "description": description, "schema": schema}


def _in_path(name: str) -> Json:
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}


def _with_other_forms(route: Json) -> Json:
    """Add what `format` gives beside JSON: feeds and tables."""
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
        "304": {"description": "The answer is the one that If-None-Match names."},
    }
    for status, why in (
        ("400", "What was sent is wrong; every wrong parameter is named."),
        ("404", "There is nothing of this name."),
        ("405", "Only GET and HEAD are answered."),
        ("500", "A defect of ours."),
        ("503", "The engine does not answer."),
        ("504", "The engine did not finish in its time."),
    ):
        responses[status] = {"description": why, "content": {"application/problem+json": {"schema": problem}}}
    operation = {"summary": summary, "parameters": parameters, "responses": responses}
    return {"get": {"operationId": name, **operation}, "head": {"operationId": f"head_{name}", **operation}}
