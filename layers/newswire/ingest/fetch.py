"""Fetch the document of a feed over HTTP, and return the outcome as a value.

A fetch is a conditional GET with the validators exactly as received. It follows redirects by its own rules. It limits the
time, the redirects, and the size before and after decompression. Only http and https and the configured ports are
allowed. Proxies and netrc of the environment are ignored. docs/feeds.md explains the failure codes.
"""

from __future__ import annotations

import io
import re
import ssl
import time
import unicodedata
from base64 import b64encode
from collections.abc import Mapping
from functools import lru_cache
from urllib.parse import quote, unquote, urlsplit, urlunsplit

import msgspec
import urllib3
from msgspec import Struct
from urllib3.connectionpool import HTTPConnectionPool
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
from newswire.ingest.connect import (
    ConnectionPools,
    Resolver,
    set_deadline,
    system_resolver,
)
from newswire.ingest.redirects import RedirectChain, read_location
from newswire.ingest.secrets import SecretReader
from newswire.model import Fetched, FetchFailed, FetchRequest, NotModified, Outcome
from newswire.settings import Settings
from newswire.urls import DEFAULT_PORTS, origin_of, quotable_host, user_info_of

_ACCEPT = (
    "application/atom+xml, application/rss+xml, application/feed+json, application/rdf+xml;q=0.9, "
    "application/xml;q=0.8, application/json;q=0.8, text/xml;q=0.7, */*;q=0.1"
)
_DOCUMENT_STATUSES = frozenset({200, 203})
"""A 203 is a 200 that a proxy has changed (RFC 9110 section 15.3.4)."""
_REDIRECT_STATUSES = frozenset({301, 302, 303, 307, 308})
CHUNK_BYTES = 65_536
"""Maximum bytes of one read; a body up to this size is read to its end even if it is not used."""
MAX_HEADER_CHARACTERS = 2_000
"""A longer header value is cut, since the archive stores the headers with the document."""
MAX_URL_CHARACTERS = 4_000
MIN_POOLS = 64
_UNCHANGED = "%!$&'()*+,/:;=?@[]\\^|~"
"""What a browser sends as it is (WHATWG URL, section 1.3): a signed URL holds for one spelling only."""
_LENGTH = re.compile(r"[0-9]{1,18}")  # any other Content-Length is ignored; the limit holds while the body is read
_SECRET_HEADERS = frozenset({"set-cookie", "set-cookie2", "authorization", "proxy-authorization", "cookie"})


