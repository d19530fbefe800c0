"""Make values of the model for tests: each factory has plain defaults, which keywords override."""

from msgspec.structs import replace

from newswire.clock import DAY
from newswire.ingest.item import item_id
from newswire.model import (
    Entry,
    Feed,
    FeedStatus,
    Fetched,
    FetchFailed,
    FoldState,
    Item,
    ItemDate,
    ItemState,
    Markup,
    NotModified,
    PollState,
    RawDate,
    Record,
)
from newswire.storage.feeds import FeedRow

FEED_URL = "https://news.example/feed"


def feed_row(
    feed: Feed | None = None, poll: PollState | None = None, fold: FoldState | None = None, *, rev: int = 1
) -> FeedRow:
    """Return the row of a feed at `FEED_URL` that was never polled."""
    return FeedRow(feed or Feed(id="news", url=FEED_URL), poll or PollState(), fold or FoldState(), rev)


def fetched(body: bytes = b"<rss/>", **overrides: object) -> Fetched:
    """Return an RSS document from `FEED_URL`."""
    plain = Fetched(
        url=FEED_URL,
        final_url=FEED_URL,
        status=200,
        headers={},
        body=body,
        content_type="application/rss+xml",
        truncated=False,
        hops=(),
        took_ms=40,
        wire_bytes=len(body),
    )
    return replace(plain, **overrides)


def not_modified(**overrides: object) -> NotModified:
    """Return a 304 from `FEED_URL`."""
    return replace(NotModified(FEED_URL, FEED_URL, {}, (), 40), **overrides)


def fetch_failed(code: str = "timeout", **overrides: object) -> FetchFailed:
    """Return a failed fetch of `FEED_URL` without a response."""
    return replace(FetchFailed(FEED_URL, code, f"The fetch failed ({code})."), **overrides)


def record(seq: int = 1, **overrides: object) -> Record:
    """Return a document of the feed `news` from `FEED_URL`."""
    plain = Record(
        feed="news",
        seq=seq,
        kind="document",
        fetched_at=1_763_985_600_000,
        confirmed_at=None,
        url=FEED_URL,
        final_url=FEED_URL,
        status=200,
        headers={},
        content_type="",
        feed_kind="auto",
        listing=None,
        lang=None,
        truncated=False,
        body=b"<rss/>",
    )
    return replace(plain, **overrides)


def entry(
    guid: str = "1",
    link: str = "https://a.example/1",
    title: str = "One",
    date: str = "2025-11-01T10:00:00Z",
    **overrides: object,
) -> Entry:
    """Return an entry as the parser gives it; it is undated if `date` is empty."""
    dates = (RawDate("pubDate", date),) if date else ()
    return replace(Entry(guid=guid, link=link, title=Markup(title), published=dates), **overrides)


def item(number: int = 1, title: str = "", **overrides: object) -> Item:
    """Return an item of the feed `news`; `number` gives its id, its link and its dates (that day after 1970-01-01)."""
    plain = Item(
        id=item_id(str(number)),
        feed="news",
        title=title,
        link=f"https://a.example/{number}",
        summary="",
        content="",
        authors=(),
        categories=(),
        lang=None,
        published=number * DAY,
        published_source="pubDate",
        published_precision="second",
        published_raw=None,
        date_flags=(),
        updated=None,
        changed=number * DAY,
        first_seen=number * DAY,
        revision=1,
    )
    return replace(plain, **overrides)


def item_state(seq: int = 1, **overrides: object) -> ItemState:
    """Return the kept state of an item that record `seq` changed last."""
    plain = ItemState(
        entry_hash="h",
        extraction=1,
        revision=1,
        first_seen=5,
        changed=5,
        date=ItemDate(5, "pubDate", "second", "x"),
        link="l",
        seq=seq,
    )
    return replace(plain, **overrides)


def feed_status(feed: str = "news", rev: int = 1, **overrides: object) -> FeedStatus:
    """Return the published status of a feed that was never polled and has no items."""
    plain = FeedStatus(
        id=feed,
        rev=rev,
        title="",
        description="",
        link="",
        url="",
        kind="",
        last_checked=None,
        last_success=None,
        next_check=None,
        failing_since=None,
        error_code=None,
        error=None,
        paused=None,
        items=0,
        newest=None,
        per_day=None,
        behind=False,
        fetches=(),
        gaps=(),
    )
    return replace(plain, **overrides)
