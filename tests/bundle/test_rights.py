"""Least privilege: the roles allow exactly the calls of the built functions."""

import json
import time
from urllib.parse import unquote

import pytest

from newswire.model import Batch
from newswire.storage.archive.s3 import S3Archive
from newswire.storage.feeds import Lease
from newswire.storage.queue.sqs import SqsQueue, batch_of, message_of
from tests.bundle.stack import Stack, asked
from tests.factories import record
from tests.support.deployment import event
from tests.support.feed_server import FeedServer, rss, story
from tests.support.opensearch_node.indexes import delete_indexes
from tests.support.policies import BUCKET, CONDITIONS, DOMAIN, NAMES, QUEUE, TABLE, Call, Grant, grants
from tests.support.present import present
from tests.support.template import resources

pytestmark = [pytest.mark.bundle, pytest.mark.opensearch]

IN_A_TRANSACTION = {
    "Put": "PutItem",
    "Update": "UpdateItem",
    "Delete": "DeleteItem",
    "ConditionCheck": "ConditionCheckItem",
}
"""The action for each part of TransactWriteItems, from DynamoDB's Service Authorization Reference."""
ACTIONS = {
    "dynamodb": {
        "GetItem": "GetItem",
        "BatchGetItem": "BatchGetItem",
        "BatchWriteItem": "BatchWriteItem",
        "Query": "Query",
        "UpdateItem": "UpdateItem",
        "PutItem": "PutItem",
    },
    "s3": {"GetObject": "GetObject", "PutObject": "PutObject", "ListObjectsV2": "ListBucket"},
    "sqs": {
        "SendMessageBatch": "SendMessage",
        "GetQueueAttributes": "GetQueueAttributes",
        "ChangeMessageVisibility": "ChangeMessageVisibility",
    },
}
"""Actions by operation, from each Service Authorization Reference."""

NOT_OURS = {
    "sqs:ReceiveMessage": "the event source mapping of Lambda, with the role of the function",
    "sqs:DeleteMessage": "the event source mapping of Lambda, with the role of the function",
    "logs:CreateLogStream": "Lambda itself, which writes what the function prints",
    "logs:PutLogEvents": "Lambda itself, which writes what the function prints",
    "xray:PutTraceSegments": "Lambda itself, for the traces that its setting asks for",
    "xray:PutTelemetryRecords": "Lambda itself, for the traces that its setting asks for",
}
"""Allowed actions that the function's code does not call, and their callers."""


def calls_of(line: dict) -> list[Call]:
    """Return the actions and resources that a recorded AWS call needs."""
    service, operation, params = line["service"], line["operation"], line["params"]
    if operation == "TransactWriteItems":
        parts = [name for item in params["TransactItems"] for name in item]
        return [Call(f"dynamodb:{IN_A_TRANSACTION[name]}", TABLE) for name in parts]
    action = f"{service}:{ACTIONS[service][operation]}"
    if service == "dynamodb":
        index = params.get("IndexName")
        return [Call(action, f"{TABLE}/index/{index}" if index else TABLE)]
    if service == "s3":
        return [Call(action, f"{BUCKET}/{params['Key']}" if "Key" in params else BUCKET)]
    return [Call(action, QUEUE)]


def requests_of(domain) -> set[Call]:
    """Return the actions and resources that the recorded OpenSearch requests need."""
    return {Call(f"es:ESHttp{method.capitalize()}", DOMAIN + unquote(path)) for method, path in domain.asked}


