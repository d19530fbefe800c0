"""Test docs/api.md: errors, and the errors of API Gateway."""

import json
import re
import socket
from concurrent.futures import ThreadPoolExecutor

import msgspec
import pytest

from newswire.app import App
from newswire.errors import EngineTimeoutError, EngineUnavailableError
from tests.conftest import ROOT
from tests.contract.http.asking import target
from tests.contract.http.broken import Broken, Slow
from tests.contract.http.contract import contract
from tests.support.transports import AsEvents, OverHttp, rest_event


@contract.covers("S1", "S2", "S3")
@pytest.mark.parametrize("path", ["/v1/search?x=1", "/nowhere", "/v1/items/none", "/v1/feeds/none", "/v1/items"])
def test_errors_are_problem_documents(api, path: str) -> None:
    response = api.ask(path)
    assert response.headers["content-type"] == "application/problem+json; charset=utf-8"
    problem = response.json()
    assert problem["status"] == response.status
    assert problem["request_id"] == response.headers["x-request-id"]
    assert {"type", "title", "status", "detail", "code", "request_id"} <= set(problem)
    for value in problem.get("errors", []):
        assert set(value) == {"param", "code", "detail", "allowed"}
    assert ("errors" in problem) == (response.status == 400)


@contract.covers("S5", "S6")
def test_callers_input_is_quoted_short_and_escaped(api) -> None:
    for name in ("sort", "tz", "from", "size", "fields", "highlight", "facets", "date_field"):
        response = api.ask(target(**{name: "\x1b[31mevil\x00" + "y" * 2000}))
        assert response.status == 400
        text = response.json()["errors"][0]["detail"]
        assert len(text) < 260
        assert "\x1b" not in text
        assert "\x00" not in text
        assert "y" * 101 not in text
    response = api.ask(target(**{"\x1b" + "n" * 2000: "1"}))
    assert "n" * 101 not in response.body.decode()
    assert "n" * 101 not in api.ask("/v1/items/" + "n" * 500).body.decode()


@contract.covers("S8")
def test_missing_route_item_or_feed_gets_404(api) -> None:
    for path in (
        "/nowhere",
        "/v1",
        "/v1/search/",
        "/v1/items/none",
        "/v1/feeds/none",
        "/v1/feeds/a/b",
        "//",
        "/%2e%2e/etc",
    ):
        response = api.ask(path)
        assert (response.status, response.json()["code"]) == (404, "not_found"), path


@contract.covers("R22", "S4", "S10", "S11", "S12")
@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (EngineUnavailableError("secret.internal:9200 is down"), 503, "engine_unavailable"),
        (EngineTimeoutError("secret.internal took too long"), 504, "engine_timeout"),
        (RuntimeError("secret.internal"), 500, "internal"),
    ],
)
def test_engine_error_reveals_no_detail(settings, clock, caplog, error: Exception, status: int, code: str) -> None:
    app = App(settings, clock=clock, engine=Broken(error))
    for api in (OverHttp(app), AsEvents(app)):
        for path in ("/v1/search?q=x", "/v1/items/a", "/v1/feeds", "/v1/status"):
            response = api.ask(path)
            assert (response.status, response.json()["code"]) == (status, code), path
            assert b"secret" not in response.body
            assert b"Traceback" not in response.body
            assert ("retry-after" in response.headers) == (status == 503)
            if status == 500:
                assert response.headers["x-request-id"] in caplog.text
        api.close()


@contract.covers("S15", "S16")
def test_full_server_and_late_answer_are_problem_documents(settings, clock) -> None:
    engine = Slow()
    words = "+".join(["word"] * 20)
    api = OverHttp(App(msgspec.structs.replace(settings, answer_timeout_seconds=4), clock=clock, engine=engine))
    request = f"GET /v1/search?q={words} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode()
    with ThreadPoolExecutor(60) as threads:
        answers = [answer.result() for answer in [threads.submit(api.raw, request) for _ in range(60)]]
    engine.go_on.set()
    api.close()
    problems = [json.loads(answer.partition(b"\r\n\r\n")[2]) for answer in answers]
    assert {(problem["status"], problem["code"]) for problem in problems} == {
        (503, "overloaded"),
        (504, "answer_timeout"),
    }
    assert all((b"retry-after: 10" in answer.lower()) == (b"overloaded" in answer) for answer in answers)


@contract.covers("S17")
def test_late_head_of_a_request_is_a_timeout(app, monkeypatch) -> None:
    monkeypatch.setattr("newswire.cli.connections.HEAD_SECONDS", 0.5)
    api = OverHttp(app)
    with socket.create_connection(("127.0.0.1", api.port), timeout=10) as slow:
        slow.sendall(b"GET /healthz HTTP/1.1\r\nHo")
        head, _, body = slow.recv(10_000).partition(b"\r\n\r\n")
    api.close()
    problem = json.loads(body)
    assert (problem["status"], problem["code"]) == (408, "request_timeout")
    assert b"connection: close" in head


@contract.covers("S13", "S14")
def test_errors_of_the_gateway_are_problem_documents() -> None:
    text = (ROOT / "template.yaml").read_text().partition("x-amazon-apigateway-gateway-responses:")[2]
    bodies = re.findall(r"application/json: '(.*)'", text)
    assert len(bodies) == text.count("application/problem+json") == 3
    for body in bodies:
        problem = json.loads(body.replace("$context.error.messageString", '"x"'))
        assert problem["code"] == "gateway"
        assert set(problem) == {"type", "title", "detail", "code", "request_id"}


@pytest.mark.parametrize(
    "change",
    [
        {"multiValueQueryStringParameters": {"q": ["\ud800"]}},
        {"multiValueQueryStringParameters": {"\ud800": ["x"]}},
        {"path": "/v1/items/\ud800"},
        {"path": None},
        {"multiValueHeaders": None, "headers": None},
        {"multiValueHeaders": {"If-None-Match": ["\udcff"]}},
        {"requestContext": {}},
        {"httpMethod": "get"},
    ],
)
def test_no_event_gets_a_500(library, change: dict) -> None:
    response = AsEvents(library).event({**rest_event("/v1/search"), **change})
    assert response.status in {200, 304, 400, 404, 405}, response.body
    json.loads(response.body) if response.body[:1] == b"{" else None
