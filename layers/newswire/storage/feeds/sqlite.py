"""The feed store in a SQLite file, for one machine.

A lease here also ends with the process that holds it: each process keeps a locked file, which the kernel frees when it
dies, so that after a `kill -9` the next run goes on at once instead of waiting for leases to run out.
"""

from __future__ import annotations

import fcntl
import os
import uuid
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from newswire.clock import Instant
from newswire.model import Feed, FoldState, ItemState, PollState
from newswire.storage.data_folder import FileLock, prepare, translate_os_errors
from newswire.storage.feeds import DueFeed, FeedRow, Lease, PollResult, after_edit, is_polled, polled_host
from newswire.storage.feeds.metadata import M, Metadata, decode_metadata, encode_metadata
from newswire.storage.sqlite_file import SqliteFile

_VERSION = 1
_SCHEMA = """
CREATE TABLE feeds (
  id TEXT PRIMARY KEY, feed BLOB NOT NULL, poll BLOB NOT NULL, rev INTEGER NOT NULL,
  host TEXT NOT NULL, active INTEGER NOT NULL, next_check INTEGER NOT NULL, head INTEGER NOT NULL,
  token TEXT, holder TEXT, until INTEGER
) WITHOUT ROWID;
CREATE INDEX feeds_due ON feeds (next_check) WHERE active;
CREATE INDEX feeds_leased ON feeds (token) WHERE token IS NOT NULL;
CREATE TABLE index_states (
  generation INTEGER NOT NULL, feed TEXT NOT NULL, cursor INTEGER NOT NULL, state BLOB,
  token TEXT, holder TEXT, until INTEGER, PRIMARY KEY (generation, feed)
) WITHOUT ROWID;
CREATE TABLE item_states (
  generation INTEGER NOT NULL, feed TEXT NOT NULL, id TEXT NOT NULL, state BLOB NOT NULL,
  PRIMARY KEY (generation, feed, id)
) WITHOUT ROWID;
CREATE TABLE locks (
  name TEXT PRIMARY KEY, token TEXT, holder TEXT, until INTEGER, hold_until INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
CREATE TABLE notes (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
"""

_json = msgspec.json.Encoder()
_pack = msgspec.msgpack.Encoder()
_feed = msgspec.json.Decoder(Feed)
_poll = msgspec.json.Decoder(PollState)
_index = msgspec.json.Decoder(FoldState)
_item = msgspec.msgpack.Decoder(ItemState)
_ROW = (
    "SELECT f.feed, f.poll, f.rev, f.token, f.holder, f.until, i.state FROM feeds f"
    " LEFT JOIN index_states i ON i.feed = f.id AND i.generation = ?"
)
_IDS_AT_ONCE = 500
_DROPPED_AT_ONCE = 20_000


