"""Serving on one machine: wired edges come in, the API answers on a port until it is stopped, polling meanwhile."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable

import uvicorn
from aws_lambda_powertools.event_handler import HttpResolverLocal

from newswire.asgi import Edge
from newswire.errors import NewswireError
from newswire.http_api import build_api
from newswire.wiring import Wired

TICK_EVERY_S = 10.0


def make_edge(wired: Wired) -> Edge:
    """Make the ASGI application; nothing is opened yet."""
    resolver = HttpResolverLocal()
    return Edge(resolver, build_api(resolver, wired.engine, wired.settings, wired.clock))


def listen(host: str, port: int) -> socket.socket:
    """Take the port; `NewswireError` that says so when somebody has it."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # With its protocol named, asyncio sets TCP_NODELAY on what it accepts; without, each answer waits 40 ms for an ACK.
    sock = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((host, port))
    except OSError as error:
        sock.close()
        msg = f"Port {port} of {host} can't be used ({(error.strerror or '').lower()}): choose another with --port."
        raise NewswireError(msg) from error
    sock.listen(128)
    return sock


def serve(wired: Wired, sock: socket.socket, poll_once: Callable[[], object] | None = None) -> None:
    """Answer on the socket until a signal says stop; with `poll_once`, call it again and again in a thread meanwhile."""
    edge = make_edge(wired)
    config = uvicorn.Config(edge, log_level="warning", access_log=False, lifespan="on", server_header=False)
    stop = threading.Event()
    poller = threading.Thread(target=_keep_polling, args=(stop, poll_once), name="poll", daemon=True)
    if poll_once is not None:
        poller.start()
    try:
        uvicorn.Server(config).run(sockets=[sock])
    finally:
        stop.set()
        if poll_once is not None:
            poller.join(timeout=wired.settings.fetch_timeout_seconds)
        edge.close()


def _keep_polling(stop: threading.Event, poll_once: Callable[[], object]) -> None:
    while not stop.is_set():
        poll_once()
        stop.wait(TICK_EVERY_S)
