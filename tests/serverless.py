"""A Serverless search collection of AWS, as far as its limits go: a proxy that stands before a real node of OpenSearch.

It lets through what the developer guide of Amazon OpenSearch Service lists for search collections ("Supported operations
in Amazon OpenSearch Serverless") and refuses all else, checks the signature of every request by itself (AWS
Signature Version 4), and shows what was written only after a while.
"""

import datetime as dt
import hashlib
import hmac
import http.server
import json
import re
import threading
import zlib
from urllib.parse import parse_qsl, quote

import urllib3

KEY, SECRET, TOKEN = "AKIDNEWSWIRETESTS", "a-secret/of+the=tests", "a-token/of+the=tests"
REGION = "eu-central-1"
SEEN_AFTER = "400ms"
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
    """A request that AWS would not have let in, with the reason."""


def check_signature(method: str, target: str, headers: dict[str, str], body: bytes, service: str) -> None:
    """Check a signature as the "Signature Version 4 signing process" of AWS has it; `SignatureError` if it is wrong."""
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
    if headers.get("x-amz-content-sha256") != hashlib.sha256(body).hexdigest():
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
            headers["x-amz-content-sha256"],
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
    """Say why a search collection does not take a request; None for one that it takes."""
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
    """The proxy, on a free port of loopback; `service` is what requests must be signed for."""

    def __init__(self, node: str, service: str = "aoss") -> None:
        self.refusals: list[str] = []
        self.passed = 0
        pool = urllib3.PoolManager(maxsize=8)
        collection = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True
            wbufsize = -1

            def __getattr__(self, name: str):
                if name.startswith("do_"):
                    return self.passed_on
                raise AttributeError(name)

            def passed_on(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length") or 0))
                headers = {name.lower(): value for name, value in self.headers.items()}
                try:
                    check_signature(self.command, self.path, headers, body, service)
                except SignatureError as error:
                    self.answer(403, json.dumps({"error": f"{error}", "status": 403}).encode())
                    collection.refusals.append(str(error))
                    return
                if headers.get("content-encoding") == "gzip":
                    body = zlib.decompress(body, 31)
                why = refused(self.command, self.path, body) if service == "aoss" else None
                if why is not None:
                    self.answer(404, json.dumps({"error": why, "status": 404}).encode())
                    collection.refusals.append(why)
                    return
                if service == "aoss" and self.command == "PUT" and self.path.startswith("/_index_template"):
                    template = json.loads(body)
                    own = {"number_of_shards": 1, "number_of_replicas": 0, "refresh_interval": SEEN_AFTER}
                    template["template"]["settings"] = template["template"].get("settings", {}) | own
                    body = json.dumps(template).encode()
                sent = {"content-type": headers.get("content-type", "application/json")}
                got = pool.request(self.command, node + self.path, body=body, headers=sent, retries=False)
                collection.passed += 1
                self.answer(got.status, got.data)

            def answer(self, status: int, body: bytes) -> None:
                self.send_response(status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(body)

            def log_message(self, *_arguments) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
