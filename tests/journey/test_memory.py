"""No input makes a process large: documents and lines that are small as sent, and large as read."""

import gzip
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.support.feed_server import FeedServer
from tests.support.processes import LOOPBACK

pytestmark = pytest.mark.long
MOST_MIB = 600


PEAK = """
import sys
from pathlib import Path
from newswire.__main__ import main
status = main()
print(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0])
sys.exit(status)
"""
"""Runs a command and prints the peak of its memory in KiB. What `wait4` reports has the memory of the parent in it."""


def peak_mib(data: Path, *arguments: str, **environ: str) -> float:
    """Run a command of newswire; return the peak memory of its process, without its children."""
    environment = {**os.environ, "NEWSWIRE_DATA": str(data), **LOOPBACK, **environ}
    command = [sys.executable, "-c", PEAK, *arguments]
    ended = subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True, check=False)
    assert ended.returncode in {0, 1}
    return int(ended.stdout.splitlines()[-1]) / 1024


def test_poll_of_many_large_documents_stays_small(tmp_path) -> None:
    head, tail = b"<rss version='2.0'><channel><title>T</title><item><title>x</title><description>", b"</description>"
    body = head + b"word " * 8_000_000 + tail + b"</item></channel></rss>"
    servers = [FeedServer() for _ in range(16)]
    try:
        lines = [
            f'[feed.f{number}]\nurl = "{server.says("/feed", body, gzipped=True)}"\n'
            for number, server in enumerate(servers)
        ]
        feeds = tmp_path / "feeds.toml"
        feeds.write_text("".join(lines))
        limits = {"NEWSWIRE_FEEDS": str(feeds), "NEWSWIRE_READ_TIMEOUT_SECONDS": "1"}
        assert peak_mib(tmp_path / "data", "poll", **limits) < MOST_MIB
    finally:
        for server in servers:
            server.close()


def test_load_and_reindex_of_large_lines_stay_small(tmp_path) -> None:
    file = tmp_path / "lines.jsonl.gz"
    with gzip.open(file, "wt", 1) as lines:
        for number in range(400):
            lines.write(json.dumps({"guid": str(number), "title": "t", "content": "w " * 900_000}) + "\n")
    assert peak_mib(tmp_path / "data", "load", str(file), "--feed", "big") < MOST_MIB
    assert peak_mib(tmp_path / "data", "reindex") < MOST_MIB


def test_unreadable_gzip_file_is_a_message(tmp_path) -> None:
    file = tmp_path / "lines.jsonl.gz"
    file.write_bytes(gzip.compress(b'{"title":"a"}\n' * 1_000)[:30] + b"\0" * 100)
    command = [sys.executable, "-m", "newswire", "load", str(file), "--feed", "a"]
    environment = {**os.environ, "NEWSWIRE_DATA": str(tmp_path / "data")}
    ended = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert "cannot be read to its end" in ended.stderr
    assert "Traceback" not in ended.stderr
