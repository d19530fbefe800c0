"""Gaps between two documents of a feed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newswire.clock import HOUR
from newswire.ingest.gaps import PINNED_AFTER_DOCUMENTS, gap_between
from newswire.model import Gap

NOW = 1_763_985_600_000
ids = st.sampled_from("abcdefghij")
documents = st.dictionaries(ids, st.integers(1, 2 * PINNED_AFTER_DOCUMENTS))


@pytest.mark.parametrize(
    ("older", "newer", "usual", "gap"),
    [
        ({"a": 1}, ["b"], 1, True),
        ({"a": 1}, ["a", "b"], 2, False),
        ({"a": 20}, ["a", "b"], 2, True),
        ({"a": 20}, ["a"], 1, False),
        ({"a": PINNED_AFTER_DOCUMENTS}, ["a", "b"], 2, True),
        ({"a": PINNED_AFTER_DOCUMENTS - 1}, ["a", "b"], 2, False),
        ({"a": 20, "b": 20}, ["a", "b", "c"], 3, False),
        ({"a": 1, "b": 1, "c": 1, "d": 1}, ["x", "y"], 4, False),
        ({"a": 1}, ["v", "w", "x", "y"], 5, True),
        ({"a": 1}, ["v", "w", "x"], 4, False),
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
    assert gap_between({"a": 1}, ["b"], 1, NOW + 1, NOW) is None


@given(documents, st.lists(ids), st.floats(0, 12), st.integers(0, 9), st.integers(0, 9))
def test_gap_never_contradicts_a_shared_entry(
    older: dict[str, int], newer: list[str], usual: float, start: int, end: int
) -> None:
    gap = gap_between(older, newer, usual, start, end)
    assert gap_between(older, [*newer, *newer], usual, start, end) == gap, "repeated entries count once"
    if gap is not None:
        assert gap == Gap(start, end)
        assert start < end
        assert all(older.get(id_, PINNED_AFTER_DOCUMENTS) >= PINNED_AFTER_DOCUMENTS for id_ in newer)
        assert len(set(newer) - older.keys()) * 2 >= len(set(newer)) > 0


@given(documents.filter(bool), st.lists(ids, min_size=1), st.floats(0, 12))
def test_any_unpinned_shared_entry_closes_the_gap(older: dict[str, int], newer: list[str], usual: float) -> None:
    seen_once = {**older, newer[0]: 1}
    assert gap_between(seen_once, newer, usual, NOW, NOW + HOUR) is None
