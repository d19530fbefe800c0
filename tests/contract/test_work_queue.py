"""Test every queue against the docstrings of `WorkQueue`."""

import pytest

from newswire.model import Batch
from newswire.storage.queue.inline import InlineQueue
from newswire.storage.queue.sqs import SqsQueue, batch_of
from tests.support.memory import MemoryQueue


def inline(_request):
    delivered: list[Batch] = []
    return InlineQueue(delivered.extend), lambda: delivered


def in_sqs(request):
    aws = request.getfixturevalue("aws")
    url = aws.queue()
    return SqsQueue(url), lambda: [batch_of(record["body"]) for record in aws.receive(url)["Records"]]


def in_memory(_request):
    queue = MemoryQueue()
    return queue, lambda: queue.take(1_000)


@pytest.fixture(params=[inline, in_memory, in_sqs])
def queue(request):
    """Return a queue, and a function that returns the batches delivered so far."""
    return request.param(request)


def test_each_batch_is_delivered_at_least_once(queue) -> None:
    put, delivered = queue
    batches = [Batch((f"feed-{n}", "ł"), now=n % 2 == 0) for n in range(37)]
    put.put(iter(batches))
    assert set(batches) <= set(delivered())


def test_empty_put_delivers_nothing(queue) -> None:
    put, delivered = queue
    put.put([])
    assert delivered() == []
