"""Each stage is made to raise, to hang for 30 s and to take 2 GB for one feed; each command indexes the other feeds."""

import json
import time
from pathlib import Path

import pytest

from newswire.app import App
from newswire.engines.query import SearchQuery
from newswire.settings import Settings
from tests.support.faults import CALM, FAULTS, FOLDER, KINDS, document, documents, expected_codes
from tests.support.feed_server import FeedServer
from tests.support.processes import Served, command

pytestmark = pytest.mark.long

ENVIRONMENT = {"PYTHONPATH": str(FOLDER), "NEWSWIRE_READ_TIMEOUT_SECONDS": "2"}


def write_list(tmp_path: Path, server: FeedServer) -> Path:
    """Write a list with a feed for each fault, between two calm ones; return the folder of the data."""
    lines = [f'[feed.{name}]\nurl = "{server.says(f"/{name}", body)}"\n' for name, body in documents().items()]
    (tmp_path / "feeds.toml").write_text("\n".join(lines))
    return tmp_path / "data"


def finish(data: Path, *arguments: str) -> tuple[int, str, str]:
    process = command(data, *arguments, **ENVIRONMENT)
    out, err = process.communicate(timeout=400)
    return process.returncode, out, err


def titles(data: Path) -> set[str]:
    app = App(Settings(data=str(data)))
    try:
        return {hit.item.title for hit in app.engine.search(SearchQuery(size=200)).hits}
    finally:
        app.close()


def error_codes(data: Path) -> dict[str, str | None]:
    app = App(Settings(data=str(data)))
    try:
        return {status.id: status.error_code for status in app.engine.statuses([*FAULTS, *CALM])}
    finally:
        app.close()


def assert_only_the_faults_are_missing(data: Path) -> None:
    assert {*CALM.values(), *(f"More on {title}" for title in CALM.values())} <= titles(data)
    codes = error_codes(data)
    assert {codes[name] for name in CALM} == {None}
    refused = expected_codes()
    assert {name: code for name, code in codes.items() if name in refused} == refused
    assert (codes["fault-fold-raise"], codes["fault-fetch-raise"]) == ("internal", "internal")
    assert {"fault-fold-hang", "fault-fold-memory", "fault-index-hang", "fault-index-memory"} <= titles(data)


def test_poll_then_reindex(tmp_path, server) -> None:
    data = write_list(tmp_path, server)
    status, _out, err = finish(data, "poll")
    assert status in {0, 1}, err
    assert_only_the_faults_are_missing(data)
    status, _out, err = finish(data, "reindex")
    assert status in {0, 1}, err
    assert_only_the_faults_are_missing(data)


def test_serve_that_polls(tmp_path, server) -> None:
    data = write_list(tmp_path, server)
    served = Served(data, "--poll", **ENVIRONMENT)
    until = time.monotonic() + 240
    try:
        while time.monotonic() < until:
            status, body = served.json("/v1/search?q=baltic")  # gives up before the stages that hang go on
            assert status == 200
            if body["total"]["value"] == 4:
                break
            time.sleep(0.5)
        assert body["total"]["value"] == 4
    finally:
        served.stop()


def test_ingest(tmp_path, server) -> None:
    data = tmp_path / "data"
    faults = {fault: fault for fault in FAULTS if "fetch" not in fault}
    titles_by_name = {"a-calm": CALM["a-calm"], **faults, "z-calm": CALM["z-calm"]}
    names = [str(tmp_path / f"{name}.xml") for name in titles_by_name]
    for number, (name, title) in enumerate(zip(names, titles_by_name.values(), strict=True), 1):
        Path(name).write_bytes(document(title, number))
    status, _out, err = finish(data, "ingest", *names, "--feed", "mixed")
    assert status in {0, 1}, err
    assert {*CALM.values(), "fault-fold-hang", "fault-index-hang"} <= titles(data)


def test_load(tmp_path) -> None:
    data = tmp_path / "data"
    faults = [f"fault-{stage}-{kind}" for stage in ("clean", "fold", "index") for kind in KINDS]
    lines = [
        {"feed": name, "title": title, "link": f"https://x.example/{name}"}
        for name, title in {
            "a-calm": CALM["a-calm"],
            **{fault: fault for fault in faults},
            "z-calm": CALM["z-calm"],
        }.items()
    ]
    file = tmp_path / "lines.jsonl"
    file.write_text("\n".join(map(json.dumps, lines)))
    status, _out, err = finish(data, "load", str(file))
    assert status in {0, 1}, err
    assert set(CALM.values()) <= titles(data)
