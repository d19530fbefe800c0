"""The published statuses of the embedded engine: a SQLite file, and what is known of it in memory.

Every search needs the coverage of all feeds. So the statuses stay in memory, a publication costs only the statuses that it
changes, and a coverage looks only at the feeds that are not ok.
"""

from __future__ import annotations

import threading
from bisect import bisect_left, insort
from collections.abc import Callable, Iterable, Iterator, Sequence
from heapq import merge
from itertools import groupby, islice
from pathlib import Path
from typing import Generic, Literal, TypeVar, get_args

import msgspec

from newswire.clock import Instant
from newswire.engines.coverage import (
    MAX_LISTED,
    CoverageQuery,
    FeedCoverage,
    FeedGap,
    UnwatchedFeed,
    coverage_of,
    gaps_of,
    unwatched_feed,
)
from newswire.feed_status import STATES, Standing, State, stale_before, standing_of, state_of
from newswire.model import FeedStatus, Withdrawal
from newswire.storage.sqlite_file import SqliteFile

_SCHEMA = """
CREATE TABLE IF NOT EXISTS statuses (id TEXT PRIMARY KEY, rev INTEGER NOT NULL, status BLOB) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS changes (count INTEGER NOT NULL);
INSERT INTO changes SELECT 0 WHERE NOT EXISTS (SELECT 1 FROM changes);
ALTER TABLE statuses ADD COLUMN change INTEGER NOT NULL DEFAULT 0;
CREATE INDEX statuses_by_change ON statuses (change);
CREATE TABLE withdrawals (id TEXT PRIMARY KEY, withdrawal BLOB NOT NULL) WITHOUT ROWID
"""
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(FeedStatus).decode
_decode_withdrawal = msgspec.json.Decoder(Withdrawal).decode
T = TypeVar("T", str, tuple[Instant, str])


class SortedValues(Generic[T]):
    """Values in order. A change moves the values behind it, which is one copy of memory."""

    def __init__(self, values: Iterable[T] = ()) -> None:
        self.values: list[T] = sorted(values)

    def add(self, value: T) -> None:
        """Add a value, beside equal ones."""
        insort(self.values, value)

    def remove(self, value: T) -> None:
        """Remove a value that was added."""
        del self.values[bisect_left(self.values, value)]

    def __len__(self) -> int:
        return len(self.values)

    def before(self, value: T | None) -> int:
        """Return the number of values that are less; all for None."""
        return len(self.values) if value is None else bisect_left(self.values, value)


