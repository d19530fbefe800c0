"""Two holders whose clocks differ, one of them paused anywhere: nothing is lost, doubled, or moved in time."""

import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from newswire.app import App
from newswire.clock import SECOND
from newswire.engines.query import SearchQuery
from newswire.errors import NewswireError
from newswire.ingest.poll import run_batches
from newswire.ingest.tick import tick
from newswire.ingest.verify import verify
from newswire.model import Batch, Feed
from newswire.settings import Settings
from newswire.storage.feeds.dynamodb import DynamoFeedStore
from newswire.storage.queue.inline import InlineQueue
from tests.conftest import NOON, HandClock
from tests.support.aws import AwsInside
from tests.support.feed_server import FeedServer, rss, story

FEEDS = ("a", "b")
LEASE_S = 60


class Paused:
    """A holder that runs in a thread, and stops before its n-th call of the stores or the engine until it is resumed."""

    def __init__(self, app: App, n: int, work: Callable[[App], object]) -> None:
        self._left = n
        self._reached, self._resumed = threading.Event(), threading.Event()
        self.errors: list[Exception] = []
        for name in ("_feeds", "_archive", "engine"):
            getattr(app, name.removeprefix("_"))  # opened before it is wrapped
            setattr(app, name, _Counted(getattr(app, name), self._count))
        self._thread = threading.Thread(target=self._run, args=(app, work))
        self._thread.start()
        while self._thread.is_alive() and not self._reached.wait(0.01):
            pass

    def _run(self, app: App, work: Callable[[App], object]) -> None:
        try:
            work(app)
        except NewswireError as error:
            self.errors.append(error)

    def _count(self) -> None:
        self._left -= 1
        if self._left == 0:
            self._reached.set()
            assert self._resumed.wait(60)

    def resume(self) -> None:
        self._resumed.set()
        self._thread.join(60)
        assert not self._thread.is_alive()


class _Counted:
    def __init__(self, part: Any, count: Callable[[], None]) -> None:
        self._part, self._count = part, count

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._part, name)
        if not callable(value) or name == "close":
            return value

        def counted(*arguments: Any, **named: Any) -> Any:
            self._count()
            return value(*arguments, **named)

        return counted


class World:
    """A feed server, and newswires over one data folder or one table, each with a clock that is off by some seconds."""

    def __init__(self, folder: Any, table: str | None) -> None:
        self.server = FeedServer()
        self.clock = HandClock(NOON)
        self._table = table
        self._settings = Settings(
            data=str(folder),
            feeds="",
            fetch_allow_private=True,
            fetch_ports="",
            lease_seconds=LEASE_S,
            fetch_timeout_seconds=5,
            lock_wait_seconds=1,
        )
        self.published = 0

    def open(self, skew_s: float = 0) -> App:
        feeds = DynamoFeedStore(self._table) if self._table else None
        return App(self._settings, clock=lambda: self.clock() + round(skew_s * SECOND), feeds=feeds)

    def publish(self) -> None:
        """Let each publisher change one story, and add one."""
        self.published += 1
        stories = [story(n) for n in range(1, self.published + 2)]
        for feed in FEEDS:
            edited = story(1, f"Edit {self.published} of {feed}")
            self.server.says(f"/{feed}", rss(edited, *stories[1:], title=feed))


def poll(app: App) -> None:
    run_batches(app, [Batch(FEEDS, now=True)])


def work(app: App) -> None:
    tick(app, InlineQueue(lambda batches: run_batches(app, batches)))


@pytest.mark.parametrize("store", ["one machine", "a table"])
@given(
    n=st.integers(1, 45),
    skew_s=st.sampled_from([-90.0, 0.0, 90.0]),
    pause_s=st.sampled_from([0, 30, 4 * LEASE_S]),
    others=st.lists(st.sampled_from([poll, work]), min_size=1, max_size=2),
)
@settings(max_examples=25, suppress_health_check=list(HealthCheck))
def test_holder_that_is_paused_anywhere_harms_nothing(
    tmp_path_factory, store: str, n: int, skew_s: float, pause_s: int, others: list[Callable[[App], None]]
) -> None:
    inside = AwsInside() if store == "a table" else None
    world = World(tmp_path_factory.mktemp("leases"), inside.table() if inside is not None else None)
    try:
        _pause_and_go_on(world, n, skew_s, pause_s, others)
    finally:
        world.server.close()
        if inside is not None:
            inside.close()


def _pause_and_go_on(world: World, n: int, skew_s: float, pause_s: int, others: list[Callable[[App], None]]) -> None:
    world.publish()
    first = world.open()
    for feed in FEEDS:
        first.feeds.put(Feed(id=feed, url=world.server.url(f"/{feed}")), world.clock())
    poll(first)
    world.publish()
    world.clock.go(minutes=30)
    paused = Paused(first, n, poll)
    world.publish()
    world.clock.go(seconds=pause_s)
    other = world.open(skew_s)
    for do in others:
        with suppress(NewswireError):  # the paused holder has a lock; what could not be done is done later
            do(other)
        world.clock.go(seconds=1)
    paused.resume()
    first.close()
    other.close()
    world.publish()
    world.clock.go(hours=2)
    last = world.open()
    for _ in range(2):  # the second round takes up what the first one found behind
        poll(last)
        work(last)
    last.engine.refresh()
    report = verify(last, full=True)
    assert (report.faults, report.skipped) == ((), ())
    hits = last.engine.search(SearchQuery(size=200)).hits
    assert len(hits) == len({hit.item.id for hit in hits}) == len(FEEDS) * (world.published + 1)
    titles = {hit.item.title for hit in hits}
    assert {f"Edit {world.published} of {feed}" for feed in FEEDS} <= titles
    for row in last.feeds.rows(1):
        records = [last.archive.get(row.feed.id, seq) for seq in range(1, row.poll.head + 1)]
        times = [record.fetched_at for record in records if record is not None]
        assert len(times) == row.fold.cursor == row.poll.head
        assert times == sorted(times), "times of a log never go back, whatever the clocks say"
    assert msgspec.json.encode(last.engine.statuses())
    last.close()
