"""The search over a year of real news: counted against the file, walked from end to end, and asked 100,000 bad questions."""

import json
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import NamedTuple
from urllib.parse import quote, urlencode
from zoneinfo import ZoneInfo

import pytest

from newswire.clock import from_datetime
from newswire.load import load
from newswire.settings import Settings
from newswire.wiring import Wired
from tests.conftest import ROOT
from tests.timeline import write_lines
from tests.transports import AsEvents, Came, OverHttp

ZONES = ("UTC", "Europe/Brussels", "America/New_York", "Asia/Kolkata", "Pacific/Auckland")
END_OF_2023 = from_datetime(datetime(2024, 1, 1, tzinfo=UTC))
pytestmark = pytest.mark.long


class Year(NamedTuple):
    """The loaded year: its edges, and the feed and instant of each item as the file has them."""

    wired: Wired
    items: list[tuple[str, int]]
    total: int


@pytest.fixture(scope="module")
def year(shared, tmp_path_factory) -> Iterator[Year]:
    folder = tmp_path_factory.mktemp("year")
    items = write_lines(shared, folder / "lines.jsonl.gz")
    wired = Wired(Settings(data=str(folder / "data")), clock=lambda: END_OF_2023)
    load(wired, [str(folder / "lines.jsonl.gz")], None)
    yield Year(wired, list(items.values()), len(items))
    wired.close()


@pytest.fixture(scope="module")
def api(year):
    return AsEvents(year.wired)


def ask(api, **sent) -> dict:
    came = api.ask(f"/v1/search?{urlencode({name.rstrip('_'): value for name, value in sent.items()})}")
    assert came.status == 200, came.body
    return came.json()


# --- counts ---


def local_days(items: list[tuple[str, int]], zone: str) -> Counter:
    """Count items by their local date, with Python's own arithmetic."""
    known = ZoneInfo(zone)
    return Counter(datetime.fromtimestamp(at / 1000, UTC).astimezone(known).date() for _feed, at in items)


@pytest.mark.parametrize("zone", ZONES)
def test_counts_per_day_week_and_month_are_those_of_the_file(year, api, zone: str) -> None:
    days = local_days(year.items, zone)
    of_2023 = {day: count for day, count in days.items() if day.year == 2023}
    for unit, name in (("day", "%Y-%m-%d"), ("week", "%G-W%V"), ("month", "%Y-%m")):
        wanted: Counter = Counter()
        for day, count in of_2023.items():
            wanted[day.strftime(name)] += count
        answer = ask(api, from_="2023", to="2023", tz=zone, histogram=unit, size=0)
        found: Counter = Counter()
        for bucket in answer["histogram"]:
            begins = datetime.fromisoformat(bucket["from"]).astimezone(ZoneInfo(zone))
            found[begins.strftime(name)] += bucket["count"]
        assert +found == wanted
        assert sum(found.values()) == answer["total"]["value"]
        rng = random.Random(unit)
        for period in rng.sample(sorted(wanted), 12):
            bounds = {"from_": period, "to": period} if unit != "week" or "W" in period else {}
            assert ask(api, **bounds, tz=zone, size=0)["total"]["value"] == sum(
                count for day, count in days.items() if day.strftime(name) == period
            )


def test_counts_per_feed_and_month_are_those_of_the_file(year, api) -> None:
    answer = ask(api, size=0, facets="feed:200")
    assert answer["total"]["value"] == year.total
    counted = {one["value"]: one["count"] for one in answer["facets"]["feed"]["values"]}
    assert counted == Counter(feed for feed, _at in year.items)
    assert sum(counted.values()) + answer["facets"]["feed"]["other"] == year.total
    for feed in random.Random(3).sample(sorted(counted), 10):
        alone = ask(api, feed=feed, from_="2023-05", to="2023-05", size=0)["total"]["value"]
        start, end = (from_datetime(datetime(2023, month, 1, tzinfo=UTC)) for month in (5, 6))
        assert alone == sum(one == feed and start <= at < end for one, at in year.items)


