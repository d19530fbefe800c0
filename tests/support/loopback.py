"""Answer every request on a free loopback port with a function of the test."""

import http.server
import threading
import zlib
from collections.abc import Callable
from typing import NamedTuple


class Asked(NamedTuple):
    """A received request; header names are in lower case."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes

    @property
    def plain(self) -> bytes:
        """Return the decompressed body."""
        return zlib.decompress(self.body, 31) if self.headers.get("content-encoding") == "gzip" else self.body


class Reply(NamedTuple):
    """A response."""

    status: int
    body: bytes = b""
    kind: str = "application/json"
    headers: dict[str, str] | None = None


class Loopback:
    """The server. If `answer` returns None, it sends nothing and closes the connection."""

    def __init__(self, answer: Callable[[Asked], Reply | None]) -> None:
        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True
            wbufsize = -1

            def __getattr__(self, name: str):
                if name.startswith("do_"):
                    return self.answered
                raise AttributeError(name)

            def answered(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length") or 0))
                headers = {name.lower(): value for name, value in self.headers.items()}
                reply = answer(Asked(self.command, self.path, headers, body))
                if reply is None:
                    self.close_connection = True
                    return
                self.send_response(reply.status)
                sent = {"content-type": reply.kind, "content-length": str(len(reply.body)), **(reply.headers or {})}
                for name, value in sent.items():
                    self.send_header(name, value)
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(reply.body)

            def log_message(self, *_arguments) -> None:
                pass

        class Server(http.server.ThreadingHTTPServer):
            def handle_error(self, *_arguments) -> None:
                """Ignore callers that disconnect."""

        self._server = Server(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_port
        self.url = f"http://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
