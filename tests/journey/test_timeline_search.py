"""Test the search over a year of real news: counts, complete walks and 100,000 hostile requests."""

import json
import random
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

import pytest

from newswire.app import App
from newswire.clock import from_datetime
from newswire.settings import Settings
from tests.conftest import ROOT
from tests.support.hostile import ZONES, costliest_requests, some_request
from tests.support.timeline import END_OF_2023, loaded_start_of_timeline, loaded_timeline, timeline_file
from tests.support.transports import AsEvents, Came, OverHttp

PARTS = 8
pytestmark = pytest.mark.long


class Year(NamedTuple):
    """The loaded year: its app, and the feed and the instant (ms) of each item in the file."""

    app: App
    items: list[tuple[str, int]]
    total: int


@pytest.fixture(scope="module")
def year(shared) -> Iterator[Year]:
    """Yield the year of the run: for reading only."""
    items = timeline_file(shared).items
    app = App(Settings(data=str(loaded_timeline(shared))), clock=lambda: END_OF_2023)
    yield Year(app, list(items.values()), len(items))
    app.close()


@pytest.fixture(scope="module")
def api(year):
    return AsEvents(year.app)


def ask(api, **sent) -> dict:
    response = api.ask(f"/v1/search?{urlencode({name.rstrip('_'): value for name, value in sent.items()})}")
    assert response.status == 200, response.body
    return response.json()


# --- counts ---


def local_days(items: list[tuple[str, int]], zone: str) -> Counter:
    """Count items by local date, calculated with Python's zoneinfo."""
    known_names = ZoneInfo(zone)
    return Counter(datetime.fromtimestamp(at / 1000, UTC).astimezone(known_names).date() for _feed, at in items)


@pytest.mark.parametrize("zone", ZONES)
def test_period_counts_match_the_file(year, api, zone: str) -> None:
    days = local_days(year.items, zone)
    of_2023 = {day: count for day, count in days.items() if day.year == 2023}
    for unit, name in (("day", "%Y-%m-%d"), ("week", "%G-W%V"), ("month", "%Y-%m")):
        expected: Counter = Counter()
        for day, count in of_2023.items():
            expected[day.strftime(name)] += count
        answer = ask(api, from_="2023", to="2023", tz=zone, histogram=unit, size=0)
        results: Counter = Counter()
        for bucket in answer["histogram"]:
            begins = datetime.fromisoformat(bucket["from"]).astimezone(ZoneInfo(zone))
            results[begins.strftime(name)] += bucket["count"]
        assert +results == expected
        assert sum(results.values()) == answer["total"]["value"]
        rng = random.Random(unit)
        for period in rng.sample(sorted(expected), 12):
            bounds = {"from_": period, "to": period} if unit != "week" or "W" in period else {}
            assert ask(api, **bounds, tz=zone, size=0)["total"]["value"] == sum(
                count for day, count in days.items() if day.strftime(name) == period
            )


def test_feed_counts_match_the_file(year, api) -> None:
    answer = ask(api, size=0, facets="feed:200")
    assert answer["total"]["value"] == year.total
    counted = {facet["value"]: facet["count"] for facet in answer["facets"]["feed"]["values"]}
    assert counted == Counter(feed for feed, _at in year.items)
    assert sum(counted.values()) + answer["facets"]["feed"]["other"] == year.total
    for feed in random.Random(3).sample(sorted(counted), 10):
        alone = ask(api, feed=feed, from_="2023-05", to="2023-05", size=0)["total"]["value"]
        start, end = (from_datetime(datetime(2023, month, 1, tzinfo=UTC)) for month in (5, 6))
        assert alone == sum(item == feed and start <= at < end for item, at in year.items)


@pytest.mark.parametrize("q", ["ukraine", "the OR a", '"prime minister"', "elect* -trump", "title:war", "wybory"])
def test_facets_and_histograms_add_up_to_the_total(api, q: str) -> None:
    answer = ask(api, q=q, size=0, facets="feed:3,lang:200,author,category", histogram="auto", from_="2023", to="2023")
    total = answer["total"]["value"]
    assert total > 0
    assert sum(value["count"] for value in answer["histogram"]) == total
    for name in ("feed", "lang"):  # at most one value per item
        facet = answer["facets"][name]
        assert sum(value["count"] for value in facet["values"]) + facet["other"] + facet["missing"] == total
    for value in answer["facets"]["feed"]["values"]:
        assert ask(api, q=q, feed=value["value"], from_="2023", to="2023", size=0)["total"]["value"] == value["count"]


# --- walks ---


def walk(api, each=None, **sent) -> list[str]:
    ids: list[str] = []
    more: dict[str, str] = {}
    while True:
        answer = ask(api, size=200, fields="id", **sent, **more)
        ids += [item["id"] for item in answer["items"]]
        if each is not None:
            each(len(ids))
        if answer["next"] is None:
            return ids
        more = {"cursor": answer["next"]}


@pytest.mark.parametrize("sort", ["newest", "oldest"])
def test_walk_gives_each_id_once(year, api, sort: str) -> None:
    ids = walk(api, sort=sort)
    assert len(ids) == len(set(ids)) == year.total


def test_relevance_walk_gives_10_000_distinct_items(api) -> None:
    for q in ("the", "ukraine OR war OR president OR minister OR city OR people OR police OR court", "in*"):
        ids = walk(api, q=q, sort="relevance")
        assert len(ids) == len(set(ids)) == 10_000, q


