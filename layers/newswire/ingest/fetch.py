"""Fetching: a request for a feed's document comes in, what came of it goes out as a value.

Conditional GET with the validators exactly as received, redirects followed by our own rules, limits on time, size
before and after decompression, and redirects. Only http and https, only the ports that are set, no proxies and no
netrc from the environment. The codes of failures are explained in docs/feeds.md.
"""

from __future__ import annotations

import ssl
import time
import zlib
from base64 import b64encode
from collections.abc import Mapping
from functools import lru_cache
from urllib.parse import unquote, urljoin, urlsplit, urlunsplit

import msgspec
import urllib3
from msgspec import Struct
from urllib3.exceptions import (
    HTTPError,
    LocationValueError,
    NewConnectionError,
    ProtocolError,
    SSLError,
)
from urllib3.exceptions import (
    TimeoutError as Urllib3TimeoutError,
)
from urllib3.util import parse_url

from newswire.app import App, DocumentFetcher
from newswire.errors import FetchError
from newswire.ingest.connect import ConnectionPools, Resolver, set_deadline, system_resolver
from newswire.model import Fetched, FetchFailed, FetchRequest, Hop, NotModified, Outcome
from newswire.settings import Settings
from newswire.urls import hostname_of, origin_of, user_info_of

_ACCEPT = (
    "application/atom+xml, application/rss+xml, application/feed+json, application/rdf+xml;q=0.9, "
    "application/xml;q=0.8, application/json;q=0.8, text/xml;q=0.7, */*;q=0.1"
)
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_CHUNK = 65_536
_HEADER_LENGTH = 2_000
_URL_LENGTH = 4_000
_SECRET_HEADERS = frozenset({"set-cookie", "set-cookie2", "authorization", "proxy-authorization", "cookie"})
_GZIP_MAGIC = b"\x1f\x8b"


