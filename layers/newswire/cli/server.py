"""Run the HTTP server on one machine: the API, with a polling thread if wanted, or the signing proxy."""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
import sys
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import uvicorn
from aws_lambda_powertools.event_handler import HttpResolverLocal

from newswire.app import App
from newswire.cli.connections import LimitedProtocol
from newswire.cli.console import complain
from newswire.cli.poll import keep_polling
from newswire.errors import NewswireError, UsageError
from newswire.settings import LOOPBACK
from newswire.web.asgi import ANY_ADDRESS, AsgiApp, ThreadedAsgiApp
from newswire.web.events import build_api

if TYPE_CHECKING:
    from newswire.web.signing_proxy import SigningProxy

MAX_PORT = 65_535
BACKLOG = 128
ACCEPTED_IN_A_ROW = 16
"""Connections that asyncio accepts before it looks at them; each of them needs a free file descriptor."""
TOLD_SECONDS = 60.0
"""Time between two lines about the same trouble with connections."""
SHUTDOWN_SECONDS = 25
"""Time that requests in progress have after a signal; the process that started the workers waits for 30 s."""
SWITCH_SECONDS = 0.001
"""Time after which Python lets another thread run. The default of 5 ms is twice as long as a simple search takes."""


def make_asgi_app(app: App, address: str = "", hosts: frozenset[str] | None = None) -> AsgiApp:
    """Return the ASGI application of the API.

    `address` is the base URL of its links. Requests to other host names than `hosts` are refused, unless it is None.
    """
    resolver = HttpResolverLocal()
    api = build_api(resolver, app.engine, app.settings, app.clock, address=address)
    return AsgiApp(resolver, api, timeout_s=app.settings.answer_timeout_seconds, hosts=hosts)


def hosts_of(app: App, host: str) -> frozenset[str]:
    """Return the host names of a server that listens on `host`.

    On loopback these are the loopback names. A server on all addresses also answers to every IP address, which no web
    page can point elsewhere, and to the name of this machine.
    """
    own: frozenset[str]
    if host in LOOPBACK:
        own = LOOPBACK
    elif host in {"0.0.0.0", "::"}:  # noqa: S104 - the operator's choice
        own = LOOPBACK | {ANY_ADDRESS, socket.gethostname().lower()}
    else:
        own = frozenset({host.lower()})
    return own | app.settings.hosts


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
    sock.listen(BACKLOG)
    return sock


def inherit_socket(fd: int) -> socket.socket:
    """Return the listening socket that a parent process left open for this one."""
    return socket.socket(fileno=fd)


def make_config(asgi_app: ThreadedAsgiApp) -> uvicorn.Config:
    """Return the uvicorn configuration that the API, the proxy and the tests share."""
    return uvicorn.Config(
        asgi_app,
        http=LimitedProtocol,
        log_level="warning",
        access_log=False,
        lifespan="on",
        server_header=False,
        backlog=ACCEPTED_IN_A_ROW,
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
    )


_ODD_REQUESTS = ("Invalid HTTP request", "Unsupported upgrade request", "No supported WebSocket library")
"""How uvicorn's lines about such requests begin."""


class _Seldom(logging.Filter):
    """Lets uvicorn's lines about odd requests pass once in `TOLD_SECONDS`: a client can send thousands."""

    def __init__(self) -> None:
        super().__init__()
        self._told_at = -TOLD_SECONDS

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether a line is written."""
        if not str(record.msg).startswith(_ODD_REQUESTS):
            return True
        now = time.monotonic()
        if now - self._told_at < TOLD_SECONDS:
            return False
        self._told_at = now
        return True


class Server(uvicorn.Server):
    """uvicorn's server, which says in one line, and not too often, that file descriptors ran out."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to accept connections."""
        await super().startup(sockets=sockets)
        for sock in sockets or []:
            sock.listen(BACKLOG)  # asyncio has set the number that it accepts in a row
        told_at = -TOLD_SECONDS
        logging.getLogger("uvicorn.error").addFilter(_Seldom())

        def handle(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
            nonlocal told_at
            error = context.get("exception")
            if not isinstance(error, OSError) or error.errno not in {errno.EMFILE, errno.ENFILE}:
                loop.default_exception_handler(context)
            elif loop.time() - told_at >= TOLD_SECONDS:
                told_at = loop.time()
                complain("newswire: too many files are open to accept connections. Raise `ulimit -n`.")

        asyncio.get_running_loop().set_exception_handler(handle)


def serve(
    app: App, sock: socket.socket, address: str, hosts: frozenset[str], poll_once: Callable[[], object] | None = None
) -> None:
    """Answer on the socket until a signal stops the server; `address` is its base URL, `hosts` are its names.

    Meanwhile a thread calls `poll_once`, if there is one, with a pause of 10 seconds.
    """
    sys.setswitchinterval(SWITCH_SECONDS)
    asgi_app = make_asgi_app(app, address, hosts)
    config = make_config(asgi_app)
    stop = threading.Event()
    poller = threading.Thread(target=keep_polling, args=(stop, poll_once), name="poll", daemon=True)
    if poll_once is not None:
        poller.start()
    try:
        Server(config).run(sockets=[sock])
    finally:
        stop.set()
        if poll_once is not None:
            poller.join(timeout=app.settings.fetch_timeout_seconds)
        asgi_app.close()


def forward(remote: SigningProxy, sock: socket.socket) -> None:
    """Forward the requests of the socket to a deployed API until a signal stops the server."""
    try:
        Server(make_config(remote)).run(sockets=[sock])
    finally:
        remote.close()
