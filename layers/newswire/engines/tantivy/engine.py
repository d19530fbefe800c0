"""The embedded engine: one tantivy index per generation, each in its folder, and a SQLite file of feed statuses.

The fields hold tokens of `analysis.py` separated by white space, so tantivy adds no language rules.
"""

from __future__ import annotations

import os
import re
import shutil
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from itertools import chain
from pathlib import Path
from typing import Any

import msgspec
import tantivy
from tantivy import Query

from newswire import analysis
from newswire.clock import Instant
from newswire.engines import (
    FIRST_GENERATION,
    EngineInfo,
    Facet,
    Hit,
    SearchPage,
    StatusPage,
    new_identity,
)
from newswire.engines.coverage import CoverageQuery, FeedCoverage
from newswire.engines.query import SearchQuery
from newswire.engines.refusals import refuse_item
from newswire.engines.tantivy.counting import NO_COUNTS, bucket_count, make_counter, run_in_thread
from newswire.engines.tantivy.faults import damaged_file, translate_errors, with_errors_of_writes
from newswire.engines.tantivy.fields import SCHEMA, document_of, fields, item_at
from newswire.engines.tantivy.open_index import OpenIndex, stamp_of
from newswire.engines.tantivy.queries import count_leaves, translate
from newswire.engines.tantivy.ranking import MAX_NARROW_LEAVES, page_by_date, page_by_relevance
from newswire.engines.tantivy.status_board import StatusBoardFile
from newswire.errors import DataError, EngineUnavailableError, IndexOutdatedError, IndexSchemaError
from newswire.feed_status import State
from newswire.model import (
    FeedStatus,
    IndexIdentity,
    IndexReport,
    Item,
    ItemDeletion,
    ItemWrite,
    RefusedItem,
    Withdrawal,
)
from newswire.storage.data_folder import translate_os_errors
from newswire.storage.file_lock import FileLock
from newswire.storage.small_file import replace_file

_MEGABYTE = 1_000_000
_REOPEN_PAUSES_SECONDS = (0.0, 0.01, 0.05, 0.2, None)
"""Pauses between tries to open an index that another process is changing; None is the last try."""

_SUSPECT = "suspect"
"""The file of a generation in which tantivy met a fault: its checksums are compared before it is written to again."""


