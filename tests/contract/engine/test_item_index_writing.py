"""Test the docstrings of `ItemIndex` on every engine: writing, deleting and refreshing."""

import random
import threading

import msgspec
import pytest

from newswire.engines.query import (
    SearchQuery,
)
from newswire.errors import DataError, EngineError
from newswire.model import IndexReport, ItemDeletion, ItemWrite, RefusedItem
from tests.contract.engine.contract import contract
from tests.contract.engine.writing import put, titles
from tests.factories import item


@contract.covers("SE-8", "SE-39", "SE-36")
def test_item_is_returned_unchanged(engine) -> None:
    whole = item(
        1,
        "Titel",
        summary="s",
        content="c" * 500,
        authors=("A",),
        categories=("X", "Y"),
        lang="en-us",
        updated=5,
        date_flags=("midnight",),
        published=-5_000_000_000_000,
    )
    put(engine, whole)
    assert engine.get([whole.id, "none"]) == {whole.id: whole}
    assert engine.search(SearchQuery(with_content=True)).hits[0].item == whole
    assert engine.search(SearchQuery()).hits[0].item == msgspec.structs.replace(whole, content="")


@contract.covers("SE-10")
def test_highest_seq_wins_in_any_order(engine) -> None:
    rng = random.Random(1)
    writes = [ItemWrite(item(n % 20, f"v{seq}"), seq) for n in range(20) for seq in range(1, 9)]
    rng.shuffle(writes)
    for start in range(0, len(writes), 23):
        engine.index(writes[start : start + 23] * 2, 1)
    engine.refresh()
    assert titles(engine) == ["v8"] * 20


def test_highest_seq_wins_in_concurrent_deliveries(make) -> None:
    versions = [ItemWrite(item(n, f"v{seq}"), seq) for n in range(15) for seq in range(1, 7)]
    failed: list[BaseException] = []

    def deliver(number: int) -> None:
        rng, engine = random.Random(number), make()
        ours = versions * 2
        rng.shuffle(ours)
        try:
            for start in range(0, len(ours), 60):
                report = engine.index(ours[start : start + 60], 1)
                assert (report.written + report.outdated, report.refused) == (60, ())
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=deliver, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    engine = make()
    engine.refresh()
    assert titles(engine) == ["v6"] * 15
    assert engine.count(1) == 15


@contract.covers("SE-11", "SE-10")
def test_equal_seq_replaces_and_resend_changes_nothing(engine) -> None:
    put(engine, item(1, "one"))
    assert put(engine, item(1, "again")).written == 1
    put(engine, item(1, "again"))
    assert titles(engine) == ["again"]
    assert engine.search(SearchQuery()).total == 1


def test_lower_seq_is_reported_as_outdated(engine) -> None:
    put(engine, item(1, "new"), seq=5)
    report = put(engine, item(1, "old"), seq=4)
    assert (report.written, report.outdated, report.refused) == (0, 1, ())
    assert titles(engine) == ["new"]


@contract.covers("SE-9")
def test_failing_source_leaves_no_partial_write(engine) -> None:
    def broken():
        for n in range(100):
            yield ItemWrite(item(n), 1)
        raise KeyError("the source broke")

    with pytest.raises(KeyError):
        engine.index(broken(), 1)
    engine.refresh()
    assert engine.search(SearchQuery()).total == 0
    put(engine, item(1))


@contract.covers("SE-53", "SE-54", "SE-55")
def test_items_are_deleted_unless_they_are_newer(engine) -> None:
    engine.delete_items([ItemDeletion("none", 1)], 1)  # there is no index yet
    engine.index([ItemWrite(item(n, f"n{n}"), seq=n) for n in range(1, 6)], 1)
    engine.delete_items([ItemDeletion(item(n).id, 3) for n in (1, 3, 5)] + [ItemDeletion("none", 9)], 1)
    engine.refresh()
    assert sorted(titles(engine)) == ["n2", "n4", "n5"]
    assert engine.count(1) == 3
    engine.index([ItemWrite(item(1, "again"), seq=3), ItemWrite(item(3, "newer"), seq=9)], 1)
    engine.refresh()
    assert sorted(titles(engine)) == ["again", "n2", "n4", "n5", "newer"]
    engine.delete_items([], 1)
    engine.delete_items([ItemDeletion(item(1).id, 3)], 7)  # no such generation
    assert engine.count(1) == 5


