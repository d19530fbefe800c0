"""The feed store in a SQLite file, for one machine.

A lease here also ends with its process. Each process locks a separate file, and the kernel frees that lock when the process
dies. So after a `kill -9` the next run continues at once and does not wait until leases expire.
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
from newswire.storage.data_folder import prepare, translate_os_errors
from newswire.storage.feeds import DueFeed, FeedRow, Lease, PollResult, after_edit, is_polled, polled_host
from newswire.storage.feeds.metadata import M, Metadata, decode_metadata, encode_metadata
from newswire.storage.file_lock import FileLock
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

_encode = msgspec.json.Encoder().encode
_encode_item_state = msgspec.msgpack.Encoder().encode
_decode_feed = msgspec.json.Decoder(Feed).decode
_decode_poll = msgspec.json.Decoder(PollState).decode
_decode_fold = msgspec.json.Decoder(FoldState).decode
_decode_item_state = msgspec.msgpack.Decoder(ItemState).decode
_ROW = (
    "SELECT f.feed, f.poll, f.rev, f.token, f.holder, f.until, i.state FROM feeds f"
    " LEFT JOIN index_states i ON i.feed = f.id AND i.generation = ?"
)
_MAX_IDS = 500
"""Ids per statement; SQLite limits its variables."""
_MAX_DELETED_ROWS = 20_000
"""Rows per deletion, so that other writers do not wait long."""


class SqliteFeedStore:
    """`FeedStore` in `feeds.sqlite` of the data folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._file = SqliteFile(folder / "feeds.sqlite", _SCHEMA, _VERSION)
        self._holder = ""
        self._holder_lock: FileLock | None = None
        self._prepared = False

    # --- the list ---

    def put(self, feed: Feed, now: Instant) -> None:
        prepare(self._folder)
        with self._file.writing() as cursor:
            row = cursor.execute("SELECT poll, rev, feed FROM feeds WHERE id = ?", (feed.id,)).fetchone()
            poll = _decode_poll(row[0]) if row else PollState()
            edited = after_edit(_decode_feed(row[2]), feed, poll) if row else None
            poll = edited or poll
            rev = max(row[1] + 1 if row else 0, now)
            values = (_encode(feed), rev, polled_host(feed, poll), is_polled(feed, poll), feed.id)
            if row:
                cursor.execute("UPDATE feeds SET feed = ?, rev = ?, host = ?, active = ? WHERE id = ?", values)
                if edited:
                    # A running poll fetches under the old configuration: end its lease, so that its result is refused.
                    cursor.execute(
                        "UPDATE feeds SET poll = ?, next_check = 0, token = iif(token IS NULL, NULL, 'edited'), until = 0"
                        " WHERE id = ?",
                        (_encode(poll), feed.id),
                    )
            else:
                cursor.execute(
                    "INSERT INTO feeds (feed, rev, host, active, id, poll, next_check, head) VALUES (?, ?, ?, ?, ?, ?, 0, 0)",
                    (*values, _encode(poll)),
                )

    def row(self, feed_id: str, generation: int = 0) -> FeedRow | None:
        rows = self._read(f"{_ROW} WHERE f.id = ?", (generation, feed_id))
        return _decode_row(rows[0]) if rows else None

    def rows(self, generation: int = 0, ids: Iterable[str] | None = None) -> list[FeedRow]:
        if ids is None:
            return [_decode_row(row) for row in self._read(f"{_ROW} ORDER BY f.id", (generation,))]
        rows: list[FeedRow] = []
        sorted_ids = sorted(set(ids))
        for start in range(0, len(sorted_ids), _MAX_IDS):
            part = sorted_ids[start : start + _MAX_IDS]
            sql = f"{_ROW} WHERE f.id IN ({','.join('?' * len(part))}) ORDER BY f.id"
            rows += [_decode_row(row) for row in self._read(sql, (generation, *part))]
        return rows

    def remove(self, feed_id: str) -> None:
        for generation in self.generations():
            self._drop_items(generation, feed_id)
        with self._file.writing() as cursor:
            cursor.execute("DELETE FROM item_states WHERE feed = ?", (feed_id,))
            cursor.execute("DELETE FROM index_states WHERE feed = ?", (feed_id,))
            cursor.execute("DELETE FROM feeds WHERE id = ?", (feed_id,))

    def metadata(self, kind: type[M]) -> M | None:
        rows = self._read("SELECT value FROM notes WHERE key = ?", (kind.KEY,))
        return decode_metadata(rows[0][0] if rows else None, kind)

    def keep_metadata(self, value: Metadata) -> None:
        prepare(self._folder)
        self._file.run(
            "INSERT INTO notes VALUES (?, ?) ON CONFLICT DO UPDATE SET value = excluded.value",
            (value.KEY, encode_metadata(value)),
        )

    # --- polling ---

    def due(self, now: Instant, limit: int, since: Instant = 0) -> list[DueFeed]:
        rows = self._read(
            "SELECT id, host, next_check, token, holder, until FROM feeds WHERE active AND next_check <= ?"
            " AND (? = 0 OR next_check > ?) ORDER BY next_check, id LIMIT ?",
            (now, since, since, limit),
        )
        return [
            DueFeed(id_, host, at)
            for id_, host, at, token, holder, until in rows
            if self._is_free(token, holder, until, now)
        ]

    def orphaned(self, now: Instant, limit: int) -> list[str]:
        rows = self._read("SELECT id, token, holder, until FROM feeds WHERE token IS NOT NULL LIMIT ?", (limit,))
        return [id_ for id_, token, holder, until in rows if self._is_free(token, holder, until, now)]

    def claim(self, feed_id: str, lease: Lease, now: Instant, generation: int = 0) -> FeedRow | None:
        return self.claim_many([feed_id], lease, now, generation).get(feed_id)

    def claim_many(
        self, feed_ids: Iterable[str], lease: Lease, now: Instant, generation: int = 0
    ) -> dict[str, FeedRow]:
        holder = self._own_holder()
        claimed: dict[str, FeedRow] = {}
        with self._file.writing() as cursor:
            # One statement for all: each statement releases the GIL, and then competes with the fetching threads for it.
            id_list = list(feed_ids)
            sql = f"{_ROW} WHERE f.id IN ({','.join('?' * len(id_list))})"
            for row in cursor.execute(sql, (generation, *id_list)).fetchall():
                if row[3] == lease.token or self._is_free(row[3], row[4], row[5], now):
                    feed_row = _decode_row(row)
                    claimed[feed_row.feed.id] = feed_row
            cursor.executemany(
                "UPDATE feeds SET token = ?, holder = ?, until = ? WHERE id = ?",
                [(lease.token, holder, lease.until, feed_id) for feed_id in claimed],
            )
        return claimed

    def remember(self, results: Iterable[PollResult], *, release: bool = True) -> list[str]:
        free = ", token = NULL, holder = NULL, until = NULL" if release else ""
        by_id = {result.feed: result for result in results}
        with self._file.writing() as cursor:
            sql = f"SELECT feed, token FROM feeds WHERE id IN ({','.join('?' * len(by_id))})"
            feeds: dict[str, Feed] = {}
            tokens: dict[str, str | None] = {}
            for encoded, token in cursor.execute(sql, tuple(by_id)).fetchall():
                feed = _decode_feed(encoded)
                feeds[feed.id], tokens[feed.id] = feed, token
            accepted = [result for result in by_id.values() if tokens.get(result.feed) == result.token]
            cursor.executemany(
                f"UPDATE feeds SET poll = ?, rev = rev + 1, host = ?, active = ?, next_check = ?, head = ?{free} WHERE id = ?",
                [
                    (
                        _encode(result.poll),
                        polled_host(feeds[result.feed], result.poll),
                        is_polled(feeds[result.feed], result.poll),
                        result.poll.next_check,
                        result.poll.head,
                        result.feed,
                    )
                    for result in accepted
                ],
            )
        written = {result.feed for result in accepted}
        return [feed_id for feed_id in by_id if feed_id not in written]

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
        sorted_ids, rows = sorted(set(among)), []
        for start in range(0, len(sorted_ids), _MAX_IDS):
            part = sorted_ids[start : start + _MAX_IDS]
            rows += self._read(f"{sql} AND f.id IN ({','.join('?' * len(part))}) ORDER BY f.id", (generation, *part))
        return [id_ for (id_,) in rows[:limit]]

    def claim_index(self, generation: int, feed_id: str, lease: Lease, now: Instant) -> FeedRow | None:
        holder = self._own_holder()
        with self._file.writing() as cursor:
            row = cursor.execute(f"{_ROW} WHERE f.id = ?", (generation, feed_id)).fetchone()
            if row is None:
                return None
            held_lease = cursor.execute(
                "SELECT token, holder, until FROM index_states WHERE generation = ? AND feed = ?", (generation, feed_id)
            ).fetchone()
            if held_lease and not (
                held_lease[0] == lease.token or self._is_free(held_lease[0], held_lease[1], held_lease[2], now)
            ):
                return None
            cursor.execute(
                "INSERT INTO index_states (generation, feed, cursor, token, holder, until) VALUES (?, ?, 0, ?, ?, ?)"
                " ON CONFLICT DO UPDATE SET token = excluded.token, holder = excluded.holder, until = excluded.until",
                (generation, feed_id, lease.token, holder, lease.until),
            )
        abandoned = held_lease is not None and held_lease[0] not in {None, lease.token}
        return msgspec.structs.replace(_decode_row(row), abandoned=abandoned)

    def item_states(self, generation: int, feed_id: str, ids: Iterable[str]) -> dict[str, ItemState]:
        id_list = list(ids)
        states: dict[str, ItemState] = {}
        for start in range(0, len(id_list), _MAX_IDS):
            part = id_list[start : start + _MAX_IDS]
            marks = ",".join("?" * len(part))
            sql = f"SELECT id, state FROM item_states WHERE generation = ? AND feed = ? AND id IN ({marks})"
            for id_, state in self._read(sql, (generation, feed_id, *part)):
                states[id_] = _decode_item_state(state)
        return states

    def save(self, generation: int, feed_id: str, token: str, fold: FoldState, states: Mapping[str, ItemState]) -> bool:
        with self._file.writing() as cursor:
            changed = cursor.execute(
                "UPDATE index_states SET cursor = ?, state = ? WHERE generation = ? AND feed = ? AND token = ?",
                (fold.cursor, _encode(fold), generation, feed_id, token),
            ).rowcount
            if changed != 1:
                return False
            cursor.executemany(
                "INSERT INTO item_states VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET state = excluded.state",
                ((generation, feed_id, id_, _encode_item_state(state)) for id_, state in states.items()),
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
        rows = self._read(
            "SELECT token, holder, until FROM index_states WHERE generation = ? AND token IS NOT NULL", (generation,)
        )
        return sum(not self._is_free(token, holder, until, now) for token, holder, until in rows)

    def generations(self) -> list[int]:
        return [number for (number,) in self._read("SELECT DISTINCT generation FROM index_states ORDER BY 1")]

    def drop_generation(self, generation: int) -> None:
        for (feed_id,) in self._read("SELECT feed FROM index_states WHERE generation = ?", (generation,)):
            self._drop_items(generation, feed_id)
        self._file.run("DELETE FROM index_states WHERE generation = ?", (generation,))

    def _drop_items(self, generation: int, feed_id: str) -> None:
        """Delete the item states of a feed in batches of `_MAX_DELETED_ROWS`."""
        while self._file.run(
            "DELETE FROM item_states WHERE generation = ? AND feed = ? AND id IN"
            " (SELECT id FROM item_states WHERE generation = ? AND feed = ? LIMIT ?)",
            (generation, feed_id, generation, feed_id, _MAX_DELETED_ROWS),
        ):
            pass

    # --- locks ---

    def lock(self, name: str, lease: Lease, now: Instant) -> bool:
        return self._take(f"lock {name}", lease, now) == 0

    def unlock(self, name: str, token: str) -> bool:
        return self._give_back(f"lock {name}", token, 0)

    def is_locked(self, name: str, now: Instant) -> bool:
        rows = self._read("SELECT token, holder, until FROM locks WHERE name = ?", (f"lock {name}",))
        return any(not self._is_free(token, holder, until, now) for token, holder, until in rows)

    def close(self) -> None:
        self._file.close()
        if self._holder_lock is not None:
            self._holder_lock.free()
            (self._folder / "holders" / self._holder).unlink(missing_ok=True)
            self._holder_lock = None

    def _take(self, name: str, lease: Lease, now: Instant) -> Instant:
        """Take a named lease; return 0 on success, else the instant until which it is taken or held off."""
        holder = self._own_holder()
        with self._file.writing() as cursor:
            held_lease = cursor.execute(
                "SELECT token, holder, until, hold_until FROM locks WHERE name = ?", (name,)
            ).fetchone()
            if held_lease is not None and held_lease[0] != lease.token:
                if not self._is_free(held_lease[0], held_lease[1], held_lease[2], now):
                    return int(held_lease[2])
                if held_lease[3] > now:
                    return int(held_lease[3])
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
        """Return the name of this process's lock file; create and lock it on the first claim."""
        if self._holder_lock is None or not self._holder.startswith(f"{os.getpid()}-"):
            prepare(self._folder)
            self._holder = f"{os.getpid()}-{uuid.uuid4().hex[:12]}"
            self._holder_lock = FileLock(self._folder / "holders" / self._holder)
            self._holder_lock.take(0, "holds leases")
        return self._holder

    def _is_free(self, token: str | None, holder: str | None, until: int | None, now: Instant) -> bool:
        return token is None or until is None or until <= now or not self._is_alive(holder or "")

    def _is_alive(self, holder: str) -> bool:
        """Return whether the process of a holder's file still holds its lock; delete the file of a dead one."""
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


def _decode_row(row: Any) -> FeedRow:  # noqa: ANN401 - a row of SQLite has no types
    feed, poll, rev, token, _holder, _until, fold = row
    fold_state = _decode_fold(fold) if fold else FoldState()
    return FeedRow(_decode_feed(feed), _decode_poll(poll), fold_state, rev, token is not None)
