"""docs/api.md, row by row and sentence by sentence, over a socket and as events of a REST API alike."""

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
from tests.conftest import NOON, ROOT
from tests.support.said import Contract, sentences
from tests.support.transports import AsEvents, OverHttp, rest_event

PAGE = ROOT / "docs" / "api.md"
CONTRACT = Contract()
says = CONTRACT.says
"""Names the rows (by their first cell) and sentences of docs/api.md that a test holds the API to."""


def rows_and_sentences() -> list[str]:
    text = PAGE.read_text().split("## Rules")[1].split("## A curl")[0]
    found = []
    for table in re.findall(r"^\|.*\|\n\|[-|]+\|\n((?:\|.*\|\n)+)", text, re.MULTILINE):
        found += [re.split(r"(?<!\\)\|", row)[1] for row in table.splitlines()]
    for bullet in re.findall(r"^- (.*(?:\n  .*)*)", text, re.MULTILINE):
        found += sentences(bullet)
    return found


def test_every_row_and_every_sentence_of_the_contract_has_its_test() -> None:
    wanted = rows_and_sentences()
    assert len(wanted) > 70
    CONTRACT.check(wanted)


# --- what there is to be found ---


def at(text: str) -> int:
    return from_datetime(datetime.fromisoformat(text).replace(tzinfo=UTC))


def item(name: str, feed: str = "alpha", published: str = "2025-05-26T12:00", **more) -> Item:
    when = at(published)
    fields = {
        "id": item_id(name),
        "feed": feed,
        "title": name,
        "link": f"https://a.example/{quote(name)}",
        "summary": "",
        "content": "",
        "authors": (),
        "categories": (),
        "lang": "en",
        "published": when,
        "published_source": "pubDate",
        "published_precision": "second",
        "published_raw": None,
        "date_flags": (),
        "updated": None,
        "changed": when + HOUR,
        "first_seen": when + HOUR,
        "revision": 1,
    } | more
    return msgspec.convert(fields, Item)


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


def status(feed: str, **more) -> FeedStatus:
    fields = dict.fromkeys(FeedStatus.__struct_fields__) | {
        "id": feed,
        "rev": 1,
        "title": feed.title(),
        "description": f"About {feed}",
        "link": f"https://{feed.strip('-')}.example/",
        "url": f"https://{feed.strip('-')}.example/feed?key=…",
        "kind": "rss20",
        "items": 3,
        "behind": False,
        "last_checked": NOON - HOUR,
        "last_success": NOON - HOUR,
        "next_check": NOON + HOUR,
        "newest": at("2025-06-01"),
        "fetches": (FetchLine(NOON - HOUR, 200, 1234, 56, None, 1, 3, 0, 0),),
        "gaps": (),
        "refused_items": (),
        "deleted": False,
    }
    return msgspec.convert(fields | more, FeedStatus)


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
    """The API over an empty index of its own."""
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


@says("GET and HEAD only (another method: 405 with `Allow`).", "405")
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_only_get_and_head_are_answered(api, method) -> None:
    for path in ("/v1/search", "/v1/feeds/alpha", "/nowhere"):
        came = api.ask(path, method)
        assert came.status == 405
        assert came.headers["allow"] == "GET, HEAD"
        assert came.json()["code"] == "method_not_allowed"


@says("GET and HEAD only (another method: 405 with `Allow`).")
def test_head_gives_the_headers_of_get_without_a_body(api) -> None:
    for path in ("/v1/search?q=air", "/v1/feeds", "/v1/items/none", "/openapi.json", "/v1/search?q=" + "x" * 6000):
        got, head = api.ask(path), api.ask(path, "HEAD")
        assert (head.status, head.body) == (got.status, b"")
        moving = {"x-request-id", "date", "content-length"}
        assert {k: v for k, v in head.headers.items() if k not in moving} == {
            k: v for k, v in got.headers.items() if k not in moving
        }


@says("No route changes anything.")
def test_no_route_changes_anything(api, library) -> None:
    def all_there_is():
        engine = library.engine
        return engine.generation(), engine.count(1), engine.statuses(), engine.get([one.id for one in ITEMS])

    before = all_there_is()
    for path in ("/v1/search?q=x", "/v1/items?ids=a", "/v1/items/a", "/v1/feeds", "/v1/feeds/alpha", "/v1/status", "/"):
        api.ask(path)
        api.ask(path, "DELETE")
    assert all_there_is() == before


