"""The OpenSearch engine: one index of items per generation, behind aliases, and a small index of feed statuses.

A search is one round trip. One `_msearch` requests hits, facets and total, the version of the index, and the feed
statuses for a coverage.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from typing import Any

import msgspec
from opensearchpy.exceptions import NotFoundError

from newswire.clock import Instant
from newswire.engines import (
    FIRST_GENERATION,
    RELEVANCE_DEPTH,
    EngineInfo,
    Facet,
    FacetValue,
    Hit,
    SearchPage,
    StatusPage,
)
from newswire.engines.coverage import CoverageQuery, FeedCoverage, coverage_of
from newswire.engines.fields import SPELLING_SEPARATOR
from newswire.engines.opensearch.bodies import (
    SCHEMA,
    count_body,
    item_of,
    of_feed_body,
    search_body,
    span_body,
    state_body,
)
from newswire.engines.opensearch.bulk import (
    MAX_UNSEEN_SECONDS,
    UNSEEN_PAUSE_SECONDS,
    Bulk,
    BulkResult,
    make_deletion,
    reason_of,
)
from newswire.engines.opensearch.client import BUSY_STATUSES, CLUSTER_NAME, Cluster, is_absence
from newswire.engines.opensearch.indexes import Indexes
from newswire.engines.opensearch.status_bodies import (
    STATUSES_PER_PAGE,
    coverage_bodies,
    indexed_items,
    is_of_older_version,
    older_statuses_body,
    page_body,
    read_coverage,
    status_document,
    statuses_body,
    withdrawal_document,
    withdrawal_id,
)
from newswire.engines.query import FacetQuery, Position, SearchQuery
from newswire.errors import EngineTimeoutError, EngineUnavailableError
from newswire.feed_status import State
from newswire.model import FeedStatus, IndexIdentity, IndexReport, Item, ItemDeletion, ItemWrite, Withdrawal
from newswire.settings import Signing

_OK, _NOT_FOUND = 200, 404
_DELETION_MEMORY_SECONDS = 65.0
"""A Serverless shard remembers the version of a deletion for a minute (`index.gc_deletes`); this is a little longer."""
_SHARD_CLOCK_SECONDS = 0.5
"""The clock of a shard that forgets at once advances every 0.2 s (`thread_pool.estimated_time_interval`)."""

_Json = dict[str, Any]


class OpenSearchEngine:
    """`SearchEngine` on a cluster. The names of all its indexes, aliases and templates begin with `prefix`."""

    def __init__(
        self,
        url: str,
        *,
        prefix: str = "newswire",
        user: str = "",
        password: str = "",
        signing: Signing = "",
        region: str = "",
        timeout_s: float = 10,
        shards: int = 1,
        replicas: int = 0,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        self._cluster = Cluster(url, user=user, password=password, signing=signing, region=region, timeout_s=timeout_s)
        self._indexes = Indexes(self._cluster, prefix, shards, replicas)
        self._bulk = Bulk(self._cluster, sleep)
        self._sleep = sleep
        self._has_current_statuses = False

    @property
    def client(self) -> Any:
        """The client of opensearch-py, for calls that this class does not have."""
        return self._cluster.client

    def setup(self) -> None:
        with self._cluster.translate_errors():
            self._indexes.setup()

    # --- writing ---

    def index(self, writes: Iterable[ItemWrite], generation: int) -> IndexReport:
        writes = iter(writes)
        first = next(writes, None)
        if first is None:
            return IndexReport()
        result = BulkResult()
        with self._cluster.translate_errors():
            name = self._indexes.ensure(generation)
            self._bulk.send_all(name, result.make_operations(chain((first,), writes)), result)
            if self._cluster.is_serverless:
                self._bulk.wait_until_seen(name, result)
        return IndexReport(result.written, result.outdated, tuple(result.refused), tuple(result.failed))

    def delete_feed(self, feed: str, generation: int) -> None:
        name = self._indexes.name(generation)
        with self._cluster.translate_errors():
            if not self._indexes.exists(name):
                return
            self._forget_deletions_at_once(name)
            deleted: set[str] = set()
            until = time.monotonic() + MAX_UNSEEN_SECONDS
            while hits := self._find_feed_items(name, feed):
                ids = {str(hit["_id"]) for hit in hits} - deleted
                if ids:
                    self._bulk.send(name, [({"delete": {"_id": id_}}, None) for id_ in ids], BulkResult())
                    deleted |= ids
                    until = time.monotonic() + MAX_UNSEEN_SECONDS
                elif time.monotonic() > until:
                    raise EngineUnavailableError(
                        f"{CLUSTER_NAME} still shows deleted items of {feed}. Try again later."
                    )
                else:
                    self._sleep(UNSEEN_PAUSE_SECONDS)
            if deleted:  # the shards must have forgotten the deletions before the feed is indexed again
                self._sleep(_DELETION_MEMORY_SECONDS if self._cluster.is_serverless else _SHARD_CLOCK_SECONDS)

    def _forget_deletions_at_once(self, name: str) -> None:
        """Make shards forget the version of a deletion at once, not after a minute.

        A feed that is added again starts with `seq` 1, and a shard that remembers a higher version refuses that.
        """
        if not self._cluster.is_serverless:  # Serverless does not support this setting
            self.client.indices.put_settings(index=name, body={"index": {"gc_deletes": "0s"}})

    def _find_feed_items(self, name: str, feed: str) -> list[_Json]:
        self._refresh(name)
        hits: list[_Json] = self.client.search(body=of_feed_body(feed), index=name)["hits"]["hits"]
        return hits

    def delete_items(self, deletions: Iterable[ItemDeletion], generation: int) -> None:
        name, result = self._indexes.name(generation), BulkResult()
        deletions = list(deletions)
        with self._cluster.translate_errors():
            if not deletions or not self._indexes.exists(name):
                return
            self._bulk.send_all(name, map(make_deletion, deletions), result)
            if self._cluster.is_serverless and not result.failed:
                self._bulk.wait_until_gone(name, deletions)
        if result.failed:
            first = result.failed[0]
            raise EngineUnavailableError(f"{CLUSTER_NAME} did not delete the item {first.id} ({first.reason}).")

    def refresh(self) -> None:
        with self._cluster.translate_errors():
            if self._cluster.is_serverless:
                self._indexes.numbers()  # writes are visible already, but an unreachable cluster must raise
            self._refresh(self._indexes.every)

    def publish(self, statuses: Iterable[FeedStatus]) -> None:
        result = BulkResult()
        operations = [
            result.make_operation(status.id, status.rev, status_document(status, result.mark)) for status in statuses
        ]
        if not operations:
            return
        with self._cluster.translate_errors():
            name = self._indexes.ensure_statuses()
            self._complete_older_statuses(name)
            self._refresh(self._indexes.every)
            self._bulk.send(name, operations, result)
            if result.refused or result.failed:
                first = (result.refused or result.failed)[0]
                raise EngineUnavailableError(f"{CLUSTER_NAME} refused the status of {first.id} ({first.reason}).")
            self._refresh(name)
            if self._cluster.is_serverless:
                self._bulk.wait_until_seen(name, result)

    def publish_withdrawals(self, withdrawals: Iterable[Withdrawal]) -> None:
        result = BulkResult()
        documents = [withdrawal_document(withdrawal, result.mark) for withdrawal in withdrawals]
        if not documents:
            return
        with self._cluster.translate_errors():
            name = self._indexes.ensure_statuses()
            operations = [result.make_operation(document["id"], document["seq"], document) for document in documents]
            self._bulk.send(name, operations, result)
            if result.failed or result.refused:
                first = (result.failed or result.refused)[0]
                raise EngineUnavailableError(f"{CLUSTER_NAME} did not keep a withdrawal ({first.reason}).")
            self._refresh(name)
            if self._cluster.is_serverless:
                self._bulk.wait_until_seen(name, result)

    def withdrawal(self, item_id: str) -> Withdrawal | None:
        body = {"size": 1, "_source": ["status"], "query": {"term": {"id": {"value": withdrawal_id(item_id)}}}}
        (answer,) = self._search_many([(self._indexes.statuses, body)])
        hits = answer["hits"]["hits"] if answer is not None else []
        return msgspec.convert(hits[0]["_source"]["status"], Withdrawal) if hits else None

    def _complete_older_statuses(self, name: str) -> None:
        """Write the statuses of an older newswire again, once, with the fields by which a coverage counts them."""
        if self._has_current_statuses:
            return
        after: list[Any] = []
        while hits := self.client.search(body=older_statuses_body(after), index=name)["hits"]["hits"]:
            result = BulkResult()
            statuses = map(_status_of, hits)
            documents = [(status.id, status.rev, status_document(status, result.mark)) for status in statuses]
            self._bulk.send(name, [result.make_operation(*document) for document in documents], result)
            after = hits[-1]["sort"]
        self._has_current_statuses = True

    def _refresh(self, expression: str) -> None:
        if not self._cluster.is_serverless:  # in a Serverless collection a write returns when searches see it
            self.client.indices.refresh(index=expression, params={"ignore_unavailable": "true"})

    # --- generations ---

    def generation(self) -> int:
        with self._cluster.translate_errors():
            current = self._indexes.current()
        return current[0] if current else FIRST_GENERATION

    def generations(self) -> list[int]:
        with self._cluster.translate_errors():
            return self._indexes.numbers()

    def swap(self, generation: int) -> None:
        with self._cluster.translate_errors():
            self._indexes.swap(generation)

    def drop(self, generation: int) -> None:
        if generation == self.generation():
            msg = f"Generation {generation} serves searches and is not dropped. Swap in another generation first."
            raise ValueError(msg)
        with self._cluster.translate_errors():
            self._indexes.drop(generation)

    def identity(self, generation: int) -> IndexIdentity | None:
        with self._cluster.translate_errors():
            id_ = self._indexes.identity(generation)
        return None if id_ is None else IndexIdentity(id_, 0)

    def give_identity(self, generation: int) -> IndexIdentity:
        with self._cluster.translate_errors():
            return IndexIdentity(self._indexes.give_identity(generation), 0)

    def reset(self, generation: int) -> IndexIdentity:
        with self._cluster.translate_errors():
            self._indexes.reset(generation)
        return self.give_identity(generation)

    def count(self, generation: int) -> int:
        (answer,) = self._search_many([(self._indexes.name(generation), count_body())])
        return _total_of(answer)

    # --- reading ---

    def search(self, query: SearchQuery) -> SearchPage:
        offset = query.after.offset if query.after else 0
        size = min(query.size, RELEVANCE_DEPTH - offset) if query.sort == "relevance" else query.size
        limit = min(size + 1, RELEVANCE_DEPTH - offset) if query.sort == "relevance" else size + 1
        alias, body = self._indexes.read, search_body(query, max(limit, 0) if size > 0 else 0)
        bodies = [(alias, body), (alias, state_body())]
        if query.coverage is not None:
            bodies += [(self._indexes.statuses, body) for body in coverage_bodies(query.coverage)]
        answer, state, *of_coverage = self._search_many(bodies)
        coverage = None if query.coverage is None else self._coverage_of(query.coverage, of_coverage, state)
        if answer is None or state is None:
            empty = tuple(Facet(facet.field, (), 0, 0, exact=True) for facet in query.facets)
            buckets = (0,) * max(len(query.edges) - 1, 0)
            return SearchPage((), 0, None, empty, buckets, coverage=coverage)
        hits = answer["hits"]["hits"]
        total = int(answer["hits"]["total"]["value"])
        page = hits[: max(size, 0)]
        next_page = None
        if page and query.sort == "relevance":
            end = offset + len(page)
            next_page = Position(offset=end) if end < min(total, RELEVANCE_DEPTH) else None
        elif page and len(hits) > size:
            value, tie = page[-1]["sort"]
            next_page = Position(value=int(value), tie=int(tie))
        aggregations = answer.get("aggregations", {})
        return SearchPage(
            hits=tuple(Hit(item_of(hit["_source"]), hit["_score"]) for hit in page),
            total=total,
            next=next_page,
            facets=tuple(_read_facet(aggregations, facet) for facet in query.facets),
            histogram=tuple(int(bucket["doc_count"]) for bucket in aggregations["buckets"]["buckets"])
            if len(query.edges) > 1
            else (),
            version=f"{state['hits']['total']['value']}-{state['aggregations']['marks']['value']:.0f}",
            coverage=coverage,
        )

    def get(self, ids: Iterable[str]) -> dict[str, Item]:
        id_list = list(ids)
        body = {"size": len(id_list), "query": {"terms": {"id": id_list}}, "_source": ["item", "body"]}
        (answer,) = self._search_many([(self._indexes.read, body)])
        hits = answer["hits"]["hits"] if answer is not None else []
        items = {hit["_id"]: item_of(hit["_source"]) for hit in hits}
        return {id_: items[id_] for id_ in id_list if id_ in items}

    def span(self, query: SearchQuery) -> tuple[Instant, Instant] | None:
        (answer,) = self._search_many([(self._indexes.read, span_body(query))])
        ends = answer["aggregations"] if answer is not None else None
        if ends is None or ends["first"]["value"] is None:
            return None
        return int(ends["first"]["value"]), int(ends["last"]["value"])

    def statuses(self, feeds: Iterable[str] | None = None) -> list[FeedStatus]:
        body = statuses_body(feeds)
        (answer,) = self._search_many([(self._indexes.statuses, body)])
        return list(self._statuses_of(answer, body))

    def status_page(
        self, after: str, size: int, state: State | None = None, now: Instant = 0, grace_s: int = 0
    ) -> StatusPage:
        (answer,) = self._search_many([(self._indexes.statuses, page_body(after, size, state, now, grace_s))])
        if answer is None:
            return StatusPage((), 0)
        return StatusPage(tuple(map(_status_of, answer["hits"]["hits"])), _total_of(answer))

    def coverage(self, query: CoverageQuery) -> FeedCoverage:
        bodies = [(self._indexes.statuses, body) for body in coverage_bodies(query)]
        state, *answers = self._search_many([(self._indexes.read, count_body()), *bodies])
        return self._coverage_of(query, answers, state)

    def _coverage_of(self, query: CoverageQuery, answers: Sequence[_Json | None], state: _Json | None) -> FeedCoverage:
        """Return a coverage from its answers; `state` has the number of items in the index."""
        complete = [answer for answer in answers if answer is not None]
        if not complete:
            return coverage_of((), query)
        if is_of_older_version(complete[0]):
            coverage = coverage_of(self.statuses(), query)
        else:
            coverage = read_coverage(query, complete)
        expected = indexed_items(complete[0])
        if expected > _total_of(state):  # the searches of one request are not of one moment
            (state,) = self._search_many([(self._indexes.read, count_body())])
        return msgspec.structs.replace(coverage, missing=max(expected - _total_of(state), 0))

    def _statuses_of(self, answer: _Json | None, body: _Json) -> tuple[FeedStatus, ...]:
        """Return the statuses of an answer and of its next pages, which this method requests."""
        statuses: list[FeedStatus] = []
        while answer is not None:
            hits = answer["hits"]["hits"]
            statuses += map(_status_of, hits)
            if len(hits) < STATUSES_PER_PAGE:
                break
            (answer,) = self._search_many([(self._indexes.statuses, body | {"search_after": hits[-1]["sort"]})])
        return tuple(statuses)

    def info(self) -> EngineInfo:
        version = ""
        try:
            version = "Serverless" if self._cluster.is_serverless else str(self.client.info()["version"]["number"])
            self.get(())
        except Exception:  # noqa: BLE001 - any failure means unhealthy
            return EngineInfo("opensearch", version, healthy=False, schema=SCHEMA)
        return EngineInfo("opensearch", version, healthy=True, schema=SCHEMA)

    def close(self) -> None:
        self._cluster.close()

    def _search_many(self, bodies: list[tuple[str, _Json]]) -> list[_Json | None]:
        """Send several searches, each with its index, in one request; None for the answer of a missing index."""
        lines: list[_Json] = []
        for index, body in bodies:
            lines += [{"index": index}, {**body, "timeout": f"{self._cluster.timeout_s:g}s"}]
        with self._cluster.translate_errors(EngineTimeoutError):
            try:
                answers = self.client.msearch(body=lines, index=bodies[0][0])["responses"]
            except NotFoundError as error:
                if not is_absence(error):
                    raise
                answers = [{"status": _NOT_FOUND}] * len(bodies)
            if len(answers) != len(bodies):
                raise EngineUnavailableError(
                    f"{CLUSTER_NAME} answered {len(answers)} of {len(bodies)} searches. Try again later."
                )
            if answers[0].get("status") == _NOT_FOUND and bodies[0][0] == self._indexes.read:
                self._indexes.check_others()
            return [None if answer.get("status") == _NOT_FOUND else self._check_complete(answer) for answer in answers]

    def _check_complete(self, answer: _Json) -> _Json:
        """Return a complete answer unchanged; raise for a failed, partial or timed-out one."""
        status = answer.get("status")
        if answer.get("timed_out"):
            raise EngineTimeoutError(f"{CLUSTER_NAME} did not finish a search in {self._cluster.timeout_s:g} s.")
        if status in BUSY_STATUSES:
            raise EngineUnavailableError(f"{CLUSTER_NAME} is full. Try again later.")
        if status != _OK or answer["_shards"]["failed"]:
            raise EngineUnavailableError(
                f"{CLUSTER_NAME} gave only a partial answer ({reason_of(answer)}). Try again later."
            )
        return answer


def _status_of(hit: _Json) -> FeedStatus:
    return msgspec.convert(hit["_source"]["status"], FeedStatus)


def _total_of(answer: _Json | None) -> int:
    return 0 if answer is None else int(answer["hits"]["total"]["value"])


def _read_facet(aggregations: _Json, query: FacetQuery) -> Facet:
    terms = aggregations[query.field]
    values = tuple(FacetValue(_commonest_spelling(bucket), int(bucket["doc_count"])) for bucket in terms["buckets"])
    return Facet(
        field=query.field,
        values=values,
        other=int(terms["sum_other_doc_count"]),
        missing=int(aggregations[f"{query.field}_missing"]["doc_count"]),
        exact=query.field in {"feed", "lang"} or not terms["doc_count_error_upper_bound"],
    )


def _commonest_spelling(bucket: _Json) -> str:
    """Return the commonest spelling of a folded value among the labels of its items."""
    folded = str(bucket["key"]).partition(SPELLING_SEPARATOR)[0]
    spellings = [
        (-int(label["doc_count"]), label["key"].partition(SPELLING_SEPARATOR)[2])
        for label in bucket["spellings"]["buckets"]
        if label["key"].partition(SPELLING_SEPARATOR)[0] == folded
    ]
    return min(spellings)[1] if spellings else folded
