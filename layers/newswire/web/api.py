"""The routes of the HTTP API: read a request, ask the engine, and write the response (docs/api.md).

The same routes answer in Lambda (`events.py`) and on one machine (`asgi.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from hashlib import sha256
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import msgspec
from aws_lambda_powertools.event_handler import Response
from msgspec import UNSET

from newswire.clock import Clock, Instant
from newswire.engines import SearchEngine
from newswire.engines.coverage import CoverageQuery
from newswire.engines.query import RecencyBand
from newswire.errors import DataError, EngineError, EngineTimeoutError
from newswire.feed_status import STATES
from newswire.log import log_defect
from newswire.search.answer import SearchResult, Watch, get_items, search
from newswire.search.parameter_reader import BadParametersError, ParameterReader, shorten
from newswire.search.parameters import FEED_FORMATS, ITEM_FIELDS, MAX_SIZE
from newswire.search.recency import bands_of
from newswire.search.request import SearchRequest, add_invalid_cursor, read_search
from newswire.settings import Settings
from newswire.web.absence import absent_item
from newswire.web.answer_size import MAX_ANSWER_BYTES, MAX_EVENT_BYTES, count_that_fits, event_length, is_too_long
from newswire.web.feed_answers import DEFAULT_FEEDS_SIZE, FeedOut, FeedsOut, HealthOut, feed_out, status_out
from newswire.web.messages import (
    JSON,
    ProblemOut,
    Request,
    json_response,
    problem_of,
    problem_response,
    read_request,
    request_id,
    weak_etag,
    whole_response,
)
from newswire.web.search_answers import (
    ALL_FIELDS,
    MAX_IDS,
    Answer,
    ItemOut,
    ItemsOut,
    answer_out,
    item_out,
    without_volatile,
)

if TYPE_CHECKING:
    from newswire.web.feed_formats import FeedHead
    from newswire.web.pages.routes import Pages

MAX_LINK_BYTES = 2_000
_CURSOR_PREFIX = "after:"
_ENGINE_PATHS = frozenset({"/", "/v1/search", "/v1/items", "/v1/feeds", "/v1/status"})
"""Routes whose success shows that the engine answers."""
_encoder = msgspec.json.Encoder()


class Api:
    """The routes, each as a method that returns a response. Raises what `answer` turns into problems."""

    def __init__(
        self, engine: SearchEngine, settings: Settings, clock: Clock, watch: Watch | None = None, address: str = ""
    ) -> None:
        self._address = address
        self._engine = engine
        self._settings = settings
        self._clock = clock
        self._watch = watch
        self._pages: Pages | None = None
        self._is_engine_down = False

    # --- routes ---

    def search(self, request: Request) -> Response[Any]:
        """Answer /v1/search in the requested format."""
        search_request = read_search(request.parameters, self._clock(), self._bands)
        result, answer, body = self._render(request, search_request)
        while is_too_long(body) and len(result.hits) > 1:
            halves = search_request.form != "json"  # other formats have no items to measure
            size = len(result.hits) // 2 if halves else count_that_fits(answer.items, len(body))
            result, answer, body = self._render(request, _with_size(search_request, size))
        headers = {}
        link = _next_link(request, search_request.parameters, result.next)
        if link and len(link) <= MAX_LINK_BYTES:
            headers["Link"] = link
        stable = _encoder.encode(without_volatile(answer, result))
        if search_request.form == "json":
            return json_response(request, body, weak_etag(stable), headers)
        from newswire.web.feed_formats import CONTENT_TYPES, http_date  # noqa: PLC0415 - for this format only

        headers["X-Total-Count"] = str(result.total)
        headers["X-Coverage"] = "ok" if result.coverage.is_complete else "partial"
        if search_request.form in FEED_FORMATS and result.hits:
            headers["Last-Modified"] = http_date(max(hit.item.changed for hit in result.hits))
        tag = weak_etag(stable + search_request.form.encode())
        return whole_response(request, body, CONTENT_TYPES[search_request.form], tag, headers)

    def _render(self, request: Request, search_request: SearchRequest) -> tuple[SearchResult, Answer, bytes]:
        """Search, and write the result in the requested format."""
        result = search(self._engine, search_request, self._clock, self._settings.stale_grace_seconds, self._watch)
        answer = answer_out(result)
        if search_request.form == "json":
            return result, answer, _encoder.encode(answer)
        from newswire.web.feed_formats import write_csv, write_feed, write_lines  # noqa: PLC0415 - for this format only

        if search_request.form == "ndjson":
            text = write_lines(answer.items)
        elif search_request.form == "csv":
            fields = search_request.fields | ({"highlights"} if search_request.highlight else set())
            columns = [name for name in ITEM_FIELDS if name in fields]
            text = write_csv(columns, map(msgspec.to_builtins, answer.items))
        else:
            text = write_feed(search_request.form, self._head(request, result), [hit.item for hit in result.hits])
        return result, answer, text.encode()

    def _head(self, request: Request, result: SearchResult) -> FeedHead:
        """Describe a search as a feed: its id, title, URLs and pages."""
        from newswire.web.feed_formats import FeedHead  # noqa: PLC0415 - for this format only

        parameters = result.request.parameters
        following = _next_target(request, parameters, result.next)
        first = {name: text for name, text in parameters.items() if name != "cursor"}
        query = {name: text for name, text in first.items() if name not in {"format", "size"}}
        about = result.request.q or "all news"
        within = " ".join(
            f"{name} {query[name]}" for name in ("feed", "category", "author", "lang", "from", "to") if name in query
        )
        stable = sha256(_encoder.encode(sorted(query.items()))).hexdigest()[:24]
        return FeedHead(
            id=f"urn:newswire:search:{stable}",
            title=f"newswire: {about}",
            description=f"What newswire finds for {about}{f', {within}' if within else ''}",
            page=f"{request.origin}/?{urlencode(query)}",
            self=f"{request.origin}{request.path}?{urlencode(parameters)}",
            first=f"{request.origin}{request.path}?{urlencode(first)}",
            next=None if following is None else request.origin + following,
            updated=max((hit.item.changed for hit in result.hits), default=0),
        )

    def items(self, request: Request) -> Response[Any]:
        """Answer /v1/items?ids=a,b."""
        reader = ParameterReader(request.parameters, ("ids",), {"ids": f"1 to {MAX_IDS} ids with commas between"})
        ids = tuple(dict.fromkeys(listed_ids := reader.values_of("ids")))
        if len(listed_ids) > MAX_IDS:
            reader.add(
                "ids", "out_of_range", f"ids must list 1 to {MAX_IDS} ids, got {len(listed_ids)}.", f"1 to {MAX_IDS}"
            )
        reader.raise_if_wrong()
        now = self._clock()
        found_items = get_items(self._engine, ids)
        items: list[ItemOut] = []
        length = sent = 0
        for item_id in ids:
            if item_id in found_items:
                item = item_out(found_items[item_id], now, ALL_FIELDS - {"score"})
                encoded = _encoder.encode(item)
                length, sent = length + len(encoded), sent + event_length(encoded)
                if items and (length > MAX_ANSWER_BYTES or sent > MAX_EVENT_BYTES):
                    break
                items.append(item)
        returned = {item.id for item in items}
        answer = ItemsOut(
            tuple(items),
            not_found=tuple(item_id for item_id in ids if item_id not in found_items),
            not_returned=tuple(item_id for item_id in ids if item_id in found_items and item_id not in returned),
        )
        ageless = tuple(msgspec.structs.replace(item, age=UNSET) for item in items)
        stable = _encoder.encode(msgspec.structs.replace(answer, items=ageless))
        return json_response(request, _encoder.encode(answer), weak_etag(stable))

    def item(self, request: Request, item_id: str) -> Response[Any]:
        """Answer /v1/items/{id}, with its content."""
        ParameterReader(request.parameters, ()).raise_if_wrong()
        item = get_items(self._engine, [item_id]).get(item_id)
        if item is None:
            return problem_response(absent_item(self._engine, item_id, "find items with /v1/search"))
        answer = item_out(item, self._clock(), ALL_FIELDS - {"score"})
        stable = _encoder.encode(msgspec.structs.replace(answer, age=UNSET))
        return json_response(request, _encoder.encode(answer), weak_etag(stable))

    def feeds(self, request: Request) -> Response[Any]:
        """Answer /v1/feeds, by id."""
        reader = ParameterReader(request.parameters, ("size", "cursor", "state"))
        size = reader.whole_number("size", 1, MAX_SIZE, DEFAULT_FEEDS_SIZE)
        state = reader.choice("state", STATES, STATES[0]) if "state" in reader.values else None
        after = reader.values.get("cursor", "")
        if after and not after.startswith(_CURSOR_PREFIX):
            add_invalid_cursor(reader)
        reader.raise_if_wrong()
        now, grace = self._clock(), self._settings.stale_grace_seconds
        page = self._engine.status_page(after.removeprefix(_CURSOR_PREFIX), size + 1, state, now, grace)
        statuses = page.statuses[:size]
        cursor = f"{_CURSOR_PREFIX}{statuses[-1].id}" if len(page.statuses) > size else None
        answer = FeedsOut(tuple(feed_out(status, now, grace) for status in statuses), page.total, cursor)
        stable = msgspec.structs.replace(answer, feeds=tuple(map(_without_check_times, answer.feeds)))
        headers = {}
        if link := _next_link(request, reader.values, cursor):
            headers["Link"] = link
        return json_response(request, _encoder.encode(answer), weak_etag(_encoder.encode(stable)), headers)

    def feed(self, request: Request, feed_id: str) -> Response[Any]:
        """Answer /v1/feeds/{id}, with its last fetches and its gaps."""
        ParameterReader(request.parameters, ()).raise_if_wrong()
        statuses = self._engine.statuses([feed_id])
        if not statuses:
            return _missing(f"There is no feed {shorten(feed_id)!r}; /v1/feeds lists the feeds.")
        answer = feed_out(statuses[0], self._clock(), self._settings.stale_grace_seconds, whole=True)
        stable = _encoder.encode(_without_check_times(answer))
        return json_response(request, _encoder.encode(answer), weak_etag(stable))

    def health(self, request: Request) -> Response[Any]:
        """Answer /healthz from what is known already: the process answers, and the engine's last call did not fail."""
        ParameterReader(request.parameters, ()).raise_if_wrong()
        if self._is_engine_down:
            detail = "The search engine did not answer the last request."
            return problem_response(problem_of(503, "engine_unavailable", detail))
        headers: dict[str, str | list[str]] = {"Cache-Control": "no-store", "X-Request-Id": request_id()}
        return Response(200, JSON, _encoder.encode(HealthOut()).decode(), headers=headers)

    def status(self, request: Request) -> Response[Any]:
        """Answer /v1/status."""
        ParameterReader(request.parameters, ()).raise_if_wrong()
        engine = self._engine
        generation = engine.generation()
        coverage = engine.coverage(CoverageQuery(self._clock(), self._settings.stale_grace_seconds))
        answer = status_out(engine.info(), generation, engine.count(generation), coverage)
        body = _encoder.encode(answer)
        return json_response(request, body, weak_etag(body))

    def openapi(self, request: Request) -> Response[Any]:
        """Answer /openapi.json."""
        from newswire.web.openapi import document  # noqa: PLC0415 - for this route only

        ParameterReader(request.parameters, ()).raise_if_wrong()
        body = document()
        return json_response(request, body, weak_etag(body))

    # --- pages ---

    def search_page(self, request: Request) -> Response[Any]:
        """Answer / with the page of a search."""
        return self._for_people.search(request)

    def feed_page(self, request: Request, feed_id: str) -> Response[Any]:
        """Answer /feeds/{id} with the page of a feed."""
        return self._for_people.feed(request, feed_id)

    def item_page(self, request: Request, item_id: str) -> Response[Any]:
        """Answer /items/{id} with the page of an item."""
        return self._for_people.item(request, item_id)

    def asset(self, request: Request, name: str) -> Response[Any]:
        """Answer /assets/{name} with a style sheet, script or icon."""
        return self._for_people.asset(request, name) or self.not_found(request)

    @property
    def _for_people(self) -> Pages:
        """The pages, imported on first use: JSON is answered without a template engine."""
        if self._pages is None:
            from newswire.web.pages.routes import Pages  # noqa: PLC0415 - the template engine, for pages only

            self._pages = Pages(self._engine, self._settings, self._clock, self._bands, self._watch)
        return self._pages

    # --- all routes ---

    def read(self, event: Mapping[str, Any]) -> Request:
        """Read an event into a request."""
        return read_request(event, self._settings.public_url, self._address)

    def answer(self, route: Callable[[], Response[Any]], request: Request) -> Response[Any]:
        """Call a route; turn what it raises into a problem of the contract, shown as a page to a browser."""
        try:
            response = route()
        except BadParametersError as error:
            problem = problem_of(400, "invalid_request", "The request has wrong parameters.", error.problems)
        except EngineTimeoutError:
            detail = "The search did not finish before its deadline; a smaller one may."
            problem = problem_of(504, "engine_timeout", detail)
        except (EngineError, DataError) as error:
            detail = "The search engine does not answer; try again in a moment."
            problem = problem_of(503, "engine_unavailable", detail)
            log_defect(error, problem.request_id)
            self._is_engine_down = isinstance(error, EngineError)
        except Exception as error:  # noqa: BLE001 - the last line of defence: a defect is logged, never shown
            problem = _defect(error)
        else:
            if request.path in _ENGINE_PATHS:
                self._is_engine_down = False
            return response
        return self.answer_problem(problem, request)

    def not_found(self, request: Request) -> Response[Any]:
        """Answer a request that no route matches."""
        detail = "There is nothing at this URL; /openapi.json lists the routes."
        return self.answer_problem(problem_of(404, "not_found", detail), request)

    def defect(self, error: Exception) -> Response[Any]:
        """Log a defect under its request id, and answer with nothing else of it."""
        return problem_response(_defect(error))

    def answer_problem(self, problem: ProblemOut, request: Request) -> Response[Any]:
        """Answer with a problem: as a page to a browser, as JSON to everybody else."""
        return self._for_people.problem(request, problem) if _is_for_people(request) else problem_response(problem)

    def _bands(self, now: Instant) -> tuple[RecencyBand, ...]:
        return bands_of(self._settings.recency_weight, self._settings.recency_days, now)


