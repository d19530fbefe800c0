"""`make local-aws`: the resource names and the network that `sam local` uses."""

import json
import subprocess
import sys
import tomllib
from urllib.parse import urlsplit

import boto3
import yaml
from moto.server import ThreadedMotoServer

from tests.conftest import ROOT

TOLD = json.loads((ROOT / "local-env.json").read_text())["IngestFunction"]
COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text())


def test_local_resources_are_created_once_with_their_names() -> None:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    url = "http://{}:{}".format(*server.get_host_and_port())
    try:
        for _ in range(2):
            command = [sys.executable, "-m", "tests.support.local_aws", url]
            output = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
            assert output.endswith(f"are at {url}\n")
        table = boto3.client("dynamodb", endpoint_url=url).describe_table(TableName=TOLD["NEWSWIRE_TABLE"])["Table"]
        assert {index["IndexName"] for index in table["GlobalSecondaryIndexes"]} == {"attention", "behind"}
        boto3.client("s3", endpoint_url=url).head_bucket(Bucket=TOLD["NEWSWIRE_BUCKET"])
        queue = url + urlsplit(TOLD["NEWSWIRE_QUEUE_URL"]).path
        boto3.client("sqs", endpoint_url=url).get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])
    finally:
        server.stop()


def test_local_services_share_the_network_of_sam_local() -> None:
    sam = tomllib.loads((ROOT / "samconfig.toml").read_text())["default"]
    for command in ("local_invoke", "local_start_api"):
        assert sam[command]["parameters"]["docker_network"] == COMPOSE["networks"]["default"]["name"]
    hosts = {urlsplit(TOLD[name]).hostname for name in ("AWS_ENDPOINT_URL", "NEWSWIRE_OPENSEARCH_URL")}
    assert hosts == COMPOSE["services"].keys() == {"aws", "opensearch"}
    for service in COMPOSE["services"].values():
        assert all(port.startswith("127.0.0.1:") for port in service["ports"]), "on this machine, on loopback only"
