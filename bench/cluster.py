"""A node of OpenSearch with a year of news in it: loaded once, its data kept in `bench/cache/`, started for each measurement.

It is started with Maven and a JDK; or `NEWSWIRE_TEST_OPENSEARCH_URL` names one, which is then loaded each time.
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
"""The prefix of the indexes that stay in the cache."""


class Cluster(Struct, frozen=True):
    """A node that answers, and newswire's settings for it."""

    url: str
    settings: Settings

    def environ(self, prefix: str, data: Path | str) -> dict[str, str]:
        """Give the settings of a newswire with indexes of its own there."""
        return {
            "NEWSWIRE_ENGINE": "opensearch",
            "NEWSWIRE_OPENSEARCH_URL": self.url,
            "NEWSWIRE_OPENSEARCH_PREFIX": prefix,
            "NEWSWIRE_OPENSEARCH_TIMEOUT_SECONDS": "60",
            "NEWSWIRE_DATA": str(data),
        }

    def forget(self, prefix: str) -> None:
        """Delete the indexes whose names begin so."""
        delete_indexes(self.url, f"{prefix}-")


@contextmanager
def year_cluster(quick: bool) -> Iterator[Cluster]:  # noqa: FBT001 - one switch, common to all measurements
    """Give a node into which `newswire load` has put the year, for as long as it is needed."""
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
