"""Test the docstrings of `SearchEngine` on every engine."""

import threading

import pytest

from newswire.engines.query import (
    FacetQuery,
    SearchQuery,
)
from newswire.errors import EngineUnavailableError, IndexOutdatedError, IndexSchemaError
from newswire.model import ItemWrite
from tests.contract.engine.contract import contract
from tests.contract.engine.writing import put, titles
from tests.factories import feed_status, item


@contract.covers("SE-2")
def test_constructing_an_engine_opens_nothing(make, place) -> None:
    make()
    assert place.is_untouched()


@contract.covers("SE-7")
def test_setup_makes_an_empty_index_and_keeps_a_full_one(engine, make) -> None:
    engine.setup()
    assert engine.generations() == [1]
    assert (engine.search(SearchQuery()).total, engine.statuses(), engine.count(1)) == (0, [], 0)
    put(engine, item(1, "stays"))
    make().setup()
    assert titles(engine) == ["stays"]
    put(engine, item(1, "stays too"), generation=2)
    engine.swap(2)
    engine.drop(1)
    engine.setup()
    assert engine.generations() == [2]
    assert titles(engine) == ["stays too"]


def test_empty_engine_finds_nothing(engine) -> None:
    page = engine.search(SearchQuery(facets=(FacetQuery("feed"),), edges=(0, 1, 2)))
    assert (page.hits, page.total, page.next, page.histogram) == ((), 0, None, (0, 0))
    assert engine.get(["x"]) == {}
    assert engine.statuses() == []
    assert engine.span(SearchQuery()) is None
    assert engine.generation() == 1
    assert engine.count(1) == 0


@contract.covers("SE-1")
def test_statuses_are_separate_from_items_and_generations(engine) -> None:
    put(engine, item(1))
    engine.publish([feed_status("news", 1)])
    assert engine.search(SearchQuery()).total == 1
    put(engine, item(1), generation=2)
    engine.swap(2)
    engine.drop(1)
    assert [status.id for status in engine.statuses()] == ["news"]


@contract.covers("SE-3")
def test_concurrent_writers_lose_nothing(make) -> None:
    engines = [make() for _ in range(3)]

    def write(n: int) -> None:
        for part in range(4):
            engines[n].index([ItemWrite(item(n * 1000 + part * 10 + k), 1) for k in range(10)], 1)

    threads = [threading.Thread(target=write, args=(n,)) for n in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    engines[0].refresh()
    assert engines[0].search(SearchQuery()).total == 120


@contract.covers("SE-4", "SE-42")
def test_damaged_index_is_unavailable_and_unhealthy(engine, make, place) -> None:
    put(engine, item(1))
    engine.publish([feed_status("a", 1)])
    engine.close()
    place.damage()
    broken = make()
    assert not broken.info().healthy
    for call in (
        lambda: broken.search(SearchQuery()),
        lambda: broken.get(["x"]),
        lambda: broken.count(1),
        lambda: broken.refresh(),
        lambda: broken.span(SearchQuery()),
        lambda: put(broken, item(2)),
        lambda: broken.delete_feed("news", 1),
    ):
        with pytest.raises(EngineUnavailableError, match=place.advice):
            call()
    broken.close()


@contract.covers("SE-5")
@pytest.mark.parametrize(("by", "error"), [(-1, IndexOutdatedError), (1, IndexSchemaError)])
def test_index_of_another_schema_is_not_read(engine, make, place, by: int, error: type) -> None:
    put(engine, item(1))
    engine.close()
    place.change_schema(by)
    other = make()
    for call in (
        lambda: other.search(SearchQuery()),
        lambda: other.get(["x"]),
        lambda: other.span(SearchQuery()),
        lambda: put(other, item(2)),
        lambda: other.setup(),
    ):
        with pytest.raises(error) as raised:
            call()
        assert type(raised.value) is error
    put(other, item(3, "anew"), generation=2)
    other.swap(2)
    assert titles(other) == ["anew"]


@contract.covers("SE-43")
def test_healthy_engine_can_be_closed_and_reopened(engine) -> None:
    put(engine, item(1, "x"))
    engine.close()
    assert titles(engine) == ["x"]
    assert engine.info().healthy
