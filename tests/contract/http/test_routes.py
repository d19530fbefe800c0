"""Test docs/api.md: the other routes."""

import re

from newswire.app import App
from newswire.errors import EngineUnavailableError
from newswire.model import ItemDeletion, Withdrawal
from tests.contract.http.asking import target
from tests.contract.http.broken import Broken
from tests.contract.http.contract import contract
from tests.contract.http.library import ITEMS, at
from tests.support.transports import AsEvents, OverHttp


@contract.covers("O1")
def test_item_by_id_has_its_content(api) -> None:
    response = api.ask(f"/v1/items/{ITEMS[2].id}")
    whole = response.json()
    assert response.status == 200
    assert whole["content"] == ITEMS[2].content
    assert "score" not in whole
    assert whole["published"] == "2025-05-31T22:30:00Z"


@contract.covers("O2")
def test_items_by_id_are_in_the_requested_order(api) -> None:
    ids = [ITEMS[3].id, "none", ITEMS[0].id]
    answer = api.ask(target("/v1/items", ids=",".join(ids))).json()
    assert [item["id"] for item in answer["items"]] == [ITEMS[3].id, ITEMS[0].id]
    assert (answer["not_found"], answer["not_returned"]) == (["none"], [])
    assert "content" in answer["items"][0]
    assert api.ask(target("/v1/items", ids=",".join(f"i{n}" for n in range(100)))).status == 200
    for bad in ("/v1/items", "/v1/items?ids=", target("/v1/items", ids=",".join(f"i{n}" for n in range(101)))):
        (problem,) = api.ask(bad).json()["errors"]
        assert (problem["param"], problem["allowed"].partition(" ")[0]) == ("ids", "1"), problem


@contract.covers("O3")
def test_feeds_are_paged_by_id_and_filtered_by_state(api) -> None:
    answer = api.ask("/v1/feeds").json()
    assert [feed["id"] for feed in answer["feeds"]] == ["-odd", "alpha", "beta", "delta", "gamma"]
    assert set(answer["feeds"][0]) == {
        "id", "title", "description", "link", "url", "kind", "state", "last_checked", "last_success", "next_check",
        "items", "merged", "newest", "error",
    }  # fmt: skip
    assert answer["feeds"][3]["error"] == {"code": "http_status", "detail": "The server answered 500."}
    assert answer["feeds"][0]["url"].endswith("?key=…")
    first = api.ask("/v1/feeds?size=2")
    assert re.search(r'/v1/feeds\?size=2&cursor=[^>]+>; rel="next"', first.headers["link"])
    remaining = api.ask(target("/v1/feeds", size=200, cursor=first.json()["next"])).json()
    assert [feed["id"] for feed in remaining["feeds"]] == ["beta", "delta", "gamma"]
    assert remaining["next"] is None
    assert [feed["id"] for feed in api.ask("/v1/feeds?state=failing").json()["feeds"]] == ["delta"]
    for bad, param in (("state=up", "state"), ("size=0", "size"), ("cursor=x", "cursor"), ("q=x", "q")):
        assert api.ask(f"/v1/feeds?{bad}").json()["errors"][0]["param"] == param
    assert api.ask("/v1/feeds?state=up").json()["errors"][0]["allowed"] == "ok, stale, failing, paused, never, archive"


@contract.covers("O4")
def test_feed_has_its_fetches_and_gaps(api) -> None:
    feed = api.ask("/v1/feeds/beta").json()
    assert feed["fetches"] == [
        {"time": "2025-11-24T11:00:00Z", "status": 200, "bytes": 1234, "new": 3, "changed": 0, "unchanged": 0,
            "merged": None, "error": None, "took_ms": 56}
    ]  # fmt: skip
    assert feed["gaps"] == [{"feed": "beta", "from": "2025-05-01T00:00:00Z", "to": "2025-05-02T00:00:00Z"}]
    assert api.ask("/v1/feeds/delta").json()["gaps"][0]["to"] is None


@contract.covers("O5")
def test_status_reports_engine_items_and_feeds(api) -> None:
    whole = api.ask("/v1/status").json()
    assert whole["engine"]["name"] == "tantivy"
    assert whole["engine"]["healthy"] is True
    assert (whole["items"], whole["generation"], whole["behind"], whole["missing"]) == (len(ITEMS), 1, 1, 0)
    assert whole["feeds"] == {"ok": 3, "stale": 1, "failing": 1, "paused": 0, "never": 0, "archive": 0}
    assert whole["newest"] == "2025-06-01T00:00:00Z"


@contract.covers("O9")
def test_health_is_that_of_the_last_request_to_the_engine(settings, clock) -> None:
    engine = Broken(EngineUnavailableError("away"))
    for api in (
        OverHttp(App(settings, clock=clock, engine=engine)),
        AsEvents(App(settings, clock=clock, engine=engine)),
    ):
        assert (api.ask("/healthz").status, api.ask("/healthz").json()) == (200, {"status": "ok"})
        assert api.ask("/v1/search?q=x").status == 503
        assert (api.ask("/healthz").status, api.ask("/healthz").json()["code"]) == (503, "engine_unavailable")
        assert api.ask("/healthz?x=1").status == 400
        api.close()


@contract.covers("O6")
def test_openapi_lists_routes_and_parameters(api) -> None:
    document = api.ask("/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    assert {"/v1/search", "/v1/items", "/v1/items/{item_id}", "/v1/feeds", "/v1/feeds/{feed_id}", "/v1/status"} <= set(
        document["paths"]
    )
    names = {parameter["name"] for parameter in document["paths"]["/v1/search"]["get"]["parameters"]}
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
        response = api.ask(path)
        assert (response.status, response.headers["content-type"]) == (200, "text/html; charset=utf-8")
        assert shown in response.body.decode()
        assert api.ask(f"{path}?nope=1").body == response.body
        assert api.ask(f"{path}?tz=").status == 303
    assert api.ask("/?feed=alpha&feed=beta").headers["location"] == "./?feed=alpha,beta"


@contract.covers("O8")
def test_items_by_id_have_no_score_and_no_highlights(api) -> None:
    one = api.ask(f"/v1/items/{ITEMS[0].id}").json()
    (other,) = api.ask(f"/v1/items?ids={ITEMS[0].id}").json()["items"]
    assert one == other
    assert not {"score", "highlights"} & set(one)


@contract.covers("O1", "S18")
def test_withdrawn_item_is_gone_with_when_and_why(events, app) -> None:
    gone = ITEMS[1]
    app.engine.publish_withdrawals([Withdrawal(gone.id, gone.feed, at("2025-11-24"), "A court order.")])
    app.engine.delete_items([ItemDeletion(gone.id, 9)], 1)
    response = events.ask(f"/v1/items/{gone.id}")
    problem = response.json()
    assert (response.status, problem["status"], problem["code"]) == (410, 410, "withdrawn")
    assert problem["detail"] == f"The item {gone.id} was withdrawn at 2025-11-24T00:00:00Z: A court order."
    assert events.ask(f"/v1/items?ids={gone.id}").json()["not_found"] == [gone.id]
    assert events.ask("/v1/items/none").status == 404
