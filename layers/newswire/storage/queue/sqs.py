"""The work queue in SQS: one message per batch, as JSON. `functions/ingest/app.py` receives the messages."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

import msgspec

from newswire.errors import DataError
from newswire.model import Batch
from newswire.storage.aws import AwsEdge, translate_aws_errors

_MAX_ENTRIES = 10
"""The limit of SQS for one request."""
_MAX_TRIES = 4

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Batch).decode


class SqsQueue(AwsEdge):
    """`WorkQueue` in the SQS queue with this URL."""

    service = "sqs"

    def __init__(self, url: str) -> None:
        self._url = url
        self._place = f"The queue {url.rpartition('/')[2]} (NEWSWIRE_QUEUE_URL)"

    def put(self, batches: Iterable[Batch]) -> None:
        """Send the batches, ten per request; send refused ones again, and raise `DataError` if SQS keeps refusing them."""
        remaining = iter(batches)
        while part := list(islice(remaining, _MAX_ENTRIES)):
            waiting = {
                str(number): {"Id": str(number), "MessageBody": message_of(batch)} for number, batch in enumerate(part)
            }
            for _attempt in range(_MAX_TRIES):
                with translate_aws_errors(self._place):
                    answer = self.client.send_message_batch(QueueUrl=self._url, Entries=list(waiting.values()))
                failed = answer.get("Failed", ())
                waiting = {entry["Id"]: waiting[entry["Id"]] for entry in failed}
                if not waiting:
                    break
            else:
                msg = f"{self._place} refuses messages ({failed[0].get('Code')}). The next tick sends them again."
                raise DataError(msg)

    def waiting(self) -> int | None:
        """Return the number of visible messages and of those in work; SQS counts approximately."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        with translate_aws_errors(self._place):
            counts = self.client.get_queue_attributes(QueueUrl=self._url, AttributeNames=names)["Attributes"]
        return sum(int(counts[name]) for name in names)

    def give_back(self, receipt: str) -> None:
        """Make a received message visible to other consumers at once."""
        with translate_aws_errors(self._place):
            self.client.change_message_visibility(QueueUrl=self._url, ReceiptHandle=receipt, VisibilityTimeout=0)


def message_of(batch: Batch) -> str:
    """Return a batch as a message body, which is JSON."""
    return _encode(batch).decode()


def batch_of(message: str) -> Batch:
    """Return the batch of a message body; raise `ValueError` for a body that is not a batch."""
    return _decode(message)
