"""Events of the ingest function: a schedule or a batch of messages comes in, and what is to be tried again goes out.

The schedule only fills the queue. A message that is no batch of ours fails by itself, and ends in the dead-letter queue. Feeds
that a run had no time for go on as new messages; where it reached none, its messages go back at once. That the engine is
away is no failure of a message: its feeds stay behind, and a later tick takes them up.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit

from newswire.app import App
from newswire.engines.opensearch.client import load_signer
from newswire.errors import DataError, FeedsFileError
from newswire.ingest.poll import BatchReport, run_batches
from newswire.ingest.tick import tick
from newswire.model import Batch, FetchFailed
from newswire.settings import Settings
from newswire.storage.aws import AwsEdge
from newswire.storage.feeds.dynamodb import DynamoFeedStore
from newswire.storage.queue.sqs import SqsQueue, batch_of

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

_NAME = "newswire"
_MILLISECONDS = 1000


class IngestFunction:
    """What `functions/ingest/app.py` calls. Making one opens nothing."""

    def __init__(self, settings: Settings, app: App | None = None) -> None:
        self._app = app or App(settings)
        self._queue = SqsQueue(settings.queue_url)
        self._logger = Logger(service=_NAME)
        self._metrics = Metrics(namespace=_NAME)

    def load(self) -> None:
        """Make the clients, and import what the first event needs: an init has more of the processor than an event."""
        import_module("newswire.engines.opensearch.engine")
        import_module("newswire.ingest.parse.syndication")
        load_signer()
        for edge in (self._app.feeds, self._app.archive, self._queue):
            if isinstance(edge, DynamoFeedStore | AwsEdge):
                edge.load()

    def handle(self, event: Mapping[str, Any], context: LambdaContext) -> dict[str, Any]:
        """Carry out one event; gives the messages that failed, as SQS takes it ("ReportBatchItemFailures").

        Raises what makes the whole invocation fail: the table, the bucket or the queue can't be used, or feeds.toml is wrong.
        """
        self._logger.append_keys(function_request_id=context.aws_request_id)
        if "Records" in event:
            return {"batchItemFailures": self._carry_out(event["Records"], context)}
        self._tick()
        return {}

    # --- the schedule ---

    def _tick(self) -> None:
        from newswire.ingest.feed_list import merge_feeds_file  # noqa: PLC0415 - readers of TOML and XML, which no batch needs

        wrong = None
        try:
            waits = merge_feeds_file(self._app)
            if waits is not None:
                self._logger.warning("feeds.toml waits for the engine", extra={"why": str(waits)})
        except FeedsFileError as error:  # what is due is polled meanwhile, and the failed invocation rings the alarm
            wrong = error
        ticked = tick(self._app, self._queue)
        self._count({"FeedsQueued": ticked.queued, "FeedsBehind": ticked.behind, "FeedsStale": ticked.stale})
        self._logger.info("tick", extra={"feeds_queued": ticked.queued, "feeds_behind": ticked.behind})
        if wrong is not None:
            raise wrong

    # --- messages ---

    def _carry_out(self, records: list[Mapping[str, Any]], context: LambdaContext) -> list[dict[str, str]]:
        failed: list[dict[str, str]] = []
        batches: dict[str, Batch] = {}
        for record in records:
            try:
                batches[record["messageId"]] = batch_of(record["body"])
            except ValueError as error:
                failed.append({"itemIdentifier": record["messageId"]})
                extra = {"message_id": record["messageId"], "why": str(error)}
                self._logger.error("a message is no batch of ours", extra=extra)  # noqa: TRY400 - the trace says no more
        if batches:
            report = run_batches(
                self._app,
                list(batches.values()),
                time_left=lambda: context.get_remaining_time_in_millis() / _MILLISECONDS,
            )
            self._tell(report)
            again = self._not_begun(batches, set(report.unreached))
            self._give_back([record for record in records if record["messageId"] in again])
            failed += [{"itemIdentifier": id_} for id_ in again]
        return failed

    def _not_begun(self, batches: Mapping[str, Batch], unreached: set[str]) -> list[str]:
        """Give the messages to be given back, of a run that reached nothing; what another one left goes on as new messages.

        A message that is received ten times ends in the dead-letter queue, and a publisher that takes half a minute to answer
        would else bring its messages there: a run reaches a few of its feeds each time.
        """
        left = {
            id_: tuple(feed for feed in batch.feeds if feed in unreached)
            for id_, batch in batches.items()
            if unreached & set(batch.feeds)
        }
        if all(feed in unreached for batch in batches.values() for feed in batch.feeds):
            return list(left)
        self._queue.put(Batch(feeds, now=batches[id_].now) for id_, feeds in left.items())
        return []

    def _give_back(self, records: list[Mapping[str, Any]]) -> None:
        for record in records:
            try:
                self._queue.give_back(record["receiptHandle"])
            except DataError as error:  # it comes back by itself when its visibility ends
                self._logger.warning("a message could not be given back", extra={"why": str(error)})

    def _tell(self, report: BatchReport) -> None:
        failed = [one for one in report.polled if isinstance(one.outcome, FetchFailed)]
        counts = {
            "FeedsPolled": sum(one.outcome is not None for one in report.polled),
            "FeedsFailed": len(failed),
            "ItemsNew": sum(one.new for one in report.indexed),
            "ItemsChanged": sum(one.changed for one in report.indexed),
        }
        self._count({**counts, "EngineDown": int(report.engine_error is not None)})
        self._logger.info(
            "batch",
            extra={
                **counts,
                "unreached": len(report.unreached),
                "engine_error": report.engine_error,
                "failed": {
                    one.feed: one.outcome.sentence for one in failed[:20] if isinstance(one.outcome, FetchFailed)
                },
            },
        )

    def _count(self, counts: Mapping[str, int]) -> None:
        """Write metrics in the embedded format, which CloudWatch reads from the log."""
        for name, count in counts.items():
            self._metrics.add_metric(name, MetricUnit.Count, count)
        self._metrics.flush_metrics()
