"""The embedded engine: one tantivy index for each generation, in folders, with feed statuses in a SQLite file beside.

tantivy knows nothing of language here: its fields hold tokens from `words.py` with white space between.
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
from tantivy import FieldType, Occur, Order, Query

from newswire import words
from newswire.clock import Instant
from newswire.data_folder import HeldFile, explained
from newswire.engines import (
    RELEVANCE_DEPTH,
    SPELLING,
    EngineInfo,
    Facet,
    FacetValue,
    Hit,
    SearchPage,
)
from newswire.engines.tantivy_fields import SCHEMA, document_of, fields, item_at
from newswire.engines.tantivy_query import banded, leaves, matching, within
from newswire.errors import EngineUnavailableError, IndexOutdatedError, IndexSchemaError
from newswire.model import FeedStatus, IndexReport, Item, ItemWrite, RefusedItem
from newswire.query import FacetQuery, Position, RecencyBand, SearchQuery, named_feeds
from newswire.sqlite_file import SqliteFile

WIDE = 6
"""A query that scores more words than this is ranked by `_reranked`."""
RERANKED = 10_000
"""So many hits are taken there at first: 3 ms, and enough unless scores lie very close together."""
_MISSING = "\x1e"
_MEGABYTE = 1_000_000
_ALL_VALUES = 1_000_000
_NO_UPPER = 1 << 62

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
            writer.delete_documents_by_term("feed", words.fold_whole(feed))
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
        lock = HeldFile(self._folder / "write.lock")
        lock.take(self._wait_s, doing)
        try:
            with _translated(self._folder):
                yield
        finally:
            lock.free()

    def _made(self, generation: int) -> Any:
        """Open a generation for writing, made first where it is not there; the first one is seen by searches at once."""
        folder = self._place(generation)
        with explained(folder):
            if not (folder / "schema").exists():
                shutil.rmtree(folder, ignore_errors=True)  # one that was begun by a process that died
                folder.mkdir(parents=True)
                tantivy.Index(fields(), str(folder))
                _write_whole(folder / "schema", str(SCHEMA))
            self._check_schema(folder)
            if not (self._folder / "current").exists():
                _write_whole(self._folder / "current", str(generation))
        return tantivy.Index(fields(), str(folder))

    def _kept_seq(self, searcher: Any, id_: str) -> int | None:
        hits = searcher.search(Query.term_query(fields(), "id", id_, "basic"), 1, count=False).hits
        if not hits:
            return None
        return int(searcher.fast_field_values("seq", [hits[0][1]])[0])

    # --- generations ---

    def generation(self) -> int:
        with explained(self._folder):
            try:
                return int((self._folder / "current").read_text("ascii"))
            except FileNotFoundError:
                return 1

    def generations(self) -> list[int]:
        with explained(self._folder):
            if not self._folder.is_dir():
                return []
            names = [entry.name for entry in os.scandir(self._folder) if entry.is_dir() and entry.name.startswith("g")]
        return sorted(int(name[1:]) for name in names if (self._folder / name / "schema").exists())

    def swap(self, generation: int) -> None:
        with self._write_section(f"swapping in generation {generation}"), explained(self._folder):
            self._made(generation)
            _write_whole(self._folder / "current", str(generation))

    def drop(self, generation: int) -> None:
        if generation == self.generation():
            msg = f"Generation {generation} is the one that searches see; it is not dropped."
            raise ValueError(msg)
        with self._write_section(f"dropping generation {generation}"), explained(self._folder):
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
                    hits, total, following = self._by_relevance(opened, query)
                else:
                    hits, total, following = self._by_date(searcher, matching(query), query)
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

    # --- orders ---

    def _by_relevance(
        self, opened: _Open, query: SearchQuery
    ) -> tuple[list[tuple[Any, float | None]], int, Position | None]:
        offset = query.after.offset if query.after else 0
        size = max(min(query.size, RELEVANCE_DEPTH - offset), 0)
        scoring = matching(query, scored=True)
        best = None
        if query.recency and opened.published is not None:
            if leaves(query.node, scored=True) > WIDE:
                best = _reranked(opened.searcher, scoring, query.recency, offset, size)
            if best is None:
                scoring = banded(scoring, query.recency, opened.published)
        found, total = best or _best(opened.searcher, scoring, offset, size)
        hits: list[tuple[Any, float | None]] = [(address, score) for score, address in found]
        reached = offset + len(hits)
        more = hits and reached < min(total, RELEVANCE_DEPTH)
        return hits, total, Position(offset=reached) if more else None

    def _by_date(
        self,
        searcher: Any,
        matching: Any,
        query: SearchQuery,
    ) -> tuple[list[tuple[Any, float | None]], int, Position | None]:
        """Give a page by date: tantivy orders by one field only, so the last of equal dates is asked for by its ties."""
        order = Order.Desc if query.sort == "newest" else Order.Asc
        field, after = query.date_field, query.after
        if after is None:
            result = searcher.search(matching, query.size + 1, order_by_field=field, order=order)
            total, found = result.count, result.hits
        else:
            total = searcher.search(matching, 1).count
            found = self._tied(searcher, matching, field, after.value, after.tie, query.size + 1)
            if len(found) <= query.size:
                beyond = (
                    within(field, None, after.value) if order == Order.Desc else within(field, after.value + 1, None)
                )
                rest = Query.boolean_query([(Occur.Must, matching), (Occur.Must, beyond)])
                wanted = query.size + 1 - len(found)
                found = found + searcher.search(rest, wanted, count=False, order_by_field=field, order=order).hits
        if not query.size or not found:
            return [], total, None
        ordered = self._settled(searcher, matching, query, found)
        page = ordered[: query.size]
        last_value, last_address = page[-1]
        tie = int(searcher.fast_field_values("tie", [last_address])[0])
        following = Position(value=last_value, tie=tie) if len(ordered) > query.size else None
        return [(address, None) for _value, address in page], total, following

    def _settled(self, searcher: Any, matching: Any, query: SearchQuery, found: list[Any]) -> list[Any]:
        """Put equal dates in the order of their ties; the last group is asked for anew where it may go on."""
        last = found[-1][0]
        head = [hit for hit in found if hit[0] != last]
        group = [hit for hit in found if hit[0] == last]
        if len(found) > query.size:
            start = query.after.tie if query.after is not None and query.after.value == last else -1
            group = self._tied(searcher, matching, query.date_field, last, start, query.size + 1 - len(head))
        ties = searcher.fast_field_values("tie", [address for _value, address in head + group])
        keyed = list(zip(ties, head + group, strict=True))
        sign = -1 if query.sort == "newest" else 1
        keyed.sort(key=lambda pair: (sign * pair[1][0], pair[0]))
        return [hit for _tie, hit in keyed]

    def _tied(self, searcher: Any, matching: Any, field: str, value: int, after: int, size: int) -> list[Any]:
        """Give the items of one instant behind a tie, in the order of their ties."""
        clauses = [
            (Occur.Must, matching),
            (Occur.Must, Query.term_query(fields(), field, value, "basic")),
            (Occur.Must, Query.range_query(fields(), "tie", FieldType.Integer, after, _NO_UPPER, include_lower=False)),
        ]
        hits = searcher.search(
            Query.boolean_query(clauses), size, count=False, order_by_field="tie", order=Order.Asc
        ).hits
        return [(value, address) for _tie, address in hits]

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
        folded, _, spelled = bucket["key"].partition(SPELLING)
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


def _best(searcher: Any, scoring: Any, offset: int, size: int) -> tuple[list[tuple[float, Any]], int]:
    """Give the best hits from an offset on, and how many there are in all."""
    result = searcher.search(scoring, max(size, 1), offset=offset)
    return result.hits[:size], result.count


def _reranked(
    searcher: Any, scoring: Any, bands: tuple[RecencyBand, ...], offset: int, size: int
) -> tuple[list[tuple[float, Any]], int] | None:
    """Multiply the scores of the best hits by the factors of their bands, exactly as if all had been.

    For wide queries, of which tantivy would evaluate the whole once for each band (64 common words: 297 ms, this way 102 ms).
    A hit that was not taken can't reach the page if even the largest factor would not lift it above the page's last; an
    equal one stands behind it. None where one could, since too many scores lie close together: taking them all would
    cost more than the bands do (250,000 hits: seconds).
    """
    result = searcher.search(scoring, max(RERANKED, 4 * (offset + size)))
    hits = result.hits  # made anew at each look: 1.4 ms for 10,000
    published = searcher.fast_field_values("published", [address for _score, address in hits])
    lifted = [
        (score * next((band.factor for band in bands if at >= band.start), 1.0), -position)
        for position, ((score, _address), at) in enumerate(zip(hits, published, strict=True))
    ]
    lifted.sort(reverse=True)
    page = lifted[offset : offset + size]
    if len(hits) < result.count and page and hits[-1][0] * bands[0].factor > page[-1][0]:
        return None
    return [(score, hits[-position][1]) for score, position in page], result.count


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
