"""Test the docstrings of `FeedStore` on every feed store."""


def test_closed_store_reopens_on_the_next_call(store) -> None:
    store.close()
    assert store.row("a") is not None
