"""Test the docstrings of `FeedList` on every feed store."""

import msgspec
import pytest

from newswire.model import Feed
from tests.contract.feed_store.leases import NOW, lease, remember, soon


def test_put_keeps_the_poll_state_of_a_known_feed(store) -> None:
    store.claim("a", lease(), NOW)
    remember(store, "t", head=7, next_check=NOW + 5)
    store.put(Feed(id="a", url="http://one.example/feed", title="New"), NOW)
    row = store.row("a")
    assert (row.feed.title, row.poll.head, row.poll.next_check) == ("New", 7, NOW + 5)
    assert store.row("b") is None


def test_rev_grows_with_every_change_and_after_removal(store) -> None:
    before = store.row("a").rev
    store.claim("a", lease(), NOW)
    remember(store, "t")
    assert store.row("a").rev > before
    last = store.row("a").rev
    store.remove("a")
    assert store.row("a") is None
    store.put(Feed(id="a"), NOW + 60_000)
    assert store.row("a").rev > last


@pytest.mark.parametrize(
    "edited",
    [{"url": "https://other.example/f"}, {"headers": {"X-Key": "k"}}, {"user_agent": "me"}, {"kind": "sitemap"}],
)
def test_edited_feed_is_due_at_once_at_its_configured_url(store, edited) -> None:
    store.claim("a", lease(), NOW)
    remember(store, "t", next_check=NOW + 80_000_000, adopted_url="https://adopted.example/f", errors=7)
    feed = store.row("a").feed
    store.put(msgspec.structs.replace(feed, title="Only another title", minimum_s=900), NOW)
    assert store.due(NOW, 10) == []
    store.put(msgspec.structs.replace(feed, **edited), NOW)
    host = "other.example" if "url" in edited else "one.example"
    soon(lambda: [(value.id, value.host) for value in store.due(NOW, 10)], [("a", host)])
    poll = store.row("a").poll
    assert (poll.next_check, poll.adopted_url, poll.errors) == (0, None, 7)


def test_feeds_are_listed_by_id(store) -> None:
    store.put(Feed(id="c"), NOW)
    store.put(Feed(id="b"), NOW)
    assert [row.feed.id for row in store.rows()] == ["a", "b", "c"]
