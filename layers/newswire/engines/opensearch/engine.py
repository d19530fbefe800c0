"""The OpenSearch engine: items in one index for each generation, behind aliases, and feed statuses in a small one beside.

Reading is one round trip: hits, facets and total in one search, and beside it, in the same `_msearch`, what tells
whether the index has changed and the statuses of feeds that a coverage is made of.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from itertools import chain
from typing import Any

import msgspec
from opensearchpy.exceptions import NotFoundError

from newswire.clock import Instant
from newswire.engines import FIRST_GENERATION, RELEVANCE_DEPTH, EngineInfo, Facet, FacetValue, Hit, SearchPage
from newswire.engines.fields import SPELLING_SEPARATOR
from newswire.engines.opensearch.bodies import (
    SCHEMA,
    STATUSES_PAGE,
    count_body,
    item_of,
    of_feed_body,
    search_body,
    span_body,
    state_body,
    status_document,
    statuses_body,
)
from newswire.engines.opensearch.bulk import SEEN_PAUSE_S, SEEN_WITHIN_S, Bulk, BulkResult, reason_of
from newswire.engines.opensearch.client import BUSY, NAMED, Cluster, is_absence
from newswire.engines.opensearch.indexes import Indexes
from newswire.engines.query import FacetQuery, Position, SearchQuery, named_feeds
from newswire.errors import EngineTimeoutError, EngineUnavailableError
from newswire.model import FeedStatus, IndexReport, Item, ItemWrite
from newswire.settings import Signing

_OK, _NOT_FOUND = 200, 404
_REMEMBERED_S = 65.0
"""So long a shard remembers the number of what was deleted (`index.gc_deletes`, a minute), and a little longer."""
_CLOCK_S = 0.5
"""A shard that is to forget at once goes by a clock that moves every 0.2 s (`thread_pool.estimated_time_interval`)."""

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

    @property
    def client(self) -> Any:
        """opensearch-py's own client, for what newswire has no method for."""
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
        sent = BulkResult()
        with self._cluster.translate_errors():
            name = self._indexes.ensure(generation)
            self._bulk.send_all(name, sent.lines(chain((first,), writes)), sent)
            if self._cluster.is_serverless:
                self._bulk.wait_until_seen(name, sent)
        return IndexReport(sent.written, sent.outdated, tuple(sent.refused))

    def delete_feed(self, feed: str, generation: int) -> None:
        name = self._indexes.name(generation)
        with self._cluster.translate_errors():
            if not self._indexes.exists(name):
                return
            self._forget_deletions_at_once(name)
            deleted: set[str] = set()
            until = time.monotonic() + SEEN_WITHIN_S
            while hits := self._of_feed(name, feed):
                gone = {str(hit["_id"]) for hit in hits} - deleted
                if gone:
                    self._bulk.send(name, [({"delete": {"_id": id_}}, None) for id_ in gone], BulkResult())
                    deleted |= gone
                    until = time.monotonic() + SEEN_WITHIN_S
                elif time.monotonic() > until:
                    raise EngineUnavailableError(f"{NAMED} still shows items of {feed} that were deleted: try again.")
                else:
                    self._sleep(SEEN_PAUSE_S)
            if deleted:
                self._sleep(_REMEMBERED_S if self._cluster.is_serverless else _CLOCK_S)

    def _forget_deletions_at_once(self, name: str) -> None:
        """Let a shard forget the number of what is deleted, instead of a minute later.

        A feed that comes back begins its numbers anew, and a shard that remembers a higher one refuses them.
        """
        if not self._cluster.is_serverless:  # it has no such setting that could be counted on
            self.client.indices.put_settings(index=name, body={"index": {"gc_deletes": "0s"}})

    def _of_feed(self, name: str, feed: str) -> list[_Json]:
        self._refresh(name)
        hits: list[_Json] = self.client.search(body=of_feed_body(feed), index=name)["hits"]["hits"]
        return hits

    def refresh(self) -> None:
        with self._cluster.translate_errors():
            if self._cluster.is_serverless:
                self._indexes.numbers()  # nothing is to be done, but a cluster that is down is an error here too
            self._refresh(self._indexes.every)

    def publish(self, statuses: Iterable[FeedStatus]) -> None:
        sent = BulkResult()
        lines = [sent.line(one.id, one.rev, status_document(one, sent.mark)) for one in statuses]
        if not lines:
            return
        with self._cluster.translate_errors():
            name = self._indexes.ensure_statuses()
            self._refresh(self._indexes.every)
            self._bulk.send(name, lines, sent)
            if sent.refused:
                first = sent.refused[0]
                raise EngineUnavailableError(f"{NAMED} did not keep the status of {first.id}: {first.reason}.")
            self._refresh(name)
            if self._cluster.is_serverless:
                self._bulk.wait_until_seen(name, sent)

    def _refresh(self, expression: str) -> None:
        if not self._cluster.is_serverless:  # there, a write returns when searches see it
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
            msg = f"Generation {generation} is the one that searches see; it is not dropped."
            raise ValueError(msg)
        with self._cluster.translate_errors():
            self._indexes.drop(generation)

    def count(self, generation: int) -> int:
        (found,) = self._asked([(self._indexes.name(generation), count_body())])
        return 0 if found is None else int(found["hits"]["total"]["value"])

    # --- reading ---

    def search(self, query: SearchQuery) -> SearchPage:
        offset = query.after.offset if query.after else 0
        size = min(query.size, RELEVANCE_DEPTH - offset) if query.sort == "relevance" else query.size
        asked = min(size + 1, RELEVANCE_DEPTH - offset) if query.sort == "relevance" else size + 1
        read, body = self._indexes.read, search_body(query, max(asked, 0) if size > 0 else 0)
        bodies = [(read, body), (read, state_body())]
        if query.with_statuses:
            bodies.append((self._indexes.statuses, statuses_body(named_feeds(query))))
        found, state, *rest = self._asked(bodies)
        statuses = self._statuses_of(rest[0], bodies[-1][1]) if rest else ()
        if found is None or state is None:
            empty = tuple(Facet(one.field, (), 0, 0, exact=True) for one in query.facets)
            buckets = (0,) * max(len(query.edges) - 1, 0)
            return SearchPage((), 0, None, empty, buckets, statuses=statuses)
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
            statuses=statuses,
        )

    def get(self, ids: Iterable[str]) -> dict[str, Item]:
        wanted = list(ids)
        body = {"size": len(wanted), "query": {"terms": {"id": wanted}}, "_source": ["item", "body"]}
        (found,) = self._asked([(self._indexes.read, body)])
        hits = found["hits"]["hits"] if found is not None else []
        items = {hit["_id"]: item_of(hit["_source"]) for hit in hits}
        return {id_: items[id_] for id_ in wanted if id_ in items}

    def span(self, query: SearchQuery) -> tuple[Instant, Instant] | None:
        (found,) = self._asked([(self._indexes.read, span_body(query))])
        ends = found["aggregations"] if found is not None else None
        if ends is None or ends["first"]["value"] is None:
            return None
        return int(ends["first"]["value"]), int(ends["last"]["value"])

    def statuses(self, feeds: Iterable[str] | None = None) -> list[FeedStatus]:
        body = statuses_body(feeds)
        (found,) = self._asked([(self._indexes.statuses, body)])
        return list(self._statuses_of(found, body))

    def _statuses_of(self, found: _Json | None, body: _Json) -> tuple[FeedStatus, ...]:
        """Read the statuses of an answer, and those behind it where they were too many for one."""
        statuses: list[FeedStatus] = []
        while found is not None:
            hits = found["hits"]["hits"]
            statuses += [msgspec.convert(hit["_source"]["status"], FeedStatus) for hit in hits]
            if len(hits) < STATUSES_PAGE:
                break
            (found,) = self._asked([(self._indexes.statuses, body | {"search_after": hits[-1]["sort"]})])
        return tuple(statuses)

    def info(self) -> EngineInfo:
        version = ""
        try:
            version = "Serverless" if self._cluster.is_serverless else str(self.client.info()["version"]["number"])
            self.get(())
        except Exception:  # noqa: BLE001 - the question is whether it is well
            return EngineInfo("opensearch", version, healthy=False, schema=SCHEMA)
        return EngineInfo("opensearch", version, healthy=True, schema=SCHEMA)

    def close(self) -> None:
        self._cluster.close()

    def _asked(self, bodies: list[tuple[str, _Json]]) -> list[_Json | None]:
        """Ask all in one request, each of its index; None for one that is not there yet."""
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
                raise EngineUnavailableError(f"{NAMED} answered {len(answers)} searches of {len(bodies)}.")
            if answers[0].get("status") == _NOT_FOUND and bodies[0][0] == self._indexes.read:
                self._indexes.check_others()
            return [None if answer.get("status") == _NOT_FOUND else self._whole(answer) for answer in answers]

    def _whole(self, answer: _Json) -> _Json:
        """Give an answer that is whole; an error for one that is not."""
        status = answer.get("status")
        if answer.get("timed_out"):
            raise EngineTimeoutError(f"{NAMED} did not finish a search in {self._cluster.timeout_s:g} s.")
        if status in BUSY:
            raise EngineUnavailableError(f"{NAMED} is full: try again in a moment.")
        if status != _OK or answer["_shards"]["failed"]:
            raise EngineUnavailableError(f"{NAMED} could not answer whole ({reason_of(answer)}).")
        return answer


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
    folded = str(bucket["key"]).partition(SPELLING_SEPARATOR)[0]
    spelled = [
        (-int(one["doc_count"]), one["key"].partition(SPELLING_SEPARATOR)[2])
        for one in bucket["spellings"]["buckets"]
        if one["key"].partition(SPELLING_SEPARATOR)[0] == folded
    ]
    return min(spelled)[1] if spelled else folded
