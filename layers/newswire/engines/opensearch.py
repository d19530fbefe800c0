"""The OpenSearch engine: items in one index for each generation, behind aliases, and feed statuses in a small one beside.

An index is seen by searches through an alias whose name has the schema in it, so that code of another schema finds
nothing under its own alias and looks why, instead of asking before every search.
"""

from __future__ import annotations

import re
import secrets
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from typing import Any

import msgspec
from opensearchpy import OpenSearch, Urllib3HttpConnection
from opensearchpy.exceptions import (
    ConnectionError as OpenSearchConnectionError,
)
from opensearchpy.exceptions import (
    ConnectionTimeout,
    ImproperlyConfigured,
    NotFoundError,
    OpenSearchDslException,
    OpenSearchException,
    SerializationError,
    TransportError,
)
from opensearchpy.helpers import streaming_bulk

from newswire.clock import Instant
from newswire.engines import RELEVANCE_DEPTH, SPELLING, EngineInfo, Facet, FacetValue, Hit, SearchPage
from newswire.engines.opensearch_body import (
    SCHEMA,
    document_of,
    item_of,
    items_template,
    search_body,
    span_body,
    state_body,
    statuses_template,
)
from newswire.errors import (
    EngineError,
    EngineTimeoutError,
    EngineUnavailableError,
    IndexOutdatedError,
    IndexSchemaError,
)
from newswire.model import FeedStatus, IndexReport, Item, ItemWrite, RefusedItem
from newswire.query import FacetQuery, Position, SearchQuery

CHUNK_BYTES = 5 * 1024 * 1024
CHUNK_ITEMS = 500
RETRIES = 6
_CONFLICT, _TOO_MANY, _NOT_FOUND = 409, 429, 404
_BUSY = {429, 502, 503, 504}
_MARKS = 1 << 31
_PAGE = 1_000

_Json = dict[str, Any]


