"""Test a thousand real items in each format: every page is valid and keeps ids, titles and dates."""

import calendar
import csv
import gzip
import html
import io
import json
import random
from datetime import datetime
from pathlib import Path
from urllib.parse import urlsplit

import feedparser
import pytest

from newswire.app import App
from newswire.clock import from_datetime
from newswire.engines.query import SearchQuery
from newswire.ingest.backfill import load
from newswire.model import Item
from newswire.settings import Settings
from tests.support.formats import assert_valid
from tests.support.run_folder import made_once
from tests.support.timeline import LINES, timeline_file
from tests.support.transports import AsEvents

FEEDS = ("rss", "atom", "jsonfeed")
COUNT = 1_000
URN = "urn:newswire:item:"


@pytest.fixture(scope="module")
def thousand(shared):
    def make(folder: Path) -> None:
        chosen = set(random.Random(1).sample(range(LINES), COUNT))
        with gzip.open(timeline_file(shared).path, "rt") as lines:
            (folder / "some.jsonl").write_text("".join(line for n, line in enumerate(lines) if n in chosen))
        app = App(Settings(data=str(folder / "data"), feeds=str(folder / "none.toml")))
        load(app, [str(folder / "some.jsonl")], None)
        app.close()

    folder = made_once("thousand", make)
    app = App(Settings(data=str(folder / "data"), feeds=str(folder / "none.toml")))
    yield app
    app.close()


@pytest.fixture(scope="module")
def items(thousand) -> dict[str, Item]:
    results: dict[str, Item] = {}
    after = None
    while True:
        page = thousand.engine.search(SearchQuery(size=200, after=after))
        results |= {hit.item.id: hit.item for hit in page.hits}
        if (after := page.next) is None:
            return results


def pages_of(app, form: str) -> list[bytes]:
    """Return all pages of a search in a format, following the Link headers."""
    api, target, pages = AsEvents(app), f"/v1/search?format={form}&size=200&sort=newest", []
    while target:
        response = api.ask(target)
        assert response.status == 200
        pages.append(response.body)
        link = response.headers.get("link", "")
        parts = urlsplit(link[1:].partition(">")[0])
        target = f"{parts.path.removeprefix('/live')}?{parts.query}" if link else ""
    return pages


def whole_seconds(instant: int) -> int:
    return instant // 1000


@pytest.mark.parametrize("form", FEEDS)
def test_every_page_of_every_feed_is_valid(thousand, form: str) -> None:
    pages = pages_of(thousand, form)
    assert len(pages) == 5
    for body in pages:
        assert_valid(form, body)


@pytest.mark.parametrize("form", ["rss", "atom"])
def test_feedparser_reads_the_same_ids_titles_and_dates(thousand, items, form: str) -> None:
    seen: dict[str, feedparser.FeedParserDict] = {}
    for body in pages_of(thousand, form):
        parsed = feedparser.parse(io.BytesIO(body), sanitize_html=False)
        assert parsed.bozo is False
        seen |= {entry.id.removeprefix(URN): entry for entry in parsed.entries}
    assert seen.keys() == items.keys()
    for id_, entry in seen.items():
        title = html.unescape(entry.get("title", "")) if form == "rss" else entry.get("title", "")
        assert (title, entry.get("link", "")) == (items[id_].title, items[id_].link)
        assert calendar.timegm(entry.published_parsed) == whole_seconds(items[id_].published)


def test_json_feed_has_the_same_ids_titles_and_dates(thousand, items) -> None:
    seen = {
        entry["id"].removeprefix(URN): entry
        for body in pages_of(thousand, "jsonfeed")
        for entry in json.loads(body)["items"]
    }
    assert seen.keys() == items.keys()
    for id_, entry in seen.items():
        at = from_datetime(datetime.fromisoformat(entry["date_published"]))
        assert (entry.get("title", ""), entry.get("url", ""), at) == (
            items[id_].title,
            items[id_].link,
            items[id_].published,
        )


def test_tables_have_the_same_ids_titles_and_dates(thousand, items) -> None:
    rows = [row for body in pages_of(thousand, "csv") for row in csv.DictReader(io.StringIO(body.decode(), newline=""))]
    lines = [json.loads(line) for body in pages_of(thousand, "ndjson") for line in body.decode().splitlines()]
    assert {row["id"] for row in rows} == {line["id"] for line in lines} == items.keys()
    for row in rows:
        assert row["title"].removeprefix("'") == items[row["id"]].title.removeprefix("'")
    for line in lines:
        assert line["title"] == items[line["id"]].title


@pytest.mark.parametrize(
    ("form", "broken"),
    [
        ("atom", b"<feed xmlns='http://www.w3.org/2005/Atom'><id>urn:x</id><title>t</title></feed>"),
        ("rss", b"<rss version='2.0'><channel><title>t</title></channel></rss>"),
        ("jsonfeed", b'{"version": "https://jsonfeed.org/version/1.1", "title": "t", "items": [{"id": "1"}]}'),
    ],
)
def test_schemas_refuse_incomplete_documents(form: str, broken: bytes) -> None:
    with pytest.raises(AssertionError):
        assert_valid(form, broken)
