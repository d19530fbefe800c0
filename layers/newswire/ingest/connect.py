"""Connections to publishers: a host name comes in, a socket to an address that was checked goes out.

The address that is checked is the one that is connected to: the name is resolved once for each connection, here, so a
resolver that answers differently the second time is not asked a second time. Every receive and send has what is left
of the fetch's total time, so a server that drips one byte now and then can't hold a fetch for ever.
"""

from __future__ import annotations

import ipaddress
import logging
import queue
import socket
import ssl
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from newswire.errors import FetchError

logging.getLogger("urllib3").setLevel(logging.ERROR)  # what servers do wrong is in the outcome of the fetch

Resolver = Callable[[str, int], list[str]]
"""Gives the addresses of a host, in the order to try them."""

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address

# What `is_global` of some Python version calls global and what no publisher is served from (measured on 3.11: it is True
# for NAT64 and 6to4 forms of private addresses, ::127.0.0.1, fec0::1, 192.0.0.192 and multicast).
# IANA's special-purpose registries, RFC 6890 and its successors.
_DENIED = tuple(
    ipaddress.ip_network(network)
    for network in [
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
        "::/96",
        "100::/64",
        "2001:db8::/32",
        "3fff::/20",
        "5f00::/16",
        "fc00::/7",
        "fe80::/10",
        "fec0::/10",
        "ff00::/8",
    ]
)
_SIX_TO_FOUR = ipaddress.IPv6Network("2002::/16")
_TEREDO = ipaddress.IPv6Network("2001::/32")
# The low 32 bits are an IPv4 address in these: mapped, compatible, translated (RFC 2765), NAT64 (RFC 6052, RFC 8215).
_LOW_32 = tuple(
    ipaddress.IPv6Network(n) for n in ("::ffff:0:0/96", "::/96", "::ffff:0:0:0/96", "64:ff9b::/96", "64:ff9b:1::/48")
)
_ISATAP = 0x5EFE  # RFC 5214: the interface identifier says that an IPv4 address follows


