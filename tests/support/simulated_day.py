"""Simulate a day of polling: the clock jumps from minute to minute, and publishers follow it."""

import random
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import mean

import msgspec
from msgspec import Struct

from newswire.app import App
from newswire.clock import DAY, MINUTE
from newswire.handlers.ingest import IngestFunction
from newswire.ingest.poll import run_batches
from newswire.ingest.tick import tick
from newswire.model import Feed, Fetched, FetchRequest, NotModified, Outcome
from newswire.storage.archive.s3 import S3Archive
from newswire.storage.feeds.dynamodb import DynamoFeedStore
from tests.support.aws import MESSAGES_A_CALL
from tests.support.deployment import Context
from tests.support.feed_server import rss, story
from tests.support.memory import MemoryQueue

TICKS = DAY // MINUTE
SHOWN = 5
"""Number of newest stories that a publisher shows."""
FEEDS_A_HOST = 3


class Publishers:
    """Stand in for the network: each feed has its own pace, from half an hour to five days per story."""

    def __init__(self, feeds: int, clock: Callable[[], int], seed: int = 11) -> None:
        chance = random.Random(seed)
        self._clock = clock
        self._began = clock()
        self._periods = {f"feed-{n:05d}": round(DAY * 5 / 240 ** chance.random()) for n in range(feeds)}
        self._guard = threading.Lock()
        self.asked: dict[str, list[int]] = {feed: [] for feed in self._periods}
        """Instants (ms) at which each feed was requested."""
        self.shown: dict[str, int] = dict.fromkeys(self._periods, 0)
        """Number of stories that each feed has shown."""
        self._newest: dict[str, int] = {}

    def feeds(self) -> list[Feed]:
        return [Feed(id=id_, url=self._url(id_, number)) for number, id_ in enumerate(self._periods)]

    def _url(self, id_: str, number: int) -> str:
        return f"https://host-{number // FEEDS_A_HOST}.example/{id_}"

    def fetch(self, request: FetchRequest) -> Outcome:
        feed = request.url.rpartition("/")[2]
        now = self._clock()
        newest = SHOWN + (now - self._began) // self._periods[feed]
        tag = f'"{newest}"'
        with self._guard:
            self.asked[feed].append(now)
            self.shown[feed] += min(newest - self._newest.get(feed, 0), SHOWN)
            self._newest[feed] = newest
        if request.validators is not None and request.validators.etag == tag:
            return NotModified(request.url, request.url, {"etag": tag}, (), 40)
        number = int(feed.removeprefix("feed-")) * 10_000
        body = rss(*[story(number + shown) for shown in range(newest, newest - SHOWN, -1)], title=feed)
        headers = {"etag": tag, "content-type": "application/rss+xml"}
        kind = "application/rss+xml"
        return Fetched(
            request.url,
            request.url,
            200,
            headers,
            body,
            kind,
            truncated=False,
            hops=(),
            took_ms=60,
            wire_bytes=len(body),
        )

    def close(self) -> None:
        pass


class Day(Struct):
    """Totals of a simulated day."""

    polls: int
    documents: int
    messages: int
    calls: int
    """Number of calls of the function with messages."""


def schedule_kept(asked: Sequence[int], planned: Sequence[int]) -> str:
    """Return how the poll times of a feed differ from the planned ones, or an empty string."""
    if not asked:
        return "never polled"
    for before, (at, due) in enumerate(zip(asked[1:], planned, strict=False)):
        if at < due:
            return f"poll {before + 2} was {due - at} ms too early"
        if at > due + MINUTE:
            return f"poll {before + 2} was {at - due} ms late"
    return ""


class Planned:
    """Wrap a feed store, and record the next check that each poll has planned."""

    def __init__(self, store) -> None:
        self._store = store
        self.next_checks: dict[str, list[int]] = {}
        remember = store.remember

        def remembered(results, **more):
            results = list(results)
            for result in results:
                self.next_checks.setdefault(result.feed, []).append(result.poll.next_check)
            refused = remember(results, **more)
            assert refused == []
            return refused

        store.remember = remembered


def live_a_day(app: App, clock, queue: MemoryQueue) -> Day:
    """Run a day on stores in memory: each minute one tick, then its batches in calls as large as Lambda's."""
    day = Day(0, 0, 0, 0)
    for _ in range(TICKS):
        tick(app, queue)
        while batches := queue.take(MESSAGES_A_CALL):
            day.messages += len(batches)
            day.calls += 1
            report = run_batches(app, batches)
            assert report.engine_error is None
            day.polls += sum(polled.outcome is not None for polled in report.polled)
            day.documents += sum(polled.changed for polled in report.polled)
        clock.go(minutes=1)
    return day


