"""Write documents to a cluster with bulk requests, and report the result of each document.

Requests have a limited size. Operations that a busy cluster rejects are sent again with backoff. A document that makes
a whole request fail is isolated. Only what a document itself causes refuses it. In a Serverless collection a write
returns when searches see it.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import Any

import msgspec
from opensearchpy.helpers import streaming_bulk

from newswire.engines.opensearch.bodies import document_of, seen_body
from newswire.engines.opensearch.client import BUSY_STATUSES, CLUSTER_NAME, Cluster, pauses
from newswire.engines.refusals import refuse_item
from newswire.errors import EngineUnavailableError
from newswire.model import ItemDeletion, ItemWrite, RefusedItem

MAX_CHUNK_BYTES = 5 * 1024 * 1024
"""Maximum size of one bulk request. AWS allows 10 MiB on its smallest nodes, and recommends 3 to 5 MiB."""
MAX_CHUNK_ITEMS = 500
MAX_RETRIES = 6
"""Maximum retries of rejected operations: about 20 s of pauses. After that a busy cluster counts as unavailable."""
MAX_UNSEEN_SECONDS = 60.0
"""Maximum time until searches of a Serverless collection see a write; AWS documents about 10 s."""
UNSEEN_PAUSE_SECONDS = 0.25
_MAX_AWAITED_ITEMS = 10_000
"""Last documents of a write that are waited for. A shard shows its writes in order, and 10,000 reach every shard."""
_AWAITED_PER_SEARCH = 1_000
_CONFLICT, _NOT_FOUND = 409, 404
_BAD_REQUEST, _TOO_LARGE = 400, 413
_SPOILED_STATUSES = frozenset({_BAD_REQUEST, _TOO_LARGE})
"""Statuses of a whole request that one bad or oversized document can cause."""
_MARK_LIMIT = 1 << 31
_FAULTS_OF_ITEMS = frozenset(
    {
        "mapper_parsing_exception",
        "document_parsing_exception",
        "strict_dynamic_mapping_exception",
        "max_bytes_length_exceeded_exception",
        "x_content_parse_exception",
        "json_parse_exception",
        "action_request_validation_exception",  # an id of more than 512 bytes
    }
)
"""Errors that only the document can cause. Any other may be the cluster's, such as that of a write block."""

_Json = dict[str, Any]
Operation = tuple[_Json, str | None]
"""An operation of a bulk request, and its document as JSON text; None for a deletion."""


class BulkResult:
    """The results of the writes of one call, and the mark of its documents."""

    def __init__(self) -> None:
        self.mark = secrets.randbelow(_MARK_LIMIT)
        self.written = 0
        self.outdated = 0
        self.refused: list[RefusedItem] = []
        self.failed: list[RefusedItem] = []
        self.seqs: dict[str, int] = {}
        """The `seq` of each sent document by id, in the order of writing."""

    def record_failure(self, operation: Operation, answer: _Json) -> None:
        """Record why a document was not written. A conflict means that the cluster has a higher `seq`: not an error."""
        if answer.get("status") == _CONFLICT:
            self.outdated += 1
        elif "index" in operation[0]:
            item = RefusedItem(operation[0]["index"]["_id"], reason_of(answer))
            if _is_fault_of_item(answer):
                self._refuse(item)
            else:
                self.failed.append(item)
                self.seqs.pop(item.id, None)
        elif answer.get("status") != _NOT_FOUND:
            self.failed.append(RefusedItem(operation[0]["delete"]["_id"], reason_of(answer)))

    def _refuse(self, item: RefusedItem) -> None:
        self.refused.append(item)
        self.seqs.pop(item.id, None)

    def make_operations(self, writes: Iterable[ItemWrite]) -> Iterator[Operation]:
        """Yield the operations of the writes; refuse items of which no document can be made."""
        for write in writes:
            try:
                operation = self.make_operation(write.item.id, write.seq, document_of(write, self.mark))
            except Exception as error:  # noqa: BLE001 - logged; the other items are written
                self._refuse(refuse_item(write.item.id, error))
            else:
                yield operation

    def make_operation(self, id_: str, seq: int, document: _Json) -> Operation:
        """Return the operation that writes a document unless the cluster has a higher `seq`."""
        text = msgspec.json.encode(document).decode()
        self.seqs[id_] = max(self.seqs.pop(id_, 0), seq)
        return {"index": {"_id": id_, "version": seq, "version_type": "external_gte"}}, text


