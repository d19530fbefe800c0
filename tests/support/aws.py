"""Provide AWS on loopback: a moto server, with a new table, bucket and queue for each test."""

import copy
import functools
import inspect
import io
import json
import logging
import os
import random
import threading
import time
import uuid
from collections import defaultdict
from collections.abc import Callable, Container, Mapping
from typing import Any, NamedTuple

import boto3
import pytest
from botocore.awsrequest import AWSResponse
from moto import mock_aws
from moto.dynamodb import models
from moto.dynamodb.models.table import Table
from moto.server import ThreadedMotoServer

from newswire.storage.queue.sqs import SqsQueue
from tests.support.present import present

TABLE = {
    "AttributeDefinitions": [
        {"AttributeName": "pk", "AttributeType": "S"},
        {"AttributeName": "sk", "AttributeType": "S"},
        {"AttributeName": "attention_bucket", "AttributeType": "S"},
        {"AttributeName": "attention_at", "AttributeType": "N"},
        {"AttributeName": "behind_bucket", "AttributeType": "S"},
    ],
    "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
    "GlobalSecondaryIndexes": [
        {
            "IndexName": "attention",
            "KeySchema": [
                {"AttributeName": "attention_bucket", "KeyType": "HASH"},
                {"AttributeName": "attention_at", "KeyType": "RANGE"},
            ],
            "Projection": {"ProjectionType": "KEYS_ONLY"},
        },
        {
            "IndexName": "behind",
            "KeySchema": [
                {"AttributeName": "behind_bucket", "KeyType": "HASH"},
                {"AttributeName": "sk", "KeyType": "RANGE"},
            ],
            "Projection": {"ProjectionType": "KEYS_ONLY"},
        },
    ],
    "BillingMode": "PAY_PER_REQUEST",
}
"""The table of template.yaml."""


MOST_RECEIVED = 10
"""Number of receives after which a message moves to the dead-letter queue, as in template.yaml."""


def make_table(url: str | None, name: str) -> str:
    """Create the table of template.yaml; return its name."""
    boto3.client("dynamodb", endpoint_url=url).create_table(TableName=name, **TABLE)
    return name


def make_bucket(url: str | None, name: str) -> str:
    """Create a bucket; return its name."""
    region = {"LocationConstraint": os.environ["AWS_DEFAULT_REGION"]}
    boto3.client("s3", endpoint_url=url).create_bucket(Bucket=name, CreateBucketConfiguration=region)
    return name


def make_queue(url: str | None, name: str) -> str:
    """Create a work queue and its dead-letter queue as in template.yaml; return the URL of the work queue."""
    sqs = boto3.client("sqs", endpoint_url=url)
    dead = sqs.create_queue(QueueName=f"{name}-dead")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    policy = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": MOST_RECEIVED})
    return sqs.create_queue(QueueName=name, Attributes={"RedrivePolicy": policy})["QueueUrl"]


MESSAGES_A_CALL = 10
"""Maximum number of messages in one call by Lambda, as in template.yaml."""


class Delivery(NamedTuple):
    """Messages that were delivered, and those of them that failed."""

    sent: list[dict]
    failed: list[dict]


class Aws:
    """A moto server that stands in for AWS; clients find it through `AWS_ENDPOINT_URL`."""

    def __init__(self) -> None:
        logging.getLogger("werkzeug").setLevel(logging.ERROR)  # it logs every request
        self._server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        self._undo_patches = _make_tables_fast()
        self._server.start()
        host, port = self._server.get_host_and_port()
        self.url = f"http://{host}:{port}"
        self._endpoint: str | None = self.url
        os.environ["AWS_ENDPOINT_URL"] = self.url

    def client(self, service: str):
        return boto3.client(service, endpoint_url=self._endpoint)

    def table(self) -> str:
        return make_table(self._endpoint, f"table-{uuid.uuid4().hex[:12]}")

    def bucket(self) -> str:
        return make_bucket(self._endpoint, f"bucket-{uuid.uuid4().hex[:12]}")

    def queue(self) -> str:
        return make_queue(self._endpoint, f"queue-{uuid.uuid4().hex[:12]}")

    def dead_letters(self, queue: str) -> int:
        """Count the messages in the dead-letter queue of a work queue."""
        return present(SqsQueue(f"{queue}-dead").waiting())

    def deliver(self, queue: str, call: Callable[[dict], Container[str]], most: int = MESSAGES_A_CALL) -> Delivery:
        """Act once as Lambda's queue poller: receive, call, delete the messages that did not fail."""
        sqs, sent = self.client("sqs"), self.receive(queue, most)
        failed_ids = call(sent) if sent["Records"] else ()
        failed = [message for message in sent["Records"] if message["messageId"] in failed_ids]
        for message in sent["Records"]:
            if message not in failed:
                sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["receiptHandle"])
        return Delivery(sent["Records"], failed)

    def receive(self, queue: str, most: int = 1_000_000) -> dict:
        """Receive up to `most` messages in the format of Lambda; they stay in flight."""
        sqs = self.client("sqs")
        records: list[dict[str, str]] = []
        while len(records) < most and (
            messages := sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages")
        ):
            records += [
                {"messageId": message["MessageId"], "receiptHandle": message["ReceiptHandle"], "body": message["Body"]}
                for message in messages
            ]
        return {"Records": records}

    def close(self) -> None:
        os.environ.pop("AWS_ENDPOINT_URL", None)
        self._server.stop()
        self._undo_patches()


