"""Simulate a search collection of Amazon OpenSearch Serverless: a proxy in front of a real OpenSearch node.

It allows the operations that the developer guide lists for search collections ("Supported operations in Amazon
OpenSearch Serverless") and refuses all others. It verifies the AWS Signature Version 4 of every request, and shows
writes only after a delay.
"""

import datetime as dt
import hashlib
import hmac
import json
import re
import time
from urllib.parse import parse_qsl, quote

import urllib3

from tests.support.loopback import Asked, Loopback, Reply

KEY, SECRET, TOKEN = "AKIDNEWSWIRETESTS", "a-secret/of+the=tests", "a-token/of+the=tests"
REGION = "eu-central-1"
SEEN_AFTER = "400ms"
FORGOTTEN_AFTER = "5s"
"""How long a shard remembers a deletion: less than the minute of a real collection, so that `short_pause` is enough."""


def short_pause(seconds: float) -> None:
    """Wait for a tenth of the time that newswire waits for a real collection."""
    time.sleep(seconds / 10)


_NAME = r"[a-z0-9][a-z0-9*,_-]*"
_ALLOWED = [
    ("PUT|GET|HEAD|DELETE", rf"/{_NAME}"),
    ("PUT|GET", rf"/{_NAME}/_mapping"),
    ("GET", rf"/{_NAME}/_settings"),
    ("PUT|GET|HEAD|DELETE", rf"/_index_template/{_NAME}"),
    ("POST", r"/_aliases"),
    ("POST", rf"(/{_NAME})?/_bulk"),
    ("POST|GET", rf"/{_NAME}/(_search|_msearch|_count|_mget)"),
    ("GET|PUT|POST|DELETE|HEAD", rf"/{_NAME}/(_doc|_create|_update)/[^/]+"),
]
_REFUSED_PARAMETERS = {"refresh", "scroll", "wait_for_active_shards"}
_REFUSED_SETTINGS = {"number_of_shards", "number_of_replicas", "refresh_interval"}


class SignatureError(Exception):
    """A request that AWS would reject, with the reason."""


def check_signature(method: str, target: str, headers: dict[str, str], body: bytes, service: str) -> None:
    """Verify a signature by the AWS "Signature Version 4 signing process"; raise `SignatureError` if it is wrong."""
    given = re.fullmatch(
        r"AWS4-HMAC-SHA256 Credential=([^/]+)/(\d{8})/([^/]+)/([^/]+)/aws4_request, ?"
        r"SignedHeaders=([^,]+), ?Signature=([0-9a-f]{64})",
        headers.get("authorization", ""),
    )
    if given is None:
        raise SignatureError("no signature")
    key, day, region, of_service, names, signature = given.groups()
    at = headers.get("x-amz-date", "")
    if (key, region, of_service) != (KEY, REGION, service) or not at.startswith(day):
        raise SignatureError("signed for something else")
    age = dt.datetime.now(dt.UTC) - dt.datetime.strptime(at + "+0000", "%Y%m%dT%H%M%SZ%z")
    if abs(age.total_seconds()) > 300:
        raise SignatureError("signed at another time")
    signed = names.split(";")
    if signed != sorted(signed) or not {"host", "x-amz-date", "x-amz-security-token"} <= set(signed):
        raise SignatureError("a header that must be signed is not")
    digest = hashlib.sha256(body).hexdigest()
    is_search = service in {"es", "aoss"}  # these also require the hash as a header
    if headers.get("x-amz-content-sha256", None if is_search else digest) != digest:
        raise SignatureError("the body is another")
    if headers.get("x-amz-security-token") != TOKEN:
        raise SignatureError("the token is another")
    path, _, query = target.partition("?")
    pairs = sorted((quote(name, safe="-_.~"), quote(value, safe="-_.~")) for name, value in parse_qsl(query, True))
    canonical = "\n".join(
        [
            method,
            quote(path, safe="/-_.~"),
            "&".join(f"{name}={value}" for name, value in pairs),
            *(f"{name}:{' '.join(headers[name].split())}" for name in signed),
            "",
            names,
            digest,
        ]
    )
    scope = f"{day}/{region}/{service}/aws4_request"
    text = "\n".join(["AWS4-HMAC-SHA256", at, scope, hashlib.sha256(canonical.encode()).hexdigest()])
    derived = f"AWS4{SECRET}".encode()
    for part in (day, region, service, "aws4_request"):
        derived = hmac.new(derived, part.encode(), hashlib.sha256).digest()
    if not hmac.compare_digest(hmac.new(derived, text.encode(), hashlib.sha256).hexdigest(), signature):
        raise SignatureError("the signature is wrong")


def refused(method: str, target: str, body: bytes) -> str | None:
    """Return why a search collection refuses a request, or None if it accepts it."""
    path, _, query = target.partition("?")
    path = path.replace("%2C", ",").replace("%2A", "*")
    if not any(re.fullmatch(methods, method) and re.fullmatch(paths, path) for methods, paths in _ALLOWED):
        return f"there is no {method} {path}"
    if bad := _REFUSED_PARAMETERS & dict(parse_qsl(query)).keys():
        return f"there is no parameter {bad}"
    if path.startswith("/_index_template") and method == "PUT":
        settings = json.loads(body)["template"].get("settings", {})
        if bad := _REFUSED_SETTINGS & settings.keys():
            return f"{bad} can't be set"
    return None


class Collection:
    """The proxy on a free loopback port; requests must be signed for `service`."""

    def __init__(self, node: str, service: str = "aoss") -> None:
        self.refusals: list[str] = []
        self.asked: list[tuple[str, str]] = []
        """Method and path of every request with a valid signature."""
        self.passed = 0
        self.sent_bytes = 0
        """Bytes of all answers."""
        self.away = False
        """While this is true, no request gets an answer."""
        self._node = node
        self._service = service
        self._pool = urllib3.PoolManager(maxsize=8)
        self._server = Loopback(self._answer)
        self.url = self._server.url

    def _answer(self, asked: Asked) -> Reply | None:
        if self.away:
            return None
        try:
            check_signature(*asked, self._service)
        except SignatureError as error:
            return self._refused(403, str(error))
        self.asked.append((asked.method, asked.target.partition("?")[0]))
        body = asked.plain
        if self._service == "aoss":
            why = refused(asked.method, asked.target, body)
            if why is not None:
                return self._refused(404, why)
            if asked.method == "PUT" and asked.target.startswith("/_index_template"):
                template = json.loads(body)
                own = {"number_of_shards": 1, "number_of_replicas": 0, "refresh_interval": SEEN_AFTER}
                own["gc_deletes"] = FORGOTTEN_AFTER
                template["template"]["settings"] = template["template"].get("settings", {}) | own
                body = json.dumps(template).encode()
        sent = {"content-type": asked.headers.get("content-type", "application/json")}
        response = self._pool.request(asked.method, self._node + asked.target, body=body, headers=sent, retries=False)
        self.passed += 1
        self.sent_bytes += len(response.data)
        return Reply(response.status, response.data)

    def _refused(self, status: int, why: str) -> Reply:
        self.refusals.append(why)
        return Reply(status, json.dumps({"error": why, "status": status}).encode())

    def close(self) -> None:
        self._server.close()