def make_deletion(deletion: ItemDeletion) -> Operation:
    """Return the operation that deletes a document unless the cluster has a higher `seq`."""
    return {"delete": {"_id": deletion.id, "version": deletion.seq, "version_type": "external_gte"}}, None


class Bulk:
    """Writes operations to an index of a cluster. `sleep` takes seconds."""

    def __init__(self, cluster: Cluster, sleep: Callable[[float], object]) -> None:
        self._cluster = cluster
        self._sleep = sleep

    def send_all(self, name: str, operations: Iterator[Operation], result: BulkResult) -> None:
        """Send operations in chunks; prepare the next chunk in this thread while another thread sends one."""
        with ThreadPoolExecutor(1, thread_name_prefix="bulk") as thread:
            sending: Future[None] | None = None
            while chunk := _next_chunk(operations):
                if sending is not None:
                    sending.result()
                sending = thread.submit(self.send, name, chunk, result)
            if sending is not None:
                sending.result()

    def send(self, name: str, operations: list[Operation], result: BulkResult) -> None:
        """Send one chunk; send again, with backoff, the operations that the cluster was too busy for.

        Split a request that fails as a whole in halves, until the bad document is alone and is refused. An unreachable
        cluster is an error. It may have written some operations; the caller repeats all of them later.
        """
        pauses_left = pauses(MAX_RETRIES)
        while operations:
            busy: list[Operation] = []
            spoiled: list[Operation] = []
            for operation, (succeeded, answer) in zip(operations, self._stream(name, operations), strict=True):
                outcome: _Json = next(iter(answer.values()))
                if succeeded:
                    result.written += 1
                elif outcome.get("status") in BUSY_STATUSES:
                    busy.append(operation)
                elif "exception" not in outcome:
                    result.record_failure(operation, outcome)
                elif outcome["status"] not in _SPOILED_STATUSES:
                    raise outcome["exception"]
                elif len(operations) > 1:
                    spoiled.append(operation)
                else:
                    result.record_failure(operation, outcome)
            middle = (len(spoiled) + 1) // 2
            self.send(name, spoiled[:middle], result)
            self.send(name, spoiled[middle:], result)
            if busy and not self._pause(pauses_left):
                msg = f"{CLUSTER_NAME} is full or down and did not accept all writes. Try again later."
                raise EngineUnavailableError(msg)
            operations = busy

    def _pause(self, pauses_left: Iterator[float]) -> bool:
        """Sleep for the next pause; return False if none is left."""
        for pause in pauses_left:
            self._sleep(pause)
            return True
        return False

    def _stream(self, name: str, operations: list[Operation]) -> Iterator[tuple[bool, _Json]]:
        answers: Iterator[tuple[bool, _Json]] = streaming_bulk(
            self._cluster.client,
            operations,
            expand_action_callback=lambda operation: operation,
            chunk_size=MAX_CHUNK_ITEMS,
            max_chunk_bytes=MAX_CHUNK_BYTES,
            raise_on_error=False,
            raise_on_exception=False,
            index=name,
        )
        return answers

    def wait_until_seen(self, name: str, result: BulkResult) -> None:
        """Wait until searches see the sent documents, or newer ones; the last `_MAX_AWAITED_ITEMS` stand for all."""
        until = time.monotonic() + MAX_UNSEEN_SECONDS
        unseen = dict(islice(reversed(result.seqs.items()), _MAX_AWAITED_ITEMS))
        while unseen:
            ids = list(islice(unseen, _AWAITED_PER_SEARCH))
            versions: dict[str, tuple[int, int]] = {}
            for hit in self._cluster.client.search(body=seen_body(ids), index=name)["hits"]["hits"]:
                (seq,), (mark,) = hit["fields"]["seq"], hit["fields"]["mark"]
                if seq >= unseen[hit["_id"]]:
                    versions[hit["_id"]] = (seq, mark)
            equal = [id_ for id_, (seq, mark) in versions.items() if seq == unseen[id_] and mark != result.mark]
            if equal:  # an older write, or one of another process that replaced this one: the stored document tells
                request: _Json = {"body": {"ids": equal}, "index": name, "_source_includes": ["seq", "mark"]}
                stored = {
                    document["_id"]: (document["_source"]["seq"], document["_source"]["mark"])
                    for document in self._cluster.client.mget(**request)["docs"]
                    if document.get("found")
                }
                versions = {
                    id_: shown for id_, shown in versions.items() if id_ not in equal or stored.get(id_) == shown
                }
            for id_ in versions:
                del unseen[id_]
            if unseen.keys().isdisjoint(ids):
                continue
            if time.monotonic() > until:
                raise EngineUnavailableError(
                    f"{CLUSTER_NAME} does not show writes of {MAX_UNSEEN_SECONDS:g} s ago. Nothing is lost: "
                    "the next run repeats them."
                )
            self._sleep(UNSEEN_PAUSE_SECONDS)

    def wait_until_gone(self, name: str, deletions: Iterable[ItemDeletion]) -> None:
        """Wait until searches do not see deleted items any more, or see newer ones."""
        until = time.monotonic() + MAX_UNSEEN_SECONDS
        waiting = {deletion.id: deletion.seq for deletion in deletions}
        while waiting:
            ids = list(islice(waiting, _AWAITED_PER_SEARCH))
            hits = self._cluster.client.search(body=seen_body(ids), index=name)["hits"]["hits"]
            seen = {hit["_id"] for hit in hits if hit["fields"]["seq"][0] <= waiting[hit["_id"]]}
            for id_ in ids:
                if id_ not in seen:
                    del waiting[id_]
            if not seen:
                continue
            if time.monotonic() > until:
                raise EngineUnavailableError(f"{CLUSTER_NAME} still shows deleted items. Try again later.")
            self._sleep(UNSEEN_PAUSE_SECONDS)


