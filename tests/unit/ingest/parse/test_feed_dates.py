"""Feed dates: the formats of real feeds and ambiguous dates."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newswire.clock import to_rfc3339
from newswire.ingest.parse.feed_dates import read_feed_date
from tests.support.present import present

READ = [
    ("19 Sep. 2025 12:00:00 GMT", "2025-09-19T12:00:00Z", "second"),
    ("20 May. 2025 12:00:00 GMT", "2025-05-20T12:00:00Z", "second"),
    ("Fri, 19 Sep 2025 12:00:00", "2025-09-19T12:00:00Z", "second"),
    ("Fri, 19 Sep 2025 12:00:00 CEST", "2025-09-19T10:00:00Z", "second"),
    ("Fri, 19 Sep 2025 12:00:00 BST", "2025-09-19T11:00:00Z", "second"),
    ("Fri, 19 Sep 2025 12:00:00 IST", "2025-09-19T06:30:00Z", "second"),
    ("Fri, 19 Sep 2025 12:00:00 GMT+2", "2025-09-19T10:00:00Z", "second"),
    ("Mon, 6 Jan 2025 8:05:00 EST", "2025-01-06T13:05:00Z", "second"),
    ("Friday, 19-Sep-25 12:00:00 GMT", "2025-09-19T12:00:00Z", "second"),
    ("Fri Sep 19 12:00:00 CEST 2025", "2025-09-19T10:00:00Z", "second"),
    ("2025/09/19 12:00", "2025-09-19T12:00:00Z", "minute"),
    ("09/19/2025 12:00", "2025-09-19T12:00:00Z", "minute"),
    ("19/09/2025", "2025-09-19T00:00:00Z", "day"),
    ("19.09.2025 14:05", "2025-09-19T14:05:00Z", "minute"),
    ("Sep 19, 2025 12:00 PM", "2025-09-19T12:00:00Z", "minute"),
    ("Sept. 19th, 2025 12:00 am", "2025-09-19T00:00:00Z", "minute"),
    ("1758283200", "2025-09-19T12:00:00Z", "second"),
    ("1758283200000", "2025-09-19T12:00:00Z", "second"),
    ("2025-09-19 12:00:00 UTC", "2025-09-19T12:00:00Z", "second"),
    ("20250919T120000Z", "2025-09-19T12:00:00Z", "second"),
    ("2025-09-19T12:00:00.123456+05:30", "2025-09-19T06:30:00.123Z", "second"),
    ("2025-09-19", "2025-09-19T00:00:00Z", "day"),
    ("ven, 19 sept. 2025 12:00:00 +0200", "2025-09-19T10:00:00Z", "second"),
    ("19 août 2025", "2025-08-19T00:00:00Z", "day"),
    ("19 März 2025", "2025-03-19T00:00:00Z", "day"),
    ("Pn, 19 wrz 2025 12:00:00 +0200", "2025-09-19T10:00:00Z", "second"),
    ("19 сентября 2025", "2025-09-19T00:00:00Z", "day"),
    ("19 de septiembre de 2025", "2025-09-19T00:00:00Z", "day"),
    ("07 July 2026", "2026-07-07T00:00:00Z", "day"),
    ("2025-09-19T24:00:00Z", "2025-09-20T00:00:00Z", "second"),
    ("2016-12-31T23:59:60Z", "2017-01-01T00:00:00Z", "second"),
    ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z", "second"),
]
NOT_READ = [
    "",
    "garbage",
    "03/04/2025",
    "31 Feb 2025 12:00:00 GMT",
    "0000-00-00 00:00:00",
    "Fri, 11 Mar 2016 01:15:00 +3000",
]


@pytest.mark.parametrize(("raw", "instant", "precision"), READ)
def test_feed_date_formats_are_read(raw: str, instant: str, precision: str) -> None:
    read = read_feed_date(raw)
    assert read is not None
    assert (to_rfc3339(read.at), read.precision) == (instant, precision)


@pytest.mark.parametrize("raw", NOT_READ)
def test_unreadable_or_ambiguous_date_is_not_read(raw: str) -> None:
    assert read_feed_date(raw) is None


@given(st.text(max_size=120))
def test_any_text_is_read_without_an_error(raw: str) -> None:
    read_feed_date(raw)


@given(st.datetimes(), st.sampled_from(["%d %b. %Y %H:%M:%S GMT", "%a, %d %b %Y %H:%M:%S +0000", "%Y-%m-%dT%H:%M:%SZ"]))
def test_formatted_dates_are_read_back(moment, form: str) -> None:
    text = moment.strftime(form) if moment.year >= 1000 else None
    if text is not None:
        assert to_rfc3339(present(read_feed_date(text)).at) == moment.strftime("%Y-%m-%dT%H:%M:%SZ")