@says("Same origin only: no CORS headers.")
def test_there_are_no_cors_headers(api) -> None:
    for path in ("/v1/search", "/nowhere"):
        came = api.ask(path, headers={"Origin": "https://evil.example"})
        assert not [name for name in came.headers if name.startswith("access-control")]
    assert api.ask("/v1/search", "OPTIONS", {"Origin": "https://evil.example"}).status == 405


@says(
    "A parameter that is unknown, repeated, empty, of the wrong form or out of range is refused with 400; the problem "
    "names the parameter and what is allowed.",
    "400",
)
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
def test_what_is_wrong_is_refused_by_name(api, query: str, param: str, code: str) -> None:
    came = api.ask(f"/v1/search?{quote(query, safe='=&%+:,')}")
    if "%ff" in query:
        assert came.status == 400
        return
    assert came.status == 400, came.body
    problem = came.json()
    assert [(one["param"], one["code"]) for one in problem["errors"]] == [(param, code)]
    assert problem["errors"][0]["detail"].endswith(".")
    assert problem["errors"][0]["allowed"]


@says("Nothing is clamped or ignored silently (`X-Amz-*` of a signed URL aside).")
def test_parameters_of_a_signed_url_are_passed_over(api) -> None:
    assert (
        found(api, **{"q": "baltic", "X-Amz-Signature": "abc", "X-Amz-Date": "20250101T000000Z"})["total"]["value"] == 1
    )
    assert wrong(api, **{"x-amz-date": "1"}) == [("x-amz-date", "unknown_parameter")]


@says("All the wrong parameters are reported at once.")
def test_all_that_is_wrong_is_said_at_once(api) -> None:
    assert sorted(wrong(api, nope=1, size=999, sort="best", from_="x", tz="x", q="x" * 2000)) == [
        ("from", "invalid_value"),
        ("nope", "unknown_parameter"),
        ("q", "query_too_long"),
        ("size", "out_of_range"),
        ("sort", "invalid_value"),
        ("tz", "invalid_value"),
    ]


@says("A request target longer than 6,000 bytes is refused.")
def test_a_target_of_more_than_6000_bytes_is_refused(api) -> None:
    head = "/v1/search?feed="
    assert api.ask(head + "x" * (6000 - len(head))).status == 200
    came = api.ask(head + "x" * (6001 - len(head)))
    assert (came.status, came.json()["code"]) == (400, "invalid_request")
    assert "6000" in came.json()["detail"]


@says('A list is one comma-separated value with CSV quoting: `category="Defence, security",Ukraine`.')
def test_a_list_is_a_line_of_csv(api) -> None:
    assert titles(api, category='"Defence, security",Ukraine') == {"Baltic"}
    assert titles(api, category='Ukraine,"Defence, security"') == {"Baltic"}
    assert titles(api, category='"a ""quoted"" one"') == set()
    assert next(csv.reader(['"a ""quoted"" one",b'])) == ['a "quoted" one', "b"]


@says("Spaces round a value are dropped; empty values and bad quoting are refused.")
def test_spaces_round_a_value_are_dropped_and_bad_lists_are_refused(api) -> None:
    assert titles(api, category='  "Defence, security"  ,  Air ') == {"Baltic", "Air"}
    for bad in ("a,,b", ",a", "a,", '""', '" "', '"a', 'a"', '"a"b', '"a" "b"', "-", " - ", ' "-" '):
        assert wrong(api, category=bad) == [("category", "invalid_value")], bad