def system_resolver(host: str, port: int) -> list[str]:
    """Ask the machine's resolver; `FetchError` (`dns`) when it knows no address."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise FetchError("dns", f"The name {host[:100]} has no address.") from error
    return list(dict.fromkeys(str(address[4][0]) for address in found))


def embedded(address: _Address) -> list[_Address]:
    """Give an address and every IPv4 address that it carries within it."""
    found: list[_Address] = [address]
    if isinstance(address, ipaddress.IPv6Address):
        number = int(address)
        if any(address in network for network in _LOW_32) or (number >> 32) & 0xFFFF == _ISATAP:
            found.append(ipaddress.IPv4Address(number & 0xFFFFFFFF))
        if address in _SIX_TO_FOUR:
            found.append(ipaddress.IPv4Address(number >> 80 & 0xFFFFFFFF))
        if address in _TEREDO:
            found.append(ipaddress.IPv4Address(number >> 64 & 0xFFFFFFFF))
            found.append(ipaddress.IPv4Address(~number & 0xFFFFFFFF))
    return found


def is_public(text: str) -> bool:
    """Say whether an address, in all that it carries, is a public one."""
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return False
    *carried, own = reversed(embedded(address))
    if any(own in network for network in _DENIED if network.version == own.version):
        # A mapped or compatible form lies in ::/96 or its like, and is what it carries.
        return False
    return all(
        one.is_global and not one.is_multicast and not any(one in n for n in _DENIED if n.version == one.version)
        for one in (carried or [own])
    )


class _Deadline(threading.local):
    """When the fetch that this thread carries out must be over, on the monotonic clock."""

    at: float = float("inf")


_deadline = _Deadline()
_LONGEST_WAIT_S = 3_600.0


def set_deadline(seconds: float) -> None:
    """Give every connection that this thread uses from now on so many seconds in all."""
    _deadline.at = time.monotonic() + seconds


def time_left() -> float:
    """Give the seconds that are left; `TimeoutError` when there are none."""
    left = _deadline.at - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return min(left, _LONGEST_WAIT_S)


class _TimedSocket(socket.socket):
    """A socket that waits for no longer than what is left."""

    def recv_into(self, *args: Any, **named: Any) -> int:  # noqa: ANN401 - as the standard library has it
        self.settimeout(time_left())
        return super().recv_into(*args, **named)

    def sendall(self, *args: Any, **named: Any) -> None:  # noqa: ANN401 - as the standard library has it
        self.settimeout(time_left())
        super().sendall(*args, **named)


class _TimedTlsSocket(_TimedSocket, ssl.SSLSocket):
    """The same over TLS."""


def _resolved(host: str, port: int, resolver: Resolver) -> list[str]:
    """Resolve a host within what is left of the fetch's time; an address is its own.

    A lookup can't be given a time (the system's may take minutes), so it is made in a thread that is left to itself when it
    takes too long. That costs some 60 µs for each new connection to a name.
    """
    try:
        return [str(ipaddress.ip_address(host))]
    except ValueError:
        pass
    answered: queue.SimpleQueue[list[str] | Exception] = queue.SimpleQueue()

    def look_up() -> None:
        try:
            answered.put(resolver(host, port))
        except Exception as error:  # noqa: BLE001 - raised again by the thread that waits
            answered.put(error)

    threading.Thread(target=look_up, name="resolve", daemon=True).start()
    try:
        found = answered.get(timeout=time_left())
    except queue.Empty as error:
        msg = f"The name {host[:100]} could not be looked up in the time of a fetch (NEWSWIRE_FETCH_TIMEOUT_SECONDS)."
        raise FetchError("timeout", msg) from error
    if isinstance(found, Exception):
        raise found
    return found


def connected(host: str, port: int, resolver: Resolver, *, allow_private: bool) -> socket.socket:
    """Resolve a host, check every address, connect to the first that answers.

    Raises `FetchError`: `private_address` if any of the addresses is not public, `dns`, `connect`, `timeout`.
    """
    bare = host.strip("[]")
    addresses = _resolved(bare, port, resolver)
    if not allow_private:
        for address in addresses:
            if not is_public(address):
                msg = f"{host[:100]} leads to {address}, which is not a public address (NEWSWIRE_FETCH_ALLOW_PRIVATE)."
                raise FetchError("private_address", msg)
    last: OSError | None = None
    for address in addresses:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        sock = _TimedSocket(family, socket.SOCK_STREAM)
        try:
            sock.settimeout(min(time_left(), _CONNECT_S))
            sock.connect((address, port))
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.settimeout(time_left())  # what a handshake of TLS has; all that follows sets its own
        except OSError as error:
            sock.close()
            last = error
            continue
        return sock
    if isinstance(last, TimeoutError):
        raise FetchError("timeout", f"{host[:100]} did not take the connection in time.") from last
    raise FetchError(
        "connect", f"{host[:100]} can't be connected to ({getattr(last, 'strerror', None) or 'no address'})."
    )


_CONNECT_S = 15.0


class Pools:
    """The one pooled client: a pool for each origin, whose connections all come from `connected`; it follows and retries nothing.

    urllib3's own `PoolManager` makes a key of 26 fields and takes the URL apart twice for each request, a fifth of the
    whole; here a pool is found by its origin. The pools that were not used for longest are closed first.
    """

    def __init__(self, resolver: Resolver, *, allow_private: bool, most: int) -> None:
        class CheckedHttp(HTTPConnection):
            def _new_conn(self) -> socket.socket:
                return connected(self.host, self.port or 80, resolver, allow_private=allow_private)

        class CheckedHttps(HTTPSConnection):
            def _new_conn(self) -> socket.socket:
                return connected(self.host, self.port or 443, resolver, allow_private=allow_private)

        class HttpPool(HTTPConnectionPool):
            ConnectionCls = CheckedHttp

        class HttpsPool(HTTPSConnectionPool):
            ConnectionCls = CheckedHttps

        self._http: type[HTTPConnectionPool] = HttpPool
        self._https: type[HTTPSConnectionPool] = HttpsPool
        self._most = most
        self._guard = threading.Lock()
        self._pools: OrderedDict[tuple[str, str, int | None], HTTPConnectionPool] = OrderedDict()
        self._context: ssl.SSLContext | None = None

    def of(self, scheme: str, host: str, port: int | None) -> HTTPConnectionPool:
        """Give the pool of an origin, made on first use."""
        key = (scheme, host, port)
        closed = None
        with self._guard:
            pool = self._pools.get(key)
            if pool is None:
                pool = self._pools[key] = self._made(scheme, host, port)
                if len(self._pools) > self._most:
                    closed = self._pools.popitem(last=False)[1]
            else:
                self._pools.move_to_end(key)
        if closed is not None:
            closed.close()
        return pool

    def clear(self) -> None:
        """Close all connections."""
        with self._guard:
            pools, self._pools = list(self._pools.values()), OrderedDict()
        for pool in pools:
            pool.close()

    def _made(self, scheme: str, host: str, port: int | None) -> HTTPConnectionPool:
        if scheme == "http":
            return self._http(host, port, maxsize=1, block=False, retries=False)
        if self._context is None:
            self._context = ssl.create_default_context()
            self._context.sslsocket_class = _TimedTlsSocket
        return self._https(host, port, maxsize=1, block=False, retries=False, ssl_context=self._context)
