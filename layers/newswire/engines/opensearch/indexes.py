"""The indexes in a cluster: one of items for each generation behind two aliases, and a small one of feed statuses.

The aliases have the schema in their name, so that code of another schema finds nothing under its own and only then
looks why (docs/decisions/0009). Callers translate what the client raises (`Cluster.translate_errors`).
"""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping
from typing import Any

from opensearchpy.exceptions import NotFoundError, TransportError

from newswire.engines import FIRST_GENERATION
from newswire.engines.opensearch.bodies import SCHEMA, items_template, statuses_template
from newswire.engines.opensearch.client import NAMED, Cluster, is_absence
from newswire.errors import EngineUnavailableError, IndexOutdatedError, IndexSchemaError

_Json = dict[str, Any]

_SEEN: _Json = {"schema": SCHEMA, "seen": True}
"""What an index says of itself once searches see it."""


class Indexes:
    """What is newswire's own in a cluster: everything whose name begins with `prefix`."""

    def __init__(self, cluster: Cluster, prefix: str, shards: int, replicas: int) -> None:
        self._cluster = cluster
        self._prefix = prefix
        self._shards = None if cluster.is_serverless else shards
        self._replicas = None if cluster.is_serverless else replicas
        self.every = f"{prefix}-items-g*"
        """All generations, as an expression."""
        self.read = f"{prefix}-v{SCHEMA}-read"
        self.write = f"{prefix}-v{SCHEMA}-write"
        self.statuses = f"{prefix}-v{SCHEMA}-status"
        self._has_statuses = False
        self._guard = threading.Lock()

    def name(self, generation: int) -> str:
        """Give the name of a generation's index."""
        return f"{self._prefix}-items-g{generation:06d}"

    def numbers(self) -> list[int]:
        """Give the generations that exist, in order."""
        return sorted(map(_number, self._found(self.every)))

    def current(self) -> tuple[int, int] | None:
        """Give the number and the schema of the index that searches see; None before there is any.

        `EngineUnavailableError` where there was one and its alias is gone.
        """
        for name, one in self._found(f"{self._prefix}-v*-read").items():
            return _number(name), _schema(one)
        seen = self._seen()
        if seen:
            raise EngineUnavailableError(
                f"The alias {self.read} is gone, and the index {self.name(seen[-1])} is there: "
                "`newswire engine setup` puts the alias back."
            )
        return None

    def check_others(self) -> None:
        """Say whether nothing is found because code of another schema was here: `IndexSchemaError` then."""
        current = self.current()
        if current is not None:
            _check_schema(self.name(current[0]), current[1])

    def exists(self, name: str) -> bool:
        """Say whether there is an index of this name."""
        return bool(self._found(name))

    def setup(self) -> None:
        """Make the templates and the indexes, and put back an alias that is gone."""
        self.put_templates()
        if not self._found(f"{self._prefix}-v*-read") and (seen := self._seen()):
            self._point_to(seen[-1])
        current = self.current()
        self.ensure(current[0] if current else FIRST_GENERATION)
        self.ensure_statuses()
        if self.current() is None:
            raise EngineUnavailableError(
                f"{NAMED} did not make the index {self.name(FIRST_GENERATION)}: is it OpenSearch?"
            )

    def ensure(self, generation: int) -> str:
        """Make an index that is not there, by the template, and give its name.

        The first generation is seen by searches at once, if there is no other; any other one only after a swap, since a
        reindex fills it.
        """
        name = self.name(generation)
        with self._guard:
            found = self._found(name)
            if found:
                _check_schema(name, _schema(found[name]))
                return name
            self.put_templates()
            is_seen = generation == FIRST_GENERATION and self.current() is None and not self.numbers()
            body: _Json = {"aliases": {self.read: {}, self.write: {}}, "mappings": {"_meta": _SEEN}} if is_seen else {}
            self._make(name, body)
            return name

    def ensure_statuses(self) -> str:
        """Make the index of statuses if it is not there, and give its name."""
        with self._guard:
            if not self._has_statuses and not self._cluster.client.indices.exists(index=self.statuses):
                self.put_templates()
                self._make(self.statuses, {})
            self._has_statuses = True
            return self.statuses

    def put_templates(self) -> None:
        """Put the templates that indexes are made by; what exists already keeps what it has."""
        for name, template in (
            (f"{self._prefix}-items", items_template(self.every, self._shards, self._replicas)),
            (f"{self._prefix}-status", statuses_template(self.statuses, self._replicas)),
        ):
            self._cluster.client.indices.put_index_template(name=name, body=template)

    def swap(self, generation: int) -> None:
        """Let both aliases point to a generation, and none of another schema to anything, in one call."""
        name = self.ensure(generation)
        self._cluster.client.indices.put_mapping(index=name, body={"_meta": _SEEN})
        self._point_to(generation)

    def _point_to(self, generation: int) -> None:
        name = self.name(generation)
        actions: list[_Json] = []
        for old, one in self._found(f"{self._prefix}-v*-read").items():
            if old != name:
                actions += [{"remove": {"index": old, "alias": alias}} for alias in one["aliases"]]
        actions += [{"add": {"index": name, "alias": alias}} for alias in (self.read, self.write)]
        self._cluster.client.indices.update_aliases(body={"actions": actions})

    def _seen(self) -> list[int]:
        """Give the generations that searches have seen, in order; another one may be half built."""
        found = self._found(self.every)
        return sorted(_number(name) for name, one in found.items() if _meta(one).get("seen"))

    def drop(self, generation: int) -> None:
        """Delete a generation's index, if there is one."""
        try:
            self._cluster.client.indices.delete(index=self.name(generation))
        except NotFoundError as error:
            if not is_absence(error):
                raise

    def _make(self, name: str, body: _Json) -> None:
        try:
            self._cluster.client.indices.create(index=name, body=body)
        except TransportError as error:
            if "resource_already_exists" not in str(error.error):
                raise

    def _found(self, expression: str) -> Mapping[str, _Json]:
        """Give the indexes of items that an expression names, by their names; none where there are none."""
        try:
            found: Mapping[str, _Json] = self._cluster.client.indices.get(index=expression)
        except NotFoundError as error:
            if not is_absence(error):
                raise
            return {}
        return {name: one for name, one in found.items() if re.fullmatch(rf"{self._prefix}-items-g\d+", name)}


def _number(name: str) -> int:
    return int(name.rpartition("-g")[2])


def _meta(index: _Json) -> _Json:
    found: _Json = index["mappings"].get("_meta", {})
    return found


def _schema(index: _Json) -> int:
    return int(_meta(index).get("schema", 0))


def _check_schema(name: str, schema: int) -> None:
    if schema == SCHEMA:
        return
    if not schema:
        raise IndexSchemaError(f"The index {name} is not newswire's: set NEWSWIRE_OPENSEARCH_PREFIX to another name.")
    what = f"The index {name} has schema {schema}, and this newswire reads schema {SCHEMA}: "
    if schema < SCHEMA:
        raise IndexOutdatedError(f"{what}`newswire reindex` builds it anew from the archive.")
    raise IndexSchemaError(f"{what}update newswire, or set NEWSWIRE_OPENSEARCH_PREFIX to another name.")
