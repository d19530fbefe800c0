"""OpenSearch nodes that all workers of a test run share."""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.support.opensearch_node.node import CannotStartError, Node, end_node

NODES_FOLDER = "NEWSWIRE_TEST_NODES_FOLDER"
"""The variable that names the folder in which the workers of a run find its nodes."""


class Nodes:
    """The OpenSearch nodes of the tests: each starts when it is first requested, once for all workers of a run."""

    def __init__(self) -> None:
        self._folder = Path(os.environ[NODES_FOLDER])

    def url(self, version: str) -> str:
        """Return the URL of a node; if none can start, skip the test, or fail in CI."""
        given = os.environ.get("NEWSWIRE_TEST_OPENSEARCH_URL")
        if given and version == "3.8":
            return given
        running = self._folder / f"{version}.json"
        with (self._folder / f"{version}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not running.exists():
                try:
                    node = Node(version)
                    node.start()
                except CannotStartError as error:
                    if os.environ.get("CI"):
                        raise
                    pytest.skip(str(error))
                running.write_text(json.dumps({"url": node.url, "pid": node.leave(), "folder": str(node.folder)}))
        return str(json.loads(running.read_text())["url"])


@contextmanager
def nodes_of_the_run() -> Iterator[None]:
    """Let all workers share their nodes during the block; end the nodes after it, by their process ids."""
    with TemporaryDirectory(prefix="newswire-nodes-") as folder:
        os.environ[NODES_FOLDER] = folder
        try:
            yield
        finally:
            del os.environ[NODES_FOLDER]
            for running in Path(folder).glob("*.json"):
                node = json.loads(running.read_text())
                end_node(node["pid"], Path(node["folder"]))