@says(
    "In `feed` `category` `author` `lang` several values mean any of them, one that starts with `-` excludes "
    "(`feed=-sport`), and `\\` before a first `-` or `\\` makes it plain.",
    "`feed` `category` `author` `lang`",
)
def test_lists_filter_by_any_of_their_values_and_exclude(api) -> None:
    assert titles(api, feed="alpha,gamma") == {"Baltic", "Tank", "F-16"}
    assert len(found(api, feed="-delta", size=50)["items"]) == 6
    assert titles(api, feed="beta,alpha,-beta") == {"Baltic"}
    assert titles(api, feed="\\-odd") == {"Škoda"}
    assert titles(api, feed="-\\-odd,-delta,-beta") == {"Baltic", "Tank", "F-16"}
    assert titles(api, category="\\\\back") == {"Škoda"}
    assert titles(api, category="\\-dash") == {"Škoda"}
    assert titles(api, author="ZOE MULLER") == {"Baltic"}
    assert titles(api, lang="-en,-ru,-el,-ja,-ar,-he") == {"Škoda"}


@says("Values compare folded and whole; `lang=en` covers `en-US`.")
def test_values_compare_folded_and_whole(api) -> None:
    assert titles(api, category="AIR") == {"Air"}
    assert found(api, category="air")["total"]["value"] == 2
    assert titles(api, author="Muller") == set()
    assert titles(api, lang="en-US") == {"Air"}
    assert found(api, lang="en")["total"]["value"] == 5


@says("A feed that does not exist is a warning (`unknown_feed`).")
def test_a_feed_that_does_not_exist_is_a_warning(api) -> None:
    warnings = found(api, feed="alpha,none,-nothing,-beta")["warnings"]
    assert [one["code"] for one in warnings] == ["unknown_feed", "unknown_feed"]
    assert "none" in warnings[0]["detail"]
    assert "nothing" in warnings[1]["detail"]


@says(
    "Errors are RFC 9457 `application/problem+json`: `type` `title` `status` `detail` `code` `request_id`, and "
    "`errors: [{param, code, detail, allowed}]` for bad parameters."
)
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


@says(
    "No stack trace, host name or engine text reaches a caller; what a caller sent is quoted to 100 characters at most, "
    "control characters escaped."
)
def test_what_a_caller_sent_is_quoted_short_and_escaped(api) -> None:
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


@says("`X-Request-Id` (ours, never the caller's) names the request in the logs.")
def test_the_request_id_is_ours(api) -> None:
    ids = [api.ask("/v1/search", headers={"X-Request-Id": "theirs"}).headers["x-request-id"] for _ in range(3)]
    assert len(set(ids)) == 3
    assert "theirs" not in ids


@says(
    "`ETag` is weak, over the answer without what moves by itself (`took_ms`, `age`, check times, the echoed now); "
    "`If-None-Match` gives 304."
)
def test_an_etag_stays_while_nothing_but_time_moves_and_gives_304(events, app, clock) -> None:
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


@says("`Cache-Control: private, no-cache`.")
def test_answers_are_private_and_checked_each_time(api) -> None:
    for path in ("/v1/search", "/v1/feeds", "/v1/status", "/openapi.json"):
        assert api.ask(path).headers["cache-control"] == "private, no-cache"


@says("An answer stops at 4 MB: fewer items than asked for, and `next`.")
def test_an_answer_stops_at_4_mb(events, app) -> None:
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


@says("Absolute links come from `NEWSWIRE_PUBLIC_URL` or the gateway's own domain and stage, never from `Host`.")
def test_links_never_come_from_the_host_header(api, library, settings, tmp_path) -> None:
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


# --- statuses ---


@says("404")
def test_what_is_not_there_is_404(api) -> None:
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
    """An engine that fails in a way of its own."""

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


@says("503", "504", "500")
@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (EngineUnavailableError("secret.internal:9200 is down"), 503, "engine_unavailable"),
        (EngineTimeoutError("secret.internal took too long"), 504, "engine_timeout"),
        (RuntimeError("secret.internal"), 500, "internal"),
    ],
)
def test_trouble_of_the_engine_is_a_problem_that_tells_nothing_of_it(
    settings, clock, caplog, error: Exception, status: int, code: str
) -> None:
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


@says("`q`")
def test_q_finds_and_without_it_every_item_is_there(api) -> None:
    assert titles(api, q="iceland") == {"Air"}
    assert found(api)["total"]["value"] == len(ITEMS)
    assert found(api, q="x" * 1000)["total"]["value"] == 0


