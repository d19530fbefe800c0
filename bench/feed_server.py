"""Serve unchanged feeds for measurements: `python -m bench.feed_server` listens on 16 local addresses.

It prints its port. Every path is a feed, `If-None-Match` is answered with 304, and HTTP/1.1 connections stay open.
"""

from __future__ import annotations

import asyncio
import socket

ADDRESSES = tuple(f"127.0.0.{last}" for last in range(1, 17))
ETAG = '"unchanged"'
_ITEMS = 5
_NOT_MODIFIED = f"HTTP/1.1 304 Not Modified\r\nETag: {ETAG}\r\nDate: Mon, 02 Jun 2025 10:00:00 GMT\r\n\r\n".encode()


def _document(path: str) -> bytes:
    items = "".join(
        f"<item><title>News {number} of {path}</title><link>https://publisher.example{path}/{number}</link>"
        f"<pubDate>Mon, 02 Jun 2025 0{number}:00:00 GMT</pubDate><description>What happened.</description></item>"
        for number in range(_ITEMS)
    )
    body = f'<?xml version="1.0"?><rss version="2.0"><channel><title>{path}</title>{items}</channel></rss>'.encode()
    head = (
        f"HTTP/1.1 200 OK\r\nContent-Type: application/rss+xml\r\nETag: {ETAG}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


class _Answering(asyncio.Protocol):
    """A connection that answers requests without a body, one after another."""

    def __init__(self) -> None:
        self._held = b""
        self._transport: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)  # noqa: S101 - for the type: a TCP transport writes
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._held += data
        while b"\r\n\r\n" in self._held and self._transport is not None:
            head, _, self._held = self._held.partition(b"\r\n\r\n")
            known_names = b"\r\nif-none-match:" in head.lower()
            self._transport.write(_NOT_MODIFIED if known_names else _document(head.split(b" ", 2)[1].decode("ascii")))


async def _serve() -> None:
    loop = asyncio.get_running_loop()
    for _attempt in range(20):
        with socket.socket() as probe:
            probe.bind((ADDRESSES[0], 0))
            port = int(probe.getsockname()[1])
        try:
            server = await loop.create_server(_Answering, list(ADDRESSES), port, backlog=256)
        except OSError:
            continue  # the port is taken on another of the addresses
        print(port, flush=True)
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve())
