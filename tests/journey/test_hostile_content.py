"""Test that feed content stays text on every page and in every format: nothing in it is executed."""

import csv
import io
import json
import random
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, urlsplit

import msgspec
import pytest

from newswire.app import App
from newswire.engines import SearchEngine
from newswire.engines.query import SearchQuery
from newswire.ingest.poll import run_batches
from newswire.model import Batch, Feed, ItemWrite
from newswire.search.parameter_reader import quoted_list
from newswire.settings import Settings
from tests.conftest import HandClock
from tests.factories import item
from tests.support.browser import Reading
from tests.support.feed_server import Answer, FeedServer
from tests.support.formats import assert_valid
from tests.support.newsroom import FEEDS, furnish
from tests.support.pages import Page
from tests.support.run_folder import made_once
from tests.support.transports import AsEvents, OverHttp

SCRIPTS = (
    "<script>alert(1)</script>",
    "</title></script><script>alert(2)</script>",
    '"><img src=x onerror=alert(3)>',
    "'><svg/onload=alert(4)>",
    "' onfocus=alert(5) autofocus='",
    "javascript:alert(6)",
    "{{ 7 * 7 }}{% raw %}",
    "<!--<script>alert(8)//-->",
    "&lt;script&gt;alert(9)&lt;/script&gt;",
    "]]><script>alert(10)</script>",
    "<iframe srcdoc='<script>alert(11)</script>'></iframe>",
    "<link rel=stylesheet href=http://127.0.0.2:9/x.css>",
    "<base href=http://127.0.0.2:9/>",
    "<meta http-equiv=refresh content=0;url=http://127.0.0.2:9/>",
    "<mark>\u202egnp.exe</mark>\u2028\u2029\x00\x0b\ufeff\ufffe",
    '=HYPERLINK("http://127.0.0.2:9/","x")',
    " +1+cmd|' /C calc'!A0",
    "\t=1+1",
    "\r@SUM(1)",
    "\uff0b1",
)
FORMATS = ("rss", "atom", "jsonfeed", "csv", "ndjson")


@pytest.fixture(scope="module")
def everything(shared) -> Iterator[App]:
    """Yield a newswire that has polled every attack document, every fixture and every real feed once: for reading only."""
    folder = made_once("everything", lambda folder: poll_everything(shared, folder))
    app = App(polling_settings(folder), clock=HandClock())
    yield app
    app.close()


def polling_settings(folder: Path) -> Settings:
    return Settings(
        data=str(folder / "data"),
        feeds=str(folder / "none.toml"),
        fetch_allow_private=True,
        fetch_ports="",
        stale_grace_seconds=10**9,
    )


def poll_everything(shared: Path, folder: Path) -> None:
    clock, server = HandClock(), FeedServer()
    app = App(polling_settings(folder), clock=clock)
    ids = []
    for number, line in enumerate((shared / "feeds" / "index.jsonl").read_text().splitlines()):
        row = json.loads(line)
        server.answers[f"/{number}"] = Answer(body=(shared / "feeds" / row["path"]).read_bytes())
        ids.append(f"{row['kind']}-{number}")
        app.feeds.put(Feed(id=ids[-1], url=server.url(f"/{number}")), clock())
    run_batches(app, [Batch(tuple(ids), now=True)])
    server.close()
    app.close()


@pytest.fixture
def poisoned(app, server, clock) -> App:
    """Return a newswire whose index holds scripts in every text field, stored without cleaning."""
    furnish(app, server, clock)
    writes = [
        msgspec.structs.replace(
            item(number),
            id=f"{number:032x}",
            feed=FEEDS[number % 3],
            title=script,
            summary=script,
            content=f"{script} {script}",
            link=script if number % 2 else f"http://x.example/{script}",
            authors=(script,),
            categories=(script, f"-{script}"),
            lang=script[:20],
            published_raw=script,
            published_source=script,
        )
        for number, script in enumerate(SCRIPTS)
    ]
    app.engine.index([ItemWrite(write, 9) for write in writes], 1)
    app.engine.refresh()
    app.engine.publish(
        msgspec.structs.replace(
            status,
            rev=status.rev + 1,
            title=SCRIPTS[n],
            description=SCRIPTS[n + 3],
            link=SCRIPTS[5],
            url=SCRIPTS[0],
            error=SCRIPTS[2],
            paused=SCRIPTS[1] if n == 1 else None,
        )
        for n, status in enumerate(app.engine.statuses())
    )
    return app


