"""The embedded engine: one tantivy index for each generation, in folders, with feed statuses in a SQLite file beside.

tantivy knows nothing of language here: its fields hold tokens from `words.py` with white space between.
"""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec
import tantivy
from tantivy import FieldType, Occur, Order, Query

from newswire import words
from newswire.clock import FIRST, LAST, Instant
from newswire.data_folder import HeldFile, explained
from newswire.engines import (
    RELEVANCE_DEPTH,
    EngineInfo,
    Facet,
    FacetValue,
    Hit,
    SearchPage,
    tie_of,
)
from newswire.errors import EngineUnavailableError, IndexOutdatedError, IndexSchemaError
from newswire.model import FeedStatus, IndexReport, Item, ItemWrite, RefusedItem
from newswire.query import (
    And,
    FacetQuery,
    InField,
    Node,
    Not,
    Nothing,
    Or,
    Phrase,
    Position,
    Prefix,
    RecencyBand,
    SearchQuery,
    Value,
    ValueFilter,
    Word,
)
from newswire.sqlite_file import SqliteFile

SCHEMA = 1
"""The version of the fields below; an index of another one is built anew from the archive."""

TITLE_BOOST = 0.3
WIDE = 6
"""A query that scores more words than this is ranked by `_reranked`."""
RERANKED = 10_000
"""So many hits are taken there at first: 3 ms, and enough unless scores lie very close together."""
_MISSING = "\x1e"
_SPELLING = "\x1f"
_WORD_FIELDS = ("text", "title", "summary", "content", "author", "category")
_STEM_FIELDS = ("text_stem", "title_stem", "summary_stem", "content_stem")
_VALUE_FIELDS = ("feed", "lang", "category_value", "author_value")
_LABEL_FIELDS = ("feed_label", "lang_label", "category_label", "author_label")
_DATE_FIELDS = ("published", "updated", "changed", "first_seen")
_MEGABYTE = 1_000_000
_ALL_VALUES = 1_000_000
_NO_UPPER = 1 << 62

_pack = msgspec.msgpack.Encoder()
_unpack = msgspec.msgpack.Decoder(Item)
_status_out = msgspec.json.Encoder()
_status_in = msgspec.json.Decoder(FeedStatus)


def _schema() -> Any:
    builder = tantivy.SchemaBuilder()
    builder.add_text_field("id", tokenizer_name="raw", index_option="basic")
    for name in _WORD_FIELDS:
        builder.add_text_field(name, tokenizer_name="whitespace", index_option="position")
    for name in _STEM_FIELDS:
        builder.add_text_field(name, tokenizer_name="whitespace", index_option="freq")
    for name in _VALUE_FIELDS:
        builder.add_text_field(name, tokenizer_name="raw", index_option="basic")
    for name in _LABEL_FIELDS:
        builder.add_text_field(name, fast=True, tokenizer_name="raw", index_option="basic")
    for name in (*_DATE_FIELDS, "seq", "tie"):
        builder.add_integer_field(name, indexed=True, fast=True)
    builder.add_bytes_field("item", stored=True)
    builder.add_bytes_field("body", stored=True)
    return builder.build()


class _Open:
    """An index that is open for reading, as it stood when its files had this stamp."""

    def __init__(self, generation: int, index: Any, stamp: tuple[int, int]) -> None:
        self.generation = generation
        self.index = index
        self.searcher = index.searcher()
        self.stamp = stamp

    @cached_property
    def published(self) -> tuple[Instant, Instant] | None:
        """The earliest and the latest publication in the index; None where it is empty."""
        ends = []
        for order in (Order.Asc, Order.Desc):
            found = self.searcher.search(Query.all_query(), 1, count=False, order_by_field="published", order=order)
            ends += [at for at, _address in found.hits]
        return (ends[0], ends[1]) if ends else None


