"""Feed status: names, state, errors and fetches."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from newswire.clock import HOUR
from newswire.feed_status import state_of
from newswire.model import Count, Feed, FetchLine, FoldState, PollState
from newswire.storage.feeds import FeedRow, configuration_of
from newswire.storage.feeds.status import status_of
from newswire.urls import redacted
from tests.factories import feed_row

NOW = 1_763_985_600_000
ROW = feed_row(
    Feed(id="a", url="https://u:p@a.example/f?key=s3cret&x#y"),
    PollState(last_checked=NOW, last_success=NOW, next_check=NOW + HOUR),
)


def changed(**poll: object) -> FeedRow:
    return msgspec.structs.replace(ROW, poll=msgspec.structs.replace(ROW.poll, **poll))


@pytest.mark.parametrize(
    ("row", "now", "state"),
    [
        (ROW, NOW, "ok"),
        (ROW, NOW + HOUR + 900_000, "ok"),
        (ROW, NOW + HOUR + 900_001, "stale"),
        (changed(error_code="dns", error="x"), NOW, "failing"),
        (changed(last_success=None, last_checked=None), NOW, "never"),
        (msgspec.structs.replace(ROW, feed=msgspec.structs.replace(ROW.feed, removed=True)), NOW, "paused"),
        (msgspec.structs.replace(ROW, feed=msgspec.structs.replace(ROW.feed, polled=False)), NOW, "archive"),
    ],
)
def test_state_is_computed_at_read_time(row: FeedRow, now: int, state: str) -> None:
    assert state_of(status_of(row), now, 900) == state


def test_status_redacts_secrets_in_the_url() -> None:
    assert status_of(ROW).url == "https://a.example/f?key=…&x"
    assert redacted("http://[broken") == "…"


def test_refused_document_becomes_the_feed_error() -> None:
    row = msgspec.structs.replace(
        changed(head=3), fold=FoldState(cursor=3, refused_seq=3, refused_code="html_page", refused="A page.")
    )
    assert (status_of(row).error_code, status_of(row).error) == ("html_page", "A page.")


def test_fetches_carry_their_item_counts() -> None:
    line = FetchLine(NOW, 200, 10, 5, seq=2)
    row = msgspec.structs.replace(
        changed(head=3, fetches=(line,)), fold=FoldState(cursor=2, counts=(Count(2, 1, 2, 3),))
    )
    assert (status_of(row).fetches[0].new, status_of(row).fetches[0].unchanged, status_of(row).behind) == (1, 3, True)


@pytest.mark.parametrize(
    ("feed", "fold", "shown"),
    [
        ({}, {}, ("", "", "", "auto")),
        ({}, {"title": "T", "description": "D", "link": "L", "kind": "rss20"}, ("T", "D", "L", "rss20")),
        (
            {"title": "Ours", "description": "Our", "link": "https://o.example/"},
            {"title": "T"},
            ("Ours", "Our", "https://o.example/", "auto"),
        ),
    ],
)
def test_configured_names_override_those_of_the_document(feed: dict, fold: dict, shown: tuple[str, ...]) -> None:
    row = msgspec.structs.replace(ROW, feed=msgspec.structs.replace(ROW.feed, **feed), fold=FoldState(**fold))
    status = status_of(row)
    assert (status.title, status.description, status.link, status.kind) == shown


def test_paused_or_unchecked_feed_has_no_next_check() -> None:
    ours = configuration_of(ROW.feed)
    assert status_of(ROW).next_check == NOW + HOUR
    assert status_of(changed(last_checked=None)).next_check is None
    paused = status_of(changed(paused="Gone.", configured=ours))
    assert (paused.paused, paused.next_check) == ("Gone.", None)
    edited = status_of(changed(paused="Gone.", configured="another"))
    assert (edited.paused, edited.next_check) == (None, NOW + HOUR)


def test_poll_error_comes_before_a_refused_document() -> None:
    refused = FoldState(cursor=3, refused_seq=3, refused_code="html_page", refused="A page.")
    row = msgspec.structs.replace(changed(head=3, error_code="dns", error="x"), fold=refused)
    assert (status_of(row).error_code, status_of(row).error) == ("dns", "x")
    later = msgspec.structs.replace(changed(head=4), fold=refused)
    assert status_of(later).error_code is None, "a newer document replaced the refused one"


@given(st.integers(0, 9), st.integers(0, 9), st.lists(st.integers(0, 9), max_size=5), st.sets(st.integers(0, 9)))
def test_counts_are_joined_by_record_and_behind_by_cursor(
    head: int, cursor: int, fetched: list[int], counted: set[int]
) -> None:
    lines = tuple(FetchLine(NOW, 200, 10, 5, seq=seq or None) for seq in fetched)
    counts = tuple(Count(seq, seq, seq + 1, seq + 2) for seq in counted)
    row = msgspec.structs.replace(changed(head=head, fetches=lines), fold=FoldState(cursor=cursor, counts=counts))
    status = status_of(row)
    assert status.behind == (head > cursor)
    for line, shown in zip(lines, status.fetches, strict=True):
        is_counted = line.seq is not None and line.seq in counted
        assert shown.new == (line.seq if is_counted else None)
        assert msgspec.structs.replace(shown, new=None, changed=None, unchanged=None, merged=None) == line
