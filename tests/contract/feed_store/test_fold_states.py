"""Test the docstrings of `FoldStates` on every feed store."""

import msgspec

from newswire.model import Feed, FoldState
from newswire.storage.feeds import PollResult
from tests.contract.feed_store.leases import NOW, lease, remember, soon
from tests.factories import item_state


def test_feed_is_behind_until_its_cursor_reaches_its_head(store) -> None:
    assert store.behind(1) == []
    store.claim("a", lease(), NOW)
    remember(store, "t", head=2)
    soon(lambda: store.behind(1), ["a"])
    store.claim_index(1, "a", lease("i"), NOW)
    assert store.save(1, "a", "i", FoldState(cursor=2, items=3), {"x": item_state()})
    assert store.behind(1) == []
    soon(lambda: store.behind(2), ["a"])
    assert store.row("a", 1).fold.items == 3
    assert store.row("a", 2).fold == FoldState()


def test_behind_can_be_limited_to_some_feeds(store) -> None:
    for name in ("b", "c"):
        store.put(Feed(id=name, url=f"http://{name}.example/"), NOW)
    for name in ("a", "c"):
        row = store.claim(name, lease(), NOW)
        store.remember([PollResult(name, "t", msgspec.structs.replace(row.poll, head=1))])
    assert store.behind(1, among=["c", "b", "a", "none"]) == ["a", "c"]
    assert store.behind(1, 1, among=["c", "a"]) == ["a"]
    assert store.behind(1, among=["b"]) == store.behind(1, among=[]) == []


def test_behind_is_tracked_per_generation(store) -> None:
    store.claim("a", lease(), NOW)
    remember(store, "t", head=2)
    for generation, cursor in ((1, 1), (2, 2)):
        store.claim_index(generation, "a", lease("i"), NOW)
        store.save(generation, "a", "i", FoldState(cursor=cursor), {})
    soon(lambda: store.behind(1), ["a"])
    assert store.behind(2) == []
    store.drop_generation(1)
    soon(lambda: store.behind(2), [])


def test_item_states_are_kept_per_generation(store) -> None:
    store.claim_index(1, "a", lease("i"), NOW)
    many = {f"{n:032x}": item_state(n) for n in range(1200)}
    store.save(1, "a", "i", FoldState(cursor=1), many)
    assert store.item_states(1, "a", [*many, "none"]) == many
    assert store.item_states(2, "a", many) == {}
    assert store.item_states(1, "b", many) == {}


def test_index_lease_covers_only_its_generation(store) -> None:
    assert store.claim_index(1, "a", lease("i"), NOW) is not None
    assert store.claim_index(1, "a", lease("j"), NOW) is None
    assert store.claim_index(2, "a", lease("j"), NOW) is not None
    assert store.index_leases(1, NOW) == 1
    assert not store.save(1, "a", "j", FoldState(cursor=9), {"x": item_state()})
    assert store.item_states(1, "a", ["x"]) == {}
    assert store.release_index(1, "a", "i")
    assert store.index_leases(1, NOW) == 0
    assert store.claim_index(1, "nobody", lease("j"), NOW) is None


def test_polling_and_indexing_keep_each_others_state(store) -> None:
    store.claim("a", lease(), NOW)
    store.claim_index(1, "a", lease("i"), NOW)
    remember(store, "t", head=5)
    store.save(1, "a", "i", FoldState(cursor=4), {})
    assert (store.row("a", 1).poll.head, store.row("a", 1).fold.cursor) == (5, 4)


def test_drop_generation_removes_all_its_states(store) -> None:
    for generation in (1, 2):
        store.claim_index(generation, "a", lease("i"), NOW)
        store.save(generation, "a", "i", FoldState(cursor=1), {"x": item_state()})
    assert store.generations() == [1, 2]
    store.drop_generation(1)
    assert store.generations() == [2]
    assert store.item_states(1, "a", ["x"]) == {}
    assert store.item_states(2, "a", ["x"]) == {"x": item_state()}


def test_claim_says_whether_the_last_lease_was_abandoned(store) -> None:
    assert store.claim_index(1, "a", lease("i"), NOW).abandoned is False
    assert store.claim_index(1, "a", lease("i"), NOW).abandoned is False, "our own claim, extended"
    assert store.claim_index(1, "a", lease("j"), NOW + 3_600_000).abandoned is True, "it expired"
    assert store.claim_index(1, "a", lease("j"), NOW + 3_600_000).abandoned is False
    assert store.release_index(1, "a", "j")
    assert store.claim_index(1, "a", lease("k"), NOW + 3_600_001).abandoned is False
    assert store.claim_index(2, "a", lease("k"), NOW).abandoned is False
