"""Making a client of AWS: import to a client of DynamoDB, with botocore as newswire does, against boto3.

Baseline: `boto3.client`. Unit: ms of CPU. Target: a ratio below 1, the reason for decision 0013. `python -m bench aws_client`.
"""

from __future__ import annotations

import sys

from bench.measurement import Measurement, alternated, compared, listed, run_alone

OURS = "from newswire.storage.aws import make_client; make_client('dynamodb')"
BASELINE = "import boto3; boto3.client('dynamodb')"
ENVIRONMENT = {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x", "AWS_DEFAULT_REGION": "eu-west-1"}


def measure(quick: bool) -> Measurement:  # noqa: FBT001 - one switch, common to all measurements
    """Run both programs in turns, each in a process of its own."""

    def run(program: str) -> float:
        return run_alone([sys.executable, "-c", program], ENVIRONMENT).cpu_s * 1000

    ours, baseline = alternated(lambda: run(OURS), lambda: run(BASELINE), 3 if quick else 11)
    note = f"boto3 took {listed(baseline)} ms, botocore {listed(ours)} ms"
    return compared("aws_client", ours, baseline, "ms", 1.0, note)
