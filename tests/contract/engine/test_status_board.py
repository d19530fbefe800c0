"""Test the docstrings of `StatusBoard`, and statuses beside a search, on every engine."""

from newswire.engines.query import (
    SearchQuery,
    ValueFilter,
)
from newswire.model import ItemWrite
from tests.contract.engine.contract import contract
from tests.contract.engine.writing import put
from tests.factories import feed_status, item


@contract.covers("SE-17", "SE-41")
def test_status_with_the_highest_rev_wins(engine) -> None:
    engine.publish([feed_status("a", 5, title="five"), feed_status("b", 1)])
    engine.publish([feed_status("a", 4, title="four")])
    engine.publish([feed_status("a", 6, title="six")])
    assert [(status.id, status.title) for status in engine.statuses()] == [("a", "six"), ("b", "")]
    assert [status.id for status in engine.statuses(["b", "none"])] == ["b"]


@contract.covers("SE-17")
def test_older_status_does_not_restore_a_deleted_one(engine) -> None:
    engine.publish([feed_status("a", 5)])
    engine.publish([feed_status("a", 6, deleted=True)])
    engine.publish([feed_status("a", 5)])
    assert engine.statuses() == []
    engine.publish([feed_status("a", 7)])
    assert len(engine.statuses()) == 1


@contract.covers("SE-41")
def test_statuses_of_another_process_are_seen_at_once(make) -> None:
    one, other = make(), make()
    one.publish([feed_status("a", 1, title="first")])
    assert [status.title for status in other.statuses()] == ["first"]
    one.publish([feed_status("a", 2, title="second"), feed_status("b", 1)])
    assert [(status.id, status.title) for status in other.statuses()] == [("a", "second"), ("b", "")]
    other.publish([feed_status("b", 2, deleted=True)])
    assert [status.id for status in one.statuses()] == ["a"]


@contract.covers("SE-37")
def test_search_returns_statuses_of_the_filtered_feeds(engine) -> None:
    def beside(*filters: ValueFilter, wanted: bool = True) -> list[str]:
        query = SearchQuery(filters=filters, with_statuses=wanted)
        return [status.id for status in engine.search(query).statuses]

    assert beside() == []
    engine.publish([feed_status(feed, 1) for feed in "bca"])
    assert beside() == ["a", "b", "c"]  # nothing was indexed yet
    put(engine, item(1))
    assert beside() == ["a", "b", "c"]
    assert beside(ValueFilter("feed", ("b", "none"))) == ["b"]
    assert beside(ValueFilter("feed", ("b",), ("c",))) == ["b", "c"]
    assert beside(ValueFilter("feed", (), ("c",)), ValueFilter("lang", ("en",))) == ["a", "b", "c"]
    assert beside(wanted=False) == []


def test_all_of_many_statuses_are_returned(engine) -> None:
    engine.publish([feed_status(f"feed-{n:05}", 1) for n in range(2345)])
    expected = [f"feed-{n:05}" for n in range(2345)]
    assert [status.id for status in engine.statuses()] == expected
    assert [status.id for status in engine.search(SearchQuery(with_statuses=True)).statuses] == expected


@contract.covers("SE-18")
def test_published_status_is_not_ahead_of_the_items(make) -> None:
    writer, reader = make(), make()
    for n in range(3):
        writer.index([ItemWrite(item(n), 1)], 1)
        writer.publish([feed_status("news", n + 1)])
        page = reader.search(SearchQuery(with_statuses=True))
        assert (page.total, page.statuses[0].rev) == (n + 1, n + 1)
