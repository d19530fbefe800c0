"""The pure parts of the page: charts, filter lists, times and coverage texts."""

import re
from html import unescape
from itertools import pairwise
from urllib.parse import parse_qs
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from newswire import analysis
from newswire.clock import DAY, HOUR, MINUTE, SECOND
from newswire.engines.coverage import FeedCoverage, FeedGap, UnwatchedFeed
from newswire.search.answer import Bucket, Histogram
from newswire.search.buckets import BucketEdges, bucket_edges
from newswire.search.dates import read_period, read_zone
from newswire.search.parameter_reader import ParameterReader, included_list, quoted_list
from newswire.search.request import read_search
from newswire.urls import http_link, site_name
from newswire.web.pages.chart import MAX_BARS, chart_of
from newswire.web.pages.coverage_words import coverage_words
from newswire.web.pages.item_rows import shorten_text
from newswire.web.pages.moments import moment, published_moment, since_when
from tests.factories import feed_status, item
from tests.support.present import present


def zone_of(name: str) -> ZoneInfo:
    return present(read_zone(name))


NOON = 1_763_985_600_000
"""Monday 24 November 2025, 12:00 UTC."""
ZONES = (
    "UTC",
    "Europe/Brussels",
    "America/New_York",
    "Asia/Kolkata",
    "Pacific/Apia",
    "Australia/Lord_Howe",
    "Asia/Kathmandu",
)
zones = st.sampled_from(ZONES).map(zone_of)
instants = st.integers(min_value=-2_000_000_000_000, max_value=4_000_000_000_000)
spans = st.one_of(
    st.integers(1, 10_000), st.integers(1, 3 * DAY), st.integers(1, 400 * DAY), st.integers(1, 60 * 365 * DAY)
)


def hrefs(drawn: str) -> list[str]:
    return [unescape(href) for href in re.findall(r'href="([^"]*)"', drawn)]


def histogram_of(buckets: BucketEdges) -> Histogram:
    return Histogram(buckets.unit, tuple(Bucket(low, high, 1) for low, high in pairwise(buckets.edges)))


@given(instants, spans, zones, st.booleans(), st.booleans())
@example(NOON - 2 * DAY, 2 * DAY + 1, zone_of("UTC"), True, True)  # the last millisecond starts a new second
def test_each_bar_links_to_its_bucket(start: int, span: int, zone, has_start: bool, has_end: bool) -> None:
    """Parse the dates of each link as a search does and compare them with the bucket's edges."""
    end = start + span
    low, high = (start if has_start else None), (end if has_end else None)
    buckets = bucket_edges(low, high, (start, end - 1), None, zone, MAX_BARS)
    edges = buckets.edges
    parameters = {"q": 'from=1&to=2 "<', "tz": zone.key, "from": "1999", "cursor": "old"}
    chart = chart_of(histogram_of(buckets), parameters, zone, "./")
    if len(edges) < 3:
        assert chart is None
        return
    assert chart is not None
    bars, rows = hrefs(chart.bars), hrefs(chart.rows)
    assert bars == rows
    assert len(bars) == len(edges) - 1 <= MAX_BARS + 1
    for at, href in enumerate(bars):
        parameters = {name: values[0] for name, values in parse_qs(href.removeprefix("./?")).items()}
        assert parameters.keys() == {"q", "tz", "from", "to"}
        assert parameters["q"] == 'from=1&to=2 "<'
        assert read_period(parameters["from"], zone, NOON).start == edges[at], (parameters, at)
        assert read_period(parameters["to"], zone, NOON).end == edges[at + 1], (parameters, at)


def test_bars_are_labelled_with_their_period() -> None:
    zone = zone_of("Europe/Brussels")

    def first_bar(start: str, end: str):
        low, high = read_period(start, zone, NOON).start, read_period(end, zone, NOON).end
        chart = present(chart_of(histogram_of(bucket_edges(low, high, None, None, zone, MAX_BARS)), {}, zone, ""))
        return chart.first, hrefs(chart.bars)[0]

    assert first_bar("1990", "2020") == ("1990", "?from=1990&to=1990")
    assert first_bar("2024-01", "2025-12") == ("January 2024", "?from=2024-01&to=2024-01")
    assert first_bar("2025-W01", "2025-W20") == ("week of 30 Dec 2024", "?from=2025-W01&to=2025-W01")
    assert first_bar("2025-05-26", "2025-05-30") == ("26 May 2025", "?from=2025-05-26&to=2025-05-26")
    hours = first_bar("2025-05-26", "2025-05-26")
    assert hours == ("26 May 2025, 00:00", "?from=2025-05-25T22:00Z&to=2025-05-25T22:59Z")


