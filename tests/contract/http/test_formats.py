"""Test docs/api.md: feeds and tables."""

import csv
import json
import re

import msgspec
import pytest

from newswire.app import App
from newswire.clock import DAY
from newswire.model import ItemWrite
from tests.conftest import NOON
from tests.contract.http.asking import found, target, wrong
from tests.contract.http.contract import contract
from tests.contract.http.library import ITEMS, item
from tests.support.present import present
from tests.support.transports import AsEvents, OverHttp

FEEDS = ("rss", "atom", "jsonfeed")
TABLES = ("csv", "ndjson")
LINKS = {"rss": r'rel="{}" type="[^"]*" href="([^"]*)"', "atom": r'rel="{}" type="[^"]*" href="([^"]*)"'}


def link_of(form: str, body: bytes, rel: str) -> str:
    """Return the address that a feed has for itself (`self`) or its next page (`next`)."""
    if form == "jsonfeed":
        return json.loads(body)[{"self": "feed_url", "next": "next_url"}[rel]]
    return present(re.search(LINKS[form].format(rel), body.decode()))[1].replace("&amp;", "&")


def rows(api, **parameters) -> list[dict[str, str]]:
    body = api.ask(target(format="csv", **parameters)).body.decode()
    return list(csv.DictReader(body.splitlines(keepends=True)))


@contract.covers("F1", "F5", "F6")
@pytest.mark.parametrize("form", FEEDS)
def test_feed_is_valid_and_has_whole_items(api, form: str) -> None:
    body = api.ask(f"/v1/search?format={form}&size=200&q=submarine").body
    expected = f"urn:newswire:item:{ITEMS[2].id}"
    if form == "jsonfeed":
        feed = json.loads(body)
        assert feed["version"] == "https://jsonfeed.org/version/1.1"
        assert [(item["id"], item["content_text"]) for item in feed["items"]] == [(expected, ITEMS[2].content)]
        return
    import feedparser

    feed = feedparser.parse(body)
    assert feed.bozo is False
    assert feed.version == {"rss": "rss20", "atom": "atom10"}[form]
    assert [(entry.id, entry.content[0].value) for entry in feed.entries] == [(expected, ITEMS[2].content.strip())]


@contract.covers("F2", "F3", "F4")
@pytest.mark.parametrize("form", FEEDS)
def test_feed_names_itself_and_its_next_page(api, library, form: str) -> None:
    response = api.ask(f"/v1/search?format={form}&size=2")
    origin = api.address if isinstance(api, OverHttp) else "https://abc123.execute-api.eu-west-1.amazonaws.com/live"
    assert link_of(form, response.body, "self").startswith(f"{origin}/v1/search?format={form}")
    following = link_of(form, response.body, "next")
    assert following.startswith(f"{origin}/v1/search?")
    assert api.ask(following.removeprefix(origin)).headers["content-type"] == response.headers["content-type"]
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
        response = api.ask(f"/v1/search?format={form}&feed=alpha")
        assert response.headers["last-modified"] == "Mon, 26 May 2025 13:00:00 GMT"
        assert response.headers["etag"].startswith('W/"')
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
    response = api.ask(f"/v1/search?format={form}&size=3")
    ids = [item["id"] for item in found(api, size=3)["items"]]
    if form == "csv":
        assert [item["id"] for item in rows(api, size=3)] == ids
    else:
        assert [json.loads(line)["id"] for line in response.body.decode().splitlines()] == ids
    assert response.headers["x-total-count"] == str(len(ITEMS))
    assert response.headers["x-coverage"] == "partial"
    assert 'rel="next"' in response.headers["link"]
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


@contract.covers("F22")
@pytest.mark.parametrize(("text", "cell"), [("a; =1", "a;' =1"), ("a\t+1", "a\t'+1"), ("a;b;@x", "a;b;'@x")])
def test_part_of_a_csv_cell_never_starts_a_formula(events, app, text: str, cell: str) -> None:
    app.engine.index([ItemWrite(item("one", title=text), 1)], 1)
    body = events.ask("/v1/search?format=csv&fields=title").body.decode()
    (_head, (_id, title)) = csv.reader(body.splitlines(keepends=True))
    assert title == cell


@contract.covers("F20", "F21")
def test_feed_over_4_mb_has_fewer_items_and_continues(events, app) -> None:
    app.engine.index([ItemWrite(item(f"n{n}", content="&" * 200_000), 1) for n in range(20)], 1)
    following, ids = "/v1/search?format=rss&size=20&sort=newest", []
    while following:
        response = events.ask(following)
        assert len(response.body) <= 4_000_000
        ids += re.findall(r"urn:newswire:item:(\w+)", response.body.decode())
        following = (
            "/v1/" + link_of("rss", response.body, "next").split("/v1/")[1] if b'rel="next"' in response.body else ""
        )
    assert sorted(ids) == sorted(item(f"n{n}").id for n in range(20))