@says("`match`")
def test_match_any_joins_words_by_or_and_ranks_the_more_and_rarer_higher(api) -> None:
    assert titles(api, q="tank baltic") == set()
    answer = found(api, q="cancelled drill air", match="any")
    assert answer["items"][0]["title"] == "Tank drill cancelled"
    assert {one["title"].split()[0] for one in answer["items"]} == {"Tank", "Air"}
    assert answer["query"]["understood"] == "cancelled OR drill OR air"
    assert titles(api, q="tank baltic -drill", match="any") == {"Baltic"}


@says("`from` `to`")
def test_from_and_to_are_each_optional(api) -> None:
    assert titles(api, from_="2025-10") == {"Η", "北京の空港"}
    assert titles(api, to="2024-02") == {"F-16"}
    assert titles(api, from_="2025-05-26", to="2025-05-26") == {"Baltic"}
    echo = found(api, from_="2025-05", to="2025-05", tz="Europe/Brussels")["query"]
    assert (echo["from"], echo["to"], echo["tz"]) == ("2025-04-30T22:00:00Z", "2025-05-31T22:00:00Z", "Europe/Brussels")


@says("`tz`")
def test_tz_is_what_dates_without_an_offset_mean_and_where_buckets_begin(api) -> None:
    may = {"from_": "2025-05-31", "to": "2025-05-31"}
    assert titles(api, **may) == {"Air"}
    assert titles(api, tz="Europe/Brussels", **may) == set()
    assert titles(api, tz="Europe/Brussels", from_="2025-06-01", to="2025-06-01") == {"Air", "Tank"}
    first = found(api, tz="Asia/Kolkata", histogram="month", from_="2025-05")["histogram"][0]
    assert first["from"] == "2025-04-30T18:30:00Z"


@says("`date_field`")
def test_date_field_says_which_date_is_meant(api) -> None:
    assert titles(api, date_field="updated") == {"Tank"}
    assert titles(api, date_field="updated", from_="2025-06-02", to="2025-06-02") == {"Tank"}
    assert titles(api, date_field="changed", from_="2025-05-26T13:00", to="2025-05-26T13:00") == {"Baltic"}
    assert titles(api, date_field="first_seen", from_="2025-05-26T12:00", to="2025-05-26T12:00") == set()


@says("`sort`")
def test_sort_is_by_relevance_with_words_to_score_else_newest(api) -> None:
    assert found(api, q="air")["query"]["sort"] == "relevance"
    for parameters in ({}, {"q": "-air"}, {"q": "feed:alpha"}, {"q": "..."}):
        assert found(api, **parameters)["query"]["sort"] == "newest"
    dates = [one["published"] for one in found(api, size=50)["items"]]
    assert dates == sorted(dates, reverse=True)
    assert [one["published"] for one in found(api, size=50, sort="oldest")["items"]] == dates[::-1]
    assert found(api, q="drill", sort="newest")["items"][0]["title"].startswith("Tank")


@says("`size`")
def test_size_is_how_many_items_come(api) -> None:
    assert len(found(api, size=0)["items"]) == 0
    assert found(api, size=0)["total"]["value"] == len(ITEMS)
    assert found(api, size=0)["next"] is None
    assert len(found(api, size=3)["items"]) == 3
    assert len(found(api)["items"]) == len(ITEMS)


@says("`cursor`")
def test_a_cursor_goes_on_where_the_page_ended(api) -> None:
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


@says("`fields`")
def test_fields_chooses_what_an_item_shows(api) -> None:
    assert "content" not in found(api)["items"][0]
    assert set(found(api, fields="title")["items"][0]) == {"id", "title"}
    assert set(found(api, fields="content,age, score")["items"][0]) == {"id", "content", "age", "score"}
    whole = found(api, fields="id,content", q="submarine")["items"][0]["content"]
    assert "Deep inside stands a submarine." in whole


@says("`highlight`")
def test_highlight_is_off_unless_asked_for(api) -> None:
    assert "highlights" not in found(api, q="baltic")["items"][0]
    assert found(api, q="baltic", highlight="title")["items"][0]["highlights"] == {
        "title": "<mark>Baltic</mark> exercise begins"
    }
    assert found(api, highlight="title")["items"][0]["highlights"] == {}


