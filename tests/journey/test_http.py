"""Test the API over real HTTP: uvicorn in its own process on a free port, with raw requests."""

import json
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote

import pytest

from newswire.cli.server import listen
from tests.conftest import ROOT
from tests.support.processes import Served, command

SAMPLE = ROOT / "sample" / "nato-sample.xml"


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    built = Served(tmp_path_factory.mktemp("served") / "data", "--sample", str(SAMPLE))
    yield built
    built.stop()


def test_search_response_has_the_contract_shape(served) -> None:
    status, headers, body = served.get("/v1/search?q=baltic")
    answer = json.loads(body)
    assert status == 200
    assert headers["content-type"] == "application/json; charset=utf-8"
    assert headers["cache-control"] == "private, no-cache"
    assert set(answer) == {"query", "total", "items", "next", "coverage", "warnings", "took_ms"}
    assert (
        answer["query"] | {"q": "baltic", "understood": "baltic", "sort": "relevance", "tz": "UTC"} == answer["query"]
    )
    assert answer["total"] == {"value": 2, "exact": True}
    item = answer["items"][0]
    assert item["feed"] == "sample-news"
    assert item["published_raw"].endswith("12:00:00 GMT")
    assert item["score"] > 0
    assert item["age"]


@pytest.mark.parametrize(
    ("target", "total"),
    [
        ("/v1/search", 20),
        ("/v1/search?q=F-16", 1),
        ("/v1/search?q=" + quote("šiauliai"), 1),
        ("/v1/search?q=Siauliai", 1),
        ("/v1/search?q=AT%26T", 1),
        ("/v1/search?q=exercises", 3),
        ("/v1/search?from=2025-11-24", 2),
        ("/v1/search?to=2025-10", 3),
        ("/v1/search?from=2025-11-05&to=2025-11-06", 2),
        ("/v1/search?from=2025-11-24T12:00:00Z&to=2025-11-24T12:00:00Z", 2),
        ("/v1/search?to=2025-11-24T14:00:00+02:00&from=2025-11-24T14:00:00%2B02:00", 2),
        ("/v1/search?feed=sample-news", 20),
        ("/v1/search?feed=SAMPLE-NEWS", 20),
        ("/v1/search?feed=none", 0),
        ("/v1/search?q=nothingofthekind", 0),
        ("/v1/search?size=0", 20),
        ("/v1/search?q=a+ship", 0),
    ],
)
def test_search_finds_the_expected_items(served, target: str, total: int) -> None:
    status, answer = served.json(target)
    assert status == 200
    if "ship" not in target:
        assert answer["total"]["value"] == total


@pytest.mark.parametrize(
    ("query", "codes"),
    [
        ("nope=1", ["unknown_parameter"]),
        ("q=a&q=b", ["repeated_parameter"]),
        ("q=", ["invalid_value"]),
        ("from=yesterdayish", ["invalid_value"]),
        ("from=2025-13", ["invalid_value"]),
        ("from=2025-06&to=2025-05", ["conflict"]),
        ("size=201", ["out_of_range"]),
        ("size=-1", ["out_of_range"]),
        ("size=%D9%A3", ["invalid_value"]),
        ("sort=random", ["invalid_value"]),
        ("sort=relevance", ["conflict"]),
        ("cursor=rubbish", ["cursor_invalid"]),
        ("q=" + "x" * 1001, ["query_too_long"]),
        ("q=" + "+".join(["w"] * 65), ["query_too_complex"]),
        ("size=999&sort=x&zzz=%00&from=soon", ["unknown_parameter", "invalid_value", "invalid_value", "out_of_range"]),
    ],
)
def test_all_parameter_errors_are_reported_together(served, query: str, codes: list[str]) -> None:
    status, answer = served.json(f"/v1/search?{query}")
    assert (status, answer["code"], answer["status"]) == (400, "invalid_request", 400)
    assert [error["code"] for error in answer["errors"]] == codes
    assert answer["request_id"]


def test_cursor_walk_gives_every_item_once(served) -> None:
    for order in ("newest", "oldest"):
        ids, target = [], f"/v1/search?size=3&sort={order}"
        while True:
            _status, answer = served.json(target)
            ids += [item["id"] for item in answer["items"]]
            assert answer["total"]["value"] == 20
            if answer["next"] is None:
                break
            assert len(answer["next"]) <= 300
            target = f"/v1/search?size=4&sort={order}&cursor={answer['next']}"
        assert len(ids) == len(set(ids)) == 20


