"""Feed dates: the formats of real feeds and ambiguous dates."""

import pytest
from babel import Locale
from hypothesis import given
from hypothesis import strategies as st

from newswire.clock import to_rfc3339
from newswire.ingest.parse.feed_dates import read_feed_date
from tests.support import calendar_names
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
    ("Wed,25 Nov 2026 10:00:00 GMT", "2026-11-25T10:00:00Z", "second"),
    ("2026-11-25 10:00:00 +0000 UTC", "2026-11-25T10:00:00Z", "second"),
    ("2026-11-25 10:00:00.123456789 +0100 CET m=+0.000000001", "2026-11-25T09:00:00.123Z", "second"),
    ("Wed, 25 Nov 2026 10:00:5 GMT", "2026-11-25T10:00:05Z", "second"),
    ("Wed, 25 Nov 2026 10:00:00 ET", "2026-11-25T15:00:00Z", "second"),
    ("Sat, 25 Jul 2026 10:00:00 PT", "2026-07-25T17:00:00Z", "second"),
    ("Wed, 25 Nov 2026 10:00 Asia/Kolkata", "2026-11-25T04:30:00Z", "minute"),
    ("2026-11-25T10:00[America/Argentina/Buenos_Aires]", "2026-11-25T13:00:00Z", "minute"),
    ("2026-11-25T10:00:00.5+01:00[Europe/Paris]", "2026-11-25T09:00:00.500Z", "second"),
    ("Wed, 25 Nov 2026 10:00:00 (CET)", "2026-11-25T09:00:00Z", "second"),
    ("Thu, 05/03/2026 - 10:00", "2026-03-05T10:00:00Z", "minute"),
    ("Sunday, 05/03/2026 - 10:00", "2026-05-03T10:00:00Z", "minute"),
    ("202611251000", "2026-11-25T10:00:00Z", "minute"),
    ("20261125T10:00:00Z", "2026-11-25T10:00:00Z", "second"),
    ("2026-11-25T10Z", "2026-11-25T10:00:00Z", "minute"),
    ("25.11.26", "2026-11-25T00:00:00Z", "day"),
    ("11/25/26", "2026-11-25T00:00:00Z", "day"),
    ("1/1/2026", "2026-01-01T00:00:00Z", "day"),
    ("/Date(1758283200000)/", "2025-09-19T12:00:00Z", "second"),
    ("/Date(1758283200000+0200)/", "2025-09-19T12:00:00Z", "second"),
    ("2026年11月25日(水) 午後3時05分", "2026-11-25T15:05:00Z", "minute"),
    ("2026年11月25日 上午12:30", "2026-11-25T00:30:00Z", "minute"),
    ("2026년 11월 25일 오전 9:05", "2026-11-25T09:05:00Z", "minute"),
    ("2026. november 25., szerda 9:15", "2026-11-25T09:15:00Z", "minute"),
    ("2026 m. lapkričio 25 d. 10:00", "2026-11-25T10:00:00Z", "minute"),
    ("2026. gada 25. novembris, 10:00", "2026-11-25T10:00:00Z", "minute"),
    ("25 Kasım 2026 Çarşamba, 10:00", "2026-11-25T10:00:00Z", "minute"),
    ("25. marraskuuta 2026 klo 10.00", "2026-11-25T10:00:00Z", "minute"),
    ("onsdag den 25. november 2026 kl. 10.00", "2026-11-25T10:00:00Z", "minute"),
    ("quarta-feira, 25 de novembro de 2026 às 10:00", "2026-11-25T10:00:00Z", "minute"),
    ("25 d’octubre de 2026", "2026-10-25T00:00:00Z", "day"),
    ("mercredi 25 novembre 2026 à 10h00", "2026-11-25T10:00:00Z", "minute"),
    ("25 ноября 2026 г. в 10:00", "2026-11-25T10:00:00Z", "minute"),
    ("25 листопада 2026 р. о 10:00", "2026-11-25T10:00:00Z", "minute"),
    ("25 studenoga 2026", "2026-11-25T00:00:00Z", "day"),
    ("25 Νοεμβρίου 2026", "2026-11-25T00:00:00Z", "day"),
    ("٢٥ نوفمبر ٢٠٢٦", "2026-11-25T00:00:00Z", "day"),
    ("śr., 25 lis 2026 10:00", "2026-11-25T10:00:00Z", "minute"),
    ("nedjelja, 25 listopada 2026", "2026-10-25T00:00:00Z", "day"),
    ("Nov 25, 2026 at 10 a.m. EST", "2026-11-25T15:00:00Z", "minute"),
    ("2025. 11. 24. 오후 3:05", "2025-11-24T15:05:00Z", "minute"),
    ("2025/11/24 下午 3:05", "2025-11-24T15:05:00Z", "minute"),
    ("2025/11/24 PM 3:05", "2025-11-24T15:05:00Z", "minute"),
    ("2025. november 24. délután 3:05", "2025-11-24T15:05:00Z", "minute"),
    ("2025年11月24日 中午11:30", "2025-11-24T11:30:00Z", "minute"),
    ("2025年11月24日 中午1:30", "2025-11-24T13:30:00Z", "minute"),
    ("2025年11月24日 晚上8:30", "2025-11-24T20:30:00Z", "minute"),
    ("2025-11-24 02:00:00 PM", "2025-11-24T14:00:00Z", "second"),
    ("24 Nov 2025 – 10:00", "2025-11-24T10:00:00Z", "minute"),
    ("Mon, 24 Nov 2025 10:00 US/Eastern", "2025-11-24T15:00:00Z", "minute"),
    ("5 Kasım 2025 Çarşamba", "2025-11-05T00:00:00Z", "day"),
    ("24. 11. 2025.", "2025-11-24T00:00:00Z", "day"),
    ("\u200e25 November 2026\u200f", "2026-11-25T00:00:00Z", "day"),
]
NOT_READ = [
    "",
    "garbage",
    "03/04/2025",
    "31 Feb 2025 12:00:00 GMT",
    "0000-00-00 00:00:00",
    "Fri, 11 Mar 2016 01:15:00 +3000",
    "08-03-2021",
    "24 listopada 2026",
    "24/11/26",
    "24-11-26",
    "2026112410",
    "Wed, 25 Nov 2026 10:00:00 Mars/Olympus",
    "25 Nov 2026 1000",
    "Friday, 05/03/2026",
    "13/13/2026",
    "2026-13-01",
    "2026年13月1日",
    "24 novembre 2025 pomeriggio 3:05",
    "24 Nov 2025 afternoon 3:05",
    "2025年11月24日 晚上12:30",
    "24 jui 2025",
    "202511240",
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


@pytest.mark.parametrize(
    ("raw", "lang", "instant"),
    [
        ("24 listopada 2026", "pl", "2026-11-24T00:00:00Z"),
        ("24 listopada 2026", "hr-HR", "2026-10-24T00:00:00Z"),
        ("24 srp 2026", "cs", "2026-08-24T00:00:00Z"),
        ("24 November 2026", "hr", "2026-11-24T00:00:00Z"),
        ("25.11.24", "ko", "2025-11-24T00:00:00Z"),
        ("25.11.24", "de", "2024-11-25T00:00:00Z"),
    ],
)
def test_language_decides_between_months_of_one_name(raw: str, lang: str, instant: str) -> None:
    assert to_rfc3339(present(read_feed_date(raw, lang)).at) == instant
    assert read_feed_date("24 listopada 2026", "de") is None


def test_month_names_are_those_of_cldr() -> None:
    """`python -m tests.support.calendar_names` writes the module again."""
    assert calendar_names.FILE.read_text() == calendar_names.module()


@pytest.mark.parametrize("language", calendar_names.LANGUAGES)
def test_month_of_each_language_is_read(language: str) -> None:
    for number, name in Locale.parse(language).months["format"]["wide"].items():
        read = read_feed_date(f"7 {name} 2026", language)
        assert read is not None, name
        assert to_rfc3339(read.at) == f"2026-{number:02}-07T00:00:00Z"
