"""The HTTP API: an event in the form of an API Gateway REST proxy comes in, a response in that form goes out.

The same routes answer in Lambda and, behind `asgi.py`, on one machine. docs/api.md is the contract.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import msgspec
from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.api_gateway import ApiGatewayResolver
from aws_lambda_powertools.event_handler.exceptions import NotFoundError
from msgspec import UNSET, Struct

from newswire.clock import Clock, Instant
from newswire.engines import SearchEngine
from newswire.engines.query import RecencyBand
from newswire.errors import DataError, EngineError, EngineTimeoutError
from newswire.feed_status import state_of
from newswire.log import log_defect
from newswire.model import Item
from newswire.search.answer import ALL_FIELDS, Answer, ItemOut, Watch, answer_with_page, item_out, steady
from newswire.search.cursor import read_cursor
from newswire.search.recency import bands_of
from newswire.search.request import (
    FEED_FORMATS,
    ITEM_FIELDS,
    MAX_IDS,
    MAX_SIZE,
    STATES,
    BadParametersError,
    ParameterReader,
    SearchRequest,
    read_search,
    shorten,
)
from newswire.settings import Settings
from newswire.web.feed_answers import FeedOut, FeedsOut, StatusOut, feed_out, status_out
from newswire.web.messages import (
    ProblemOut,
    RawParameters,
    Request,
    json_response,
    problem_of,
    problem_response,
    read_request,
    weak_etag,
    whole_response,
)

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

    from newswire.web.feed_formats import FeedHead
    from newswire.web.pages.routes import Pages

TARGET_LENGTH = 6_000
_PLAIN = "!$'()*,/:;?@"
"""What a query holds without being encoded (RFC 3986, section 3.4); an event does not say how it was sent."""
LONGEST_ANSWER = 4_000_000
LONGEST_LINK = 2_000
FEEDS_A_PAGE = 100
_encoder = msgspec.json.Encoder()


class ItemsOut(Struct, frozen=True):
    """The items that were asked for by id, in that order; `not_returned` are those that 4 MB had no room for."""

    items: tuple[ItemOut, ...]
    not_found: tuple[str, ...]
    not_returned: tuple[str, ...]


def build_api(
    resolver: ApiGatewayResolver,
    engine: SearchEngine,
    settings: Settings,
    clock: Clock,
    watch: Watch | None = None,
    address: str = "",
) -> Api:
    """Put the routes on a resolver of Powertools, over an engine that may not be open yet.

    `watch` is told of searches; `address` is where this machine listens, if it does.
    """
    api = Api(engine, settings, clock, watch, address)

    def route(path: str, answered: Callable[..., Response[Any]]) -> None:
        def handler(**captured: str) -> Response[Any]:
            call = api.call(resolver.current_event.raw_event)
            if call.path != "/" and call.path.endswith(("/", "\n")):  # the resolvers would pass over it
                return api.not_found(call)
            return api.answered(lambda: answered(call, **captured), call)

        resolver.get(path)(handler)

    route("/v1/search", api.search)
    route("/v1/items", api.items)
    route("/v1/items/<item_id>", api.item)
    route("/v1/feeds", api.feeds)
    route("/v1/feeds/<feed_id>", api.feed)
    route("/v1/status", api.status)
    route("/openapi.json", api.openapi)
    route("/", api.search_page)
    route("/feeds/<feed_id>", api.feed_page)
    route("/items/<item_id>", api.item_page)
    route("/assets/<name>", api.asset)

    @resolver.not_found
    def not_found(_error: NotFoundError) -> Response[Any]:
        return api.not_found(api.call(resolver.current_event.raw_event))

    return api


def handle_event(
    resolver: ApiGatewayResolver, api: Api, event: Mapping[str, Any], context: LambdaContext
) -> dict[str, Any]:
    """Answer an event of an API Gateway REST proxy; whatever it holds, a response of the contract comes out."""
    method = str(event.get("httpMethod") or "GET").upper()
    try:
        answered = _answered(resolver, api, event, method, context)
    except Exception as error:  # noqa: BLE001 - the last line of defence: a defect is logged, never shown
        answered = _as_event(api.defect(error))
    return {**answered, "body": ""} if method == "HEAD" else answered


def _answered(
    resolver: ApiGatewayResolver, api: Api, event: Mapping[str, Any], method: str, context: LambdaContext
) -> dict[str, Any]:
    several: RawParameters = event.get("multiValueQueryStringParameters") or {}
    target = f"{event.get('path') or '/'}?{urlencode(several, doseq=True, safe=_PLAIN, errors='surrogatepass')}"
    refused = refusal(method, len(target.encode(errors="surrogatepass")))
    if refused is not None:
        return _as_event(api.said(refused, api.call(event)))
    answered: dict[str, Any] = resolver.resolve(
        {**event, "httpMethod": "GET", "path": event.get("path") or "/"}, context
    )
    return answered


def _as_event(response: Response[Any]) -> dict[str, Any]:
    headers = {name: [str(value)] for name, value in response.headers.items()}
    headers["Content-Type"] = [str(response.content_type)]
    return {
        "statusCode": response.status_code,
        "multiValueHeaders": headers,
        "body": response.body,
        "isBase64Encoded": False,
    }


def refusal(method: str, target_length: int) -> ProblemOut | None:
    """Refuse what no route answers: another method than GET and HEAD, or too long an address."""
    if method not in {"GET", "HEAD"}:
        return problem_of(405, "method_not_allowed", "Only GET and HEAD are answered: nothing is changed here.")
    if target_length > TARGET_LENGTH:
        return problem_of(400, "invalid_request", f"The address is longer than {TARGET_LENGTH} bytes.")
    return None


class Api:
    """What the routes answer."""

    def __init__(
        self, engine: SearchEngine, settings: Settings, clock: Clock, watch: Watch | None = None, address: str = ""
    ) -> None:
        self._address = address
        self._engine = engine
        self._settings = settings
        self._clock = clock
        self._watch = watch
        self._pages: Pages | None = None

    # --- routes ---

    def search(self, call: Request) -> Response[Any]:
        """Answer /v1/search, in the format that was asked for."""
        request = read_search(call.sent, self._clock(), self._bands)
        found, items = self._answer(request)
        body = self._written(call, request, found, items)
        while len(body) > LONGEST_ANSWER and len(found.items) > 1:
            request = _smaller(request, found, len(body))
            found, items = self._answer(request)
            body = self._written(call, request, found, items)
        cursor = read_cursor(found.next) if found.next else None
        steadily = _encoder.encode(steady(found, request, cursor.position if cursor else None))
        headers = {}
        link = _next_link(call, request.parameters, found.next)
        if link and len(link) <= LONGEST_LINK:
            headers["Link"] = link
        if request.form == "json":
            return json_response(call, body, weak_etag(steadily), headers)
        from newswire.web.feed_formats import CONTENT_TYPES, http_date  # noqa: PLC0415 - for whoever asks

        headers["X-Total-Count"] = str(found.total.value)
        watched = found.coverage
        headers["X-Coverage"] = "partial" if watched.not_ok_count or watched.gap_count else "ok"
        if request.form in FEED_FORMATS and items:
            headers["Last-Modified"] = http_date(max(item.changed for item in items))
        return whole_response(
            call, body, CONTENT_TYPES[request.form], weak_etag(steadily + request.form.encode()), headers
        )

    def _written(self, call: Request, request: SearchRequest, found: Answer, items: Sequence[Item]) -> bytes:
        """Write an answer in the format that was asked for."""
        if request.form == "json":
            return _encoder.encode(found)
        from newswire.web.feed_formats import write_csv, write_feed, write_lines  # noqa: PLC0415 - for whoever asks

        if request.form == "ndjson":
            return write_lines(found.items).encode()
        if request.form == "csv":
            wanted = request.fields | ({"highlights"} if request.highlight else set())
            columns = [name for name in ITEM_FIELDS if name in wanted]
            return write_csv(columns, map(msgspec.to_builtins, found.items)).encode()
        return write_feed(request.form, self._head(call, request, items, found.next), items).encode()

    def _head(self, call: Request, request: SearchRequest, items: Sequence[Item], cursor: str | None) -> FeedHead:
        """Say what a feed is about, and where it and its other pages are."""
        from newswire.web.feed_formats import FeedHead  # noqa: PLC0415 - for whoever asks

        following = _following(call, request.parameters, cursor)
        said = {name: text for name, text in request.parameters.items() if name != "cursor"}
        asked = {name: text for name, text in said.items() if name not in {"format", "size"}}
        about = request.q or "all news"
        within = " ".join(
            f"{name} {asked[name]}" for name in ("feed", "category", "author", "lang", "from", "to") if name in asked
        )
        stable = sha256(_encoder.encode(sorted(asked.items()))).hexdigest()[:24]
        return FeedHead(
            id=f"urn:newswire:search:{stable}",
            title=f"newswire: {about}",
            description=f"What newswire finds for {about}{f', {within}' if within else ''}",
            page=f"{call.origin}/?{urlencode(asked)}",
            self=f"{call.origin}{call.path}?{urlencode(request.parameters)}",
            first=f"{call.origin}{call.path}?{urlencode(said)}",
            next=None if following is None else call.origin + following,
            updated=max((item.changed for item in items), default=0),
        )

    def items(self, call: Request) -> Response[Any]:
        """Answer /v1/items?ids=a,b."""
        reader = ParameterReader(call.sent, ("ids",))
        asked = reader.listed("ids")
        if "ids" not in call.sent:
            reader.wrong("ids", "invalid_value", "ids is not given.", f"1 to {MAX_IDS} ids with commas between")
        if len(asked) > MAX_IDS:
            reader.wrong("ids", "out_of_range", f"{len(asked)} ids are too many.", f"1 to {MAX_IDS}")
        reader.raise_if_wrong()
        ids = tuple(dict.fromkeys(asked))
        now = self._clock()
        found = self._engine.get(ids)
        items: list[ItemOut] = []
        length = 0
        for id_ in (one for one in ids if one in found):
            out = item_out(found[id_], now, ALL_FIELDS - {"score"})
            length += len(_encoder.encode(out))
            if items and length > LONGEST_ANSWER:
                break
            items.append(out)
        returned = {one.id for one in items}
        whole = ItemsOut(
            tuple(items),
            not_found=tuple(one for one in ids if one not in found),
            not_returned=tuple(one for one in ids if one in found and one not in returned),
        )
        unaged = tuple(msgspec.structs.replace(one, age=UNSET) for one in items)
        return json_response(
            call, _encoder.encode(whole), weak_etag(_encoder.encode(msgspec.structs.replace(whole, items=unaged)))
        )

    def item(self, call: Request, item_id: str) -> Response[Any]:
        """Answer /v1/items/{id}, with its content."""
        ParameterReader(call.sent, ()).raise_if_wrong()
        found = self._engine.get([item_id]).get(item_id)
        if found is None:
            return _missing(f"There is no item {shorten(item_id)!r}: /v1/search finds them.")
        out = item_out(found, self._clock(), ALL_FIELDS - {"score"})
        return json_response(
            call, _encoder.encode(out), weak_etag(_encoder.encode(msgspec.structs.replace(out, age=UNSET)))
        )

    def feeds(self, call: Request) -> Response[Any]:
        """Answer /v1/feeds, by id."""
        reader = ParameterReader(call.sent, ("size", "cursor", "state"))
        size = reader.whole_number("size", 1, MAX_SIZE, FEEDS_A_PAGE)
        state = reader.choice("state", (*STATES, ""), "")
        after = reader.said.get("cursor", "")
        if after and not after.startswith("after:"):
            reader.wrong("cursor", "cursor_invalid", "This is no cursor that newswire gave.", "`next` of an answer")
        reader.raise_if_wrong()
        now, grace = self._clock(), self._settings.stale_grace_seconds
        wanted = [one for one in self._engine.statuses() if not state or state_of(one, now, grace) == state]
        rest = [one for one in wanted if one.id > after.removeprefix("after:")]
        page = rest[:size]
        following = f"after:{page[-1].id}" if len(rest) > size else None
        found = FeedsOut(tuple(feed_out(one, now, grace) for one in page), len(wanted), following)
        steadily = msgspec.structs.replace(found, feeds=tuple(map(_steady_feed, found.feeds)))
        headers = {}
        if link := _next_link(call, reader.said, following):
            headers["Link"] = link
        return json_response(call, _encoder.encode(found), weak_etag(_encoder.encode(steadily)), headers)

    def feed(self, call: Request, feed_id: str) -> Response[Any]:
        """Answer /v1/feeds/{id}, with the last fetches and the gaps."""
        ParameterReader(call.sent, ()).raise_if_wrong()
        found = self._engine.statuses([feed_id])
        if not found:
            return _missing(f"There is no feed {shorten(feed_id)!r}: /v1/feeds lists them.")
        out = feed_out(found[0], self._clock(), self._settings.stale_grace_seconds, whole=True)
        return json_response(call, _encoder.encode(out), weak_etag(_encoder.encode(_steady_feed(out))))

    def status(self, call: Request) -> Response[Any]:
        """Answer /v1/status."""
        ParameterReader(call.sent, ()).raise_if_wrong()
        engine = self._engine
        generation = engine.generation()
        found: StatusOut = status_out(
            engine.info(),
            generation,
            engine.count(generation),
            engine.statuses(),
            self._clock(),
            self._settings.stale_grace_seconds,
        )
        body = _encoder.encode(found)
        return json_response(call, body, weak_etag(body))

    def openapi(self, call: Request) -> Response[Any]:
        """Answer /openapi.json."""
        from newswire.web.openapi import document  # noqa: PLC0415 - made once, for whoever asks

        ParameterReader(call.sent, ()).raise_if_wrong()
        body = document()
        return json_response(call, body, weak_etag(body))

    # --- routes for people ---

    def search_page(self, call: Request) -> Response[Any]:
        """Answer / with the page of a search."""
        return self._for_people.search(call)

    def feed_page(self, call: Request, feed_id: str) -> Response[Any]:
        """Answer /feeds/{id} with the page of a feed."""
        return self._for_people.feed(call, feed_id)

    def item_page(self, call: Request, item_id: str) -> Response[Any]:
        """Answer /items/{id} with the page of an item."""
        return self._for_people.item(call, item_id)

    def asset(self, call: Request, name: str) -> Response[Any]:
        """Answer /assets/{name} with what pages ask for."""
        return self._for_people.asset(call, name) or self.not_found(call)

    @property
    def _for_people(self) -> Pages:
        """Give the pages; whoever asks for JSON never loads them."""
        if self._pages is None:
            from newswire.web.pages.routes import Pages  # noqa: PLC0415 - a template engine, for whoever reads pages

            self._pages = Pages(self._engine, self._settings, self._clock, self._bands, self._watch)
        return self._pages

    # --- what they have in common ---

    def call(self, event: Mapping[str, Any]) -> Request:
        """Read what routes need of an event."""
        return read_request(event, self._settings.public_url, self._address)

    def not_found(self, call: Request) -> Response[Any]:
        """Say that no route has this address."""
        detail = "There is nothing at this address: /openapi.json lists what there is."
        return self.said(problem_of(404, "not_found", detail), call)

    def answered(self, route: Callable[[], Response[Any]], call: Request) -> Response[Any]:
        """Carry out a route; what it raises becomes a problem of the contract, and a page for whoever reads pages."""
        try:
            return route()
        except BadParametersError as error:
            detail = "The request can't be answered as it is."
            problem = problem_of(400, "invalid_request", detail, error.problems)
        except EngineTimeoutError:
            problem = problem_of(504, "engine_timeout", "The search did not finish in its time; a smaller one will.")
        except (EngineError, DataError) as error:
            problem = problem_of(503, "engine_unavailable", "The search engine does not answer: try again in a moment.")
            log_defect(error, problem.request_id)
        except Exception as error:  # noqa: BLE001 - the last line of defence: a defect is logged, never shown
            problem = _defect(error)
        return self.said(problem, call)

    def defect(self, error: Exception) -> Response[Any]:
        """Log a defect of ours under the request's id, and say nothing else of it."""
        return problem_response(_defect(error))

    def said(self, problem: ProblemOut, call: Request) -> Response[Any]:
        """Say what went wrong as a page to whoever reads pages, and as JSON to everybody else."""
        return self._for_people.problem(call, problem) if _is_for_people(call) else problem_response(problem)

    def _bands(self, now: Instant) -> tuple[RecencyBand, ...]:
        return bands_of(self._settings.recency_weight, self._settings.recency_days, now)

    def _answer(self, request: SearchRequest) -> tuple[Answer, tuple[Item, ...]]:
        found, page = answer_with_page(
            self._engine, request, self._clock, self._settings.stale_grace_seconds, self._watch
        )
        return found, tuple(hit.item for hit in page.hits)