class OpenSearchEngine:
    """`SearchEngine` over a cluster. `prefix` begins the name of everything that is its own there."""

    def __init__(
        self,
        url: str,
        *,
        prefix: str = "newswire",
        user: str = "",
        password: str = "",
        timeout_s: float = 10,
        shards: int = 1,
        replicas: int = 0,
    ) -> None:
        self._url = url
        self._auth = (user, password) if user else None
        self._prefix = prefix
        self._timeout_s = timeout_s
        self._shards = shards
        self._replicas = replicas
        self._read = f"{prefix}-v{SCHEMA}-read"
        self._write = f"{prefix}-v{SCHEMA}-write"
        self._statuses = f"{prefix}-status"
        self._made: set[str] = set()
        self._guard = threading.Lock()

    @cached_property
    def _client(self) -> Any:
        return OpenSearch(
            self._url,
            http_auth=self._auth,
            connection_class=Urllib3HttpConnection,
            timeout=self._timeout_s,
            max_retries=1,
            retry_on_timeout=False,
            retry_on_status=(502,),
            http_compress=True,
            pool_maxsize=16,
        )

    # --- writing ---

    def index(self, writes: Iterable[ItemWrite], generation: int) -> IndexReport:
        writes = iter(writes)
        first = next(writes, None)
        if first is None:
            return IndexReport()
        name = self._name(generation)
        written = outdated = 0
        refused: list[RefusedItem] = []
        with self._translated():
            self._ensure(name)
            actions = self._actions(first, writes)
            for done, answer in streaming_bulk(
                self._client,
                actions,
                chunk_size=CHUNK_ITEMS,
                max_chunk_bytes=CHUNK_BYTES,
                raise_on_error=False,
                raise_on_exception=False,
                max_retries=RETRIES,
                initial_backoff=1,
                max_backoff=20,
                index=name,
            ):
                said: _Json = next(iter(answer.values()))
                if done:
                    written += 1
                elif said.get("status") == _CONFLICT:
                    outdated += 1
                elif said.get("status") in _BUSY or not isinstance(said.get("status"), int):
                    raise EngineUnavailableError(f"{self._named} did not take what was written: it is full or down.")
                else:
                    refused.append(RefusedItem(str(said.get("_id", "")), _reason(said)))
        return IndexReport(written, outdated, tuple(refused))

    @staticmethod
    def _actions(first: ItemWrite, rest: Iterator[ItemWrite]) -> Iterator[_Json]:
        mark = secrets.randbelow(_MARKS)
        yield _action(first, mark)
        for write in rest:
            yield _action(write, mark)

    def delete_feed(self, feed: str, generation: int) -> None:
        from newswire import words  # noqa: PLC0415 - a feed is deleted once in a while

        name = self._name(generation)
        body = {"size": _PAGE, "_source": False, "query": {"term": {"feed": {"value": words.fold_whole(feed)}}}}
        with self._translated():
            if not self._exists(name):
                return
            while True:
                self._refresh(name)
                hits = self._client.search(body=body, index=name)["hits"]["hits"]
                if not hits:
                    return
                gone = [{"delete": {"_id": hit["_id"]}} for hit in hits]
                self._client.bulk(body=gone, index=name)

    def refresh(self) -> None:
        with self._translated():
            self._refresh(f"{self._prefix}-items-g*")

    def publish(self, statuses: Iterable[FeedStatus]) -> None:
        lines: list[_Json] = []
        for one in statuses:
            lines.append({"index": {"_id": one.id, "version": one.rev, "version_type": "external_gte"}})
            plain = msgspec.to_builtins(one)
            lines.append({"id": one.id, "deleted": one.deleted, "status": {} if one.deleted else plain})
        if not lines:
            return
        with self._translated():
            self._ensure_statuses()
            for start in range(0, len(lines), 2 * CHUNK_ITEMS):
                answer = self._client.bulk(
                    body=lines[start : start + 2 * CHUNK_ITEMS], index=self._statuses, params={"refresh": "true"}
                )
                bad = [said for one in answer["items"] if (said := one["index"])["status"] not in {200, 201, _CONFLICT}]
                if bad:
                    raise EngineUnavailableError(
                        f"{self._named} did not keep the status of {bad[0].get('_id')}: {_reason(bad[0])}."
                    )

    # --- generations ---

    def generation(self) -> int:
        with self._translated():
            current = self._current()
        return current[0] if current else 1

    def generations(self) -> list[int]:
        with self._translated():
            return sorted(map(self._number, self._mappings(f"{self._prefix}-items-g*")))

    def swap(self, generation: int) -> None:
        name = self._name(generation)
        with self._translated():
            self._ensure(name)
            aliased = self._mappings(f"{self._prefix}-v*-read")
            actions: list[_Json] = [
                {"remove": {"index": old, "alias": f"{self._prefix}-v*"}} for old in aliased if old != name
            ]
            actions += [{"add": {"index": name, "alias": alias}} for alias in (self._read, self._write)]
            self._client.indices.update_aliases(body={"actions": actions})

    def drop(self, generation: int) -> None:
        if generation == self.generation():
            msg = f"Generation {generation} is the one that searches see; it is not dropped."
            raise ValueError(msg)
        name = self._name(generation)
        with self._translated():
            self._made.discard(name)
            self._client.indices.delete(index=name, params={"ignore_unavailable": "true"})

    def count(self, generation: int) -> int:
        name = self._name(generation)
        with self._translated():
            self._refresh(name)
            try:
                return int(self._client.count(index=name)["count"])
            except NotFoundError:
                return 0

    # --- reading ---

    def search(self, query: SearchQuery) -> SearchPage:
        offset = query.after.offset if query.after else 0
        size = min(query.size, RELEVANCE_DEPTH - offset) if query.sort == "relevance" else query.size
        asked = min(size + 1, RELEVANCE_DEPTH - offset) if query.sort == "relevance" else size + 1
        body = search_body(query, max(asked, 0) if size > 0 else 0)
        found, state = self._asked([body, state_body()])
        if found is None or state is None:
            empty = tuple(Facet(one.field, (), 0, 0, exact=True) for one in query.facets)
            return SearchPage((), 0, None, empty, (0,) * max(len(query.edges) - 1, 0))
        hits = found["hits"]["hits"]
        total = int(found["hits"]["total"]["value"])
        page = hits[: max(size, 0)]
        following = None
        if page and query.sort == "relevance":
            reached = offset + len(page)
            following = Position(offset=reached) if reached < min(total, RELEVANCE_DEPTH) else None
        elif page and len(hits) > size:
            value, tie = page[-1]["sort"]
            following = Position(value=int(value), tie=int(tie))
        counted = found.get("aggregations", {})
        return SearchPage(
            hits=tuple(Hit(item_of(hit["_source"]), hit["_score"]) for hit in page),
            total=total,
            next=following,
            facets=tuple(_facet(counted, one) for one in query.facets),
            histogram=tuple(int(one["doc_count"]) for one in counted["buckets"]["buckets"])
            if len(query.edges) > 1
            else (),
            version=f"{state['hits']['total']['value']}-{state['aggregations']['marks']['value']:.0f}",
        )

    def get(self, ids: Iterable[str]) -> dict[str, Item]:
        wanted = list(ids)
        body = {"size": len(wanted), "query": {"terms": {"id": wanted}}, "_source": ["item", "body"]}
        (found,) = self._asked([body])
        hits = found["hits"]["hits"] if found is not None else []
        items = {hit["_id"]: item_of(hit["_source"]) for hit in hits}
        return {id_: items[id_] for id_ in wanted if id_ in items}

    def span(self, query: SearchQuery) -> tuple[Instant, Instant] | None:
        (found,) = self._asked([span_body(query)])
        ends = found["aggregations"] if found is not None else None
        if ends is None or ends["first"]["value"] is None:
            return None
        return int(ends["first"]["value"]), int(ends["last"]["value"])

    def statuses(self, feeds: Iterable[str] | None = None) -> list[FeedStatus]:
        matching: _Json = {"bool": {"must_not": [{"term": {"deleted": {"value": True}}}]}}
        if feeds is not None:
            matching["bool"]["filter"] = [{"terms": {"id": sorted(set(feeds))}}]
        body: _Json = {"size": _PAGE, "query": matching, "sort": [{"id": "asc"}]}
        found: list[FeedStatus] = []
        while True:
            with self._translated():
                try:
                    hits = self._client.search(body=body, index=self._statuses)["hits"]["hits"]
                except NotFoundError:
                    return found
            found += [msgspec.convert(hit["_source"]["status"], FeedStatus) for hit in hits]
            if len(hits) < _PAGE:
                return found
            body["search_after"] = hits[-1]["sort"]

    def info(self) -> EngineInfo:
        try:
            number = str(self._client.info()["version"]["number"])
            self.get(())
        except Exception:  # noqa: BLE001 - the question is whether it is well
            return EngineInfo("opensearch", "", healthy=False, schema=SCHEMA)
        return EngineInfo("opensearch", number, healthy=True, schema=SCHEMA)

    def close(self) -> None:
        client = self.__dict__.pop("_client", None)
        if client is not None:
            client.close()

    def _asked(self, bodies: list[_Json]) -> list[_Json | None]:
        """Ask all in one request; None for each where nothing was indexed yet."""
        lines: list[_Json] = []
        for body in bodies:
            lines += [{}, {**body, "timeout": f"{self._timeout_s:g}s"}]
        with self._translated(EngineTimeoutError):
            try:
                answers = self._client.msearch(body=lines, index=self._read)["responses"]
            except NotFoundError:
                answers = [{"status": _NOT_FOUND}] * len(bodies)
            if any(answer.get("status") == _NOT_FOUND for answer in answers):
                self._check_others()
                return [None] * len(bodies)
            return [self._whole(answer) for answer in answers]

    def _whole(self, answer: _Json) -> _Json:
        """Give an answer that is whole; an error for one that is not."""
        status = answer.get("status")
        if answer.get("timed_out"):
            raise EngineTimeoutError(f"{self._named} did not finish a search in {self._timeout_s:g} s.")
        if status in _BUSY:
            raise EngineUnavailableError(f"{self._named} is full: try again in a moment.")
        if status != 200 or answer["_shards"]["failed"]:  # noqa: PLR2004 - OK
            raise EngineUnavailableError(f"{self._named} could not answer whole ({_reason(answer)}).")
        return answer

    # --- indexes ---

    def _name(self, generation: int) -> str:
        return f"{self._prefix}-items-g{generation:06d}"

    def _number(self, name: str) -> int:
        return int(name.rpartition("-g")[2])

    def _mappings(self, expression: str) -> Mapping[str, _Json]:
        """Give the mappings of the indexes that an expression names, by their names; none where there are none."""
        try:
            found: Mapping[str, _Json] = self._client.indices.get_mapping(index=expression)
        except NotFoundError:
            return {}
        return {name: one for name, one in found.items() if re.fullmatch(rf"{self._prefix}-items-g\d+", name)}

    def _current(self) -> tuple[int, int] | None:
        """Give the number and the schema of the index that searches see; None before there is any."""
        for name, one in self._mappings(f"{self._prefix}-v*-read").items():
            return self._number(name), int(one["mappings"].get("_meta", {}).get("schema", 0))
        return None

    def _check_others(self) -> None:
        current = self._current()
        if current is not None:
            self._check_schema(self._name(current[0]), current[1])

    def _check_schema(self, name: str, schema: int) -> None:
        if schema == SCHEMA:
            return
        what = f"The index {name} has schema {schema}, and this newswire reads schema {SCHEMA}: "
        if schema < SCHEMA:
            raise IndexOutdatedError(f"{what}`newswire reindex` builds it anew from the archive.")
        raise IndexSchemaError(f"{what}update newswire, or set NEWSWIRE_OPENSEARCH_PREFIX to another name.")

    def _ensure(self, name: str) -> None:
        """Make an index that is not there, by the template; the first one is seen by searches at once."""
        with self._guard:
            found = self._mappings(name)
            if found:
                self._check_schema(name, int(found[name]["mappings"].get("_meta", {}).get("schema", 0)))
                return
            self._client.indices.put_index_template(
                name=f"{self._prefix}-items",
                body=items_template(f"{self._prefix}-items-g*", self._shards, self._replicas),
            )
            body: _Json = {} if self._current() else {"aliases": {self._read: {}, self._write: {}}}
            try:
                self._client.indices.create(index=name, body=body)
            except TransportError as error:
                if "resource_already_exists" not in str(error.error):
                    raise

    def _ensure_statuses(self) -> None:
        with self._guard:
            if self._statuses in self._made:
                return
            if not self._client.indices.exists(index=self._statuses):
                self._client.indices.put_index_template(
                    name=self._statuses, body=statuses_template(self._statuses, self._replicas)
                )
                try:
                    self._client.indices.create(index=self._statuses)
                except TransportError as error:
                    if "resource_already_exists" not in str(error.error):
                        raise
            self._made.add(self._statuses)

    def _exists(self, name: str) -> bool:
        return bool(self._mappings(name))

    def _refresh(self, expression: str) -> None:
        self._client.indices.refresh(index=expression, params={"ignore_unavailable": "true"})

    # --- errors ---

    @property
    def _named(self) -> str:
        return "OpenSearch (NEWSWIRE_OPENSEARCH_URL)"

    @contextmanager
    def _translated(self, on_timeout: type[EngineError] = EngineUnavailableError) -> Iterator[None]:
        """Turn what the client raises into our errors; none of its texts, which may hold addresses and credentials."""
        try:
            yield
        except ConnectionTimeout as error:
            msg = f"{self._named} did not answer in {self._timeout_s:g} s (NEWSWIRE_OPENSEARCH_TIMEOUT_SECONDS)."
            raise on_timeout(msg) from error
        except OpenSearchConnectionError as error:
            raise EngineUnavailableError(
                f"{self._named} can't be reached: is it running, and the address right?"
            ) from error
        except SerializationError as error:
            raise EngineUnavailableError(f"What answers at {self._named} does not speak like OpenSearch.") from error
        except TransportError as error:
            raise EngineUnavailableError(self._sentence(error)) from error
        except (ImproperlyConfigured, OpenSearchException, OpenSearchDslException) as error:
            raise EngineUnavailableError(f"{self._named} can't be used ({type(error).__name__}).") from error

    def _sentence(self, error: TransportError) -> str:
        status = error.status_code
        if status in {401, 403}:
            return f"{self._named} refuses us ({status}): look at NEWSWIRE_OPENSEARCH_USER and the rights it has."
        said = str(error.error) if re.fullmatch(r"[a-z_]{1,80}", str(error.error)) else "no more"  # a name, and no text
        return f"{self._named} answers {status} ({said}); if an index is damaged, `newswire reindex` builds it anew."


