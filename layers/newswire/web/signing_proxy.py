"""Signing proxy: forward requests from loopback to a deployed API, signed with AWS Signature Version 4.

It is for browsers: a browser cannot sign, and an API with IAM authorization accepts only signed requests. (curl signs
with `--aws-sigv4`, from version 7.75.) Whoever reaches the proxy acts with the caller's AWS permissions. So it listens on
loopback only, and it accepts only loopback names in `Host`. A web page could otherwise point its own name at 127.0.0.1
(DNS rebinding).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import quote, unquote_to_bytes

import urllib3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.exceptions import BotoCoreError
from botocore.session import Session

from newswire.errors import UsageError
from newswire.settings import LOOPBACK, read_aws_region
from newswire.urls import hostname_of, is_api_url, scheme_of
from newswire.web.asgi import AsgiResponse, Scope, ThreadedAsgiApp, problem_as_json
from newswire.web.messages import ProblemCode, ProblemOut, problem_of

_SERVICE = "execute-api"
_REGION = re.compile(r"\.execute-api\.([a-z0-9-]+)\.amazonaws\.com(\.cn)?$")
_FORWARDED_HEADERS = frozenset(
    {"accept", "accept-encoding", "accept-language", "if-modified-since", "if-none-match", "user-agent", "x-api-key"}
)
_CONNECTION_HEADERS = frozenset(
    {"connection", "keep-alive", "transfer-encoding", "content-length", "trailer", "upgrade", "proxy-authenticate"}
)
"""Headers of one connection (RFC 9110, section 7.6.1); responses are returned without them."""
_TIMEOUT_SECONDS = 35.0
_MAX_CONNECTIONS = 16
_UNRESERVED = "-_.~"
"""Characters that stay unencoded besides letters and digits (RFC 3986, section 2.3)."""


class SigningProxy(ThreadedAsgiApp):
    """An ASGI application that forwards to the API at `url`; `base` is the URL at which the proxy itself listens.

    Raises `UsageError` if `url` is not the URL of an API, or if AWS credentials or the region are missing.
    """

    def __init__(self, url: str, base: str) -> None:
        super().__init__(_TIMEOUT_SECONDS)
        if not is_api_url(url):
            raise UsageError(
                f"The URL must be that of a deployed API, got {url!r}. Use the ApiUrl output of the stack."
            )
        if scheme_of(url) != "https" and hostname_of(url) not in LOOPBACK:
            raise UsageError(
                f"The URL must begin with https://, got {url!r}: your AWS credentials would be sent in the clear."
            )
        self._url = url.rstrip("/")
        self._base = base
        host_region = _REGION.search(hostname_of(url))
        try:
            session = Session()
            credentials = session.get_credentials()
            region = host_region.group(1) if host_region else read_aws_region() or session.get_config_variable("region")
        except BotoCoreError as error:
            raise UsageError(f"AWS credentials are not available ({error}). Set AWS_PROFILE, or log in.") from error
        if credentials is None:
            raise UsageError("AWS credentials are not available. Set AWS_PROFILE, or log in.")
        self._credentials = credentials
        if not region:
            raise UsageError(f"The AWS region of {hostname_of(url)} is unknown. Set AWS_REGION.")
        self._region = region
        self._pool = urllib3.PoolManager(maxsize=_MAX_CONNECTIONS, block=True, retries=False, timeout=_TIMEOUT_SECONDS)

    def refuse(self, scope: Scope, problem: ProblemOut) -> AsgiResponse:  # noqa: ARG002 - the same for every request
        """Return the problem."""
        return problem_as_json(problem)

    def close(self) -> None:
        """Wait for the requests in progress, then end the threads and close the connections."""
        super().close()
        self._pool.clear()

    def respond(self, scope: Scope) -> AsgiResponse:
        """Return the response of the deployed API, or a problem: 400, 405, or 503 if the API cannot be called."""
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        if headers.get("sec-fetch-site") == "cross-site":
            detail = "A page of another site must not use your AWS credentials."
            return _problem(400, "invalid_request", detail)
        if hostname_of(f"//{headers.get('host', '')}") not in LOOPBACK:
            return _problem(400, "invalid_request", "Host must be a loopback name. Use 127.0.0.1 or localhost.")
        if scope["method"] not in {"GET", "HEAD"}:
            return _problem(405, "method_not_allowed", "Only GET and HEAD are allowed: no route changes anything.")
        path = unquote_to_bytes(bytes(scope.get("raw_path") or b"/"))
        if not path.startswith(b"/") or {b".", b".."} & set(path.split(b"/")):  # would leave the API, or its host
            detail = "The path must begin with / and must not have a segment . or .. in it."
            return _problem(400, "invalid_request", detail)
        url = self._url + _encode_target(path, scope.get("query_string", b""))
        forwarded = {name: value for name, value in headers.items() if name in _FORWARDED_HEADERS}
        try:
            return self._forward(scope["method"], url, forwarded)
        except urllib3.exceptions.HTTPError as error:
            detail = f"{self._url} can't be reached ({type(error).__name__}). Try again in a moment."
            return _problem(503, "engine_unavailable", detail)
        except BotoCoreError as error:
            detail = f"The AWS credentials are no longer usable ({error}). Log in again."
            return _problem(503, "engine_unavailable", detail)

    def _forward(self, method: str, url: str, forwarded: Mapping[str, str]) -> AsgiResponse:
        request = AWSRequest(method=method, url=url)
        SigV4Auth(self._credentials.get_frozen_credentials(), _SERVICE, self._region).add_auth(request)
        headers: dict[str, str] = {"accept-encoding": "identity", **forwarded, **dict(request.headers.items())}
        response = self._pool.request(method, url, headers=headers, redirect=False, preload_content=False)
        body = response.read(decode_content=False)
        returned = [
            (name.lower().encode("latin-1"), self._rewrite_links(name, value).encode("latin-1"))
            for name, value in response.headers.iteritems()
            if name.lower() not in _CONNECTION_HEADERS
        ]
        if length := response.headers.get("content-length"):
            returned.append((b"content-length", length.encode()))
        elif method == "GET":
            returned.append((b"content-length", str(len(body)).encode()))
        response.release_conn()
        return response.status, returned, body

    def _rewrite_links(self, name: str, value: str) -> str:
        """Return a header value whose links lead to this proxy: a link to the API itself would need a signature."""
        return value.replace(self._url, self._base) if name.lower() in {"link", "location"} else value


def _encode_target(path: bytes, query: bytes) -> str:
    """Return path and query percent-encoded as the canonical request of Signature Version 4 requires.

    `path` is decoded, `query` is not.
    """
    encoded_path = quote(path, safe=f"/{_UNRESERVED}")
    pairs = [pair.partition(b"=") for pair in query.split(b"&") if pair]
    encoded_pairs = [f"{_encode_component(name)}={_encode_component(value)}" for name, _, value in pairs]
    return f"{encoded_path}?{'&'.join(encoded_pairs)}" if encoded_pairs else encoded_path


def _encode_component(text: bytes) -> str:
    return quote(unquote_to_bytes(text.replace(b"+", b" ")), safe=_UNRESERVED)


def _problem(status: int, code: ProblemCode, detail: str) -> AsgiResponse:
    return problem_as_json(problem_of(status, code, detail))