def _is_for_people(call: Request) -> bool:
    """Say whether an address is one of a page or, where there is nothing, whether a browser asks."""
    if call.path in {"/v1", "/openapi.json"} or call.path.startswith("/v1/"):
        return False
    return call.path == "/" or call.path.startswith(("/feeds/", "/items/")) or "text/html" in call.accept


def _missing(detail: str) -> Response[Any]:
    return problem_response(problem_of(404, "not_found", detail))


def _defect(error: Exception) -> ProblemOut:
    problem = problem_of(500, "internal", "Something went wrong here; the log has it under this request id.")
    log_defect(error, problem.request_id)
    return problem


def _following(call: Request, said: Mapping[str, str], cursor: str | None) -> str | None:
    """Give what is asked for the next page, if there is one: the same parameters, from the cursor on."""
    if cursor is None:
        return None
    query = {name: value for name, value in said.items() if name != "cursor"} | {"cursor": cursor}
    return f"{call.path}?{urlencode(query)}"


def _next_link(call: Request, said: Mapping[str, str], cursor: str | None) -> str:
    """Give the Link header of the next page (RFC 8288); empty where there is none."""
    following = _following(call, said, cursor)
    return f'<{call.base}{following}>; rel="next"' if following else ""


def _smaller(request: SearchRequest, found: Answer, length: int) -> SearchRequest:
    """Ask for as many items as fit into an answer, and one at least; in other formats than JSON for half of them."""
    if request.form != "json":
        return _of_size(request, len(found.items) // 2)
    room = LONGEST_ANSWER - (length - sum(len(_encoder.encode(one)) + 1 for one in found.items))
    size = 0
    for one in found.items:
        room -= len(_encoder.encode(one)) + 1
        if room < 0:
            break
        size += 1
    return _of_size(request, max(size, 1))


def _of_size(request: SearchRequest, size: int) -> SearchRequest:
    return msgspec.structs.replace(request, query=msgspec.structs.replace(request.query, size=size))


def _steady_feed(feed: FeedOut) -> FeedOut:
    """Give a feed without its check times, which move by themselves."""
    return msgspec.structs.replace(feed, last_checked=None, last_success=None, next_check=None, fetches=UNSET)
