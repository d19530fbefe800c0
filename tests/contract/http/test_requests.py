"""Test docs/api.md, rules for every route: methods, parameters and lists."""

import csv
from urllib.parse import quote

import pytest

from tests.contract.http.asking import found, titles, wrong
from tests.contract.http.contract import contract
from tests.contract.http.library import ITEMS


@contract.covers("R3", "R4", "S9")
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_other_methods_than_get_and_head_get_405(api, method) -> None:
    for path in ("/v1/search", "/v1/feeds/alpha", "/nowhere"):
        response = api.ask(path, method)
        assert response.status == 405
        assert response.headers["allow"] == "GET, HEAD"
        assert response.json()["code"] == "method_not_allowed"


@contract.covers("R3")
def test_head_returns_the_headers_of_get_without_a_body(api) -> None:
    for path in ("/v1/search?q=air", "/v1/feeds", "/v1/items/none", "/openapi.json", "/v1/search?q=" + "x" * 6000):
        response, head = api.ask(path), api.ask(path, "HEAD")
        assert (head.status, head.body) == (response.status, b"")
        moving = {"x-request-id", "date", "content-length"}
        assert {k: v for k, v in head.headers.items() if k not in moving} == {
            k: v for k, v in response.headers.items() if k not in moving
        }


@contract.covers("R5")
def test_no_route_changes_anything(api, library) -> None:
    def all_there_is():
        engine = library.engine
        return engine.generation(), engine.count(1), engine.statuses(), engine.get([item.id for item in ITEMS])

    before = all_there_is()
    for path in ("/v1/search?q=x", "/v1/items?ids=a", "/v1/items/a", "/v1/feeds", "/v1/feeds/alpha", "/v1/status", "/"):
        api.ask(path)
        api.ask(path, "DELETE")
    assert all_there_is() == before


@contract.covers("R6")
def test_no_route_sends_cors_headers(api) -> None:
    for path in ("/v1/search", "/nowhere"):
        response = api.ask(path, headers={"Origin": "https://evil.example"})
        assert not [name for name in response.headers if name.startswith("access-control")]
    assert api.ask("/v1/search", "OPTIONS", {"Origin": "https://evil.example"}).status == 405


@contract.covers("R7", "R8", "R9", "S7", "D15", "D16", "D19", "Q20", "Q21", "Q25")
@pytest.mark.parametrize(
    ("query", "param", "code"),
    [
        ("nope=1", "nope", "unknown_parameter"),
        ("Q=x", "Q", "unknown_parameter"),
        ("q=a&q=b", "q", "repeated_parameter"),
        ("q=", "q", "invalid_value"),
        ("q=%20%09", "q", "invalid_value"),
        ("size", "size", "invalid_value"),
        ("size=x", "size", "invalid_value"),
        ("size=-1", "size", "out_of_range"),
        ("size=1.5", "size", "invalid_value"),
        ("size=201", "size", "out_of_range"),
        ("size=99999999999999999999", "size", "out_of_range"),
        ("match=some", "match", "invalid_value"),
        ("from=2025-13", "from", "invalid_value"),
        ("to=tomorrow", "to", "invalid_value"),
        ("from=P9999Y", "from", "out_of_range"),
        ("tz=Mars/Olympus", "tz", "invalid_value"),
        ("tz=localtime", "tz", "invalid_value"),
        ("tz=posixrules", "tz", "invalid_value"),
        ("tz=Factory", "tz", "invalid_value"),
        ("tz=America", "tz", "invalid_value"),
        ("date_field=seen", "date_field", "invalid_value"),
        ("sort=best", "sort", "invalid_value"),
        ("sort=relevance", "sort", "conflict"),
        ("sort=relevance&q=-air", "sort", "conflict"),
        ("sort=relevance&q=...", "sort", "conflict"),
        ("sort=relevance&q=feed:alpha", "sort", "conflict"),
        ("from=2025-05&to=2025-04", "to", "conflict"),
        ("from=now&to=now", "to", "conflict"),
        ("from=2011-12-30&to=2011-12-30&tz=Pacific/Apia", "to", "conflict"),
        ("cursor=abc", "cursor", "cursor_invalid"),
        ("cursor=%00%ff", "cursor", "cursor_invalid"),
        ("fields=title,nope", "fields", "invalid_value"),
        ("fields=title,title", "fields", "invalid_value"),
        ("highlight=authors", "highlight", "invalid_value"),
        ("facets=title", "facets", "invalid_value"),
        ("facets=feed:0", "facets", "out_of_range"),
        ("facets=feed:201", "facets", "out_of_range"),
        ("facets=feed:x", "facets", "invalid_value"),
        ("facets=feed,feed:3", "facets", "invalid_value"),
        ("histogram=minute", "histogram", "invalid_value"),
        ("histogram=hour&from=2020&to=2025", "histogram", "out_of_range"),
        ("format=xml", "format", "invalid_value"),
        ("feed=a,,b", "feed", "invalid_value"),
        ("feed=,", "feed", "invalid_value"),
        ("feed=-", "feed", "invalid_value"),
        ('feed="a', "feed", "invalid_value"),
        ('feed=a"b"', "feed", "invalid_value"),
        ('feed="a"b', "feed", "invalid_value"),
        ("q=" + "x" * 1001, "q", "query_too_long"),
        ("q=" + "x+" * 65, "q", "query_too_complex"),
        ("q=" + "(" * 17 + "x", "q", "query_too_complex"),
        ("q=%22" + "x+" * 257 + "%22", "q", "query_too_complex"),
    ],
)
def test_bad_parameter_gets_400_and_is_named(api, query: str, param: str, code: str) -> None:
    response = api.ask(f"/v1/search?{quote(query, safe='=&%+:,')}")
    if "%ff" in query:
        assert response.status == 400
        return
    assert response.status == 400, response.body
    problem = response.json()
    assert [(error["param"], error["code"]) for error in problem["errors"]] == [(param, code)]
    assert problem["errors"][0]["detail"].endswith(".")
    assert problem["errors"][0]["allowed"]


