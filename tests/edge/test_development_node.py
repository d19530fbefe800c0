"""`make opensearch`: a node in Docker, or with Maven and a JDK without Docker."""

import json
import os
import subprocess
import sys
import urllib.request

import pytest
import yaml

from tests.conftest import ROOT
from tests.support.opensearch_node.node import CACHE


@pytest.fixture
def node(tmp_path):
    """Return a function that runs the command with its own cache and a `docker` that records its arguments."""
    programs = tmp_path / "bin"
    programs.mkdir()

    cache = tmp_path / "cache" / "newswire" / "opensearch"
    cache.mkdir(parents=True)
    (cache / "3.8").symlink_to(CACHE / "3.8")  # reuse the downloaded jars

    def call(command: str, *, engine: bool) -> tuple[int, str, list[str]]:
        docker = programs / "docker"
        docker.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/told\n[ "$1" != info ] || exit {0 if engine else 1}\n')
        docker.chmod(0o755)
        environ = {**os.environ, "PATH": f"{programs}:{os.environ['PATH']}", "XDG_CACHE_HOME": str(tmp_path / "cache")}
        completed = subprocess.run(
            [sys.executable, "-m", "tests.support.opensearch_node", command],
            cwd=ROOT,
            env=environ,
            capture_output=True,
            text=True,
            check=False,
        )
        output = (tmp_path / "told").read_text().splitlines() if (tmp_path / "told").exists() else []
        return completed.returncode, completed.stdout + completed.stderr, output

    return call


def test_node_runs_with_compose_when_docker_is_available(node) -> None:
    status, output, message = node("start", engine=True)
    assert (status, message[0]) == (0, "info")
    assert message[1] == f"compose --file {ROOT}/compose.yaml up --detach --wait opensearch"
    assert "http://127.0.0.1:9200" in output
    assert "runs already" in node("start", engine=True)[1]
    status, output, message = node("stop", engine=True)
    assert (status, message[-1]) == (0, f"compose --file {ROOT}/compose.yaml stop")
    assert "No node was started" in node("stop", engine=True)[1]


def test_compose_node_listens_on_loopback_only() -> None:
    service = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]["opensearch"]
    assert service["ports"] == ["127.0.0.1:9200:9200"]
    assert service["environment"]["discovery.type"] == "single-node"


@pytest.mark.opensearch
def test_node_runs_without_docker_and_is_stopped(node, opensearch_nodes) -> None:
    opensearch_nodes.url("3.8")  # skips the test where no node can run
    status, output, _told = node("start", engine=False)
    assert status == 0, output
    url = output.partition("answers on ")[2].partition(". Use")[0]
    with urllib.request.urlopen(url, timeout=10) as answer:
        assert json.load(answer)["version"]["number"].startswith("3.8")
    status, output, _told = node("stop", engine=False)
    assert (status, "Ended" in output) == (0, True)
    with pytest.raises(OSError, match="refused"):
        urllib.request.urlopen(url, timeout=10)