@pytest.mark.parametrize("q", ["ukraine", "the OR a", '"prime minister"', "elect* -trump", "title:war", "wybory"])
def test_facets_and_histograms_add_up(api, q: str) -> None:
    answer = ask(api, q=q, size=0, facets="feed:3,lang:200,author,category", histogram="auto", from_="2023", to="2023")
    total = answer["total"]["value"]
    assert total > 0
    assert sum(one["count"] for one in answer["histogram"]) == total
    for name in ("feed", "lang"):  # at most one value an item
        facet = answer["facets"][name]
        assert sum(one["count"] for one in facet["values"]) + facet["other"] + facet["missing"] == total
    for value in answer["facets"]["feed"]["values"]:
        assert ask(api, q=q, feed=value["value"], from_="2023", to="2023", size=0)["total"]["value"] == value["count"]


# --- walks ---


def walk(api, each=None, **sent) -> list[str]:
    ids: list[str] = []
    more: dict[str, str] = {}
    while True:
        answer = ask(api, size=200, fields="id", **sent, **more)
        ids += [one["id"] for one in answer["items"]]
        if each is not None:
            each(len(ids))
        if answer["next"] is None:
            return ids
        more = {"cursor": answer["next"]}


@pytest.mark.parametrize("sort", ["newest", "oldest"])
def test_a_walk_over_everything_gives_each_id_once(year, api, sort: str) -> None:
    ids = walk(api, sort=sort)
    assert len(ids) == len(set(ids)) == year.total


def test_relevance_gives_its_10_000_once_each_on_a_quiet_index(api) -> None:
    for q in ("the", "ukraine OR war OR president OR minister OR city OR people OR police OR court", "in*"):
        ids = walk(api, q=q, sort="relevance")
        assert len(ids) == len(set(ids)) == 10_000, q


# --- hostile requests ---

COMMON = [
    "the",
    "to",
    "of",
    "and",
    "in",
    "a",
    "for",
    "on",
    "is",
    "s",
    "with",
    "at",
    "after",
    "from",
    "as",
    "by",
    "it",
    "that",
    "his",
    "has",
    "was",
    "he",
    "be",
    "us",
    "are",
    "new",
    "says",
    "will",
    "who",
    "an",
    "have",
    "not",
    "over",
    "his",
    "more",
    "said",
]
ODD = ["\x00", "\ud7ff", "\ufeff", "\u202e", "💥", "𝕏", "é" * 30, "<script>", "'; DROP", "${jndi:x}", "../../etc/passwd",
       "%", "&&", "\\", '"', "(", ")", "*", "-", "–", ":", "title:", "feed:", "_exists_:x", "[a TO b]", "a~2", "a^9", "/.*/",
       "AND", "OR", "NOT", "北京", "カ", "서", "अ", "ก", "\u0301", "ﬀ", "İ", "ß"]  # fmt: skip
NAMES = ["q", "match", "from", "to", "tz", "date_field", "feed", "category", "author", "lang", "sort", "size", "cursor",
         "fields", "highlight", "facets", "histogram", "format"]  # fmt: skip
