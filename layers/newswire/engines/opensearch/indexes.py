"""The indexes in a cluster: one of items per generation, behind two aliases, and a small one of feed statuses.

The alias names contain the schema. Code of another schema finds nothing under its own names, and only then looks for the
reason (docs/decisions/0009). Callers translate the client's errors (`Cluster.translate_errors`).
"""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping
from typing import Any

from opensearchpy.exceptions import NotFoundError, TransportError

from newswire.engines import FIRST_GENERATION, new_identity
from newswire.engines.opensearch.bodies import SCHEMA, items_template, statuses_template
from newswire.engines.opensearch.client import CLUSTER_NAME, Cluster, is_absence
from newswire.engines.opensearch.status_bodies import STATUS_FIELDS
from newswire.errors import EngineUnavailableError, IndexOutdatedError, IndexSchemaError

_Json = dict[str, Any]


class Indexes:
    """The indexes, aliases and templates of newswire in a cluster: their names begin with `prefix`."""

    def __init__(self, cluster: Cluster, prefix: str, shards: int, replicas: int) -> None:
        self._cluster = cluster
        self._prefix = prefix
        self._shards = None if cluster.is_serverless else shards
        self._replicas = None if cluster.is_serverless else replicas
        self.every = f"{prefix}-items-g*"
        """The index expression of all generations."""
        self.read = f"{prefix}-v{SCHEMA}-read"
        self.write = f"{prefix}-v{SCHEMA}-write"
        self.statuses = f"{prefix}-v{SCHEMA}-status"
        self._has_statuses = False
        self._guard = threading.Lock()

    def name(self, generation: int) -> str:
        """Return the name of a generation's index."""
        return f"{self._prefix}-items-g{generation:06d}"

    def numbers(self) -> list[int]:
        """Return the numbers of the existing generations, in order."""
        return sorted(map(_generation_of, self._get_indexes(self.every)))

    def current(self) -> tuple[int, int] | None:
        """Return the number and the schema of the index that searches see; None before the first one.

        Raises `EngineUnavailableError` if such an index exists without its alias.
        """
        for name, index in self._get_indexes(f"{self._prefix}-v*-read").items():
            return _generation_of(name), _schema_of(index)
        seen = self._seen_indexes()
        for name, index in seen.items():
            if any(alias.endswith("-read") for alias in index["aliases"]):  # created between the two requests
                return _generation_of(name), _schema_of(index)
        if seen:
            raise EngineUnavailableError(
                f"The index {max(seen)} exists, but its alias {self.read} is missing. "
                "Run `newswire engine setup` to restore the alias."
            )
        return None

    def check_others(self) -> None:
        """Raise `IndexSchemaError` if searches find no index because it has another schema."""
        current = self.current()
        if current is not None:
            _check_schema(self.name(current[0]), current[1])

    def exists(self, name: str) -> bool:
        """Return whether an index of this name exists."""
        return bool(self._get_indexes(name))

    def setup(self) -> None:
        """Create missing templates and indexes, and restore a missing alias."""
        self.put_templates()
        if not self._get_indexes(f"{self._prefix}-v*-read") and (seen := self._seen_indexes()):
            self._point_to(max(map(_generation_of, seen)))
        current = self.current()
        self.ensure(current[0] if current else FIRST_GENERATION)
        self.ensure_statuses()
        if self.current() is None:
            raise EngineUnavailableError(
                f"{CLUSTER_NAME} did not create the index {self.name(FIRST_GENERATION)}. Check that it is OpenSearch."
            )

    def ensure(self, generation: int) -> str:
        """Create the index of a generation if it does not exist, and return its name.

        Searches see the first generation at once if it is the only one. They see any other only after a swap, since a
        reindex fills it.
        """
        name = self.name(generation)
        with self._guard:
            indexes = self._get_indexes(name)
            if indexes:
                _check_schema(name, _schema_of(indexes[name]))
                return name
            self.put_templates()
            is_seen = generation == FIRST_GENERATION and self.current() is None and not self.numbers()
            meta: _Json = {"schema": SCHEMA, "identity": new_identity()}
            body: _Json = {"aliases": {self.read: {}, self.write: {}}} if is_seen else {}
            self._create(name, body | {"mappings": {"_meta": meta | ({"seen": True} if is_seen else {})}})
            return name

    def ensure_statuses(self) -> str:
        """Create the index of statuses if it does not exist, and return its name."""
        with self._guard:
            if not self._has_statuses and not self._cluster.client.indices.exists(index=self.statuses):
                self.put_templates()
                self._create(self.statuses, {})
            elif not self._has_statuses:  # an older newswire may have made it
                self._cluster.client.indices.put_mapping(index=self.statuses, body={"properties": STATUS_FIELDS})
            self._has_statuses = True
            return self.statuses

    def put_templates(self) -> None:
        """Write the templates of new indexes; existing indexes do not change."""
        for name, template in (
            (f"{self._prefix}-items", items_template(self.every, self._shards, self._replicas)),
            (f"{self._prefix}-status", statuses_template(self.statuses, self._replicas)),
        ):
            self._cluster.client.indices.put_index_template(name=name, body=template)

    def swap(self, generation: int) -> None:
        """Point both aliases to a generation, and remove those of other schemas, in one call."""
        name = self.ensure(generation)
        self._change_meta(name, {"seen": True})
        self._point_to(generation)

    def identity(self, generation: int) -> str | None:
        """Return the identity of a generation's index; None if it does not exist, "" if an older newswire made it."""
        index = self._get_indexes(self.name(generation)).get(self.name(generation))
        return None if index is None else str(_meta_of(index).get("identity", ""))

    def give_identity(self, generation: int) -> str:
        """Make the index of a generation if it is missing, give it an identity if it has none, and return that."""
        name = self.ensure(generation)
        if not self.identity(generation):
            self._change_meta(name, {"identity": new_identity()})
        return self.identity(generation) or ""

    def reset(self, generation: int) -> None:
        """Delete the index of a generation and make an empty one, which searches see if they saw the old one."""
        name = self.name(generation)
        index = self._get_indexes(name).get(name)
        aliases: _Json = {alias: {} for alias in index["aliases"]} if index is not None else {}
        self.drop(generation)
        if not aliases:
            self.ensure(generation)
            return
        self.put_templates()
        meta: _Json = {"schema": SCHEMA, "identity": new_identity(), "seen": True}
        self._create(name, {"aliases": aliases, "mappings": {"_meta": meta}})

    def _change_meta(self, name: str, values: _Json) -> None:
        meta = _meta_of(self._get_indexes(name)[name])
        self._cluster.client.indices.put_mapping(index=name, body={"_meta": meta | values})

    def _point_to(self, generation: int) -> None:
        name = self.name(generation)
        actions: list[_Json] = []
        for old_name, index in self._get_indexes(f"{self._prefix}-v*-read").items():
            if old_name != name:
                actions += [{"remove": {"index": old_name, "alias": alias}} for alias in index["aliases"]]
        actions += [{"add": {"index": name, "alias": alias}} for alias in (self.read, self.write)]
        self._cluster.client.indices.update_aliases(body={"actions": actions})

    def _seen_indexes(self) -> dict[str, _Json]:
        """Return the indexes that searches have seen, by name; any other may be incomplete."""
        return {name: index for name, index in self._get_indexes(self.every).items() if _meta_of(index).get("seen")}

    def drop(self, generation: int) -> None:
        """Delete the index of a generation; do nothing if it does not exist."""
        try:
            self._cluster.client.indices.delete(index=self.name(generation))
        except NotFoundError as error:
            if not is_absence(error):
                raise

    def _create(self, name: str, body: _Json) -> None:
        try:
            self._cluster.client.indices.create(index=name, body=body)
        except TransportError as error:
            if "resource_already_exists" not in str(error.error):
                raise

    def _get_indexes(self, expression: str) -> Mapping[str, _Json]:
        """Return the item indexes that match an expression, by name."""
        try:
            indexes: Mapping[str, _Json] = self._cluster.client.indices.get(index=expression)
        except NotFoundError as error:
            if not is_absence(error):
                raise
            return {}
        return {name: index for name, index in indexes.items() if re.fullmatch(rf"{self._prefix}-items-g\d+", name)}


def _generation_of(name: str) -> int:
    return int(name.rpartition("-g")[2])


def _meta_of(index: _Json) -> _Json:
    meta: _Json = index["mappings"].get("_meta", {})
    return meta


def _schema_of(index: _Json) -> int:
    return int(_meta_of(index).get("schema", 0))


def _check_schema(name: str, schema: int) -> None:
    if schema == SCHEMA:
        return
    if not schema:
        raise IndexSchemaError(
            f"The index {name} does not belong to newswire. Set NEWSWIRE_OPENSEARCH_PREFIX to another name."
        )
    what = f"The index {name} has schema {schema}; this version of newswire reads schema {SCHEMA}."
    if schema < SCHEMA:
        raise IndexOutdatedError(f"{what} Run `newswire reindex` to rebuild it from the archive.")
    raise IndexSchemaError(f"{what} Update newswire, or set NEWSWIRE_OPENSEARCH_PREFIX to another name.")
