"""What must stay the same does, and what version 0.1.0 wrote still opens."""

import base64
import gzip
import json
import tarfile

import pytest

from newswire.app import App
from newswire.ingest.poll import run_batches
from newswire.ingest.reindex import reindex
from newswire.ingest.tick import tick
from newswire.settings import Settings
from newswire.storage.queue.inline import InlineQueue
from tests import golden

FIELDS_THAT_A_NEW_ARCHIVE_KEEPS = ("id", "revision", "published", "first_seen", "changed")


def test_openapi_is_the_golden_one() -> None:
    assert golden.openapi_text() == golden.read("openapi.json")


def test_help_of_every_command_is_the_golden_one() -> None:
    assert golden.help_text() == golden.read("help.txt")


@pytest.fixture(scope="module")
def expected() -> dict:
    return json.loads((golden.STATE / "expected.json").read_text())


@pytest.fixture
def folder(tmp_path):
    with tarfile.open(golden.STATE / "data-folder.tar.gz") as archive:
        archive.extractall(tmp_path, filter="data")
    return tmp_path / "data"


@pytest.fixture
def old_folder(folder, clock):
    built = App(Settings(data=str(folder), feeds=str(folder / "none.toml"), fetch_allow_private=True), clock=clock)
    yield built
    built.close()


@pytest.fixture
def old_table(tmp_path, clock, aws):
    table, bucket = aws.table(), aws.bucket()
    dynamodb, s3 = aws.client("dynamodb"), aws.client("s3")
    for row in json.loads(gzip.decompress((golden.STATE / "table.json.gz").read_bytes())):
        dynamodb.put_item(TableName=table, Item=decoded(row))
    for key, kept in json.loads(gzip.decompress((golden.STATE / "bucket.json.gz").read_bytes())).items():
        s3.put_object(Bucket=bucket, Key=key, Body=base64.b64decode(kept["body"]), Metadata=kept["metadata"])
    settings = Settings(data=str(tmp_path / "data"), table=table, bucket=bucket, fetch_allow_private=True)
    built = App(settings, clock=clock)
    yield built
    built.close()


def decoded(value):
    if isinstance(value, dict):
        if "__bytes__" in value:
            return base64.b64decode(value["__bytes__"])
        return {key: decoded(element) for key, element in value.items()}
    return [decoded(element) for element in value] if isinstance(value, list) else value


def by_id(items) -> list[dict]:
    return sorted(items, key=lambda item: item["id"])


def kept_of(items) -> list[tuple]:
    return sorted(tuple(item[name] for name in FIELDS_THAT_A_NEW_ARCHIVE_KEEPS) for item in items)


def test_an_old_data_folder_gives_the_same_items(old_folder, expected) -> None:
    assert by_id(golden.items(old_folder)) == expected["items"]


def test_an_old_data_folder_can_be_reindexed_to_the_same_items(old_folder, expected) -> None:
    reindex(old_folder)
    assert by_id(golden.items(old_folder)) == expected["items"]


def test_an_old_data_folder_can_be_polled(old_folder, expected) -> None:
    tick(old_folder, InlineQueue(lambda batches: run_batches(old_folder, batches)))
    assert [row.feed.id for row in old_folder.feeds.rows()] == expected["feeds"]
    assert by_id(golden.items(old_folder)) == expected["items"]


def test_an_old_table_and_bucket_give_the_same_items(old_table, expected) -> None:
    reindex(old_table)
    assert [row.feed.id for row in old_table.feeds.rows()] == expected["feeds"]
    assert kept_of(golden.items(old_table)) == kept_of(expected["items"])
