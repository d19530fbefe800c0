"""Test the original NATO news page: newswire reproduces all of it from RSS and from the JSON listing."""

import json
import re
import xml.etree.ElementTree as ET
from datetime import UTC, datetime
from html.parser import HTMLParser

import pytest

from newswire.clock import DAY, HOUR, MINUTE
from newswire.ingest.feeds_file import read_toml
from newswire.ingest.poll import run_batches
from newswire.model import Batch
from newswire.search.ages import relative_age
from newswire.search.answer import search
from newswire.search.request import read_search
from newswire.web.search_answers import answer_out
from tests.conftest import ROOT
from tests.support.seed import SNAPSHOT, in_order, publish_seed, seed_items, seed_lines, span_of
from tests.support.transports import AsEvents


@pytest.fixture
def stories(shared) -> list[dict]:
    root = ET.parse(shared / "nato" / "legacy_feed_RECONSTRUCTED.xml").getroot()
    return [{child.tag: child.text or "" for child in item} for item in root.iter("item")]


def as_listing(stories: list[dict]) -> bytes:
    pages = []
    for story in stories:
        day = datetime.strptime(story["pubDate"].replace(".", ""), "%d %b %Y %H:%M:%S GMT").strftime("%d %B %Y")
        pages.append(
            {
                "title": story["title"],
                "description": story["description"],
                "pageDate": day,
                "link": story["link"] + "?selectedLocale=null",
            }
        )
    return json.dumps({"pages": pages, "numberOfPages": 1}).encode()


def ask(app, **parameters):
    return answer_out(
        search(app.engine, read_search({k: [v] for k, v in parameters.items()}, app.clock()), app.clock, 900)
    )


@pytest.mark.parametrize("form", ["rss", "listing"])
def test_nato_feed_matches_its_original_page(app, server, clock, shared, stories, form: str) -> None:
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
    app.feeds.put(feed, clock())
    run_batches(app, [Batch(("nato-news",), now=True)])
    clock.at = SNAPSHOT
    results = ask(app, size="200", feed="nato-news")
    assert results.total.value == len(stories) == 40
    by_title = {item.title: item for item in results.items}
    for story in stories:
        item = by_title[story["title"]]
        assert item.summary == " ".join(story["description"].split())
        when = datetime.strptime(story["pubDate"].replace(".", ""), "%d %b %Y %H:%M:%S GMT").replace(tzinfo=UTC)
        assert item.published[:10] == when.date().isoformat()
        assert item.published_precision == ("second" if form == "rss" else "day")
        assert re.fullmatch(
            r"\d+ (year|month|week|day|hour|minute|second)s?( \d+ (month|week|day|hour|minute|second)s?)?", item.age
        )
    assert any(item.summary == "" for item in results.items)
    output = AsEvents(app).ask("/v1/feeds/nato-news").json()
    assert output["description"] == "What´s new at NATO Headquarters?"
    assert output["title"] == ("NATO Latest News" if form == "rss" else "NATO News")
    assert output["link"] == "https://www.nato.int/"
    checked = datetime.fromisoformat(output["last_checked"])
    assert relative_age(round(checked.timestamp() * 1000), SNAPSHOT) == "2 hours 59 minutes"


def test_ages_on_the_original_page_are_reproduced(shared) -> None:
    shown = {age for age, _ in seed_items(shared)} | {"2 hours 59 minutes"}
    assert shown == {"4 weeks", "1 month", "1 month 1 week", "2 hours 59 minutes"}
    for age in shown:
        assert relative_age(SNAPSHOT - span_of(age), SNAPSHOT) == age


class Texts(HTMLParser):
    """Collect the texts inside the `main` element of a page."""

    def __init__(self, body: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(body[body.index("<main") : body.index("</main>")])

    def handle_data(self, data: str) -> None:
        if text := data.strip():
            self.found.append(text)


def test_feed_page_shows_every_original_line_in_order(app, server, clock, shared) -> None:
    publish_seed(app, server, clock, shared)
    body = AsEvents(app).ask("/feeds/nato-news").body.decode()
    expected, results = seed_lines(shared), Texts(body).found
    assert len(expected) == 43
    assert in_order(expected, results) == []
    assert expected[-4:] == [
        "Checked",
        "2 hours 59 minutes ago",
        "What´s new at NATO Headquarters?",
        "Subscribe to NATO News feed",
    ]
    assert in_order(["Checked", "4 weeks ago"], results) == ["4 weeks ago"]  # the order matters


FORTY = """
0 seconds|1 second|2 seconds|59 seconds|1 minute|1 minute 1 second|2 minutes 30 seconds|59 minutes 59 seconds|1 hour|
1 hour 1 minute|2 hours 59 minutes|23 hours 59 minutes|1 day|1 day 1 hour|2 days 23 hours|6 days 23 hours|1 week|1 week 1 day|
1 week 6 days|2 weeks|2 weeks 2 days|3 weeks 6 days|4 weeks|4 weeks 1 day|1 month|1 month 1 week|1 month 4 weeks|2 months|
2 months 2 weeks|5 months 3 weeks|6 months|9 months 1 week|11 months 4 weeks|12 months|1 year|1 year 1 month|1 year 11 months|
2 years|9 years 6 months|100 years
""".replace("\n", "").split("|")
"""Ages in the wording of the original page, from a second to a century."""


def test_forty_distinct_ages_are_listed() -> None:
    assert len(set(FORTY)) == 40


@pytest.mark.parametrize("age", FORTY)
def test_age_matches_the_original_wording(age: str) -> None:
    assert relative_age(SNAPSHOT - span_of(age), SNAPSHOT) == age


@pytest.mark.parametrize(
    ("span", "age"),
    [
        (DAY + 59 * MINUTE, "1 day"),  # the next unit is zero, so it is left out
        (30 * DAY + 5 * HOUR, "1 month"),
        (365 * DAY + 29 * DAY, "1 year"),
        (-DAY, "0 seconds"),
        (999, "0 seconds"),
        (2 * 365 * DAY + 363 * DAY, "2 years 11 months"),  # not 12 months
        (1_999, "1 second"),
        (HOUR - 1, "59 minutes 59 seconds"),
    ],
)
def test_age_uses_the_two_largest_adjacent_units(span: int, age: str) -> None:
    assert relative_age(SNAPSHOT - span, SNAPSHOT) == age
