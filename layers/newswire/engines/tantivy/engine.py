"""The embedded engine: one tantivy index for each generation, in folders, with feed statuses in a SQLite file beside.

tantivy knows nothing of language here: its fields hold tokens from `analysis.py` with white space between.
"""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec
import tantivy
from tantivy import Order, Query

from newswire import analysis
from newswire.clock import Instant
from newswire.engines import (
    FIRST_GENERATION,
    EngineInfo,
    Facet,
    FacetValue,
    Hit,
    SearchPage,
)
from newswire.engines.fields import SPELLING_SEPARATOR
from newswire.engines.query import FacetQuery, SearchQuery, named_feeds
from newswire.engines.tantivy.fields import SCHEMA, document_of, fields, item_at
from newswire.engines.tantivy.queries import leaves, matching
from newswire.engines.tantivy.ranking import WIDE, by_date, by_relevance
from newswire.errors import EngineUnavailableError, IndexOutdatedError, IndexSchemaError
from newswire.model import FeedStatus, IndexReport, Item, ItemWrite, RefusedItem
from newswire.storage.data_folder import FileLock, translate_os_errors
from newswire.storage.sqlite_file import SqliteFile

_MISSING = "\x1e"
_MEGABYTE = 1_000_000
_ALL_VALUES = 1_000_000

_status_out = msgspec.json.Encoder()
_status_in = msgspec.json.Decoder(FeedStatus)


_Stamp = tuple[int, int]


def _stamp(path: str) -> _Stamp:
    """Name the state of a file that is replaced whole; all zeros where it is not there."""
    try:
        stat = os.stat(path)  # noqa: PTH116 - looked at twice for each answer; a Path would take as long as the look
    except FileNotFoundError:
        return 0, 0
    return stat.st_mtime_ns, stat.st_ino


class _Open:
    """An index that is open for reading, as it stood when its files had this stamp."""

    def __init__(self, generation: int, index: Any, current: _Stamp, meta: str, stamp: _Stamp) -> None:
        self.generation = generation
        self.index = index
        self.current = current
        """Of the file that says which generation is the current one."""
        self.meta = meta
        self.searcher = index.searcher()
        self.stamp = stamp
        """Of the index's own file at `meta`, which each commit replaces."""

    @cached_property
    def published(self) -> tuple[Instant, Instant] | None:
        """The earliest and the latest publication in the index; None where it is empty."""
        ends = []
        for order in (Order.Asc, Order.Desc):
            found = self.searcher.search(Query.all_query(), 1, count=False, order_by_field="published", order=order)
            ends += [at for at, _address in found.hits]
        return (ends[0], ends[1]) if ends else None


class _Counts(msgspec.Struct, frozen=True):
    """What is counted over all that is found."""

    total: int
    facets: tuple[Facet, ...] = ()
    histogram: tuple[int, ...] = ()


_NO_COUNTS = _Counts(0)


