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
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import unquote_to_bytes

from aws_lambda_powertools.event_handler import HttpResolverLocal, Response

from newswire.web.api import Api
from newswire.web.events import refuse
from newswire.web.messages import ProblemOut, problem_of

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
AsgiResponse = tuple[int, list[tuple[bytes, bytes]], bytes]
"""Status, headers and body."""

MAX_THREADS = 16
"""Maximum requests in progress, and maximum connections of the signing proxy; further requests wait."""
_NOT_MODIFIED = 304
_ABSOLUTE_FORM = re.compile(r"https?://[^/?#]*", re.IGNORECASE)


class ThreadedAsgiApp(ABC):
    """An ASGI application that calls `respond` in a thread for each request."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(MAX_THREADS, thread_name_prefix="answer")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; acknowledge `lifespan`, and ignore other scopes."""
        if scope["type"] == "lifespan":
            await _acknowledge_lifespan(receive, send)
            return
        if scope["type"] != "http":
            return
        loop = asyncio.get_running_loop()
        status, headers, body = await loop.run_in_executor(self._threads, self.respond, scope)
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})

    @abstractmethod
    def respond(self, scope: Scope) -> AsgiResponse:
        """Return the response to an HTTP request; its headers include `content-length` if it has a body."""

    def close(self) -> None:
        """Wait for the requests in progress, then end the threads."""
        self._threads.shutdown(wait=True)


class AsgiApp(ThreadedAsgiApp):
    """An ASGI application over a Powertools resolver and the routes that are registered on it."""

    def __init__(self, resolver: HttpResolverLocal, api: Api) -> None:
        super().__init__()
        self._resolver = resolver
        self._api = api
        self._local = threading.local()
        self._loops: list[asyncio.AbstractEventLoop] = []

    def respond(self, scope: Scope) -> AsgiResponse:
        """Return the response of the routes; a defect gives a 500 and is logged."""
        status, headers, body = self._route(scope)
        if status != _NOT_MODIFIED:  # a 304 would need the length of the 200 (RFC 9110, section 8.6)
            headers.append((b"content-length", str(len(body)).encode()))
        return status, headers, body

    def close(self) -> None:
        """Wait for the requests in progress, then end the threads and close their event loops."""
        super().close()
        for loop in self._loops:
            loop.close()
        self._loops.clear()

    def _route(self, scope: Scope) -> AsgiResponse:
        target = bytes(scope.get("raw_path") or b"") + b"?" + scope.get("query_string", b"")
        problem = refuse(scope["method"], len(target))
        if problem is not None:
            return self._answer_problem(scope, problem)
        try:
            return self._resolve(_resolver_scope(scope))
        except UnicodeDecodeError:
            detail = "The URL must be UTF-8 after percent-decoding."
            return self._answer_problem(scope, problem_of(400, "invalid_request", detail))
        except Exception as error:  # noqa: BLE001 - the last line of defence: a defect is logged, never shown
            return _to_asgi(self._api.defect(error))

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
    path = scope["path"]
    if absolute := _ABSOLUTE_FORM.match(path):  # a server must accept the absolute form (RFC 9112, section 3.2.2)
        path = path[absolute.end() :] or "/"
    return {
        **scope,
        "path": path,
        "method": "GET",
        "headers": headers,
        "query_string": query if query.isascii() else b"",
    }


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
