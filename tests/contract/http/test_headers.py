"""Test docs/api.md, rules for every route: headers, size and links."""

import gzip
import json
import re

import msgspec
import pytest

from newswire.app import App
from newswire.clock import DAY, HOUR
from newswire.model import ItemWrite
from tests.conftest import NOON
from tests.contract.http.asking import target
from tests.contract.http.contract import contract
from tests.contract.http.library import item, status
from tests.support.transports import GATEWAY_ID, AsEvents, OverHttp


@contract.covers("R23")
def test_request_id_is_never_the_callers(api) -> None:
    ids = [api.ask("/v1/search", headers={"X-Request-Id": "theirs"}).headers["x-request-id"] for _ in range(3)]
    assert len(set(ids)) == 3 or set(ids) == {GATEWAY_ID}
    assert "theirs" not in ids


@contract.covers("R23")
@pytest.mark.parametrize(
    "target", ["/v1/search", "/v1/search?q=", "/v1/status", "/healthz", "/v1/nowhere", "/", "/nowhere"]
)
def test_answer_has_the_id_that_the_gateway_logs(events, target: str) -> None:
    response = events.ask(target)
    assert response.headers["x-request-id"] == GATEWAY_ID
    if response.headers["content-type"].startswith("application/problem+json"):
        assert response.json()["request_id"] == GATEWAY_ID


@contract.covers("R24", "R25", "R26")
def test_etag_ignores_time_and_gets_304(events, app, clock) -> None:
    app.engine.index([ItemWrite(item(f"n{n}"), 1) for n in range(30)], 1)
    app.engine.publish([status("alpha", last_checked=NOON, last_success=NOON, next_check=NOON + DAY)])
    paths = ("/v1/search?q=from&size=5&from=P10Y&to=now&histogram=year", "/v1/search?size=7&sort=oldest", "/v1/feeds",
             "/v1/feeds/alpha", f"/v1/items/{item('n1').id}", f"/v1/items?ids={item('n1').id}", "/v1/status", "/openapi.json")  # fmt: skip
    before = {path: events.ask(path) for path in paths}
    clock.go(hours=2)
    app.engine.publish(
        [status("alpha", rev=2, last_checked=NOON + HOUR, last_success=NOON + HOUR, next_check=NOON + DAY)]
    )
    for path, first in before.items():
        tag = first.headers["etag"]
        assert re.fullmatch(r'W/"[0-9a-f]+"', tag)
        again = events.ask(path, headers={"If-None-Match": tag})
        assert (again.status, again.body) == (304, b""), path
        assert again.headers["etag"] == tag
        for header in (f'"x", {tag}', tag.removeprefix("W/"), "*"):
            assert events.ask(path, headers={"if-none-match": header}).status == 304
        assert events.ask(path, headers={"If-None-Match": 'W/"other"'}).status == 200
    app.engine.index([ItemWrite(item("another"), 1)], 1)
    assert events.ask(paths[1], headers={"If-None-Match": before[paths[1]].headers["etag"]}).status == 200


@contract.covers("R27")
def test_answers_are_private_and_revalidated(api) -> None:
    for path in ("/v1/search", "/v1/feeds", "/v1/status", "/openapi.json"):
        assert api.ask(path).headers["cache-control"] == "private, no-cache"


@contract.covers("R28", "R29")
def test_answer_stops_at_4_mb(events, app) -> None:
    app.engine.index([ItemWrite(item(f"n{n}", content="Ж" * 100_000), 1) for n in range(60)], 1)
    sent, ids = {"size": "200", "fields": "content", "sort": "oldest"}, []
    while True:
        response = events.ask(target(**sent))
        answer = response.json()
        assert len(response.body) <= 4_000_000
        ids += [item["id"] for item in answer["items"]]
        if answer["next"] is None:
            break
        assert 1 <= len(answer["items"]) < 60
        sent["cursor"] = answer["next"]
    assert len(ids) == len(set(ids)) == 60
    several = events.ask(target("/v1/items", ids=",".join(ids))).json()
    assert len(several["items"]) + len(several["not_returned"]) == 60
    assert several["not_returned"]


@contract.covers("R32")
def test_answers_are_compressed_where_that_is_accepted(app) -> None:
    """Behind the gateway, its `MinimumCompressionSize` does the same."""
    api = OverHttp(app)
    app.engine.index([ItemWrite(item(f"n{number}", summary="Ships sail. " * 40), 1) for number in range(200)], 1)
    for accepted in ("gzip", "br, gzip;q=0.5", "*", "GZIP", "deflate, x-gzip"):
        answer = api.ask("/v1/search?size=200", headers={"Accept-Encoding": accepted})
        assert answer.headers["content-encoding"] == "gzip", accepted
        assert answer.headers["vary"] == "Accept-Encoding"
        assert len(answer.body) < 40_000
        plain = api.ask("/v1/search?size=200", headers={"Accept-Encoding": "identity"})
        assert json.loads(gzip.decompress(answer.body))["items"] == plain.json()["items"]
        assert "content-encoding" not in plain.headers
        assert plain.headers["etag"] == answer.headers["etag"]
        assert plain.headers["vary"] == "Accept-Encoding"
        same = api.ask(
            "/v1/search?size=200", headers={"Accept-Encoding": accepted, "If-None-Match": plain.headers["etag"]}
        )
        assert (same.status, same.body) == (304, b"")
    for accepted in ("gzip;q=0", "br", "", "identity, *;q=0", "gzip;q=0, *"):
        answer = api.ask("/v1/search?size=200", headers={"Accept-Encoding": accepted})
        assert "content-encoding" not in answer.headers, accepted
    assert "content-encoding" not in api.ask("/healthz", headers={"Accept-Encoding": "gzip"}).headers
    api.close()


@contract.covers("R33")
def test_foreign_host_names_are_refused(app) -> None:
    """More of it is in tests/journey/test_http.py; behind the gateway, its domain decides."""
    api = OverHttp(app, hosts=frozenset({"127.0.0.1", "news.example"}))
    for host, expected in (
        ("127.0.0.1:80", 200),
        ("NEWS.example", 200),
        ("evil.example", 400),
        ("news.example.evil", 400),
    ):
        assert api.ask("/v1/status", headers={"Host": host}).status == expected, host
    api.close()


@contract.covers("R30", "R31")
def test_links_never_depend_on_the_host_header(api, library, settings, tmp_path) -> None:
    response = api.ask("/v1/search?size=1", headers={} if isinstance(api, OverHttp) else {"Host": "evil.example"})
    link = response.headers["link"]
    if isinstance(api, OverHttp):
        assert link.startswith("</v1/search?size=1&cursor=")
    else:
        assert link.startswith("<https://abc123.execute-api.eu-west-1.amazonaws.com/live/v1/search?size=1&cursor=")
    named = App(msgspec.structs.replace(library.settings, public_url="https://news.example/api/"), clock=lambda: NOON)
    try:
        given = AsEvents(named).ask("/v1/search?size=1", headers={"Host": "evil.example"}).headers["link"]
    finally:
        named.close()
    assert given.startswith("<https://news.example/api/v1/search?")


@contract.covers("R2")
def test_instants_are_rfc_3339_in_utc(api) -> None:
    written = api.ask("/v1/search?size=200").body.decode() + api.ask("/v1/feeds").body.decode()
    instants = re.findall(r'"(?:published|changed|first_seen|newest|last_checked|since)":"([^"]*)"', written)
    assert len(instants) > 30
    for instant in instants:
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3})?Z", instant)
