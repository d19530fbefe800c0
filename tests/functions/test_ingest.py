"""The ingest function over a table, a bucket and a queue."""

import json

import msgspec
import pytest

from newswire.app import App
from newswire.engines.query import SearchQuery
from newswire.errors import DataError, FeedsFileError
from newswire.handlers.ingest import IngestFunction
from newswire.model import Batch, Feed
from newswire.storage.archive.s3 import S3Archive
from newswire.storage.feeds import PollResult, new_lease
from newswire.storage.feeds.dynamodb import DynamoFeedStore
from newswire.storage.queue.sqs import batch_of, message_of
from tests.support.aws import Trouble
from tests.support.deployment import Context, event
from tests.support.feed_server import Answer, Asked, rss, story


@pytest.fixture
def stack(aws, settings, clock, tmp_path):
    """Yield an app with AWS storage and, for speed, the embedded engine."""
    (tmp_path / "feeds.toml").write_text("")
    built = msgspec.structs.replace(settings, table=aws.table(), bucket=aws.bucket(), queue_url=aws.queue())
    app = App(built, clock=clock)
    yield app
    app.close()


@pytest.fixture
def function(stack):
    return IngestFunction(stack.settings, stack)


def add(stack, *feeds: tuple[str, str]) -> None:
    for id_, url in feeds:
        stack.feeds.put(Feed(id=id_, url=url), stack.clock())


def deliver(aws, stack, function, context=None) -> list[dict]:
    """Deliver the queue's messages as Lambda does; return the failures."""

    def failed_of(sent: dict) -> list[str]:
        answer = function.handle(sent, context or Context())
        return [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]

    return aws.deliver(stack.settings.queue_url, failed_of).failed


def total(stack) -> int:
    stack.engine.refresh()
    return stack.engine.search(SearchQuery(size=0)).total


def test_settings_select_the_aws_storage(stack) -> None:
    assert isinstance(stack.feeds, DynamoFeedStore)
    assert isinstance(stack.archive, S3Archive)


def test_tick_queues_feeds_and_messages_index_items(aws, stack, function, server) -> None:
    for n in range(3):
        add(stack, (f"feed-{n}", server.says(f"/{n}", rss(story(n * 10), story(n * 10 + 1), title=str(n)))))
    assert function.handle(event("schedule"), Context()) == {}
    sent = aws.receive(stack.settings.queue_url)
    assert sorted(id_ for record in sent["Records"] for id_ in batch_of(record["body"]).feeds) == [
        "feed-0",
        "feed-1",
        "feed-2",
    ]
    assert function.handle(sent, Context()) == {"batchItemFailures": []}
    assert total(stack) == 6
    assert [status.id for status in stack.engine.statuses()] == ["feed-0", "feed-1", "feed-2"]


def test_redelivered_message_changes_nothing(aws, stack, function, server) -> None:
    add(stack, ("news", server.says("/news", rss(story(1), story(2)))))
    function.handle(event("schedule"), Context())
    sent = aws.receive(stack.settings.queue_url)
    for _ in range(3):
        assert function.handle(sent, Context()) == {"batchItemFailures": []}
    assert total(stack) == 2
    assert server.count("/news") == 1


def test_invalid_message_fails_alone(stack, function, server) -> None:
    for name in ("nato-news", "nato-act", "nato-review"):
        add(stack, (name, server.says(f"/{name}", rss(story(len(name)), title=name))))
    batch = event("queue-batch")
    failed = function.handle(batch, Context())["batchItemFailures"]
    assert failed == [{"itemIdentifier": batch["Records"][1]["messageId"]}]
    assert total(stack) == 3


def test_message_without_time_left_returns_at_once(aws, stack, function, server) -> None:
    add(stack, ("news", server.says("/news", rss(story(1)))))
    function.handle(event("schedule"), Context())
    sent = aws.receive(stack.settings.queue_url)
    failed = function.handle(sent, Context(seconds=10))["batchItemFailures"]
    assert failed == [{"itemIdentifier": sent["Records"][0]["messageId"]}]
    assert server.count("/news") == 0
    assert stack.feeds.due(stack.clock(), 9) != [], "it is free, and still due"
    again = aws.receive(stack.settings.queue_url)
    assert len(again["Records"]) == 1, "it can be received at once"
    assert function.handle(again, Context()) == {"batchItemFailures": []}
    assert total(stack) == 1


def test_slow_publisher_messages_avoid_the_dead_letter_queue(aws, stack, function, server) -> None:
    """Check that a run sends the feeds it did not reach as a new message instead of failing."""
    context = Context()

    def slowly(request: Asked) -> Answer:
        context.seconds -= 30
        return Answer(body=rss(story(int(request.path[1:])), title=request.path))

    for n in range(30):
        server.answers[f"/{n}"] = slowly
        add(stack, (f"feed-{n}", server.url(f"/{n}")))
    function.handle(event("schedule"), Context())
    for _ in range(30):
        context.seconds = 200
        assert deliver(aws, stack, function, context) == []
    assert total(stack) == 30
    assert len(server.asked) == 30
    assert aws.dead_letters(stack.settings.queue_url) == 0


