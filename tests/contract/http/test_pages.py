"""Test docs/api.md: the pages."""

import re

from newswire.app import App
from newswire.errors import EngineUnavailableError
from newswire.model import ItemWrite
from tests.contract.http.asking import found, target
from tests.contract.http.broken import Broken
from tests.contract.http.contract import contract
from tests.contract.http.library import ITEMS, item
from tests.support.present import present
from tests.support.transports import GATEWAY_ID, AsEvents


@contract.covers("H1", "H2", "H3", "H4", "H5")
def test_search_page_takes_the_parameters_of_a_search(api) -> None:
    sent = {"q": "air OR drill", "match": "any", "from_": "2025", "to": "2025-12", "tz": "Europe/Brussels",
            "date_field": "changed", "feed": "beta,gamma", "category": "-x", "author": "-y", "lang": "-de",
            "sort": "oldest", "size": "2"}  # fmt: skip
    first = found(api, **sent)
    for more in ({}, {"cursor": first["next"]}):
        ids = [item["id"] for item in found(api, **sent, **more)["items"]]
        page = api.ask(target("/", **sent, **more))
        assert page.status == 200
        assert list(dict.fromkeys(re.findall(r'href="\./items/([0-9a-f]{32})', page.body.decode()))) == ids
        assert api.ask(target("/", **sent, **more)).body == page.body
    for name in ("match", "from", "to", "tz", "date_field", "sort", "size", "cursor"):
        assert api.ask(f"/?{name}=wrong!").status == 400, name


@contract.covers("H6")
def test_cursor_is_valid_for_page_and_search(api) -> None:
    page = api.ask("/?size=2").body.decode()
    cursor = present(re.search(r"cursor=([\w-]+)", page))[1]
    ids = [item["id"] for item in found(api, size=2, cursor=cursor)["items"]]
    assert ids == [item["id"] for item in found(api, size=4)["items"]][2:]
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
    cursor = present(re.search(r"cursor=([\w-]+)", page))[1]
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
        response = api.ask(path, headers=headers)
        assert (response.status, response.headers["content-type"]) == (status, "text/html; charset=utf-8")
        assert re.fullmatch(f"[0-9a-f]{{32}}|{GATEWAY_ID}", response.headers["x-request-id"])
    assert api.ask("/nowhere", headers=program).json()["code"] == "not_found"
    for path in ("/v1", "/v1/nowhere", "/v1/search?q=", "/v1/feeds/none"):
        assert api.ask(path, headers=browser).headers["content-type"] == "application/problem+json; charset=utf-8"


@contract.covers("H10")
def test_page_of_an_unavailable_engine_has_retry_after(settings, clock) -> None:
    app = App(settings, clock=clock, engine=Broken(EngineUnavailableError("down")))
    response = AsEvents(app).ask("/")
    assert (response.status, response.headers["content-type"]) == (503, "text/html; charset=utf-8")
    assert "retry-after" in response.headers


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

    response = api.ask("/?q=air")
    body = response.body.decode()
    policy = dict(line.split(" ", 1) for line in response.headers["content-security-policy"].split("; "))
    assert policy["default-src"] == "'none'"
    assert set(policy.values()) == {"'none'", "'self'"}
    files = set(re.findall(r'(?:src|href)="\./(assets/[^"]+)"', body))
    assert len(files) == 3
    for name in files:
        asset = api.ask(f"/{name}")
        assert asset.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert present(re.search(r"[0-9a-f]{8,}", name))[0] in hashlib.sha256(asset.body).hexdigest()
    assert all("src=" in tag for tag in re.findall(r"<script[^>]*>", body))
    assert re.search(r'<form [^>]*action="\./"', body)
    assert f"items/{ITEMS[1].id}" in body
