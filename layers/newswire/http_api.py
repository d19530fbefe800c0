"""The HTTP API: an event in the form of an API Gateway REST proxy comes in, a response in that form goes out.

The same routes answer in Lambda and, behind `asgi.py`, on one machine. docs/api.md is the contract.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlencode

import msgspec
from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.api_gateway import ApiGatewayResolver
from aws_lambda_powertools.event_handler.exceptions import NotFoundError
from msgspec import UNSET, Struct, UnsetType

from newswire.clock import Clock, Instant
from newswire.cursors import read_cursor
from newswire.engines import SearchEngine
from newswire.errors import DataError, EngineError, EngineTimeoutError
from newswire.feed_answers import FeedOut, FeedsOut, StatusOut, feed_out, status_out
from newswire.health import state_of
from newswire.highlights import escaped
from newswire.log import log_defect
from newswire.model import Item
from newswire.parameters import (
    FEED_FORMATS,
    ITEM_FIELDS,
    MAX_IDS,
    MAX_SIZE,
    STATES,
    BadParametersError,
    Problem,
    Reader,
    SearchRequest,
    read_search,
    shorten,
)
from newswire.query import RecencyBand, SearchQuery
from newswire.recency import bands_of
from newswire.search import ALL_FIELDS, Answer, ItemOut, Watch, answer_with_items, item_out, steady
from newswire.settings import Settings

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

    from newswire.syndication import FeedHead

JSON = "application/json; charset=utf-8"
PROBLEM = "application/problem+json; charset=utf-8"
TARGET_LENGTH = 6_000
LONGEST_ANSWER = 4_000_000
LONGEST_LINK = 2_000
RETRY_AFTER_S = 10
FEEDS_A_PAGE = 100
Sent = Mapping[str, list[str]]
_encoder = msgspec.json.Encoder()

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


class ItemsOut(Struct, frozen=True):
    """The items that were asked for by id, in that order; `not_returned` are those that 4 MB had no room for."""

    items: tuple[ItemOut, ...]
    not_found: tuple[str, ...]
    not_returned: tuple[str, ...]


class Call(Struct, frozen=True):
    """What a route needs to know of a request."""

    path: str
    sent: Sent
    if_none_match: str
    if_modified_since: str
    base: str
    """What absolute links begin with; empty where the public address is not known, and links are relative."""
    origin: str
    """What links in a feed begin with: the same, or where this machine listens; never what a Host header says."""


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
            if call.path != "/" and call.path.endswith("/"):  # the resolver for REST APIs would pass over it
                return api.not_found()
            return api.answered(lambda: answered(call, **captured))

        resolver.get(path)(handler)

    route("/v1/search", api.search)
    route("/v1/items", api.items)
    route("/v1/items/<item_id>", api.item)
    route("/v1/feeds", api.feeds)
    route("/v1/feeds/<feed_id>", api.feed)
    route("/v1/status", api.status)
    route("/openapi.json", api.openapi)
    route("/", api.front)

    @resolver.not_found
    def not_found(_error: NotFoundError) -> Response[Any]:
        return api.not_found()

    return api


def answer_event(
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
    several: Sent = event.get("multiValueQueryStringParameters") or {}
    target = f"{event.get('path') or '/'}?{urlencode(several, doseq=True, errors='surrogatepass')}"
    refused = api.refusal(method, len(target.encode(errors="surrogatepass")))
    if refused is not None:
        return _as_event(refused)
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

    # --- routes ---

    def search(self, call: Call) -> Response[Any]:
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
            return _json(call, body, _tag(steadily), headers)
        from newswire.syndication import CONTENT_TYPES, http_date  # noqa: PLC0415 - for whoever asks

        headers["X-Total-Count"] = str(found.total.value)
        watched = found.coverage
        headers["X-Coverage"] = "partial" if watched.not_ok_count or watched.gap_count else "ok"
        if request.form in FEED_FORMATS and items:
            headers["Last-Modified"] = http_date(max(item.changed for item in items))
        return _whole(call, body, CONTENT_TYPES[request.form], _tag(steadily + request.form.encode()), headers)

    def _written(self, call: Call, request: SearchRequest, found: Answer, items: Sequence[Item]) -> bytes:
        """Write an answer in the format that was asked for."""
        if request.form == "json":
            return _encoder.encode(found)
        from newswire.syndication import write_csv, write_feed, write_lines  # noqa: PLC0415 - for whoever asks

        if request.form == "ndjson":
            return write_lines(found.items).encode()
        if request.form == "csv":
            wanted = request.fields | ({"highlights"} if request.highlight else set())
            columns = [name for name in ITEM_FIELDS if name in wanted]
            return write_csv(columns, map(msgspec.to_builtins, found.items)).encode()
        return write_feed(request.form, self._head(call, request, items, found.next), items).encode()

    def _head(self, call: Call, request: SearchRequest, items: Sequence[Item], cursor: str | None) -> FeedHead:
        """Say what a feed is about, and where it and its other pages are."""
        from newswire.syndication import FeedHead  # noqa: PLC0415 - for whoever asks

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

    def items(self, call: Call) -> Response[Any]:
        """Answer /v1/items?ids=a,b."""
        reader = Reader(call.sent, ("ids",))
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
        return _json(call, _encoder.encode(whole), _tag(_encoder.encode(msgspec.structs.replace(whole, items=unaged))))

    def item(self, call: Call, item_id: str) -> Response[Any]:
        """Answer /v1/items/{id}, with its content."""
        Reader(call.sent, ()).raise_if_wrong()
        found = self._engine.get([item_id]).get(item_id)
        if found is None:
            return self.problem(404, "not_found", f"There is no item {shorten(item_id)!r}: /v1/search finds them.")
        out = item_out(found, self._clock(), ALL_FIELDS - {"score"})
        return _json(call, _encoder.encode(out), _tag(_encoder.encode(msgspec.structs.replace(out, age=UNSET))))

    def feeds(self, call: Call) -> Response[Any]:
        """Answer /v1/feeds, by id."""
        reader = Reader(call.sent, ("size", "cursor", "state"))
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
        return _json(call, _encoder.encode(found), _tag(_encoder.encode(steadily)), headers)

    def feed(self, call: Call, feed_id: str) -> Response[Any]:
        """Answer /v1/feeds/{id}, with the last fetches and the gaps."""
        Reader(call.sent, ()).raise_if_wrong()
        found = self._engine.statuses([feed_id])
        if not found:
            return self.problem(404, "not_found", f"There is no feed {shorten(feed_id)!r}: /v1/feeds lists them.")
        out = feed_out(found[0], self._clock(), self._settings.stale_grace_seconds, whole=True)
        return _json(call, _encoder.encode(out), _tag(_encoder.encode(_steady_feed(out))))

    def status(self, call: Call) -> Response[Any]:
        """Answer /v1/status."""
        Reader(call.sent, ()).raise_if_wrong()
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
        return _json(call, body, _tag(body))

    def openapi(self, call: Call) -> Response[Any]:
        """Answer /openapi.json."""
        from newswire.openapi import document  # noqa: PLC0415 - made once, for whoever asks

        Reader(call.sent, ()).raise_if_wrong()
        body = document()
        return _json(call, body, _tag(body))

    def front(self, _call: Call) -> Response[Any]:
        """Answer / with a plain list of the newest items."""
        page = self._engine.search(SearchQuery(size=30))
        now = self._clock()
        rows = []
        for hit in page.hits:
            item = item_out(hit.item, now, ALL_FIELDS)
            title = escaped(hit.item.title or hit.item.summary[:80] or hit.item.id)
            link = f'<a href="{escaped(hit.item.link)}">{title}</a>' if hit.item.link else title
            rows.append(f"<li>{link}<br><small>{escaped(hit.item.feed)}, {item.age} ago</small></li>")
        body = (
            '<!doctype html><html lang="en"><meta charset="utf-8"><title>newswire</title><h1>newswire</h1>'
            f"<p>{page.total} items. Search them: <code>/v1/search?q=…</code></p><ul>{''.join(rows)}</ul></html>"
        )
        headers: dict[str, str | list[str]] = {
            "Content-Security-Policy": "default-src 'none'",
            "X-Request-Id": uuid.uuid4().hex,
        }
        return Response(200, "text/html; charset=utf-8", body, headers=headers)

    # --- what they have in common ---

    def call(self, event: Mapping[str, Any]) -> Call:
        """Read what routes need of an event."""
        base = self._settings.public_url.rstrip("/") or _gateway_base(event)
        return Call(
            path=str(event.get("path") or "/"),
            # `queryStringParameters` keeps only the last of repeated ones.
            sent=event.get("multiValueQueryStringParameters") or {},
            if_none_match=_header(event, "if-none-match"),
            if_modified_since=_header(event, "if-modified-since"),
            base=base,
            origin=base or self._address,
        )

    def refusal(self, method: str, target_length: int) -> Response[Any] | None:
        """Refuse what no route answers: another method than GET and HEAD, or too long an address."""
        if method not in {"GET", "HEAD"}:
            return self.problem(405, "method_not_allowed", "Only GET and HEAD are answered: nothing is changed here.")
        if target_length > TARGET_LENGTH:
            return self.problem(400, "invalid_request", f"The address is longer than {TARGET_LENGTH} bytes.")
        return None

    def not_found(self) -> Response[Any]:
        """Say that no route has this address."""
        return self.problem(404, "not_found", "There is nothing at this address: /openapi.json lists what there is.")

    def answered(self, route: Callable[[], Response[Any]]) -> Response[Any]:
        """Carry out a route; what it raises becomes a problem of the contract."""
        try:
            return route()
        except BadParametersError as error:
            return self.problem(400, "invalid_request", "The request can't be answered as it is.", error.problems)
        except EngineTimeoutError:
            return self.problem(504, "engine_timeout", "The search did not finish in its time; a smaller one will.")
        except (EngineError, DataError) as error:
            response = self.problem(
                503, "engine_unavailable", "The search engine does not answer: try again in a moment."
            )
            log_defect(error, str(response.headers["X-Request-Id"]))
            return response
        except Exception as error:  # noqa: BLE001 - the last line of defence: a defect is logged, never shown
            return self.defect(error)

    def defect(self, error: Exception) -> Response[Any]:
        """Log a defect of ours under the request's id, and say nothing else of it."""
        response = self.problem(500, "internal", "Something went wrong here; the log has it under this request id.")
        log_defect(error, str(response.headers["X-Request-Id"]))
        return response

    def problem(self, status: int, code: ProblemCode, detail: str, errors: tuple[Problem, ...] = ()) -> Response[Any]:
        """Make a problem document (RFC 9457)."""
        body = problem_of(status, code, detail, errors)
        headers: dict[str, str | list[str]] = {"X-Request-Id": body.request_id, "Cache-Control": "no-store"}
        if status == 503:  # noqa: PLR2004 - Service Unavailable
            headers["Retry-After"] = str(RETRY_AFTER_S)
        if status == 405:  # noqa: PLR2004 - Method Not Allowed
            headers["Allow"] = "GET, HEAD"
        return Response(status, PROBLEM, _encoder.encode(body).decode(), headers=headers)

    def _bands(self, now: Instant) -> tuple[RecencyBand, ...]:
        return bands_of(self._settings.recency_weight, self._settings.recency_days, now)

    def _answer(self, request: SearchRequest) -> tuple[Answer, tuple[Item, ...]]:
        return answer_with_items(self._engine, request, self._clock, self._settings.stale_grace_seconds, self._watch)


