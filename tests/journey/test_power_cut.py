"""A power cut takes what was not flushed: the command that is run again finishes what the cut one began."""

import json
import os
import shutil
import signal
import sqlite3
import threading
from pathlib import Path

import pytest

from newswire.app import App
from newswire.engines.query import SearchQuery
from newswire.ingest.backfill import load
from newswire.settings import Settings
from newswire.storage.data_folder import prepare
from newswire.storage.small_file import replace_file
from tests.support.feed_server import rss, story
from tests.support.processes import command

LINES = 3_000


def lines(tmp_path: Path, count: int = LINES) -> str:
    file = tmp_path / f"{count}.jsonl"
    file.write_text(
        "".join(json.dumps({"feed": f"f{n % 7}", "guid": str(n), "title": f"T {n}"}) + "\n" for n in range(count))
    )
    return str(file)


def found(data: Path) -> int:
    app = App(Settings(data=str(data)))
    try:
        return app.engine.search(SearchQuery(size=0)).total
    finally:
        app.close()


def loaded(data: Path, file: str) -> int:
    app = App(Settings(data=str(data)))
    try:
        return load(app, [file], None).lines
    finally:
        app.close()


@pytest.mark.parametrize("lost", [("feeds.sqlite",), ("index",), ("feeds.sqlite", "index"), ("index/status.sqlite",)])
def test_load_after_a_cut_finishes_the_one_before(tmp_path, lost: tuple[str, ...]) -> None:
    """The log is flushed at each record; the store and the index may be as they were any time before."""
    data, before = tmp_path / "data", tmp_path / "before"
    loaded(data, lines(tmp_path, 100))
    with sqlite3.connect(data / "feeds.sqlite") as store:
        store.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    shutil.copytree(data, before)
    assert loaded(data, lines(tmp_path)) == LINES
    for name in lost:
        for file in data.glob(f"{name}*"):
            shutil.rmtree(file) if file.is_dir() else file.unlink()
        for file in before.glob(f"{name}*"):
            target = data / file.relative_to(before)
            shutil.copytree(file, target) if file.is_dir() else shutil.copy2(file, target)
    assert loaded(data, lines(tmp_path)) == LINES
    assert found(data) == LINES
    app = App(Settings(data=str(data)))
    assert {hit.item.revision for hit in app.engine.search(SearchQuery(size=200)).hits} == {1}
    app.close()


def test_empty_format_file_is_written_again(tmp_path) -> None:
    data = tmp_path / "data"
    loaded(data, lines(tmp_path, 100))
    (data / "format").write_text("")
    assert found(data) == 100
    prepare(data)
    assert (data / "format").read_text() == "1\n"


def test_small_file_is_flushed_before_it_has_its_name_and_its_folder_after(tmp_path, monkeypatch) -> None:
    done: list[str] = []
    fsync, replace = os.fsync, Path.replace

    def flush(handle: int) -> None:
        done.append("folder" if Path(f"/proc/self/fd/{handle}").resolve().is_dir() else "file")
        fsync(handle)

    def rename(self: Path, target: Path) -> Path:
        done.append("rename")
        return replace(self, target)

    monkeypatch.setattr(os, "fsync", flush)
    monkeypatch.setattr(Path, "replace", rename)
    replace_file(tmp_path / "small", "text")
    assert done == ["file", "rename", "folder"]
    assert (tmp_path / "small").read_text() == "text"
    assert [file.name for file in tmp_path.iterdir()] == ["small"]


def test_ctrl_c_does_not_wait_for_a_publisher_that_hangs(tmp_path, server) -> None:
    asked = threading.Event()
    url = server.says("/slow", rss(story(1)), delay=60)
    (tmp_path / "feeds.toml").write_text(f'[feed.slow]\nurl = "{url}"\n')
    process = command(
        tmp_path / "data", "poll", "--now", NEWSWIRE_FETCH_TIMEOUT_SECONDS="90", NEWSWIRE_LEASE_SECONDS="300"
    )
    while not server.count("/slow"):
        asked.wait(0.05)
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    _out, err = process.communicate(timeout=20)
    assert (process.returncode, "stopped" in err, "Traceback" in err) == (1, True, False), err
    server.says("/slow", rss(story(1)))
    process = command(tmp_path / "data", "poll", "--now")
    out, err = process.communicate(timeout=60)
    assert "1 item new" in out, err