@contract.covers("SE-56")
def test_item_that_is_not_deleted_is_an_error(place) -> None:
    engine = place.open()
    engine.index([ItemWrite(item(1), 1)], 1)
    with place.writes_blocked(), pytest.raises((EngineError, DataError)):
        engine.delete_items([ItemDeletion(item(1).id, 1)], 1)
    engine.refresh()
    assert engine.count(1) == 1


@contract.covers("SE-14")
def test_delete_feed_deletes_only_its_items(engine) -> None:
    put(engine, item(1, "stays"), item(2, "goes", feed="other"))
    engine.delete_feed("other", 1)
    engine.delete_feed("other", 9)
    engine.refresh()
    assert titles(engine) == ["stays"]


@contract.covers("SE-15")
def test_deleted_feed_can_return_with_a_lower_seq(engine) -> None:
    put(engine, item(1, "before"), item(2, "before"), seq=7)
    engine.delete_feed("news", 1)
    report = put(engine, item(1, "after"), seq=1)
    assert (report.written, report.outdated) == (1, 0)
    assert titles(engine) == ["after"]


@contract.covers("SE-16")
def test_refresh_shows_writes_of_another_process(make) -> None:
    one, other = make(), make()
    put(one, item(1, "a"))
    assert titles(other) == ["a"]
    put(one, item(2, "b"))
    other.refresh()
    assert titles(other) == ["a", "b"]


@contract.covers("SE-12")
def test_refused_item_does_not_block_the_others(engine) -> None:
    report = put(engine, item(1, "before"), item(2, "too late", published=1 << 70), item(3, "after"))
    assert (report.written, [value.id for value in report.refused]) == (2, [item(2).id])
    assert report.refused[0].reason
    assert titles(engine) == ["after", "before"]


@contract.covers("SE-46")
def test_item_is_never_refused_for_a_fault_of_the_engine(engine, place) -> None:
    put(engine, item(1, "before"))
    writes = [ItemWrite(item(2, "during"), 1), ItemWrite(item(3, "during"), 1)]
    with place.writes_blocked():
        try:
            report = engine.index(writes, 1)
        except EngineError:
            report = IndexReport(failed=tuple(RefusedItem(write.item.id, "") for write in writes))
    assert (report.written, report.refused) == (0, ())
    assert [failed.id for failed in report.failed] == [item(2).id, item(3).id]
    put(engine, item(2, "after"), item(3, "after"))
    assert titles(engine) == ["after", "after", "before"]


@contract.covers("SE-44")
@pytest.mark.parametrize("field", ["published", "updated", "changed", "first_seen"])
@pytest.mark.parametrize("instant", [-62_135_596_800_001, 253_402_300_800_000, 10**17])
def test_item_with_an_impossible_date_is_refused(engine, field: str, instant: int) -> None:
    bad = msgspec.structs.replace(item(1), **{field: instant})
    report = engine.index([ItemWrite(bad, 1), ItemWrite(item(2), 1)], 1)
    engine.refresh()
    assert (report.written, [refused.id for refused in report.refused]) == (1, [bad.id])
    assert field in report.refused[0].reason
    assert set(engine.get([bad.id, item(2).id])) == {item(2).id}


@contract.covers("SE-45")
@pytest.mark.parametrize("error", [ValueError, OSError, KeyError, RuntimeError, DataError, TypeError])
def test_exception_of_the_writes_is_raised_unchanged(engine, error: type[Exception]) -> None:
    put(engine, item(1))

    def writes():
        yield ItemWrite(item(2), 1)
        raise error("made to fail")

    with pytest.raises(error, match="made to fail") as raised:
        engine.index(writes(), 1)
    assert type(raised.value) is error
    engine.refresh()
    assert item(1).id in engine.get([item(1).id]), "the engine is as usable as before"
    put(engine, item(3))