def _following(call: Call, said: Mapping[str, str], cursor: str | None) -> str | None:
    """Give what is asked for the next page, if there is one: the same parameters, from the cursor on."""
    if cursor is None:
        return None
    query = {name: value for name, value in said.items() if name != "cursor"} | {"cursor": cursor}
    return f"{call.path}?{urlencode(query)}"


def _next_link(call: Call, said: Mapping[str, str], cursor: str | None) -> str:
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


def _tag(body: bytes) -> str:
    """Make a weak entity tag (RFC 9110, section 8.8.3)."""
    return f'W/"{sha256(body).hexdigest()[:24]}"'


def _is_known(if_none_match: str, tag: str) -> bool:
    """Compare weakly, as If-None-Match does (RFC 9110, section 13.1.2)."""
    known = {one.strip().removeprefix("W/") for one in if_none_match.split(",")}
    return "*" in known or tag.removeprefix("W/") in known


def _json(call: Call, body: bytes, tag: str, more: Mapping[str, str] | None = None) -> Response[Any]:
    return _whole(call, body, JSON, tag, more or {})


def _whole(call: Call, body: bytes, content_type: str, tag: str, more: Mapping[str, str]) -> Response[Any]:
    """Answer with a body, or say that it is the one that the caller has (RFC 9110, section 13.2.2)."""
    headers: dict[str, str | list[str]] = {
        "Cache-Control": "private, no-cache",
        "X-Request-Id": uuid.uuid4().hex,
        "ETag": tag,
        "X-Content-Type-Options": "nosniff",
        **more,
    }
    if call.if_none_match:
        is_known = _is_known(call.if_none_match, tag)
    else:
        is_known = bool(call.if_modified_since) and call.if_modified_since == more.get("Last-Modified")
    if is_known:
        return Response(304, content_type, "", headers=headers)
    return Response(200, content_type, body.decode(), headers=headers)


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
