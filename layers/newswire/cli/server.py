"""Run the HTTP server on one machine: the API, with a polling thread if wanted, or the signing proxy."""

from __future__ import annotations

import errno
import socket
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec
import uvicorn
from aws_lambda_powertools.event_handler import HttpResolverLocal
from uvicorn.protocols.http.h11_impl import H11Protocol

from newswire.app import App
from newswire.errors import NewswireError, UsageError
from newswire.web.asgi import AsgiApp, ThreadedAsgiApp
from newswire.web.events import build_api
from newswire.web.messages import PROBLEM, problem_of

if TYPE_CHECKING:
    from newswire.web.signing_proxy import SigningProxy

MAX_PORT = 65_535
POLL_SECONDS = 10.0
"""Pause between two polls of the feeds that are due."""


def make_asgi_app(app: App, address: str = "") -> AsgiApp:
    """Return the ASGI application of the API; `address` is the base URL of its links."""
    resolver = HttpResolverLocal()
    api = build_api(resolver, app.engine, app.settings, app.clock, address=address)
    return AsgiApp(resolver, api)


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens on the port.

    Raises `UsageError` for a host or port that cannot be, `NewswireError` for a port that is not available.
    """
    if not host:
        raise UsageError("--host must be an address of this machine, got ''. 127.0.0.1 serves this machine only.")
    if not 0 <= port <= MAX_PORT:
        raise UsageError(f"--port must be from 0 to {MAX_PORT:,}, got {port}. 0 takes any free port.")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio sets TCP_NODELAY only if the protocol is explicit; otherwise each answer waits 40 ms for an ACK.
    sock = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((host, port))
    except (OSError, UnicodeError) as error:
        sock.close()
        reason = (getattr(error, "strerror", None) or "not a host name").lower()
        if isinstance(error, socket.gaierror | UnicodeError) or error.errno == errno.EADDRNOTAVAIL:
            msg = f"--host must be an address of this machine, got {host!r} ({reason})."
            raise UsageError(f"{msg} 127.0.0.1 serves this machine only.") from error
        msg = f"Port {port} of {host} is not available ({reason}). Choose another with --port."
        raise NewswireError(msg) from error
    sock.listen(128)
    return sock


class _Protocol(H11Protocol):
    """uvicorn's HTTP/1.1, with a problem document for input that is not valid HTTP."""

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - uvicorn's text is not in the form of the contract
        """Answer 400 with a problem document, and close; the usual cause is a URL with non-ASCII characters."""
        detail = "The request is not valid HTTP. Percent-encode spaces and non-ASCII characters in the URL."
        problem = problem_of(400, "invalid_request", detail)
        body = msgspec.json.encode(problem)
        head = (
            f"HTTP/1.1 400 Bad Request\r\ncontent-type: {PROBLEM}\r\ncontent-length: {len(body)}\r\n"
            f"x-request-id: {problem.request_id}\r\nconnection: close\r\n\r\n"
        )
        self.transport.write(head.encode() + body)
        self.transport.close()


def make_config(asgi_app: ThreadedAsgiApp) -> uvicorn.Config:
    """Return the uvicorn configuration that the API, the proxy and the tests share."""
    return uvicorn.Config(
        asgi_app, http=_Protocol, log_level="warning", access_log=False, lifespan="on", server_header=False
    )


def serve(app: App, sock: socket.socket, address: str, poll_once: Callable[[], object] | None = None) -> None:
    """Answer on the socket until a signal stops the server; `address` is its base URL.

    Meanwhile a thread calls `poll_once`, if there is one, with a pause of 10 seconds.
    """
    asgi_app = make_asgi_app(app, address)
    config = make_config(asgi_app)
    stop = threading.Event()
    poller = threading.Thread(target=_keep_polling, args=(stop, poll_once), name="poll", daemon=True)
    if poll_once is not None:
        poller.start()
    try:
        uvicorn.Server(config).run(sockets=[sock])
    finally:
        stop.set()
        if poll_once is not None:
            poller.join(timeout=app.settings.fetch_timeout_seconds)
        asgi_app.close()


def forward(remote: SigningProxy, sock: socket.socket) -> None:
    """Forward the requests of the socket to a deployed API until a signal stops the server."""
    try:
        uvicorn.Server(make_config(remote)).run(sockets=[sock])
    finally:
        remote.close()


def _keep_polling(stop: threading.Event, poll_once: Callable[[], object]) -> None:
    while not stop.is_set():
        poll_once()
        stop.wait(POLL_SECONDS)
