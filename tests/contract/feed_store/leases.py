"""Helpers of the feed store tests: a fixed time, leases under it, and retries."""

import time

import msgspec

from newswire.storage.feeds import Lease, PollResult

NOW = 1_763_985_600_000


def soon(look, wanted) -> None:
    """Retry for at most 3 seconds until the result is as wanted: indexes may lag, but never stay wrong."""
    until = time.monotonic() + 3
    while (results := look()) != wanted and time.monotonic() < until:
        time.sleep(0.05)
    assert results == wanted


def lease(token: str = "t", seconds: int = 300) -> Lease:
    return Lease(token, NOW + seconds * 1000)


def remember(store, token: str, **fields):
    row = store.row("a")
    return store.remember([PollResult("a", token, msgspec.structs.replace(row.poll, **fields))])