class KnownStatuses:
    """The statuses of all feeds in memory, sorted by what a coverage asks for."""

    def __init__(self, statuses: Iterable[FeedStatus] = ()) -> None:
        self.by_id = {status.id: status for status in statuses}
        every = self.by_id.values()
        self.indexed = sum(status.indexed for status in every)
        """Number of items that the statuses count."""
        self._behind = sum(status.behind for status in every)
        self._ids = SortedValues(self.by_id)
        ids: dict[Standing, list[str]] = {standing: [] for standing in get_args(Standing)}
        for status in every:
            ids[standing_of(status)].append(status.id)
        self._by_standing = {standing: SortedValues(of_standing) for standing, of_standing in ids.items()}
        self._instants = {
            name: SortedValues(pair for status in every for pair in pairs_of(status))
            for name, pairs_of in _PAIRS.items()
        }
        self._gapped = SortedValues(status.id for status in every if status.gaps)

    def put(self, status: FeedStatus) -> None:
        """Add the status of a feed, instead of the one before."""
        self.remove(status.id)
        self.by_id[status.id] = status
        self.indexed += status.indexed
        self._behind += status.behind
        self._ids.add(status.id)
        self._by_standing[standing_of(status)].add(status.id)
        for name, pairs_of in _PAIRS.items():
            for pair in pairs_of(status):
                self._instants[name].add(pair)
        if status.gaps:
            self._gapped.add(status.id)

    def remove(self, id_: str) -> None:
        """Remove the status of a feed, if there is one."""
        status = self.by_id.pop(id_, None)
        if status is None:
            return
        self.indexed -= status.indexed
        self._behind -= status.behind
        self._ids.remove(id_)
        self._by_standing[standing_of(status)].remove(id_)
        for name, pairs_of in _PAIRS.items():
            for pair in pairs_of(status):
                self._instants[name].remove(pair)
        if status.gaps:
            self._gapped.remove(id_)

    def following(self, after: str) -> Iterator[FeedStatus]:
        """Yield the statuses whose ids come after this one, by id."""
        for at in range(self._ids.before(after + "\0"), len(self._ids)):
            yield self.by_id[self._ids.values[at]]

    def coverage(self, query: CoverageQuery) -> FeedCoverage:
        """Return the coverage of the feeds of a query, as `coverage_of` does."""
        if query.any_of or (query.start is not None and query.end is not None and query.start >= query.end):
            feeds = sorted({*query.any_of, *query.none_of} & self.by_id.keys()) if query.any_of else self._ids.values
            return coverage_of((self.by_id[id_] for id_ in feeds), query)
        without = {id_: self.by_id[id_] for id_ in query.none_of if id_ in self.by_id}
        checks = self._instants["next_check"]
        overdue = checks.values[: checks.before((stale_before(query.now, query.grace_s), ""))]
        stale = sorted(id_ for _at, id_ in overdue)
        counts: dict[State, int] = {state: len(self._by_standing[state]) for state in _UNDATED}
        counts["stale"] = len(stale)
        counts["ok"] = len(self._by_standing["polled"]) - len(stale)
        for status in without.values():
            counts[state_of(status, query.now, query.grace_s)] -= 1
        gap_count = self._gap_count(query, stale) - sum(len(_gaps_at(status, query)) for status in without.values())
        not_ok = merge(*(self._by_standing[state].values for state in _UNWATCHED), stale)
        gapped = merge(self._gapped.values, self._by_standing["failing"].values, stale)
        gaps = (gap for id_, _same in groupby(gapped) if id_ not in without for gap in _gaps_at(self.by_id[id_], query))
        successes, newest = self._instants["last_success"].values, reversed(self._instants["newest"].values)
        return FeedCoverage(
            states={state: counts[state] for state in STATES if counts[state]},
            oldest_success=next((at for at, id_ in successes if id_ not in without), None),
            gap_count=gap_count,
            not_ok=tuple(
                _unwatched_at(self.by_id[id_], query)
                for id_ in islice((id_ for id_ in not_ok if id_ not in without), MAX_LISTED)
            ),
            gaps=tuple(islice(gaps, min(gap_count, MAX_LISTED))),
            newest=next((at for at, id_ in newest if id_ not in without), None),
            behind=self._behind - sum(status.behind for status in without.values()),
            unknown=tuple(id_ for id_ in dict.fromkeys(query.none_of) if id_ not in without),
        )

    def _gap_count(self, query: CoverageQuery, stale: Iterable[str]) -> int:
        """Return the number of gaps that meet the range, as `gaps_of` says, without a look at each."""
        end = None if query.end is None else (query.end, "")
        opened = self._instants["failing"].before(end)
        for id_ in stale:
            success = self.by_id[id_].last_success
            opened += success is not None and (query.end is None or success < query.end)
        over = 0 if query.start is None else self._instants["gap_end"].before((query.start + 1, ""))
        return opened + self._instants["gap_start"].before(end) - over


def _unwatched_at(status: FeedStatus, query: CoverageQuery) -> UnwatchedFeed:
    return unwatched_feed(status, state_of(status, query.now, query.grace_s))


def _gaps_at(status: FeedStatus, query: CoverageQuery) -> list[FeedGap]:
    return gaps_of(status, state_of(status, query.now, query.grace_s), query.start, query.end)


_UNDATED: tuple[Literal["failing", "paused", "never", "archive"], ...] = ("failing", "paused", "never", "archive")
_UNWATCHED = _UNDATED[:3]
_Pair = tuple[Instant, str]


def _pair(at: Instant | None, status: FeedStatus, *standings: Standing) -> list[_Pair]:
    """Return an instant with the id, if there is one, and the feed has one of the standings."""
    return [(at, status.id)] if at is not None and standing_of(status) in standings else []


