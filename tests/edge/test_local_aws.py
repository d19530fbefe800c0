"""`make local-aws`: what `sam local` needs of AWS is there, under the names of local-env.json."""

import json
import signal
import subprocess
import sys

import boto3

from tests.conftest import ROOT


def test_it_has_the_parts_that_local_env_names_until_it_is_stopped() -> None:
    command = [sys.executable, "-m", "tests.local_aws", "--port", "0"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        said = dict(process.stdout.readline().strip().split("=", 1) for _ in range(4))
        url = said["AWS_ENDPOINT_URL"]
        told = json.loads((ROOT / "local-env.json").read_text())["IngestFunction"]
        for name in ("NEWSWIRE_TABLE", "NEWSWIRE_BUCKET"):
            assert said[name] == told[name]
        assert said["NEWSWIRE_QUEUE_URL"].replace(url, told["AWS_ENDPOINT_URL"]) == told["NEWSWIRE_QUEUE_URL"]
        table = boto3.client("dynamodb", endpoint_url=url).describe_table(TableName=said["NEWSWIRE_TABLE"])["Table"]
        assert {one["IndexName"] for one in table["GlobalSecondaryIndexes"]} == {"attention", "behind"}
        boto3.client("s3", endpoint_url=url).head_bucket(Bucket=said["NEWSWIRE_BUCKET"])
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0
