"""The page that the project began with: everything on it comes out of newswire, from RSS and from the JSON listing."""

import json
import re
import xml.etree.ElementTree as ET
from datetime import UTC, datetime, timedelta

import pytest

from newswire.ages import relative_age
from newswire.clock import DAY, HOUR, MINUTE, SECOND, to_datetime
from newswire.feeds_file import read_toml
from newswire.model import Batch
from newswire.parameters import read_search
from newswire.poll import run_batches
from newswire.search import answer
from tests.conftest import ROOT
from tests.transports import AsEvents

SNAPSHOT = 1_751_450_400_000  # 2025-07-02T10:00:00Z


@pytest.fixture
def stories(shared) -> list[dict]:
    root = ET.parse(shared / "nato" / "legacy_feed_RECONSTRUCTED.xml").getroot()
    return [{child.tag: child.text or "" for child in item} for item in root.iter("item")]


def as_listing(stories: list[dict]) -> bytes:
    pages = []
    for one in stories:
        day = datetime.strptime(one["pubDate"].replace(".", ""), "%d %b %Y %H:%M:%S GMT").strftime("%d %B %Y")
        pages.append(
            {
                "title": one["title"],
                "description": one["description"],
                "pageDate": day,
                "link": one["link"] + "?selectedLocale=null",
            }
        )
    return json.dumps({"pages": pages, "numberOfPages": 1}).encode()


def ask(wired, **parameters):
    return answer(wired.engine, read_search({k: [v] for k, v in parameters.items()}, wired.clock()), wired.clock, 900)


@pytest.mark.parametrize("form", ["rss", "listing"])
def test_the_feed_of_nato_comes_out_as_its_page_showed_it(wired, server, clock, shared, stories, form: str) -> None:
    clock.at = SNAPSHOT - 2 * HOUR - 59 * MINUTE
    shipped = read_toml((ROOT / "functions" / "ingest" / "feeds.toml").read_bytes(), "feeds.toml")[0]
    import msgspec

    if form == "rss":
        feed = msgspec.structs.replace(
            shipped, kind="auto", listing=None, url=server.url("/nato"), title="", description="", link=""
        )
        server.says("/nato", (shared / "nato" / "legacy_feed_RECONSTRUCTED.xml").read_bytes())
    else:
        feed = msgspec.structs.replace(shipped, url=server.url("/nato"))
        server.says("/nato", as_listing(stories))
    wired.feeds.put(feed, clock())
    run_batches(wired, [Batch(("nato-news",), now=True)])
    clock.at = SNAPSHOT
    found = ask(wired, size="200", feed="nato-news")
    assert found.total.value == len(stories) == 40
    by_title = {item.title: item for item in found.items}
    for one in stories:
        item = by_title[one["title"]]
        assert item.summary == " ".join(one["description"].split())
        when = datetime.strptime(one["pubDate"].replace(".", ""), "%d %b %Y %H:%M:%S GMT").replace(tzinfo=UTC)
        assert item.published[:10] == when.date().isoformat()
        assert item.published_precision == ("second" if form == "rss" else "day")
        assert re.fullmatch(
            r"\d+ (year|month|week|day|hour|minute|second)s?( \d+ (month|week|day|hour|minute|second)s?)?", item.age
        )
    assert any(item.summary == "" for item in found.items)
    told = AsEvents(wired).ask("/v1/feeds/nato-news").json()
    assert told["description"] == "What´s new at NATO Headquarters?"
    assert told["title"] == ("NATO Latest News" if form == "rss" else "NATO News")
    assert told["link"] == "https://www.nato.int/"
    checked = datetime.fromisoformat(told["last_checked"])
    assert relative_age(round(checked.timestamp() * 1000), SNAPSHOT) == "2 hours 59 minutes"


def test_the_ages_of_the_page_are_said_in_its_words(shared) -> None:
    page = (shared / "seed" / "nato-news-page.txt").read_text()
    shown = {line.removesuffix(" ago") for line in page.splitlines() if re.fullmatch(r"\d+ \w+( \d+ \w+)? ago", line)}
    shown |= {line.removesuffix(" ago") for line in page.splitlines() if line.endswith("minutes ago")}
    units = {
        "second": SECOND,
        "minute": MINUTE,
        "hour": HOUR,
        "day": DAY,
        "week": 7 * DAY,
        "month": 30 * DAY,
        "year": 365 * DAY,
    }
    assert shown == {"4 weeks", "1 month", "1 month 1 week", "2 hours 59 minutes"}
    for age in shown:
        span = sum(int(n) * units[unit.rstrip("s")] for n, unit in re.findall(r"(\d+) (\w+)", age))
        assert relative_age(SNAPSHOT - span, SNAPSHOT) == age


def test_an_age_is_in_the_two_largest_units_that_follow_each_other() -> None:
    now = SNAPSHOT
    assert relative_age(now, now) == "0 seconds"
    assert relative_age(now - 61 * SECOND, now) == "1 minute 1 second"
    assert relative_age(now - 28 * DAY, now) == "4 weeks"
    assert relative_age(now - 30 * DAY - 5 * HOUR, now) == "1 month"
    assert relative_age(now + DAY, now) == "0 seconds"
    assert to_datetime(now) - timedelta(days=1) < to_datetime(now)