def _is_for_people(request: Request) -> bool:
    """Return whether the path is that of a page, or a browser asks for a path that is not an API route."""
    if request.path in {"/v1", "/openapi.json"} or request.path.startswith("/v1/"):
        return False
    return request.path == "/" or request.path.startswith(("/feeds/", "/items/")) or "text/html" in request.accept


def _missing(detail: str) -> Response[Any]:
    return problem_response(problem_of(404, "not_found", detail))


def _defect(error: Exception) -> ProblemOut:
    problem = problem_of(500, "internal", "Something went wrong here; the log has it under this request id.")
    log_defect(error, problem.request_id)
    return problem


def _next_target(request: Request, parameters: Mapping[str, str], cursor: str | None) -> str | None:
    """Return path and query of the next page: the same parameters with the cursor; None on the last page."""
    if cursor is None:
        return None
    query = {name: value for name, value in parameters.items() if name != "cursor"} | {"cursor": cursor}
    return f"{request.path}?{urlencode(query)}"


def _next_link(request: Request, parameters: Mapping[str, str], cursor: str | None) -> str:
    """Return the Link header of the next page (RFC 8288); empty on the last page."""
    target = _next_target(request, parameters, cursor)
    return f'<{request.base}{target}>; rel="next"' if target else ""


def _with_size(search_request: SearchRequest, size: int) -> SearchRequest:
    return msgspec.structs.replace(search_request, query=msgspec.structs.replace(search_request.query, size=size))


def _without_check_times(feed: FeedOut) -> FeedOut:
    """Return a feed without its check times, which change by themselves, for an entity tag."""
    return msgspec.structs.replace(feed, last_checked=None, last_success=None, next_check=None, fetches=UNSET)