class Fetcher:
    """The pooled HTTP client. Connections stay open between fetches; the first fetch opens the first one.

    Safe to use from several threads; each fetch runs in the thread of its caller.
    """

    def __init__(
        self, settings: Settings, resolver: Resolver = system_resolver, secrets: SecretReader | None = None
    ) -> None:
        self._settings = settings
        self._secrets = secrets or SecretReader()
        self._ports = settings.ports
        max_pools = max(MIN_POOLS, settings.poll_concurrency * 2)
        self._pools = ConnectionPools(resolver, allow_private=settings.fetch_allow_private, max_pools=max_pools)

    def fetch(self, request: FetchRequest) -> Outcome:
        """Fetch a document, with its body as it was sent; `unpacked` decompresses it when it is needed.

        Every fault of the request, the network or the server is a `FetchFailed`; none is raised.
        """
        started = time.monotonic()
        set_deadline(self._settings.fetch_timeout_seconds)
        chain = RedirectChain(request.url)
        try:
            if request.headers:
                request = msgspec.structs.replace(request, headers=self._secrets.resolve(request.headers))
            outcome = self._follow_redirects(request, chain)
        except FetchError as error:
            outcome = chain.failure(error.code, str(error))
        except (TimeoutError, Urllib3TimeoutError):
            outcome = self._timeout_failure(chain)
        except SSLError as error:
            outcome = chain.failure("tls", _tls_sentence(quotable_host(chain.url), error))
        except (NewConnectionError, OSError) as error:
            outcome = chain.failure(
                "connect", f"The connection to {quotable_host(chain.url)} failed ({_reason_of(error)})."
            )
        except ProtocolError as error:
            if isinstance(error.__context__, TimeoutError):
                outcome = self._timeout_failure(chain)
            else:
                sentence = (
                    f"{quotable_host(chain.url)} closed the connection or sent invalid HTTP ({_reason_of(error)})."
                )
                outcome = chain.failure("bad_response", sentence)
        except (LocationValueError, UnicodeError, ValueError) as error:
            outcome = chain.failure("invalid_url", chain.invalid_url_sentence(error))
        except HTTPError as error:
            outcome = chain.failure("bad_response", f"The response cannot be read ({_reason_of(error)}).")
        took = round((time.monotonic() - started) * 1000)
        return msgspec.structs.replace(outcome, took_ms=took)

    def close(self) -> None:
        """Close all connections."""
        self._pools.close()

    def _timeout_failure(self, chain: RedirectChain) -> FetchFailed:
        seconds = self._settings.fetch_timeout_seconds
        sentence = (
            f"{quotable_host(chain.url)} did not send the document within {seconds} s (NEWSWIRE_FETCH_TIMEOUT_SECONDS)."
        )
        return chain.failure("timeout", sentence)

    def _follow_redirects(self, request: FetchRequest, chain: RedirectChain) -> Outcome:
        while True:
            destination = _destination_of(chain.url, self._ports)
            response = self._request(destination, self._headers_for(request, chain))
            location = read_location(response.headers.getlist("location"))
            if response.status not in _REDIRECT_STATUSES or not location:
                return self._outcome_of(request, chain, response)
            chain.keep_cookies(response.headers.getlist("set-cookie"))
            response.close()  # as `_outcome_of` says of every answer that is no document
            chain.follow(response.status, location, self._settings.fetch_max_redirects)

    def _request(self, destination: _Destination, headers: Mapping[str, str | bytes]) -> urllib3.BaseHTTPResponse:
        """Send a request; once more on a new connection if the server has given up a kept one (RFC 9112 section 9.3.1)."""
        pool = self._pools.pool_of(destination.scheme, destination.host, destination.port)
        connections = pool.num_connections
        try:
            return _send(pool, destination.target, headers)
        except ProtocolError as error:
            was_kept = pool.num_connections == connections
            if not was_kept or isinstance(error.__context__, TimeoutError):
                raise
            return _send(pool, destination.target, headers)

    def _headers_for(self, request: FetchRequest, chain: RedirectChain) -> dict[str, str | bytes]:
        """Return the request headers for the current URL of a chain: secrets and validators only go where they belong.

        A chain that has left the origin of the secrets never gets them again: another origin chose its URLs (CVE-2024-45336).
        """
        url = chain.url
        headers: dict[str, str | bytes] = {
            "User-Agent": request.user_agent,
            "Accept": _ACCEPT,
            "Accept-Encoding": "gzip",
        }
        own_origin = request.secret_origin or origin_of(request.url)
        if origin_of(url) == own_origin and not chain.has_left(own_origin):
            user = user_info_of(url) or user_info_of(request.url)
            if user:
                headers["Authorization"] = f"Basic {b64encode(unquote(user).encode()).decode()}"
            headers.update(request.headers)
        validators = request.validators
        if validators is not None and validators.url == url:
            for name, value in (("If-None-Match", validators.etag), ("If-Modified-Since", validators.last_modified)):
                if value and "\ufffd" not in value:  # what could not be read cannot be sent back as it came
                    headers[name] = value if value.isascii() else value.encode()
        if cookies := chain.cookies():
            headers["Cookie"] = cookies
        return headers

    def _outcome_of(self, request: FetchRequest, chain: RedirectChain, response: urllib3.BaseHTTPResponse) -> Outcome:
        """Return the outcome; keep the connection after a whole document only.

        Some servers send a body after a status that has none, or a second answer after an error or a redirect. It would
        be taken for the answer to the next request, which is that of another feed.
        """
        headers = _plain_headers(response.headers)
        hops = tuple(chain.hops)
        if response.status == 304:  # noqa: PLR2004 - Not Modified
            response.close()
            if request.validators is None or request.validators.url != chain.url:
                sentence = "The server answered 304 (Not Modified) to an unconditional request."
                return FetchFailed(request.url, "bad_response", sentence, 304, headers, hops)
            return NotModified(request.url, chain.url, headers, hops, 0)
        if response.status not in _DOCUMENT_STATUSES:
            response.close()
            answer = (
                f"{quotable_host(chain.url)} answers {response.status} {_REASONS.get(response.status, '')}".rstrip()
            )
            return FetchFailed(request.url, f"http_{response.status}", f"{answer}.", response.status, headers, hops)
        raw, truncated = self._read_body(response)
        if not raw:
            raise FetchError("empty", f"{quotable_host(chain.url)} sent an empty document.")
        return Fetched(
            url=request.url,
            final_url=chain.url,
            status=response.status,
            headers=headers,
            body=raw,
            content_type=headers.get("content-type", ""),
            truncated=truncated,
            hops=hops,
            took_ms=0,
            wire_bytes=len(raw),
            coding=headers.get("content-encoding", ""),
        )

    def _read_body(self, response: urllib3.BaseHTTPResponse) -> tuple[bytes, bool]:
        """Read the body as sent, still compressed; return it, and whether it ended before its declared length."""
        limit = self._settings.fetch_max_bytes
        if _LENGTH.fullmatch(length := response.headers.get("content-length", "")) and int(length) > limit:
            response.close()
            msg = f"The document has {length} bytes; the limit is {limit} (NEWSWIRE_FETCH_MAX_BYTES)."
            raise FetchError("too_large", msg)
        body = io.BytesIO()
        try:
            while chunk := response.read1(CHUNK_BYTES, decode_content=False):  # gives what came before a broken end
                body.write(chunk)
                if body.tell() > limit:
                    response.close()
                    msg = f"The document has more than {limit} bytes (NEWSWIRE_FETCH_MAX_BYTES)."
                    raise FetchError("too_large", msg)
        except (Urllib3TimeoutError, TimeoutError, ProtocolError, OSError) as error:
            is_late = isinstance(error, (Urllib3TimeoutError, TimeoutError)) or isinstance(
                error.__context__, TimeoutError
            )
            is_between_chunks = getattr(getattr(response, "_fp", None), "chunk_left", None) == 0
            response.close()
            if not body.tell() or (is_late and not is_between_chunks):
                raise
            return body.getvalue(), True
        except ValueError as error:  # http.client takes a chunk of -5 bytes for one
            response.close()
            msg = f"{quotable_host(response.url or '')} sent invalid HTTP ({_reason_of(error)})."
            raise FetchError("bad_response", msg) from error
        response.release_conn()
        return body.getvalue(), False


