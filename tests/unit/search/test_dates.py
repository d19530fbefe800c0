"""Date values and histogram buckets in every time zone."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newswire.clock import DAY, FIRST_INSTANT, HOUR, LAST_INSTANT, from_datetime, to_datetime, to_rfc3339
from newswire.search.buckets import UNITS, TooManyBucketsError, Unit, bucket_edges
from newswire.search.dates import DateValueError, read_period, read_zone, utc, zone_names
from tests.support.present import present

NOW = from_datetime(datetime(2025, 7, 3, 11, 0, 30, 250_000, tzinfo=UTC))
ZONES = st.sampled_from(sorted(zone_names()))


def zone_of(name: str) -> ZoneInfo:
    return present(read_zone(name))


def bounds_of(text: str, zone: ZoneInfo, now: int = NOW) -> tuple[int, int]:
    """Return the start and the end of a period that has both."""
    period = read_period(text, zone, now)
    return present(period.start), present(period.end)


def named(text: str, zone: str = "UTC", now: int = NOW) -> tuple[str | None, str | None]:
    period = read_period(text, zone_of(zone), now)
    start, end = (None if at is None else to_rfc3339(at) for at in (period.start, period.end))
    return start, end


@pytest.mark.parametrize(
    ("text", "zone", "start", "end"),
    [
        ("2025", "UTC", "2025-01-01T00:00:00Z", "2026-01-01T00:00:00Z"),
        ("2025-12", "UTC", "2025-12-01T00:00:00Z", "2026-01-01T00:00:00Z"),
        ("2025-05", "Europe/Brussels", "2025-04-30T22:00:00Z", "2025-05-31T22:00:00Z"),
        ("2025-10", "Europe/Brussels", "2025-09-30T22:00:00Z", "2025-10-31T23:00:00Z"),
        ("2024-02-29", "UTC", "2024-02-29T00:00:00Z", "2024-03-01T00:00:00Z"),
        ("2025-W22", "UTC", "2025-05-26T00:00:00Z", "2025-06-02T00:00:00Z"),
        ("2020-W53", "UTC", "2020-12-28T00:00:00Z", "2021-01-04T00:00:00Z"),
        ("2025-W01", "America/New_York", "2024-12-30T05:00:00Z", "2025-01-06T05:00:00Z"),
        ("2025-05-26T12:00", "UTC", "2025-05-26T12:00:00Z", "2025-05-26T12:01:00Z"),
        ("2025-05-26T12:00", "Asia/Kolkata", "2025-05-26T06:30:00Z", "2025-05-26T06:31:00Z"),
        ("2025-05-26T12:00:30Z", "Asia/Kolkata", "2025-05-26T12:00:30Z", "2025-05-26T12:00:31Z"),
        ("2025-05-26T12:00:30.5+02:00", "UTC", "2025-05-26T10:00:30.500Z", "2025-05-26T10:00:30.600Z"),
        ("2025-05-26T12:00:30.25", "UTC", "2025-05-26T12:00:30.250Z", "2025-05-26T12:00:30.260Z"),
        ("2025-05-26T12:00:30.125", "UTC", "2025-05-26T12:00:30.125Z", "2025-05-26T12:00:30.126Z"),
        ("2025-05-26T12:00 02:00", "UTC", "2025-05-26T10:00:00Z", "2025-05-26T10:01:00Z"),
        ("2025-05-26T12:00-03:30", "UTC", "2025-05-26T15:30:00Z", "2025-05-26T15:31:00Z"),
        ("today", "UTC", "2025-07-03T00:00:00Z", "2025-07-04T00:00:00Z"),
        ("today", "Pacific/Auckland", "2025-07-02T12:00:00Z", "2025-07-03T12:00:00Z"),
        ("yesterday", "Pacific/Honolulu", "2025-07-02T10:00:00Z", "2025-07-03T10:00:00Z"),
        ("now", "UTC", "2025-07-03T11:00:30.250Z", "2025-07-03T11:00:30.250Z"),
        ("P7D", "UTC", "2025-06-26T11:00:30.250Z", "2025-06-26T11:00:30.250Z"),
        ("now-7d", "UTC", "2025-06-26T11:00:30.250Z", "2025-06-26T11:00:30.250Z"),
        ("PT36H", "UTC", "2025-07-01T23:00:30.250Z", "2025-07-01T23:00:30.250Z"),
        ("now-36h", "UTC", "2025-07-01T23:00:30.250Z", "2025-07-01T23:00:30.250Z"),
        ("now-5m", "UTC", "2025-07-03T10:55:30.250Z", "2025-07-03T10:55:30.250Z"),
        ("now-2w", "UTC", "2025-06-19T11:00:30.250Z", "2025-06-19T11:00:30.250Z"),
        ("P1Y2M", "UTC", "2024-05-03T11:00:30.250Z", "2024-05-03T11:00:30.250Z"),
        ("now-1y", "UTC", "2024-07-03T11:00:30.250Z", "2024-07-03T11:00:30.250Z"),
        ("P1DT1H", "UTC", "2025-07-02T10:00:30.250Z", "2025-07-02T10:00:30.250Z"),
        ("P0D", "UTC", "2025-07-03T11:00:30.250Z", "2025-07-03T11:00:30.250Z"),
        # The clock goes forward at 02:00: a skipped time is the instant of the change.
        ("2025-03-30T02:30", "Europe/Brussels", "2025-03-30T01:00:00Z", "2025-03-30T01:00:00Z"),
        # The clock goes back at 03:00: 02:30 occurs twice, and the smallest range contains both.
        ("2025-10-26T02:30", "Europe/Brussels", "2025-10-26T00:30:00Z", "2025-10-26T01:31:00Z"),
        ("2025-03-30", "Europe/Brussels", "2025-03-29T23:00:00Z", "2025-03-30T22:00:00Z"),
        ("2025-10-26", "Europe/Brussels", "2025-10-25T22:00:00Z", "2025-10-26T23:00:00Z"),
        # Midnight is skipped: the day begins at 01:00.
        ("2018-11-04", "America/Sao_Paulo", "2018-11-04T03:00:00Z", "2018-11-05T02:00:00Z"),
        # This day does not exist: it is empty and lies at the start of the next day.
        ("2011-12-30", "Pacific/Apia", "2011-12-30T10:00:00Z", "2011-12-30T10:00:00Z"),
        ("2011-12-31", "Pacific/Apia", "2011-12-30T10:00:00Z", "2011-12-31T10:00:00Z"),
        # At 00:01 the clock goes back to 23:01 of the day before; the day begins at its first midnight.
        ("2010-11-06", "America/St_Johns", "2010-11-06T02:30:00Z", "2010-11-07T02:30:00Z"),
        ("2010-11-07", "America/St_Johns", "2010-11-07T02:30:00Z", "2010-11-08T03:30:00Z"),
        # Offsets with seconds: local mean time.
        ("1900-01-01T00:00", "Europe/Amsterdam", "1899-12-31T23:40:28Z", "1899-12-31T23:41:28Z"),
        ("9999", "UTC", "9999-01-01T00:00:00Z", None),
        ("9999-12-31", "UTC", "9999-12-31T00:00:00Z", None),
        ("9999-12-31T23:59", "UTC", "9999-12-31T23:59:00Z", None),
        ("0001", "UTC", "0001-01-01T00:00:00Z", "0002-01-01T00:00:00Z"),
        ("0001-01-01T00:00+01:00", "UTC", None, None),
    ],
)
def test_a_date_value_names_a_period(text: str, zone: str, start: str, end: str) -> None:
    if text == "1900-01-01T00:00":  # versions of the zone database differ on Amsterdam; each offset has seconds
        offset = to_datetime(0).replace(year=1900, tzinfo=zone_of(zone)).utcoffset()
        start, end = (
            to_rfc3339(from_datetime(datetime(1900, 1, 1, 0, m, tzinfo=UTC) - present(offset))) for m in (0, 1)
        )
    assert named(text, zone) == (start, end)


def test_duration_days_are_calendar_and_hours_are_elapsed() -> None:
    last_of_march = from_datetime(datetime(2025, 3, 31, 10, tzinfo=UTC))
    assert named("P1M", "UTC", last_of_march)[0] == "2025-02-28T10:00:00Z"
    assert named("now-1M", "Europe/Brussels", last_of_march)[0] == "2025-02-28T11:00:00Z"
    assert named("P2D", "Europe/Brussels", last_of_march)[0] == "2025-03-29T11:00:00Z"
    assert named("PT48H", "Europe/Brussels", last_of_march)[0] == "2025-03-29T10:00:00Z"
    assert named("P1DT1H", "Europe/Brussels", last_of_march)[0] == "2025-03-30T09:00:00Z"
    leap = from_datetime(datetime(2024, 2, 29, tzinfo=UTC))
    assert named("P1Y", "UTC", leap)[0] == "2023-02-28T00:00:00Z"


def test_relative_values_are_marked_relative() -> None:
    for text in ("now", "today", "yesterday", "P7D", "now-7d"):
        assert read_period(text, utc(), NOW).is_relative
    assert not read_period("2025", utc(), NOW).is_relative


@pytest.mark.parametrize(
    "text",
    [
        "", "25", "2025-13", "2025-00", "2025-02-30", "2023-02-29", "2025-1-1", "2025-W00", "2025-W53", "2025-W1",
        "2025-05-26T25:00", "2025-05-26T24:00", "2025-05-26T12:60", "2025-05-26T12:00:60", "2025-05-26T12:00+99:00",
        "2025-05-26T12:00+02:60", "2025-05-26T12", "2025-05-26T12:00:00.1234", "0000", "0000-01-01", "10000",
        "2025-05-26 12:00", "2025-05-26t12:00z", "2025T12:00", "P", "PT", "P1", "P-1D", "P1.5D", "P1H", "-P1D",
        "now-", "now-1", "now-1s", "now+1d", "now-1.5d", "Today", "tomorrow", "NOW", "٢٠٢٥", "2025-05-26T12:00Z+02:00",
    ],
)  # fmt: skip
def test_invalid_date_value_is_refused(text: str) -> None:
    with pytest.raises(DateValueError) as refused:
        read_period(text, utc(), NOW)
    assert refused.value.code == "invalid_value"


@pytest.mark.parametrize(
    "text", ["P9999Y", "P99999999999999D", "now-999999999h", "now-99999999999999999999y", "P2026Y"]
)
def test_duration_beyond_the_calendar_is_out_of_range(text: str) -> None:
    with pytest.raises(DateValueError) as refused:
        read_period(text, utc(), NOW)
    assert refused.value.code == "out_of_range"


@given(st.text(max_size=40), ZONES)
def test_any_text_is_a_period_or_a_date_value_error(text: str, zone: str) -> None:
    try:
        period = read_period(text, zone_of(zone), NOW)
    except DateValueError:
        return
    assert period.start is None or FIRST_INSTANT <= period.start <= LAST_INSTANT


@given(
    st.from_regex(
        r"(P([0-9]{1,5}Y)?([0-9]{1,5}M)?([0-9]{1,7}D)?(T[0-9]{1,9}H)?)|now-[0-9]{1,9}[mhdwMy]", fullmatch=True
    ),
    ZONES,
    st.integers(FIRST_INSTANT, LAST_INSTANT),
)
def test_any_duration_is_an_instant_before_now_or_refused(text: str, zone: str, now: int) -> None:
    try:
        start, end = bounds_of(text, zone_of(zone), now)
    except DateValueError:
        return
    assert start == end
    assert start >= FIRST_INSTANT
    assert start <= now + 26 * HOUR  # the local date can lie beyond a skipped day


# --- properties in every zone ---


def periods() -> st.SearchStrategy[tuple[str, str]]:
    """Generate the texts of two adjacent periods of a day or longer."""

    def texts(kind: str, day: date) -> tuple[str, str]:
        if kind == "day":
            return day.isoformat(), (day + timedelta(days=1)).isoformat()
        if kind == "week":
            weeks = [(day + timedelta(days=n)).isocalendar() for n in (0, 7)]
            first, second = (f"{week.year:04d}-W{week.week:02d}" for week in weeks)
            return first, second
        if kind == "month":
            following = (day.replace(day=28) + timedelta(days=4)).replace(day=1)
            return f"{day.year:04d}-{day.month:02d}", f"{following.year:04d}-{following.month:02d}"
        return f"{day.year:04d}", f"{day.year + 1:04d}"

    days = st.dates(min_value=date(2, 1, 1), max_value=date(9997, 12, 31)) | st.dates(
        date(1880, 1, 1), date(2040, 1, 1)
    )
    return st.builds(texts, st.sampled_from(["day", "week", "month", "year"]), days)


@given(periods(), ZONES)
def test_adjacent_periods_neither_overlap_nor_leave_a_gap(both, zone: str) -> None:
    first, second = (bounds_of(text, zone_of(zone)) for text in both)
    assert first[1] == second[0]
    assert first[0] <= first[1]


def _falls_back_over_midnight(zone, start: int) -> bool:
    """Return whether the local date goes back by a day near `start`."""
    step = HOUR // 4
    days = [to_datetime(at).astimezone(zone).date() for at in range(start - 3 * HOUR, start + 3 * HOUR, step)]
    return any(later < earlier for earlier, later in pairwise(days))


@given(st.dates(date(1900, 1, 1), date(2037, 12, 30)), ZONES, st.integers(0, DAY - 1))
def test_day_contains_every_instant_with_its_local_date(day: date, name: str, offset: int) -> None:
    zone = zone_of(name)
    start, end = bounds_of(day.isoformat(), zone)
    noon = from_datetime(datetime(day.year, day.month, day.day, 12, tzinfo=UTC))
    for instant in (noon - DAY // 2 + offset - 15 * HOUR, noon - DAY // 2 + offset, noon + offset + 3 * HOUR):
        is_of_day = to_datetime(instant).astimezone(zone).date() == day
        is_within = start <= instant < end
        if is_of_day != is_within:
            # Only where the clock goes back over midnight does the repeated end of a day belong to the next day
            # (docs/decisions/0006-days-in-a-time-zone.md).
            assert _falls_back_over_midnight(zone, end if is_of_day else start)


def test_hour_repeated_before_midnight_belongs_to_the_next_day() -> None:
    zone = zone_of("America/St_Johns")
    again = from_datetime(datetime(2010, 11, 7, 2, 45, tzinfo=UTC))
    assert to_datetime(again).astimezone(zone).date() == date(2010, 11, 6)
    assert bounds_of("2010-11-07", zone)[0] <= again
    assert bounds_of("2010-11-06", zone)[1] <= again


@given(
    st.datetimes(datetime(1900, 1, 1), datetime(2037, 12, 31)), ZONES, st.sampled_from(["minute", "second", "milli"])
)
def test_time_value_contains_the_instant_it_was_made_from(moment: datetime, name: str, precision: str) -> None:
    zone = zone_of(name)
    instant = from_datetime(moment.replace(microsecond=moment.microsecond // 1000 * 1000, tzinfo=UTC))
    local = to_datetime(instant).astimezone(zone).replace(tzinfo=None)
    text = {
        "minute": f"{local:%Y-%m-%dT%H:%M}",
        "second": f"{local:%Y-%m-%dT%H:%M:%S}",
        "milli": f"{local:%Y-%m-%dT%H:%M:%S}.{local.microsecond // 1000:03d}",
    }[precision]
    start, end = bounds_of(text, zone)
    assert start <= instant < end
    assert end - start <= {"minute": 60_000, "second": 1000, "milli": 1}[precision] + DAY


# --- zones ---


def test_only_zones_of_the_database_are_known() -> None:
    names = zone_names()
    assert {"Europe/Brussels", "US/Eastern", "Asia/Calcutta", "UTC", "Etc/GMT+5"} <= names
    assert available_timezones() - {"Factory", "localtime", "posixrules"} - names <= {"build/etc/localtime"}
    for name in names:
        assert zone_of(name).key == name
    for name in ("Factory", "localtime", "posixrules", "America", "../zones", "/etc/localtime", "", "europe/brussels"):
        assert read_zone(name) is None


# --- buckets ---


def edges_of(start: str, end: str, unit: Unit | None, zone: str = "UTC") -> list[str]:
    first, last = (from_datetime(datetime.fromisoformat(text)) for text in (start, end))
    return [to_rfc3339(edge) for edge in bucket_edges(first, last, None, unit, zone_of(zone)).edges]


def test_buckets_cover_days_of_23_and_25_hours() -> None:
    assert len(edges_of("2025-03-29T23:00Z", "2025-03-30T22:00Z", "hour", "Europe/Brussels")) == 24
    assert len(edges_of("2025-10-25T22:00Z", "2025-10-26T23:00Z", "hour", "Europe/Brussels")) == 26
    assert edges_of("2025-10-25T22:00Z", "2025-10-27T23:00Z", "day", "Europe/Brussels") == [
        "2025-10-25T22:00:00Z",
        "2025-10-26T23:00:00Z",
        "2025-10-27T23:00:00Z",
    ]


def test_weeks_begin_on_monday_and_are_cut_at_the_range() -> None:
    assert edges_of("2025-05-28T00:00Z", "2025-06-04T12:00Z", "week") == [
        "2025-05-28T00:00:00Z",
        "2025-06-02T00:00:00Z",
        "2025-06-04T12:00:00Z",
    ]


def test_skipped_day_has_no_bucket() -> None:
    edges = edges_of("2011-12-29T10:00Z", "2012-01-01T10:00Z", "day", "Pacific/Apia")
    assert len(edges) == 4 - 1 + 1
    assert edges == sorted(set(edges))


def test_unbounded_buckets_span_first_to_last_item() -> None:
    first, last = (from_datetime(datetime(2025, 5, day, 13, tzinfo=UTC)) for day in (3, 5))
    edges = bucket_edges(None, None, (first, last), "day", utc()).edges
    assert [to_rfc3339(edge)[:10] for edge in edges] == ["2025-05-03", "2025-05-04", "2025-05-05", "2025-05-06"]
    assert bucket_edges(None, None, None, "day", utc()).edges == ()
    assert len(bucket_edges(None, None, (first, first), "year", utc()).edges) == 2


def test_auto_unit_is_the_finest_with_at_most_100_buckets() -> None:
    def count(days: float) -> int:
        return len(bucket_edges(0, round(days * DAY), None, None, utc()).edges) - 1

    assert count(4) == 96
    assert count(5) == 5
    assert count(100) == 100
    assert count(101) == 15
    assert count(365 * 3) == 36
    assert count(365 * 50) == 50


def test_too_many_buckets_error_names_the_unit_that_fits() -> None:
    assert len(bucket_edges(0, 1000 * DAY, None, "day", utc()).edges) == 1001
    cases: tuple[tuple[Unit, int, Unit], ...] = (
        ("day", 1001, "week"),
        ("hour", 50, "day"),
        ("day", 365 * 50, "month"),
        ("week", 99_999, "year"),
    )
    for unit, days, fits in cases:
        with pytest.raises(TooManyBucketsError) as refused:
            bucket_edges(0, days * DAY, None, unit, utc())
        assert refused.value.fits == fits
    with pytest.raises(TooManyBucketsError) as refused:
        bucket_edges(FIRST_INSTANT, LAST_INSTANT, None, "year", utc())
    assert refused.value.fits is None


@given(st.integers(FIRST_INSTANT, LAST_INSTANT), st.integers(1, 400 * DAY), ZONES, st.sampled_from([*UNITS, None]))
def test_buckets_are_contiguous_over_the_range(start: int, length: int, zone: str, unit: Unit | None) -> None:
    end = min(start + length, LAST_INSTANT)
    if end <= start:
        return
    try:
        edges = bucket_edges(start, end, None, unit, zone_of(zone)).edges
    except TooManyBucketsError:
        return  # a fine unit over a long range exceeds 1,000 buckets
    assert (edges[0], edges[-1]) == (start, end)
    assert list(edges) == sorted(set(edges))
    if unit is None:
        assert len(edges) <= 101


@given(st.integers(FIRST_INSTANT + 400 * DAY, LAST_INSTANT - 400 * DAY), ZONES, st.sampled_from(UNITS))
def test_unbounded_histogram_of_one_item_has_one_bucket(at: int, zone: str, unit: Unit) -> None:
    edges = bucket_edges(None, None, (at, at), unit, zone_of(zone)).edges
    assert edges[0] <= at < edges[-1]
    assert len(edges) == 2
