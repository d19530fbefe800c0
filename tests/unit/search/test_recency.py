"""Recency bands: the factors of newer items."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newswire.clock import DAY
from newswire.engines.query import RecencyBand
from newswire.search.recency import bands_of

NOW = 1_763_985_600_000
ages = st.lists(st.integers(1, 4_000), min_size=1, max_size=8, unique=True).map(sorted)


def test_default_ages_divide_the_weight_in_equal_steps() -> None:
    assert bands_of(0.5, (1, 7, 30, 365), NOW) == (
        RecencyBand(NOW - DAY, 1.5),
        RecencyBand(NOW - 7 * DAY, 1.375),
        RecencyBand(NOW - 30 * DAY, 1.25),
        RecencyBand(NOW - 365 * DAY, 1.125),
    )


def test_recency_without_weight_or_ages_has_no_bands() -> None:
    assert bands_of(0, (1, 7), NOW) == ()
    assert bands_of(0.5, (), NOW) == ()


@given(st.floats(0.001, 10), ages)
def test_factors_fall_from_the_whole_weight_to_above_1(weight: float, steps: list[int]) -> None:
    bands = bands_of(weight, steps, NOW)
    assert [NOW - band.start for band in bands] == [days * DAY for days in steps]
    assert bands[0].factor == pytest.approx(1 + weight)
    assert bands[-1].factor == pytest.approx(1 + weight / len(steps))
    assert all(newer.factor > older.factor > 1 for newer, older in pairwise(bands))
