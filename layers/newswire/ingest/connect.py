"""Connect to publishers: resolve a host, check its addresses, open a socket, and keep the deadline of the fetch.

Each connection resolves its host name once, and connects to the address that was checked. A resolver that changes its
answer (DNS rebinding) is not asked a second time. Every receive and send waits for the remaining time of the fetch at
most. So a server that drips bytes cannot hold a fetch for ever.
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
from newswire.ingest.response_head import LenientResponse
from newswire.urls import DEFAULT_PORTS

Resolver = Callable[[str, int], list[str]]
"""Returns the addresses of a host, in the order to try them."""

CONNECT_SECONDS = 15.0
"""Maximum time for one address to accept a connection, so that a dead address leaves time for the next."""
MAX_WAIT_SECONDS = 3_600.0
"""Maximum time of one wait in a thread without a deadline: a socket's timeout must be finite."""
MAX_QUOTED_CHARACTERS = 100
_Address = ipaddress.IPv4Address | ipaddress.IPv6Address

# Networks that serve no publisher, from IANA's special-purpose registries (RFC 6890 and its successors). The standard
# library's `is_global` is not enough. On Python 3.11 it is True for NAT64 and 6to4 forms of private addresses, and for
# ::127.0.0.1, fec0::1, 192.0.0.192 and multicast.
_DENIED_NETWORKS = tuple(
    ipaddress.ip_network(network)
    for network in [
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "168.63.129.16/32",  # public, but inside Azure it is the agent of the virtual machine
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
        "64:ff9b:1::/48",  # RFC 8215: translation in local networks, to whatever their operator chose
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
# Their low 32 bits are an IPv4 address: mapped, compatible, translated (RFC 2765), NAT64 (RFC 6052).
_LOW_32_NETWORKS = tuple(
    ipaddress.IPv6Network(n) for n in ("::ffff:0:0/96", "::/96", "::ffff:0:0:0/96", "64:ff9b::/96")
)
_ISATAP_MARK = 0x5EFE  # RFC 5214: an IPv4 address follows this mark in the interface identifier


def system_resolver(host: str, port: int) -> list[str]:
    """Resolve a host with the resolver of this machine; raise `FetchError` (`dns`) if it has no address."""
    try:
        answers = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise FetchError("dns", f"The host name {host[:MAX_QUOTED_CHARACTERS]} has no address.") from error
    return list(dict.fromkeys(str(answer[4][0]) for answer in answers))


def embedded_addresses(address: _Address) -> list[_Address]:
    """Return the IPv4 addresses that an IPv6 address contains; none for an IPv4 address."""
    if isinstance(address, ipaddress.IPv4Address):
        return []
    embedded: list[_Address] = []
    number = int(address)
    if any(address in network for network in _LOW_32_NETWORKS) or (number >> 32) & 0xFFFF == _ISATAP_MARK:
        embedded.append(ipaddress.IPv4Address(number & 0xFFFFFFFF))
    if address in _SIX_TO_FOUR:
        embedded.append(ipaddress.IPv4Address(number >> 80 & 0xFFFFFFFF))
    if address in _TEREDO:
        embedded.append(ipaddress.IPv4Address(number >> 64 & 0xFFFFFFFF))
        embedded.append(ipaddress.IPv4Address(~number & 0xFFFFFFFF))
    return embedded


def is_public(text: str) -> bool:
    """Return whether an address, and every address that it contains, is public."""
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return False
    if _is_denied(address):
        return False
    return all(  # an IPv6 form of an IPv4 address is as public as that address
        part.is_global and not part.is_multicast and not _is_denied(part)
        for part in (embedded_addresses(address) or [address])
    )


def _is_denied(address: _Address) -> bool:
    return any(address in network for network in _DENIED_NETWORKS if network.version == address.version)


class _Deadline(threading.local):
    """The instant, on the monotonic clock, at which the fetch of this thread must have ended.

    Thread-local: a kept-alive socket outlives the fetch that opened it, and urllib3 passes no argument down to a socket's
    receives. A value would have to be written into each socket that a pool reuses.
    """

    at: float = float("inf")


_deadline = _Deadline()


def set_deadline(seconds: float) -> None:
    """Set the deadline of this thread to `seconds` from now; it holds for every connection that the thread uses."""
    _deadline.at = time.monotonic() + seconds


def time_left() -> float:
    """Return the seconds until the deadline; raise `TimeoutError` if it has passed."""
    seconds = _deadline.at - time.monotonic()
    if seconds <= 0:
        raise TimeoutError
    return min(seconds, MAX_WAIT_SECONDS)


class _DeadlineSocket(socket.socket):
    """A socket that waits until the deadline at most."""

    def recv_into(self, *args: Any, **kwargs: Any) -> int:  # noqa: ANN401 - the signature of the standard library
        self.settimeout(time_left())
        return super().recv_into(*args, **kwargs)

    def sendall(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - the signature of the standard library
        self.settimeout(time_left())
        super().sendall(*args, **kwargs)


class _DeadlineTlsSocket(_DeadlineSocket, ssl.SSLSocket):
    """A TLS socket that waits until the deadline at most."""


def _resolve(host: str, port: int, resolver: Resolver) -> list[str]:
    """Resolve `host` within the remaining deadline; return IP literals unchanged.

    The system's lookup has no timeout and may take minutes. So a separate thread does it, and is abandoned if it takes
    too long. That costs about 60 µs for each new connection to a name.
    """
    try:
        return [str(ipaddress.ip_address(host))]
    except ValueError:
        pass
    answers: queue.SimpleQueue[list[str] | Exception] = queue.SimpleQueue()

    def look_up() -> None:
        try:
            answers.put(resolver(host, port))
        except Exception as error:  # noqa: BLE001 - raised again by the thread that waits
            answers.put(error)

    threading.Thread(target=look_up, name="resolve", daemon=True).start()
    try:
        answer = answers.get(timeout=time_left())
    except queue.Empty as error:
        quoted = host[:MAX_QUOTED_CHARACTERS]
        msg = f"The name lookup of {quoted} missed the deadline of the fetch (NEWSWIRE_FETCH_TIMEOUT_SECONDS)."
        raise FetchError("timeout", msg) from error
    if isinstance(answer, Exception):
        raise answer
    return answer


def connect(host: str, port: int, resolver: Resolver, *, allow_private: bool) -> socket.socket:
    """Resolve a host, check all of its addresses, and connect to the first that answers.

    Raises `FetchError`: `private_address` if any address is not public, `dns`, `connect`, `timeout`.
    """
    quoted = host[:MAX_QUOTED_CHARACTERS]
    addresses = _resolve(host.strip("[]"), port, resolver)
    if not allow_private:
        for address in addresses:
            if not is_public(address):
                msg = f"{quoted} resolves to {address}, which is not a public address (NEWSWIRE_FETCH_ALLOW_PRIVATE)."
                raise FetchError("private_address", msg)
    last_error: OSError | None = None
    for address in addresses:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        sock = _DeadlineSocket(family, socket.SOCK_STREAM)
        try:
            sock.settimeout(min(time_left(), CONNECT_SECONDS))
            sock.connect((address, port))
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.settimeout(time_left())  # for the TLS handshake; later receives and sends set their own
        except OSError as error:
            sock.close()
            last_error = error
            continue
        return sock
    if isinstance(last_error, TimeoutError):
        raise FetchError("timeout", f"{quoted} did not accept the connection in time.") from last_error
    reason = getattr(last_error, "strerror", None) or "no address"
    raise FetchError("connect", f"The connection to {quoted} failed ({reason}).")


class ConnectionPools:
    """One connection pool per origin; every connection comes from `connect`, and nothing is redirected or retried.

    urllib3's `PoolManager` builds a key of 26 fields and parses the URL twice per request, a fifth of the whole time. Here
    the origin is the key. Above `max_pools`, the least recently used pool is closed.
    """

    def __init__(self, resolver: Resolver, *, allow_private: bool, max_pools: int) -> None:
        class CheckedHttp(HTTPConnection):
            response_class = LenientResponse

            def _new_conn(self) -> socket.socket:
                return connect(self.host, self.port, resolver, allow_private=allow_private)

        class CheckedHttps(HTTPSConnection):
            response_class = LenientResponse

            def _new_conn(self) -> socket.socket:
                return connect(self.host, self.port, resolver, allow_private=allow_private)

        class HttpPool(HTTPConnectionPool):
            ConnectionCls = CheckedHttp

        class HttpsPool(HTTPSConnectionPool):
            ConnectionCls = CheckedHttps

        # urllib3 warns about faults of servers; the outcome of a fetch has them already.
        logging.getLogger("urllib3").setLevel(logging.ERROR)
        self._http: type[HTTPConnectionPool] = HttpPool
        self._https: type[HTTPSConnectionPool] = HttpsPool
        self._max_pools = max_pools
        self._guard = threading.Lock()
        self._pools: OrderedDict[tuple[str, str, int | None], HTTPConnectionPool] = OrderedDict()
        self._context: ssl.SSLContext | None = None

    def pool_of(self, scheme: str, host: str, port: int | None) -> HTTPConnectionPool:
        """Return the pool of an origin; make it on first use."""
        key = (scheme, host, port)
        evicted = None
        with self._guard:
            pool = self._pools.get(key)
            if pool is None:
                pool = self._pools[key] = self._make_pool(scheme, host, port)
                if len(self._pools) > self._max_pools:
                    evicted = self._pools.popitem(last=False)[1]
            else:
                self._pools.move_to_end(key)
        if evicted is not None:
            evicted.close()
        return pool

    def close(self) -> None:
        """Close all connections; the next fetch opens new ones."""
        with self._guard:
            pools, self._pools = list(self._pools.values()), OrderedDict()
        for pool in pools:
            pool.close()

    def _make_pool(self, scheme: str, host: str, port: int | None) -> HTTPConnectionPool:
        port = port or DEFAULT_PORTS[scheme]  # without a port, http.client reads one from the end of an IPv6 literal
        if scheme == "http":
            return self._http(host, port, maxsize=1, block=False, retries=False)
        if self._context is None:
            self._context = ssl.create_default_context()
            self._context.sslsocket_class = _DeadlineTlsSocket
        return self._https(host, port, maxsize=1, block=False, retries=False, ssl_context=self._context)