def test_next_tick_queues_feeds_after_a_queue_error(aws, stack, function, server) -> None:
    add(stack, ("first", server.url("/first")))
    function.handle(event("schedule"), Context())  # leaves a message in the queue
    add(stack, ("news", server.url("/news")))
    row = stack.feeds.claim("news", new_lease(stack.settings, stack.clock(), "t"), stack.clock())
    later = msgspec.structs.replace(row.poll, next_check=stack.clock() + 30_000)
    assert stack.feeds.remember([PollResult("news", "t", later)]) == []
    stack.clock.go(minutes=1)
    trouble = Trouble(function._queue.client, 400, "{}", operation="SendMessageBatch")
    with pytest.raises(DataError):
        function.handle(event("schedule"), Context())
    trouble.on = False
    stack.clock.go(minutes=1)
    function.handle(event("schedule"), Context())
    queued = [batch_of(record["body"]).feeds for record in aws.receive(stack.settings.queue_url)["Records"]]
    assert ("news",) in queued


def test_backlog_is_requeued_hourly_not_every_minute(aws, stack, function, server, clock) -> None:
    add(stack, ("old", server.url("/old")))

    def queued() -> list[tuple[str, ...]]:
        return [
            batch_of(record["body"]).feeds for record in aws.receive(stack.settings.queue_url)["Records"]
        ]  # receiving puts them in flight

    for _ in range(5):
        function.handle(event("schedule"), Context())
        clock.go(minutes=1)
    assert queued() == [("old",)]
    add(stack, ("new", server.url("/new")))
    row = stack.feeds.claim("new", new_lease(stack.settings, clock(), "t"), clock())
    later = msgspec.structs.replace(row.poll, next_check=clock() + 30_000)
    assert stack.feeds.remember([PollResult("new", "t", later)]) == []
    clock.go(minutes=1)
    function.handle(event("schedule"), Context())
    assert queued() == [("new",)], "what has become due since is put in"
    clock.go(minutes=60)
    function.handle(event("schedule"), Context())
    assert queued() == [("old", "new")], "once an hour everything that is due is put in, whatever waits"


def test_engine_outage_does_not_fail_messages(aws, stack, server) -> None:
    add(stack, ("news", server.says("/news", rss(story(1), story(2)))))
    away = msgspec.structs.replace(stack.settings, engine="opensearch", opensearch_url="http://127.0.0.1:9")
    down = IngestFunction(away, App(away, clock=stack.clock))
    down.handle(event("schedule"), Context())
    assert deliver(aws, stack, down) == []
    function = IngestFunction(stack.settings, stack)
    function.handle(event("schedule"), Context())  # this tick picks up the feed that is behind
    assert deliver(aws, stack, function) == []
    assert total(stack) == 2
    assert server.count("/news") == 1


def test_changed_feeds_file_is_applied_by_the_tick(stack, function, tmp_path) -> None:
    (tmp_path / "feeds.toml").write_text('[feed.one]\nurl = "https://one.example/"\n')
    function.handle(event("schedule"), Context())
    assert [row.feed.id for row in stack.feeds.rows()] == ["one"]
    (tmp_path / "feeds.toml").write_text('[feed.two]\nurl = "https://two.example/"\n')
    function.handle(event("schedule"), Context())
    assert [(row.feed.id, row.feed.removed) for row in stack.feeds.rows()] == [("one", True), ("two", False)]


def test_invalid_feeds_file_fails_the_tick_after_queueing(aws, stack, function, server, tmp_path) -> None:
    add(stack, ("news", server.says("/news", rss(story(1)))))
    (tmp_path / "feeds.toml").write_text("[feed.one]\nurl = 3\n")
    with pytest.raises(FeedsFileError, match=r"feeds\.toml"):
        function.handle(event("schedule"), Context())
    assert deliver(aws, stack, function) == []
    assert total(stack) == 1


def test_log_line_and_metrics_report_the_batch(aws, stack, function, server, capsys, logged) -> None:
    logged.attach()
    add(stack, ("good", server.says("/good", rss(story(1)))), ("bad", server.says("/bad", status=503)))
    function.handle(event("schedule"), Context())
    function.handle(aws.receive(stack.settings.queue_url), Context())
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines() if "_aws" in line]
    metrics = {name: value for line in lines for name, value in line.items()}
    assert metrics["FeedsQueued"] == [2.0]
    assert (metrics["FeedsPolled"], metrics["FeedsFailed"], metrics["ItemsNew"]) == ([2.0], [1.0], [1.0])
    entry = next(line for line in logged() if line["message"] == "batch")
    assert entry["function_request_id"] == Context().aws_request_id
    assert "503" in entry["failed"]["bad"]


def test_tick_counts_stale_feeds_during_an_engine_outage(aws, stack, server, capsys, clock) -> None:
    away = msgspec.structs.replace(stack.settings, engine="opensearch", opensearch_url="http://127.0.0.1:9")
    function = IngestFunction(away, App(away, clock=clock))
    add(stack, ("news", server.says("/news", rss(story(1)))))

    def stale() -> float:
        capsys.readouterr()
        function.handle(event("schedule"), Context())
        (line,) = [json.loads(line) for line in capsys.readouterr().out.splitlines() if "_aws" in line]
        return line["FeedsStale"][0]

    assert stale() == 1, "it has never been checked"
    assert deliver(aws, stack, function) == []
    assert stale() == 0
    clock.at = stack.feeds.row("news").poll.next_check + 14 * 60_000
    assert stale() == 0, "it is due, and within the grace"
    clock.go(minutes=2)
    assert stale() == 1


def test_messages_round_trip() -> None:
    batch = Batch(("a", "Ł"), now=True)
    assert batch_of(message_of(batch)) == batch
