"""Test that the running API matches its OpenAPI document, with random requests of schemathesis."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from newswire.app import App
from newswire.cli.ingest import take_in
from newswire.ingest.archiving import RecordSource
from newswire.settings import Settings
from tests.conftest import NOON, ROOT
from tests.support.transports import OverHttp

HERE = Path(__file__).parent


@pytest.fixture
def served(tmp_path):
    app = App(Settings(data=str(tmp_path / "data")), clock=lambda: NOON)
    take_in(
        app,
        [str(ROOT / "sample" / "nato-sample.xml")],
        "sample-news",
        RecordSource("document", "https://news.example/feed.xml"),
    )
    api = OverHttp(app)
    yield api
    api.close()
    app.close()


@pytest.mark.long
def test_schemathesis_finds_no_issues(served, tmp_path) -> None:
    ran = subprocess.run(
        [
            sys.executable,
            "-m",
            "schemathesis.cli",
            "--config-file",
            str(HERE / "schemathesis.toml"),
            "run",
            f"http://127.0.0.1:{served.port}/openapi.json",
        ],
        cwd=tmp_path,
        env={**os.environ, "SCHEMATHESIS_HOOKS": "schemathesis_check", "PYTHONPATH": str(HERE)},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout[-6000:] + ran.stderr[-2000:]
    assert "No issues found" in ran.stdout