# --- hostile requests ---


def is_of_the_contract(came: Came, method: str) -> bool:
    if came.status not in {200, 303, 304, 400, 404, 405}:
        return False
    if method == "HEAD" or came.status == 304:
        return came.body == b""
    if came.headers["content-type"].startswith("text/html"):
        return came.status in {200, 400, 404, 405} or (came.status == 303 and "location" in came.headers)
    answer = json.loads(came.body)
    if came.status == 200:
        return len(came.body) <= 4_000_000
    return came.headers["content-type"].startswith("application/problem+json") and answer["status"] == came.status


@pytest.fixture(scope="module")
def start(shared) -> Iterator[App]:
    """Yield the first weeks of the year, in which the answer to a request takes a tenth of the time."""
    app = App(Settings(data=str(loaded_start_of_timeline(shared))), clock=lambda: END_OF_2023)
    yield app
    app.close()


@pytest.mark.parametrize("part", range(PARTS))
def test_100_000_hostile_requests_follow_the_contract(year, start, part: int) -> None:
    """Send one of the parts, each with requests of its own; `make bench` measures the latency of such requests.

    One in eight is asked over the whole year, one in twenty over HTTP.
    """
    rng = random.Random(20_231_124 + part)
    year_http, start_http = OverHttp(year.app), OverHttp(start)
    year_api, start_api = AsEvents(year.app), AsEvents(start)
    cursors: list[str] = []
    statuses: Counter = Counter()
    try:
        for number in range(100_000 // PARTS):
            target, method, headers = some_request(rng, cursors)
            over_http, api = (year_http, year_api) if number % 8 == 0 else (start_http, start_api)
            response = (over_http if number % 20 == 0 else api).ask(target, method, headers)
            statuses[response.status] += 1
            assert is_of_the_contract(response, method), (response.status, method, target, response.body[:500])
            if response.status == 200 and b'"next":"' in response.body and number % 7 == 0:
                cursors.append(response.json().get("next") or "x")
    finally:
        year_http.close()
        start_http.close()
    print(dict(statuses))
    assert statuses[200] > 20_000 // PARTS
    assert statuses[400] > 20_000 // PARTS


@pytest.mark.parametrize("target", costliest_requests())
def test_costliest_requests_get_complete_answers(api, target: str) -> None:
    answer = api.ask(target).json()
    assert len(answer["items"]) == 200
    assert sum(value["count"] for value in answer["histogram"]) == answer["total"]["value"]


@pytest.mark.parametrize(
    "raw",
    [
        b"GET /v1/search?q=%ff HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /v1/search?q=%c3%28 HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /v1/search?q=%zz HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /v1/search?q=\xc3\xa9 HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /v1/search?q=%00%01 HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /v1/items/%ff HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /v1/search?&&&=&=x&q HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /v1/search?q=a;b=c HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /v1/search?" + b"a" * 7000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /v1/search HTTP/1.1\r\nHost: \xff\xfe\r\nX-Odd: \x80\x81\r\n\r\n",
        b"GET http://evil.example/v1/search HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET * HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"BREW /v1/search HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"POST /v1/search HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\n\xff\xfe\xfd",
        b"GET /v1/search HTTP/9.9\r\nHost: localhost\r\n\r\n",
        b"rubbish\r\n\r\n",
    ],
)
def test_raw_bytes_never_give_500(year, raw: bytes) -> None:
    over_http = OverHttp(year.app)
    try:
        answer = over_http.raw(raw.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n", 1))
    finally:
        over_http.close()
    assert answer.split(b" ")[1] in {b"200", b"400", b"404", b"405"}, answer[:300]


# --- walks during writes ---


@pytest.mark.parametrize("sort", ["newest", "oldest"])
def test_walk_gives_each_id_once_during_writes(shared, tmp_path, sort: str) -> None:
    data = shutil.copytree(loaded_timeline(shared), tmp_path / "data")
    app = App(Settings(data=str(data)), clock=lambda: END_OF_2023)
    api = AsEvents(app)
    before = set(walk(api, sort=sort))
    rng = random.Random(sort)
    day = datetime(2023, 1, 1, tzinfo=UTC)
    running: list[subprocess.Popen] = []

    def add(walked: int) -> None:
        if walked % 40_000 or (running and running[-1].poll() is None):
            return
        lines = tmp_path / f"{walked}.jsonl"
        with lines.open("w") as file:
            for n in range(300):
                when = (day + timedelta(minutes=rng.randrange(525_000))).isoformat()
                # Every third line edits an item: the same guid and date, another title.
                guid = f"{sort}-{n % 3 and walked}-{n}"
                line = {"guid": guid, "title": f"Added {walked} {n}", "published": when if n % 3 else day.isoformat()}
                file.write(json.dumps(line) + "\n")
        command = [sys.executable, "-m", "newswire", "load", str(lines), "--feed", "added"]
        environment = {"NEWSWIRE_DATA": str(data), "PYTHONPATH": str(ROOT / "layers")}
        running.append(subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL))

    ids = walk(api, add, sort=sort)
    assert len(running) >= 3
    assert [value.wait() for value in running] == [0] * len(running)
    assert len(ids) == len(set(ids))
    assert before <= set(ids)
    app.close()