@says("`facets`")
def test_facets_count_values(api) -> None:
    facets = found(api, facets="feed,lang:1,category,author")["facets"]
    assert [one["value"] for one in facets["feed"]["values"]] == ["delta", "beta", "gamma", "-odd", "alpha"]
    assert facets["lang"]["values"] == [{"value": "en", "count": 4}]
    assert facets["author"]["missing"] == len(ITEMS) - 1


@says("`histogram`")
@pytest.mark.parametrize("unit", ["year", "month", "week", "day", "hour", "auto"])
def test_a_histogram_counts_by_date(api, unit: str) -> None:
    answer = found(api, histogram=unit, from_="2025-05-20", to="2025-06-05", size=0)
    assert sum(one["count"] for one in answer["histogram"]) == answer["total"]["value"] == 4
    if unit == "week":
        assert all(datetime.fromisoformat(one["from"]).weekday() == 0 for one in answer["histogram"][1:])


@says("`format`")
def test_the_format_is_json(api) -> None:
    assert api.ask("/v1/search?format=json").headers["content-type"] == "application/json; charset=utf-8"


# --- date values ---


@says(
    "`2025`, `2025-05`, `2025-05-26`, `2025-W22`",
    "`2025-05-26T12:00`, `…T12:00:30`, `…T12:00:30.5` with `Z`, `+02:00` or nothing (then `tz`)",
    "`today`, `yesterday`",
    "`now`",
    "`P7D`, `PT36H`, `P1M`, `P1Y2M`; `now-7d`, `now-36h`, `now-1M` (m, h, d, w, M, y)",
)
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


# --- the query language ---


@says(
    "`exercise baltic`",
    '`"air policing"`',
    "`drill OR exercise`, `(a OR b) c`",
    '`-tank`, `NOT tank`, `-"air show"`, `-(a OR b)`',
    "`interop*`",
    '`title:summit`, `title:"joint statement"`, `title:(a OR b)`',
)
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
def test_what_is_written_is_found(api, q: str, first_words: set[str]) -> None:
    assert titles(api, q=q) == first_words


# --- the answer ---


@says("`total` is exact, past 10,000 too, and equals what paging gives when nothing is written meanwhile.")
def test_the_total_is_exact_past_10_000(events, app) -> None:
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


@says("`facets` and `histogram` are over all that was found, not the page.")
def test_counts_are_over_all_that_was_found(api) -> None:
    first = found(api, size=1, facets="feed", histogram="year")
    whole = found(api, size=200, facets="feed", histogram="year")
    assert first["facets"] == whole["facets"]
    assert first["histogram"] == whole["histogram"]
    later = found(api, size=1, facets="feed", histogram="year", cursor=first["next"])
    assert later["facets"] == whole["facets"]


@says(
    "A facet's values come by count, then by value, in their commonest spelling; `other` counts (item, value) pairs not "
    "listed, `missing` items with none; `exact` is always true on the embedded engine, for `feed` and `lang`, and on one "
    "shard."
)
def test_a_facet_is_ordered_and_whole(api) -> None:
    facet = found(api, facets="category:2")["facets"]["category"]
    assert facet == {
        "values": [{"value": "Air", "count": 2}, {"value": "-dash", "count": 1}],
        "other": 3,
        "missing": 7,
        "exact": True,
    }


@says(
    "Histogram buckets are contiguous over the echoed range (without bounds: from the first item to the last), empty ones "
    "included, at most 1,000 (else 400 that names the finest unit that fits), and add up to `total`; 23 and 25 hour days "
    "are right."
)
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


@says("`auto` takes the finest unit that gives at most 100.")
def test_auto_takes_the_finest_unit_that_fits(api) -> None:
    assert len(found(api, histogram="auto", from_="2025-05-01", to="2025-05-04")["histogram"]) == 96
    assert len(found(api, histogram="auto", from_="2025-05-01", to="2025-05-05")["histogram"]) == 5
    assert len(found(api, histogram="auto")["histogram"]) == len(found(api, histogram="week")["histogram"])


@says('`next` is null on the last page; a `Link: <?…>; rel="next"` header says the same (left out over 2,000 bytes).')
def test_the_link_header_says_the_same_as_next(api) -> None:
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


