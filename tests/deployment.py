"""newswire as it is deployed: its ingest function over a table, a bucket, a queue and a cluster, called as AWS would call it.

EventBridge calls it each minute of a clock that is set by hand. Lambda's poller of the queue receives, calls, and deletes
what did not fail; what failed is seen again when the round is over, and in the dead-letter queue after ten times.
"""

import json
import random
import uuid
from collections.abc import Callable
from pathlib import Path

import msgspec
from botocore.awsrequest import AWSResponse

from newswire.ingest_events import IngestFunction
from newswire.model import Feed
from newswire.query import SearchQuery
from newswire.wiring import Wired
from tests.aws import Aws
from tests.conftest import ROOT
from tests.opensearch_node.indexes import delete_indexes
from tests.serverless import REGION, Collection

MESSAGES_A_CALL = 10


class Context:
    """What Lambda tells a function of its invocation."""

    aws_request_id = "8476a536-e9f4-11e8-9739-2dfe598c3fcd"

    def __init__(self, seconds: float = 120) -> None:
        self.seconds = seconds

    def get_remaining_time_in_millis(self) -> int:
        return round(self.seconds * 1000)


def event(name: str) -> dict:
    """Read one of the events of `events/`."""
    return json.loads((ROOT / "events" / f"{name}.json").read_text())


class Deployment:
    """A stack for one test, on a node of OpenSearch."""

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
        self._made: list[Wired] = []
        self.errors: list[Exception] = []
        """What made whole invocations fail."""
        self.failed: list[str] = []
        """The messages that were reported as failed."""
        self.wired, self.function = self.another()

    def another(self) -> tuple[Wired, IngestFunction]:
        """Start one more instance of the function, with connections of its own."""
        wired = Wired(self.settings, clock=self.clock)
        self._made.append(wired)
        return wired, IngestFunction(self.settings, wired)

    def add(self, feed: str, url: str) -> None:
        self.wired.feeds.put(Feed(id=feed, url=url), self.clock())

    def call(self, event_: dict, function: IngestFunction | None = None, seconds: float = 120) -> list[str] | None:
        """Call the function; gives the messages that it reports as failed, None if it failed itself."""
        try:
            answer = (function or self.function).handle(event_, Context(seconds))
        except Exception as error:
            self.errors.append(error)
            return None
        return [one["itemIdentifier"] for one in answer.get("batchItemFailures", ())]

    def drain(self) -> None:
        """Carry out what is in the queue."""
        sqs, queue, again = self.aws.client("sqs"), self.settings.queue_url, []
        while found := self.aws.receive(queue, MESSAGES_A_CALL)["Records"]:
            failed = self.call({"Records": found})
            if failed is None:
                failed = [one["messageId"] for one in found]
            for one in found:
                if one["messageId"] in failed:
                    again.append(one["receiptHandle"])
                else:
                    sqs.delete_message(QueueUrl=queue, ReceiptHandle=one["receiptHandle"])
            self.failed += failed
        for receipt in again:
            sqs.change_message_visibility(QueueUrl=queue, ReceiptHandle=receipt, VisibilityTimeout=0)

    def minutes(self, count: int, each: Callable[[int], object] = lambda _minute: None) -> None:
        """Let so many minutes pass, each with its tick and what it put into the queue."""
        for minute in range(count):
            each(minute)
            self.call(event("schedule"))
            self.drain()
            self.clock.go(minutes=1)

    def found(self) -> dict[str, int]:
        """Give the titles of all items with their revisions."""
        self.wired.engine.refresh()
        page = self.wired.engine.search(SearchQuery(size=200))
        assert page.total == len(page.hits)
        return {hit.item.title: hit.item.revision for hit in page.hits}

    def dead_letters(self) -> int:
        return self.aws.dead_letters(self.settings.queue_url)

    def close(self) -> None:
        for one in self._made:
            one.close()
        self.domain.close()
        delete_indexes(self._node, self.settings.opensearch_prefix)


class Trouble:
    """Lets a client of boto3 be refused: some requests (by chance, drawn from a seed), or all while it is `on`."""

    def __init__(self, client, status: int, body: str, kind: str, operation: str = "*", share: float = 1.0) -> None:
        self.on = True
        self.refused = 0
        self._chance = random.Random(7)
        self._share, self._status, self._body, self._kind = share, status, body, kind
        service = client.meta.service_model.service_name
        client.meta.events.register(f"before-send.{service}.{operation}", self._before)

    def _before(self, request, **_more):
        if not self.on or self._chance.random() >= self._share:
            return None
        self.refused += 1
        return AWSResponse(request.url, self._status, {"content-type": self._kind}, _Raw(self._body.encode()))


class _Raw:
    def __init__(self, body: bytes) -> None:
        self._body = body

    def stream(self, **_more):
        yield self._body
