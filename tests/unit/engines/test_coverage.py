"""FeedCoverage: which feeds of a search were polled in its range, and their gaps."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from newswire.clock import DAY, HOUR, MINUTE
from newswire.engines.coverage import (
    MAX_LISTED,
    CoverageQuery,
    FeedCoverage,
    FeedGap,
    UnwatchedFeed,
    coverage_of,
)
from newswire.feed_status import NOT_POLLED
from newswire.model import FeedStatus, Gap
from tests.factories import feed_status

NOW = 1_763_985_600_000
GRACE_S = 900


def polled(feed: str = "news", **overrides: object) -> FeedStatus:
    """Return the status of a feed that is up to date."""
    return replace(feed_status(feed, last_success=NOW - HOUR, next_check=NOW + HOUR), **overrides)


def covered(*statuses: FeedStatus, start: int | None = None, end: int | None = None) -> FeedCoverage:
    return coverage_of(statuses, CoverageQuery(NOW, GRACE_S, start, end))


def test_no_feeds_are_covered_whole() -> None:
    coverage = covered()
    assert coverage == FeedCoverage({})
    assert coverage.is_complete


def test_up_to_date_feeds_are_covered_whole() -> None:
    coverage = covered(polled("a"), polled("b", last_success=NOW - DAY))
    assert coverage == FeedCoverage({"ok": 2}, NOW - DAY)
    assert coverage.is_complete


def test_feeds_that_are_not_ok_are_listed_with_their_state() -> None:
    coverage = covered(
        polled("failing", error_code="dns", failing_since=NOW - MINUTE),
        polled("never", last_success=None),
        polled("paused", paused="Gone.", last_success=NOW - 9 * DAY),
        polled("stale", next_check=NOW - HOUR, failing_since=NOW - DAY),
        polled("ok"),
    )
    success = NOW - HOUR
    assert coverage.not_ok == (
        UnwatchedFeed("failing", "failing", success, NOW - MINUTE),
        UnwatchedFeed("never", "never", None, None),
        UnwatchedFeed("paused", "paused", NOW - 9 * DAY, None),
        UnwatchedFeed("stale", "stale", success, None),
    )
    assert (coverage.feeds, coverage.ok, coverage.not_ok_count) == (5, 1, 4)
    assert coverage.oldest_success == success, "a paused feed does not count"
    assert not coverage.is_complete


def test_feed_that_was_only_loaded_is_archived_and_never_amiss() -> None:
    coverage = covered(polled("loaded", paused=NOT_POLLED, last_success=None, next_check=None), polled("ok"))
    assert (coverage.feeds, coverage.ok, coverage.archived, coverage.not_ok_count) == (2, 1, 1, 0)
    assert coverage.is_complete


def test_named_feeds_that_do_not_exist_are_unknown() -> None:
    query = CoverageQuery(NOW, GRACE_S, any_of=("b", "none"), none_of=("other", "a"))
    coverage = coverage_of([polled("a"), polled("b"), polled("c")], query)
    assert (coverage.feeds, coverage.unknown) == (1, ("none", "other"))


def test_failing_and_stale_feeds_have_an_open_gap() -> None:
    opened = FeedGap("a", NOW - HOUR, None)
    for status in (polled("a", error_code="dns"), polled("a", next_check=NOW - HOUR)):
        assert covered(status).gaps == (opened,)
        assert covered(status, end=NOW - HOUR).gaps == ()
        assert covered(status, end=NOW - HOUR + 1).gaps == (opened,)
    for status in (polled("a", paused="Gone."), polled("a", error_code="dns", last_success=None), polled("a")):
        assert covered(status).gaps == ()


@pytest.mark.parametrize(
    ("start", "end", "meets"),
    [
        (None, None, True),
        (20, None, False),
        (19, None, True),
        (None, 10, False),
        (None, 11, True),
        (12, 13, True),
        (0, 10, False),
        (20, 30, False),
        (0, 99, True),
    ],
)
def test_gap_meets_a_half_open_range(start: int | None, end: int | None, meets: bool) -> None:
    coverage = covered(polled(gaps=(Gap(10, 20),)), start=start, end=end)
    assert (coverage.gap_count, coverage.is_complete) == (int(meets), not meets)


statuses = st.builds(
    polled,
    st.sampled_from("abc"),
    error_code=st.sampled_from([None, None, "dns"]),
    paused=st.sampled_from([None, None, "Gone."]),
    last_success=st.one_of(st.none(), st.integers(0, 50)),
    gaps=st.lists(st.tuples(st.integers(0, 40), st.integers(1, 10)), max_size=5).map(
        lambda pairs: tuple(Gap(start, start + length) for start, length in pairs)
    ),
)
edges = st.one_of(st.none(), st.integers(0, 60))


@given(st.lists(statuses, max_size=3 * MAX_LISTED), edges, edges)
def test_counts_are_whole_and_lists_have_at_most_20(
    found: list[FeedStatus], start: int | None, end: int | None
) -> None:
    coverage = covered(*found, start=start, end=end)
    assert coverage.feeds == len(found) == coverage.ok + coverage.not_ok_count
    assert len(coverage.not_ok) == min(coverage.not_ok_count, MAX_LISTED)
    assert len(coverage.gaps) == min(coverage.gap_count, MAX_LISTED)
    last = 61 if end is None else end
    closed = sum(gap.start < last and gap.end > (start or 0) for status in found for gap in status.gaps)
    opened = sum(
        status.last_success is not None and status.last_success < last
        for status in found
        if status.error_code and not status.paused
    )
    assert coverage.gap_count == closed + opened
    times = [status.last_success for status in found if status.last_success is not None and not status.paused]
    assert coverage.oldest_success == (min(times) if times else None)
