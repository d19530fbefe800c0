"""Writing to a cluster in bulk: documents come in as operations, what became of each goes out.

Chunks are bounded, what a busy cluster rejects is sent again with pauses, one document that spoils a request is found and
refused, and in a Serverless collection a write ends when searches see it.
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
from newswire.engines.opensearch.client import BUSY, NAMED, Cluster, pauses
from newswire.errors import EngineUnavailableError
from newswire.model import ItemWrite, RefusedItem

CHUNK_BYTES = 5 * 1024 * 1024
"""Of one bulk request: AWS allows 10 MiB on its smallest nodes, and advises 3 to 5 MiB to begin with."""
CHUNK_ITEMS = 500
RETRIES = 6
"""After so many pauses, about 20 s in all, a cluster that is still busy is one that does not answer."""
SEEN_WITHIN_S = 60.0
"""So long a Serverless collection may take to show what was written; AWS says about 10 s."""
SEEN_PAUSE_S = 0.25
_SEEN_LAST = 10_000
_SEEN_PAGE = 1_000
_CONFLICT = 409
_SPOILED = frozenset({400, 413})
_MARKS = 1 << 31

_Json = dict[str, Any]
Line = tuple[_Json, str | None]
"""An operation of a bulk request and its document, which is JSON already; None for a deletion."""


class BulkResult:
    """What came of the writes of one call."""

    def __init__(self) -> None:
        self.mark = secrets.randbelow(_MARKS)
        self.written = 0
        self.outdated = 0
        self.refused: list[RefusedItem] = []
        self.numbers: dict[str, int] = {}
        """Of each document that was sent; the last come last."""

    def refuse(self, line: Line, said: _Json) -> None:
        """Note why a document was not taken; a lower number than the one that is there is nothing to worry about."""
        if said.get("status") == _CONFLICT:
            self.outdated += 1
        elif "index" in line[0]:
            self._refuse(line[0]["index"]["_id"], reason_of(said))

    def _refuse(self, id_: str, reason: str) -> None:
        self.refused.append(RefusedItem(id_, reason))
        self.numbers.pop(id_, None)

    def lines(self, writes: Iterable[ItemWrite]) -> Iterator[Line]:
        """Make the operations of the writes; one whose document can't be JSON is refused here."""
        for write in writes:
            try:
                yield self.line(write.item.id, write.seq, document_of(write, self.mark))
            except (ValueError, TypeError, OverflowError) as error:
                self._refuse(write.item.id, f"{type(error).__name__}: {str(error)[:200]}")

    def line(self, id_: str, number: int, document: _Json) -> Line:
        """Make the operation of one document, which does not overwrite one with a higher number."""
        text = msgspec.json.encode(document).decode()
        self.numbers[id_] = max(self.numbers.pop(id_, 0), number)
        return {"index": {"_id": id_, "version": number, "version_type": "external_gte"}}, text


class Bulk:
    """Writes operations to an index of a cluster; `sleep` takes seconds."""

    def __init__(self, cluster: Cluster, sleep: Callable[[float], object]) -> None:
        self._cluster = cluster
        self._sleep = sleep

    def send_all(self, name: str, lines: Iterator[Line], sent: BulkResult) -> None:
        """Send chunk after chunk, each while the next is made: the cluster and we are busy at the same time."""
        with ThreadPoolExecutor(1, thread_name_prefix="bulk") as thread:
            sending: Future[None] | None = None
            while chunk := list(islice(lines, CHUNK_ITEMS)):
                if sending is not None:
                    sending.result()
                sending = thread.submit(self.send, name, chunk, sent)
            if sending is not None:
                sending.result()

    def send(self, name: str, lines: list[Line], sent: BulkResult) -> None:
        """Send one chunk, and again what the cluster was too busy for, each time after a pause.

        A request that is refused whole is sent in halves until the one that spoils it stands alone, and is refused. A
        cluster that does not answer is an error: what was sent may have been written, and comes again with the rest.
        """
        waits = pauses(RETRIES)
        while lines:
            busy: list[Line] = []
            spoiled: list[Line] = []
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
            self.send(name, spoiled[:middle], sent)
            self.send(name, spoiled[middle:], sent)
            if busy and not self._paused(waits):
                raise EngineUnavailableError(f"{NAMED} did not take what was written: it is full or down.")
            lines = busy

    def _paused(self, waits: Iterator[float]) -> bool:
        """Wait for the next of the pauses; False when there is none left."""
        for pause in waits:
            self._sleep(pause)
            return True
        return False

    def _streamed(self, name: str, lines: list[Line]) -> Iterator[tuple[bool, _Json]]:
        answers: Iterator[tuple[bool, _Json]] = streaming_bulk(
            self._cluster.client,
            lines,
            expand_action_callback=lambda line: line,
            chunk_size=CHUNK_ITEMS,
            max_chunk_bytes=CHUNK_BYTES,
            raise_on_error=False,
            raise_on_exception=False,
            index=name,
        )
        return answers

    def wait_until_seen(self, name: str, sent: BulkResult) -> None:
        """Wait until searches see what was sent, or something newer.

        The last ones are enough, since a shard shows its writes in their order, and 10,000 of them lie on every shard.
        """
        until = time.monotonic() + SEEN_WITHIN_S
        unseen = dict(islice(reversed(sent.numbers.items()), _SEEN_LAST))
        while unseen:
            some = list(islice(unseen, _SEEN_PAGE))
            seen: dict[str, tuple[int, int]] = {}
            for hit in self._cluster.client.search(body=seen_body(some), index=name)["hits"]["hits"]:
                (number,), (mark,) = hit["fields"]["seq"], hit["fields"]["mark"]
                if number >= unseen[hit["_id"]]:
                    seen[hit["_id"]] = (number, mark)
            equal = [id_ for id_, (number, mark) in seen.items() if number == unseen[id_] and mark != sent.mark]
            if equal:  # older than ours, or another writer's that has replaced ours: what is kept tells
                kept = self._cluster.client.mget(body={"ids": equal}, index=name, _source_includes=["seq", "mark"])[
                    "docs"
                ]
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
            self._sleep(SEEN_PAUSE_S)


def reason_of(said: _Json) -> str:
    """Say in short why a cluster did not do what it was asked."""
    error = said.get("error") or {}
    if isinstance(error, str):
        return error[:200]
    cause = error.get("caused_by") or {}
    return f"{error.get('type', 'error')}: {cause.get('reason') or error.get('reason', '')}"[:200]