class Fetcher:
    """The one pooled HTTP client. Its connections stay open between fetches; nothing is opened before the first.

    May be used from several threads; each fetch is carried out wholly in its caller's.
    """

    def __init__(self, settings: Settings, resolver: Resolver = system_resolver) -> None:
        self._settings = settings
        self._ports = settings.ports
        most = max(64, settings.poll_concurrency * 2)
        self._pools = ConnectionPools(resolver, allow_private=settings.fetch_allow_private, max_pools=most)

    def fetch(self, request: FetchRequest) -> Outcome:
        """Fetch a document. Everything that can go wrong with it is a `FetchFailed`, nothing is raised."""
        started = time.monotonic()
        set_deadline(self._settings.fetch_timeout_seconds)
        walk = _RedirectChain(request.url)
        try:
            outcome = self._follow(request, walk)
        except FetchError as error:
            outcome = FetchFailed(request.url, error.code, str(error), hops=tuple(walk.hops))
        except (TimeoutError, Urllib3TimeoutError):
            outcome = self._too_slow(request, walk)
        except SSLError as error:
            outcome = FetchFailed(request.url, "tls", _tls_sentence(_host(walk.url), error), hops=tuple(walk.hops))
        except (NewConnectionError, OSError) as error:
            sentence = f"The connection to {_host(walk.url)} failed ({_said(error)})."
            outcome = FetchFailed(request.url, "connect", sentence, hops=tuple(walk.hops))
        except ProtocolError as error:
            if isinstance(error.__context__, TimeoutError):
                outcome = self._too_slow(request, walk)
            else:
                sentence = f"{_host(walk.url)} closed the connection or answered in no HTTP ({_said(error)})."
                outcome = FetchFailed(request.url, "bad_response", sentence, hops=tuple(walk.hops))
        except (LocationValueError, UnicodeError, ValueError) as error:
            # Not what the error says: that may quote a header, and a header may be a key.
            sentence = f"The address, a header or the user agent can't be sent as they are ({type(error).__name__})."
            outcome = FetchFailed(request.url, "invalid_url", sentence, hops=tuple(walk.hops))
        except HTTPError as error:
            outcome = FetchFailed(
                request.url, "bad_response", f"The answer can't be read ({_said(error)}).", hops=tuple(walk.hops)
            )
        took = round((time.monotonic() - started) * 1000)
        return msgspec.structs.replace(outcome, took_ms=took)

    def close(self) -> None:
        """Close all connections."""
        self._pools.close()

    def _too_slow(self, request: FetchRequest, walk: _RedirectChain) -> FetchFailed:
        seconds = self._settings.fetch_timeout_seconds
        sentence = f"{_host(walk.url)} did not deliver within {seconds} s (NEWSWIRE_FETCH_TIMEOUT_SECONDS)."
        return FetchFailed(request.url, "timeout", sentence, hops=tuple(walk.hops))

    def _follow(self, request: FetchRequest, walk: _RedirectChain) -> Outcome:
        while True:
            at = _checked(walk.url, self._ports)
            response = self._pools.pool_of(at.scheme, at.host, at.port).urlopen(
                "GET",
                at.target,
                headers=self._headers(request, walk.url),
                redirect=False,
                retries=False,
                preload_content=False,
                decode_content=False,
                assert_same_host=False,
            )
            location = response.headers.get("location")
            if response.status not in _REDIRECTS or not location:
                return self._answered(request, walk, response)
            _finish(response)
            walk.go(response.status, urljoin(walk.url, location), self._settings.fetch_max_redirects)

    def _headers(self, request: FetchRequest, url: str) -> dict[str, str]:
        headers = {"User-Agent": request.user_agent, "Accept": _ACCEPT, "Accept-Encoding": "gzip"}
        if origin_of(url) == (request.secret_origin or origin_of(request.url)):
            user = user_info_of(url) or user_info_of(request.url)
            if user:
                headers["Authorization"] = f"Basic {b64encode(unquote(user).encode()).decode()}"
            headers.update(request.headers)
        validators = request.validators
        if validators is not None and validators.url == url:
            if validators.etag:
                headers["If-None-Match"] = validators.etag
            if validators.last_modified:
                headers["If-Modified-Since"] = validators.last_modified
        return headers

    def _answered(self, request: FetchRequest, walk: _RedirectChain, response: urllib3.BaseHTTPResponse) -> Outcome:
        headers = _plain_headers(response.headers)
        hops = tuple(walk.hops)
        if response.status == 304:  # noqa: PLR2004 - Not Modified
            _finish(response)
            if request.validators is None or request.validators.url != walk.url:
                sentence = "The server says that nothing changed, and was not asked that."
                return FetchFailed(request.url, "bad_response", sentence, 304, headers, hops)
            return NotModified(request.url, walk.url, headers, hops, 0)
        if response.status != 200:  # noqa: PLR2004 - OK
            _finish(response)
            sentence = f"{_host(walk.url)} answers {response.status} {_REASONS.get(response.status, '')}".rstrip() + "."
            return FetchFailed(request.url, f"http_{response.status}", sentence, response.status, headers, hops)
        raw, truncated = self._read(response)
        if not raw:
            raise FetchError("empty", f"{_host(walk.url)} answers with an empty document.")
        body, cut = self._decoded(raw, headers.get("content-encoding", ""), truncated=truncated)
        return Fetched(
            url=request.url,
            final_url=walk.url,
            status=response.status,
            headers=headers,
            body=body,
            content_type=headers.get("content-type", ""),
            truncated=truncated or cut,
            hops=hops,
            took_ms=0,
            wire_bytes=len(raw),
        )

    def _read(self, response: urllib3.BaseHTTPResponse) -> tuple[bytes, bool]:
        """Read the body as it comes over the wire; says whether it ended before its promised length."""
        limit = self._settings.fetch_max_bytes
        length = response.headers.get("content-length", "")
        if length.isdigit() and int(length) > limit:
            response.close()
            raise FetchError(
                "too_large", f"The document has {length} bytes; the limit is {limit} (NEWSWIRE_FETCH_MAX_BYTES)."
            )
        parts: list[bytes] = []
        size = 0
        try:
            while chunk := response.read(_CHUNK, decode_content=False):
                size += len(chunk)
                if size > limit:
                    response.close()
                    msg = f"The document has more than {limit} bytes (NEWSWIRE_FETCH_MAX_BYTES)."
                    raise FetchError("too_large", msg)
                parts.append(chunk)
        except (Urllib3TimeoutError, TimeoutError):
            response.close()
            raise
        except (ProtocolError, OSError) as error:
            response.close()
            if isinstance(error.__context__, TimeoutError) or not parts:
                raise
            return b"".join(parts), True
        response.release_conn()
        return b"".join(parts), False

    def _decoded(self, raw: bytes, encoding: str, *, truncated: bool) -> tuple[bytes, bool]:
        """Decompress, by what the server says or by what the bytes are; says whether the stream ended early."""
        named = encoding.strip().lower()
        if named not in {"", "identity", "gzip", "x-gzip", "deflate"}:
            raise FetchError(
                "content_encoding", f"The document is compressed as {named[:40]!r}, which was not asked for."
            )
        if named in {"", "identity"} and not raw.startswith(_GZIP_MAGIC):
            return raw, False
        if named in {"gzip", "x-gzip"} and not raw.startswith(_GZIP_MAGIC):
            return raw, False  # said to be compressed, and is not
        return self._inflated(raw, truncated=truncated)

    def _inflated(self, raw: bytes, *, truncated: bool) -> tuple[bytes, bool]:
        limit = self._settings.fetch_max_decoded_bytes
        wbits = 47 if raw.startswith(_GZIP_MAGIC) or raw[:1] == b"\x78" else -15
        parts: list[bytes] = []
        size = 0
        rest = raw
        while rest:
            stream = zlib.decompressobj(wbits)
            try:
                part = stream.decompress(rest, limit + 1 - size)
            except zlib.error as error:
                if parts:
                    break  # what follows the first whole stream is no stream: some servers pad
                if truncated:
                    return b"", True
                raise FetchError(
                    "content_encoding", "The document is said to be compressed and can't be decompressed."
                ) from error
            size += len(part)
            if size > limit:
                msg = f"The document has more than {limit} bytes when decompressed (NEWSWIRE_FETCH_MAX_DECODED_BYTES)."
                raise FetchError("too_large_decoded", msg)
            parts.append(part)
            if not stream.eof:
                return b"".join(parts), True
            rest = stream.unused_data
        return b"".join(parts), False