def fetcher_of(app: App) -> DocumentFetcher:
    """Return the fetcher of the app; make the pooled HTTP client on first use."""
    if app.fetcher is None:
        app.fetcher = Fetcher(app.settings)
    return app.fetcher


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


class _Destination(Struct, frozen=True):
    """The origin that a request goes to, which is the key of its pool, and the request target."""

    scheme: str
    host: str
    port: int | None
    """The port in the URL; None for the default of the scheme."""
    target: str


@lru_cache(maxsize=4096)  # the URL of a feed is the same at each poll
def _destination_of(url: str, ports: frozenset[int]) -> _Destination:
    """Return the destination of a URL, with the host in ASCII and without user info and fragment.

    Raises `FetchError`: `invalid_url`, or `port` for a port that is not in `ports` (if it is not empty).
    """
    if len(url) > MAX_URL_CHARACTERS:
        msg = f"A URL must have at most {MAX_URL_CHARACTERS} characters, got {len(url)}."
        raise FetchError("invalid_url", msg)
    parts = urlsplit(url)
    if parts.scheme not in DEFAULT_PORTS:
        raise FetchError("invalid_url", f"The scheme of a URL must be http or https, got {parts.scheme[:20]!r}.")
    host = parts.hostname
    if not host:
        raise FetchError("invalid_url", "A URL must have a host.")
    port = parts.port or DEFAULT_PORTS[parts.scheme]
    if ports and port not in ports:
        allowed = ", ".join(str(number) for number in sorted(ports))
        raise FetchError("port", f"The port must be one of {allowed} (NEWSWIRE_FETCH_PORTS), got {port}.")
    if not host.isascii():
        host = _ascii_host(host)
    parsed = parse_url(
        urlunsplit((parts.scheme, f"[{host}]" if ":" in host else host, parts.path or "/", parts.query, ""))
    )
    target = parts.path + (f"?{parts.query}" if parts.query else "")
    is_plain = parts.path.startswith("/") and "/." not in parts.path
    return _Destination(
        parts.scheme,
        parsed.host or host,
        parts.port,
        quote(target, safe=_UNCHANGED) if is_plain else parsed.request_uri,
    )


