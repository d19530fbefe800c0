"""The work queue in SQS: one message for each batch, as JSON. Whoever receives it is `functions/ingest/app.py`."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

import msgspec

from newswire.errors import DataError
from newswire.model import Batch
from newswire.storage.aws import AwsEdge, explained_aws

_AT_ONCE = 10
_TRIES = 4

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Batch).decode


class SqsQueue(AwsEdge):
    """`WorkQueue` in a queue of SQS, named by its address."""

    service = "sqs"

    def __init__(self, url: str) -> None:
        self._url = url
        self._place = f"The queue {url.rpartition('/')[2]} (NEWSWIRE_QUEUE_URL)"

    def put(self, batches: Iterable[Batch]) -> None:
        """Send the batches, ten in a request; those that are refused for the moment again. `DataError` for what stays so."""
        rest = iter(batches)
        while some := list(islice(rest, _AT_ONCE)):
            waiting = {
                str(number): {"Id": str(number), "MessageBody": message_of(one)} for number, one in enumerate(some)
            }
            for _try in range(_TRIES):
                with explained_aws(self._place):
                    answer = self.client.send_message_batch(QueueUrl=self._url, Entries=list(waiting.values()))
                failed = answer.get("Failed", ())
                waiting = {one["Id"]: waiting[one["Id"]] for one in failed}
                if not waiting:
                    break
            else:
                msg = f"{self._place} does not take messages ({failed[0].get('Code')}): the next tick sends them again."
                raise DataError(msg)

    def waiting(self) -> int | None:
        """Add up the messages that can be received and those that somebody has; SQS counts them approximately."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        with explained_aws(self._place):
            found = self.client.get_queue_attributes(QueueUrl=self._url, AttributeNames=names)["Attributes"]
        return sum(int(found[name]) for name in names)

    def give_back(self, receipt: str) -> None:
        """Let a message that we received be received by somebody else at once."""
        with explained_aws(self._place):
            self.client.change_message_visibility(QueueUrl=self._url, ReceiptHandle=receipt, VisibilityTimeout=0)


def message_of(batch: Batch) -> str:
    """Write a batch as the body of a message."""
    return _encode(batch).decode()


def batch_of(message: str) -> Batch:
    """Read the body of a message; `ValueError` for one that is no batch."""
    return _decode(message)
