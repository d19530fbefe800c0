"""Test the docstrings of `Generations` on every engine."""

import msgspec
import pytest

from newswire.engines.coverage import CoverageQuery
from newswire.engines.query import SearchQuery, ValueFilter
from tests.contract.engine.contract import contract
from tests.contract.engine.writing import put, titles
from tests.factories import feed_status, item


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


@contract.covers("SE-48")
def test_each_index_has_an_identity_of_its_own(engine, make) -> None:
    assert engine.identity(1) is None
    put(engine, item(1))
    put(engine, item(1), generation=2)
    first, second = engine.identity(1), engine.identity(2)
    assert first.id
    assert second.id not in {"", first.id}
    put(engine, item(2))
    again = make().identity(1)
    assert again.id == first.id
    assert again.stamp >= first.stamp
    engine.swap(2)
    assert engine.identity(2).id == second.id
    engine.drop(1)
    assert engine.identity(1) is None


@contract.covers("SE-49")
def test_identity_is_given_once(engine) -> None:
    given = engine.give_identity(1)
    assert given.id
    assert engine.give_identity(1) == engine.identity(1) == given
    put(engine, item(1, "kept"))
    assert engine.give_identity(1).id == given.id
    assert titles(engine) == ["kept"]


@contract.covers("SE-50")
@pytest.mark.parametrize("generation", [1, 2])
def test_reset_makes_an_empty_index_that_is_another_one(engine, generation: int) -> None:
    put(engine, item(1, "kept"))
    put(engine, item(2, "gone"), generation=generation)
    before = engine.identity(generation)
    after = engine.reset(generation)
    assert after.id not in {"", before.id}
    assert engine.identity(generation).id == after.id
    assert (engine.count(generation), engine.generation()) == (0, 1)
    assert titles(engine) == ([] if generation == 1 else ["kept"])
    put(engine, item(3, "new"), generation=generation)
    engine.refresh()
    assert engine.count(generation) == 1


@contract.covers("SE-50")
def test_reset_makes_an_index_that_was_missing(engine) -> None:
    assert engine.reset(1).id
    put(engine, item(1, "new"))
    assert titles(engine) == ["new"]


@contract.covers("SE-47")
def test_items_that_the_statuses_count_and_the_index_lacks_are_missing(engine) -> None:
    def missing(**more) -> int:
        coverage = engine.search(SearchQuery(coverage=CoverageQuery(0, 0), **more)).coverage
        assert coverage.missing == engine.coverage(CoverageQuery(0, 0)).missing
        return coverage.missing

    engine.publish([msgspec.structs.replace(feed_status("a", 1), indexed=2)])
    assert missing() == 2
    put(engine, item(1, feed="a"), item(2, feed="a"))
    assert missing() == 0
    engine.publish([msgspec.structs.replace(feed_status("b", 1), indexed=3)])
    named = (ValueFilter("feed", ("a",)),)
    assert (missing(), missing(size=0), missing(filters=named)) == (3, 3, 3)
    engine.publish([msgspec.structs.replace(feed_status("b", 2), indexed=3, deleted=True)])
    assert missing() == 0
    engine.delete_feed("a", 1)
    assert missing() == 2