@says(
    "Send the same parameters with `cursor`; `size` `fields` `highlight` `facets` `histogram` `format` may change, others "
    "are 400 (`cursor_mismatch`)."
)
def test_a_cursor_belongs_to_its_query(api) -> None:
    sent = {"q": "air OR drill", "sort": "newest", "from_": "2024", "tz": "Europe/Brussels"}
    cursor = found(api, size=1, **sent)["next"]
    free = {"size": 2, "fields": "title", "highlight": "title", "facets": "feed", "histogram": "year", "format": "json"}
    assert len(found(api, cursor=cursor, **sent, **free)["items"]) == 2
    for change in ({"q": "air"}, {"sort": "oldest"}, {"from_": "2023"}, {"tz": "UTC"}, {"feed": "beta"}, {"to": "2030"},
                   {"match": "any"}, {"date_field": "changed"}, {"lang": "en"}, {"category": "x"}, {"author": "x"}):  # fmt: skip
        assert wrong(api, cursor=cursor, **(sent | change)) == [("cursor", "cursor_mismatch")], change


@says(
    "It holds no text of the query and no engine's text, at most 300 bytes, and needs no secret: a forged one only moves "
    "the start."
)
def test_a_cursor_is_small_and_a_forged_one_only_moves_the_start(api) -> None:
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


@says("It outlives deployments.")
def test_a_cursor_works_in_another_process_with_other_settings(api, library) -> None:
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


@says(
    "`newest` and `oldest` have no depth limit: whatever is added meanwhile, every item whose `date_field` stays the same "
    "is given exactly once; ties are settled by id, so 25,000 items with one timestamp too."
)
@pytest.mark.parametrize("sort", ["newest", "oldest"])
def test_walks_by_date_give_every_item_once_while_others_come(events, app, sort: str) -> None:
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


@says(
    "`relevance` gives its first 10,000 items (then `next` is null, with a warning `relevance_depth` where there are more); "
    "if the index changed since the first page a warning `order_changed` says that an item may be repeated or missed."
)
def test_relevance_gives_10_000_and_says_when_the_index_changed(events, app) -> None:
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


@says("`score` compares only within one answer; null where nothing is scored.")
def test_scores_fall_and_are_null_where_nothing_is_scored(api) -> None:
    scores = [one["score"] for one in found(api, q="air OR drill OR tank")["items"]]
    assert scores == sorted(scores, reverse=True)
    assert all(score > 0 for score in scores)
    assert {one["score"] for one in found(api, q="air", sort="newest")["items"]} == {None}
    assert {one["score"] for one in found(api)["items"]} == {None}


@says(
    '`age` is the relative age in the two largest units, as the first feed\'s page shows it ("4 weeks", "1 month 1 week", '
    '"2 hours 59 minutes").'
)
def test_the_age_has_two_units(events, app) -> None:
    for number, (published, age) in enumerate(
        [
            ("2025-11-24T09:01", "2 hours 59 minutes"),
            ("2025-10-27T12:00", "4 weeks"),
            ("2025-10-18T12:00", "1 month 1 week"),
        ]
    ):
        app.engine.index([ItemWrite(item(f"a{number}", published=published), 1)], 1)
        assert found(events, q=f"a{number}")["items"][0]["age"] == age


@says(
    "`highlights` are text with `& < > \" '` escaped and `<mark>` round matched words and whole phrases; a field with no "
    "match is not there; `title` is whole, `summary` and `content` are cut at words to 300 characters round the best match."
)
def test_highlights_mark_what_was_found(api) -> None:
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


@says(
    "`coverage` speaks of the feeds that the `feed` filter lets through and of gaps that meet the range: an empty `items` "
    "with all feeds ok and no gap means that there was nothing; otherwise it does not."
)
def test_coverage_speaks_of_the_feeds_and_the_range(api) -> None:
    whole = found(api)["coverage"]
    assert (whole["feeds"], whole["ok"], whole["not_ok_count"]) == (5, 3, 2)
    assert {one["feed"]: one["state"] for one in whole["not_ok"]} == {"delta": "failing", "gamma": "stale"}
    assert whole["oldest_success"] == "2025-11-21T12:00:00Z"
    one = found(api, feed="alpha")["coverage"]
    assert (one["feeds"], one["ok"], one["not_ok_count"], one["gap_count"]) == (1, 1, 0, 0)
    assert found(api, feed="-delta,-gamma")["coverage"]["ok"] == 3
    assert found(api, feed="none")["coverage"]["feeds"] == 0


