"""The dead-letter queue: messages that failed ten times come out, to be looked at, sent again or thrown away.

It is found by the redrive policy of the work queue, so that there is one setting for both.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from typing import Any

from msgspec import Struct

from newswire.clock import Instant
from newswire.errors import DataError
from newswire.storage.aws import AwsEdge, explained_aws
from newswire.storage.queue.sqs import SqsQueue, batch_of

MOST_LISTED = 10_000
_HELD_S = 120
"""So long the messages that are looked at are kept from others, unless they are given back before."""
_WAIT_S = 1
"""So long SQS is asked to look on all its servers: an answer without waiting may leave messages out."""


class DeadLetter(Struct, frozen=True):
    """A message that failed too often; `feeds` is None for one that is no batch of ours, and would fail again."""

    id: str
    sent_at: Instant
    body: str
    feeds: tuple[str, ...] | None


class DeadLetterQueue(AwsEdge):
    """The dead letters of the work queue with this address. What AWS does wrong is a `DataError`."""

    service = "sqs"

    def __init__(self, work_url: str) -> None:
        self._work_url = work_url
        self._work = SqsQueue(work_url)
        self._place = f"The dead-letter queue of {work_url.rpartition('/')[2]} (NEWSWIRE_QUEUE_URL)"

    @cached_property
    def _url(self) -> str:
        with explained_aws(self._place):
            asked = {"QueueUrl": self._work_url, "AttributeNames": ["RedrivePolicy"]}
            policy = self.client.get_queue_attributes(**asked).get("Attributes", {}).get("RedrivePolicy")
            if policy is None:
                msg = f"{self._place} is not there: that queue has no redrive policy, see template.yaml."
                raise DataError(msg)
            *_, account, name = json.loads(policy)["deadLetterTargetArn"].split(":")
            found: str = self.client.get_queue_url(QueueName=name, QueueOwnerAWSAccountId=account)["QueueUrl"]
            return found

    def letters(self) -> list[DeadLetter]:
        """Give the messages, the oldest first; they stay in the queue."""
        held = list(self._held())
        self._give_back(message for message, _letter in held)
        return sorted((letter for _message, letter in held), key=lambda one: (one.sent_at, one.id))

    def redrive(self, ids: Iterable[str] = ()) -> list[DeadLetter]:
        """Put the batches with these ids, or all batches, back into the work queue; gives them.

        A message is deleted after it was sent, so that one which is interrupted between is there twice rather than lost.
        """
        wanted = set(ids)
        return self._taken_out(lambda one: one.feeds is not None and (not wanted or one.id in wanted), sends=True)

    def discard(self, ids: Iterable[str]) -> list[DeadLetter]:
        """Throw the messages with these ids away; gives them."""
        wanted = set(ids)
        return self._taken_out(lambda one: one.id in wanted, sends=False)

    def _taken_out(self, chosen: Callable[[DeadLetter], bool], *, sends: bool) -> list[DeadLetter]:
        done, others = [], []
        for message, letter in list(self._held()):
            if not chosen(letter):
                others.append(message)
                continue
            if sends:
                self._work.put([batch_of(letter.body)])
            with explained_aws(self._place):
                self.client.delete_message(QueueUrl=self._url, ReceiptHandle=message["ReceiptHandle"])
            done.append(letter)
        self._give_back(others)
        return done

    def _held(self) -> Iterator[tuple[dict[str, Any], DeadLetter]]:
        """Receive all that there is, once; nobody else gets it meanwhile."""
        asked = {
            "QueueUrl": self._url,
            "MaxNumberOfMessages": 10,
            "VisibilityTimeout": _HELD_S,
            "WaitTimeSeconds": _WAIT_S,
            "MessageSystemAttributeNames": ["SentTimestamp"],
        }
        count = 0
        while count < MOST_LISTED:
            with explained_aws(self._place):
                found = self.client.receive_message(**asked).get("Messages", ())
            if not found:
                return
            count += len(found)
            yield from ((message, _letter(message)) for message in found)

    def _give_back(self, messages: Iterable[dict[str, Any]]) -> None:
        dead = SqsQueue(self._url)
        for message in messages:
            dead.give_back(message["ReceiptHandle"])


def _letter(message: dict[str, Any]) -> DeadLetter:
    body = str(message["Body"])
    try:
        feeds = batch_of(body).feeds
    except ValueError:
        feeds = None
    return DeadLetter(message["MessageId"], int(message["Attributes"]["SentTimestamp"]), body, feeds)