class TantivyEngine:
    """`SearchEngine` in a folder of this machine. It waits at most `wait_s` seconds for the write lock."""

    def __init__(self, folder: Path, *, threads: int = 1, heap_mb: int = 64, wait_s: float = 120) -> None:
        self._folder = folder
        self._current = str(folder / "current")
        self._threads = threads
        self._heap = heap_mb * _MEGABYTE
        self._wait_s = wait_s
        self._open_index: OpenIndex | None = None
        self._guard = threading.Lock()
        self._board = StatusBoardFile(folder / "status.sqlite")

    def setup(self) -> None:
        with self._write_section("making the index"):
            self._ensure(self.generation())

    # --- writing ---

    def index(self, writes: Iterable[ItemWrite], generation: int) -> IndexReport:
        return with_errors_of_writes(lambda checked: self._index(checked, generation), writes)

    def _index(self, writes: Iterator[ItemWrite], generation: int) -> IndexReport:
        first = next(writes, None)
        if first is None:
            return IndexReport()
        with self._write_section(f"indexing into generation {generation}"):
            index = self._ensure(generation)
            searcher = index.searcher()
            writer = index.writer(self._heap, self._threads)
            pending: dict[str, int] = {}
            written = outdated = 0
            refused: list[RefusedItem] = []
            try:
                for write in chain((first,), writes):
                    id_ = write.item.id
                    seq = pending.get(id_)
                    if seq is None and searcher.doc_freq("id", id_):
                        seq = self._indexed_seq(searcher, id_)
                    if seq is not None and seq > write.seq:
                        outdated += 1
                        continue
                    try:
                        document = document_of(write)
                    except Exception as error:  # noqa: BLE001 - logged; the other items are written
                        refused.append(refuse_item(id_, error))
                        continue
                    if seq is not None:
                        writer.delete_documents_by_term("id", id_)
                    writer.add_document(document)
                    pending[id_] = write.seq
                    written += 1
                writer.commit()
            except BaseException:
                writer.rollback()
                raise
            finally:
                writer.wait_merging_threads()
        return IndexReport(written, outdated, tuple(refused))

    def delete_feed(self, feed: str, generation: int) -> None:
        with self._write_section(f"deleting the items of {feed}"):
            if generation not in self.generations():
                return
            writer = self._ensure(generation).writer(self._heap, self._threads)
            writer.delete_documents_by_term("feed", analysis.fold_whole(feed))
            writer.commit()
            writer.wait_merging_threads()

    def delete_items(self, deletions: Iterable[ItemDeletion], generation: int) -> None:
        with self._write_section(f"deleting items of generation {generation}"):
            if generation not in self.generations():
                return
            index = self._ensure(generation)
            searcher, writer = index.searcher(), index.writer(self._heap, self._threads)
            for deletion in deletions:
                seq = self._indexed_seq(searcher, deletion.id)
                if seq is not None and seq <= deletion.seq:
                    writer.delete_documents_by_term("id", deletion.id)
            writer.commit()
            writer.wait_merging_threads()

    def refresh(self) -> None:
        with suppress(IndexSchemaError):  # such an index serves no search, and a reindex may replace it soon
            self.get(())  # every read opens the newest state of the folder

    def publish(self, statuses: Iterable[FeedStatus]) -> None:
        self._board.publish(statuses)

    def publish_withdrawals(self, withdrawals: Iterable[Withdrawal]) -> None:
        self._board.publish_withdrawals(withdrawals)

    @contextmanager
    def _write_section(self, doing: str) -> Iterator[None]:
        """Hold the write lock. tantivy alone would refuse a second writer at once, without a wait."""
        lock = FileLock(self._folder / "write.lock")
        lock.take(self._wait_s, doing)
        try:
            with translate_errors(self._folder):
                yield
        except EngineUnavailableError:
            self._suspect()
            raise
        finally:
            lock.free()

    def _ensure(self, generation: int) -> Any:
        """Open a generation for writing; create it if it does not exist.

        Searches see the first generation at once. They see any other only after a swap, since a reindex fills it.
        """
        folder = self._folder_of(generation)
        with translate_os_errors(folder):
            if not (folder / "schema").exists():
                shutil.rmtree(folder, ignore_errors=True)  # a process died while it created this folder
                folder.mkdir(parents=True)
                tantivy.Index(fields(), str(folder))
                replace_file(folder / "identity", new_identity())
                replace_file(folder / "schema", str(SCHEMA))
            self._check_schema(folder)
            if generation == FIRST_GENERATION and not (self._folder / "current").exists():
                replace_file(self._folder / "current", str(generation))
        return tantivy.Index(fields(), str(folder))

    def _indexed_seq(self, searcher: Any, id_: str) -> int | None:
        hits = searcher.search(Query.term_query(fields(), "id", id_, "basic"), 1, count=False).hits
        if not hits:
            return None
        return int(searcher.fast_field_values("seq", [hits[0][1]])[0])

    # --- generations ---

    def generation(self) -> int:
        with translate_os_errors(self._folder):
            try:
                return int((self._folder / "current").read_text("ascii"))
            except FileNotFoundError:
                return FIRST_GENERATION

    def generations(self) -> list[int]:
        with translate_os_errors(self._folder):
            if not self._folder.is_dir():
                return []
            names = [entry.name for entry in os.scandir(self._folder) if entry.is_dir() and entry.name.startswith("g")]
        return sorted(int(name[1:]) for name in names if (self._folder / name / "schema").exists())

    def swap(self, generation: int) -> None:
        with self._write_section(f"swapping in generation {generation}"), translate_os_errors(self._folder):
            self._ensure(generation)
            replace_file(self._folder / "current", str(generation))

    def drop(self, generation: int) -> None:
        if generation == self.generation():
            msg = f"Generation {generation} serves searches and is not dropped. Swap in another generation first."
            raise ValueError(msg)
        with self._write_section(f"dropping generation {generation}"), translate_os_errors(self._folder):
            folder = self._folder_of(generation)
            (folder / "schema").unlink(missing_ok=True)
            if folder.is_dir():
                shutil.rmtree(folder)

    def identity(self, generation: int) -> IndexIdentity | None:
        folder = self._folder_of(generation)
        with translate_os_errors(folder):
            if not (folder / "schema").exists():
                return None
            if (folder / _SUSPECT).exists():
                if name := damaged_file(folder):
                    return IndexIdentity(f"damaged in {name}", 0)
                (folder / _SUSPECT).unlink(missing_ok=True)
            try:
                id_ = (folder / "identity").read_text("ascii", "replace")
            except FileNotFoundError:
                id_ = ""
            return IndexIdentity(id_, _opstamp_of(folder / "meta.json"))

    def give_identity(self, generation: int) -> IndexIdentity:
        with self._write_section(f"naming the index of generation {generation}"):
            self._ensure(generation)
            folder = self._folder_of(generation)
            if not (folder / "identity").exists():
                replace_file(folder / "identity", new_identity())
        identity = self.identity(generation)
        return identity or IndexIdentity("", 0)

    def reset(self, generation: int) -> IndexIdentity:
        with self._write_section(f"rebuilding generation {generation}"), translate_os_errors(self._folder):
            folder = self._folder_of(generation)
            (folder / "schema").unlink(missing_ok=True)
            with self._guard:
                self._open_index = None
            self._ensure(generation)
        return self.give_identity(generation)

    def _suspect(self) -> None:
        """Note that the current generation may be damaged, so that the next look at its identity checks its files."""
        with suppress(OSError, EngineUnavailableError, DataError):
            folder = self._folder_of(self.generation())
            if (folder / "schema").exists():
                (folder / _SUSPECT).touch()
        with self._guard:
            self._open_index = None

    def count(self, generation: int) -> int:
        if generation not in self.generations():
            return 0
        with translate_errors(self._folder):
            return int(tantivy.Index.open(str(self._folder_of(generation))).searcher().num_docs)

    # --- reading ---

    def search(self, query: SearchQuery) -> SearchPage:
        page, count = self._search_items(query)
        if query.coverage is None:
            return page
        return msgspec.structs.replace(page, coverage=self._coverage(query.coverage, count))

    def _search_items(self, query: SearchQuery) -> tuple[SearchPage, int]:
        """Return the page without statuses, and the number of all items of the index."""
        with self._reading() as opened:
            if opened is None:
                facets = tuple(Facet(facet.field, (), 0, 0, exact=True) for facet in query.facets)
                return SearchPage((), 0, None, facets, (0,) * bucket_count(query)), 0
            searcher = opened.searcher
            every = int(searcher.num_docs)
            version = f"{opened.generation}-{opened.stamp[0]:x}-{opened.stamp[1]:x}"
            count = make_counter(searcher, query)
            if not query.size and count is not None:
                counts = count()
                return SearchPage((), counts.total, None, counts.facets, counts.histogram, version), every
            with run_in_thread(count if count_leaves(query.node) > MAX_NARROW_LEAVES else None) as wait_for_counts:
                if query.sort == "relevance":
                    hits, total, next_page = page_by_relevance(searcher, opened.published, query)
                else:
                    hits, total, next_page = page_by_date(searcher, translate(query), query)
            take_counts = wait_for_counts or count
            counts = NO_COUNTS if take_counts is None else take_counts()
            page = SearchPage(
                hits=tuple(
                    Hit(item_at(searcher, address, with_content=query.with_content), score) for address, score in hits
                ),
                total=total,
                next=next_page,
                facets=counts.facets,
                histogram=counts.histogram,
                version=version,
            )
            return page, every

    def get(self, ids: Iterable[str]) -> dict[str, Item]:
        items = {}
        with self._reading() as opened:
            if opened is None:
                return {}
            for id_ in ids:
                query = Query.term_query(fields(), "id", id_, "basic")
                for _score, address in opened.searcher.search(query, 1, count=False).hits:
                    items[id_] = item_at(opened.searcher, address, with_content=True)
        return items

    def span(self, query: SearchQuery) -> tuple[Instant, Instant] | None:
        with self._reading() as opened:
            if opened is None:
                return None
            ends = {"first": {"min": {"field": query.date_field}}, "last": {"max": {"field": query.date_field}}}
            answer = opened.searcher.aggregate(translate(query), ends)
            first, last = answer["first"]["value"], answer["last"]["value"]
            return None if first is None else (int(first), int(last))

    def statuses(self, feeds: Iterable[str] | None = None) -> list[FeedStatus]:
        return self._board.statuses(feeds)

    def withdrawal(self, item_id: str) -> Withdrawal | None:
        return self._board.withdrawal(item_id)

    def status_page(
        self, after: str, size: int, state: State | None = None, now: Instant = 0, grace_s: int = 0
    ) -> StatusPage:
        statuses, total = self._board.page(after, size, state, now, grace_s)
        return StatusPage(tuple(statuses), total)

    def coverage(self, query: CoverageQuery) -> FeedCoverage:
        return self._coverage(query, self.count(self.generation()))

    def _coverage(self, query: CoverageQuery, count: int) -> FeedCoverage:
        """Return a coverage; `count` is the number of items that the index had just before."""
        coverage, expected = self._board.coverage(query)
        if expected > count:  # they may have been written between the two looks
            count = self.count(self.generation())
        return msgspec.structs.replace(coverage, missing=max(expected - count, 0))

    def info(self) -> EngineInfo:
        version = _bare_version(str(getattr(tantivy, "__version__", "")))
        try:
            self.get(())
        except Exception:  # noqa: BLE001 - any failure means unhealthy
            return EngineInfo("tantivy", version, healthy=False, schema=SCHEMA)
        return EngineInfo("tantivy", version, healthy=True, schema=SCHEMA)

    def close(self) -> None:
        with self._guard:
            self._open_index = None
        self._board.close()

    @contextmanager
    def _reading(self) -> Iterator[OpenIndex | None]:
        """Yield the current generation in its newest state; None before the first item."""
        try:
            with translate_errors(self._folder):
                yield self._open_current()
        except EngineUnavailableError:
            self._suspect()
            raise

    def _open_current(self) -> OpenIndex | None:
        """Return the open index, or open the current generation if it has changed.

        Meanwhile another process may swap and drop a generation, or merge segments away. So a failure is repeated before
        it counts.
        """
        with self._guard:
            opened = self._open_index
            if (
                opened is not None
                and opened.current == stamp_of(self._current)
                and opened.stamp == stamp_of(opened.meta)
            ):
                return opened
            for pause in _REOPEN_PAUSES_SECONDS:
                try:
                    return self._open_once()
                except (ValueError, OSError, IndexSchemaError):
                    self._open_index = None
                    if pause is None:
                        raise
                    time.sleep(pause)
        raise AssertionError  # the last try returns or raises

    def _open_once(self) -> OpenIndex | None:
        current = stamp_of(self._current)  # read first, so that the next search notices a swap during this one
        generation = self.generation()
        folder = self._folder_of(generation)
        meta = str(folder / "meta.json")
        if stamp_of(meta) == stamp_of(self._current) == (0, 0):
            return None  # no generation exists
        if (
            not folder.exists() and self.generation() == generation
        ):  # else another process has just swapped and dropped it
            self._open_index = None
            return None
        opened, stamp = self._open_index, stamp_of(meta)
        if opened is not None and opened.generation == generation:
            if opened.stamp != stamp:
                opened.index.reload()
            index = opened.index
        else:
            self._check_schema(folder)
            index = tantivy.Index.open(str(folder))
            index.config_reader("manual")
            index.reload()
        self._open_index = OpenIndex(generation, index, current, meta, stamp)
        return self._open_index

    def _check_schema(self, folder: Path) -> None:
        """Raise `IndexOutdatedError` for an older schema, `IndexSchemaError` for a newer one."""
        text = (folder / "schema").read_text("ascii", "replace") if (folder / "schema").exists() else "0"
        if text == str(SCHEMA):
            return
        what = f"The index in {folder} has schema {text[:20]}; this version of newswire reads schema {SCHEMA}."
        if text.isdigit() and int(text) < SCHEMA:
            raise IndexOutdatedError(f"{what} Run `newswire reindex` to rebuild it from the archive.")
        raise IndexSchemaError(f"{what} Update newswire, or set NEWSWIRE_DATA to another folder.")

    def _folder_of(self, generation: int) -> Path:
        return self._folder / f"g{generation:06d}"


def _opstamp_of(meta: Path) -> int:
    """Return the number of tantivy's last operation in an index: an older copy has a lower one. 0 if it cannot be read."""
    try:
        return int(msgspec.json.decode(meta.read_bytes())["opstamp"])
    except (OSError, msgspec.MsgspecError, KeyError, TypeError, ValueError):
        return 0


def _bare_version(text: str) -> str:
    """Return "0.27.0, index format 7" for the "tantivy v0.27.0, index_format v7" of tantivy-py; other text unchanged."""
    match = re.fullmatch(r"tantivy v([\d.]+), index_format v(\d+)", text)
    return f"{match[1]}, index format {match[2]}" if match else text
