"""Each promise of docs/api.md, by its id, over a socket and as events of a REST API."""

import csv
import json
import re
from datetime import UTC, datetime
from urllib.parse import quote, urlencode

import msgspec
import pytest

from newswire.app import App
from newswire.clock import DAY, HOUR, from_datetime
from newswire.engines import EngineInfo
from newswire.errors import EngineTimeoutError, EngineUnavailableError
from newswire.ingest.item import item_id
from newswire.model import FeedStatus, FetchLine, Gap, Item, ItemWrite
from newswire.search.cursor import LONGEST, read_cursor
from tests import factories
from tests.conftest import NOON, ROOT
from tests.support.contract_ids import Contract
from tests.support.transports import AsEvents, OverHttp, rest_event

PAGE = ROOT / "docs" / "api.md"
INFORMATIVE = ("In a minute", "A curl for each feature")
contract = Contract()
contract.read_markdown(PAGE.read_text(), INFORMATIVE)


def test_each_promise_has_one_id_and_each_id_a_test() -> None:
    assert len(contract.promises) > 190
    contract.check()


# --- fixtures ---


def at(text: str) -> int:
    return from_datetime(datetime.fromisoformat(text).replace(tzinfo=UTC))


def item(name: str, feed: str = "alpha", published: str = "2025-05-26T12:00", **overrides: object) -> Item:
    """Return an item with this title, changed and first seen an hour after it was published."""
    when = at(published)
    made = factories.item(
        title=name,
        id=item_id(name),
        feed=feed,
        link=f"https://a.example/{quote(name)}",
        lang="en",
        published=when,
        changed=when + HOUR,
        first_seen=when + HOUR,
    )
    return msgspec.structs.replace(made, **overrides)


ITEMS = [
    item("Baltic exercise begins", summary="Ships train near Šiauliai & Klaipėda.", categories=("Defence, security", "Sea"), authors=("Zoë Müller",)),
    item("Air policing over Iceland", "beta", "2025-05-27T08:00", summary="A show of exercises in the air", categories=("Air",), lang="en-us"),
    item("Air show opens, policing follows", "beta", "2025-05-31T22:30", categories=("air",), content="The tank drill was long. " * 40 + "Deep inside stands a submarine. " + "More text follows here. " * 40),
    item("Tank drill cancelled", "gamma", "2025-06-01T00:30", summary="The drill", updated=at("2025-06-02")),
    item("F-16 and U.S. allies at AT&T, 5G: Ukraine's choice", "gamma", "2024-02-29T12:00", lang="en"),
    item("Министр обороны прибыл", "delta", "2025-03-30T01:30", lang="ru"),
    item("Η Ελλάδα και η ΟΔΌΣ", "delta", "2025-10-26T00:30", lang="el"),
    item("北京の空港 カタカナ 서울", "delta", "2025-10-26T01:30", lang="ja"),
    item("وزير الدِّفَاع", "delta", "2025-01-01T00:00", lang="ar"),
    item("שָׁלוֹם לכולם", "delta", "2024-12-31T23:59:59.999", lang="he"),
    item("Škoda wins a joint statement", "-odd", "2025-07-01T00:00", categories=("\\back", "-dash"), lang="cs"),
]  # fmt: skip


def status(feed: str, **overrides: object) -> FeedStatus:
    """Return the status of a feed that was polled an hour ago."""
    host = f"https://{feed.strip('-')}.example"
    made = factories.feed_status(
        feed,
        title=feed.title(),
        description=f"About {feed}",
        link=f"{host}/",
        url=f"{host}/feed?key=…",
        kind="rss20",
        items=3,
        last_checked=NOON - HOUR,
        last_success=NOON - HOUR,
        next_check=NOON + HOUR,
        newest=at("2025-06-01"),
        fetches=(FetchLine(NOON - HOUR, 200, 1234, 56, None, 1, 3, 0, 0),),
    )
    return msgspec.structs.replace(made, **overrides)


STATUSES = [
    status("-odd"),
    status("alpha"),
    status("beta", gaps=(Gap(at("2025-05-01"), at("2025-05-02")),)),
    status("delta", error_code="http_status", error="The server answered 500.", failing_since=NOON - 2 * DAY, last_success=NOON - 3 * DAY),
    status("gamma", next_check=NOON - DAY, behind=True),
]  # fmt: skip


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    from newswire.settings import Settings

    made = App(Settings(data=str(tmp_path_factory.mktemp("library")), recency_weight=0), clock=lambda: NOON)
    made.engine.index([ItemWrite(one, 1) for one in ITEMS], 1)
    made.engine.publish(STATUSES)
    yield made
    made.close()


@pytest.fixture(scope="module", params=[OverHttp, AsEvents], ids=["uvicorn", "rest-api-event"])
def api(request, library):
    made = request.param(library)
    yield made
    made.close()


@pytest.fixture
def events(app):
    """The API over its own empty index."""
    return AsEvents(app)


def target(path: str = "/v1/search", **parameters) -> str:
    sent = {name.rstrip("_"): str(value) for name, value in parameters.items()}
    return f"{path}?{urlencode(sent)}" if sent else path


def found(api, **parameters) -> dict:
    came = api.ask(target(**parameters))
    assert came.status == 200, came.body
    return came.json()


def titles(api, **parameters) -> set[str]:
    return {one["title"].split()[0] for one in found(api, size=200, **parameters)["items"]}


def wrong(api, **parameters) -> list[tuple[str, str]]:
    came = api.ask(target(**parameters))
    assert came.status == 400, came.body
    problem = came.json()
    assert problem["code"] == "invalid_request"
    return [(one["param"], one["code"]) for one in problem["errors"]]


# --- rules for every route ---


@contract.covers("R3", "R4", "S9")
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_other_methods_than_get_and_head_get_405(api, method) -> None:
    for path in ("/v1/search", "/v1/feeds/alpha", "/nowhere"):
        came = api.ask(path, method)
        assert came.status == 405
        assert came.headers["allow"] == "GET, HEAD"
        assert came.json()["code"] == "method_not_allowed"


@contract.covers("R3")
def test_head_returns_the_headers_of_get_without_a_body(api) -> None:
    for path in ("/v1/search?q=air", "/v1/feeds", "/v1/items/none", "/openapi.json", "/v1/search?q=" + "x" * 6000):
        got, head = api.ask(path), api.ask(path, "HEAD")
        assert (head.status, head.body) == (got.status, b"")
        moving = {"x-request-id", "date", "content-length"}
        assert {k: v for k, v in head.headers.items() if k not in moving} == {
            k: v for k, v in got.headers.items() if k not in moving
        }


@contract.covers("R5")
def test_no_route_changes_anything(api, library) -> None:
    def all_there_is():
        engine = library.engine
        return engine.generation(), engine.count(1), engine.statuses(), engine.get([one.id for one in ITEMS])

    before = all_there_is()
    for path in ("/v1/search?q=x", "/v1/items?ids=a", "/v1/items/a", "/v1/feeds", "/v1/feeds/alpha", "/v1/status", "/"):
        api.ask(path)
        api.ask(path, "DELETE")
    assert all_there_is() == before