def _action(write: ItemWrite, mark: int) -> _Json:
    return {
        "_op_type": "index",
        "_id": write.item.id,
        "version": write.seq,
        "version_type": "external_gte",
        "_source": document_of(write, mark),
    }


def _reason(said: _Json) -> str:
    error = said.get("error") or {}
    if isinstance(error, str):
        return error[:200]
    cause = error.get("caused_by") or {}
    return f"{error.get('type', 'error')}: {cause.get('reason') or error.get('reason', '')}"[:200]


def _facet(counted: _Json, wanted: FacetQuery) -> Facet:
    found = counted[wanted.field]
    values = tuple(FacetValue(_spelled(one), int(one["doc_count"])) for one in found["buckets"])
    return Facet(
        field=wanted.field,
        values=values,
        other=int(found["sum_other_doc_count"]),
        missing=int(counted[f"{wanted.field}_missing"]["doc_count"]),
        exact=wanted.field in {"feed", "lang"} or not found["doc_count_error_upper_bound"],
    )


def _spelled(bucket: _Json) -> str:
    """Give the commonest spelling of a folded value, among the labels that stand beside it."""
    folded = str(bucket["key"]).partition(SPELLING)[0]
    spelled = [
        (-int(one["doc_count"]), one["key"].partition(SPELLING)[2])
        for one in bucket["spellings"]["buckets"]
        if one["key"].partition(SPELLING)[0] == folded
    ]
    return min(spelled)[1] if spelled else folded