# --- on AWS -----------------------------------------------------------------------------------------------------------


class AwsDay(Struct):
    """Calls of a simulated day to AWS: how often each kind was made, in ticks and in batches."""

    day: Day
    in_ticks: dict[str, int]
    in_batches: dict[str, int]
    row_bytes: dict[str, int]
    """Mean size of the rows of the table at the end of the day, in bytes, by kind."""
    record_bytes: int
    """Mean size of the records of the archive, in bytes."""


class _Calls:
    """Count the calls of boto3 clients, named like `dynamodb.Query feed` or `s3.PutObject`."""

    def __init__(self, *clients) -> None:
        self.counts: Counter[str] = Counter()
        for client in clients:
            client.meta.events.register("before-parameter-build", self._count)

    def _count(self, params, model, **_more) -> None:
        service = model.service_model.service_name
        if model.name == "TransactWriteItems":
            for part in params["TransactItems"]:
                ((name, value),) = part.items()
                key = value.get("Key") or {"pk": value["Item"]["pk"]}
                self.counts[f"{service}.Transact{name} {_kind(key)}"] += 1
            return
        self.counts[f"{service}.{model.name}{_on(params)}"] += 1
        for value in params.get("RequestItems", {}).values():
            self.counts.update(f"{service}.row of {model.name} {_kind(key)}" for key in value["Keys"])

    def taken(self) -> Counter[str]:
        counts, self.counts = self.counts, Counter()
        return counts


def _on(params) -> str:
    """Return the kind of row that a call reads or writes."""
    if "IndexName" in params:
        return f" {params['IndexName']} index"
    if "Key" in params and isinstance(params["Key"], dict):
        return f" {_kind(params['Key'])}"
    if "RequestItems" in params:
        kinds = {_kind(key) for table_request in params["RequestItems"].values() for key in table_request["Keys"]}
        return f" {'+'.join(sorted(kinds))}"
    if "ExpressionAttributeValues" in params:
        return f" {_kind({'pk': next(iter(params['ExpressionAttributeValues'].values()))})}"
    return ""


def _kind(key) -> str:
    return key["pk"]["S"].partition("/")[0]


def live_a_day_on_aws(aws, settings, clock, feeds: int) -> tuple[AwsDay, Publishers, Planned, App]:
    """Run a day on a table, a bucket and a queue with the ingest function; the caller closes the app."""
    Path(settings.feeds).touch()
    built = msgspec.structs.replace(settings, table=aws.table(), bucket=aws.bucket(), queue_url=aws.queue())
    publishers = Publishers(feeds, clock)
    app = App(built, clock=clock, fetcher=publishers)
    function = IngestFunction(built, app)
    planned = Planned(app.feeds)
    for feed in publishers.feeds():
        app.feeds.put(feed, clock())
    assert isinstance(app.feeds, DynamoFeedStore)
    assert isinstance(app.archive, S3Archive)
    calls = _Calls(app.feeds._table.client, app.archive.client, function._queue.client)
    in_ticks: Counter[str] = Counter()
    in_batches: Counter[str] = Counter()
    day = Day(0, 0, 0, 0)

    def carry_out(sent: dict) -> list[str]:
        assert function.handle(sent, Context()) == {"batchItemFailures": []}
        return []

    for _ in range(TICKS):
        calls.taken()
        function.handle({}, Context())
        in_ticks += calls.taken()
        while (delivered := aws.deliver(built.queue_url, carry_out)).sent:
            day.messages += len(delivered.sent)
            day.calls += 1
        in_batches += calls.taken()
        clock.go(minutes=1)
    day.polls = sum(len(requests) for requests in publishers.asked.values())
    day.documents = in_batches["s3.PutObject"]
    assert aws.dead_letters(built.queue_url) == 0
    sizes: dict[str, list[int]] = {}
    for page in aws.client("dynamodb").get_paginator("scan").paginate(TableName=built.table):
        for row in page["Items"]:
            sizes.setdefault(_kind(row), []).append(_bytes_of(row))
    pages = aws.client("s3").get_paginator("list_objects_v2").paginate(Bucket=built.bucket)
    records_ = [content["Size"] for page in pages for content in page["Contents"]]
    results = AwsDay(
        day,
        dict(sorted(in_ticks.items())),
        dict(sorted(in_batches.items())),
        {kind: round(mean(some)) for kind, some in sorted(sizes.items())},
        round(mean(records_)),
    )
    return results, publishers, planned, app


def _bytes_of(row) -> int:
    """Return the size of a row in bytes as DynamoDB counts it: names and values ("Item sizes and formats")."""
    return sum(
        len(name) + sum(len(element) if isinstance(element, str | bytes) else 1 for element in value.values())
        for name, value in row.items()
    )