class TantivyEngine:
    """`SearchEngine` in a folder of this machine."""

    def __init__(self, folder: Path, *, threads: int = 1, heap_mb: int = 64, wait_s: float = 120) -> None:
        self._folder = folder
        self._threads = threads
        self._heap = heap_mb * _MEGABYTE
        self._wait_s = wait_s
        self._schema: Any = None
        self._open: _Open | None = None
        self._guard = threading.Lock()
        self._status = SqliteFile(
            folder / "status.sqlite",
            "CREATE TABLE statuses (id TEXT PRIMARY KEY, rev INTEGER NOT NULL, status BLOB) WITHOUT ROWID",
            version=1,
        )

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
                        document = _document(write)
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
        self._status.run_many(
            "INSERT INTO statuses VALUES (?, ?, ?) ON CONFLICT DO UPDATE"
            " SET rev = excluded.rev, status = excluded.status WHERE excluded.rev >= rev",
            ((one.id, one.rev, None if one.deleted else _status_out.encode(one)) for one in statuses),
        )

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
                tantivy.Index(self._fields(), str(folder))
                _write_whole(folder / "schema", str(SCHEMA))
            self._check_schema(folder)
            if not (self._folder / "current").exists():
                _write_whole(self._folder / "current", str(generation))
        return tantivy.Index(self._fields(), str(folder))

    def _kept_seq(self, searcher: Any, id_: str) -> int | None:
        hits = searcher.search(Query.term_query(self._fields(), "id", id_, "basic"), 1, count=False).hits
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
        with self._reading() as opened:
            if opened is None:
                return SearchPage((), 0, None, tuple(_no_facet(one) for one in query.facets), (0,) * _buckets(query))
            matching = self._matching(query)
            searcher = opened.searcher
            facets, histogram = self._counts(searcher, matching, query)
            version = f"{opened.generation}-{opened.stamp[0]:x}-{opened.stamp[1]:x}"
            if query.sort == "relevance":
                hits, total, following = self._by_relevance(opened, query)
            else:
                hits, total, following = self._by_date(searcher, matching, query)
            found = tuple(Hit(_stored(searcher, address, query.with_content), score) for address, score in hits)
            return SearchPage(
                hits=found,
                total=total,
                next=following,
                facets=facets,
                histogram=histogram,
                version=version,
            )

    def get(self, ids: Iterable[str]) -> dict[str, Item]:
        found = {}
        with self._reading() as opened:
            if opened is None:
                return {}
            for id_ in ids:
                query = Query.term_query(self._fields(), "id", id_, "basic")
                for _score, address in opened.searcher.search(query, 1, count=False).hits:
                    found[id_] = _stored(opened.searcher, address, with_content=True)
        return found

    def span(self, query: SearchQuery) -> tuple[Instant, Instant] | None:
        with self._reading() as opened:
            if opened is None:
                return None
            ends = {"first": {"min": {"field": query.date_field}}, "last": {"max": {"field": query.date_field}}}
            answer = opened.searcher.aggregate(self._matching(query), ends)
            first, last = answer["first"]["value"], answer["last"]["value"]
            return None if first is None else (int(first), int(last))

    def statuses(self, feeds: Iterable[str] | None = None) -> list[FeedStatus]:
        sql = "SELECT status FROM statuses WHERE status IS NOT NULL"
        if feeds is None:
            found = self._status.rows(f"{sql} ORDER BY id")
        else:
            wanted = sorted(set(feeds))
            marks = ",".join("?" * len(wanted))
            found = self._status.rows(f"{sql} AND id IN ({marks}) ORDER BY id", wanted)
        return [_status_in.decode(status) for (status,) in found]

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
            for wait in (0.0, 0.01, 0.05, 0.2, None):
                try:
                    return self._open_now(self.generation())
                except (ValueError, OSError, IndexSchemaError):
                    self._open = None
                    if wait is None:
                        raise
                    time.sleep(wait)
        raise AssertionError  # the last round returns or raises

    def _open_now(self, generation: int) -> _Open | None:
        folder = self._place(generation)
        if not (folder / "meta.json").exists() and not (self._folder / "current").exists():
            return None  # nothing was indexed yet
        stat = (folder / "meta.json").stat()
        stamp = (stat.st_mtime_ns, stat.st_ino)
        opened = self._open
        if opened is not None and opened.generation == generation:
            if opened.stamp != stamp:
                opened.index.reload()
                self._open = opened = _Open(generation, opened.index, stamp)
            return opened
        self._check_schema(folder)
        index = tantivy.Index.open(str(folder))
        index.config_reader("manual")
        index.reload()
        self._open = _Open(generation, index, stamp)
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

    def _fields(self) -> Any:
        if self._schema is None:
            self._schema = _schema()
        return self._schema

    # --- queries ---

    def _matching(self, query: SearchQuery, *, scored: bool = False) -> Any:
        """Translate a query; what only counts or orders by date does without what only scores."""
        clauses = []
        if query.node is not None:
            clauses.append((Occur.Must, self._node(query.node, None, scored=scored)))
        clauses += [clause for one in query.filters for clause in self._filter(one)]
        if query.start is not None or query.end is not None or query.date_field == "updated":
            clauses.append((Occur.Must, _unscored(self._range(query.date_field, query.start, query.end))))
        if not clauses:
            return Query.all_query()
        return Query.boolean_query(clauses) if len(clauses) > 1 else clauses[0][1]

    def _range(self, field: str, start: Instant | None, end: Instant | None) -> Any:
        low, high = FIRST if start is None else start, LAST + 1 if end is None else end
        return Query.range_query(self._fields(), field, FieldType.Integer, low, high, include_upper=False)

    def _filter(self, one: ValueFilter) -> Iterator[tuple[Any, Any]]:
        if one.any_of:
            yield Occur.Must, _unscored(self._values(one.field, one.any_of))
        if one.none_of:
            yield Occur.Must, _unscored(_negated(self._values(one.field, one.none_of)))

    def _values(self, field: str, values: Iterable[str]) -> Any:
        name = f"{field}_value" if field in {"category", "author"} else field
        return Query.term_set_query(self._fields(), name, list(values))

    def _node(self, node: Node, field: str | None, *, scored: bool) -> Any:
        match node:
            case Nothing():
                return Query.empty_query()
            case Word():
                return self._looked_for(lambda name: self._word(name, node), field, scored=scored)
            case Phrase(tokens=tokens):
                return self._looked_for(lambda name: self._phrase(name, tokens), field, scored=scored)
            case Prefix(token=token):
                pattern = "".join(f"\\{c}" if not c.isalnum() else c for c in token) + ".*"
                return Query.const_score_query(Query.regex_query(self._fields(), field or "text", pattern), 1.0)
            case Value(field=name, value=value):
                return _unscored(self._values(name, [value]))
            case InField(field=name, node=inner):
                return self._node(inner, name, scored=scored)
            case Not(node=inner):
                return _unscored(_negated(self._node(inner, field, scored=False)))
            case And(nodes=nodes):
                return Query.boolean_query([(Occur.Must, self._node(one, field, scored=scored)) for one in nodes])
            case Or(nodes=nodes):
                return Query.boolean_query([(Occur.Should, self._node(one, field, scored=scored)) for one in nodes])
        raise TypeError(node)

    def _looked_for(self, build: Callable[[str], Any], field: str | None, *, scored: bool) -> Any:
        """Look in one field, or in the whole text with the title counting beside it."""
        if field is not None or not scored:
            return build(field or "text")
        return Query.boolean_query(
            [(Occur.Must, build("text")), (Occur.Should, Query.boost_query(build("title"), TITLE_BOOST))]
        )

    def _phrase(self, field: str, tokens: tuple[str, ...]) -> Any:
        if len(tokens) == 1:
            return Query.term_query(self._fields(), field, tokens[0], "freq")
        return Query.phrase_query(self._fields(), field, list(tokens))

    def _word(self, field: str, word: Word) -> Any:
        folded = Query.term_query(self._fields(), field, word.token, "freq")
        if field in {"author", "category"}:
            return folded
        stem = Query.term_query(self._fields(), f"{field}_stem", word.stem, "freq")
        return Query.disjunction_max_query([folded, stem])

    # --- orders ---

    def _by_relevance(
        self, opened: _Open, query: SearchQuery
    ) -> tuple[list[tuple[Any, float | None]], int, Position | None]:
        offset = query.after.offset if query.after else 0
        size = max(min(query.size, RELEVANCE_DEPTH - offset), 0)
        scoring = self._matching(query, scored=True)
        if not query.recency or opened.published is None:
            best, total = _best(opened.searcher, scoring, offset, size)
        elif _leaves(query.node) > WIDE:
            best, total = _reranked(opened.searcher, scoring, query.recency, offset, size)
        else:
            banded = self._banded(scoring, query.recency, opened.published)
            best, total = _best(opened.searcher, banded, offset, size)
        hits: list[tuple[Any, float | None]] = [(address, score) for score, address in best]
        reached = offset + len(hits)
        more = hits and reached < min(total, RELEVANCE_DEPTH)
        return hits, total, Position(offset=reached) if more else None

    def _banded(self, scoring: Any, bands: tuple[RecencyBand, ...], published: tuple[Instant, Instant]) -> Any:
        """Multiply scores by the factor of the band that an item was published in.

        tantivy can't compute a factor from a date, so the query is asked once for each band, boosted. Bands in which
        the index has no item are left out, so that an index of old items pays nothing.
        """
        oldest, newest = published
        pieces: list[tuple[Instant | None, Instant | None, float]] = []
        end: Instant | None = None
        for band in (*bands, RecencyBand(FIRST, 1.0)):
            if band.start <= newest and (end is None or oldest < end):
                pieces.append((band.start, end, band.factor))
            end = band.start
        if len(pieces) == 1:
            return Query.boost_query(scoring, pieces[0][2])
        asked = []
        for start, before, factor in pieces:
            within = _unscored(self._range("published", start, before))
            piece = Query.boolean_query([(Occur.Must, scoring), (Occur.Must, within)])
            asked.append((Occur.Should, Query.boost_query(piece, factor)))
        return Query.boolean_query(asked)

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
                    self._range(field, None, after.value)
                    if order == Order.Desc
                    else self._range(field, after.value + 1, None)
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
        fields = self._fields()
        clauses = [
            (Occur.Must, matching),
            (Occur.Must, Query.term_query(fields, field, value, "basic")),
            (Occur.Must, Query.range_query(fields, "tie", FieldType.Integer, after, _NO_UPPER, include_lower=False)),
        ]
        hits = searcher.search(
            Query.boolean_query(clauses), size, count=False, order_by_field="tie", order=Order.Asc
        ).hits
        return [(value, address) for _tie, address in hits]

    # --- counts ---

    def _counts(self, searcher: Any, matching: Any, query: SearchQuery) -> tuple[tuple[Facet, ...], tuple[int, ...]]:
        """Count facets and histogram, all in one pass over what was found."""
        asked: dict[str, Any] = {
            one.field: {"terms": {"field": f"{one.field}_label", "size": _ALL_VALUES, "missing": _MISSING}}
            for one in query.facets
        }
        if _buckets(query):
            ranges = [{"from": low, "to": high} for low, high in zip(query.edges, query.edges[1:], strict=False)]
            asked["buckets"] = {"range": {"field": query.date_field, "ranges": ranges}}
        if not asked:
            return (), ()
        answer = searcher.aggregate(matching, asked)
        facets = tuple(_facet(answer[one.field]["buckets"], one) for one in query.facets)
        if not _buckets(query):
            return facets, ()
        found = answer["buckets"]["buckets"]
        counts = {bucket.get("from"): int(bucket["doc_count"]) for bucket in found if "to" in bucket}
        return facets, tuple(counts.get(float(low), 0) for low in query.edges[:-1])


