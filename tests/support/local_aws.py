"""Create the table, bucket and queue of local-env.json on the server that stands in for AWS (`make local-aws`).

For `sam local`, whose containers share a network with those of compose.yaml. The server forgets everything when it
ends.
"""

import argparse
import json
import os
from pathlib import Path
from urllib.parse import urlsplit

import boto3

from tests.support.aws import make_bucket, make_queue, make_table

ENVIRONMENT = Path(__file__).resolve().parents[2] / "local-env.json"
REGION = "eu-central-1"


def main() -> int:
    """Create what is missing, and print the names."""
    parser = argparse.ArgumentParser(prog="python -m tests.support.local_aws", description=__doc__)
    parser.add_argument("url", help="where the server answers on this machine")
    url = parser.parse_args().url
    os.environ |= {"AWS_DEFAULT_REGION": REGION, "AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local"}
    output = json.loads(ENVIRONMENT.read_text())["IngestFunction"]
    table, bucket = output["NEWSWIRE_TABLE"], output["NEWSWIRE_BUCKET"]
    queue = urlsplit(output["NEWSWIRE_QUEUE_URL"]).path.rpartition("/")[2]
    if table not in boto3.client("dynamodb", endpoint_url=url).list_tables()["TableNames"]:
        make_table(url, table)
        make_bucket(url, bucket)
        make_queue(url, queue)
    print(f"The table {table}, the bucket {bucket} and the queue {queue} are at {url}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