class TantivyEngine:
    """`SearchEngine` in a folder of this machine."""

    def __init__(self, folder: Path, *, threads: int = 1, heap_mb: int = 64, wait_s: float = 120) -> None:
        self._folder = folder
        self._current = str(folder / "current")
        self._threads = threads
        self._heap = heap_mb * _MEGABYTE
        self._wait_s = wait_s
        self._open: _Open | None = None
        self._guard = threading.Lock()
        self._status = SqliteFile(
            folder / "status.sqlite",
            "CREATE TABLE IF NOT EXISTS statuses (id TEXT PRIMARY KEY, rev INTEGER NOT NULL, status BLOB) WITHOUT ROWID;"
            "CREATE TABLE changes (count INTEGER NOT NULL); INSERT INTO changes VALUES (0)",
            version=2,
        )
        self._published: tuple[int, list[FeedStatus]] = (-1, [])

    def setup(self) -> None:
        with self._write_section("making the index"):
            self._made(self.generation())

    # --- writing ---

    def index(self, writes: Iterable[ItemWrite], generation: int) -> IndexReport:
        writes = iter(writes)
        first = next(writes, None)
        if first is None:
            return IndexReport()
        with self._write_section(f"indexing into generation {generation}"):
            index = self._made(generation)
            searcher = index.searcher()
            writer = index.writer(self._heap, self._threads)
            pending: dict[str, int] = {}
            written = outdated = 0
            refused: list[RefusedItem] = []
            try:
                for write in _chain(first, writes):
                    id_ = write.item.id
                    kept = pending.get(id_)
                    if kept is None and searcher.doc_freq("id", id_):
                        kept = self._kept_seq(searcher, id_)
                    if kept is not None and kept > write.seq:
                        outdated += 1
                        continue
                    try:
                        document = document_of(write)
                    except (ValueError, TypeError, OverflowError) as error:
                        refused.append(RefusedItem(id_, f"{type(error).__name__}: {str(error)[:200]}"))
                        continue
                    if kept is not None:
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
            writer = self._made(generation).writer(self._heap, self._threads)
            writer.delete_documents_by_term("feed", analysis.fold_whole(feed))
            writer.commit()
            writer.wait_merging_threads()

    def refresh(self) -> None:
        with suppress(IndexSchemaError):  # such an index serves no search, and a reindex may be about to replace it
            self.get(())  # every look at the folder brings what is open level with it

    def publish(self, statuses: Iterable[FeedStatus]) -> None:
        with self._status.writing() as cursor:
            cursor.executemany(
                "INSERT INTO statuses VALUES (?, ?, ?) ON CONFLICT DO UPDATE"
                " SET rev = excluded.rev, status = excluded.status WHERE excluded.rev >= rev",
                ((one.id, one.rev, None if one.deleted else _status_out.encode(one)) for one in statuses),
            )
            cursor.execute("UPDATE changes SET count = count + 1")

    @contextmanager
    def _write_section(self, doing: str) -> Iterator[None]:
        """Hold the one write lock: tantivy itself refuses a second writer at once, instead of letting it wait."""
        lock = FileLock(self._folder / "write.lock")
        lock.take(self._wait_s, doing)
        try:
            with _translated(self._folder):
                yield
        finally:
            lock.free()

    def _made(self, generation: int) -> Any:
        """Open a generation for writing, made first where it is not there.

        The first generation is seen by searches at once; any other one only after a swap, since a reindex fills it.
        """
        folder = self._place(generation)
        with translate_os_errors(folder):
            if not (folder / "schema").exists():
                shutil.rmtree(folder, ignore_errors=True)  # one that was begun by a process that died
                folder.mkdir(parents=True)
                tantivy.Index(fields(), str(folder))
                _write_whole(folder / "schema", str(SCHEMA))
            self._check_schema(folder)
            if generation == FIRST_GENERATION and not (self._folder / "current").exists():
                _write_whole(self._folder / "current", str(generation))
        return tantivy.Index(fields(), str(folder))

    def _kept_seq(self, searcher: Any, id_: str) -> int | None:
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
            self._made(generation)
            _write_whole(self._folder / "current", str(generation))

    def drop(self, generation: int) -> None:
        if generation == self.generation():
            msg = f"Generation {generation} is the one that searches see; it is not dropped."
            raise ValueError(msg)
        with self._write_section(f"dropping generation {generation}"), translate_os_errors(self._folder):
            folder = self._place(generation)
            (folder / "schema").unlink(missing_ok=True)
            if folder.is_dir():
                shutil.rmtree(folder)

    def count(self, generation: int) -> int:
        if generation not in self.generations():
            return 0
        with _translated(self._folder):
            return int(tantivy.Index.open(str(self._place(generation))).searcher().num_docs)

    # --- reading ---

    def search(self, query: SearchQuery) -> SearchPage:
        page = self._searched(query)
        if not query.with_statuses:
            return page
        return msgspec.structs.replace(page, statuses=tuple(self.statuses(named_feeds(query))))

    def _searched(self, query: SearchQuery) -> SearchPage:
        with self._reading() as opened:
            if opened is None:
                return SearchPage((), 0, None, tuple(_no_facet(one) for one in query.facets), (0,) * _buckets(query))
            searcher = opened.searcher
            version = f"{opened.generation}-{opened.stamp[0]:x}-{opened.stamp[1]:x}"
            counting = self._counting(searcher, query)
            if not query.size and counting is not None:
                counts = counting()
                return SearchPage((), counts.total, None, counts.facets, counts.histogram, version)
            with _beside(counting if leaves(query.node) > WIDE else None) as begun:
                if query.sort == "relevance":
                    hits, total, following = by_relevance(searcher, opened.published, query)
                else:
                    hits, total, following = by_date(searcher, matching(query), query)
            counts = begun() if begun is not None else counting() if counting is not None else _NO_COUNTS
            found = tuple(
                Hit(item_at(searcher, address, with_content=query.with_content), score) for address, score in hits
            )
            return SearchPage(
                hits=found,
                total=total,
                next=following,
                facets=counts.facets,
                histogram=counts.histogram,
                version=version,
            )

    def get(self, ids: Iterable[str]) -> dict[str, Item]:
        found = {}
        with self._reading() as opened:
            if opened is None:
                return {}
            for id_ in ids:
                query = Query.term_query(fields(), "id", id_, "basic")
                for _score, address in opened.searcher.search(query, 1, count=False).hits:
                    found[id_] = item_at(opened.searcher, address, with_content=True)
        return found

    def span(self, query: SearchQuery) -> tuple[Instant, Instant] | None:
        with self._reading() as opened:
            if opened is None:
                return None
            ends = {"first": {"min": {"field": query.date_field}}, "last": {"max": {"field": query.date_field}}}
            answer = opened.searcher.aggregate(matching(query), ends)
            first, last = answer["first"]["value"], answer["last"]["value"]
            return None if first is None else (int(first), int(last))

    def statuses(self, feeds: Iterable[str] | None = None) -> list[FeedStatus]:
        every = self._every_status()
        if feeds is None:
            return every
        wanted = set(feeds)
        return [status for status in every if status.id in wanted]

    def _every_status(self) -> list[FeedStatus]:
        """Give all statuses, decoded again only when some were published: every answer looks at them all."""
        count = int(self._status.rows("SELECT count FROM changes")[0][0])
        known, found = self._published
        if known != count:
            rows = self._status.rows(
                "SELECT count, status FROM changes LEFT JOIN statuses ON status IS NOT NULL ORDER BY id"
            )
            count, found = int(rows[0][0]), [_status_in.decode(status) for _count, status in rows if status is not None]
            self._published = (count, found)
        return list(found)

    def info(self) -> EngineInfo:
        version = str(getattr(tantivy, "__version__", ""))
        try:
            self.get(())
        except Exception:  # noqa: BLE001 - the question is whether it is well
            return EngineInfo("tantivy", version, healthy=False, schema=SCHEMA)
        return EngineInfo("tantivy", version, healthy=True, schema=SCHEMA)

    def close(self) -> None:
        with self._guard:
            self._open = None
        self._status.close()

    @contextmanager
    def _reading(self) -> Iterator[_Open | None]:
        """Give the current generation as it stands now; None before anything was indexed."""
        with _translated(self._folder):
            yield self._opened()

    def _opened(self) -> _Open | None:
        """Open the current generation, or bring what is open level with it.

        Between two looks at the folder another process may swap and drop a generation or merge segments away, so what
        fails is tried again before it is believed.
        """
        with self._guard:
            opened = self._open
            if opened is not None and opened.current == _stamp(self._current) and opened.stamp == _stamp(opened.meta):
                return opened
            for wait in (0.0, 0.01, 0.05, 0.2, None):
                try:
                    return self._open_now()
                except (ValueError, OSError, IndexSchemaError):
                    self._open = None
                    if wait is None:
                        raise
                    time.sleep(wait)
        raise AssertionError  # the last round returns or raises

    def _open_now(self) -> _Open | None:
        current = _stamp(self._current)  # looked at first, so that a swap meanwhile is seen the next time
        generation = self.generation()
        folder = self._place(generation)
        meta = str(folder / "meta.json")
        if _stamp(meta) == _stamp(self._current) == (0, 0):
            return None  # nothing was indexed yet
        opened, stamp = self._open, _stamp(meta)
        if opened is not None and opened.generation == generation:
            if opened.stamp != stamp:
                opened.index.reload()
            index = opened.index
        else:
            self._check_schema(folder)
            index = tantivy.Index.open(str(folder))
            index.config_reader("manual")
            index.reload()
        self._open = _Open(generation, index, current, meta, stamp)
        return self._open

    def _check_schema(self, folder: Path) -> None:
        """Read only what this code wrote: `IndexOutdatedError` for an older schema, `IndexSchemaError` for a newer one."""
        text = (folder / "schema").read_text("ascii", "replace") if (folder / "schema").exists() else "0"
        if text == str(SCHEMA):
            return
        what = f"The index in {folder} has schema {text[:20]}, and this newswire reads schema {SCHEMA}: "
        if text.isdigit() and int(text) < SCHEMA:
            raise IndexOutdatedError(f"{what}`newswire reindex` builds it anew from the archive.")
        raise IndexSchemaError(f"{what}update newswire, or set NEWSWIRE_DATA to another folder.")

    def _place(self, generation: int) -> Path:
        return self._folder / f"g{generation:06d}"

    # --- counts ---

    def _counting(self, searcher: Any, query: SearchQuery) -> Callable[[], _Counts] | None:
        """Give what counts facets and histogram, all in one pass over what is found; None where nothing is counted."""
        asked: dict[str, Any] = {
            one.field: {"terms": {"field": f"{one.field}_label", "size": _ALL_VALUES, "missing": _MISSING}}
            for one in query.facets
        }
        if _buckets(query):
            ranges = [{"from": low, "to": high} for low, high in zip(query.edges, query.edges[1:], strict=False)]
            asked["buckets"] = {"range": {"field": query.date_field, "ranges": ranges}}
        if not asked:
            return None
        asked["total"] = {"value_count": {"field": "tie"}}  # every item has one

        def count() -> _Counts:
            answer = searcher.aggregate(matching(query), asked)
            facets = tuple(_facet(answer[one.field]["buckets"], one) for one in query.facets)
            total = int(answer["total"]["value"])
            if not _buckets(query):
                return _Counts(total, facets)
            found = answer["buckets"]["buckets"]
            counts = {bucket.get("from"): int(bucket["doc_count"]) for bucket in found if "to" in bucket}
            return _Counts(total, facets, tuple(counts.get(float(low), 0) for low in query.edges[:-1]))

        return count


