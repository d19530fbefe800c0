"""The poll schedule: intervals, hints, jitter and backoff."""

import msgspec
import pytest

from newswire.clock import DAY, HOUR, SECOND
from newswire.ingest.schedule import (
    Limits,
    freshness_s,
    interval_after_error,
    interval_after_success,
    next_check,
    retry_after_s,
)
from newswire.model import Count, FoldState, Hints

LIMITS = Limits(300, 21_600)
NOW = 1_763_985_600_000  # a Monday, noon
BUSY = FoldState(per_day=96.0, last_entries=20, last_new=1, counts=(Count(2, 1, 0, 19), Count(1, 20, 0, 0)))


def test_interval_follows_the_item_rate() -> None:
    assert interval_after_success(LIMITS, BUSY, {}, 900) == 900


def test_half_new_entries_halve_the_interval() -> None:
    new = msgspec.structs.replace(BUSY, last_new=10)
    assert interval_after_success(LIMITS, new, {}, 900) == 450


def test_first_document_does_not_change_the_interval() -> None:
    first = FoldState(per_day=96.0, last_entries=20, last_new=20, counts=(Count(1, 20, 0, 0),))
    assert interval_after_success(LIMITS, first, {}, 900) == 900


@pytest.mark.parametrize(
    ("hints", "headers", "interval"),
    [
        (Hints(ttl_s=3600), {}, 3600),
        (Hints(update_period_s=7200), {}, 7200),
        (Hints(), {"cache-control": "public, max-age=1800"}, 1800),
        (Hints(ttl_s=999_999), {}, 21_600),
        (Hints(ttl_s=3600), {"cache-control": "max-age=7200"}, 7200),
        (Hints(), {"cache-control": "no-cache, max-age=7200"}, 900),
        (Hints(), {"expires": "Mon, 24 Nov 2025 13:00:00 GMT", "date": "Mon, 24 Nov 2025 12:00:00 GMT"}, 3600),
    ],
)
def test_publisher_hints_apply_up_to_the_maximum(hints: Hints, headers: dict[str, str], interval: int) -> None:
    assert interval_after_success(LIMITS, msgspec.structs.replace(BUSY, hints=hints), headers, 900) == interval


def test_interval_stays_between_minimum_and_maximum() -> None:
    rush = msgspec.structs.replace(BUSY, per_day=100_000.0)
    calm = msgspec.structs.replace(BUSY, per_day=0.01)
    assert interval_after_success(LIMITS, rush, {}, 300) == 300
    assert interval_after_success(LIMITS, calm, {}, 300) == 21_600


def test_jitter_only_adds_and_is_stable_for_a_feed() -> None:
    times = {next_check(f"feed-{n}", NOW, 3600, Hints()) - NOW for n in range(200)}
    assert min(times) >= 3600 * SECOND
    assert max(times) <= 3900 * SECOND
    assert len(times) > 100
    assert next_check("a", NOW, 3600, Hints()) == next_check("a", NOW, 3600, Hints())


def test_skipped_hours_and_days_delay_by_a_day_at_most() -> None:
    at = next_check("a", NOW, 300, Hints(skip_hours=tuple(range(12, 18))))
    assert at == NOW + 6 * HOUR
    weekend = Hints(skip_days=(0, 1, 2))
    assert next_check("a", NOW, 300, weekend) <= NOW + DAY + 400 * SECOND


def test_skips_that_exclude_everything_are_ignored() -> None:
    soon = NOW + 400 * SECOND
    assert next_check("a", NOW, 300, Hints(skip_hours=tuple(range(24)))) < soon
    assert next_check("a", NOW, 300, Hints(skip_days=tuple(range(7)))) < soon


def test_error_backoff_is_capped_at_a_day() -> None:
    waits = [interval_after_error(LIMITS, errors) for errors in range(1, 200)]
    assert waits[:3] == [300, 600, 1200]
    assert waits == sorted(waits)
    assert all(next_check("a", NOW, wait, Hints()) <= NOW + DAY for wait in waits)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("120", 120),
        ("999999", 86_400),
        ("Mon, 24 Nov 2025 13:00:00 GMT", 3600),
        ("Sun, 23 Nov 2025 13:00:00 GMT", 0),
        ("soon", 0),
    ],
)
def test_retry_after_is_read_as_seconds_or_a_date_and_capped(header: str, seconds: int) -> None:
    assert retry_after_s({"retry-after": header}, NOW) == seconds


def test_retry_after_is_a_floor() -> None:
    assert next_check("a", NOW, 300, Hints(), floor_s=7200) == NOW + 7200 * SECOND


def test_freshness_without_headers_is_zero() -> None:
    assert freshness_s({}) == 0
