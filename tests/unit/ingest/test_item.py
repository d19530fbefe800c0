"""Items from entries: plain text, dates and identity."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from newswire.ingest.item import candidate_of, date_of
from newswire.ingest.markup import plain_text
from newswire.model import Entry, Markup, RawDate

NOW = 1_763_985_600_000


@pytest.mark.parametrize(
    ("markup", "text"),
    [
        (Markup("<p>One</p><p>two &amp; three</p>"), "One two & three"),
        (Markup("<script>alert(1)</script>safe"), "safe"),
        (Markup("a &lt;b&gt; c"), "a <b> c"),
        (Markup("AT&amp;T"), "AT&T"),
        (Markup("5 < 6 and 7 > 2"), "5 < 6 and 7 > 2"),
        (Markup("<b>bold</b>ly"), "boldly"),
        (Markup("keep <this>", html=False), "keep <this>"),
        (Markup("a\x00b\x1b[0m\n\n c"), "ab[0m c"),
    ],
)
def test_markup_becomes_plain_text(markup: Markup, text: str) -> None:
    assert plain_text(markup) == text


@given(st.text())
def test_plain_text_has_no_control_characters_or_double_spaces(text: str) -> None:
    plain = plain_text(Markup(text))
    assert plain == " ".join(plain.split())
    assert "\x00" not in plain


def dated(*raws: str) -> tuple[RawDate, ...]:
    return tuple(RawDate("pubDate", raw) for raw in raws)


def test_undated_entry_takes_the_fetch_time() -> None:
    date = date_of((), NOW)
    assert (date.at, date.source, date.flags, date.raw) == (NOW, "first_seen", ("undated",), None)


def test_unreadable_date_keeps_its_raw_text() -> None:
    date = date_of(dated("soon"), NOW)
    assert (date.at, date.source, date.flags, date.raw) == (NOW, "first_seen", ("unreadable",), "soon")


def test_date_over_a_day_ahead_is_replaced_by_the_fetch_time() -> None:
    assert date_of(dated("2031-01-01T00:00:00Z"), NOW).flags == ("future",)
    assert date_of(dated("2031-01-01T00:00:00Z"), NOW).at == NOW
    assert date_of(dated("2025-11-25T11:59:00Z"), NOW).flags == ()


def test_the_epoch_is_not_a_date() -> None:
    date = date_of(dated("Thu, 01 Jan 1970 00:00:00 GMT"), NOW)
    assert (date.at, date.flags) == (NOW, ("epoch",))


def test_midnight_is_flagged_and_a_bare_day_is_not() -> None:
    assert date_of(dated("2025-05-26T00:00:00Z"), NOW).flags == ("midnight",)
    assert date_of(dated("2025-05-26"), NOW).flags == ()
    assert date_of(dated("2025-05-26"), NOW).precision == "day"


def test_first_readable_date_is_used() -> None:
    both = (RawDate("pubDate", "nonsense"), RawDate("dc:date", "2025-05-26T10:00:00Z"))
    assert date_of(both, NOW).source == "dc:date"


def id_of(**fields: object) -> str:
    candidate = candidate_of(replace(Entry(title=Markup("T")), **fields), "feed", NOW)
    assert candidate is not None
    return candidate.id


@pytest.mark.parametrize(
    ("beside", "source", "milliseconds"),
    [
        ("2025-11-20T09:00:00.250Z", "dc:date", 250),  # the same second with a fraction
        ("2025-11-20T10:00:00.250+01:00", "dc:date", 250),
        ("2025-11-20T09:00:01.250Z", "pubDate", 0),  # a different second: the preferred source wins
        ("2025-11-20T09:00:00Z", "pubDate", 0),
    ],
)
def test_same_date_with_more_precision_is_used(beside: str, source: str, milliseconds: int) -> None:
    dates = (RawDate("pubDate", "Thu, 20 Nov 2025 09:00:00 GMT"), RawDate("dc:date", beside))
    date = date_of(dates, NOW)
    assert (date.source, date.at % 1000) == (source, milliseconds)


def test_identity_falls_back_from_guid_to_link_to_title() -> None:
    assert id_of(guid="1", link="https://a.example/1") == id_of(guid="1", link="https://a.example/2")
    assert id_of(link="http://a.example/1?utm_source=x") == id_of(link="https://a.example/1")
    assert id_of(published=dated("2025-01-01")) != id_of(published=dated("2025-01-02"))
    assert id_of(summary=Markup("one")) != id_of(summary=Markup("two"))
    assert id_of(guid="1") != id_of(link="1")


def test_only_a_permalink_guid_is_canonicalised() -> None:
    tracked, bare = "http://a.example/1?utm_source=x", "https://a.example/1"
    assert id_of(guid=tracked, guid_is_link=True) == id_of(guid=bare, guid_is_link=True)
    assert id_of(guid=tracked, guid_is_link=False) != id_of(guid=bare, guid_is_link=False)


def test_the_same_guid_in_two_feeds_is_two_items() -> None:
    first = candidate_of(Entry(guid="1"), "a", NOW)
    other = candidate_of(Entry(guid="1"), "b", NOW)
    assert first is not None
    assert other is not None
    assert first.id != other.id


def test_empty_entry_is_not_an_item() -> None:
    assert candidate_of(Entry(), "feed", NOW) is None


def test_categories_are_truncated_and_deduplicated() -> None:
    candidate = candidate_of(Entry(title=Markup("T"), categories=("x" * 400, "News", "News", " ")), "feed", NOW)
    assert candidate is not None
    assert candidate.categories == ("x" * 256, "News")


@pytest.mark.parametrize("raw", ["0001-01-01T00:00:00Z", "Mon, 01 Jan 0001 00:00:00 GMT", "1970-01-01T00:00:00Z"])
def test_clock_zero_is_not_a_publication_date(raw: str) -> None:
    date = date_of([RawDate("pubDate", raw)], 1_700_000_000_000)
    assert (date.at, date.source, date.flags) == (1_700_000_000_000, "first_seen", ("epoch",))
    assert date.raw == raw


@pytest.mark.parametrize(
    ("summary", "content"),
    [
        (Markup("<p>One two.</p><p>Three.</p>"), "One two.\nThree."),
        (Markup("One<br>two<ul><li>a</li><li>b</li></ul>"), "One\ntwo\na\nb"),
        (Markup("<div><p>One paragraph only.</p></div>"), ""),
        (Markup("Lines\nof the source\nof a text"), ""),
        (Markup("Lines\nof a plain text", html=False), ""),
    ],
)
def test_text_of_an_entry_without_content_keeps_its_paragraphs(summary: Markup, content: str) -> None:
    candidate = candidate_of(Entry(guid="1", summary=summary), "feed", NOW)
    assert candidate is not None
    assert candidate.content == content
    assert candidate.summary == plain_text(summary)


@pytest.mark.parametrize(
    "impossible", ["0001-01-01T00:00:00Z", "Thu, 01 Jan 1970 00:00:00 GMT", "2036-01-01T00:00:00Z"]
)
def test_possible_date_counts_behind_an_impossible_one(impossible: str) -> None:
    date = date_of((RawDate("published", impossible), RawDate("updated", "2025-11-24T10:00:00Z")), NOW)
    assert (date.at, date.source, date.flags) == (1_763_978_400_000, "updated", ())
    assert date_of((RawDate("published", impossible), RawDate("updated", "soon")), NOW).source == "first_seen"
