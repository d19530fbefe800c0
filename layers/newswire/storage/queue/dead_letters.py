"""The dead-letter queue: list, redrive or discard messages that failed ten times.

The redrive policy of the work queue names it, so one setting suffices for both queues.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from typing import Any

from msgspec import Struct

from newswire.clock import Instant
from newswire.errors import DataError
from newswire.storage.aws import AwsEdge, translate_aws_errors
from newswire.storage.queue.sqs import SqsQueue, batch_of

MAX_LETTERS = 10_000
_VISIBILITY_SECONDS = 120
"""Time in which other consumers do not see received messages; giving a message back ends it."""
_WAIT_SECONDS = 1
"""Wait time of a receive call, so that SQS reads all its servers; without it some messages may be missing."""


class DeadLetter(Struct, frozen=True):
    """A message that failed too often. `feeds` is None if the body is not a batch; such a message would fail again."""

    id: str
    sent_at: Instant
    body: str
    feeds: tuple[str, ...] | None


class DeadLetterQueue(AwsEdge):
    """The dead letters of the work queue with this URL. Every failure of AWS is a `DataError`."""

    service = "sqs"

    def __init__(self, work_url: str) -> None:
        self._work_url = work_url
        self._work = SqsQueue(work_url)
        self._place = f"The dead-letter queue of {work_url.rpartition('/')[2]} (NEWSWIRE_QUEUE_URL)"

    @cached_property
    def _url(self) -> str:
        with translate_aws_errors(self._place):
            answer = self.client.get_queue_attributes(QueueUrl=self._work_url, AttributeNames=["RedrivePolicy"])
            policy = answer.get("Attributes", {}).get("RedrivePolicy")
            if policy is None:
                msg = f"{self._place} does not exist: the work queue has no redrive policy. See template.yaml for one."
                raise DataError(msg)
            *_, account, name = json.loads(policy)["deadLetterTargetArn"].split(":")
            url: str = self.client.get_queue_url(QueueName=name, QueueOwnerAWSAccountId=account)["QueueUrl"]
            return url

    def letters(self) -> list[DeadLetter]:
        """Return the messages, the oldest first; they stay in the queue."""
        received = list(self._receive())
        self._give_back(message for message, _letter in received)
        return sorted((letter for _message, letter in received), key=lambda letter: (letter.sent_at, letter.id))

    def redrive(self, ids: Iterable[str] = ()) -> list[DeadLetter]:
        """Move the batches with these ids, or all batches, to the work queue; return them.

        A message is deleted after it was sent. So an interruption leaves it in both queues and never loses it.
        """
        id_set = set(ids)

        def is_chosen(letter: DeadLetter) -> bool:
            return letter.feeds is not None and (not id_set or letter.id in id_set)

        return self._take_out(is_chosen, sends=True)

    def discard(self, ids: Iterable[str]) -> list[DeadLetter]:
        """Delete the messages with these ids; return them."""
        id_set = set(ids)
        return self._take_out(lambda letter: letter.id in id_set, sends=False)

    def _take_out(self, is_chosen: Callable[[DeadLetter], bool], *, sends: bool) -> list[DeadLetter]:
        deleted, others = [], []
        for message, letter in list(self._receive()):
            if not is_chosen(letter):
                others.append(message)
                continue
            if sends:
                self._work.put([batch_of(letter.body)])
            with translate_aws_errors(self._place):
                self.client.delete_message(QueueUrl=self._url, ReceiptHandle=message["ReceiptHandle"])
            deleted.append(letter)
        self._give_back(others)
        return deleted

    def _receive(self) -> Iterator[tuple[dict[str, Any], DeadLetter]]:
        """Receive each message once; other consumers do not see it for `_VISIBILITY_SECONDS`."""
        request = {
            "QueueUrl": self._url,
            "MaxNumberOfMessages": 10,
            "VisibilityTimeout": _VISIBILITY_SECONDS,
            "WaitTimeSeconds": _WAIT_SECONDS,
            "MessageSystemAttributeNames": ["SentTimestamp"],
        }
        count = 0
        while count < MAX_LETTERS:
            with translate_aws_errors(self._place):
                messages = self.client.receive_message(**request).get("Messages", ())
            if not messages:
                return
            count += len(messages)
            yield from ((message, _read_letter(message)) for message in messages)

    def _give_back(self, messages: Iterable[dict[str, Any]]) -> None:
        dead = SqsQueue(self._url)
        for message in messages:
            dead.give_back(message["ReceiptHandle"])


def _read_letter(message: dict[str, Any]) -> DeadLetter:
    body = str(message["Body"])
    try:
        feeds = batch_of(body).feeds
    except ValueError:
        feeds = None
    return DeadLetter(message["MessageId"], int(message["Attributes"]["SentTimestamp"]), body, feeds)
