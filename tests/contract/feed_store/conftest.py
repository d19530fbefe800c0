"""Provide every feed store: SQLite, DynamoDB, DynamoDB with indexes that lag, and the one in memory."""

import pytest

from newswire.model import Feed
from newswire.storage.feeds.dynamodb import DynamoFeedStore
from newswire.storage.feeds.sqlite import SqliteFeedStore
from tests.contract.feed_store.leases import NOW
from tests.support.aws import LateIndexes
from tests.support.memory import MemoryFeedStore, MemoryFeedStores


def sqlite_stores(tmp_path, _request):
    return lambda: SqliteFeedStore(tmp_path / "store")


def dynamo_stores(_tmp_path, request):
    table = request.getfixturevalue("aws").table()
    return lambda: DynamoFeedStore(table)


def memory_stores(_tmp_path, _request):
    shared = MemoryFeedStores()
    return lambda: MemoryFeedStore(shared)


def late_dynamo_stores(_tmp_path, request):
    """Return a factory of stores whose indexes lag behind the table: results are the same, only later."""
    aws = request.getfixturevalue("aws")
    table, late = aws.table(), LateIndexes(aws.client("dynamodb"))

    def build():
        built = DynamoFeedStore(table)
        built._table.client = late
        return built

    return build


@pytest.fixture(params=[sqlite_stores, memory_stores, dynamo_stores, late_dynamo_stores])
def make(request, tmp_path):
    build, opened = request.param(tmp_path, request), []

    def another():
        opened.append(build())
        return opened[-1]

    yield another
    for store in opened:
        store.close()


@pytest.fixture
def store(make):
    built = make()
    built.put(Feed(id="a", url="http://one.example/feed"), NOW)
    return built
