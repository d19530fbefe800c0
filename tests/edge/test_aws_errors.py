"""AWS errors: retries, messages that name the setting, and row sizes."""

import msgspec
import pytest

from newswire.errors import DataError
from newswire.model import Batch, Feed, FetchLine, FoldState, ItemDate, Validators
from newswire.storage.archive.s3 import S3Archive
from newswire.storage.aws import make_client
from newswire.storage.feeds import Lease, PollResult
from newswire.storage.feeds.dynamodb import DynamoFeedStore
from newswire.storage.feeds.dynamodb_table import Table, key_of
from newswire.storage.queue.sqs import SqsQueue
from tests.factories import item_state, record
from tests.support.aws import Trouble
from tests.support.present import present

NOW = 1_763_985_600_000


THROTTLED = '{"__type": "com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException", "message": "no"}'


def test_throttled_table_is_retried(aws) -> None:
    store = DynamoFeedStore(aws.table())
    store.put(Feed(id="a", url="http://a.example/"), NOW)
    trouble = Trouble(store._table.client, 400, THROTTLED, times=2)
    assert present(store.row("a")).feed.id == "a"
    assert trouble.asked > 2


class Throttled:
    """A client that does none of what a batch asks for, until it is told to."""

    def __init__(self, calls_until_done: int) -> None:
        self.calls = 0
        self._calls_until_done = calls_until_done

    def batch_get_item(self, RequestItems: dict) -> dict:  # noqa: N803 - the name of AWS
        self.calls += 1
        if self.calls < self._calls_until_done:
            return {"Responses": {}, "UnprocessedKeys": RequestItems}
        return {"Responses": {"t": [{"pk": {"S": "a"}}]}}

    def batch_write_item(self, RequestItems: dict) -> dict:  # noqa: N803
        self.calls += 1
        return {"UnprocessedItems": RequestItems if self.calls < self._calls_until_done else {}}


def throttled_table(monkeypatch, calls_until_done: int) -> tuple[Table, Throttled, list[float]]:
    pauses: list[float] = []
    monkeypatch.setattr("newswire.storage.feeds.dynamodb_table.time.sleep", pauses.append)
    table, client = Table("t"), Throttled(calls_until_done)
    table.__dict__["client"] = client
    return table, client, pauses


def test_rest_of_a_batch_is_asked_for_after_growing_pauses(monkeypatch) -> None:
    table, client, pauses = throttled_table(monkeypatch, 6)
    assert table.get_many([key_of("a", "b")]) == [{"pk": {"S": "a"}}]
    assert client.calls == 6
    assert pauses[-1] > 4 * pauses[0]
    table, client, pauses = throttled_table(monkeypatch, 4)
    table.delete([key_of("a", "b")])
    assert (client.calls, len(pauses)) == (4, 3)


@pytest.mark.parametrize("call", ["get_many", "delete"])
def test_table_that_stays_throttled_is_an_error(monkeypatch, call: str) -> None:
    table, _client, pauses = throttled_table(monkeypatch, 1_000)
    with pytest.raises(DataError, match="is throttled: raise its capacity"):
        getattr(table, call)([key_of("a", "b")])
    assert 10 < sum(pauses) < 40


def test_lasting_throttling_error_names_the_table(aws, monkeypatch) -> None:
    monkeypatch.setattr("time.sleep", lambda _seconds: None)
    store = DynamoFeedStore(aws.table())
    Trouble(store._table.client, 400, THROTTLED)
    with pytest.raises(DataError, match=r"NEWSWIRE_TABLE.*throttles"):
        store.due(NOW, 10)


CALLS = {
    "table": (lambda: DynamoFeedStore("nowhere").row("a"), "NEWSWIRE_TABLE"),
    "table write": (lambda: DynamoFeedStore("nowhere").put(Feed(id="a"), NOW), "NEWSWIRE_TABLE"),
    "bucket": (lambda: S3Archive("nowhere").put(record()), "NEWSWIRE_BUCKET"),
    "bucket list": (lambda: S3Archive("nowhere").feeds(), "NEWSWIRE_BUCKET"),
}


@pytest.mark.parametrize("call", CALLS)
def test_missing_resource_error_names_the_setting(aws, call: str) -> None:
    do, setting = CALLS[call]
    with pytest.raises(DataError, match=f"{setting}.*does not exist"):
        do()