def _next_chunk(operations: Iterator[Operation]) -> list[Operation]:
    """Return the next operations, at most `MAX_CHUNK_ITEMS`, that fill about one request; empty at the end."""
    chunk: list[Operation] = []
    characters = 0
    while len(chunk) < MAX_CHUNK_ITEMS and characters < MAX_CHUNK_BYTES:
        operation = next(operations, None)
        if operation is None:
            break
        chunk.append(operation)
        characters += len(operation[1] or "")
    return chunk


def _is_fault_of_item(answer: _Json) -> bool:
    """Return whether the document itself is why it was not written: it is too large, or cannot be read by the mapping."""
    if answer.get("status") == _TOO_LARGE:
        return True
    error = getattr(answer.get("exception"), "error", None) or answer.get("error") or {}
    if isinstance(error, str):
        return error in _FAULTS_OF_ITEMS
    types = {error.get("type"), (error.get("caused_by") or {}).get("type")}
    return answer.get("status") == _BAD_REQUEST and not types.isdisjoint(_FAULTS_OF_ITEMS)


def reason_of(answer: _Json) -> str:
    """Return the reason of a failure in an answer of the cluster, at most 200 characters."""
    error = answer.get("error") or {}
    if isinstance(error, str):
        return error[:200]
    cause = error.get("caused_by") or {}
    return f"{error.get('type', 'error')}: {cause.get('reason') or error.get('reason', '')}"[:200]
