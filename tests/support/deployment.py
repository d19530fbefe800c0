"""Simulate a deployment: the ingest function with a table, a bucket, a queue and a cluster, called as AWS calls it.

EventBridge calls the function every minute of a manual clock. Lambda's queue poller receives, calls, and deletes what
did not fail. Failed messages return after the round, and move to the dead-letter queue after ten receives.
"""

import json
import uuid
from collections.abc import Callable
from pathlib import Path

import msgspec
from aws_lambda_powertools.utilities.typing import LambdaContext

from newswire.app import App
from newswire.engines.query import SearchQuery
from newswire.handlers.ingest import IngestFunction
from newswire.model import Feed
from newswire.storage.queue.sqs import SqsQueue
from tests.conftest import ROOT
from tests.support.aws import Aws
from tests.support.opensearch_node.indexes import delete_indexes
from tests.support.serverless import REGION, Collection


class Context(LambdaContext):
    """The context that Lambda passes to a function; `seconds` remain."""

    _aws_request_id = "8476a536-e9f4-11e8-9739-2dfe598c3fcd"

    def __init__(self, seconds: float = 120) -> None:
        self.seconds = seconds

    def get_remaining_time_in_millis(self) -> int:  # type: ignore[override] # typed as static, but Lambda passes an object
        return round(self.seconds * 1000)


def event(name: str) -> dict:
    """Read an event from `events/`."""
    return json.loads((ROOT / "events" / f"{name}.json").read_text())


class Deployment:
    """A stack for one test, on an OpenSearch node."""

    def __init__(self, aws: Aws, settings, clock, node: str) -> None:
        self.aws, self.clock = aws, clock
        self.domain = Collection(node, "es")
        self._node = node
        Path(settings.feeds).touch()
        self.settings = msgspec.structs.replace(
            settings,
            table=aws.table(),
            bucket=aws.bucket(),
            queue_url=aws.queue(),
            engine="opensearch",
            opensearch_url=self.domain.url,
            opensearch_prefix=f"d{uuid.uuid4().hex[:10]}",
            opensearch_signing="es",
            opensearch_region=REGION,
        )
        self._made: list[App] = []
        self.errors: list[Exception] = []
        """Exceptions that made whole invocations fail."""
        self.failed: list[str] = []
        """Ids of the messages that were reported as failed."""
        self.app, self.function = self.another()

    def another(self) -> tuple[App, IngestFunction]:
        """Start another instance of the function with its own connections."""
        app = App(self.settings, clock=self.clock)
        self._made.append(app)
        return app, IngestFunction(self.settings, app)

    def add(self, feed: str, url: str) -> None:
        self.app.feeds.put(Feed(id=feed, url=url), self.clock())

    def call(self, event_: dict, function: IngestFunction | None = None, seconds: float = 120) -> list[str] | None:
        """Call the function; return the ids of failed messages, or None if the call itself failed."""
        try:
            answer = (function or self.function).handle(event_, Context(seconds))
        except Exception as error:
            self.errors.append(error)
            return None
        return [value["itemIdentifier"] for value in answer.get("batchItemFailures", ())]

    def drain(self) -> None:
        """Process all messages in the queue."""
        queue = self.settings.queue_url
        again: list[dict] = []

        def failed_of(sent: dict) -> list[str]:
            failed = self.call(sent)
            return [record["messageId"] for record in sent["Records"]] if failed is None else failed

        while (delivered := self.aws.deliver(queue, failed_of)).sent:
            again += delivered.failed
        for record in again:
            SqsQueue(queue).give_back(record["receiptHandle"])
        self.failed += [record["messageId"] for record in again]

    def minutes(self, count: int, each: Callable[[int], object] = lambda _minute: None) -> None:
        """Let `count` minutes pass; run the tick and drain the queue in each."""
        for minute in range(count):
            each(minute)
            self.call(event("schedule"))
            self.drain()
            self.clock.go(minutes=1)

    def found(self) -> dict[str, int]:
        """Return the titles of all items with their revisions."""
        self.app.engine.refresh()
        page = self.app.engine.search(SearchQuery(size=200))
        assert page.total == len(page.hits)
        return {hit.item.title: hit.item.revision for hit in page.hits}

    def dead_letters(self) -> int:
        return self.aws.dead_letters(self.settings.queue_url)

    def close(self) -> None:
        for app in self._made:
            app.close()
        self.domain.close()
        delete_indexes(self._node, self.settings.opensearch_prefix)
