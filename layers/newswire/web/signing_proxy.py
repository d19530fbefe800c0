"""A deployed API on loopback: a request comes in, is signed with the caller's AWS credentials, and the API's answer goes out.

So a browser and plain `curl`, which can't sign, reach an API that only principals of IAM may call. It listens on loopback
only, and answers only to names of loopback: whoever reaches it acts with the caller's rights (a web page whose name was
pointed at 127.0.0.1 meanwhile would be one).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import quote, unquote_to_bytes

import msgspec
import urllib3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.exceptions import BotoCoreError
from botocore.session import Session

from newswire.errors import UsageError
from newswire.settings import LOOPBACK, read_aws_region
from newswire.urls import hostname_of, is_api_url
from newswire.web.asgi import THREADS, AsgiResponse, Scope, ThreadedAsgiApp
from newswire.web.messages import PROBLEM, ProblemCode, problem_of

_SERVICE = "execute-api"
_REGION = re.compile(r"\.execute-api\.([a-z0-9-]+)\.amazonaws\.com(\.cn)?$")
_PASSED_ON = frozenset(
    {"accept", "accept-encoding", "accept-language", "if-modified-since", "if-none-match", "user-agent", "x-api-key"}
)
_NOT_PASSED_BACK = frozenset(
    {"connection", "keep-alive", "transfer-encoding", "content-length", "trailer", "upgrade", "proxy-authenticate"}
)
"""What belongs to one connection (RFC 9110, section 7.6.1)."""
_TIMEOUT_S = 35.0
_UNRESERVED = "-_.~"


class SigningProxy(ThreadedAsgiApp):
    """An ASGI application that stands for a deployed API, at the address that `base` says it is reached under.

    Raises `UsageError` when the address is none, or there are no credentials or no region to sign with.
    """

    def __init__(self, url: str, base: str) -> None:
        super().__init__()
        if not is_api_url(url):
            raise UsageError(f"{url!r} is no address of an API: give the output ApiUrl of the stack, https://….")
        self._url = url.rstrip("/")
        self._base = base
        in_name = _REGION.search(hostname_of(url))
        try:
            session = Session()
            found = session.get_credentials()
            region = in_name.group(1) if in_name else read_aws_region() or session.get_config_variable("region")
        except BotoCoreError as error:
            raise UsageError(f"There are no AWS credentials to sign with ({error}).") from error
        if found is None:
            raise UsageError("There are no AWS credentials to sign with: set AWS_PROFILE, or log in.")
        self._credentials = found
        if not region:
            raise UsageError(f"{hostname_of(url)} does not say its region: set AWS_REGION.")
        self._region = region
        self._pool = urllib3.PoolManager(maxsize=THREADS, block=True, retries=False, timeout=_TIMEOUT_S)

    def close(self) -> None:
        """Give threads and connections back, when what they are answering is answered."""
        super().close()
        self._pool.clear()

    def respond(self, scope: Scope) -> AsgiResponse:
        """Answer from the deployed API."""
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        if hostname_of(f"//{headers.get('host', '')}") not in LOOPBACK:
            return _problem(400, "invalid_request", "This is a proxy of one machine: ask it as 127.0.0.1 or localhost.")
        if scope["method"] not in {"GET", "HEAD"}:
            return _problem(405, "method_not_allowed", "Only GET and HEAD are answered: nothing is changed here.")
        path = unquote_to_bytes(bytes(scope.get("raw_path") or b"/"))
        if not path.startswith(b"/") or {b".", b".."} & set(path.split(b"/")):  # it would leave the API, or its host
            return _problem(
                400, "invalid_request", "The address must begin with / and have no . or .. between slashes."
            )
        url = self._url + _encoded_target(path, scope.get("query_string", b""))
        sent = {name: value for name, value in headers.items() if name in _PASSED_ON}
        try:
            return self._asked(scope["method"], url, sent)
        except urllib3.exceptions.HTTPError as error:
            detail = f"{self._url} can't be reached ({type(error).__name__}): try again in a moment."
            return _problem(503, "engine_unavailable", detail)
        except BotoCoreError as error:
            return _problem(
                503, "engine_unavailable", f"The AWS credentials can't be used any more: log in anew ({error})."
            )

    def _asked(self, method: str, url: str, sent: Mapping[str, str]) -> AsgiResponse:
        request = AWSRequest(method=method, url=url)
        SigV4Auth(self._credentials.get_frozen_credentials(), _SERVICE, self._region).add_auth(request)
        headers: dict[str, str] = {"accept-encoding": "identity", **sent, **dict(request.headers.items())}
        got = self._pool.request(method, url, headers=headers, redirect=False, preload_content=False)
        body = got.read(decode_content=False)
        answered = [
            (name.lower().encode("latin-1"), self._here(name, value).encode("latin-1"))
            for name, value in got.headers.iteritems()
            if name.lower() not in _NOT_PASSED_BACK
        ]
        if length := got.headers.get("content-length"):
            answered.append((b"content-length", length.encode()))
        elif method == "GET":
            answered.append((b"content-length", str(len(body)).encode()))
        got.release_conn()
        return got.status, answered, body

    def _here(self, name: str, value: str) -> str:
        """Let links of the answer lead through this proxy too: elsewhere they would have to be signed."""
        return value.replace(self._url, self._base) if name.lower() in {"link", "location"} else value


def _encoded_target(path: bytes, query: bytes) -> str:
    """Write path and query as the signature has them (Signature Version 4, "canonical request"): encoded in one way only."""
    encoded = quote(path, safe=f"/{_UNRESERVED}")
    pairs = [pair.partition(b"=") for pair in query.split(b"&") if pair]
    written = [f"{_encoded(name)}={_encoded(value)}" for name, _, value in pairs]
    return f"{encoded}?{'&'.join(written)}" if written else encoded


def _encoded(text: bytes) -> str:
    return quote(unquote_to_bytes(text.replace(b"+", b" ")), safe=_UNRESERVED)


def _problem(status: int, code: ProblemCode, detail: str) -> AsgiResponse:
    problem = problem_of(status, code, detail)
    body = msgspec.json.encode(problem)
    headers = [(b"content-type", PROBLEM.encode()), (b"x-request-id", problem.request_id.encode())]
    headers.append((b"content-length", str(len(body)).encode()))
    if status == 503:  # noqa: PLR2004 - Service Unavailable
        headers.append((b"retry-after", b"10"))
    return status, headers, body
