"""Serve feeds over real HTTP on loopback: tests set the answers, and the server records the requests."""

import gzip
import socket
import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any


@dataclass
class Answer:
    """The response of a path; `delay` is in seconds, and `act` takes over the connection instead."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    etag: str | None = None
    gzipped: bool = False
    delay: float = 0.0
    length: int | None = None
    act: Callable[[socket.socket], None] | None = None


@dataclass
class Asked:
    """A received request."""

    path: str
    headers: dict[str, str]


class FeedServer:
    """Listen on a free port until closed, with TLS if a certificate and its key are given.

    `connections` counts the accepted connections; `most_together` is the maximum of concurrent requests.
    """

    def __init__(self, host: str = "127.0.0.1", certificate: Path | None = None) -> None:
        self.answers: dict[str, Answer | Callable[[Asked], Answer]] = {}
        self.asked: list[Asked] = []
        self.connections = 0
        self.together = 0
        self.most_together = 0
        self.names_asked_for: list[str | None] = []
        self.scheme = "http" if certificate is None else "https"
        self._lock = threading.Lock()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                outer._answer(self)

            def log_message(self, *_: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 64

            def process_request(self, *accepted: Any) -> None:
                outer.connections += 1
                super().process_request(*accepted)

            def handle_error(self, *_: object) -> None:
                pass

        self._server = Server((host, 0), Handler)
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            context.sni_callback = lambda _sock, name, _context: self.names_asked_for.append(name)
            # The answering thread makes the handshake, so that a slow one does not block the others.
            self._server.socket = context.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
        self.port = self._server.server_address[1]
        self.host = host
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def url(self, path: str) -> str:
        return f"{self.scheme}://{self.host}:{self.port}{path}"

    def says(self, path: str, body: bytes | str = b"", **fields: object) -> str:
        """Set the answer of a path; return its URL."""
        data = body.encode() if isinstance(body, str) else body
        self.answers[path] = Answer(body=data, **fields)  # type: ignore[arg-type]
        return self.url(path)

    def count(self, path: str) -> int:
        return sum(request.path == path for request in self.asked)

    def last(self, path: str) -> dict[str, str]:
        return next(request.headers for request in reversed(self.asked) if request.path == path)

    def _answer(self, handler: BaseHTTPRequestHandler) -> None:
        request = Asked(handler.path, {name.lower(): value for name, value in handler.headers.items()})
        with self._lock:
            self.asked.append(request)
            self.together += 1
            self.most_together = max(self.most_together, self.together)
        try:
            configured = self.answers.get(handler.path)
            answer = configured(request) if callable(configured) else configured or Answer(404, b"none")
            if answer.delay:
                time.sleep(answer.delay)
            if answer.act is not None:
                answer.act(handler.connection)
                handler.close_connection = True
                return
            self._send(handler, request, answer)
        finally:
            with self._lock:
                self.together -= 1

    def _send(self, handler: BaseHTTPRequestHandler, asked: Asked, answer: Answer) -> None:
        status, body = answer.status, answer.body
        if answer.etag and asked.headers.get("if-none-match") == answer.etag:
            status, body = 304, b""
        handler.send_response_only(status)
        handler.send_header("Date", formatdate(usegmt=True))
        if answer.etag:
            handler.send_header("ETag", answer.etag)
        if answer.gzipped and body:
            body = gzip.compress(body)
            handler.send_header("Content-Encoding", "gzip")
        for name, value in answer.headers.items():
            handler.send_header(name, value)
        if status != 304:
            handler.send_header("Content-Length", str(len(body) if answer.length is None else answer.length))
        handler.end_headers()
        handler.wfile.write(body)
        if answer.length is not None and answer.length != len(body):
            handler.close_connection = True

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def rss(*items: dict[str, str], title: str = "A feed", channel: str = "") -> bytes:
    """Return an RSS document with items given by their elements."""
    parts = []
    for item in items:
        inner = "".join(f"<{name}>{value}</{name.split()[0]}>" for name, value in item.items())
        parts.append(f"<item>{inner}</item>")
    head = f"<title>{title}</title><link>https://news.example/</link><description>About {title}</description>{channel}"
    return f'<?xml version="1.0" encoding="utf-8"?><rss version="2.0"><channel>{head}{"".join(parts)}</channel></rss>'.encode()


def story(number: int, title: str | None = None, **more: str) -> dict[str, str]:
    """Return the elements of an item, derived from its number."""
    return {
        "guid": f"https://news.example/{number}",
        "link": f"https://news.example/{number}",
        "title": title or f"Story number {number}",
        "description": f"What happened in story {number}.",
        "pubDate": f"{1 + number % 28:02d} Nov 2025 {number % 24:02d}:00:00 GMT",
        **more,
    }
