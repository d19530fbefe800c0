"""Handler of the ingest function: fill the queue on a schedule, and poll and index the feeds of queue messages.

- The schedule only fills the queue.
- A message that is not a batch fails alone, and ends in the dead-letter queue.
- Feeds that a run had no time for are sent as new messages. If it reached no feed at all, its messages are returned to
  the queue at once.
- An unreachable engine does not fail a message: its feeds stay behind, and a later tick queues them.
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
_MILLISECONDS_PER_SECOND = 1000
_MAX_LOGGED_FAILURES = 20
"""Keeps a log line short when a whole batch fails."""


class IngestFunction:
    """The handler that `functions/ingest/app.py` calls. The constructor opens nothing."""

    def __init__(self, settings: Settings, app: App | None = None) -> None:
        self._app = app or App(settings)
        self._queue = SqsQueue(settings.queue_url)
        self._logger = Logger(service=_NAME)
        self._metrics = Metrics(namespace=_NAME)

    def load(self) -> None:
        """Create the clients, and import what the first event needs: the init phase has more CPU than an event."""
        import_module("newswire.engines.opensearch.engine")
        import_module("newswire.ingest.parse.syndication")
        load_signer()
        for edge in (self._app.feeds, self._app.archive, self._queue):
            if isinstance(edge, DynamoFeedStore | AwsEdge):
                edge.load()

    def handle(self, event: Mapping[str, Any], context: LambdaContext) -> dict[str, Any]:
        """Handle one event; return the messages that failed, as SQS expects them ("ReportBatchItemFailures").

        Raise `DataError` if the table, the bucket or the queue is unusable, and `FeedsFileError` if feeds.toml is invalid.
        Then the whole invocation fails.
        """
        self._logger.append_keys(function_request_id=context.aws_request_id)
        if "Records" in event:
            return {"batchItemFailures": self._handle_messages(event["Records"], context)}
        self._handle_schedule()
        return {}

    # --- the schedule ---

    def _handle_schedule(self) -> None:
        from newswire.ingest.feed_list import merge_feeds_file  # noqa: PLC0415 - readers of TOML and XML, which no batch needs

        file_error = None
        try:
            engine_error = merge_feeds_file(self._app)
            if engine_error is not None:
                self._logger.warning("removed feeds are not published yet", extra={"why": str(engine_error)})
        except FeedsFileError as error:  # due feeds are polled all the same; raising it later triggers the alarm
            file_error = error
        result = tick(self._app, self._queue)
        metrics = {"FeedsQueued": result.queued, "FeedsBehind": result.behind, "FeedsStale": result.stale}
        self._write_metrics(metrics | {"ItemsMissing": result.missing})
        extra = {"feeds_queued": result.queued, "feeds_behind": result.behind, "items_missing": result.missing}
        self._logger.info("tick", extra=extra)
        if file_error is not None:
            raise file_error

    # --- messages ---

    def _handle_messages(self, records: list[Mapping[str, Any]], context: LambdaContext) -> list[dict[str, str]]:
        failed: list[dict[str, str]] = []
        batches: dict[str, Batch] = {}
        for record in records:
            try:
                batches[record["messageId"]] = batch_of(record["body"])
            except ValueError as error:
                failed.append({"itemIdentifier": record["messageId"]})
                extra = {"message_id": record["messageId"], "why": str(error)}
                self._logger.error("a message is not a batch", extra=extra)  # noqa: TRY400 - the trace adds nothing
        if batches:
            report = run_batches(
                self._app,
                list(batches.values()),
                time_left=lambda: context.get_remaining_time_in_millis() / _MILLISECONDS_PER_SECOND,
            )
            self._log_report(report)
            returned = self._resend_unreached(batches, set(report.unreached))
            self._return_messages([record for record in records if record["messageId"] in returned])
            failed += [{"itemIdentifier": id_} for id_ in returned]
        return failed

    def _resend_unreached(self, batches: Mapping[str, Batch], unreached: set[str]) -> list[str]:
        """Send the unreached feeds as new messages. If the run reached no feed, send none and return the message ids.

        A message that is received ten times ends in the dead-letter queue. A publisher that takes half a minute to answer
        would bring its messages there, because a run reaches only a few of its feeds.
        """
        feeds_to_resend = {
            id_: tuple(feed for feed in batch.feeds if feed in unreached)
            for id_, batch in batches.items()
            if unreached & set(batch.feeds)
        }
        if all(feed in unreached for batch in batches.values() for feed in batch.feeds):
            return list(feeds_to_resend)
        self._queue.put(Batch(feeds, now=batches[id_].now) for id_, feeds in feeds_to_resend.items())
        return []

    def _return_messages(self, records: list[Mapping[str, Any]]) -> None:
        for record in records:
            try:
                self._queue.give_back(record["receiptHandle"])
            except DataError as error:  # SQS returns it when its visibility timeout ends
                self._logger.warning("a message could not be returned to the queue", extra={"why": str(error)})

    def _log_report(self, report: BatchReport) -> None:
        failures = [
            (poll.feed, poll.outcome.sentence) for poll in report.polled if isinstance(poll.outcome, FetchFailed)
        ]
        counts = {
            "FeedsPolled": sum(poll.outcome is not None for poll in report.polled),
            "FeedsFailed": len(failures),
            "ItemsNew": sum(result.new for result in report.indexed),
            "ItemsChanged": sum(result.changed for result in report.indexed),
        }
        self._write_metrics({**counts, "EngineDown": int(report.engine_error is not None)})
        self._logger.info(
            "batch",
            extra={
                **counts,
                "unreached": len(report.unreached),
                "engine_error": report.engine_error,
                "failed": dict(failures[:_MAX_LOGGED_FAILURES]),
            },
        )

    def _write_metrics(self, counts: Mapping[str, int]) -> None:
        """Write metrics to the log in the embedded metric format, which CloudWatch reads."""
        for name, count in counts.items():
            self._metrics.add_metric(name, MetricUnit.Count, count)
        self._metrics.flush_metrics()