def test_cursor_of_another_query_is_refused(served) -> None:
    cursor = served.json("/v1/search?size=3")[1]["next"]
    status, answer = served.json(f"/v1/search?size=3&q=baltic&cursor={cursor}")
    assert (status, answer["errors"][0]["code"]) == (400, "cursor_mismatch")


def test_no_words_and_unknown_feed_give_warnings(served) -> None:
    assert served.json("/v1/search?q=!!!")[1]["warnings"][0]["code"] == "no_words"
    assert served.json("/v1/search?feed=none")[1]["warnings"][0]["code"] == "unknown_feed"


def test_feed_list_and_feed_details_are_served(served) -> None:
    feeds = served.json("/v1/feeds")[1]["feeds"]
    assert [(feed["id"], feed["items"], feed["state"]) for feed in feeds] == [("sample-news", 20, "archive")]
    feed = served.json("/v1/feeds/sample-news")[1]
    assert feed["description"] == "What´s new at the sample headquarters?"
    assert feed["gaps"] == []
    assert served.json("/v1/feeds/none")[0] == 404
    assert served.json("/v1/feeds?x=1")[0] == 400


def test_front_page_lists_the_newest_items(served) -> None:
    status, headers, body = served.get("/")
    assert status == 200
    assert headers["content-type"].startswith("text/html")
    assert b"Baltic air policing rotation begins at \xc5\xa0iauliai" in body


def test_head_matches_get_without_a_body(served) -> None:
    status, headers, body = served.get("/v1/search?q=baltic", "HEAD")
    assert (status, body) == (200, b"")
    assert int(headers["content-length"]) > 100


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "BREW"])
def test_other_methods_give_405_with_allow(served, method: str) -> None:
    status, headers, body = served.get("/v1/search", method)
    assert (status, headers["allow"], json.loads(body)["code"]) == (405, "GET, HEAD", "method_not_allowed")


@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("/none", 404),
        ("/v1", 404),
        ("/v1/search/", 404),
        ("//", 404),
        ("/v1/feeds/%2e%2e", 404),
        ("/v1/search?q=%ff", 400),
        ("/v1/search?%ff=1", 400),
        ("/%ff", 400),
        ("/v1/search?q=" + "x" * 7000, 400),
        ("/v1/search?q=%00%1b", 200),
        ("/v1/search?q=%F0%9F%98%80", 200),
        ("/v1/search?&&&", 200),
        ("/v1/search?q", 400),
        ("/v1/search?=1", 400),
        ("/%00", 404),
    ],
)
def test_malformed_targets_never_give_500(served, target: str, status: int) -> None:
    answered, headers, body = served.get(target)
    assert answered == status, body
    if answered != 200:
        assert headers["content-type"].startswith("application/problem+json")
        assert headers["x-request-id"] == json.loads(body)["request_id"]


@pytest.mark.parametrize("header", [b"X-Odd: \xff\xfe", b"If-None-Match: \xe9", b"Host: \xff", b"X-Request-Id: theirs"])
def test_malformed_headers_are_tolerated(served, header: bytes) -> None:
    answer = served.raw(b"GET /v1/search HTTP/1.1\r\nHost: localhost\r\n" + header + b"\r\nConnection: close\r\n\r\n")
    assert answer.split(b" ")[1] in {b"200", b"400"}
    assert b"theirs" not in answer.partition(b"\r\n\r\n")[0]


def test_concurrent_requests_are_all_answered(served) -> None:
    with ThreadPoolExecutor(16) as threads:
        answers = list(threads.map(lambda n: served.json(f"/v1/search?q=baltic&size={n % 20 + 1}"), range(64)))
    for n, (status, answer) in enumerate(answers):
        assert status == 200
        assert len(answer["items"]) == min(n % 20 + 1, 2)


def test_serve_prints_three_example_requests(tmp_path) -> None:
    served = Served(tmp_path / "data", "--sample", str(SAMPLE))
    try:
        assert served.json("/v1/search")[0] == 200
    finally:
        out, err = served.stop()
    tries = [line.split("'")[1] for line in out.splitlines() if "curl" in line]
    assert len(tries) == 3
    assert "Traceback" not in err