class AwsInside(Aws):
    """The same inside this process, without a server: faster for many calls."""

    def __init__(self) -> None:
        self._mock = mock_aws()
        self._mock.start()
        self._undo_patches = _make_tables_fast()
        self._endpoint = None

    def close(self) -> None:
        self._undo_patches()
        self._mock.stop()


_WRITES = ("put_item", "update_item", "delete_item", "transact_write_items")


def _make_tables_fast() -> Callable[[], None]:
    """Make moto's tables fast, whatever their size, and their writes atomic; return a function that undoes both."""
    patch = pytest.MonkeyPatch()
    patch.setattr(models, "copy", _CopiesOfTables())
    query, all_items = _in_no_order(Table.query, Table.all_items)
    patch.setattr(Table, "query", query)
    patch.setattr(Table, "all_items", all_items)
    guard = threading.RLock()
    for name in _WRITES:
        write = getattr(models.DynamoDBBackend, name)
        patch.setattr(models.DynamoDBBackend, name, _one_at_a_time(write, guard))
    return patch.undo


def _one_at_a_time(write, guard: threading.RLock):
    """Check a condition and write as one step, as DynamoDB does; moto's threads do both without a lock."""

    @functools.wraps(write)
    def guarded(*arguments, **named):
        with guard:
            return write(*arguments, **named)

    return guarded


def _in_no_order(query, all_items):
    """Return table lookups that look at the wanted rows only: moto looks at all rows of the table, and sorts them first."""

    queried = threading.local()
    parameters = inspect.signature(query)

    @functools.wraps(query)  # a second stand-in in this process wraps it again, and reads its signature
    def looking(table: Table, *arguments, **named):
        asked = parameters.bind(table, *arguments, **named).arguments
        queried.table, queried.rows = table, _candidates(table, asked)
        try:
            return query(table, *arguments, **named)
        finally:
            queried.table = queried.rows = None

    def rows(table: Table):
        return queried.rows if getattr(queried, "table", None) is table else all_items(table)

    return looking, rows


def _candidates(table: Table, asked: Mapping[str, Any]) -> list:
    """Return the rows with the hash key of a query; rows of items are in no index."""
    if not asked.get("index_name"):
        return list(table.items.get(asked["hash_key"], {}).values())
    (name, wanted), *_ = asked["hash_key_conditions"]
    partitions = [rows for key, rows in list(table.items.items()) if not str(key.value).startswith("item/")]
    rows = (row for partition in partitions for row in list(partition.values()))
    return [row for row in rows if name in row.attrs and row.attrs[name].value == wanted.value]


class _CopiesOfTables:
    """Stand in for the module `copy` in moto, which copies a whole table, row by row, before each transaction.

    Our transactions only put and check. A put replaces a row and does not change it, so a shallow copy is enough.
    """

    @staticmethod
    def deepcopy(value, *more):
        if not isinstance(value, Table):
            return copy.deepcopy(value, *more)
        kept = copy.copy(value)
        kept.items = defaultdict(dict, {key: dict(rows) for key, rows in value.items.items()})
        return kept


class Trouble:
    """Answer requests of a client with an error while `on`: all, the first ones, or a random share."""

    def __init__(
        self,
        client,
        status: int,
        body: str,
        operation: str = "*",
        times: int = 1_000_000,
        share: float = 1.0,
    ) -> None:
        self.on = True
        self.asked = self.refused = 0
        self._chance = random.Random(7)
        self._times, self._share, self._status, self._body = times, share, status, body
        service = client.meta.service_model.service_name
        client.meta.events.register(f"before-send.{service}.{operation}", self._before)

    def _before(self, request, **_more):
        self.asked += 1
        if not self.on or self.refused >= self._times or self._chance.random() >= self._share:
            return None
        self.refused += 1
        kind = "application/xml" if self._body.startswith("<") else "application/json"
        return AWSResponse(request.url, self._status, {"content-type": kind}, _Raw(self._body.encode()))


class _Raw(io.BytesIO):
    def stream(self, **_more):
        yield self.read()


class LateIndexes:
    """A DynamoDB client whose indexes lag behind the table, as the real ones may."""

    LATE_S = 0.15

    def __init__(self, client) -> None:
        self._client = client
        self._seen: dict[str, list[tuple[float, list[dict]]]] = {}

    def __getattr__(self, name: str):
        return getattr(self._client, name)

    def query(self, **request):
        if "IndexName" not in request:
            return self._client.query(**request)
        question = repr(sorted((name, repr(value)) for name, value in request.items() if name != "ExclusiveStartKey"))
        question = question.replace(request["TableName"], "")
        now = time.monotonic()
        before = self._seen.setdefault(question, [])
        before.append((now, self._client.query(**request)["Items"]))
        old = [items for at, items in before if at <= now - self.LATE_S]
        return {"Items": old[-1] if old else []}
