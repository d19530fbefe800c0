"""The OpenSearch engine: items in one index for each generation, behind aliases, and feed statuses in a small one beside.

Reading is one round trip: hits, facets and total in one search, and beside it, in the same `_msearch`, what tells
whether the index has changed and the statuses of feeds that a coverage is made of.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import chain, islice
from typing import Any

import msgspec
from opensearchpy.exceptions import NotFoundError
from opensearchpy.helpers import streaming_bulk

from newswire.clock import Instant
from newswire.engines import RELEVANCE_DEPTH, SPELLING, EngineInfo, Facet, FacetValue, Hit, SearchPage
from newswire.engines.opensearch_body import (
    SCHEMA,
    STATUSES_PAGE,
    document_of,
    item_of,
    of_feed_body,
    search_body,
    seen_body,
    span_body,
    state_body,
    status_document,
    statuses_body,
)
from newswire.engines.opensearch_client import BUSY, NAMED, Cluster, Signing, pauses
from newswire.engines.opensearch_indexes import Indexes
from newswire.errors import EngineTimeoutError, EngineUnavailableError
from newswire.model import FeedStatus, IndexReport, Item, ItemWrite, RefusedItem
from newswire.query import FacetQuery, Position, SearchQuery, named_feeds

CHUNK_BYTES = 5 * 1024 * 1024
"""Of one bulk request: AWS allows 10 MiB on its smallest nodes, and advises 3 to 5 MiB to begin with."""
CHUNK_ITEMS = 500
RETRIES = 6
"""After so many pauses, about 20 s in all, a cluster that is still busy is one that does not answer."""
SEEN_WITHIN_S = 60.0
"""So long a Serverless collection may take to show what was written; AWS says about 10 s."""
_SEEN_LAST = 10_000
_SEEN_PAGE = 1_000
_SEEN_PAUSE_S = 0.25
_OK, _NOT_FOUND, _CONFLICT = 200, 404, 409
_SPOILED = frozenset({400, 413})
_MARKS = 1 << 31

_Json = dict[str, Any]
_Line = tuple[_Json, str | None]
"""An operation of a bulk request and its document, which is JSON already."""


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
        self._every = f"{prefix}-items-g*"
        self._sleep = sleep

    @property
    def client(self) -> Any:
        """opensearch-py's own client, for what newswire has no method for."""
        return self._cluster.client

    def setup(self) -> None:
        name = self._indexes.name(self.generation())
        with self._cluster.translated():
            self._indexes.put_templates()
            self._indexes.ensure(name)
            self._indexes.ensure_statuses()

    # --- writing ---

    def index(self, writes: Iterable[ItemWrite], generation: int) -> IndexReport:
        writes = iter(writes)
        first = next(writes, None)
        if first is None:
            return IndexReport()
        name = self._indexes.name(generation)
        sent = _Sent()
        with self._cluster.translated():
            self._indexes.ensure(name)
            self._send_all(name, sent.lines(chain((first,), writes)), sent)
            if self._cluster.is_serverless:
                self._wait_until_seen(name, sent)
        return IndexReport(sent.written, sent.outdated, tuple(sent.refused))

    def delete_feed(self, feed: str, generation: int) -> None:
        name = self._indexes.name(generation)
        with self._cluster.translated():
            if not self._indexes.exists(name):
                return
            until = time.monotonic() + SEEN_WITHIN_S
            while True:
                self._refresh(name)
                hits = self.client.search(body=of_feed_body(feed), index=name)["hits"]["hits"]
                if not hits:
                    return
                if time.monotonic() > until:
                    raise EngineUnavailableError(f"{NAMED} still shows items of {feed} that were deleted: try again.")
                gone: list[_Line] = [({"delete": {"_id": hit["_id"]}}, None) for hit in hits]
                self._send(name, gone, _Sent())
                if self._cluster.is_serverless:
                    self._sleep(_SEEN_PAUSE_S)

    def refresh(self) -> None:
        with self._cluster.translated():
            if self._cluster.is_serverless:
                self._indexes.numbers()  # nothing is to be done, but a cluster that is down is an error here too
            self._refresh(self._every)

    def publish(self, statuses: Iterable[FeedStatus]) -> None:
        sent = _Sent()
        lines = [sent.line(one.id, one.rev, status_document(one, sent.mark)) for one in statuses]
        if not lines:
            return
        with self._cluster.translated():
            name = self._indexes.ensure_statuses()
            self._refresh(self._every)
            self._send(name, lines, sent)
            if sent.refused:
                first = sent.refused[0]
                raise EngineUnavailableError(f"{NAMED} did not keep the status of {first.id}: {first.reason}.")
            self._refresh(name)
            if self._cluster.is_serverless:
                self._wait_until_seen(name, sent)

    def _send_all(self, name: str, lines: Iterator[_Line], sent: _Sent) -> None:
        """Send chunk after chunk, each while the next is made: the cluster and we are busy at the same time."""
        with ThreadPoolExecutor(1, thread_name_prefix="bulk") as thread:
            sending: Future[None] | None = None
            while chunk := list(islice(lines, CHUNK_ITEMS)):
                if sending is not None:
                    sending.result()
                sending = thread.submit(self._send, name, chunk, sent)
            if sending is not None:
                sending.result()

    def _send(self, name: str, lines: list[_Line], sent: _Sent) -> None:
        """Send one chunk, and again what the cluster was too busy for, each time after a pause.

        A request that is refused whole is sent in halves until the one that spoils it stands alone, and is refused. A
        cluster that does not answer is an error: what was sent may have been written, and comes again with the rest.
        """
        waits = pauses(RETRIES)
        while lines:
            busy: list[_Line] = []
            spoiled: list[_Line] = []
            for line, (done, answer) in zip(lines, self._streamed(name, lines), strict=True):
                said: _Json = next(iter(answer.values()))
                if done:
                    sent.written += 1
                elif said.get("status") in BUSY:
                    busy.append(line)
                elif "exception" not in said:
                    sent.refuse(line, said)
                elif said["status"] not in _SPOILED:
                    raise said["exception"]
                elif len(lines) > 1:
                    spoiled.append(line)
                else:
                    sent.refuse(line, said)
            middle = (len(spoiled) + 1) // 2
            self._send(name, spoiled[:middle], sent)
            self._send(name, spoiled[middle:], sent)
            if busy and not self._paused(waits):
                raise EngineUnavailableError(f"{NAMED} did not take what was written: it is full or down.")
            lines = busy

    def _paused(self, waits: Iterator[float]) -> bool:
        """Wait for the next of the pauses; False when there is none left."""
        for pause in waits:
            self._sleep(pause)
            return True
        return False

    def _streamed(self, name: str, lines: list[_Line]) -> Iterator[tuple[bool, _Json]]:
        answers: Iterator[tuple[bool, _Json]] = streaming_bulk(
            self.client,
            lines,
            expand_action_callback=lambda line: line,
            chunk_size=CHUNK_ITEMS,
            max_chunk_bytes=CHUNK_BYTES,
            raise_on_error=False,
            raise_on_exception=False,
            index=name,
        )
        return answers

    def _refresh(self, expression: str) -> None:
        if not self._cluster.is_serverless:  # there, a write returns when searches see it
            self.client.indices.refresh(index=expression, params={"ignore_unavailable": "true"})

    def _wait_until_seen(self, name: str, sent: _Sent) -> None:
        """Wait until searches see what was sent, or something newer.

        The last ones are enough, since a shard shows its writes in their order, and 10,000 of them lie on every shard.
        """
        until = time.monotonic() + SEEN_WITHIN_S
        unseen = dict(islice(reversed(sent.numbers.items()), _SEEN_LAST))
        while unseen:
            some = list(islice(unseen, _SEEN_PAGE))
            seen: dict[str, tuple[int, int]] = {}
            for hit in self.client.search(body=seen_body(some), index=name)["hits"]["hits"]:
                (number,), (mark,) = hit["fields"]["seq"], hit["fields"]["mark"]
                if number >= unseen[hit["_id"]]:
                    seen[hit["_id"]] = (number, mark)
            equal = [id_ for id_, (number, mark) in seen.items() if number == unseen[id_] and mark != sent.mark]
            if equal:  # older than ours, or another writer's that has replaced ours: what is kept tells
                kept = self.client.mget(body={"ids": equal}, index=name, _source_includes=["seq", "mark"])["docs"]
                now = {one["_id"]: (one["_source"]["seq"], one["_source"]["mark"]) for one in kept if one.get("found")}
                seen = {id_: what for id_, what in seen.items() if id_ not in equal or now.get(id_) == what}
            for id_ in seen:
                del unseen[id_]
            if unseen.keys().isdisjoint(some):
                continue
            if time.monotonic() > until:
                raise EngineUnavailableError(
                    f"{NAMED} does not show what was written {SEEN_WITHIN_S:g} s ago; it is kept, and comes again."
                )
            self._sleep(_SEEN_PAUSE_S)

    # --- generations ---

    def generation(self) -> int:
        with self._cluster.translated():
            current = self._indexes.current()
        return current[0] if current else 1

    def generations(self) -> list[int]:
        with self._cluster.translated():
            return self._indexes.numbers()

    def swap(self, generation: int) -> None:
        with self._cluster.translated():
            self._indexes.swap(generation)

    def drop(self, generation: int) -> None:
        if generation == self.generation():
            msg = f"Generation {generation} is the one that searches see; it is not dropped."
            raise ValueError(msg)
        with self._cluster.translated():
            self._indexes.drop(generation)

    def count(self, generation: int) -> int:
        name = self._indexes.name(generation)
        with self._cluster.translated():
            self._refresh(name)
            try:
                return int(self.client.count(index=name)["count"])
            except NotFoundError:
                return 0

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
        with self._cluster.translated(EngineTimeoutError):
            try:
                answers = self.client.msearch(body=lines, index=bodies[0][0])["responses"]
            except NotFoundError:
                answers = [{"status": _NOT_FOUND}] * len(bodies)
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
            raise EngineUnavailableError(f"{NAMED} could not answer whole ({_reason(answer)}).")
        return answer