def ids_in(engine: SearchEngine) -> dict[str, str]:
    """Return the feed of each item, by item id."""
    feeds: dict[str, str] = {}
    after = None
    while True:
        page = engine.search(SearchQuery(size=200, after=after))
        feeds |= {hit.item.id: hit.item.feed for hit in page.hits}
        if (after := page.next) is None:
            return feeds


def pages_on(app: App, target: str) -> Iterator[tuple[str, bytes]]:
    """Yield a page and all following pages, by their links or Link headers."""
    api = AsEvents(app)
    while target:
        response = api.ask(target)
        assert response.status == 200, (target, response.body[:300])
        yield target, response.body
        if response.headers["content-type"].startswith("text/html"):
            following = [link for link in Page(response.body).links if "cursor=" in link]
            target = target.partition("?")[0] + following[-1] if following else ""
        else:
            parts = urlsplit(response.headers.get("link", "")[1:].partition(">")[0])
            target = f"{parts.path.removeprefix('/live')}?{parts.query}" if parts.query else ""


def assert_well_formed(form: str, body: bytes) -> None:
    if form in {"rss", "atom", "jsonfeed"}:
        assert_valid(form, body)
    elif form == "ndjson":
        for line in body.decode().splitlines():
            json.loads(line)
    else:
        for row in csv.reader(io.StringIO(body.decode(), newline=""), strict=True):
            for cell in row:
                assert not cell.startswith(("\t", "\r")), cell
                assert not cell.lstrip().startswith(("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")), cell


def test_pages_of_all_feeds_are_inert(everything) -> None:
    feeds = [status.id for status in everything.engine.statuses()]
    assert len(feeds) > 350
    for start in ("/?size=200", *(f"/feeds/{feed}" for feed in feeds)):
        for _target, body in pages_on(everything, start):
            Page(body)
    feed_by_id = ids_in(everything.engine)
    assert len(feed_by_id) > 3_000
    some = set(random.Random(3).sample(sorted(feed_by_id), 300))
    chosen = [id_ for id_, feed in feed_by_id.items() if feed.startswith("attack") or id_ in some]
    for id_ in chosen:
        response = AsEvents(everything).ask(f"/items/{quote(id_)}")
        assert response.status == 200
        Page(response.body)


@pytest.mark.parametrize("form", FORMATS)
def test_formats_of_all_feeds_are_well_formed(everything, form: str) -> None:
    count = 0
    for _target, body in pages_on(everything, f"/v1/search?format={form}&size=200&sort=newest"):
        assert_well_formed(form, body)
        count += 1
    assert count >= 15


@pytest.mark.parametrize("form", FORMATS)
def test_formats_with_scripts_are_well_formed(poisoned, form: str) -> None:
    for _target, body in pages_on(poisoned, f"/v1/search?format={form}&size=200&sort=newest"):
        assert_well_formed(form, body)


def test_scripts_in_any_field_stay_text_in_a_browser(chromium, poisoned) -> None:
    served = OverHttp(poisoned)
    window = Reading(chromium, served.address)
    try:
        targets = [
            "/?size=200",
            "/?q=script+OR+alert&size=200&feed=courrier",
            *(f"/feeds/{feed}?size=100" for feed in FEEDS),
        ]
        targets += [f"/items/{number:032x}" for number in range(len(SCRIPTS))]
        for target in targets:
            assert window.open(target).locator("main").inner_text()
        for script in SCRIPTS:
            if "\x00" not in script:  # may give 400: an unbalanced quote in a list is refused
                window.open(f"/?q={quote(script)}&author={quote(quoted_list([script.strip()]))}", None)
        page = window.open(f"/items/{0:032x}")
        assert page.locator("h1").inner_text() == SCRIPTS[0]
        page = window.open("/items/" + f"{6:032x}")
        assert page.locator("h1").inner_text() == SCRIPTS[6]
    finally:
        window.close()
        served.close()


def test_no_feed_runs_scripts_in_a_browser(chromium, everything) -> None:
    served = OverHttp(everything)
    window = Reading(chromium, served.address)
    feed_by_id = ids_in(everything.engine)
    try:
        targets = [target for target, _ in pages_on(everything, "/?size=200")]
        feeds = [status.id for status in everything.engine.statuses()]
        targets += [f"/feeds/{feed}?size=100" for feed in feeds if feed.startswith("attack")]
        targets += [f"/feeds/{feed}?size=100" for feed in random.Random(5).sample(feeds, 40)]
        targets += [f"/items/{id_}" for id_, feed in feed_by_id.items() if feed.startswith("attack")]
        targets += [f"/items/{id_}" for id_ in random.Random(6).sample(sorted(feed_by_id), 40)]
        for target in targets:
            window.open(target)
    finally:
        window.close()
        served.close()
