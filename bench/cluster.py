"""Provide an OpenSearch node with a year of news, loaded once and kept in `bench/cache/`.

The node needs Maven and a JDK. If `NEWSWIRE_TEST_OPENSEARCH_URL` names a node, every measurement loads it again.
"""

from __future__ import annotations

import os
import shutil
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from msgspec import Struct

from bench.measurement import SkippedError, run_alone
from bench.year import CACHE, loaded_year
from newswire.engines.opensearch.bodies import SCHEMA
from newswire.ingest.item import EXTRACTION
from newswire.settings import Settings
from tests.support.opensearch_node.indexes import delete_indexes
from tests.support.opensearch_node.node import CannotStartError, Node

KEPT = "kept"
"""Prefix of the indexes that stay in the cache."""


class Cluster(Struct, frozen=True):
    """A running node, and the settings of newswire for it."""

    url: str
    settings: Settings

    def environ(self, prefix: str, data: Path | str) -> dict[str, str]:
        """Return the environment of a newswire with its own indexes on this node."""
        return {
            "NEWSWIRE_ENGINE": "opensearch",
            "NEWSWIRE_OPENSEARCH_URL": self.url,
            "NEWSWIRE_OPENSEARCH_PREFIX": prefix,
            "NEWSWIRE_OPENSEARCH_TIMEOUT_SECONDS": "60",
            "NEWSWIRE_DATA": str(data),
        }

    def forget(self, prefix: str) -> None:
        """Delete the indexes with this prefix."""
        delete_indexes(self.url, f"{prefix}-")


@contextmanager
def year_cluster(quick: bool) -> Iterator[Cluster]:  # noqa: FBT001 - one switch, common to all measurements
    """Yield a node into which `newswire load` has loaded the year; stop it afterwards."""
    lines, _data = loaded_year(quick)
    folder = CACHE / f"cluster-{SCHEMA}-{EXTRACTION}{'-quick' if quick else ''}"
    given = os.environ.get("NEWSWIRE_TEST_OPENSEARCH_URL")
    prefix = f"bench{uuid.uuid4().hex[:8]}" if given else KEPT
    if not given and not (folder / "whole").exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
    node = None if given else _started(folder / "node")
    url = given or (node.url if node is not None else "")
    data = folder / prefix
    settings = Settings(
        data=str(data),
        engine="opensearch",
        opensearch_url=url,
        opensearch_prefix=prefix,
        opensearch_timeout_seconds=60,
        recency_weight=0,
    )
    cluster = Cluster(url, settings)
    try:
        if given or not (folder / "whole").exists():
            run_alone([sys.executable, "-m", "newswire", "load", str(lines)], cluster.environ(prefix, data))
        if not given:
            (folder / "whole").touch()
        yield cluster
    finally:
        if given:
            cluster.forget(prefix)
            shutil.rmtree(data, ignore_errors=True)
        if node is not None:
            node.stop()


def _started(folder: Path) -> Node:
    try:
        node = Node("3.8", folder)
        node.start()
    except CannotStartError as error:
        msg = f"Skipped: {error}"
        raise SkippedError(msg) from error
    return node