def test_bars_scale_to_the_highest_and_skip_empty_buckets() -> None:
    zone = zone_of("UTC")
    days = [Bucket(NOON + n * DAY, NOON + (n + 1) * DAY, count) for n, count in enumerate((10, 0, 10_000))]
    chart = present(chart_of(Histogram("day", tuple(days)), {}, zone, ""))
    assert re.findall("<title>(.*?)</title>", chart.bars) == ["24 Nov 2025: 10", "26 Nov 2025: 10000"]
    assert re.findall(r"v-([\d.]+)h", chart.bars) == ["2.0", "100.0"]  # a bar for 0.1 % stays visible
    assert (chart.highest, chart.total) == (10_000, 10_010)


texts = st.text(st.characters(exclude_categories=("Cs", "Cc", "Zs", "Zl", "Zp")), min_size=1, max_size=12)


@given(
    st.lists(
        st.one_of(texts, st.sampled_from(["-a", "\\b", "\\-c", 'say "so"', "a, b", '"', ",", "--", "-"])),
        min_size=1,
        max_size=5,
    )
)
def test_written_list_is_read_back_unchanged(values: list[str]) -> None:
    if all(analysis.fold_whole(value) for value in values):
        request = read_search({"category": [included_list(values)]}, NOON)
        assert request.lists["category"].any_of == tuple(values)
        assert request.lists["category"].none_of == ()
    reader = ParameterReader({"category": [quoted_list(values)]}, ("category",))
    assert reader.values_of("category") == tuple(values)
    assert reader.problems == []


@pytest.mark.parametrize(
    ("ago", "text"),
    [
        (0, "12:00 today"),
        (12 * HOUR, "00:00 today"),
        (12 * HOUR + MINUTE, "Sunday 23:59"),
        (6 * DAY, "Tuesday 12:00"),
        (7 * DAY, "17 November, 12:00"),
        (365 * DAY, "24 Nov 2024, 12:00"),
        (-HOUR, "13:00 today"),
        (-DAY, "25 November, 12:00"),
    ],
)
def test_since_when_uses_the_shortest_clear_form(ago: int, text: str) -> None:
    assert since_when(NOON - ago, zone_of("UTC"), NOON) == text


def test_moments_use_the_reader_zone_up_to_the_calendar_ends() -> None:
    tokyo = moment(NOON, zone_of("Asia/Tokyo"), NOON + 3 * SECOND)
    assert (tokyo.iso, tokyo.ago) == ("2025-11-24T12:00:00Z", "3 seconds ago")
    assert (tokyo.text, tokyo.full) == ("24 Nov 2025, 21:00", "Monday 24 November 2025, 21:00:00, Asia/Tokyo")
    for instant in (-62_135_596_800_000, 253_402_300_799_999):
        for zone in ZONES:
            assert moment(instant, zone_of(zone), NOON).text


def test_date_without_a_time_shows_no_time() -> None:
    story = msgspec.structs.replace(item(1), published=NOON - 12 * HOUR, published_precision="day")
    published = published_moment(story, zone_of("America/New_York"), NOON)
    assert (published.iso, published.text, published.ago) == ("2025-11-24", "24 Nov 2025", "today")
    for later, ago in ((DAY, "1 day ago"), (12 * DAY, "1 week 5 days ago"), (30 * DAY, "1 month ago")):
        assert published_moment(story, zone_of("UTC"), NOON + later).ago == ago
    assert published.full == "Monday 24 November 2025, no time of day given"


TUESDAY = NOON - 6 * DAY + 2 * HOUR


def watched(
    feeds: int,
    ok: int,
    oldest_success: int | None,
    not_ok_count: int,
    gap_count: int,
    not_ok: tuple[UnwatchedFeed, ...],
    gaps: tuple[FeedGap, ...],
) -> FeedCoverage:
    coverage = FeedCoverage({"ok": ok, "failing": not_ok_count}, oldest_success, gap_count, not_ok, gaps)
    assert coverage.feeds == feeds
    return coverage


