"""Send requests to the API in two ways: over a socket through uvicorn, and as events of a REST API."""

import http.client
import json
import socket
import threading
import time
from typing import NamedTuple
from urllib.parse import parse_qs, unquote

from aws_lambda_powertools.event_handler import APIGatewayRestResolver
from aws_lambda_powertools.utilities.typing import LambdaContext

from newswire.app import App
from newswire.cli.server import Server, listen, make_asgi_app, make_config
from newswire.web.events import build_api, handle_event

GATEWAY_ID = "c6af9ac6-7b61-11e6-9a41-93e8deadbeef"
"""The id that API Gateway gives each request of `AsEvents`."""


class Came(NamedTuple):
    """A response; header names are in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self):
        return json.loads(self.body)


class OverHttp:
    """uvicorn on a free loopback port, in a thread."""

    def __init__(self, app: App, hosts: frozenset[str] | None = None) -> None:
        self._sock = listen("127.0.0.1", 0)
        self.port = self._sock.getsockname()[1]
        self.address = f"http://127.0.0.1:{self.port}"
        self._edge = make_asgi_app(app, self.address, hosts)
        config = make_config(self._edge)
        self._server = Server(config)
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [self._sock]}, daemon=True)
        self._thread.start()
        until = time.monotonic() + 20
        while not self._server.started:
            assert time.monotonic() < until
            time.sleep(0.005)
        self._of_thread = threading.local()

    def ask(self, target: str, method: str = "GET", headers: dict[str, str] | None = None) -> Came:
        kept = connection = getattr(self._of_thread, "connection", None)
        if connection is None:
            connection = self._of_thread.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            skips = {
                "skip_host": "Host" in (headers or {}),
                "skip_accept_encoding": "Accept-Encoding" in (headers or {}),
            }
            connection.putrequest(method, target.encode("latin-1").decode("latin-1"), **skips)
            for name, value in (headers or {}).items():
                connection.putheader(name, value)
            connection.endheaders()
            response = connection.getresponse()
            body = response.read()
        except http.client.RemoteDisconnected:
            connection.close()
            self._of_thread.connection = None
            if connection is not kept:
                raise
            return self.ask(target, method, headers)  # the server has closed a connection that was kept too long
        except BaseException:
            connection.close()
            self._of_thread.connection = None
            raise
        if response.will_close:
            connection.close()
        return Came(response.status, {name.lower(): value for name, value in response.getheaders()}, body)

    def raw(self, data: bytes) -> bytes:
        with socket.create_connection(("127.0.0.1", self.port), 10) as sock:
            sock.sendall(data)
            sock.settimeout(10)
            parts = []
            while part := sock.recv(65_536):
                parts.append(part)
            return b"".join(parts)

    def close(self) -> None:
        connection = getattr(self._of_thread, "connection", None)
        if connection is not None:
            connection.close()
        self._server.should_exit = True
        self._thread.join(20)
        self._edge.close()


def rest_event(target: str, method: str = "GET", headers: dict[str, str] | None = None) -> dict:
    """Return the event that a REST API of API Gateway sends for a request (payload format 1.0)."""
    path, _, query = target.partition("?")
    several = parse_qs(query, keep_blank_values=True, errors="replace")
    return {
        "resource": "/{proxy+}",
        "path": unquote(path),
        "httpMethod": method,
        "headers": headers or {},
        "multiValueHeaders": {name: [value] for name, value in (headers or {}).items()},
        "queryStringParameters": {name: values[-1] for name, values in several.items()} or None,
        "multiValueQueryStringParameters": several or None,
        "pathParameters": {"proxy": unquote(path).lstrip("/")},
        "stageVariables": None,
        "requestContext": {
            "resourcePath": "/{proxy+}",
            "httpMethod": method,
            "path": f"/live{unquote(path)}",
            "stage": "live",
            "domainName": "abc123.execute-api.eu-west-1.amazonaws.com",
            "requestId": GATEWAY_ID,
            "identity": {"sourceIp": "192.0.2.1"},
        },
        "body": None,
        "isBase64Encoded": False,
    }


class AsEvents:
    """Send the same requests as events, without a server."""

    def __init__(self, app: App) -> None:
        self._resolver = APIGatewayRestResolver()
        self._api = build_api(self._resolver, app.engine, app.settings, app.clock)

    def ask(self, target: str, method: str = "GET", headers: dict[str, str] | None = None) -> Came:
        return self.event(rest_event(target, method, headers))

    def event(self, event: dict) -> Came:
        answered = self.answered(event)
        headers = {name.lower(): ", ".join(values) for name, values in answered["multiValueHeaders"].items()}
        json.dumps(answered)  # Lambda serializes the response as JSON
        return Came(answered["statusCode"], headers, (answered["body"] or "").encode())

    def answered(self, event: dict) -> dict:
        """Return the response in the format of API Gateway."""
        return handle_event(self._resolver, self._api, event, LambdaContext())

    def close(self) -> None:
        pass