GOOD = {
    "match": ["all", "any"],
    "from": ["2023", "2023-05", "2023-W22", "2023-05-26", "2023-05-26T12:00", "P1Y", "now-400d", "0001", "yesterday"],
    "to": ["2023", "2024", "9999", "now", "today", "2023-05-26T12:00:00.5+05:45"],
    "tz": [*ZONES, "Pacific/Apia", "America/St_Johns", "Etc/GMT+12"],
    "date_field": ["published", "updated", "changed", "first_seen"],
    "feed": ["-x", "a,b,-c", '"a,b"', ",".join(f"-f{n}" for n in range(700))],
    "category": ["x", '"Defence, security"', ",".join(f"c{n}" for n in range(800))],
    "author": ["zoë müller", "-x"],
    "lang": ["en", "pl", "-en", "en,pl,de"],
    "sort": ["relevance", "newest", "oldest"],
    "size": ["0", "1", "20", "200"],
    "fields": ["id", "title,content", "content,highlights,age"],
    "highlight": ["title", "title,summary,content"],
    "facets": ["feed", "feed:200,lang:200,category:200,author:200"],
    "histogram": ["year", "month", "week", "day", "hour", "auto"],
    "format": ["json"],
}
PATHS = ["/v1/search", "/v1/items", "/v1/items/x", "/v1/feeds", "/v1/feeds/x", "/v1/status", "/openapi.json", "/", "/v1",
         "/v1/items/" + "x" * 300, "/v1/feeds/%00", "/%e5%8c%97", "//", "/v1/search/", "/v1/SEARCH"]  # fmt: skip


def some_query(rng: random.Random) -> str:
    kind = rng.randrange(10)
    some = rng.choices(COMMON, k=rng.randint(1, 64))
    return [
        lambda: " OR ".join(some)[:1000],
        lambda: " ".join(some),
        lambda: '"' + " ".join(rng.choices(COMMON, k=250)) + '"',
        lambda: " ".join(f"{word[:2]}*" for word in some[:9]),
        lambda: " ".join(f"-{word}" for word in some),
        lambda: "(" * rng.randint(0, 18) + " OR ".join(some[:5]) + ")" * rng.randint(0, 18),
        lambda: " ".join(f'"{a} {b}"' for a, b in pairwise(some)),
        lambda: " ".join(rng.choices(ODD, k=rng.randint(1, 40))),
        lambda: "".join(chr(rng.randrange(0x20, 0x3000)) for _ in range(rng.randint(1, 200))),
        lambda: (
            f"{rng.choice(NAMES)}:({some_word(rng)} {rng.choice(ODD)}) OR title:{some_word(rng)} -summary:{some_word(rng)}"
        ),
    ][kind]()


def some_word(rng: random.Random) -> str:
    return rng.choice(COMMON)


def some_request(rng: random.Random, cursors: list[str]) -> tuple[str, str, dict[str, str]]:
    path = "/v1/search" if rng.random() < 0.85 else rng.choice(PATHS)
    pairs: list[tuple[str, str]] = []
    if rng.random() < 0.9:
        pairs.append(("q", some_query(rng)))
    for name in rng.sample(NAMES[1:], rng.randint(0, 6)):
        if name == "cursor":
            value = rng.choice([*cursors[-50:], "x", "eyJ", "A" * 400, "lQLE" + "_" * 40]) if cursors else "lQLECGRZ"
        elif rng.random() < 0.85:
            value = rng.choice(GOOD[name])
        else:
            value = rng.choice(
                [*ODD, "", " ", "9" * 30, "-1", "1e9", ",", '"', "x" * 500, "P99999999Y", "2023-13", "now+1d"]
            )
        pairs.append((name, value))
    if rng.random() < 0.05:
        pairs.append(
            rng.choice([("nope", "1"), pairs[0] if pairs else ("q", "x"), ("ids", "a,b"), ("X-Amz-Date", "1")])
        )
    method = rng.choices(["GET", "HEAD", "POST", "DELETE", "OPTIONS"], [90, 6, 2, 1, 1])[0]
    headers = {"If-None-Match": rng.choice(["*", 'W/"x"', "rubbish," * 50])} if rng.random() < 0.1 else {}
    return f"{path}?{urlencode(pairs, quote_via=quote, safe='')}" if pairs else path, method, headers


def is_of_the_contract(came: Came, method: str) -> bool:
    if came.status not in {200, 304, 400, 404, 405}:
        return False
    if method == "HEAD" or came.status == 304:
        return came.body == b""
    if came.headers["content-type"].startswith("text/html"):
        return came.status == 200
    answer = json.loads(came.body)
    if came.status == 200:
        return len(came.body) <= 4_000_000
    return came.headers["content-type"].startswith("application/problem+json") and answer["status"] == came.status


