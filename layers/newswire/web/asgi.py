"""ASGI applications that answer each request in a thread: the routes on one machine, and the base of the signing proxy.

Powertools has an ASGI application, but it runs handlers one after the other: four of one second take 4.06 s. It also
answers an undecodable header with a plain-text 500, and has no HEAD. So each thread runs the resolver in its own event
loop.
"""

from __future__ import annotations

import asyncio
import re
import threading
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any
from urllib.parse import unquote, unquote_to_bytes

from aws_lambda_powertools.event_handler import HttpResolverLocal, Response

from newswire.urls import hostname_of, is_ip_address
from newswire.web.api import Api
from newswire.web.compression import compress
from newswire.web.events import refuse
from newswire.web.lanes import Lanes
from newswire.web.messages import ProblemOut, problem_of, problem_response

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
AsgiResponse = tuple[int, list[tuple[bytes, bytes]], bytes]
"""Status, headers and body."""

ANY_ADDRESS = "*"
"""In the hosts of an application: every IP address is a name of the server, which listens on several."""

_OVERLOADED = "The server is answering as many requests as it can; try again in a moment."
_NOT_MODIFIED = 304
_HOST = re.compile(r"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::\d{0,5})?")
_ABSOLUTE_FORM = re.compile(rb"https?://[^/?#]*", re.IGNORECASE)


class ThreadedAsgiApp(ABC):
    """An ASGI application that calls `respond` in a thread for each request, by its lane (`lanes.py`).

    A request that finds its lane full is answered 503, and one that takes longer than `timeout_s` seconds 504. A request
    whose client hangs up before it is begun is dropped.
    """

    def __init__(self, timeout_s: float) -> None:
        self._lanes: Lanes[AsgiResponse] = Lanes()
        self._timeout_s = timeout_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; acknowledge `lifespan`, and ignore other scopes."""
        if scope["type"] == "lifespan":
            await _acknowledge_lifespan(receive, send)
            return
        if scope["type"] != "http":
            return
        scope = _in_origin_form(scope)
        response = await self._answer(scope, receive)
        if response is None:
            return
        status, headers, body = response
        if _has_two_lengths(scope):
            headers = [*headers, (b"connection", b"close")]  # RFC 9112, section 6.1: perhaps an attempt at smuggling
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})

    async def _answer(self, scope: Scope, receive: Receive) -> AsgiResponse | None:
        """Return the response to a request; None if the client has hung up."""
        query = scope.get("query_string", b"")
        future = self._lanes.submit(scope["path"], query, lambda: self.respond(scope))
        if future is None:
            return self.refuse(scope, problem_of(503, "overloaded", _OVERLOADED))
        answer = asyncio.wrap_future(future)
        hung_up = asyncio.ensure_future(_wait_for_disconnect(receive))
        first: set[asyncio.Future[Any]] = {answer, hung_up}
        done, _ = await asyncio.wait(first, timeout=self._timeout_s, return_when=asyncio.FIRST_COMPLETED)
        hung_up.cancel()
        if answer in done:
            return answer.result()
        future.cancel()  # has no effect on a call that is in progress
        if hung_up in done:
            return None
        detail = f"The answer was not ready after {self._timeout_s:g} s (NEWSWIRE_ANSWER_TIMEOUT_SECONDS)."
        return self.refuse(scope, problem_of(504, "answer_timeout", f"{detail} A smaller request may be."))

    @abstractmethod
    def respond(self, scope: Scope) -> AsgiResponse:
        """Return the response to an HTTP request; its headers include `content-length` if it has a body."""

    @abstractmethod
    def refuse(self, scope: Scope, problem: ProblemOut) -> AsgiResponse:
        """Return the response with a problem that the application did not look for."""

    def close(self) -> None:
        """Wait for the requests in progress, then end the threads."""
        self._lanes.close()


class AsgiApp(ThreadedAsgiApp):
    """An ASGI application over a Powertools resolver and the routes that are registered on it."""

    def __init__(
        self, resolver: HttpResolverLocal, api: Api, *, timeout_s: float = 20.0, hosts: frozenset[str] | None = None
    ) -> None:
        """Make the application; it answers only requests whose `Host` is one of `hosts`, unless that is None."""
        super().__init__(timeout_s)
        self._resolver = resolver
        self._api = api
        self._hosts = hosts
        self._local = threading.local()
        self._loops: list[asyncio.AbstractEventLoop] = []

    def respond(self, scope: Scope) -> AsgiResponse:
        """Return the response of the routes, compressed if the caller accepts it; a defect gives a 500 and is logged."""
        status, headers, body = self._route(scope)
        body = compress(status, headers, body, _header_of(scope, b"accept-encoding"))
        # The length in a 304 would have to be that of the 200 (RFC 9110, section 8.6).
        return (status, headers, body) if status == _NOT_MODIFIED else _with_length((status, headers, body))

    def refuse(self, scope: Scope, problem: ProblemOut) -> AsgiResponse:
        """Return the problem, as a page to a browser."""
        return _with_length(self._answer_problem(scope, problem))

    def close(self) -> None:
        """Wait for the requests in progress, then end the threads and close their event loops."""
        super().close()
        for loop in self._loops:
            loop.close()
        self._loops.clear()

    def _route(self, scope: Scope) -> AsgiResponse:
        target = bytes(scope.get("raw_path") or b"") + b"?" + scope.get("query_string", b"")
        problem = self._refuse_host(scope) or refuse(scope["method"], len(target))
        if problem is not None:
            return self._answer_problem(scope, problem)
        try:
            return self._resolve(_resolver_scope(scope))
        except UnicodeDecodeError:
            detail = "The URL must be UTF-8 after percent-decoding."
            return self._answer_problem(scope, problem_of(400, "invalid_request", detail))
        except Exception as error:  # noqa: BLE001 - the last line of defence: a defect is logged, never shown
            return _to_asgi(self._api.defect(error))

    def _refuse_host(self, scope: Scope) -> ProblemOut | None:
        """Return the problem of a request to another host name: a web page can point its own name at this server."""
        if self._hosts is None:
            return None
        header = _header_of(scope, b"host")
        host = hostname_of(f"//{header}") if _HOST.fullmatch(header) else ""
        if not header or host in self._hosts or (host and ANY_ADDRESS in self._hosts and is_ip_address(host)):
            return None
        detail = "Host must be a name of this server. Add the name to NEWSWIRE_ALLOWED_HOSTS if it is one."
        return problem_of(400, "invalid_request", detail)

    def _answer_problem(self, scope: Scope, problem: ProblemOut) -> AsgiResponse:
        return _to_asgi(self._api.answer_problem(problem, self._api.read(_minimal_event(scope))))

    def _resolve(self, scope: Scope) -> AsgiResponse:
        """Run the resolver in this thread's own event loop."""
        loop: asyncio.AbstractEventLoop | None = getattr(self._local, "loop", None)
        if loop is None:
            loop = self._local.loop = asyncio.new_event_loop()
            self._loops.append(loop)
        messages: list[Message] = []

        async def receive() -> Message:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Message) -> None:
            messages.append(message)

        loop.run_until_complete(self._resolver(scope, receive, send))
        start, *bodies = messages
        headers = [(name, value) for name, value in start["headers"] if name != b"content-length"]
        return start["status"], headers, b"".join(message.get("body", b"") for message in bodies)