class _Sent:
    """What came of the writes of one call."""

    def __init__(self) -> None:
        self.mark = secrets.randbelow(_MARKS)
        self.written = 0
        self.outdated = 0
        self.refused: list[RefusedItem] = []
        self.numbers: dict[str, int] = {}
        """Of each document that was sent; the last come last."""

    def refuse(self, line: _Line, said: _Json) -> None:
        """Note why a document was not taken; a lower number than the one that is there is nothing to worry about."""
        if said.get("status") == _CONFLICT:
            self.outdated += 1
        elif "index" in line[0]:
            self._refuse(line[0]["index"]["_id"], _reason(said))

    def _refuse(self, id_: str, reason: str) -> None:
        self.refused.append(RefusedItem(id_, reason))
        self.numbers.pop(id_, None)

    def lines(self, writes: Iterable[ItemWrite]) -> Iterator[_Line]:
        """Make the operations of the writes; one whose document can't be JSON is refused here."""
        for write in writes:
            try:
                yield self.line(write.item.id, write.seq, document_of(write, self.mark))
            except (ValueError, TypeError, OverflowError) as error:
                self._refuse(write.item.id, f"{type(error).__name__}: {str(error)[:200]}")

    def line(self, id_: str, number: int, document: _Json) -> _Line:
        """Make the operation of one document, which does not overwrite one with a higher number."""
        text = msgspec.json.encode(document).decode()
        self.numbers[id_] = max(self.numbers.pop(id_, 0), number)
        return {"index": {"_id": id_, "version": number, "version_type": "external_gte"}}, text


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
