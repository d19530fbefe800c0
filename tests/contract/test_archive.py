"""Test every archive against the docstrings of `Archive`."""

import threading

import msgspec
import pytest

from newswire.errors import DataError, DataNewerError
from newswire.model import Listing, Record
from newswire.storage.archive import decode_record, encode_record
from newswire.storage.archive.folder import FolderArchive
from newswire.storage.archive.s3 import S3Archive
from tests import factories
from tests.support.memory import MemoryArchive


def in_a_folder(tmp_path, _request):
    return FolderArchive(tmp_path / "archive")


def in_a_bucket(_tmp_path, request):
    return S3Archive(request.getfixturevalue("aws").bucket())


def in_memory(_tmp_path, _request):
    return MemoryArchive()


@pytest.fixture(params=[in_a_folder, in_memory, in_a_bucket])
def archive(request, tmp_path):
    return request.param(tmp_path, request)


def record(seq: int = 1, feed: str = "f", body: bytes = b"<rss/>") -> Record:
    """Return a record whose every field has a value."""
    return factories.record(
        seq,
        feed=feed,
        confirmed_at=3,
        url="http://a/\u00e9",
        final_url="http://b",
        headers={"etag": '"x"'},
        content_type="text/xml",
        feed_kind="listing",
        listing=Listing(rows="pages"),
        lang="en",
        body=body,
    )


@pytest.mark.parametrize("body", [b"", b"\n\n", b"x" * 100_000, bytes(range(256)) * 9])
def test_record_is_returned_unchanged(archive, body: bytes) -> None:
    assert archive.put(record(body=body))
    assert archive.get("f", 1) == record(body=body)


def test_taken_number_is_refused_and_nothing_changes(archive) -> None:
    assert archive.put(record(body=b"one"))
    assert not archive.put(record(body=b"two"))
    assert archive.get("f", 1).body == b"one"


def test_empty_archive_has_no_records(archive) -> None:
    assert archive.get("f", 1) is None
    assert archive.head("f") == 0
    assert archive.feeds() == []
    archive.remove("f")


def test_head_is_found_with_and_without_a_lower_bound(archive) -> None:
    for seq in range(1, 13):
        archive.put(record(seq))
    assert archive.head("f") == 12
    assert archive.head("f", after=12) == 12
    assert archive.head("f", after=10) == 12


def test_feeds_are_separate_and_can_be_removed(archive) -> None:
    archive.put(record(feed="a"))
    archive.put(record(feed="b"))
    assert archive.feeds() == ["a", "b"]
    archive.remove("a")
    assert archive.feeds() == ["b"]
    assert archive.get("a", 1) is None


def test_concurrent_writes_of_one_number_have_one_winner(archive) -> None:
    won: list[int] = []

    def write(number: int) -> None:
        if archive.put(record(body=str(number).encode())):
            won.append(number)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1
    assert archive.get("f", 1).body == str(won[0]).encode()


def test_damaged_and_newer_records_are_named() -> None:
    data = encode_record(record(body=b"x" * 1000))
    for broken in (data[:20], data[:-9], b"", b"{}\n"):
        with pytest.raises(DataError, match="the place"):
            decode_record(broken, "the place")
    line = msgspec.json.encode({"format": 99, "packing": "plain", "record": {}})
    with pytest.raises(DataNewerError, match="newer version"):
        decode_record(line + b"\n", "the place")
