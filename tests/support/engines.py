"""Provide search engines for tests, each with its own index that can be damaged on purpose."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from opensearchpy import OpenSearch

from newswire.engines import SearchEngine
from newswire.engines.opensearch import bodies
from newswire.engines.opensearch.engine import OpenSearchEngine
from newswire.engines.tantivy.engine import TantivyEngine
from newswire.engines.tantivy.fields import SCHEMA
from tests.support.nodes import Nodes
from tests.support.opensearch_node.indexes import delete_indexes
from tests.support.serverless import REGION, Collection, short_pause


class TantivyPlace:
    """A folder for an index of the embedded engine."""

    advice = "reindex"
    """A word in the error message if the index cannot be used."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "index"
        self._opened: list[SearchEngine] = []

    def open(self) -> SearchEngine:
        self._opened.append(TantivyEngine(self._folder))
        return self._opened[-1]

    def is_untouched(self) -> bool:
        return not self._folder.exists()

    def damage(self) -> None:
        for file in (self._folder / "g000001").glob("*.*"):
            file.write_bytes(b"rubbish")

    @contextmanager
    def writes_blocked(self) -> Iterator[None]:
        """Make the index refuse all writes for the block: a directory stands where tantivy makes its lock."""
        lock = self._folder / "g000001" / ".tantivy-writer.lock"
        lock.unlink(missing_ok=True)
        lock.mkdir()
        yield
        lock.rmdir()

    def change_schema(self, by: int) -> None:
        (self._folder / "g000001" / "schema").write_text(str(SCHEMA + by))

    def close(self) -> None:
        for engine in self._opened:
            engine.close()


class OpenSearchPlace:
    """Indexes with their own prefix on an OpenSearch node."""

    advice = "NEWSWIRE_OPENSEARCH_URL"

    def __init__(self, url: str) -> None:
        self._prefix = f"t{uuid.uuid4().hex[:12]}"
        self._node = self._url = url
        self._client = OpenSearch(url)
        self._opened: list[SearchEngine] = []

    def open(self) -> SearchEngine:
        self._opened.append(self._engine())
        return self._opened[-1]

    def _engine(self) -> SearchEngine:
        return OpenSearchEngine(self._url, prefix=self._prefix)

    def is_untouched(self) -> bool:
        return not self._client.indices.get(index=f"{self._prefix}*")

    def damage(self) -> None:
        self._url = "http://127.0.0.1:9"  # where nothing listens

    @contextmanager
    def writes_blocked(self) -> Iterator[None]:
        """Make the index refuse all writes for the block, as an operator does who moves it."""
        name = f"{self._prefix}-items-g000001"
        self._client.indices.put_settings(index=name, body={"index.blocks.write": True})
        yield
        self._client.indices.put_settings(index=name, body={"index.blocks.write": None})

    def change_schema(self, by: int) -> None:
        name, alias = f"{self._prefix}-items-g000001", f"{self._prefix}-v{bodies.SCHEMA}"
        other = f"{self._prefix}-v{bodies.SCHEMA + by}"
        self._client.indices.put_mapping(index=name, body={"_meta": {"schema": bodies.SCHEMA + by}})
        actions = [{"remove": {"index": name, "alias": f"{alias}-{value}"}} for value in ("read", "write")]
        actions += [{"add": {"index": name, "alias": f"{other}-{value}"}} for value in ("read", "write")]
        self._client.indices.update_aliases(body={"actions": actions})

    def close(self) -> None:
        for engine in self._opened:
            engine.close()
        self._client.close()
        delete_indexes(self._node, self._prefix)


class ServerlessPlace(OpenSearchPlace):
    """Indexes in a Serverless collection: a real node behind a proxy that refuses unsupported requests."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self._collection = Collection(url)
        self._url = self._collection.url

    def _engine(self) -> SearchEngine:
        return OpenSearchEngine(self._url, prefix=self._prefix, signing="aoss", region=REGION, sleep=short_pause)

    def close(self) -> None:
        super().close()
        self._collection.close()
        assert self._collection.refusals == []


def place_of(kind: str, folder: Path, nodes: Nodes) -> TantivyPlace | OpenSearchPlace:
    """Create the place of an engine; `kind` is a name from `ENGINES`."""
    if kind == "tantivy":
        return TantivyPlace(folder)
    if kind == "serverless":
        return ServerlessPlace(nodes.url("3.8"))
    return OpenSearchPlace(nodes.url(kind.removeprefix("opensearch-")))


ENGINES = [
    "tantivy",
    pytest.param("opensearch-3.8", marks=pytest.mark.opensearch),
    pytest.param("opensearch-2.19", marks=pytest.mark.opensearch),
    pytest.param("serverless", marks=pytest.mark.opensearch),
]
