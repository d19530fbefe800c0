"""The HTTP API: an event in the form of an API Gateway REST proxy comes in, a response in that form goes out.

The same routes answer in Lambda and, behind `serve.py`, on one machine. docs/api.md is the contract.
"""

from __future__ import annotations

import html
import uuid
from collections.abc import Callable
from typing import Any

import msgspec
from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.api_gateway import ApiGatewayResolver
from aws_lambda_powertools.event_handler.exceptions import NotFoundError
from msgspec import Struct

from newswire.clock import Clock, Instant, to_rfc3339
from newswire.engines import SearchEngine
from newswire.errors import DataError, EngineError, EngineTimeoutError
from newswire.health import State, state_of
from newswire.model import FeedStatus, FetchLine, Gap
from newswire.query import SearchQuery
from newswire.search import Answer, BadParametersError, GapOut, Problem, answer, item_out, read_request, shorten
from newswire.settings import Settings

JSON = "application/json; charset=utf-8"
PROBLEM = "application/problem+json; charset=utf-8"
TARGET_LENGTH = 6_000
RETRY_AFTER_S = 10
_encoder = msgspec.json.Encoder()


class FetchOut(Struct, frozen=True):
    """One of the last fetches of a feed."""

    time: str
    status: int | None
    bytes: int
    new: int | None
    changed: int | None
    unchanged: int | None
    error: str | None
    took_ms: int


class FeedOut(Struct, frozen=True):
    """A feed as callers see it."""

    id: str
    title: str
    description: str
    link: str
    url: str
    kind: str
    state: State
    last_checked: str | None
    last_success: str | None
    next_check: str | None
    items: int
    newest: str | None
    error: dict[str, str] | None
    fetches: tuple[FetchOut, ...] | msgspec.UnsetType = msgspec.UNSET
    gaps: tuple[GapOut, ...] | msgspec.UnsetType = msgspec.UNSET


class FeedsOut(Struct, frozen=True):
    """All feeds."""

    feeds: tuple[FeedOut, ...]