@contract.covers("R6")
def test_no_route_sends_cors_headers(api) -> None:
    for path in ("/v1/search", "/nowhere"):
        came = api.ask(path, headers={"Origin": "https://evil.example"})
        assert not [name for name in came.headers if name.startswith("access-control")]
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
    came = api.ask(f"/v1/search?{quote(query, safe='=&%+:,')}")
    if "%ff" in query:
        assert came.status == 400
        return
    assert came.status == 400, came.body
    problem = came.json()
    assert [(one["param"], one["code"]) for one in problem["errors"]] == [(param, code)]
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
    came = api.ask(head + "x" * (6001 - len(head)))
    assert (came.status, came.json()["code"]) == (400, "invalid_request")
    assert "6000" in came.json()["detail"]


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


@contract.covers("R19", "R20", "R21", "P6")
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
    assert [one["code"] for one in warnings] == ["unknown_feed", "unknown_feed"]
    assert "none" in warnings[0]["detail"]
    assert "nothing" in warnings[1]["detail"]


@contract.covers("S1", "S2", "S3")
@pytest.mark.parametrize("path", ["/v1/search?x=1", "/nowhere", "/v1/items/none", "/v1/feeds/none", "/v1/items"])
def test_errors_are_problem_documents(api, path: str) -> None:
    came = api.ask(path)
    assert came.headers["content-type"] == "application/problem+json; charset=utf-8"
    problem = came.json()
    assert problem["status"] == came.status
    assert problem["request_id"] == came.headers["x-request-id"]
    assert {"type", "title", "status", "detail", "code", "request_id"} <= set(problem)
    for one in problem.get("errors", []):
        assert set(one) == {"param", "code", "detail", "allowed"}
    assert ("errors" in problem) == (came.status == 400)


@contract.covers("S5", "S6")
def test_callers_input_is_quoted_short_and_escaped(api) -> None:
    for name in ("sort", "tz", "from", "size", "fields", "highlight", "facets", "date_field"):
        came = api.ask(target(**{name: "\x1b[31mevil\x00" + "y" * 2000}))
        assert came.status == 400
        text = came.json()["errors"][0]["detail"]
        assert len(text) < 260
        assert "\x1b" not in text
        assert "\x00" not in text
        assert "y" * 101 not in text
    came = api.ask(target(**{"\x1b" + "n" * 2000: "1"}))
    assert "n" * 101 not in came.body.decode()
    assert "n" * 101 not in api.ask("/v1/items/" + "n" * 500).body.decode()


@contract.covers("R23")
def test_request_id_is_never_the_callers(api) -> None:
    ids = [api.ask("/v1/search", headers={"X-Request-Id": "theirs"}).headers["x-request-id"] for _ in range(3)]
    assert len(set(ids)) == 3
    assert "theirs" not in ids


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
    sent, ids = {"size": 200, "fields": "content", "sort": "oldest"}, []
    while True:
        came = events.ask(target(**sent))
        answer = came.json()
        assert len(came.body) <= 4_000_000
        ids += [one["id"] for one in answer["items"]]
        if answer["next"] is None:
            break
        assert 1 <= len(answer["items"]) < 60
        sent["cursor"] = answer["next"]
    assert len(ids) == len(set(ids)) == 60
    several = events.ask(target("/v1/items", ids=",".join(ids))).json()
    assert len(several["items"]) + len(several["not_returned"]) == 60
    assert several["not_returned"]


@contract.covers("R30", "R31")
def test_links_never_depend_on_the_host_header(api, library, settings, tmp_path) -> None:
    came = api.ask("/v1/search?size=1", headers={} if isinstance(api, OverHttp) else {"Host": "evil.example"})
    link = came.headers["link"]
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


# --- statuses ---


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
        came = api.ask(path)
        assert (came.status, came.json()["code"]) == (404, "not_found"), path


