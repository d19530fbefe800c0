"""Calculate what polling costs on AWS, in USD per day: `python -m bench.costs`.

The calls of a simulated day of 500 feeds are counted with moto. The prices are those of us-east-1, published by AWS in
November 2026, without the free tier. The duration of Lambda calls comes from the assumptions below.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Mapping
from contextlib import redirect_stdout
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec

from newswire.settings import Settings
from tests.conftest import HandClock
from tests.support.aws import AwsInside
from tests.support.simulated_day import TICKS, AwsDay, live_a_day_on_aws

FEEDS = 500
SIZES = (100, 10_000, 100_000)
DAYS_A_MONTH = 30.4

READ_UNIT, WRITE_UNIT = 0.125e-6, 0.625e-6
PUT, LIST, GET = 5e-6, 5e-6, 0.4e-6
SQS_REQUEST = 0.4e-6
LAMBDA_REQUEST, LAMBDA_GB_S = 0.2e-6, 13.3334e-6
SCHEDULED = 1e-6
METRIC_MONTH, ALARM_MONTH, LOG_GB = 0.30, 0.10, 0.50
METRICS, ALARMS = 13, 16

MEMORY_GB = 1.5
TICK_S = 0.5
"""Assumed: seconds of a tick, mostly spent waiting for its 28 calls."""
POLL_S = 0.1
"""Assumed: seconds of Lambda time per poll. Publishers answer in a second, 16 at once; the rest is our own work."""
LOG_BYTES = 1_500
"""Assumed: bytes that one invocation logs, with the lines of Lambda itself."""
IDLE_RECEIVES = 5 * 3 * 1_440
"""Receives per day of Lambda's five pollers on an empty queue, each waiting 20 s."""


def daily(found: AwsDay, feeds: int) -> dict[str, float]:
    """Return the USD per day by service, for this number of feeds of the same kind."""
    share = feeds / FEEDS
    day = found.day
    ticks = _fixed_and_growing(found.in_ticks, share)
    calls = ticks + _scaled(found.in_batches, share)
    units = _units(calls, found, share)
    messages = max(day.messages * share, 1)
    runs = max(day.calls, day.messages * share / 10)
    return {
        "DynamoDB": units[0] * READ_UNIT + units[1] * WRITE_UNIT,
        "S3": calls["s3.PutObject"] * PUT + calls["s3.GetObject"] * GET + calls["s3.ListObjectsV2"] * LIST,
        "SQS": (messages / 10 + 2 * messages + TICKS + IDLE_RECEIVES) * SQS_REQUEST,
        "Lambda": (TICKS + runs) * LAMBDA_REQUEST
        + (TICKS * TICK_S + day.polls * share * POLL_S) * MEMORY_GB * LAMBDA_GB_S,
        "other": TICKS * SCHEDULED
        + (METRICS * METRIC_MONTH + ALARMS * ALARM_MONTH) / DAYS_A_MONTH
        + (TICKS + runs) * LOG_BYTES / 1e9 * LOG_GB,
    }


class _Calls(dict[str, float]):
    """Number of calls of each kind; 0 if there are none."""

    def __missing__(self, _key: str) -> float:
        return 0.0

    def __add__(self, other: Mapping[str, float]) -> _Calls:
        return _Calls({name: self[name] + _Calls(other)[name] for name in self.keys() | other.keys()})


def _scaled(counts: Mapping[str, int], share: float) -> _Calls:
    return _Calls({name: count * share for name, count in counts.items()})


def _fixed_and_growing(counts: Mapping[str, int], share: float) -> _Calls:
    """Scale the calls of a tick: reads of due feeds grow with the number of feeds, the rest is constant."""
    grows = {name for name in counts if "BatchGetItem" in name or "SendMessage" in name}
    once = {"dynamodb.Query feed", "dynamodb.Query index"}  # only the first tick reads feeds.toml
    return _Calls({name: count * (share if name in grows else 1) for name, count in counts.items() if name not in once})


def _units(calls: _Calls, found: AwsDay, share: float) -> tuple[float, float]:
    """Return the read and write units of the calls ("Read/write capacity mode": 4 kB and 1 kB each)."""
    reads = writes = 0.0
    for name, count in calls.items():
        kind = name.rpartition(" ")[2]
        kilobytes = -(-found.row_bytes.get(kind, 1) // 1_024)
        if name.startswith("dynamodb.Query"):
            reads += count / 2  # eventually consistent reads cost half
        elif name.startswith(("dynamodb.GetItem", "dynamodb.row of")):
            reads += count * -(-kilobytes // 4)
        elif name.startswith("dynamodb.Transact"):
            writes += 2 * count * kilobytes
        elif name.startswith("dynamodb.UpdateItem"):
            writes += count * (
                kilobytes + (2 if kind == "feed" else 0)
            )  # the update also moves the feed in the `attention` index
    return reads, writes + 2 * found.day.documents * share  # into the `behind` index and out again


def main() -> int:
    """Run the day; print the calls, and the table of docs/operations.md."""
    logging.disable(logging.CRITICAL)
    os.environ |= {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x", "AWS_DEFAULT_REGION": "eu-central-1"}
    aws = AwsInside()
    with TemporaryDirectory() as folder, Path(os.devnull).open("w") as nowhere, redirect_stdout(nowhere):
        settings = Settings(data=f"{folder}/data", feeds=f"{folder}/feeds.toml")
        results, _publishers, _planned, app = live_a_day_on_aws(aws, settings, HandClock(), FEEDS)
        app.close()
    aws.close()
    print(msgspec.json.format(msgspec.json.encode(results)).decode())
    print(f"{results.day.polls / FEEDS:.1f} polls and {results.day.documents / FEEDS:.1f} new documents per feed")
    batches = sum(count for name, count in results.in_batches.items() if " row of " not in name)
    print(
        f"{sum(results.in_ticks.values()) / TICKS:.1f} calls per tick, {batches / results.day.polls:.1f} calls per poll"
    )
    tables = [daily(results, feeds) for feeds in SIZES]
    print(f"| USD per day | {' | '.join(f'{feeds:,} feeds' for feeds in SIZES)} |\n|---|{'---|' * len(SIZES)}")
    for service in tables[0]:
        print(f"| {service} | {' | '.join(f'{table[service]:.3f}' for table in tables)} |")
    print(f"| total | {' | '.join(f'{sum(table.values()):.2f}' for table in tables)} |")
    print(f"| per month | {' | '.join(f'{sum(table.values()) * DAYS_A_MONTH:.2f}' for table in tables)} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
