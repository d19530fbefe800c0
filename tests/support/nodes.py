"""OpenSearch nodes that all workers of a test run share."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.opensearch_node.node import CannotStartError, Node, end_node
from tests.support.run_folder import folder_of_the_run, locked


class Nodes:
    """The OpenSearch nodes of the tests: each starts when it is first requested, once for all workers of a run."""

    def url(self, version: str) -> str:
        """Return the URL of a node; if none can start, skip the test, or fail in CI."""
        given = os.environ.get("NEWSWIRE_TEST_OPENSEARCH_URL")
        if given and version == "3.8":
            return given
        with locked(f"node-{version}") as folder:
            running = folder / f"node-{version}.json"
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
    with folder_of_the_run() as folder:
        try:
            yield
        finally:
            for running in folder.glob("node-*.json"):
                node = json.loads(running.read_text())
                end_node(node["pid"], Path(node["folder"]))
