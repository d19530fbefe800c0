"""Loading into a feed that another process works on: the one process is a real one, the other holds its lease here."""

import subprocess
import time
from pathlib import Path

import pytest

from newswire.clock import HOUR, system_clock
from newswire.model import Feed
from newswire.storage.feeds import Lease
from newswire.storage.feeds.sqlite import SqliteFeedStore
from tests.support.processes import command

LONG_ENOUGH_S = 0.3
"""The holder lets a waiting process look at the lease some times before it does anything."""


@pytest.fixture
def holder(tmp_path):
    """A store that holds the poll lease of the feed `busy`, as a process that polls it does."""
    store = SqliteFeedStore(tmp_path / "data")
    now = system_clock()
    store.put(Feed(id="busy", url="https://busy.example/feed"), now)
    assert store.claim("busy", Lease("ours", now + HOUR), now) is not None
    yield store
    store.close()


def load(tmp_path: Path, **environ: str) -> subprocess.Popen:
    lines = tmp_path / "items.jsonl"
    lines.write_text('{"title": "A line that waits"}\n')
    return command(tmp_path / "data", "load", str(lines), "--feed", "busy", **environ)


def wait_until_it_waits(data: Path, process: subprocess.Popen) -> None:
    """Return when the other process has begun to ask for leases, which it keeps a file for, and has not ended."""
    until = time.monotonic() + 20
    while len(list((data / "holders").iterdir())) < 2:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < until
        time.sleep(0.01)
    time.sleep(LONG_ENOUGH_S)
    assert process.poll() is None, process.communicate()


def test_a_load_waits_for_a_feed_that_is_being_polled_and_goes_on_when_it_is_free(tmp_path, holder) -> None:
    process = load(tmp_path)
    wait_until_it_waits(tmp_path / "data", process)
    assert not list((tmp_path / "data").glob("archive/busy/*.record"))
    holder.release("busy", "ours")
    out, err = process.communicate(timeout=20)
    assert (process.returncode, err) == (0, "")
    assert "1 line taken, 0 refused; 1 item new" in out
    assert holder.row("busy").poll.head == 1


def test_a_load_that_may_not_wait_says_who_is_in_the_way_and_what_to_do(tmp_path, holder) -> None:
    process = load(tmp_path, NEWSWIRE_LOCK_WAIT_SECONDS="0")
    out, err = process.communicate(timeout=20)
    assert (process.returncode, out) == (1, "")
    assert "The feed busy is being polled or loaded into by another process" in err
    assert "NEWSWIRE_LOCK_WAIT_SECONDS" in err
    assert "run it again" in err
    assert holder.row("busy").poll.head == 0
    assert holder.release("busy", "ours"), "the lease stayed with its holder"


def test_a_load_does_not_wait_for_a_feed_that_is_deleted_meanwhile(tmp_path, holder) -> None:
    process = load(tmp_path)
    wait_until_it_waits(tmp_path / "data", process)
    holder.remove("busy")
    _out, err = process.communicate(timeout=20)
    assert process.returncode == 1
    assert "The feed busy was deleted by another process meanwhile: run it again" in err


def test_a_lease_whose_holder_is_dead_is_not_waited_for(tmp_path, holder) -> None:
    holder.close()
    process = load(tmp_path, NEWSWIRE_LOCK_WAIT_SECONDS="0")
    _out, err = process.communicate(timeout=20)
    assert (process.returncode, err) == (0, "")
