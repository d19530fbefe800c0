import pytest
from hypothesis import given
from hypothesis import strategies as st

from newswire.clock import to_rfc3339
from newswire.dates import read_period


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [
        ("2025", "2025-01-01T00:00:00Z", "2026-01-01T00:00:00Z"),
        ("2025-12", "2025-12-01T00:00:00Z", "2026-01-01T00:00:00Z"),
        ("2024-02-29", "2024-02-29T00:00:00Z", "2024-03-01T00:00:00Z"),
        ("2025-05-26T12:00", "2025-05-26T12:00:00Z", "2025-05-26T12:01:00Z"),
        ("2025-05-26T12:00:30Z", "2025-05-26T12:00:30Z", "2025-05-26T12:00:31Z"),
        ("2025-05-26T12:00:30.5+02:00", "2025-05-26T10:00:30.500Z", "2025-05-26T10:00:30.600Z"),
        ("2025-05-26T12:00 02:00", "2025-05-26T10:00:00Z", "2025-05-26T10:01:00Z"),
    ],
)
def test_a_date_value_names_a_period(text: str, start: str, end: str) -> None:
    period = read_period(text)
    assert (to_rfc3339(period.start), to_rfc3339(period.end)) == (start, end)


def test_the_end_of_the_calendar_is_no_bound() -> None:
    assert read_period("9999").end is None
    assert read_period("9999-12-31").end is None
    assert read_period("0001-01-01T00:00+01:00").start is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "25",
        "2025-13",
        "2025-02-30",
        "2025-1-1",
        "2025-05-26T25:00",
        "2025-05-26T12:00+99:00",
        "0000",
        "now",
        "2025-05-26 12:00",
    ],
)
def test_what_is_no_date_value_is_none(text: str) -> None:
    assert read_period(text) is None


@given(st.text(max_size=40))
def test_no_text_makes_it_fail(text: str) -> None:
    read_period(text)


@given(st.dates())
def test_days_adjoin(day) -> None:
    from datetime import timedelta

    if day.year < 9999:
        assert read_period(day.isoformat()).end == read_period((day + timedelta(days=1)).isoformat()).start