@says("A gap is a time in which items may have come and gone unseen.")
def test_gaps_are_those_that_meet_the_range_and_the_one_that_is_open(api) -> None:
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


@says("At most 20 of each are listed, the counts are whole.")
def test_20_are_listed_and_all_are_counted(events, app) -> None:
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


# --- other routes ---


@says("`GET /v1/items/{id}`")
def test_one_item_comes_with_its_content(api) -> None:
    came = api.ask(f"/v1/items/{ITEMS[2].id}")
    whole = came.json()
    assert came.status == 200
    assert whole["content"] == ITEMS[2].content
    assert "score" not in whole
    assert whole["published"] == "2025-05-31T22:30:00Z"


@says("`GET /v1/items?ids=a,b`")
def test_items_come_in_the_order_that_was_asked(api) -> None:
    ids = [ITEMS[3].id, "none", ITEMS[0].id]
    answer = api.ask(target("/v1/items", ids=",".join(ids))).json()
    assert [one["id"] for one in answer["items"]] == [ITEMS[3].id, ITEMS[0].id]
    assert (answer["not_found"], answer["not_returned"]) == (["none"], [])
    assert "content" in answer["items"][0]
    assert api.ask(target("/v1/items", ids=",".join(f"i{n}" for n in range(100)))).status == 200
    for bad in ("/v1/items", "/v1/items?ids=", target("/v1/items", ids=",".join(f"i{n}" for n in range(101)))):
        assert api.ask(bad).json()["errors"][0]["param"] == "ids"


@says("`GET /v1/feeds`")
def test_feeds_come_by_id_in_pages_and_by_state(api) -> None:
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


@says("`GET /v1/feeds/{id}`")
def test_a_feed_comes_with_its_fetches_and_gaps(api) -> None:
    feed = api.ask("/v1/feeds/beta").json()
    assert feed["fetches"] == [
        {"time": "2025-11-24T11:00:00Z", "status": 200, "bytes": 1234, "new": 3, "changed": 0, "unchanged": 0, "error": None, "took_ms": 56}
    ]  # fmt: skip
    assert feed["gaps"] == [{"feed": "beta", "from": "2025-05-01T00:00:00Z", "to": "2025-05-02T00:00:00Z"}]
    assert api.ask("/v1/feeds/delta").json()["gaps"][0]["to"] is None


@says("`GET /v1/status`")
def test_the_status_says_how_the_whole_is(api) -> None:
    whole = api.ask("/v1/status").json()
    assert whole["engine"]["name"] == "tantivy"
    assert whole["engine"]["healthy"] is True
    assert (whole["items"], whole["generation"], whole["behind"]) == (len(ITEMS), 1, 1)
    assert whole["feeds"] == {"ok": 3, "stale": 1, "failing": 1, "paused": 0, "never": 0}
    assert whole["newest"] == "2025-06-01T00:00:00Z"


@says("`GET /openapi.json`")
def test_the_openapi_document_is_there(api) -> None:
    document = api.ask("/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    assert {"/v1/search", "/v1/items", "/v1/items/{item_id}", "/v1/feeds", "/v1/feeds/{feed_id}", "/v1/status"} <= set(
        document["paths"]
    )
    names = {one["name"] for one in document["paths"]["/v1/search"]["get"]["parameters"]}
    from newswire.search.request import SEARCH_PARAMETERS

    assert names == set(SEARCH_PARAMETERS)


@says("`GET /` `GET /feeds/{id}` `GET /items/{id}`")
def test_the_pages_are_there_and_lenient_with_forms(api) -> None:
    """What else they are and do is tested in tests/journey, as pages and in a browser."""
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


# --- what reaches the API only in one of the two ways ---


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
def test_no_event_gives_a_500(library, change: dict) -> None:
    came = AsEvents(library).event({**rest_event("/v1/search"), **change})
    assert came.status in {200, 304, 400, 404, 405}, came.body
    json.loads(came.body) if came.body[:1] == b"{" else None