def test_100_000_random_and_hostile_requests_are_answered_by_the_contract_within_a_second(year, api) -> None:
    """The second is of the contract; what took longer is asked again twice, since the machine does other things too."""
    rng = random.Random(20_231_124)
    over_http = OverHttp(year.wired)
    cursors: list[str] = []
    statuses: Counter = Counter()
    slowest: list[tuple[float, str]] = []
    for number in range(100_000):
        target, method, headers = some_request(rng, cursors)
        through = over_http if number % 5 == 0 else api
        started = time.perf_counter()
        came = through.ask(target, method, headers)
        taken = time.perf_counter() - started
        statuses[came.status] += 1
        assert is_of_the_contract(came, method), (came.status, method, target, came.body[:500])
        if came.status == 200 and b'"next":"' in came.body and number % 7 == 0:
            cursors.append(came.json().get("next") or "x")
        for _ in range(2):
            if taken > 1:
                started = time.perf_counter()
                through.ask(target, method, headers)
                taken = min(taken, time.perf_counter() - started)
        assert taken <= 1, (taken, target)
        if len(slowest) < 10 or taken > slowest[-1][0]:
            slowest = sorted([*slowest, (taken, target[:300])], reverse=True)[:10]
    over_http.close()
    print(dict(statuses))
    for taken, target in slowest:
        print(f"{taken * 1000:.0f} ms {target}")
    assert statuses[200] > 20_000
    assert statuses[400] > 20_000


@pytest.mark.parametrize(
    "raw",
    [
        b"GET /v1/search?q=%ff HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /v1/search?q=%c3%28 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /v1/search?q=%zz HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /v1/search?q=\xc3\xa9 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /v1/search?q=%00%01 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /v1/items/%ff HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /v1/search?&&&=&=x&q HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /v1/search?q=a;b=c HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /v1/search?" + b"a" * 7000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /v1/search HTTP/1.1\r\nHost: \xff\xfe\r\nX-Odd: \x80\x81\r\n\r\n",
        b"GET http://evil.example/v1/search HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET * HTTP/1.1\r\nHost: x\r\n\r\n",
        b"BREW /v1/search HTTP/1.1\r\nHost: x\r\n\r\n",
        b"POST /v1/search HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\n\xff\xfe\xfd",
        b"GET /v1/search HTTP/9.9\r\nHost: x\r\n\r\n",
        b"rubbish\r\n\r\n",
    ],
)
def test_raw_bytes_give_no_500(year, raw: bytes) -> None:
    over_http = OverHttp(year.wired)
    try:
        answer = over_http.raw(raw.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n", 1))
    finally:
        over_http.close()
    assert answer.split(b" ")[1] in {b"200", b"400", b"404", b"405"}, answer[:300]


# --- last, since it changes the year ---


@pytest.mark.parametrize("sort", ["newest", "oldest"])
def test_a_walk_gives_each_id_once_while_another_process_adds_and_edits(year, api, tmp_path, sort: str) -> None:
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
                # Every third is an edit: the same item again, with its date and other words.
                guid = f"{sort}-{n % 3 and walked}-{n}"
                line = {"guid": guid, "title": f"Added {walked} {n}", "published": when if n % 3 else day.isoformat()}
                file.write(json.dumps(line) + "\n")
        command = [sys.executable, "-m", "newswire", "load", str(lines), "--feed", "added"]
        environment = {"NEWSWIRE_DATA": year.wired.settings.data, "PYTHONPATH": str(ROOT / "layers")}
        running.append(subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL))

    ids = walk(api, add, sort=sort)
    assert len(running) >= 3
    assert [one.wait() for one in running] == [0] * len(running)
    assert len(ids) == len(set(ids))
    assert before <= set(ids)