@pytest.fixture(scope="module")
def calls(built, aws, opensearch_nodes):
    """Run both functions through all their cases; return the calls of each role."""
    node, server = opensearch_nodes.url("3.8"), FeedServer()
    delete_indexes(node, "newswire-items-g")
    delete_indexes(node, "newswire-v")
    stack = Stack(built, aws, node, "newswire")
    created: dict[str, set[Call]] = {}
    try:
        search = stack.function("SearchFunction")
        search.call(asked("/v1/search"))  # no index exists yet
        search_before = requests_of(stack.domain)
        stack.domain.asked.clear()
        ingest = stack.function("IngestFunction")
        _polls_everything_that_can_happen(stack, ingest, server)
        created["IngestFunctionRole"] = requests_of(stack.domain)
        stack.domain.asked.clear()
        for path in (
            "/v1/search",
            "/v1/feeds",
            "/v1/feeds/ours",
            "/v1/status",
            "/openapi.json",
            "/",
            "/feeds/ours",
            "/items/x",
            "/v1/items/x",
        ):
            search.call(asked(path))
        search.call(asked("/v1/search", q="baltic", facets="feed,lang", histogram="day", **{"from": "P7D"}))
        search.call(asked("/v1/items", ids="a,b"))
        created["SearchFunctionRole"] = requests_of(stack.domain) | search_before
        for role, name in (("IngestFunctionRole", "IngestFunction"), ("SearchFunctionRole", "SearchFunction")):
            file = stack.recorded[name]
            for line in file.read_text().splitlines() if file.exists() else ():
                created[role] |= set(calls_of(json.loads(line)))
    finally:
        stack.close()
        server.close()
        delete_indexes(node, "newswire-items-g")
        delete_indexes(node, "newswire-v")
    return created


def _polls_everything_that_can_happen(stack: Stack, ingest, server: FeedServer) -> None:
    stack.add("ours", server.says("/ours", rss(story(1), story(2), title="Ours")))
    stack.add("failing", server.says("/failing", status=503))
    ingest.call(event("schedule"))
    ingest.call({"Records": [message("ours"), message("failing")]})
    server.says("/ours", rss(story(1, "A correction"), story(3), title="Ours"))
    ingest.call({"Records": [message("ours", now=True)]})
    # The lease holder died between archiving and remembering.
    now = int(time.time() * 1000)
    row = present(stack.feeds.claim("ours", Lease("dead", now - 1), now - 2))
    remaining = record(row.poll.head + 1, feed="ours", fetched_at=now, body=rss(story(4), title="Ours"))
    assert S3Archive(stack.bucket).put(remaining)
    ingest.call(event("schedule"))
    ingest.call({"Records": [message("ours")]})
    # Some messages wait, and one has too little time left.
    SqsQueue(stack.queue).put([Batch(("ours",))])
    ingest.call(event("schedule"))
    SqsQueue(stack.queue).put([Batch(("ours",), now=True)])
    waiting = [received for received in stack.aws.receive(stack.queue)["Records"] if batch_of(received["body"]).now]
    assert len(ingest.call({"Records": waiting}, seconds=15)["batchItemFailures"]) == 1


def message(feed: str, *, now: bool = False) -> dict:
    return {"messageId": feed, "receiptHandle": feed, "body": message_of(Batch((feed,), now=now))}


def allowed(role: str) -> list[Grant]:
    return grants(resources("AWS::IAM::Role")[role], NAMES, CONDITIONS)


@pytest.mark.parametrize("role", ["IngestFunctionRole", "SearchFunctionRole"])
def test_every_call_is_allowed_by_the_role(calls, role: str) -> None:
    refused = [call for call in sorted(calls[role]) if not any(grant.allows(call) for grant in allowed(role))]
    assert "\n".join(f"{call.action} {call.resource}" for call in refused) == ""


@pytest.mark.parametrize("role", ["IngestFunctionRole", "SearchFunctionRole"])
def test_role_allows_no_unused_action(calls, role: str) -> None:
    unused = [grant for grant in allowed(role) if not any(grant.allows(call) for call in calls[role])]
    assert "\n".join(f"{grant.action} {grant.resource}" for grant in unused if grant.action not in NOT_OURS) == ""


def test_recorded_run_covers_enough_calls(calls) -> None:
    print(*sorted(calls["IngestFunctionRole"]), sep="\n")
    assert len(calls["IngestFunctionRole"]) > 20
    assert {call.action for call in calls["SearchFunctionRole"]} == {"es:ESHttpGet", "es:ESHttpPost"}