@contract.covers("R9", "R10")
def test_parameters_of_a_signed_url_are_ignored(api) -> None:
    assert (
        found(api, **{"q": "baltic", "X-Amz-Signature": "abc", "X-Amz-Date": "20250101T000000Z"})["total"]["value"] == 1
    )
    assert wrong(api, **{"x-amz-date": "1"}) == [("x-amz-date", "unknown_parameter")]


@contract.covers("R11")
def test_all_wrong_parameters_are_reported_at_once(api) -> None:
    assert sorted(wrong(api, nope=1, size=999, sort="best", from_="x", tz="x", q="x" * 2000)) == [
        ("from", "invalid_value"),
        ("nope", "unknown_parameter"),
        ("q", "query_too_long"),
        ("size", "out_of_range"),
        ("sort", "invalid_value"),
        ("tz", "invalid_value"),
    ]


@contract.covers("R12")
def test_target_over_6000_bytes_is_refused(api) -> None:
    head = "/v1/search?feed="
    assert api.ask(head + "x" * (6000 - len(head))).status == 200
    response = api.ask(head + "x" * (6001 - len(head)))
    assert (response.status, response.json()["code"]) == (400, "invalid_request")
    assert "6000" in response.json()["detail"]


@contract.covers("R13")
def test_list_has_csv_quoting(api) -> None:
    assert titles(api, category='"Defence, security",Ukraine') == {"Baltic"}
    assert titles(api, category='Ukraine,"Defence, security"') == {"Baltic"}
    assert titles(api, category='"a ""quoted"" one"') == set()
    assert next(csv.reader(['"a ""quoted"" one",b'])) == ['a "quoted" one', "b"]


@contract.covers("R14", "R15")
def test_list_drops_spaces_and_refuses_bad_quoting(api) -> None:
    assert titles(api, category='  "Defence, security"  ,  Air ') == {"Baltic", "Air"}
    for bad in ("a,,b", ",a", "a,", '""', '" "', '"a', 'a"', '"a"b', '"a" "b"', "-", " - ", ' "-" '):
        assert wrong(api, category=bad) == [("category", "invalid_value")], bad


@contract.covers("R19", "R20", "R21", "P6", "P16", "P17", "P18")
def test_list_matches_any_value_and_excludes(api) -> None:
    assert titles(api, feed="alpha,gamma") == {"Baltic", "Tank", "F-16"}
    assert len(found(api, feed="-delta", size=50)["items"]) == 6
    assert titles(api, feed="beta,alpha,-beta") == {"Baltic"}
    assert titles(api, feed="\\-odd") == {"Škoda"}
    assert titles(api, feed="-\\-odd,-delta,-beta") == {"Baltic", "Tank", "F-16"}
    assert titles(api, category="\\\\back") == {"Škoda"}
    assert titles(api, category="\\-dash") == {"Škoda"}
    assert titles(api, author="ZOE MULLER") == {"Baltic"}
    assert titles(api, lang="-en,-ru,-el,-ja,-ar,-he") == {"Škoda"}


@contract.covers("R16", "R17")
def test_values_compare_folded_and_whole(api) -> None:
    assert titles(api, category="AIR") == {"Air"}
    assert found(api, category="air")["total"]["value"] == 2
    assert titles(api, author="Muller") == set()
    assert titles(api, lang="en-US") == {"Air"}
    assert found(api, lang="en")["total"]["value"] == 5


@contract.covers("R18")
def test_unknown_feed_is_a_warning(api) -> None:
    warnings = found(api, feed="alpha,none,-nothing,-beta")["warnings"]
    assert [warning["code"] for warning in warnings] == ["unknown_feed", "unknown_feed"]
    assert "none" in warnings[0]["detail"]
    assert "nothing" in warnings[1]["detail"]