def _facet(buckets: Iterable[dict[str, Any]], wanted: FacetQuery) -> Facet:
    """Put the spellings of a value together; the commonest stands for all."""
    spellings: dict[str, list[tuple[int, str]]] = {}
    missing = 0
    for bucket in buckets:
        if bucket["key"] == _MISSING:
            missing = int(bucket["doc_count"])
            continue
        folded, _, spelled = bucket["key"].partition(_SPELLING)
        spellings.setdefault(folded, []).append((int(bucket["doc_count"]), spelled))
    counted = sorted(
        (-sum(count for count, _ in found), min((-count, spelled) for count, spelled in found)[1])
        for found in spellings.values()
    )
    listed = counted[: wanted.size]
    return Facet(
        field=wanted.field,
        values=tuple(FacetValue(spelled, -count) for count, spelled in listed),
        other=-sum(count for count, _ in counted[wanted.size :]),
        missing=missing,
        exact=True,
    )


def _best(searcher: Any, scoring: Any, offset: int, size: int) -> tuple[list[tuple[float, Any]], int]:
    """Give the best hits from an offset on, and how many there are in all."""
    result = searcher.search(scoring, max(size, 1), offset=offset)
    return result.hits[:size], result.count


def _reranked(
    searcher: Any, scoring: Any, bands: tuple[RecencyBand, ...], offset: int, size: int
) -> tuple[list[tuple[float, Any]], int]:
    """Multiply the scores of the best hits by the factors of their bands, exactly as if all had been.

    For wide queries, of which tantivy would evaluate the whole once for each band (64 common words: 297 ms, this way 102 ms).
    A hit that was not taken can't reach the page if even the largest factor would not lift it there; where it could,
    all hits are taken.
    """
    most = max(RERANKED, 4 * (offset + size))
    while True:
        result = searcher.search(scoring, most)
        published = searcher.fast_field_values("published", [address for _score, address in result.hits])
        lifted = [
            (score * next((band.factor for band in bands if at >= band.start), 1.0), -position)
            for position, ((score, _address), at) in enumerate(zip(result.hits, published, strict=True))
        ]
        lifted.sort(reverse=True)
        page = lifted[offset : offset + size]
        if len(result.hits) >= result.count or not page or result.hits[-1][0] * bands[0].factor < page[-1][0]:
            return [(score, result.hits[-position][1]) for score, position in page], result.count
        most = result.count


