"""Serving on one machine: the API answers on a port until it is stopped, from here (polling meanwhile) or from afar."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec
import uvicorn
from aws_lambda_powertools.event_handler import HttpResolverLocal
from uvicorn.protocols.http.h11_impl import H11Protocol

from newswire.app import App
from newswire.errors import NewswireError
from newswire.web.asgi import AsgiApp, ThreadedAsgiApp
from newswire.web.events import build_api
from newswire.web.messages import PROBLEM, problem_of

if TYPE_CHECKING:
    from newswire.web.signing_proxy import SigningProxy

TICK_EVERY_S = 10.0


def make_asgi_app(app: App, address: str = "") -> AsgiApp:
    """Make the ASGI application, which listens at an address; nothing is opened yet."""
    resolver = HttpResolverLocal()
    api = build_api(resolver, app.engine, app.settings, app.clock, address=address)
    return AsgiApp(resolver, api)


def listen(host: str, port: int) -> socket.socket:
    """Take the port; `NewswireError` that says so when somebody has it."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # With its protocol named, asyncio sets TCP_NODELAY on what it accepts; without, each answer waits 40 ms for an ACK.
    sock = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((host, port))
    except (OSError, OverflowError) as error:
        sock.close()
        why = (getattr(error, "strerror", None) or "a port is from 0 to 65535").lower()
        msg = f"Port {port} of {host} can't be used ({why}): choose another with --port."
        raise NewswireError(msg) from error
    sock.listen(128)
    return sock


class _Protocol(H11Protocol):
    """uvicorn's HTTP/1.1, which says in the form of the contract that a request can't be read as HTTP."""

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - uvicorn's own word on it is for nobody
        """Answer with a problem, and close: what came was no HTTP, often an address with letters that are not ASCII."""
        detail = "This is no HTTP request: characters of the address that are not ASCII, and spaces, must be percent-encoded."
        problem = problem_of(400, "invalid_request", detail)
        body = msgspec.json.encode(problem)
        head = (
            f"HTTP/1.1 400 Bad Request\r\ncontent-type: {PROBLEM}\r\ncontent-length: {len(body)}\r\n"
            f"x-request-id: {problem.request_id}\r\nconnection: close\r\n\r\n"
        )
        self.transport.write(head.encode() + body)
        self.transport.close()


def configured(edge: ThreadedAsgiApp) -> uvicorn.Config:
    """Give the configuration of the server, for one machine, a proxy and the tests alike."""
    return uvicorn.Config(
        edge, http=_Protocol, log_level="warning", access_log=False, lifespan="on", server_header=False
    )


def serve(app: App, sock: socket.socket, address: str, poll_once: Callable[[], object] | None = None) -> None:
    """Answer on the socket, which is reached at an address, until a signal says stop.

    With `poll_once`, call it again and again in a thread meanwhile.
    """
    edge = make_asgi_app(app, address)
    config = configured(edge)
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
        edge.close()


def forward(remote: SigningProxy, sock: socket.socket) -> None:
    """Answer on the socket from a deployed API until a signal says stop."""
    try:
        uvicorn.Server(configured(remote)).run(sockets=[sock])
    finally:
        remote.close()


def _keep_polling(stop: threading.Event, poll_once: Callable[[], object]) -> None:
    while not stop.is_set():
        poll_once()
        stop.wait(TICK_EVERY_S)
