"""Tell linear from quadratic time, whatever the speed of the machine."""

import time
from collections.abc import Callable

SHORTEST_SECONDS = 0.005
"""Times below this are lost in the noise of the machine."""


def assert_linear(work: Callable[[int], object]) -> None:
    """Assert that work on 200,000 characters takes less than a hundred times as long as work on 10,000.

    They are twenty times as many: a quadratic step would take four hundred times as long.
    """

    def seconds(size: int) -> float:
        started = time.process_time()
        work(size)
        return max(time.process_time() - started, SHORTEST_SECONDS)

    assert seconds(200_000) < 100 * seconds(10_000)