def _ascii_host(host: str) -> str:
    """Return a host in ASCII by IDNA 2008, as browsers do; what only browsers allow, such as ❤, is encoded as it is.

    Raises `UnicodeError` for a host that cannot be encoded.
    """
    import idna  # noqa: PLC0415 - few hosts need it

    mapped = idna.uts46_remap(host, std3_rules=False, transitional=False)
    labels = []
    for label in mapped.split("."):
        try:
            labels.append(label if label.isascii() else idna.alabel(label).decode("ascii"))
        except idna.IDNAError:
            if not any(unicodedata.category(letter).startswith("S") for letter in label):
                raise
            labels.append(f"xn--{label.encode('punycode').decode('ascii')}")
    return ".".join(labels)


def _plain_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Return response headers by lower-case name, read as UTF-8, without those that hold secrets."""
    plain: dict[str, str] = {}
    for header, value in headers.items():
        name = header.lower()
        if name not in _SECRET_HEADERS:
            text = value.encode("latin-1", "replace").decode("utf-8", "replace")[:MAX_HEADER_CHARACTERS]
            plain[name] = f"{plain[name]}, {text}"[:MAX_HEADER_CHARACTERS] if name in plain else text
    return plain


def _send(pool: HTTPConnectionPool, target: str, headers: Mapping[str, str | bytes]) -> urllib3.BaseHTTPResponse:
    return pool.urlopen(
        "GET",
        target,
        headers=headers,  # type: ignore[arg-type]  # urllib3 sends bytes as they are
        redirect=False,
        retries=False,
        preload_content=False,
        decode_content=False,
        assert_same_host=False,
    )


_UNKNOWN_AUTHORITY = frozenset({18, 19, 20, 21})
"""OpenSSL's verify codes for a certificate whose chain does not end at a known authority."""


def _tls_sentence(host: str, error: SSLError) -> str:
    reason = error.args[0] if error.args else error
    if not isinstance(reason, ssl.SSLCertVerificationError):
        return f"TLS with {host} failed ({_reason_of(error)})."
    sentence = f"The certificate of {host} is invalid ({reason.verify_message.rstrip('.')})."
    if reason.verify_code in _UNKNOWN_AUTHORITY:
        sentence += " If you trust its issuer, write the issuer's certificate into a file and set SSL_CERT_FILE to it."
    return sentence


def _reason_of(error: BaseException) -> str:
    """Return the innermost reason of an error in at most 150 characters, without memory addresses of objects."""
    reason: BaseException = error
    for argument in error.args:
        if isinstance(argument, BaseException):
            reason = argument
    text = " ".join(str(reason).split()) or type(reason).__name__
    return text.partition("object at 0x")[0].strip(" <(:")[:150]