class ProblemOut(Struct, frozen=True):
    """An error, as RFC 9457 has it."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    request_id: str
    errors: tuple[Problem, ...] | msgspec.UnsetType = msgspec.UNSET


def build_api(resolver: ApiGatewayResolver, engine: SearchEngine, settings: Settings, clock: Clock) -> Api:
    """Put the routes on a resolver of Powertools, over an engine that may not be open yet."""
    api = Api(engine, settings, clock)

    @resolver.get("/v1/search")
    def search() -> Response[Any]:
        return api.answered(lambda: api.search(_query_of(resolver)))

    @resolver.get("/v1/feeds")
    def feeds() -> Response[Any]:
        return api.answered(lambda: api.feeds(_query_of(resolver)))

    @resolver.get("/v1/feeds/<feed_id>")
    def feed(feed_id: str) -> Response[Any]:
        return api.answered(lambda: api.feed(feed_id, _query_of(resolver)))

    @resolver.get("/")
    def front() -> Response[Any]:
        return api.answered(api.front)

    @resolver.not_found
    def not_found(_error: NotFoundError) -> Response[Any]:
        return api.problem(404, "not_found", "There is nothing at this address: see /v1/search and /v1/feeds.")

    return api


def _query_of(resolver: ApiGatewayResolver) -> dict[str, list[str]]:
    """Give all values of all parameters: `queryStringParameters` keeps only the last of repeated ones."""
    event = resolver.current_event.raw_event
    return event.get("multiValueQueryStringParameters") or {}


class Api:
    """What the routes answer."""

    def __init__(self, engine: SearchEngine, settings: Settings, clock: Clock) -> None:
        self._engine = engine
        self._settings = settings
        self._clock = clock

    def search(self, parameters: dict[str, list[str]]) -> Response[Any]:
        """Answer /v1/search."""
        request = read_request(parameters, self._clock())
        found: Answer = answer(self._engine, request, self._clock, self._settings.stale_grace_seconds)
        return _json(found)

    def feeds(self, parameters: dict[str, list[str]]) -> Response[Any]:
        """Answer /v1/feeds."""
        _none_allowed(parameters)
        now = self._clock()
        return _json(FeedsOut(tuple(self._feed_out(status, now) for status in self._engine.statuses())))

    def feed(self, feed_id: str, parameters: dict[str, list[str]]) -> Response[Any]:
        """Answer /v1/feeds/{id}, with the last fetches and the gaps."""
        _none_allowed(parameters)
        found = self._engine.statuses([feed_id])
        if not found:
            return self.problem(404, "not_found", f"There is no feed {shorten(feed_id)!r}: /v1/feeds lists them.")
        return _json(self._feed_out(found[0], self._clock(), whole=True))

    def front(self) -> Response[Any]:
        """Answer / with a plain list of the newest items."""
        page = self._engine.search(SearchQuery(size=30))
        now = self._clock()
        rows = []
        for hit in page.hits:
            item = item_out(hit.item, now)
            title = html.escape(item.title or item.summary[:80] or item.id)
            link = f'<a href="{html.escape(item.link)}">{title}</a>' if item.link else title
            rows.append(f"<li>{link}<br><small>{html.escape(item.feed)}, {item.age} ago</small></li>")
        body = (
            '<!doctype html><html lang="en"><meta charset="utf-8"><title>newswire</title><h1>newswire</h1>'
            f"<p>{page.total} items. Search them: <code>/v1/search?q=…</code></p><ul>{''.join(rows)}</ul></html>"
        )
        return Response(
            200, "text/html; charset=utf-8", body, headers={"Content-Security-Policy": "default-src 'none'"}
        )

    def _feed_out(self, status: FeedStatus, now: Instant, *, whole: bool = False) -> FeedOut:
        error = {"code": status.error_code, "detail": status.error or ""} if status.error_code else None
        return FeedOut(
            id=status.id,
            title=status.title,
            description=status.description,
            link=status.link,
            url=status.url,
            kind=status.kind,
            state=state_of(status, now, self._settings.stale_grace_seconds),
            last_checked=_time(status.last_checked),
            last_success=_time(status.last_success),
            next_check=_time(status.next_check),
            items=status.items,
            newest=_time(status.newest),
            error=error,
            fetches=tuple(map(_fetch_out, status.fetches)) if whole else msgspec.UNSET,
            gaps=tuple(_gap_out(status.id, gap) for gap in status.gaps) if whole else msgspec.UNSET,
        )

    def answered(self, route: Callable[[], Response[Any]]) -> Response[Any]:
        """Carry out a route; what it raises becomes a problem of the contract."""
        try:
            return route()
        except BadParametersError as error:
            return self.problem(400, "invalid_request", "The request can't be answered as it is.", error.problems)
        except EngineTimeoutError:
            return self.problem(504, "engine_timeout", "The search did not finish in its time; a smaller one will.")
        except (EngineError, DataError):
            return self.problem(503, "engine_unavailable", "The search engine does not answer: try again in a moment.")

    def problem(self, status: int, code: str, detail: str, errors: tuple[Problem, ...] = ()) -> Response[Any]:
        """Make a problem document (RFC 9457)."""
        request_id = uuid.uuid4().hex
        titles = {400: "Bad request", 404: "Not found", 405: "Method not allowed", 500: "Internal error"}
        titles |= {503: "Engine unavailable", 504: "Engine timeout"}
        body = ProblemOut(
            type=f"urn:newswire:{code}",
            title=titles[status],
            status=status,
            detail=detail,
            code=code,
            request_id=request_id,
            errors=errors or msgspec.UNSET,
        )
        headers: dict[str, Any] = {"X-Request-Id": request_id}
        if status == 503:  # noqa: PLR2004 - Service Unavailable
            headers["Retry-After"] = str(RETRY_AFTER_S)
        if status == 405:  # noqa: PLR2004 - Method Not Allowed
            headers["Allow"] = "GET, HEAD"
        return Response(status, PROBLEM, _encoder.encode(body).decode(), headers=headers)


def _none_allowed(parameters: dict[str, list[str]]) -> None:
    unknown = [name for name in parameters if not name.startswith("X-Amz-")]
    if unknown:
        raise BadParametersError(
            [Problem(shorten(one), "unknown_parameter", f"There is no parameter {shorten(one)!r}.") for one in unknown]
        )


def _json(body: Struct) -> Response[Any]:
    headers = {"Cache-Control": "private, no-cache", "X-Request-Id": uuid.uuid4().hex}
    return Response(200, JSON, _encoder.encode(body).decode(), headers=headers)


def _time(instant: Instant | None) -> str | None:
    return None if instant is None else to_rfc3339(instant)


def _fetch_out(line: FetchLine) -> FetchOut:
    return FetchOut(
        time=to_rfc3339(line.at),
        status=line.status,
        bytes=line.bytes,
        new=line.new,
        changed=line.changed,
        unchanged=line.unchanged,
        error=line.error,
        took_ms=line.took_ms,
    )


def _gap_out(feed: str, gap: Gap) -> GapOut:
    return GapOut(feed, to_rfc3339(gap.start), to_rfc3339(gap.end))
