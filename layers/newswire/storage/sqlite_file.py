"""A SQLite database file: one connection per thread, a schema version, and errors as `DataError`."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from newswire.errors import DataBusyError, DataError, DataNewerError
from newswire.storage.data_folder import translate_os_errors

Row = Sequence[Any]
_WAL_PAUSE_SECONDS = 0.02
"""Pause between two tries to switch on the write-ahead log."""


class SqliteFile:
    """One database file with a write-ahead log. Opened on first use; it waits at most `wait_s` seconds for a lock."""

    def __init__(self, path: Path, schema: str, version: int, *, wait_s: float = 30.0) -> None:
        self._path = path
        self._schema = schema
        self._version = version
        self._wait_s = wait_s
        self._of_thread = threading.local()
        self._connections: list[sqlite3.Connection] = []
        self._guard = threading.Lock()

    def _connection(self) -> sqlite3.Connection:
        connection: sqlite3.Connection | None = getattr(self._of_thread, "connection", None)
        if connection is None or self._of_thread.pid != os.getpid():
            with self.translate_errors(), translate_os_errors(self._path):
                self._path.parent.mkdir(parents=True, exist_ok=True)
                connection = sqlite3.connect(
                    self._path, timeout=self._wait_s, isolation_level=None, check_same_thread=False
                )
                self._prepare(connection)
            self._of_thread.connection, self._of_thread.pid = connection, os.getpid()
            with self._guard:
                self._connections.append(connection)
        return connection

    def _prepare(self, connection: sqlite3.Connection) -> None:
        _enable_wal(connection, self._wait_s)
        # Only the archive must survive a crash of the machine; this file catches up with it afterwards.
        connection.execute("PRAGMA synchronous=NORMAL")
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if version > self._version:
            connection.close()
            msg = (
                f"A newer version of newswire wrote {self._path} (schema {version}; this version reads schema "
                f"{self._version}). Update newswire, or set NEWSWIRE_DATA to another folder."
            )
            raise DataNewerError(msg)
        if version < self._version:
            connection.execute("BEGIN IMMEDIATE")
            if connection.execute("PRAGMA user_version").fetchone()[0] < self._version:  # no other process was faster
                for statement in self._schema.split(";"):
                    if statement.strip():
                        connection.execute(statement)
                connection.execute(f"PRAGMA user_version={self._version}")
            connection.execute("COMMIT")

    @contextmanager
    def translate_errors(self) -> Iterator[None]:
        """Turn SQLite's errors in the block into a `DataError` that names the file and the next step."""
        try:
            yield
        except sqlite3.OperationalError as error:
            text = str(error)
            if "locked" in text or "busy" in text:
                msg = f"Another process has locked {self._path} for more than {self._wait_s:.0f} s. Wait for it, or stop it."
                raise DataBusyError(msg) from error
            advice = {
                "readonly": "it is not writable. Change its owner, or set NEWSWIRE_DATA to another folder",
                "full": "the disk is full. Free space and run the command again; existing data is intact",
                "unable to open": "it cannot be opened. Check the permissions of its folder, or set NEWSWIRE_DATA to another",
            }
            reason = next((sentence for word, sentence in advice.items() if word in text), text)
            msg = f"{self._path} is unusable: {reason}."
            raise DataError(msg) from error
        except sqlite3.DatabaseError as error:
            msg = f"{self._path} is damaged ({error}). Run `newswire reindex --salvage`; the archive has everything."
            raise DataError(msg) from error

    def rows(self, sql: str, values: Sequence[object] = ()) -> list[Row]:
        """Return the rows of a query."""
        with self.translate_errors():
            return self._connection().execute(sql, values).fetchall()

    def run(self, sql: str, values: Sequence[object] = ()) -> int:
        """Run one statement in its own transaction; return the number of changed rows."""
        with self.translate_errors():
            return self._connection().execute(sql, values).rowcount

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Cursor]:
        """Open a write transaction; commit it at the end of the block, roll it back if the block raises."""
        with self.translate_errors():
            connection = self._connection()
            cursor = connection.cursor()
            cursor.execute("BEGIN IMMEDIATE")
            try:
                yield cursor
            except BaseException:
                connection.rollback()
                raise
            cursor.execute("COMMIT")

    def close(self) -> None:
        """Close the connections of all threads; the next use opens the file again."""
        with self._guard:
            for connection in self._connections:
                connection.close()
            self._connections.clear()
        self._of_thread = threading.local()


def readable_values(path: Path, sql: str) -> Iterator[Any]:
    """Yield the first value of each row of a query, up to the first damage of the database; nothing is written."""
    try:
        with closing(sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True)) as connection:
            yield from (row[0] for row in connection.execute(sql))
    except sqlite3.Error:
        return


def _enable_wal(connection: sqlite3.Connection, wait_s: float) -> None:
    """Switch on the write-ahead log. SQLite's busy timeout does not apply to this statement, so wait here."""
    until = time.monotonic() + wait_s
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError:
            if time.monotonic() >= until:
                raise
            time.sleep(_WAL_PAUSE_SECONDS)
        else:
            return