def _leaves(node: Node | None) -> int:
    """Count what is scored in a tree."""
    match node:
        case Word() | Phrase() | Prefix():
            return 1
        case InField(node=inner):
            return _leaves(inner)
        case And(nodes=nodes) | Or(nodes=nodes):
            return sum(map(_leaves, nodes))
        case _:
            return 0


def _buckets(query: SearchQuery) -> int:
    return max(len(query.edges) - 1, 0)


def _no_facet(wanted: FacetQuery) -> Facet:
    return Facet(wanted.field, (), 0, 0, exact=True)


def _unscored(query: Any) -> Any:
    return Query.const_score_query(query, 0.0)


def _negated(query: Any) -> Any:
    return Query.boolean_query([(Occur.Must, Query.all_query()), (Occur.MustNot, query)])


def _chain(first: ItemWrite, rest: Iterator[ItemWrite]) -> Iterator[ItemWrite]:
    yield first
    yield from rest


def _stored(searcher: Any, address: Any, with_content: bool) -> Item:  # noqa: FBT001 - opaque; one switch
    document = searcher.doc(address)
    item = _unpack.decode(document.get_first("item"))
    body = document.get_first("body") if with_content else None
    return msgspec.structs.replace(item, content=bytes(body).decode()) if body else item


def _document(write: ItemWrite) -> Any:
    """Make the document of an item: its tokens field by field, its values, its dates, and itself as stored bytes."""
    item = write.item
    document = tantivy.Document()
    add = document.add_text
    add("id", item.id)
    stemmed = words.is_stemmed(item.lang)
    for name, text in (("title", item.title), ("summary", item.summary), ("content", item.content)):
        if not text:
            continue
        found = words.tokens(text)
        folded = " ".join(found)
        add("text", folded)
        add(name, folded)
        if stemmed:
            stems = " ".join(words.stems(found))
            add("text_stem", stems)
            add(f"{name}_stem", stems)
    _add_value(document, "feed", item.feed)
    if item.lang:
        add("lang_label", f"{item.lang}{_SPELLING}{item.lang}")
        parts = item.lang.split("-")
        for length in range(1, len(parts) + 1):
            add("lang", "-".join(parts[:length]))
    _add_values(document, "category", item.categories)
    _add_values(document, "author", item.authors)
    for field in ("published", "changed", "first_seen"):
        document.add_integer(field, getattr(item, field))
    if item.updated is not None:
        document.add_integer("updated", item.updated)
    document.add_integer("seq", write.seq)
    document.add_integer("tie", tie_of(item.id))
    document.add_bytes("item", _pack.encode(msgspec.structs.replace(item, content="") if item.content else item))
    if item.content:
        document.add_bytes("body", item.content.encode())
    return document


def _add_value(document: Any, name: str, value: str) -> None:
    folded = words.fold_whole(value)
    document.add_text(name, folded)
    document.add_text(f"{name}_label", f"{folded}{_SPELLING}{value}")


def _add_values(document: Any, name: str, values: Iterable[str]) -> None:
    """Add a list of values: their words, and each once as a whole, with the first of its spellings."""
    seen = set()
    for value in values:
        document.add_text(name, " ".join(words.tokens(value)))
        folded = words.fold_whole(value)
        if folded not in seen:
            seen.add(folded)
            document.add_text(f"{name}_value", folded)
            document.add_text(f"{name}_label", f"{folded}{_SPELLING}{value}")


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
        msg = f"The index in {folder} can't be used ({text[:300]}): `newswire reindex` builds it anew from the archive."
        raise EngineUnavailableError(msg) from error