_PAIRS: dict[str, Callable[[FeedStatus], list[_Pair]]] = {
    "next_check": lambda status: _pair(status.next_check, status, "polled"),
    "last_success": lambda status: _pair(status.last_success, status, "polled", "failing", "never"),
    "failing": lambda status: _pair(status.last_success, status, "failing"),
    "newest": lambda status: _pair(status.newest, status, *get_args(Standing)),
    "gap_start": lambda status: [(gap.start, status.id) for gap in status.gaps],
    "gap_end": lambda status: [(gap.end, status.id) for gap in status.gaps],
}
"""What instants of a status are sorted, by the name of the list."""


class StatusBoardFile:
    """`StatusBoard` in one SQLite file. Safe to use from several threads and processes."""

    def __init__(self, path: Path) -> None:
        self._file = SqliteFile(path, _SCHEMA, version=3)
        self._guard = threading.Lock()
        self._change = -1
        """The number of the last publication that is known."""
        self._known = KnownStatuses()

    def publish(self, statuses: Iterable[FeedStatus]) -> None:
        """Keep the status of each feed, as `StatusBoard.publish` says."""
        with self._file.writing() as cursor:
            cursor.execute("UPDATE changes SET count = count + 1")
            cursor.executemany(
                "INSERT INTO statuses SELECT ?, ?, ?, count FROM changes WHERE true ON CONFLICT DO UPDATE"
                " SET rev = excluded.rev, status = excluded.status, change = excluded.change WHERE excluded.rev >= rev",
                ((status.id, status.rev, None if status.deleted else _encode(status)) for status in statuses),
            )

    def publish_withdrawals(self, withdrawals: Iterable[Withdrawal]) -> None:
        """Keep why items were taken out."""
        with self._file.writing() as cursor:
            rows = ((withdrawal.id, _encode(withdrawal)) for withdrawal in withdrawals)
            cursor.executemany("INSERT OR REPLACE INTO withdrawals VALUES (?, ?)", rows)

    def withdrawal(self, item_id: str) -> Withdrawal | None:
        """Return why an item was taken out, if it was."""
        rows = self._file.rows("SELECT withdrawal FROM withdrawals WHERE id = ?", (item_id,))
        return _decode_withdrawal(rows[0][0]) if rows else None

    def statuses(self, feeds: Iterable[str] | None) -> list[FeedStatus]:
        """Return the statuses of these feeds, or of all, by id."""
        with self._guard:
            known = self._newest()
            if feeds is None:
                return list(known.following(""))
            return [known.by_id[id_] for id_ in sorted(set(feeds)) if id_ in known.by_id]

    def page(
        self, after: str, size: int, state: State | None, now: Instant, grace_s: int
    ) -> tuple[list[FeedStatus], int]:
        """Return the first `size` statuses after an id, all or those in a state, and the number of all such feeds."""
        with self._guard:
            known = self._newest()
            found = (
                status for status in known.following(after) if state is None or state_of(status, now, grace_s) == state
            )
            total = (
                len(known.by_id) if state is None else known.coverage(CoverageQuery(now, grace_s)).states.get(state, 0)
            )
            return list(islice(found, size)), total

    def coverage(self, query: CoverageQuery) -> tuple[FeedCoverage, int]:
        """Return a coverage, and the number of items that all statuses count."""
        with self._guard:
            known = self._newest()
            return known.coverage(query), known.indexed

    def close(self) -> None:
        """Close the file; the next call opens it again."""
        self._file.close()

    def _newest(self) -> KnownStatuses:
        """Return what is known, after reading what other threads and processes have published since."""
        change = int(self._file.rows("SELECT count FROM changes")[0][0])
        if change < self._change:  # another file, such as one after the folder was deleted
            self._change, self._known = -1, KnownStatuses()
        if change != self._change:
            rows = self._file.rows("SELECT count, id, status FROM changes JOIN statuses ON change > ?", (self._change,))
            self._apply([(str(id_), status) for _count, id_, status in rows])
            self._change = int(rows[0][0]) if rows else change
        return self._known

    def _apply(self, changed: Sequence[tuple[str, bytes | None]]) -> None:
        if not self._known.by_id:
            self._known = KnownStatuses(_decode(status) for _id, status in changed if status is not None)
            return
        for id_, status in changed:
            if status is None:
                self._known.remove(id_)
            else:
                self._known.put(_decode(status))