class SqliteFeedStore:
    """`FeedStore` in `feeds.sqlite` of the data folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._file = SqliteFile(folder / "feeds.sqlite", _SCHEMA, _VERSION)
        self._holder = ""
        self._held: FileLock | None = None
        self._prepared = False

    # --- the list ---

    def put(self, feed: Feed, now: Instant) -> None:
        prepare(self._folder)
        with self._file.writing() as cursor:
            found = cursor.execute("SELECT poll, rev, feed FROM feeds WHERE id = ?", (feed.id,)).fetchone()
            poll = _poll.decode(found[0]) if found else PollState()
            edited = after_edit(_feed.decode(found[2]), feed, poll) if found else None
            poll = edited or poll
            rev = max(found[1] + 1 if found else 0, now)
            values = (_json.encode(feed), rev, polled_host(feed, poll), is_polled(feed, poll), feed.id)
            if found:
                cursor.execute("UPDATE feeds SET feed = ?, rev = ?, host = ?, active = ? WHERE id = ?", values)
                if edited:
                    # Whoever polls it right now learns of what it was: the lease is free, and what they remember refused.
                    cursor.execute(
                        "UPDATE feeds SET poll = ?, next_check = 0, token = iif(token IS NULL, NULL, 'edited'), until = 0"
                        " WHERE id = ?",
                        (_json.encode(poll), feed.id),
                    )
            else:
                cursor.execute(
                    "INSERT INTO feeds (feed, rev, host, active, id, poll, next_check, head) VALUES (?, ?, ?, ?, ?, ?, 0, 0)",
                    (*values, _json.encode(poll)),
                )

    def row(self, feed_id: str, generation: int = 0) -> FeedRow | None:
        found = self._read(f"{_ROW} WHERE f.id = ?", (generation, feed_id))
        return _row(found[0]) if found else None

    def rows(self, generation: int = 0, ids: Iterable[str] | None = None) -> list[FeedRow]:
        if ids is None:
            return [_row(found) for found in self._read(f"{_ROW} ORDER BY f.id", (generation,))]
        found: list[FeedRow] = []
        wanted = sorted(set(ids))
        for start in range(0, len(wanted), _IDS_AT_ONCE):
            part = wanted[start : start + _IDS_AT_ONCE]
            sql = f"{_ROW} WHERE f.id IN ({','.join('?' * len(part))}) ORDER BY f.id"
            found += [_row(one) for one in self._read(sql, (generation, *part))]
        return found

    def remove(self, feed_id: str) -> None:
        for generation in self.generations():
            self._drop_items(generation, feed_id)
        with self._file.writing() as cursor:
            cursor.execute("DELETE FROM item_states WHERE feed = ?", (feed_id,))
            cursor.execute("DELETE FROM index_states WHERE feed = ?", (feed_id,))
            cursor.execute("DELETE FROM feeds WHERE id = ?", (feed_id,))

    def metadata(self, kind: type[M]) -> M | None:
        found = self._read("SELECT value FROM notes WHERE key = ?", (kind.KEY,))
        return decode_metadata(found[0][0] if found else None, kind)

    def keep_metadata(self, value: Metadata) -> None:
        prepare(self._folder)
        self._file.run(
            "INSERT INTO notes VALUES (?, ?) ON CONFLICT DO UPDATE SET value = excluded.value",
            (value.KEY, encode_metadata(value)),
        )

    # --- polling ---

    def due(self, now: Instant, limit: int) -> list[DueFeed]:
        found = self._read(
            "SELECT id, host, next_check, token, holder, until FROM feeds WHERE active AND next_check <= ?"
            " ORDER BY next_check, id LIMIT ?",
            (now, limit),
        )
        return [
            DueFeed(id_, host, at)
            for id_, host, at, token, holder, until in found
            if self._is_free(token, holder, until, now)
        ]

    def orphaned(self, now: Instant, limit: int) -> list[str]:
        found = self._read("SELECT id, token, holder, until FROM feeds WHERE token IS NOT NULL LIMIT ?", (limit,))
        return [id_ for id_, token, holder, until in found if self._is_free(token, holder, until, now)]

    def claim(self, feed_id: str, lease: Lease, now: Instant, generation: int = 0) -> FeedRow | None:
        return self.claim_many([feed_id], lease, now, generation).get(feed_id)

    def claim_many(
        self, feed_ids: Iterable[str], lease: Lease, now: Instant, generation: int = 0
    ) -> dict[str, FeedRow]:
        holder = self._own_holder()
        rows: dict[str, FeedRow] = {}
        with self._file.writing() as cursor:
            # One statement for all: each gives the interpreter's lock away, and has to wait for it among the fetchers.
            wanted = list(feed_ids)
            sql = f"{_ROW} WHERE f.id IN ({','.join('?' * len(wanted))})"
            for found in cursor.execute(sql, (generation, *wanted)).fetchall():
                if found[3] == lease.token or self._is_free(found[3], found[4], found[5], now):
                    row = _row(found)
                    rows[row.feed.id] = row
            cursor.executemany(
                "UPDATE feeds SET token = ?, holder = ?, until = ? WHERE id = ?",
                [(lease.token, holder, lease.until, feed_id) for feed_id in rows],
            )
        return rows

    def remember(self, results: Iterable[PollResult], *, release: bool = True) -> list[str]:
        free = ", token = NULL, holder = NULL, until = NULL" if release else ""
        by_id = {result.feed: result for result in results}
        with self._file.writing() as cursor:
            sql = f"SELECT feed, token FROM feeds WHERE id IN ({','.join('?' * len(by_id))})"
            feeds = {
                feed.id: (feed, token) for feed, token in self._decoded(cursor.execute(sql, tuple(by_id)).fetchall())
            }
            ours = [one for one in by_id.values() if one.feed in feeds and feeds[one.feed][1] == one.token]
            cursor.executemany(
                f"UPDATE feeds SET poll = ?, rev = rev + 1, host = ?, active = ?, next_check = ?, head = ?{free} WHERE id = ?",
                [
                    (
                        _json.encode(one.poll),
                        polled_host(feeds[one.feed][0], one.poll),
                        is_polled(feeds[one.feed][0], one.poll),
                        one.poll.next_check,
                        one.poll.head,
                        one.feed,
                    )
                    for one in ours
                ],
            )
        written = {one.feed for one in ours}
        return [feed_id for feed_id in by_id if feed_id not in written]

    @staticmethod
    def _decoded(found: list[Any]) -> Iterable[tuple[Feed, str | None]]:
        return ((_feed.decode(feed), token) for feed, token in found)

    def release(self, feed_id: str, token: str) -> bool:
        changed = self._file.run(
            "UPDATE feeds SET token = NULL, holder = NULL, until = NULL WHERE id = ? AND token = ?", (feed_id, token)
        )
        return changed == 1

    def claim_host(self, host: str, lease: Lease, now: Instant) -> Instant:
        return self._take(f"host {host}", lease, now)

    def release_host(self, host: str, token: str, hold_until: Instant = 0) -> bool:
        return self._give_back(f"host {host}", token, hold_until)

    # --- indexing ---

    def behind(self, generation: int, limit: int = 1_000_000, among: Iterable[str] | None = None) -> list[str]:
        sql = (
            "SELECT f.id FROM feeds f LEFT JOIN index_states i ON i.feed = f.id AND i.generation = ?"
            " WHERE f.head > coalesce(i.cursor, 0)"
        )
        if among is None:
            return [id_ for (id_,) in self._read(f"{sql} ORDER BY f.id LIMIT ?", (generation, limit))]
        wanted, found = sorted(set(among)), []
        for start in range(0, len(wanted), _IDS_AT_ONCE):
            part = wanted[start : start + _IDS_AT_ONCE]
            found += self._read(f"{sql} AND f.id IN ({','.join('?' * len(part))}) ORDER BY f.id", (generation, *part))
        return [id_ for (id_,) in found[:limit]]

    def claim_index(self, generation: int, feed_id: str, lease: Lease, now: Instant) -> FeedRow | None:
        holder = self._own_holder()
        with self._file.writing() as cursor:
            found = cursor.execute(f"{_ROW} WHERE f.id = ?", (generation, feed_id)).fetchone()
            if found is None:
                return None
            taken = cursor.execute(
                "SELECT token, holder, until FROM index_states WHERE generation = ? AND feed = ?", (generation, feed_id)
            ).fetchone()
            if taken and not (taken[0] == lease.token or self._is_free(taken[0], taken[1], taken[2], now)):
                return None
            cursor.execute(
                "INSERT INTO index_states (generation, feed, cursor, token, holder, until) VALUES (?, ?, 0, ?, ?, ?)"
                " ON CONFLICT DO UPDATE SET token = excluded.token, holder = excluded.holder, until = excluded.until",
                (generation, feed_id, lease.token, holder, lease.until),
            )
        return _row(found)

    def item_states(self, generation: int, feed_id: str, ids: Iterable[str]) -> dict[str, ItemState]:
        wanted = list(ids)
        found: dict[str, ItemState] = {}
        for start in range(0, len(wanted), _IDS_AT_ONCE):
            part = wanted[start : start + _IDS_AT_ONCE]
            marks = ",".join("?" * len(part))
            sql = f"SELECT id, state FROM item_states WHERE generation = ? AND feed = ? AND id IN ({marks})"
            for id_, state in self._read(sql, (generation, feed_id, *part)):
                found[id_] = _item.decode(state)
        return found

    def save(self, generation: int, feed_id: str, token: str, fold: FoldState, states: Mapping[str, ItemState]) -> bool:
        with self._file.writing() as cursor:
            changed = cursor.execute(
                "UPDATE index_states SET cursor = ?, state = ? WHERE generation = ? AND feed = ? AND token = ?",
                (fold.cursor, _json.encode(fold), generation, feed_id, token),
            ).rowcount
            if changed != 1:
                return False
            cursor.executemany(
                "INSERT INTO item_states VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET state = excluded.state",
                ((generation, feed_id, id_, _pack.encode(state)) for id_, state in states.items()),
            )
            cursor.execute("UPDATE feeds SET rev = rev + 1 WHERE id = ?", (feed_id,))
        return True

    def release_index(self, generation: int, feed_id: str, token: str) -> bool:
        changed = self._file.run(
            "UPDATE index_states SET token = NULL, holder = NULL, until = NULL"
            " WHERE generation = ? AND feed = ? AND token = ?",
            (generation, feed_id, token),
        )
        return changed == 1

    def index_leases(self, generation: int, now: Instant) -> int:
        found = self._read(
            "SELECT token, holder, until FROM index_states WHERE generation = ? AND token IS NOT NULL", (generation,)
        )
        return sum(not self._is_free(token, holder, until, now) for token, holder, until in found)

    def generations(self) -> list[int]:
        return [number for (number,) in self._read("SELECT DISTINCT generation FROM index_states ORDER BY 1")]

    def drop_generation(self, generation: int) -> None:
        for (feed_id,) in self._read("SELECT feed FROM index_states WHERE generation = ?", (generation,)):
            self._drop_items(generation, feed_id)
        self._file.run("DELETE FROM index_states WHERE generation = ?", (generation,))

    def _drop_items(self, generation: int, feed_id: str) -> None:
        """Delete item states in portions, so that nobody waits long for the write lock."""
        while self._file.run(
            "DELETE FROM item_states WHERE generation = ? AND feed = ? AND id IN"
            " (SELECT id FROM item_states WHERE generation = ? AND feed = ? LIMIT ?)",
            (generation, feed_id, generation, feed_id, _DROPPED_AT_ONCE),
        ):
            pass

    # --- locks ---

    def lock(self, name: str, lease: Lease, now: Instant) -> bool:
        return self._take(f"lock {name}", lease, now) == 0

    def unlock(self, name: str, token: str) -> bool:
        return self._give_back(f"lock {name}", token, 0)

    def is_locked(self, name: str, now: Instant) -> bool:
        found = self._read("SELECT token, holder, until FROM locks WHERE name = ?", (f"lock {name}",))
        return bool(found) and not self._is_free(found[0][0], found[0][1], found[0][2], now)

    def close(self) -> None:
        self._file.close()
        if self._held is not None:
            self._held.free()
            (self._folder / "holders" / self._holder).unlink(missing_ok=True)
            self._held = None

    def _take(self, name: str, lease: Lease, now: Instant) -> Instant:
        holder = self._own_holder()
        with self._file.writing() as cursor:
            found = cursor.execute(
                "SELECT token, holder, until, hold_until FROM locks WHERE name = ?", (name,)
            ).fetchone()
            if found is not None and found[0] != lease.token:
                if not self._is_free(found[0], found[1], found[2], now):
                    return int(found[2])
                if found[3] > now:
                    return int(found[3])
            cursor.execute(
                "INSERT INTO locks (name, token, holder, until) VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE"
                " SET token = excluded.token, holder = excluded.holder, until = excluded.until",
                (name, lease.token, holder, lease.until),
            )
        return 0

    def _give_back(self, name: str, token: str, hold_until: Instant) -> bool:
        changed = self._file.run(
            "UPDATE locks SET token = NULL, holder = NULL, until = NULL, hold_until = ? WHERE name = ? AND token = ?",
            (hold_until, name, token),
        )
        return changed == 1

    # --- holders ---

    def _own_holder(self) -> str:
        """Give the name of this process's locked file, made on the first claim."""
        if self._held is None or not self._holder.startswith(f"{os.getpid()}-"):
            prepare(self._folder)
            self._holder = f"{os.getpid()}-{uuid.uuid4().hex[:12]}"
            self._held = FileLock(self._folder / "holders" / self._holder)
            self._held.take(0, "holds leases")
        return self._holder

    def _is_free(self, token: str | None, holder: str | None, until: int | None, now: Instant) -> bool:
        return token is None or until is None or until <= now or not self._lives(holder or "")

    def _lives(self, holder: str) -> bool:
        """Say whether the process behind a holder's file still has it locked."""
        if holder == self._holder:
            return True
        path = self._folder / "holders" / holder
        with translate_os_errors(path):
            try:
                handle = os.open(path, os.O_RDWR | os.O_CLOEXEC)
            except FileNotFoundError:
                return False
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
            finally:
                os.close(handle)
            path.unlink(missing_ok=True)
        return False

    def _read(self, sql: str, values: tuple[object, ...] = ()) -> list[Any]:
        if not self._prepared:
            prepare(self._folder)
            self._prepared = True
        return self._file.rows(sql, values)


def _row(found: Any) -> FeedRow:  # noqa: ANN401 - a row of SQLite has no types
    feed, poll, rev, token, _holder, _until, fold = found
    return FeedRow(
        _feed.decode(feed), _poll.decode(poll), _index.decode(fold) if fold else FoldState(), rev, token is not None
    )
