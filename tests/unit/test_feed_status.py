"""Feed status: state, errors, fetches and gaps."""

import msgspec
import pytest

from newswire.clock import HOUR
from newswire.feed_status import state_of
from newswire.ingest.gaps import gap_between
from newswire.model import Feed, FetchLine, FoldState, Gap, PollState
from newswire.storage.feeds import FeedRow
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
        (msgspec.structs.replace(ROW, feed=msgspec.structs.replace(ROW.feed, polled=False)), NOW, "paused"),
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
    from newswire.model import Count

    row = msgspec.structs.replace(
        changed(head=3, fetches=(line,)), fold=FoldState(cursor=2, counts=(Count(2, 1, 2, 3),))
    )
    assert (status_of(row).fetches[0].new, status_of(row).fetches[0].unchanged, status_of(row).behind) == (1, 3, True)


@pytest.mark.parametrize(
    ("older", "newer", "usual", "gap"),
    [
        ({"a": 1}, ["b"], 1, True),
        ({"a": 1}, ["a", "b"], 2, False),
        ({"a": 20}, ["a", "b"], 2, True),
        ({"a": 20}, ["a"], 1, False),
        ({"a": 1, "b": 1, "c": 1, "d": 1}, ["x", "y"], 4, False),
        ({}, ["x"], 1, False),
        ({"a": 1}, [], 1, False),
    ],
)
def test_gap_is_a_full_document_without_overlap(older: dict, newer: list, usual: float, gap: bool) -> None:
    result = gap_between(older, newer, usual, NOW, NOW + HOUR)
    assert result == (Gap(NOW, NOW + HOUR) if gap else None)


def test_gap_needs_a_time_span() -> None:
    assert gap_between({"a": 1}, ["b"], 1, None, NOW) is None
    assert gap_between({"a": 1}, ["b"], 1, NOW, NOW) is None