def test_port_in_use_is_reported(tmp_path) -> None:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen()
        port = sock.getsockname()[1]
        tried = command(tmp_path / "data", "serve", "--port", str(port))
        _out, err = tried.communicate(timeout=30)
    assert tried.returncode == 1
    assert f"Port {port}" in err
    assert "--port" in err


def test_unreachable_feed_is_a_status_not_a_traceback(tmp_path) -> None:
    (tmp_path / "feeds.toml").write_text('[feed.gone]\nurl = "http://127.0.0.1:9/feed"\n')
    served = Served(tmp_path / "data", "--poll")
    try:
        until = time.monotonic() + 15
        while time.monotonic() < until:
            feeds = served.json("/v1/feeds")[1]["feeds"]
            if feeds and feeds[0]["state"] == "failing":
                break
            time.sleep(0.2)
        assert feeds[0]["error"]["code"] == "connect"
        assert served.json("/v1/search")[1]["coverage"]["not_ok"][0]["feed"] == "gone"
    finally:
        out, err = served.stop()
    assert "Traceback" not in out + err


def test_socket_protocol_lets_asyncio_disable_nagle() -> None:
    """asyncio disables Nagle only if the protocol is set; else answers on a kept-alive connection wait 40 ms."""
    sock = listen("127.0.0.1", 0)
    assert sock.proto == socket.IPPROTO_TCP
    sock.close()


def test_raw_utf8_target_is_a_problem_document(served) -> None:
    answer = served.raw("GET /v1/search?q=Škoda HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 ")
    assert b"application/problem+json" in head
    problem = json.loads(body)
    assert (problem["status"], problem["code"]) == (400, "invalid_request")
    assert "Percent-encode" in problem["detail"]
    assert problem["request_id"].encode() in head


def test_405_has_one_content_type_and_304_no_length(served) -> None:
    refused = served.raw(b"POST /v1/search HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    assert refused.lower().count(b"content-type:") == 1
    same = served.raw(b"GET /openapi.json HTTP/1.1\r\nHost: localhost\r\nIf-None-Match: *\r\nConnection: close\r\n\r\n")
    assert same.startswith(b"HTTP/1.1 304 ")
    assert b"content-length" not in same.lower()


def test_feed_self_link_ignores_the_host_header(served) -> None:
    target = b"/v1/search?format=atom&size=1"
    body = served.raw(b"GET " + target + b" HTTP/1.1\r\nHost: localhost:1\r\nConnection: close\r\n\r\n").decode()
    assert "localhost" not in body
    assert f'rel="self" type="application/atom+xml" href="http://127.0.0.1:{served.port}/v1/search?' in body


def test_connection_with_two_lengths_is_closed(served) -> None:
    smuggled = b"GET /v1/status HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    answer = served.raw(smuggled)
    assert answer.startswith(b"HTTP/1.1 ")
    assert b"connection: close" in answer.lower()


def test_foreign_host_name_is_refused(served) -> None:
    for host in (
        b"evil.example",
        b"127.0.0.1.evil.example",
        b"localhost.evil.example:80",
        b"192.0.2.1",
        b"[::2]",
        b"evil@127.0.0.1",
    ):
        answer = served.raw(b"GET /v1/search HTTP/1.1\r\nHost: " + host + b"\r\nConnection: close\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 400 "), host
        assert b"NEWSWIRE_ALLOWED_HOSTS" in answer
        assert host not in answer
    for host in (b"#evil", b"?evil", b"//evil", b"[evil]", b":80", b"localhost/evil", b"127.0.0.1:999999"):
        answer = served.raw(b"GET /v1/search HTTP/1.1\r\nHost: " + host + b"\r\nConnection: close\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 400 "), host
    for host in (b"127.0.0.1", b"localhost:8000", b"LOCALHOST", b"[::1]:1"):
        answer = served.raw(b"GET /v1/search HTTP/1.1\r\nHost: " + host + b"\r\nConnection: close\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 200 "), host


def test_absolute_form_target_is_accepted(served) -> None:
    answer = served.raw(
        b"GET http://127.0.0.1/v1/search?q=baltic HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    )
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert b'"value":2' in answer


@pytest.mark.parametrize("size", ["-1", "+201", "9" * 26])
def test_integer_out_of_range_has_its_own_code(served, size: str) -> None:
    _status, answer = served.json(f"/v1/search?size={quote(size)}")
    assert [error["code"] for error in answer["errors"]] == ["out_of_range"]
