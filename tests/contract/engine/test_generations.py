"""Test the docstrings of `Generations` on every engine."""

import pytest

from tests.contract.engine.contract import contract
from tests.contract.engine.writing import put, titles
from tests.factories import item


@contract.covers("SE-6", "SE-13", "SE-20", "SE-21", "SE-23", "SE-19")
def test_searches_see_only_the_current_generation(engine) -> None:
    put(engine, item(1, "old"))
    put(engine, item(1, "new"), generation=2)
    assert engine.generations() == [1, 2]
    assert (titles(engine), engine.count(2)) == (["old"], 1)
    engine.swap(2)
    assert (titles(engine), engine.generation()) == (["new"], 2)
    engine.drop(1)
    engine.drop(1)
    assert engine.generations() == [2]


def test_later_generation_is_not_seen_before_its_swap(engine) -> None:
    put(engine, item(1, "half"), generation=2)
    assert (titles(engine), engine.generation(), engine.generations()) == ([], 1, [2])
    put(engine, item(2, "whole"), generation=2)
    engine.swap(2)
    assert (titles(engine), engine.generation()) == (["half", "whole"], 2)


@contract.covers("SE-22")
def test_current_generation_is_not_dropped(engine) -> None:
    put(engine, item(1))
    with pytest.raises(ValueError, match="not dropped"):
        engine.drop(1)
