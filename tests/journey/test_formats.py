"""Test search results as feeds and tables: they are valid, link to themselves and read back unchanged."""

import csv
import io
import json
import xml.etree.ElementTree as ET
from urllib.parse import parse_qs, urlsplit

import feedparser
import msgspec
import pytest

from newswire.app import App
from newswire.clock import to_rfc3339
from newswire.engines import SearchEngine
from newswire.engines.query import SearchQuery
from newswire.ingest.poll import run_batches
from newswire.model import Batch, Enclosure, Feed, ItemWrite
from tests.conftest import NOON
from tests.factories import item
from tests.support.feed_server import Answer
from tests.support.transports import AsEvents

FEEDS = ("rss", "atom", "jsonfeed")
TABLES = ("csv", "ndjson")
ATOM = "{http://www.w3.org/2005/Atom}"
TYPES = {
    "rss": "application/rss+xml; charset=utf-8",
    "atom": "application/atom+xml; charset=utf-8",
    "jsonfeed": "application/feed+json; charset=utf-8",
    "csv": "text/csv; charset=utf-8; header=present",
    "ndjson": "application/x-ndjson; charset=utf-8",
}


def stories() -> list:
    """Return items whose text a format must escape."""
    change, (one, two, three, four, five) = msgspec.structs.replace, (item(n) for n in range(1, 6))
    return [
        change(
            one,
            title="<b>bold</b> & \"quoted\" 'x' ]]> &amp; 5 < 6",
            image="https://a.example/p.jpg?a=1&b=2",
            enclosures=(
                Enclosure("https://a.example/1.mp3", "audio/mpeg", 4096),
                Enclosure("https://a.example/é", "", None),
            ),
            summary="<p>a &lt; b</p>",
            lang="en",
        ),
        change(
            two,
            title="Łódź 雪 😀",
            summary="short & <sweet>",
            content="whole text & <more>",
            link="",
            authors=("A & B", 'C "d"'),
        ),
        change(
            three,
            title="",
            summary="only a summary",
            published=NOON - 1_234,
            categories=("R&D", "x;y"),
        ),
        change(four, title="=1+2", summary="@cmd", content="both", updated=NOON - 5_000),
        change(five, title="\uff1dfull", summary="+1 line break", published=-5_300_000_000_000),
    ]


@pytest.fixture
def api(app) -> AsEvents:
    app.engine.index([ItemWrite(story, 1) for story in stories()], 1)
    app.engine.refresh()
    return AsEvents(app)


def target_of(url: str) -> str:
    """Return the API target of an absolute URL, without the stage of API Gateway."""
    parts = urlsplit(url)
    return f"{parts.path.removeprefix('/live')}?{parts.query}"


def all_items(engine: SearchEngine) -> dict:
    return {hit.item.id: hit.item for hit in engine.search(SearchQuery(size=200, with_content=True)).hits}


@pytest.mark.parametrize("form", [*FEEDS, *TABLES])
def test_each_format_has_its_content_type_and_total(api, form: str) -> None:
    response = api.ask(f"/v1/search?format={form}&size=2")
    assert (response.status, response.headers["content-type"]) == (200, TYPES[form])
    assert response.headers["x-total-count"] == "5"
    assert response.headers["x-coverage"] == "ok"
    assert 'rel="next"' in response.headers["link"]


@pytest.mark.parametrize("form", FEEDS)
def test_feeds_are_read_back_with_the_same_items(api, app, form: str) -> None:
    body = api.ask(f"/v1/search?format={form}").body
    expected = all_items(app.engine)
    if form == "jsonfeed":
        results = {item["id"]: (item.get("title", ""), item["date_published"]) for item in json.loads(body)["items"]}
    else:
        ET.fromstring(body)
        parsed = feedparser.parse(body, sanitize_html=False)
        assert parsed.bozo is False
        results = {entry.id: (entry.get("title", ""), None) for entry in parsed.entries}
    assert results.keys() == {f"urn:newswire:item:{id_}" for id_ in expected}
    for id_, (title, published) in results.items():
        original = expected[id_.rpartition(":")[2]]
        assert published in {None, to_rfc3339(original.published)}
        if form != "rss":  # there it is markup, which feedparser does not decode
            assert title == original.title


@pytest.mark.parametrize("form", FEEDS)
def test_polling_our_own_feed_gives_the_same_items(api, app, another, server, tmp_path, form: str) -> None:
    """Texts, instants and links stay the same; ids differ, because they depend on the feed."""
    url = server.url("/ours")
    server.answers["/ours"] = Answer(
        body=api.ask(f"/v1/search?format={form}").body, headers={"Content-Type": TYPES[form]}
    )
    second: App = another(data=str(tmp_path / "second"))
    second.feeds.put(Feed(id="ours", url=url), second.clock())
    run_batches(second, [Batch(("ours",))])
    second.engine.refresh()

    def kept(items) -> set:
        return {
            (
                item.title,
                item.link,
                item.summary or item.content,
                item.content,
                item.published,
                item.authors,
                item.categories,
                item.lang,
            )
            for item in items
        }

    assert kept(all_items(second.engine).values()) == kept(all_items(app.engine).values())


