"""What polling reads of the table grows with what it claims, not with how many feeds wait."""

import msgspec
import pytest

from newswire.app import App
from newswire.ingest.poll import run_batches
from newswire.ingest.tick import tick
from newswire.model import Batch, Feed
from newswire.storage.feeds import PollResult, new_lease
from newswire.storage.feeds.dynamodb import DynamoFeedStore
from tests.support.aws import AwsInside
from tests.support.feed_server import rss, story
from tests.support.memory import MemoryQueue

READS = ("get_item", "batch_get_item", "query")
ASKED = tuple(f"asked-{n:02}" for n in range(20))


class Table:
    """A feed store that counts the rows it reads, with twenty feeds on a server and others that are due too."""

    def __init__(self, name: str) -> None:
        self.feeds = DynamoFeedStore(name)
        self.rows = 0
        client = self.feeds._table.client
        for read in READS:
            setattr(client, read, self._counted(getattr(client, read)))

    def _counted(self, read):
        def counted(**request):
            answer = read(**request)
            found = answer.get("Responses", {}).values()
            self.rows += sum(map(len, found)) + answer.get("Count", 0) + ("Item" in answer)
            return answer

        return counted


@pytest.fixture
def table():
    inside = AwsInside()
    yield Table(inside.table())
    inside.close()


def app_of(table: Table, settings, clock, server, due: int) -> App:
    app = App(settings, clock=clock, feeds=table.feeds)
    for feed_id in ASKED:
        url = server.says(f"/{feed_id}", rss(story(1), story(2)))
        app.feeds.put(Feed(id=feed_id, url=url), clock())
    for number in range(due):
        app.feeds.put(Feed(id=f"other-{number:04}", url=f"http://127.0.0.1:9/{number}"), clock())
    table.rows = 0
    return app


def test_message_of_20_feeds_reads_under_100_rows_whatever_is_due(table, settings, clock, server) -> None:
    app = app_of(table, settings, clock, server, due=2_000)
    batch = [Batch(ASKED)]
    first = run_batches(app, batch)
    assert (len(first.polled), sum(result.new for result in first.indexed)) == (20, 40)
    clock.go(hours=24)
    table.rows = 0
    quiet = run_batches(app, batch)
    assert (len(quiet.polled), quiet.indexed) == (20, ())
    assert table.rows < 100
    for feed_id in ASKED:
        server.says(f"/{feed_id}", rss(story(1), story(2), story(3)))
    clock.go(hours=24)
    table.rows = 0
    busy = run_batches(app, batch)
    assert sum(result.new for result in busy.indexed) == 20
    assert table.rows < 100 + 20 * (3 + 2), "of each document the states of its items, and twice its own row"
    app.close()


def test_tick_of_a_backlog_reads_what_became_due_since_the_last_one(table, settings, clock, server) -> None:
    app = app_of(table, settings, clock, server, due=1_500)
    queue = MemoryQueue()
    assert tick(app, queue).queued == 1_520
    assert queue.waiting()
    row = app.feeds.claim("asked-00", new_lease(app.settings, clock(), "t"), clock())
    assert row is not None
    poll = msgspec.structs.replace(row.poll, next_check=clock() + 1)
    assert app.feeds.remember([PollResult("asked-00", "t", poll)]) == []
    clock.go(minutes=1)
    table.rows = 0
    assert tick(app, queue).queued == 1
    assert table.rows < 20
    clock.go(minutes=20)
    table.rows = 0
    tick(app, queue)
    assert table.rows > 1_000, "all due feeds are counted once in ten minutes"
    app.close()