@pytest.mark.parametrize(
    ("coverage", "summary", "details"),
    [
        (
            FeedCoverage({}, unknown=("gone",)),
            "None of these feeds is known here, so their items cannot be found.",
            0,
        ),
        (watched(1, 1, None, 0, 0, (), ()), "The feed is up to date, and nothing is known to be missing.", 0),
        (
            watched(1200, 1200, None, 0, 0, (), ()),
            "All 1,200 feeds are up to date, and nothing is known to be missing.",
            0,
        ),
        (
            watched(
                3,
                2,
                None,
                1,
                1,
                (UnwatchedFeed("harbour", "failing", TUESDAY, TUESDAY),),
                (FeedGap("harbour", TUESDAY, None),),
            ),
            "Harbour has not answered since Tuesday 14:00. Items that it published after that may be missing.",
            0,
        ),
        (
            watched(
                1,
                0,
                None,
                1,
                1,
                (UnwatchedFeed("harbour", "stale", TUESDAY, None),),
                (FeedGap("harbour", TUESDAY, None),),
            ),
            "Harbour has not been checked since Tuesday 14:00. Items that it published after that may be missing.",
            0,
        ),
        (
            watched(1, 0, None, 1, 0, (UnwatchedFeed("harbour", "never", None, None),), ()),
            "Harbour has never answered. Its items may be missing.",
            0,
        ),
        (
            watched(2, 1, None, 1, 0, (UnwatchedFeed("quiet", "paused", TUESDAY, None),), ()),
            "Quiet is not being checked. It answered 410: it is gone for good.",
            0,
        ),
        (
            watched(2, 2, None, 0, 1, (), (FeedGap("harbour", TUESDAY, NOON - 5 * DAY - 2 * HOUR - 30 * MINUTE),)),
            "Items that Harbour published between Tuesday 14:00 and Wednesday 09:30 may be missing.",
            0,
        ),
        (
            watched(
                40,
                15,
                None,
                25,
                30,
                tuple(UnwatchedFeed("harbour", "never", None, None) for _ in range(20)),
                (FeedGap("harbour", TUESDAY, None),),
            ),
            "25 of 40 feeds are not up to date, so items may be missing.",
            22,
        ),
        (
            watched(2, 2, None, 0, 2, (), tuple(FeedGap("harbour", TUESDAY, TUESDAY) for _ in range(2))),
            "The feeds are up to date now, but items may have been missed earlier.",
            2,
        ),
    ],
)
def test_coverage_is_described_in_plain_words(coverage: FeedCoverage, summary: str, details: int) -> None:
    known_names = {
        feed.id: feed
        for feed in (
            feed_status("harbour", title="Harbour"),
            feed_status("quiet", title="Quiet", paused="It answered 410: it is gone for good."),
        )
    }
    words = coverage_words(coverage, known_names, zone_of("UTC"), NOON)
    assert words.summary == summary
    assert len(words.details) == details
    assert words.is_whole == (bool(coverage.feeds) and coverage.is_complete)


def test_failure_after_the_range_does_not_reduce_coverage() -> None:
    failing = watched(
        1, 0, None, 1, 1, (UnwatchedFeed("harbour", "failing", TUESDAY, TUESDAY),), (FeedGap("harbour", TUESDAY, None),)
    )
    known_names, zone = {"harbour": feed_status("harbour", title="Harbour")}, zone_of("UTC")
    before = coverage_words(failing, known_names, zone, NOON, NOON - 7 * DAY)
    assert before.is_whole
    assert before.summary == "The feeds were being checked in this period, and nothing is known to be missing."
    assert not coverage_words(failing, known_names, zone, NOON, NOON).is_whole
    none = coverage_words(watched(0, 0, None, 0, 0, (), ()), {}, zone, NOON)
    assert none.summary == "No feed has been checked yet, so published items cannot be found."


def test_future_moment_is_described_as_ahead() -> None:
    assert moment(NOON + 20 * HOUR, zone_of("UTC"), NOON).ago == "20 hours in the future"


def test_only_http_links_are_linked() -> None:
    assert http_link("https://x.example/a") == "https://x.example/a"
    for other in (
        "javascript:alert(1)",
        "data:text/html,x",
        "//x.example",
        "ftp://x",
        "",
        "https//x",
        "http://[broken",
    ):
        assert http_link(other) == ""
    assert site_name("https://www.Nato.int:8443/x") == "nato.int"
    assert site_name("http://[broken") == ""


@given(st.text(max_size=900), st.integers(20, 400))
def test_a_teaser_is_cut_to_its_length(text: str, most: int) -> None:
    cut = shorten_text(text, most)
    assert len(cut) <= most
    assert cut == text or (cut.endswith("…") and text.startswith(cut[:-1]))