@pytest.mark.parametrize("form", FEEDS)
def test_feed_links_to_itself_and_its_next_page(api, form: str) -> None:
    response = api.ask(f"/v1/search?format={form}&size=2&sort=newest&from=0001-01-01")
    if form == "jsonfeed":
        feed = json.loads(response.body)
        self_, following = feed["feed_url"], feed["next_url"]
    else:
        links = {link.get("rel"): link.get("href") for link in ET.fromstring(response.body).iter(f"{ATOM}link")}
        self_, following = links["self"], links["next"]
    assert parse_qs(urlsplit(self_).query)["format"] == [form]
    seen = 2
    while following:
        page = api.ask(target_of(following))
        assert (page.status, page.headers["content-type"]) == (200, TYPES[form])
        if form == "jsonfeed":
            feed = json.loads(page.body)
            seen, following = seen + len(feed["items"]), feed.get("next_url")
        else:
            root = ET.fromstring(page.body)
            seen += len([*root.iter("item"), *root.iter(f"{ATOM}entry")])
            following = {link.get("rel"): link.get("href") for link in root.iter(f"{ATOM}link")}.get("next")
    assert seen == 5


@pytest.mark.parametrize("form", FEEDS)
def test_feed_links_ignore_the_host_header(api, form: str) -> None:
    body = api.ask(f"/v1/search?format={form}&size=1", headers={"Host": "evil.example"}).body.decode()
    assert "evil.example" not in body
    assert "https://abc123.execute-api.eu-west-1.amazonaws.com/live/v1/search?" in body


def test_link_header_over_2000_bytes_is_left_out(api) -> None:
    """The API Gateway URL counts as well: at no length is a longer header sent."""
    lengths = []
    for count in range(150, 260):
        feeds = ",".join(f"-x{n:05d}" for n in range(count))
        lengths.append(len(api.ask(f"/v1/search?size=1&feed={feeds}").headers.get("link", "")))
    assert max(lengths) > 1_950
    assert max(lengths) <= 2_000
    assert 0 in lengths


def test_empty_result_is_a_valid_feed(api) -> None:
    for form in FEEDS:
        response = api.ask(f"/v1/search?format={form}&q=nothingofthekind")
        assert response.status == 200
        assert "last-modified" not in response.headers
        assert (
            json.loads(response.body)["items"] == [] if form == "jsonfeed" else ET.fromstring(response.body) is not None
        )


@pytest.mark.parametrize("form", FEEDS)
def test_current_validators_give_304(api, app, clock, form: str) -> None:
    target = f"/v1/search?format={form}"
    response = api.ask(target)
    clock.go(hours=5)
    assert api.ask(target, headers={"If-None-Match": response.headers["etag"]}).status == 304
    assert api.ask(target, headers={"If-Modified-Since": response.headers["last-modified"]}).status == 304
    other = {"If-None-Match": '"other"', "If-Modified-Since": response.headers["last-modified"]}
    assert api.ask(target, headers=other).status == 200, "an entity tag counts more than a date"
    app.engine.index([ItemWrite(msgspec.structs.replace(item(9, "New"), changed=NOON), 1)], 1)
    app.engine.refresh()
    for name, value in (
        ("If-None-Match", response.headers["etag"]),
        ("If-Modified-Since", response.headers["last-modified"]),
    ):
        assert api.ask(target, headers={name: value}).status == 200
    tags = {api.ask(f"/v1/search?format={form}").headers["etag"] for form in FEEDS}
    assert len(tags) == len(FEEDS)


def test_table_has_a_row_per_item_and_a_column_per_field(api) -> None:
    rows = list(csv.DictReader(io.StringIO(api.ask("/v1/search?format=csv").body.decode(), newline="")))
    assert len(rows) == 5
    assert {"id", "title", "published", "age", "authors"} <= rows[0].keys()
    assert "content" not in rows[0]
    assert any(row["authors"] == 'A & B; C "d"' for row in rows)
    few = api.ask("/v1/search?format=csv&fields=title,published&size=1").body.decode()
    assert few.splitlines()[0] == "id,title,published"
    lines = [json.loads(line) for line in api.ask("/v1/search?format=ndjson").body.decode().splitlines()]
    assert {line["id"] for line in lines} == {row["id"] for row in rows}


def test_cells_are_never_formulas(api) -> None:
    rows = list(
        csv.reader(io.StringIO(api.ask("/v1/search?format=csv&fields=title,summary,content").body.decode(), newline=""))
    )
    cells = [cell for row in rows for cell in row]
    assert {"'=1+2", "'@cmd", "'\uff1dfull"} <= set(cells)
    for cell in cells:
        assert not cell.startswith(("\t", "\r"))
        assert not cell.lstrip().startswith(("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20"))


@pytest.mark.parametrize("form", [*FEEDS, *TABLES])
@pytest.mark.parametrize("what", ["facets=feed", "histogram=day", "fields=title", "highlight=title"])
def test_parameters_a_format_cannot_show_are_refused(api, form: str, what: str) -> None:
    response = api.ask(f"/v1/search?format={form}&{what}")
    has_place = form in TABLES and what.startswith(("fields", "highlight"))
    assert response.status == (200 if has_place else 400)
    if not has_place:
        assert [error["code"] for error in response.json()["errors"]] == ["conflict"]


def test_oversized_feed_is_split_into_pages(app) -> None:
    many = [msgspec.structs.replace(item(n), content="&" * 200_000, title=str(n)) for n in range(20)]
    app.engine.index([ItemWrite(value, 1) for value in many], 1)
    app.engine.refresh()
    api, seen = AsEvents(app), []
    target: str | None = "/v1/search?format=rss&size=20&sort=newest"
    while target:
        response = api.ask(target)
        assert len(response.body) <= 4_000_000
        root = ET.fromstring(response.body)
        seen += [int(entry.findtext("title", "")) for entry in root.iter("item")]
        following = {value.get("rel"): value.get("href") for value in root.iter(f"{ATOM}link")}.get("next")
        target = following and target_of(following)
    assert sorted(seen) == list(range(20))