@contextmanager
def _beside(counting: Callable[[], _Counts] | None) -> Iterator[Callable[[], _Counts] | None]:
    """Count in a thread of its own while the hits are looked for, since tantivy lets go of the interpreter.

    For wide queries only: 128 phrases of common words are counted in 0.6 s and ranked in 0.6 s, together in 0.9 s.
    """
    if counting is None:
        yield None
        return
    with ThreadPoolExecutor(1, thread_name_prefix="count") as thread:
        yield thread.submit(counting).result


def _facet(buckets: Iterable[dict[str, Any]], wanted: FacetQuery) -> Facet:
    """Put the spellings of a value together; the commonest stands for all."""
    spellings: dict[str, list[tuple[int, str]]] = {}
    missing = 0
    for bucket in buckets:
        if bucket["key"] == _MISSING:
            missing = int(bucket["doc_count"])
            continue
        folded, _, spelled = bucket["key"].partition(SPELLING_SEPARATOR)
        spellings.setdefault(folded, []).append((int(bucket["doc_count"]), spelled))
    counted = sorted(
        (-sum(count for count, _ in found), folded, min((-count, spelled) for count, spelled in found)[1])
        for folded, found in spellings.items()
    )
    listed = counted[: wanted.size]
    return Facet(
        field=wanted.field,
        values=tuple(FacetValue(spelled, -count) for count, _folded, spelled in listed),
        other=-sum(count for count, _folded, _spelled in counted[wanted.size :]),
        missing=missing,
        exact=True,
    )