def fetcher_of(app: App) -> DocumentFetcher:
    """Return the fetcher of the app; make the pooled HTTP client on first use."""
    if app.fetcher is None:
        app.fetcher = Fetcher(app.settings)
    return app.fetcher


class _RedirectChain:
    """The way from the URL that was asked for to the one that answered."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.hops: list[Hop] = []
        self._seen = {url}

    def go(self, status: int, target: str, most: int) -> None:
        self.hops.append(Hop(status, target))
        if target in self._seen:
            raise FetchError("redirect_loop", f"The redirects lead back to {_host(target)} in a loop.")
        if len(self.hops) > most:
            raise FetchError("too_many_redirects", f"More than {most} redirects (NEWSWIRE_FETCH_MAX_REDIRECTS).")
        self._seen.add(target)
        self.url = target


_REASONS: Mapping[int, str] = {
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    410: "Gone",
    429: "Too Many Requests",
    500: "Internal Server Error",
    502: "Bad Gateway",
    503: "Service Unavailable",
    504: "Gateway Timeout",
}


class _Address(Struct, frozen=True):
    """Where a request goes: what a pool is found by, and what is asked for there."""

    scheme: str
    host: str
    port: int | None
    target: str


@lru_cache(maxsize=4096)  # a feed's address is the same at each poll
def _checked(url: str, ports: frozenset[int]) -> _Address:
    """Check the form of a URL and give it as it is sent: no user info, no fragment, host in ASCII."""
    if len(url) > _URL_LENGTH:
        msg = f"The address has {len(url)} characters; at most {_URL_LENGTH} are fetched."
        raise FetchError("invalid_url", msg)
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"}:
        raise FetchError("invalid_url", f"Only http and https are fetched, not {parts.scheme[:20] or 'nothing'}:.")
    host = parts.hostname
    if not host:
        raise FetchError("invalid_url", "The address has no host.")
    port = parts.port or (443 if parts.scheme == "https" else 80)
    if ports and port not in ports:
        allowed = ", ".join(str(one) for one in sorted(ports))
        msg = f"Port {port} is not fetched from, only {allowed} (NEWSWIRE_FETCH_PORTS)."
        raise FetchError("port", msg)
    host = host if host.isascii() else host.encode("idna").decode("ascii")
    sent = parse_url(
        urlunsplit((parts.scheme, f"[{host}]" if ":" in host else host, parts.path or "/", parts.query, ""))
    )
    return _Address(parts.scheme, sent.host or host, parts.port, sent.request_uri)


def _plain_headers(headers: Mapping[str, str]) -> dict[str, str]:
    plain: dict[str, str] = {}
    for name, value in headers.items():
        low = name.lower()
        if low not in _SECRET_HEADERS:
            clean = value.encode("latin-1", "replace").decode("utf-8", "replace")[:_HEADER_LENGTH]
            plain[low] = f"{plain[low]}, {clean}"[:_HEADER_LENGTH] if low in plain else clean
    return plain


def _finish(response: urllib3.BaseHTTPResponse) -> None:
    """Leave a response whose body nobody wants: a small one is read, so that the connection can be used again."""
    try:
        if not response.read(_CHUNK, decode_content=False) or response.length_remaining == 0:
            response.release_conn()
            return
    except (HTTPError, OSError):
        pass
    response.close()


def _host(url: str) -> str:
    return hostname_of(url)[:100] or "the server"


_UNKNOWN_AUTHORITY = frozenset({18, 19, 20, 21})
"""OpenSSL's codes for a certificate that no authority we know has signed, directly or at the end of its chain."""


def _tls_sentence(host: str, error: SSLError) -> str:
    reason = error.args[0] if error.args else error
    if not isinstance(reason, ssl.SSLCertVerificationError):
        return f"TLS with {host} failed ({_said(error)})."
    sentence = f"The certificate of {host} is not right ({reason.verify_message.rstrip('.')})."
    if reason.verify_code in _UNKNOWN_AUTHORITY:
        sentence += " If you trust who signed it, put their certificate into a file and name the file in SSL_CERT_FILE."
    return sentence


def _said(error: BaseException) -> str:
    """Give the innermost reason of an error, short, without addresses of objects."""
    reason: BaseException = error
    for argument in error.args:
        if isinstance(argument, BaseException):
            reason = argument
    text = str(reason) or type(reason).__name__
    return text.partition("object at 0x")[0].strip(" <(:")[:150]
