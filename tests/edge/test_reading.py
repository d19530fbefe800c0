"""The cell in which a record is read: a child process with limits, and what it makes of documents that kill it."""

import gzip
import logging
import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from newswire.ingest.decompress import MAX_MEMBERS, unpacked
from newswire.ingest.poll_policy import body_hash
from newswire.ingest.reading import GuardedReader, is_suspect
from newswire.ingest.reading.record import read_record
from newswire.model import Record
from tests import factories
from tests.conftest import ROOT
from tests.support.feed_server import rss, story
from tests.support.hostile_documents import COSTLY, LINEAR, RAISING

MEMORY = 600_000_000


@pytest.fixture
def reader():
    built = GuardedReader(10_000, 3, MEMORY)
    yield built
    built.close()


def record(body: bytes, seq: int = 1) -> Record:
    return factories.record(feed="news", seq=seq, body=body)


GOOD = record(rss(story(1), story(2)))
LARGE = record(rss(*[story(number) for number in range(500)]))


def test_large_document_reads_the_same_in_the_child(reader) -> None:
    assert is_suspect(LARGE.body)
    assert reader.read(LARGE) == read_record(LARGE)
    assert reader.read(GOOD) == reader.read(GOOD, careful=True) == read_record(GOOD)


@pytest.mark.parametrize("name", COSTLY)
def test_costly_document_is_refused_and_the_next_one_is_read(reader, name: str) -> None:
    assert is_suspect(COSTLY[name])
    refusal = reader.read(record(COSTLY[name])).refusal
    assert refusal is not None
    assert refusal.code == "too_costly"
    assert "more than 3 s (NEWSWIRE_READ_TIMEOUT_SECONDS)" in refusal.sentence
    assert reader.read(LARGE).entries == 500


@pytest.mark.parametrize("name", LINEAR)
def test_hostile_document_takes_a_moment(reader, name: str) -> None:
    started = time.process_time()
    body_hash(LINEAR[name])
    read_record(record(LINEAR[name]))
    assert time.process_time() - started < 5, "seconds of CPU; each took many times that, growing with the square"


@pytest.mark.parametrize("name", RAISING)
def test_document_that_once_raised_is_read(reader, name: str) -> None:
    assert reader.read(record(RAISING[name])).refusal is None
    assert reader.read(record(RAISING[name]), careful=True).refusal is None


def test_document_that_needs_too_much_memory_is_refused(reader) -> None:
    tags = b",".join(b"{}" for _ in range(9_000_000))
    body = b'{"version": "https://jsonfeed.org/version/1.1", "items": [' + tags + b"]}"
    refusal = reader.read(record(body)).refusal
    assert refusal is not None
    assert (refusal.code, "600,000,000 bytes of memory (NEWSWIRE_READ_MAX_MEMORY_BYTES)" in refusal.sentence) == (
        "too_costly",
        True,
    )
    assert reader.read(LARGE).entries == 500


def test_slow_record_is_given_up_when_patience_ends(reader) -> None:
    slow = record(next(iter(COSTLY.values())))
    started = time.monotonic()
    assert reader.try_read(slow, 0.3) is None
    assert time.monotonic() - started < 2
    assert reader.try_read(LARGE, 5).entries == 500
    assert reader.try_read(GOOD, 0) == read_record(GOOD), "a small one, in this process"
    assert reader.try_read(slow, 60).refusal.code == "too_costly", "patience beyond the limit of time"


def test_child_that_was_killed_between_records_starts_again(reader) -> None:
    assert reader.read(LARGE).entries == 500
    os.kill(reader._process._process.pid, signal.SIGKILL)
    time.sleep(0.1)
    assert reader.read(LARGE).entries == 500


def test_child_that_is_killed_by_its_record_is_a_refusal(reader) -> None:
    assert reader.read(LARGE).entries == 500
    process = reader._process._process
    os.kill(process.pid, signal.SIGSTOP)  # it has no time to answer before it is killed
    threading.Timer(0.5, os.kill, (process.pid, signal.SIGKILL)).start()
    refusal = reader.read(GOOD, careful=True).refusal
    assert refusal is not None
    assert (refusal.code, "ended its process" in refusal.sentence) == ("too_costly", True)


def test_child_ends_with_its_parent() -> None:
    program = (
        "from tests.edge.test_reading import LARGE, MEMORY, GuardedReader; import os, sys\n"
        "reader = GuardedReader(10_000, 3, MEMORY); assert reader.read(LARGE).entries == 500\n"
        "print(reader._process._process.pid, flush=True); os.kill(os.getpid(), 9)"
    )
    completed = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    pid = int(completed.stdout)
    until = time.monotonic() + 10
    while time.monotonic() < until and os.path.exists(f"/proc/{pid}"):
        time.sleep(0.05)
    assert not os.path.exists(f"/proc/{pid}")


@pytest.mark.parametrize("error", [ValueError, KeyError, RecursionError, MemoryError, AssertionError])
def test_exception_of_a_stage_becomes_a_logged_refusal(reader, monkeypatch, caplog, error: type[Exception]) -> None:
    def fail(*_args: object) -> None:
        raise error("made to fail")

    monkeypatch.setattr("newswire.ingest.reading.read_record", fail)
    with caplog.at_level(logging.ERROR):
        refusal = reader.read(GOOD).refusal
    assert refusal is not None
    assert refusal.code == ("too_costly" if error is MemoryError else "internal")
    assert "made to fail" in caplog.text


def test_members_of_a_gzip_file_are_bounded(server, settings) -> None:
    from newswire.ingest.fetch import Fetcher
    from newswire.model import Fetched, FetchFailed, FetchRequest
    from tests.support.feed_server import Answer

    fetcher = Fetcher(settings)
    whole = rss(story(1))
    few = b"".join(gzip.compress(part) for part in (whole[:50], b"", whole[50:]))
    server.answers["/few"] = Answer(body=few, headers={"Content-Encoding": "gzip"})
    server.answers["/many"] = Answer(body=gzip.compress(b"") * 100_000, headers={"Content-Encoding": "gzip"})
    server.answers["/deflate"] = Answer(body=b"\x03\x00" * 500_000, headers={"Content-Encoding": "deflate"})
    outcome = unpacked(fetcher.fetch(FetchRequest(server.url("/few"), "test")), 50_000_000)
    assert isinstance(outcome, Fetched)
    assert outcome.body == whole
    for path in ("/many", "/deflate"):
        outcome = unpacked(fetcher.fetch(FetchRequest(server.url(path), "test")), 50_000_000)
        assert isinstance(outcome, FetchFailed)
        assert (outcome.code, f"{MAX_MEMBERS:,} parts" in outcome.sentence) == ("content_encoding", True)
    fetcher.close()


def test_record_that_was_begun_is_read_while_another_one_is_folded(reader) -> None:
    second = record(LARGE.body, 2)
    reader.begin(LARGE)
    assert reader.read(LARGE) == read_record(LARGE)
    reader.begin(second)
    assert reader.read(GOOD) == read_record(GOOD), "a small one, in this process"
    assert reader.read(LARGE).entries == 500, "another one than the begun one"
    assert reader.read(second).entries == 500
    reader.begin(record(next(iter(COSTLY.values())), 3))
    assert reader.read(LARGE).entries == 500
    reader.begin(record(next(iter(COSTLY.values())), 3))
    refusal = reader.read(record(next(iter(COSTLY.values())), 3)).refusal
    assert refusal is not None
    assert refusal.code == "too_costly"
    assert reader.read(LARGE).entries == 500
