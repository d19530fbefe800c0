"""Test the docstrings of `Locks` on every feed store."""

from newswire.storage.feeds.metadata import BegunReindex, LastTick, Metadata
from tests.contract.feed_store.leases import NOW, lease


def test_named_locks_are_exclusive_and_renewable(store) -> None:
    assert store.lock("reindex", lease(), NOW)
    assert not store.lock("reindex", lease("other"), NOW)
    assert store.lock("reindex", lease("t", 900), NOW)
    assert store.is_locked("reindex", NOW + 600_000)
    assert not store.is_locked("fence", NOW)
    assert store.unlock("reindex", "t")
    assert not store.is_locked("reindex", NOW)
    assert store.lock("reindex", lease("other"), NOW)


def test_metadata_is_kept_one_value_of_each_kind(store) -> None:
    assert store.metadata(LastTick) is None
    store.keep_metadata(LastTick(at=1, whole_at=0))
    store.keep_metadata(LastTick(at=2, whole_at=1))
    store.keep_metadata(BegunReindex(generation=2, extraction=3, schema=4))
    assert store.metadata(LastTick) == LastTick(at=2, whole_at=1)
    assert store.metadata(BegunReindex) == BegunReindex(generation=2, extraction=3, schema=4)


def test_metadata_in_another_form_is_not_read(store) -> None:
    class Older(Metadata, frozen=True):
        KEY = LastTick.KEY
        text: str

    store.keep_metadata(Older("1763985600000 0"))
    assert store.metadata(LastTick) is None
