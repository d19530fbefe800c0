"""The contract of `WorkQueue`."""

import pytest

from newswire.model import Batch
from newswire.work.inline import InlineQueue


@pytest.fixture(params=["inline"])
def queue(request):
    """A queue, and the list of batches that were delivered so far."""
    delivered: list[Batch] = []
    made = {"inline": lambda: InlineQueue(delivered.extend)}[request.param]()
    return made, delivered


def test_each_batch_is_delivered_at_least_once(queue) -> None:
    put, delivered = queue
    batches = [Batch((f"feed-{n}",)) for n in range(30)]
    put.put(iter(batches))
    assert set(batches) <= set(delivered)


def test_nothing_put_is_nothing_delivered(queue) -> None:
    put, delivered = queue
    put.put([])
    assert delivered == []
