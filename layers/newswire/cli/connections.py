"""The connections of `newswire serve`: how many there are, and how long a client may take to send and to read."""

from __future__ import annotations

import asyncio
import socket  # noqa: TID251 - options of accepted connections; none is opened
import struct
from functools import lru_cache
from typing import ClassVar

from uvicorn.protocols.http.h11_impl import H11Protocol

from newswire.web.asgi import problem_as_json
from newswire.web.messages import ProblemCode, problem_of

MAX_CONNECTIONS = 1_000
MIN_CONNECTIONS = 8
RESERVED_FILES = 100
"""File descriptors that connections leave free: an index has 8 files for each segment."""
HEAD_SECONDS = 10.0
"""Maximum seconds between the first byte of a request's head, or the connection, and its end."""
SEND_BUFFER_BYTES = 262_144
"""Bytes that the system buffers for a client. Linux would take megabytes, and tell of progress a megabyte at a time."""
LOOK_SECONDS = 10.0
"""Time between two looks at a client that has not read its answer."""
MIN_BYTES_PER_SECOND = 20_000
"""Speed below which a client counts as one that does not read."""
SMALL_BYTES = 65_536
"""Answers up to this size may wait in memory without a limit of time: the limit of connections bounds them."""
MAX_UNSENT_BYTES = 50_000_000
"""Maximum bytes of answers that clients have not read, in one process."""


class LimitedProtocol(H11Protocol):
    """uvicorn's HTTP/1.1, with limits for connections, and a problem document for input that is not valid HTTP."""

    _senders: ClassVar[dict[LimitedProtocol, None]] = {}
    """The connections of this process whose answers their clients have not read yet, the oldest first."""
    _waiting: ClassVar[dict[LimitedProtocol, None]] = {}
    """The connections of this process without a whole request, the one that has waited longest first."""
    _head_timer: asyncio.TimerHandle | None = None
    _send_timer: asyncio.TimerHandle | None = None
    _unsent = 0
    """Bytes that the client had not read at the last look."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Accept a connection, or refuse it with 503 if there are as many as file descriptors allow.

        A connection whose client does not read its answer makes room for a new one, else the one that has waited longest
        for a request. So a client that opens connections and sends nothing keeps no other one out.
        """
        super().connection_made(transport)
        self._set_option(socket.SO_SNDBUF, SEND_BUFFER_BYTES)
        if len(self.connections) > max_connections():
            longest = next(iter(self._senders), None) or next(iter(self._waiting), None)
            if longest is None:
                detail = "The server has as many connections as it can; try again in a moment."
                self._send_problem(503, "overloaded", detail)
                return
            longest.reset()
        self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget a connection."""
        self._forget_head()
        self._forget_sender()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read data; the head of a request must arrive within `HEAD_SECONDS` of its first byte."""
        super().data_received(data)
        if self.cycle is not None and not self.cycle.response_complete:
            self._forget_head()
        elif self._head_timer is None and not self.transport.is_closing():
            self._expect_head()

    def on_response_complete(self) -> None:
        """Wait until the client has read the answer, and for its next request within uvicorn's time for idle connections."""
        self._forget_head()
        if self._send_timer is None and not self._is_sent():
            self._senders[self] = None
            self._unsent = self.transport.get_write_buffer_size()
            self._send_timer = self.loop.call_later(LOOK_SECONDS, self._look_at_sender)
            self._limit_unsent()
        super().on_response_complete()
        if (self.cycle is None or self.cycle.response_complete) and not self.transport.is_closing():
            self._waiting[self] = None

    def resume_writing(self) -> None:
        """Go on writing; forget a client that has read its answer."""
        super().resume_writing()
        if self._is_sent():
            self._forget_sender()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - uvicorn's text is not in the form of the contract
        """Answer 400 with a problem document, and close; the usual cause is a URL with non-ASCII characters."""
        detail = "The request is not valid HTTP. Percent-encode spaces and non-ASCII characters in the URL."
        self._send_problem(400, "invalid_request", detail)

    def reset(self) -> None:
        """Close the connection at once, with what the system has buffered for it: its client reads nothing."""
        self._forget_sender()
        self._forget_head()
        self._set_option(socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.transport.abort()

    def _set_option(self, option: int, value: int | bytes) -> None:
        sock = self.transport.get_extra_info("socket")
        if sock is not None:
            sock.setsockopt(socket.SOL_SOCKET, option, value)

    def _is_sent(self) -> bool:
        return bool(self.transport.get_write_buffer_size() <= SMALL_BYTES)

    def _look_at_sender(self) -> None:
        """Close a connection whose client reads too slowly; look again at the others."""
        self._send_timer = None
        unsent = self.transport.get_write_buffer_size()
        if unsent <= SMALL_BYTES:
            self._forget_sender()
        elif self._unsent - unsent < LOOK_SECONDS * MIN_BYTES_PER_SECOND:
            self.reset()
        else:
            self._unsent = unsent
            self._send_timer = self.loop.call_later(LOOK_SECONDS, self._look_at_sender)

    def _forget_sender(self) -> None:
        self._senders.pop(self, None)
        if self._send_timer is not None:
            self._send_timer.cancel()
            self._send_timer = None

    def _limit_unsent(self) -> None:
        """Close the connections that have been sending for the longest, while all answers together are too large."""
        unsent = {sender: sender.transport.get_write_buffer_size() for sender in self._senders}
        total = sum(unsent.values())
        for sender, size in unsent.items():
            if total <= MAX_UNSENT_BYTES or sender is self:
                break
            total -= size
            sender.reset()

    def _expect_head(self) -> None:
        self._waiting.pop(self, None)
        self._waiting[self] = None
        self._head_timer = self.loop.call_later(HEAD_SECONDS, self._close_slow)

    def _forget_head(self) -> None:
        self._waiting.pop(self, None)
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _close_slow(self) -> None:
        self._head_timer = None
        self._waiting.pop(self, None)
        if not self.transport.is_closing():
            self._send_problem(408, "request_timeout", f"The request did not arrive within {HEAD_SECONDS:g} s.")

    def _send_problem(self, status: int, code: ProblemCode, detail: str) -> None:
        problem = problem_of(status, code, detail)
        _, headers, body = problem_as_json(problem)
        lines = [f"HTTP/1.1 {status} {problem.title}".encode(), *(b"%b: %b" % header for header in headers)]
        self.transport.write(b"\r\n".join([*lines, b"connection: close", b"", body]))
        self.transport.close()


@lru_cache(maxsize=1)
def max_connections() -> int:
    """Return how many connections a process accepts: some descriptors stay free for the index and the stores."""
    import resource  # noqa: PLC0415 - Unix only, as the command line is

    soft, _hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    files = MAX_CONNECTIONS + RESERVED_FILES if soft == resource.RLIM_INFINITY else soft
    return max(MIN_CONNECTIONS, min(MAX_CONNECTIONS, files - RESERVED_FILES))