class Broken:
    """An engine whose methods raise the given error."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def __getattr__(self, name: str):
        def fail(*_arguments, **_more):
            raise self._error

        return fail

    def info(self) -> EngineInfo:
        return EngineInfo("broken", "", healthy=False)

    def close(self) -> None:
        pass


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
            came = api.ask(path)
            assert (came.status, came.json()["code"]) == (status, code), path
            assert b"secret" not in came.body
            assert b"Traceback" not in came.body
            assert ("retry-after" in came.headers) == (status == 503)
            if status == 500:
                assert came.headers["x-request-id"] in caplog.text
        api.close()


# --- parameters ---


@contract.covers("P1")
def test_without_q_every_item_is_found(api) -> None:
    assert titles(api, q="iceland") == {"Air"}
    assert found(api)["total"]["value"] == len(ITEMS)
    assert found(api, q="x" * 1000)["total"]["value"] == 0


@contract.covers("P2")
def test_match_any_ranks_more_and_rarer_words_higher(api) -> None:
    assert titles(api, q="tank baltic") == set()
    answer = found(api, q="cancelled drill air", match="any")
    assert answer["items"][0]["title"] == "Tank drill cancelled"
    assert {one["title"].split()[0] for one in answer["items"]} == {"Tank", "Air"}
    assert answer["query"]["understood"] == "cancelled OR drill OR air"
    assert titles(api, q="tank baltic -drill", match="any") == {"Baltic"}


@contract.covers("P3", "D2", "D4", "D5")
def test_from_and_to_are_each_optional(api) -> None:
    assert titles(api, from_="2025-10") == {"Η", "北京の空港"}
    assert titles(api, to="2024-02") == {"F-16"}
    assert titles(api, from_="2025-05-26", to="2025-05-26") == {"Baltic"}
    echo = found(api, from_="2025-05", to="2025-05", tz="Europe/Brussels")["query"]
    assert (echo["from"], echo["to"], echo["tz"]) == ("2025-04-30T22:00:00Z", "2025-05-31T22:00:00Z", "Europe/Brussels")


@contract.covers("P4")
def test_tz_applies_to_local_dates_and_buckets(api) -> None:
    may = {"from_": "2025-05-31", "to": "2025-05-31"}
    assert titles(api, **may) == {"Air"}
    assert titles(api, tz="Europe/Brussels", **may) == set()
    assert titles(api, tz="Europe/Brussels", from_="2025-06-01", to="2025-06-01") == {"Air", "Tank"}
    first = found(api, tz="Asia/Kolkata", histogram="month", from_="2025-05")["histogram"][0]
    assert first["from"] == "2025-04-30T18:30:00Z"


@contract.covers("P5")
def test_date_field_chooses_the_date(api) -> None:
    assert titles(api, date_field="updated") == {"Tank"}
    assert titles(api, date_field="updated", from_="2025-06-02", to="2025-06-02") == {"Tank"}
    assert titles(api, date_field="changed", from_="2025-05-26T13:00", to="2025-05-26T13:00") == {"Baltic"}
    assert titles(api, date_field="first_seen", from_="2025-05-26T12:00", to="2025-05-26T12:00") == set()


@contract.covers("P7")
def test_default_sort_is_relevance_with_words_else_newest(api) -> None:
    assert found(api, q="air")["query"]["sort"] == "relevance"
    for parameters in ({}, {"q": "-air"}, {"q": "feed:alpha"}, {"q": "..."}):
        assert found(api, **parameters)["query"]["sort"] == "newest"
    dates = [one["published"] for one in found(api, size=50)["items"]]
    assert dates == sorted(dates, reverse=True)
    assert [one["published"] for one in found(api, size=50, sort="oldest")["items"]] == dates[::-1]
    assert found(api, q="drill", sort="newest")["items"][0]["title"].startswith("Tank")


@contract.covers("P8")
def test_size_is_the_number_of_items(api) -> None:
    assert len(found(api, size=0)["items"]) == 0
    assert found(api, size=0)["total"]["value"] == len(ITEMS)
    assert found(api, size=0)["next"] is None
    assert len(found(api, size=3)["items"]) == 3
    assert len(found(api)["items"]) == len(ITEMS)


@contract.covers("P9")
def test_cursor_continues_where_the_page_ended(api) -> None:
    for sent in ({"sort": "newest"}, {"sort": "oldest"}, {"q": "air OR drill OR exercise", "sort": "relevance"}):
        whole = [one["id"] for one in found(api, size=50, **sent)["items"]]
        ids, more = [], {}
        while True:
            answer = found(api, size=2, **sent, **more)
            ids += [one["id"] for one in answer["items"]]
            if answer["next"] is None:
                break
            more = {"cursor": answer["next"]}
        assert ids == whole


@contract.covers("P10")
def test_fields_chooses_the_fields_of_an_item(api) -> None:
    assert "content" not in found(api)["items"][0]
    assert set(found(api, fields="title")["items"][0]) == {"id", "title"}
    assert set(found(api, fields="content,age, score")["items"][0]) == {"id", "content", "age", "score"}
    whole = found(api, fields="id,content", q="submarine")["items"][0]["content"]
    assert "Deep inside stands a submarine." in whole


@contract.covers("P11")
def test_highlight_is_off_by_default(api) -> None:
    assert "highlights" not in found(api, q="baltic")["items"][0]
    assert found(api, q="baltic", highlight="title")["items"][0]["highlights"] == {
        "title": "<mark>Baltic</mark> exercise begins"
    }
    assert found(api, highlight="title")["items"][0]["highlights"] == {}


@contract.covers("P12")
def test_facets_count_values(api) -> None:
    facets = found(api, facets="feed,lang:1,category,author")["facets"]
    assert [one["value"] for one in facets["feed"]["values"]] == ["delta", "beta", "gamma", "-odd", "alpha"]
    assert facets["lang"]["values"] == [{"value": "en", "count": 4}]
    assert facets["author"]["missing"] == len(ITEMS) - 1


@contract.covers("P13")
@pytest.mark.parametrize("unit", ["year", "month", "week", "day", "hour", "auto"])
def test_histogram_counts_by_date(api, unit: str) -> None:
    answer = found(api, histogram=unit, from_="2025-05-20", to="2025-06-05", size=0)
    assert sum(one["count"] for one in answer["histogram"]) == answer["total"]["value"] == 4
    if unit == "week":
        assert all(datetime.fromisoformat(one["from"]).weekday() == 0 for one in answer["histogram"][1:])


@contract.covers("R1", "P14")
def test_default_format_is_json(api) -> None:
    assert api.ask("/v1/search?format=json").headers["content-type"] == "application/json; charset=utf-8"


# --- date values ---


@contract.covers("D5", "D6", "D7", "D8", "D9", "D10", "D13", "D14", "D18")
@pytest.mark.parametrize(
    ("sent", "start", "end"),
    [
        ({"from": "2025", "to": "2025"}, "2025-01-01T00:00:00Z", "2026-01-01T00:00:00Z"),
        ({"from": "2025-05-26", "to": "2025-W22"}, "2025-05-26T00:00:00Z", "2025-06-02T00:00:00Z"),
        ({"from": "2025-05-26T12:00", "to": "2025-05-26T12:00:00Z"}, "2025-05-26T12:00:00Z", "2025-05-26T12:00:01Z"),
        ({"from": "2025-05-26T12:00:30.5", "to": "2025-05-26T12:00:30.5"}, "2025-05-26T12:00:30.500Z", "2025-05-26T12:00:30.600Z"),
        ({"from": "2025-05-26T12:00+02:00"}, "2025-05-26T10:00:00Z", None),
        ({"from": "2025-05-26T12:00 02:00"}, "2025-05-26T10:00:00Z", None),
        ({"from": "2025-05-26T12:00", "tz": "America/New_York"}, "2025-05-26T16:00:00Z", None),
        ({"from": "today", "to": "today"}, "2025-11-24T00:00:00Z", "2025-11-25T00:00:00Z"),
        ({"from": "yesterday", "to": "yesterday", "tz": "Europe/Brussels"}, "2025-11-22T23:00:00Z", "2025-11-23T23:00:00Z"),
        ({"from": "P7D", "to": "now"}, "2025-11-17T12:00:00Z", "2025-11-24T12:00:00Z"),
        ({"from": "now-7d"}, "2025-11-17T12:00:00Z", None),
        ({"from": "PT36H"}, "2025-11-23T00:00:00Z", None),
        ({"from": "P1M"}, "2025-10-24T12:00:00Z", None),
        ({"from": "now-1M", "tz": "Europe/Brussels"}, "2025-10-24T11:00:00Z", None),
        ({"from": "P1Y2M"}, "2024-09-24T12:00:00Z", None),
        ({"from": "0001", "to": "9999"}, "0001-01-01T00:00:00Z", None),
    ],
)  # fmt: skip
def test_date_values_are_resolved_and_echoed(api, sent: dict, start: str | None, end: str | None) -> None:
    echo = found(api, **sent)["query"]
    assert (echo["from"], echo["to"]) == (start, end)


@contract.covers("D1", "D2", "D3", "D4")
def test_to_includes_its_whole_period(api) -> None:
    assert titles(api, from_="2025-05-26", to="2025-05-26") == {"Baltic"}
    assert found(api, from_="2025-05", to="2025-05")["total"]["value"] == 3
    assert titles(api, from_="2025-05-26T12:00:00Z", to="2025-05-26T12:00:00Z") == {"Baltic"}


@contract.covers("D11")
def test_instants_are_inclusive_from_and_exclusive_to(events, app) -> None:
    app.engine.index([ItemWrite(item("noon", published="2025-11-24T12:00"), 1)], 1)
    app.engine.index([ItemWrite(item("week", published="2025-11-17T12:00"), 1)], 1)
    assert titles(events, from_="now") == {"noon"}
    assert titles(events, to="now") == {"week"}
    assert titles(events, from_="P7D") == {"noon", "week"}
    assert titles(events, to="P7D") == set()


@contract.covers("D12", "D16")
def test_a_request_reads_the_clock_once(app) -> None:
    ticks = iter(range(NOON, NOON + 1000))
    moving = App(app.settings, clock=lambda: next(ticks), engine=app.engine)
    assert wrong(AsEvents(moving), from_="now", to="now") == [("to", "conflict")]


@contract.covers("D17", "D18")
def test_years_are_1_to_9999(api) -> None:
    assert found(api, from_="0001", to="9999")["total"]["value"] == len(ITEMS)
    assert found(api, from_="0001-01-01T00:00+14:00", to="9999")["query"]["from"] is None
    for year in ("0000", "10000"):
        assert wrong(api, from_=year) == [("from", "invalid_value")]


@contract.covers("D20")
def test_precision_is_one_millisecond(api) -> None:
    last = "2024-12-31T23:59:59.999"
    assert found(api, from_=last, to=last)["total"]["value"] == 1
    assert found(api, from_="2024-12-31T23:59:59.998", to="2024-12-31T23:59:59.998")["total"]["value"] == 0
    assert wrong(api, from_="2024-12-31T23:59:59.9990") == [("from", "invalid_value")]


# --- the query language ---


@contract.covers("Q1", "Q2", "Q3", "Q4", "Q5", "Q6", "Q7", "Q8", "Q9", "Q10", "Q11", "Q12", "Q13")
@pytest.mark.parametrize(
    ("q", "first_words"),
    [
        ("exercise baltic", {"Baltic"}),
        ("BALTIC and exercise", set()),
        ("baltic AND exercise", {"Baltic"}),
        ("exercises", {"Baltic", "Air"}),
        ('"exercises"', {"Air"}),
        ('"air policing"', {"Air"}),
        ('"policing air"', set()),
        ("drill OR exercise", {"Tank", "Baltic", "Air"}),
        ("(drill OR exercise) iceland", {"Air"}),
        ("drill -tank", set()),
        ("air NOT iceland", {"Air"}),
        ('air -"air show"', {"Air"}),
        ("-(air OR drill) lang:en", {"Baltic", "F-16"}),
        ("balt*", {"Baltic"}),
        ("空*", {"北京の空港"}),
        ("title:drill", {"Tank"}),
        ('title:"joint statement"', {"Škoda"}),
        ("title:(baltic OR tank)", {"Baltic", "Tank"}),
        ("content:submarine", {"Air"}),
        ("summary:submarine", set()),
        ("author:zoe", {"Baltic"}),
        ("category:security", {"Baltic"}),
        ("feed:alpha", {"Baltic"}),
        ("feed:alp", set()),
        ("lang:ru", {"Министр"}),
        # As a reader sees them.
        ("F-16", {"F-16"}), ("U.S.", {"F-16"}), ("AT&T", {"F-16"}), ("5G", {"F-16"}), ("Ukraine's", {"F-16"}), ("Ukraine’s", {"F-16"}),
        ("Šiauliai", {"Baltic"}), ("siauliai", {"Baltic"}), ("Škoda", {"Škoda"}), ("Skoda", {"Škoda"}),
        ("МИНИСТР", {"Министр"}), ("Ελλαδα", {"Η"}), ("οδός", {"Η"}), ("الدفاع", {"وزير"}), ("שלום", {"שָׁלוֹם"}),
        ("北京", {"北京の空港"}), ("ｶﾀｶﾅ", {"北京の空港"}), ("서울", {"北京の空港"}), ("京北", set()),
    ],
)  # fmt: skip
def test_query_finds_the_items(api, q: str, first_words: set[str]) -> None:
    assert titles(api, q=q) == first_words


@contract.covers("Q7")
def test_plain_words_match_in_three_fields_together(api) -> None:
    assert found(api, q="opens submarine")["total"]["value"] == 1
    assert found(api, q="iceland exercise")["total"]["value"] == 1


@contract.covers("Q14", "Q15", "Q16", "Q17", "Q18")
@pytest.mark.parametrize(
    ("q", "meant", "code", "position"),
    [
        ('say "air policing', 'say AND "air policing"', "quote_closed", 4),
        ("(a OR b", "a OR b", "bracket_closed", 0),
        ("a AND", "a AND and", "stray_operator", 2),
        ("nope:x y", '"nope x" AND y', "unknown_field", 0),
        ("“air policing”", '"air policing"', "quote_replaced", 0),
        ("𝒜𝒜𝒜 –b", "aaa AND NOT b", "dash_replaced", 4),
    ],
)
def test_query_is_repaired_with_a_warning(api, q: str, meant: str, code: str, position: int) -> None:
    answer = found(api, q=q)
    assert answer["query"]["understood"] == meant
    assert [(one["code"], one["position"]) for one in answer["warnings"]] == [(code, position)]


@contract.covers("Q19")
def test_at_most_20_repairs_are_warned_of(api) -> None:
    assert len(found(api, q="nope:x " * 30)["warnings"]) == 20


@contract.covers("Q20", "Q21")
def test_query_at_its_limits_is_accepted(api) -> None:
    for q in ("x" * 1000, "x " * 64, '"' + "x " * 256 + '"', "(" * 16 + "x" + ")" * 16):
        assert found(api, q=q)["warnings"] == []


@contract.covers("Q22")
def test_query_with_only_exclusions_is_valid(api) -> None:
    answer = found(api, q="-air -drill")
    assert (answer["total"]["value"], answer["warnings"]) == (len(ITEMS) - 3, [])


@contract.covers("Q23", "Q24")
@pytest.mark.parametrize("q", ["...", "!!!"])
def test_query_without_a_word_finds_nothing_and_warns(api, q: str) -> None:
    answer = found(api, q=q)
    assert answer["total"]["value"] == 0
    assert "no_words" in {one["code"] for one in answer["warnings"]}


# --- the answer ---


@contract.covers("A1", "A2")
def test_total_is_exact_past_10_000(events, app) -> None:
    app.engine.index([ItemWrite(item(f"one n{n}", published="2025-01-01T00:00"), 1) for n in range(12_345)], 1)
    assert found(events, q="one OR n1", size=0)["total"] == {"value": 12_345, "exact": True}
    more, ids = {}, set()
    while True:
        answer = found(events, size=200, fields="id", **more)
        assert answer["total"]["value"] == 12_345
        ids |= {one["id"] for one in answer["items"]}
        if answer["next"] is None:
            break
        more = {"cursor": answer["next"]}
    assert len(ids) == 12_345


@contract.covers("A3")
def test_counts_cover_all_pages(api) -> None:
    first = found(api, size=1, facets="feed", histogram="year")
    whole = found(api, size=200, facets="feed", histogram="year")
    assert first["facets"] == whole["facets"]
    assert first["histogram"] == whole["histogram"]
    later = found(api, size=1, facets="feed", histogram="year", cursor=first["next"])
    assert later["facets"] == whole["facets"]


@contract.covers("A4", "A5", "A6", "A7", "A8")
def test_facet_is_ordered_and_complete(api) -> None:
    facet = found(api, facets="category:2")["facets"]["category"]
    assert facet == {
        "values": [{"value": "Air", "count": 2}, {"value": "-dash", "count": 1}],
        "other": 3,
        "missing": 7,
        "exact": True,
    }


@contract.covers("A9", "A10", "A11", "A12", "A13")
def test_buckets_are_contiguous_and_add_up(api) -> None:
    for sent in ({"from_": "2025-10-26", "to": "2025-10-26", "tz": "Europe/Brussels", "histogram": "hour"},
                 {"from_": "2025-03-30", "to": "2025-03-30", "tz": "Europe/Brussels", "histogram": "hour"},
                 {"histogram": "month"}, {"histogram": "day", "from_": "2025"}, {"histogram": "week", "to": "2025-05"}):  # fmt: skip
        answer = found(api, size=0, **sent)
        buckets = answer["histogram"]
        assert [one["to"] for one in buckets[:-1]] == [one["from"] for one in buckets[1:]]
        assert sum(one["count"] for one in buckets) == answer["total"]["value"]
        if "from_" in sent:
            assert buckets[0]["from"] == answer["query"]["from"]
        if "to" in sent:
            assert buckets[-1]["to"] == answer["query"]["to"]
        if sent["histogram"] == "hour":
            assert len(buckets) == (25 if "10" in sent["from_"] else 23)
    unbounded = found(api, histogram="month", size=0)["histogram"]
    assert (unbounded[0]["from"], unbounded[-1]["to"]) == ("2024-02-01T00:00:00Z", "2025-11-01T00:00:00Z")
    assert {one["count"] for one in unbounded} >= {0}
    refused = api.ask(target(histogram="day", from_="2020", to="2025")).json()["errors"][0]
    assert (refused["param"], refused["code"]) == ("histogram", "out_of_range")
    assert "week" in refused["allowed"]
    assert found(api, q="nothing", histogram="day")["histogram"] == []


@contract.covers("A14")
def test_auto_takes_the_finest_unit_that_fits(api) -> None:
    assert len(found(api, histogram="auto", from_="2025-05-01", to="2025-05-04")["histogram"]) == 96
    assert len(found(api, histogram="auto", from_="2025-05-01", to="2025-05-05")["histogram"]) == 5
    assert len(found(api, histogram="auto")["histogram"]) == len(found(api, histogram="week")["histogram"])


@contract.covers("A15", "A16", "A17")
def test_link_header_is_the_same_as_next(api) -> None:
    came = api.ask(target(q="air OR drill", size=1, category="-Ä,-ö"))
    link = re.fullmatch(r'<[^>]*?(/v1/search\?[^>]+)>; rel="next"', came.headers["link"])[1]
    assert f"cursor={came.json()['next']}" in link
    second = api.ask(link).json()
    assert second["items"][0]["id"] != came.json()["items"][0]["id"]
    assert second["query"]["category"] == ["-Ä", "-ö"]
    last = api.ask("/v1/search?size=200")
    assert last.json()["next"] is None
    assert "link" not in last.headers
    long = api.ask(target(size=1, feed=",".join(f"-x{n:04d}" for n in range(400))))
    assert long.json()["next"]
    assert "link" not in long.headers


@contract.covers("A18", "A19", "A20")
def test_cursor_belongs_to_its_query(api) -> None:
    sent = {"q": "air OR drill", "sort": "newest", "from_": "2024", "tz": "Europe/Brussels"}
    cursor = found(api, size=1, **sent)["next"]
    free = {"size": 2, "fields": "title", "highlight": "title", "facets": "feed", "histogram": "year", "format": "json"}
    assert len(found(api, cursor=cursor, **sent, **free)["items"]) == 2
    for change in ({"q": "air"}, {"sort": "oldest"}, {"from_": "2023"}, {"tz": "UTC"}, {"feed": "beta"}, {"to": "2030"},
                   {"match": "any"}, {"date_field": "changed"}, {"lang": "en"}, {"category": "x"}, {"author": "x"}):  # fmt: skip
        assert wrong(api, cursor=cursor, **(sent | change)) == [("cursor", "cursor_mismatch")], change


@contract.covers("A21", "A22", "A23")
def test_forged_cursor_only_moves_the_start(api) -> None:
    import base64

    from newswire.engines.query import Position
    from newswire.search.cursor import write_cursor

    cursor = found(api, q="secretword OR air", size=1, sort="newest")["next"]
    assert len(cursor) <= LONGEST
    assert b"secretword" not in base64.urlsafe_b64decode(cursor + "===")
    read = read_cursor(cursor)
    for position in (Position(at("2025-05-27T08:00"), 0), Position(0, 5), Position(at("2030-01-01"), 1 << 59)):
        forged = write_cursor(read.fingerprint, position, read.now, b"")
        items = found(api, q="secretword OR air", size=50, sort="newest", cursor=forged)["items"]
        assert {one["title"].split()[0] for one in items} <= {"Air"}


@contract.covers("A24")
def test_cursor_works_in_another_process(api, library) -> None:
    cursor = found(api, size=3, sort="newest")["next"]
    other = App(
        msgspec.structs.replace(library.settings, recency_weight=2.0, stale_grace_seconds=1), clock=lambda: NOON + DAY
    )
    try:
        again = found(AsEvents(other), size=3, sort="newest", cursor=cursor)
    finally:
        other.close()
    assert [one["id"] for one in again["items"]] == [
        one["id"] for one in found(api, size=3, sort="newest", cursor=cursor)["items"]
    ]


@contract.covers("A25", "A26", "A27")
@pytest.mark.parametrize("sort", ["newest", "oldest"])
def test_pages_by_date_give_every_item_once(events, app, sort: str) -> None:
    app.engine.index([ItemWrite(item(f"n{n}"), 1) for n in range(25_000)], 1)
    added = 0
    more, ids = {}, []
    while True:
        answer = found(events, size=200, fields="id", sort=sort, **more)
        ids += [one["id"] for one in answer["items"]]
        if answer["next"] is None:
            break
        more = {"cursor": answer["next"]}
        if len(ids) % 5000 == 0:
            added += 1
            app.engine.index(
                [
                    *(
                        ItemWrite(item(f"added{added}-{k}", published=p), 1)
                        for k in range(5)
                        for p in ("2025-05-26T12:00", "2030-01-01")
                    ),
                    *(ItemWrite(item(f"n{n}", summary="edited"), 1 + added) for n in range(added, 25_000, 5000)),
                ],
                1,
            )
    assert len(ids) == len(set(ids))
    assert {item(f"n{n}").id for n in range(25_000)} <= set(ids)


@contract.covers("A28", "A29", "A30", "A31")
def test_relevance_warns_of_its_depth_and_of_changes(events, app) -> None:
    app.engine.index([ItemWrite(item(f"word n{n}", summary="word " * (n % 7)), 1) for n in range(10_300)], 1)
    more, ids = {}, []
    while True:
        answer = found(events, q="word", size=200, fields="id", **more)
        ids += [one["id"] for one in answer["items"]]
        if answer["next"] is None:
            break
        assert answer["warnings"] == []
        more = {"cursor": answer["next"]}
    assert len(ids) == len(set(ids)) == 10_000
    assert [one["code"] for one in answer["warnings"]] == ["relevance_depth"]
    first = found(events, q="word", size=1)
    app.engine.index([ItemWrite(item("word anew"), 1)], 1)
    second = found(events, q="word", size=1, cursor=first["next"])
    assert [one["code"] for one in second["warnings"]] == ["order_changed"]
    third = found(events, q="word", size=1, cursor=second["next"])
    assert [one["code"] for one in third["warnings"]] == ["order_changed"]


@contract.covers("A32", "A33")
def test_score_is_null_without_scored_words(api) -> None:
    scores = [one["score"] for one in found(api, q="air OR drill OR tank")["items"]]
    assert scores == sorted(scores, reverse=True)
    assert all(score > 0 for score in scores)
    assert {one["score"] for one in found(api, q="air", sort="newest")["items"]} == {None}
    assert {one["score"] for one in found(api)["items"]} == {None}


@contract.covers("A34", "A35")
def test_age_has_two_units(events, app) -> None:
    for number, (published, age) in enumerate(
        [
            ("2025-11-24T09:01", "2 hours 59 minutes"),
            ("2025-10-27T12:00", "4 weeks"),
            ("2025-10-18T12:00", "1 month 1 week"),
        ]
    ):
        app.engine.index([ItemWrite(item(f"a{number}", published=published), 1)], 1)
        assert found(events, q=f"a{number}")["items"][0]["age"] == age


@contract.covers("A36", "A37", "A38", "A39", "A40")
def test_highlights_mark_the_matches(api) -> None:
    assert found(api, q="siauliai", highlight="title,summary")["items"][0]["highlights"] == {
        "summary": "Ships train near <mark>Šiauliai</mark> &amp; Klaipėda."
    }
    marked = found(api, q='"air policing" exercise -tank', highlight="title,summary")["items"][0]["highlights"]
    assert marked == {
        "title": "<mark>Air policing</mark> over Iceland",
        "summary": "A show of <mark>exercises</mark> in the air",
    }
    content = found(api, q="submarine", highlight="content")["items"][0]["highlights"]["content"]
    assert "Deep inside stands a <mark>submarine</mark>." in content
    assert content.startswith("…")
    assert content.endswith("…")
    assert len(re.sub("</?mark>", "", content)) <= 300


@contract.covers("A41")
def test_coverage_describes_the_filtered_feeds(api) -> None:
    whole = found(api)["coverage"]
    assert (whole["feeds"], whole["ok"], whole["not_ok_count"]) == (5, 3, 2)
    assert {one["feed"]: one["state"] for one in whole["not_ok"]} == {"delta": "failing", "gamma": "stale"}
    assert whole["oldest_success"] == "2025-11-21T12:00:00Z"
    one = found(api, feed="alpha")["coverage"]
    assert (one["feeds"], one["ok"], one["not_ok_count"], one["gap_count"]) == (1, 1, 0, 0)
    assert found(api, feed="-delta,-gamma")["coverage"]["ok"] == 3
    assert found(api, feed="none")["coverage"]["feeds"] == 0


@contract.covers("A41", "A44", "A45")
def test_gaps_are_those_that_meet_the_range(api) -> None:
    gaps = {one["feed"]: one for one in found(api)["coverage"]["gaps"]}
    assert gaps["beta"] == {"feed": "beta", "from": "2025-05-01T00:00:00Z", "to": "2025-05-02T00:00:00Z"}
    assert gaps["delta"] == {"feed": "delta", "from": "2025-11-21T12:00:00Z", "to": None}
    for sent, count in (
        ({"from_": "2025-05-01", "to": "2025-05-01"}, 1),
        ({"from_": "2025-05-02", "to": "2025-05-02"}, 0),
        ({"to": "2025-04-30"}, 0),
        ({"from_": "2025-11-22"}, 2),
        ({"feed": "beta"}, 1),
    ):
        assert found(api, **sent)["coverage"]["gap_count"] == count, sent


@contract.covers("A46", "A47")
def test_coverage_lists_20_and_counts_all(events, app) -> None:
    day = at("2025-05-01")
    app.engine.publish(
        [
            *(status(f"f{n:02d}", paused="stopped") for n in range(30)),
            status("gappy", gaps=tuple(Gap(day + n * DAY, day + n * DAY + 1) for n in range(25))),
        ]
    )
    coverage = found(events)["coverage"]
    assert (coverage["not_ok_count"], len(coverage["not_ok"])) == (30, 20)
    assert (coverage["gap_count"], len(coverage["gaps"])) == (25, 20)


@contract.covers("A42", "A43")
def test_empty_answer_with_full_coverage_means_nothing(api) -> None:
    def coverage(feed: str) -> tuple[int, int, int]:
        answer = found(api, feed=feed, q="nothingofthekind")
        assert answer["items"] == []
        return tuple(answer["coverage"][name] for name in ("ok", "not_ok_count", "gap_count"))

    assert coverage("alpha") == (1, 0, 0)
    assert coverage("beta") == (1, 0, 1)
    assert coverage("delta") == (0, 1, 1)


# --- other routes ---


@contract.covers("O1")
def test_item_by_id_has_its_content(api) -> None:
    came = api.ask(f"/v1/items/{ITEMS[2].id}")
    whole = came.json()
    assert came.status == 200
    assert whole["content"] == ITEMS[2].content
    assert "score" not in whole
    assert whole["published"] == "2025-05-31T22:30:00Z"


@contract.covers("O2")
def test_items_by_id_are_in_the_requested_order(api) -> None:
    ids = [ITEMS[3].id, "none", ITEMS[0].id]
    answer = api.ask(target("/v1/items", ids=",".join(ids))).json()
    assert [one["id"] for one in answer["items"]] == [ITEMS[3].id, ITEMS[0].id]
    assert (answer["not_found"], answer["not_returned"]) == (["none"], [])
    assert "content" in answer["items"][0]
    assert api.ask(target("/v1/items", ids=",".join(f"i{n}" for n in range(100)))).status == 200
    for bad in ("/v1/items", "/v1/items?ids=", target("/v1/items", ids=",".join(f"i{n}" for n in range(101)))):
        assert api.ask(bad).json()["errors"][0]["param"] == "ids"


@contract.covers("O3")
def test_feeds_are_paged_by_id_and_filtered_by_state(api) -> None:
    answer = api.ask("/v1/feeds").json()
    assert [one["id"] for one in answer["feeds"]] == ["-odd", "alpha", "beta", "delta", "gamma"]
    assert set(answer["feeds"][0]) == {
        "id", "title", "description", "link", "url", "kind", "state", "last_checked", "last_success", "next_check",
        "items", "newest", "error",
    }  # fmt: skip
    assert answer["feeds"][3]["error"] == {"code": "http_status", "detail": "The server answered 500."}
    assert answer["feeds"][0]["url"].endswith("?key=…")
    first = api.ask("/v1/feeds?size=2")
    assert re.search(r'/v1/feeds\?size=2&cursor=[^>]+>; rel="next"', first.headers["link"])
    rest = api.ask(target("/v1/feeds", size=200, cursor=first.json()["next"])).json()
    assert [one["id"] for one in rest["feeds"]] == ["beta", "delta", "gamma"]
    assert rest["next"] is None
    assert [one["id"] for one in api.ask("/v1/feeds?state=failing").json()["feeds"]] == ["delta"]
    for bad, param in (("state=up", "state"), ("size=0", "size"), ("cursor=x", "cursor"), ("q=x", "q")):
        assert api.ask(f"/v1/feeds?{bad}").json()["errors"][0]["param"] == param


@contract.covers("O4")
def test_feed_has_its_fetches_and_gaps(api) -> None:
    feed = api.ask("/v1/feeds/beta").json()
    assert feed["fetches"] == [
        {"time": "2025-11-24T11:00:00Z", "status": 200, "bytes": 1234, "new": 3, "changed": 0, "unchanged": 0, "error": None, "took_ms": 56}
    ]  # fmt: skip
    assert feed["gaps"] == [{"feed": "beta", "from": "2025-05-01T00:00:00Z", "to": "2025-05-02T00:00:00Z"}]
    assert api.ask("/v1/feeds/delta").json()["gaps"][0]["to"] is None


@contract.covers("O5")
def test_status_reports_engine_items_and_feeds(api) -> None:
    whole = api.ask("/v1/status").json()
    assert whole["engine"]["name"] == "tantivy"
    assert whole["engine"]["healthy"] is True
    assert (whole["items"], whole["generation"], whole["behind"]) == (len(ITEMS), 1, 1)
    assert whole["feeds"] == {"ok": 3, "stale": 1, "failing": 1, "paused": 0, "never": 0}
    assert whole["newest"] == "2025-06-01T00:00:00Z"


@contract.covers("O6")
def test_openapi_lists_routes_and_parameters(api) -> None:
    document = api.ask("/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    assert {"/v1/search", "/v1/items", "/v1/items/{item_id}", "/v1/feeds", "/v1/feeds/{feed_id}", "/v1/status"} <= set(
        document["paths"]
    )
    names = {one["name"] for one in document["paths"]["/v1/search"]["get"]["parameters"]}
    from newswire.search.parameters import SEARCH_PARAMETERS

    assert names == set(SEARCH_PARAMETERS)


@contract.covers("O7")
def test_pages_tolerate_what_forms_send(api) -> None:
    """Other tests of the pages are in tests/journey."""
    item = api.ask("/v1/search?size=1").json()["items"][0]
    for path, shown in (
        ("/", "Tank drill"),
        (f"/feeds/{item['feed']}", "Checked"),
        (f"/items/{item['id']}", "First seen"),
    ):
        came = api.ask(path)
        assert (came.status, came.headers["content-type"]) == (200, "text/html; charset=utf-8")
        assert shown in came.body.decode()
        assert api.ask(f"{path}?nope=1").body == came.body
        assert api.ask(f"{path}?tz=").status == 303
    assert api.ask("/?feed=alpha&feed=beta").headers["location"] == "./?feed=alpha,beta"


@contract.covers("O8")
def test_items_by_id_have_no_score_and_no_highlights(api) -> None:
    one = api.ask(f"/v1/items/{ITEMS[0].id}").json()
    (other,) = api.ask(f"/v1/items?ids={ITEMS[0].id}").json()["items"]
    assert one == other
    assert not {"score", "highlights"} & set(one)


# --- formats ---

FEEDS = ("rss", "atom", "jsonfeed")
TABLES = ("csv", "ndjson")
LINKS = {"rss": r'rel="{}" type="[^"]*" href="([^"]*)"', "atom": r'rel="{}" type="[^"]*" href="([^"]*)"'}


def link_of(form: str, body: bytes, rel: str) -> str:
    """Return the address that a feed has for itself (`self`) or its next page (`next`)."""
    if form == "jsonfeed":
        return json.loads(body)[{"self": "feed_url", "next": "next_url"}[rel]]
    return re.search(LINKS[form].format(rel), body.decode())[1].replace("&amp;", "&")


def rows(api, **parameters) -> list[dict[str, str]]:
    body = api.ask(target(format="csv", **parameters)).body.decode()
    return list(csv.DictReader(body.splitlines(keepends=True)))


@contract.covers("F1", "F5", "F6")
@pytest.mark.parametrize("form", FEEDS)
def test_feed_is_valid_and_has_whole_items(api, form: str) -> None:
    body = api.ask(f"/v1/search?format={form}&size=200&q=submarine").body
    wanted = f"urn:newswire:item:{ITEMS[2].id}"
    if form == "jsonfeed":
        feed = json.loads(body)
        assert feed["version"] == "https://jsonfeed.org/version/1.1"
        assert [(one["id"], one["content_text"]) for one in feed["items"]] == [(wanted, ITEMS[2].content)]
        return
    import feedparser

    feed = feedparser.parse(body)
    assert feed.bozo is False
    assert feed.version == {"rss": "rss20", "atom": "atom10"}[form]
    assert [(one.id, one.content[0].value) for one in feed.entries] == [(wanted, ITEMS[2].content.strip())]


@contract.covers("F2", "F3", "F4")
@pytest.mark.parametrize("form", FEEDS)
def test_feed_names_itself_and_its_next_page(api, library, form: str) -> None:
    came = api.ask(f"/v1/search?format={form}&size=2")
    origin = api.address if isinstance(api, OverHttp) else "https://abc123.execute-api.eu-west-1.amazonaws.com/live"
    assert link_of(form, came.body, "self").startswith(f"{origin}/v1/search?format={form}")
    following = link_of(form, came.body, "next")
    assert following.startswith(f"{origin}/v1/search?")
    assert api.ask(following.removeprefix(origin)).headers["content-type"] == came.headers["content-type"]
    named = App(msgspec.structs.replace(library.settings, public_url="https://news.example/api/"), clock=lambda: NOON)
    try:
        body = AsEvents(named).ask(f"/v1/search?format={form}").body
    finally:
        named.close()
    assert link_of(form, body, "self").startswith("https://news.example/api/v1/search?")


@contract.covers("F7", "F15")
@pytest.mark.parametrize("form", [*FEEDS, *TABLES])
def test_format_refuses_what_it_cannot_hold(api, form: str) -> None:
    for name, value in (("facets", "feed"), ("histogram", "day"), ("fields", "title"), ("highlight", "title")):
        sent = {"format": form, name: value}
        if form in TABLES and name in {"fields", "highlight"}:
            assert api.ask(target(**sent)).status == 200
        else:
            assert wrong(api, **sent) == [(name, "conflict")]


@contract.covers("F8", "F16")
def test_feeds_have_last_modified_and_all_formats_an_etag(api) -> None:
    for form in FEEDS:
        came = api.ask(f"/v1/search?format={form}&feed=alpha")
        assert came.headers["last-modified"] == "Mon, 26 May 2025 13:00:00 GMT"
        assert came.headers["etag"].startswith('W/"')
    for form in TABLES:
        assert api.ask(f"/v1/search?format={form}").headers["etag"].startswith('W/"')


@contract.covers("F17", "F18", "F19")
def test_etag_shows_changes_that_a_date_cannot(events, app) -> None:
    app.engine.index([ItemWrite(item("one", changed=NOON), 1)], 1)
    first = events.ask("/v1/search?format=rss")
    for late in (NOON + 1, NOON - DAY):
        before = events.ask("/v1/search?format=rss")
        app.engine.index([ItemWrite(item(f"late {late}", changed=late), 1)], 1)
        after = events.ask("/v1/search?format=rss")
        assert after.headers["last-modified"] == before.headers["last-modified"] == first.headers["last-modified"]
        assert after.headers["etag"] != before.headers["etag"]


@contract.covers("F9", "F10")
@pytest.mark.parametrize("form", TABLES)
def test_table_has_a_row_for_each_item_of_the_page(api, form: str) -> None:
    came = api.ask(f"/v1/search?format={form}&size=3")
    ids = [one["id"] for one in found(api, size=3)["items"]]
    if form == "csv":
        assert [one["id"] for one in rows(api, size=3)] == ids
    else:
        assert [json.loads(line)["id"] for line in came.body.decode().splitlines()] == ids
    assert came.headers["x-total-count"] == str(len(ITEMS))
    assert came.headers["x-coverage"] == "partial"
    assert 'rel="next"' in came.headers["link"]
    assert api.ask(f"/v1/search?format={form}&feed=alpha").headers["x-coverage"] == "ok"


@contract.covers("F11")
def test_csv_joins_the_values_of_a_list(api) -> None:
    assert rows(api, feed="alpha")[0]["categories"] == "Defence, security; Sea"


@contract.covers("F12", "F13", "F14")
@pytest.mark.parametrize(
    "text", ["=1", "+1", "-1", "@x", " =1", "\n=1", "\uff1d1", "\uff0b1", "\uff0d1", "\uff20x", "\tx", "\rx"]
)
def test_csv_cell_never_starts_a_formula(events, app, text: str) -> None:
    app.engine.index([ItemWrite(item("one", title=text, summary=f"a{text}"), 1)], 1)
    body = events.ask("/v1/search?format=csv&fields=title,summary").body.decode()
    (_head, (_id, title, summary)) = csv.reader(body.splitlines(keepends=True))
    assert (title, summary) == (f"'{text}", f"a{text}")


@contract.covers("F20", "F21")
def test_feed_over_4_mb_has_fewer_items_and_continues(events, app) -> None:
    app.engine.index([ItemWrite(item(f"n{n}", content="&" * 200_000), 1) for n in range(20)], 1)
    following, ids = "/v1/search?format=rss&size=20&sort=newest", []
    while following:
        came = events.ask(following)
        assert len(came.body) <= 4_000_000
        ids += re.findall(r"urn:newswire:item:(\w+)", came.body.decode())
        following = "/v1/" + link_of("rss", came.body, "next").split("/v1/")[1] if b'rel="next"' in came.body else ""
    assert sorted(ids) == sorted(item(f"n{n}").id for n in range(20))


# --- the page ---


@contract.covers("H1", "H2", "H3", "H4", "H5")
def test_search_page_takes_the_parameters_of_a_search(api) -> None:
    sent = {"q": "air OR drill", "match": "any", "from_": "2025", "to": "2025-12", "tz": "Europe/Brussels",
            "date_field": "changed", "feed": "beta,gamma", "category": "-x", "author": "-y", "lang": "-de",
            "sort": "oldest", "size": "2"}  # fmt: skip
    first = found(api, **sent)
    for more in ({}, {"cursor": first["next"]}):
        ids = [one["id"] for one in found(api, **sent, **more)["items"]]
        page = api.ask(target("/", **sent, **more))
        assert page.status == 200
        assert list(dict.fromkeys(re.findall(r'href="\./items/([0-9a-f]{32})', page.body.decode()))) == ids
        assert api.ask(target("/", **sent, **more)).body == page.body
    for name in ("match", "from", "to", "tz", "date_field", "sort", "size", "cursor"):
        assert api.ask(f"/?{name}=wrong!").status == 400, name


@contract.covers("H6")
def test_cursor_is_valid_for_page_and_search(api) -> None:
    page = api.ask("/?size=2").body.decode()
    cursor = re.search(r"cursor=([\w-]+)", page)[1]
    ids = [one["id"] for one in found(api, size=2, cursor=cursor)["items"]]
    assert ids == [one["id"] for one in found(api, size=4)["items"]][2:]
    other = api.ask(target("/", size=2, cursor=found(api, size=2)["next"])).body.decode()
    assert all(f"items/{id_}" in other for id_ in ids)


@contract.covers("H7")
def test_last_value_of_a_repeated_parameter_counts(api) -> None:
    assert api.ask("/?size=3&size=2").headers["location"] == "./?size=2"
    assert api.ask("/?q=air&q=show").headers["location"] == "./?q=air+show"


@contract.covers("H8", "H9")
def test_pages_of_a_feed_and_an_item_take_a_time_zone(api) -> None:
    for path in ("/feeds/beta", f"/items/{ITEMS[2].id}"):
        assert api.ask(f"{path}?tz=Asia/Tokyo").body != api.ask(path).body
        assert api.ask(f"{path}?tz=Mars/Olympus").status == 400
    page = api.ask("/feeds/beta?size=1").body.decode()
    cursor = re.search(r"cursor=([\w-]+)", page)[1]
    assert api.ask(f"/feeds/beta?size=1&cursor={cursor}").body.decode() != page


@contract.covers("H10", "H11", "H12")
def test_errors_are_pages_for_people_and_json_under_v1(api) -> None:
    browser, program = {"Accept": "text/html,*/*;q=0.8"}, {"Accept": "*/*"}
    for path, headers, status in (
        ("/?from=x", program, 400),
        ("/feeds/none", program, 404),
        ("/items/none", program, 404),
        ("/nowhere", browser, 404),
    ):
        came = api.ask(path, headers=headers)
        assert (came.status, came.headers["content-type"]) == (status, "text/html; charset=utf-8")
        assert re.fullmatch("[0-9a-f]{32}", came.headers["x-request-id"])
    assert api.ask("/nowhere", headers=program).json()["code"] == "not_found"
    for path in ("/v1", "/v1/nowhere", "/v1/search?q=", "/v1/feeds/none"):
        assert api.ask(path, headers=browser).headers["content-type"] == "application/problem+json; charset=utf-8"


@contract.covers("H10")
def test_page_of_an_unavailable_engine_has_retry_after(settings, clock) -> None:
    app = App(settings, clock=clock, engine=Broken(EngineUnavailableError("down")))
    came = AsEvents(app).ask("/")
    assert (came.status, came.headers["content-type"]) == (503, "text/html; charset=utf-8")
    assert "retry-after" in came.headers


@contract.covers("H13", "H14")
def test_page_that_looks_the_same_gets_304(events, app, clock) -> None:
    app.engine.index([ItemWrite(item("one"), 1)], 1)
    tag = events.ask("/").headers["etag"]
    assert tag.startswith('W/"')
    assert events.ask("/", headers={"If-None-Match": tag}).status == 304
    clock.go(days=400)
    assert events.ask("/", headers={"If-None-Match": tag}).status == 200


@contract.covers("H15", "H16", "H17", "H18")
def test_page_loads_only_its_own_cacheable_files(api) -> None:
    import hashlib

    came = api.ask("/?q=air")
    body = came.body.decode()
    policy = dict(one.split(" ", 1) for one in came.headers["content-security-policy"].split("; "))
    assert policy["default-src"] == "'none'"
    assert set(policy.values()) == {"'none'", "'self'"}
    files = set(re.findall(r'(?:src|href)="\./(assets/[^"]+)"', body))
    assert len(files) == 3
    for name in files:
        asset = api.ask(f"/{name}")
        assert asset.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert re.search(r"[0-9a-f]{8,}", name)[0] in hashlib.sha256(asset.body).hexdigest()
    assert all("src=" in tag for tag in re.findall(r"<script[^>]*>", body))
    assert re.search(r'<form [^>]*action="\./"', body)
    assert f"items/{ITEMS[1].id}" in body


# --- API Gateway ---


@contract.covers("S13", "S14")
def test_errors_of_the_gateway_are_problem_documents() -> None:
    text = (ROOT / "template.yaml").read_text().partition("x-amazon-apigateway-gateway-responses:")[2]
    bodies = re.findall(r"application/json: '(.*)'", text)
    assert len(bodies) == text.count("application/problem+json") == 2
    for body in bodies:
        problem = json.loads(body.replace("$context.error.messageString", '"x"'))
        assert problem["code"] == "gateway"
        assert set(problem) == {"type", "title", "detail", "code", "request_id"}


# --- events only ---


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
    came = AsEvents(library).event({**rest_event("/v1/search"), **change})
    assert came.status in {200, 304, 400, 404, 405}, came.body
    json.loads(came.body) if came.body[:1] == b"{" else None