def test_missing_queue_error_names_the_setting(aws) -> None:
    with pytest.raises(DataError, match="NEWSWIRE_QUEUE_URL"):
        SqsQueue(f"{aws.url}/123456789012/nowhere").put([Batch(("a",))])


def test_denied_write_raises_and_archives_nothing(aws) -> None:
    archive = S3Archive(aws.bucket())
    denied = "<Error><Code>AccessDenied</Code><Message>no</Message></Error>"
    Trouble(archive.client, 403, denied, times=1)
    with pytest.raises(DataError, match=r"NEWSWIRE_BUCKET.*role"):
        archive.put(record())
    assert archive.head("f") == 0
    assert archive.put(record())


def test_unreachable_endpoint_is_reported(monkeypatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    monkeypatch.setattr("time.sleep", lambda _seconds: None)
    with pytest.raises(DataError, match="unreachable"):
        DynamoFeedStore("t").row("a")


def test_temporarily_refused_messages_are_resent(aws) -> None:
    url = aws.queue()
    queue, tries = SqsQueue(url), []
    plain = queue.client.send_message_batch

    def half(QueueUrl: str, Entries: list[dict]):  # noqa: N803 - as boto3 has it
        tries.append(len(Entries))
        seconds, refused = (Entries[::2], Entries[1::2]) if len(tries) == 1 else (Entries, [])
        answer = plain(QueueUrl=QueueUrl, Entries=seconds)
        return {
            **answer,
            "Failed": [{"Id": entry["Id"], "Code": "InternalError", "SenderFault": False} for entry in refused],
        }

    queue.client.send_message_batch = half
    queue.put(Batch((f"feed-{n}",)) for n in range(7))
    assert tries == [7, 3]
    assert len(aws.receive(url)["Records"]) == 7


def test_feed_row_with_full_history_stays_under_4_kb(aws) -> None:
    table = aws.table()
    store = DynamoFeedStore(table)
    store.put(Feed(id="news", url=f"https://news.example/{'x' * 180}", title="News of the world", lang="en"), NOW)
    row = present(store.claim("news", Lease("t", NOW + 9), NOW))
    lines = tuple(
        FetchLine(
            NOW - 317_000 * n, 200 + n % 3 * 52, 48_211 + n * 977, 312 + n * 37, None, 4_000 - n, n % 7, n % 2, 40 - n
        )
        for n in range(20)
    )
    poll = msgspec.structs.replace(
        row.poll, fetches=lines, error="news.example answers 503 Service Unavailable. " * 4, body_hash="f" * 64,
        validators=Validators(etag='"5f3-' + "a" * 60 + '"', last_modified="Mon, 24 Nov 2025 12:00:00 GMT", url="https://news.example/" + "x" * 180),
        head=4_000,
    )  # fmt: skip
    assert store.remember([PollResult("news", "t", poll)]) == []
    store.claim_index(1, "news", Lease("i", NOW + 9), NOW)
    date = ItemDate(NOW, "pubDate", "second", "Mon, 24 Nov 2025")
    states = {f"{n:032x}": item_state(9, entry_hash="h" * 32, first_seen=NOW, changed=NOW, date=date, link="https://n.example/x") for n in range(200)}  # fmt: skip
    assert store.save(1, "news", "i", FoldState(cursor=4_000, window={f"{n:08x}": n % 9 for n in range(60)}), states)
    assert store.item_states(1, "news", states) == states
    sizes: dict[str, int] = {}
    for page in aws.client("dynamodb").get_paginator("scan").paginate(TableName=table):
        for stored in page["Items"]:
            size = sum(len(name) + len(next(iter(value.values()))) for name, value in stored.items())
            kind = stored["pk"]["S"].partition("/")[0]
            sizes[kind] = max(sizes.get(kind, 0), size)
    assert sizes["feed"] < 4_000
    assert sizes["index"] < 4_000
    assert sizes["item"] < 1_000, "a write of an item's state is one unit"
    assert present(store.row("news", 1)).poll.fetches == lines


def test_aws_region_variable_is_sufficient(monkeypatch) -> None:
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    monkeypatch.setenv("AWS_REGION", "eu-west-3")
    assert make_client("sqs").meta.region_name == "eu-west-3"
