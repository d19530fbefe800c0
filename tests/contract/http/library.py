"""The items and feed statuses that most tests of the API search."""

from datetime import UTC, datetime
from urllib.parse import quote

import msgspec

from newswire.clock import DAY, HOUR, from_datetime
from newswire.ingest.item import item_id
from newswire.model import FeedStatus, FetchLine, Gap, Item
from tests import factories
from tests.conftest import NOON


def at(text: str) -> int:
    return from_datetime(datetime.fromisoformat(text).replace(tzinfo=UTC))


def item(name: str, feed: str = "alpha", published: str = "2025-05-26T12:00", **overrides: object) -> Item:
    """Return an item with this title, changed and first seen an hour after it was published."""
    when = at(published)
    built = factories.item(
        title=name,
        id=item_id(name),
        feed=feed,
        link=f"https://a.example/{quote(name)}",
        lang="en",
        published=when,
        changed=when + HOUR,
        first_seen=when + HOUR,
    )
    return msgspec.structs.replace(built, **overrides)


ITEMS = [
    item("Baltic exercise begins", summary="Ships train near Šiauliai & Klaipėda.", categories=("Defence, security", "Sea"), authors=("Zoë Müller",)),
    item("Air policing over Iceland", "beta", "2025-05-27T08:00", summary="A show of exercises in the air", categories=("Air",), lang="en-us"),
    item("Air show opens, policing follows", "beta", "2025-05-31T22:30", categories=("air",), content="The tank drill was long. " * 40 + "Deep inside stands a submarine. " + "More text follows here. " * 40),
    item("Tank drill cancelled", "gamma", "2025-06-01T00:30", summary="The drill", updated=at("2025-06-02")),
    item("F-16 and U.S. allies at AT&T, 5G: Ukraine's choice", "gamma", "2024-02-29T12:00", lang="en"),
    item("Министр обороны прибыл", "delta", "2025-03-30T01:30", lang="ru"),
    item("Η Ελλάδα και η ΟΔΌΣ", "delta", "2025-10-26T00:30", lang="el"),
    item("北京の空港 カタカナ 서울", "delta", "2025-10-26T01:30", lang="ja"),
    item("وزير الدِّفَاع", "delta", "2025-01-01T00:00", lang="ar"),
    item("שָׁלוֹם לכולם", "delta", "2024-12-31T23:59:59.999", lang="he"),
    item("Škoda wins a joint statement", "-odd", "2025-07-01T00:00", categories=("\\back", "-dash"), lang="cs"),
]  # fmt: skip


def status(feed: str, **overrides: object) -> FeedStatus:
    """Return the status of a feed that was polled an hour ago."""
    host = f"https://{feed.strip('-')}.example"
    built = factories.feed_status(
        feed,
        title=feed.title(),
        description=f"About {feed}",
        link=f"{host}/",
        url=f"{host}/feed?key=…",
        kind="rss20",
        items=3,
        last_checked=NOON - HOUR,
        last_success=NOON - HOUR,
        next_check=NOON + HOUR,
        newest=at("2025-06-01"),
        fetches=(FetchLine(NOON - HOUR, 200, 1234, 56, None, 1, 3, 0, 0),),
    )
    return msgspec.structs.replace(built, **overrides)


STATUSES = [
    status("-odd"),
    status("alpha"),
    status("beta", gaps=(Gap(at("2025-05-01"), at("2025-05-02")),)),
    status("delta", error_code="http_status", error="The server answered 500.", failing_since=NOON - 2 * DAY, last_success=NOON - 3 * DAY),
    status("gamma", next_check=NOON - DAY, behind=True),
]  # fmt: skip