def _in_origin_form(scope: Scope) -> Scope:
    """Return a scope without scheme and authority in its path: a server must accept them (RFC 9112, section 3.2.2)."""
    raw_path = bytes(scope.get("raw_path") or b"")
    absolute = _ABSOLUTE_FORM.match(raw_path)
    if absolute is None:
        return scope
    raw_path = raw_path[absolute.end() :] or b"/"
    return {**scope, "raw_path": raw_path, "path": unquote(raw_path.decode("latin-1"))}


def _has_two_lengths(scope: Scope) -> bool:
    """Return whether a request has both Content-Length and Transfer-Encoding."""
    return {b"content-length", b"transfer-encoding"} <= {name for name, _value in scope["headers"]}


async def _wait_for_disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _header_of(scope: Scope, name: bytes) -> str:
    """Return a request header, with repeated values joined by commas; "" if it was not sent."""
    return ", ".join(value.decode("latin-1") for key, value in scope["headers"] if key == name)


def _minimal_event(scope: Scope) -> Mapping[str, Any]:
    """Return an event with the path and `Accept` only: enough for a problem, even if the URL is unreadable."""
    accepted = [value.decode("latin-1") for name, value in scope["headers"] if name == b"accept"]
    return {"path": scope["path"], "headers": {"accept": ", ".join(accepted)}}


def _resolver_scope(scope: Scope) -> Scope:
    """Return a scope that the resolver can read: GET, ASCII headers only, and an ASCII query string.

    Raise `UnicodeDecodeError` if the path or the query is not UTF-8 after percent-decoding.
    """
    query = scope.get("query_string", b"")
    unquote_to_bytes(query.replace(b"+", b" ")).decode("utf-8")
    unquote_to_bytes(bytes(scope.get("raw_path") or b"")).decode("utf-8")
    headers = [(name, value) for name, value in scope["headers"] if value.isascii() and name.isascii()]
    return {
        **scope,
        "method": "GET",
        "headers": headers,
        "query_string": query if query.isascii() else b"",
    }


def problem_as_json(problem: ProblemOut) -> AsgiResponse:
    """Return the response to a failed request, as JSON to everybody."""
    return _with_length(_to_asgi(problem_response(problem)))


def _with_length(response: AsgiResponse) -> AsgiResponse:
    status, headers, body = response
    return status, [*headers, (b"content-length", str(len(body)).encode())], body


def _to_asgi(response: Response[Any]) -> AsgiResponse:
    headers = [
        (name.lower().encode(), str(value).encode())
        for name, value in response.headers.items()
        if name.lower() != "content-type"
    ]
    headers.append((b"content-type", str(response.content_type).encode()))
    body = response.body
    return response.status_code, headers, body.encode() if isinstance(body, str) else bytes(body or b"")


async def _acknowledge_lifespan(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
