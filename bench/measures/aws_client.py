"""Making the three clients of the ingest function: import to clients with botocore, as newswire does, against boto3.

Baseline: `boto3.client`. Unit: ms of CPU. Target: a ratio below 1, the reason for decision 0013. `python -m bench aws_client`.
"""

from __future__ import annotations

import sys

from bench.measurement import Measurement, compare_times, run_alone, time_in_turns

SERVICES = ("dynamodb", "s3", "sqs")
OURS = f"from newswire.storage.aws import make_client; [make_client(name) for name in {SERVICES}]"
BASELINE = f"import newswire.settings, newswire.errors, boto3; [boto3.client(name) for name in {SERVICES}]"
ENVIRONMENT = {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x", "AWS_DEFAULT_REGION": "eu-west-1"}


def measure(quick: bool) -> Measurement:  # noqa: FBT001 - one switch, common to all measurements
    """Run both programs in turns, each in its own process."""

    def run(program: str) -> float:
        return run_alone([sys.executable, "-c", program], ENVIRONMENT).cpu_s * 1000

    ours, baseline = time_in_turns(lambda: run(OURS), lambda: run(BASELINE), 3 if quick else 11)
    note = f"fastest {min(ours):.0f} ms with botocore, {min(baseline):.0f} ms with boto3"
    return compare_times("aws_client", ours, baseline, "ms", 1.0, note)
