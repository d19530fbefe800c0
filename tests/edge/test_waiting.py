"""Loading into a feed whose lease another process holds."""

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
"""Long enough for the waiting process to check the lease several times."""


@pytest.fixture
def holder(tmp_path):
    """Yield a store that holds the poll lease of the feed `busy`."""
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
    """Wait until the process has created its holder file, then check that it still runs."""
    until = time.monotonic() + 20
    while len(list((data / "holders").iterdir())) < 2:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < until
        time.sleep(0.01)
    time.sleep(LONG_ENOUGH_S)
    assert process.poll() is None, process.communicate()


def test_load_waits_until_the_poll_lease_is_released(tmp_path, holder) -> None:
    process = load(tmp_path)
    wait_until_it_waits(tmp_path / "data", process)
    assert not list((tmp_path / "data").glob("archive/busy/*.record"))
    holder.release("busy", "ours")
    out, err = process.communicate(timeout=20)
    assert (process.returncode, err) == (0, "")
    assert "1 line loaded, 0 refused; 1 item new" in out
    assert holder.row("busy").poll.head == 1


def test_load_without_wait_time_reports_the_busy_feed(tmp_path, holder) -> None:
    process = load(tmp_path, NEWSWIRE_LOCK_WAIT_SECONDS="0")
    out, err = process.communicate(timeout=20)
    assert (process.returncode, out) == (1, "")
    assert "Another process has polled the feed busy, or loaded into it" in err
    assert "NEWSWIRE_LOCK_WAIT_SECONDS" in err
    assert "run the command again" in err
    assert holder.row("busy").poll.head == 0
    assert holder.release("busy", "ours"), "the lease stayed with its holder"


def test_load_stops_waiting_when_the_feed_is_deleted(tmp_path, holder) -> None:
    process = load(tmp_path)
    wait_until_it_waits(tmp_path / "data", process)
    holder.remove("busy")
    _out, err = process.communicate(timeout=20)
    assert process.returncode == 1
    assert "Another process deleted the feed busy meanwhile: run the command again" in err


def test_orphaned_lease_is_not_waited_for(tmp_path, holder) -> None:
    holder.close()
    process = load(tmp_path, NEWSWIRE_LOCK_WAIT_SECONDS="0")
    _out, err = process.communicate(timeout=20)
    assert (process.returncode, err) == (0, "")