def _buckets(query: SearchQuery) -> int:
    return max(len(query.edges) - 1, 0)


def _no_facet(wanted: FacetQuery) -> Facet:
    return Facet(wanted.field, (), 0, 0, exact=True)


def _chain(first: ItemWrite, rest: Iterator[ItemWrite]) -> Iterator[ItemWrite]:
    yield first
    yield from rest


def _write_whole(path: Path, text: str) -> None:
    """Write a small file so that a reader sees the old text or the new one, and a crash leaves one of them."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    with beside.open("w", encoding="ascii") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)


@contextmanager
def _translated(folder: Path) -> Iterator[None]:
    """Turn what tantivy raises about its files into our errors."""
    try:
        yield
    except (ValueError, OSError) as error:
        text = str(error)
        if "No space left" in text or "os error 28" in text:
            msg = f"The disk with {folder} is full: make room and run it again; what was there is whole."
            raise EngineUnavailableError(msg) from error
        if "code: 13" in text or "Permission denied" in text or "code: 30" in text:
            msg = f"{folder} can't be written: change its owner, or set NEWSWIRE_DATA to another folder."
            raise EngineUnavailableError(msg) from error
        msg = f"The index in {folder} can't be used ({text[:300]}): `newswire reindex` builds it anew from the archive."
        raise EngineUnavailableError(msg) from error
