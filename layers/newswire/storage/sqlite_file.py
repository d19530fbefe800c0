"""A SQLite file: opened for each thread, with its schema, and its errors turned into ours."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from newswire.errors import DataBusyError, DataError, DataNewerError
from newswire.storage.data_folder import translate_os_errors

Row = Sequence[Any]
_LOOK_EVERY_S = 0.02


class SqliteFile:
    """One database file: WAL, a busy timeout, immediate write transactions, a schema version. Opened on first use."""

    def __init__(self, path: Path, schema: str, version: int, *, wait_s: float = 30.0) -> None:
        self._path = path
        self._schema = schema
        self._version = version
        self._wait_s = wait_s
        self._of_thread = threading.local()
        self._opened: list[sqlite3.Connection] = []
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
                self._opened.append(connection)
        return connection

    def _prepare(self, connection: sqlite3.Connection) -> None:
        _into_wal(connection, self._wait_s)
        # The archive is what must survive a crash of the machine; this file is brought level with it afterwards.
        connection.execute("PRAGMA synchronous=NORMAL")
        found = connection.execute("PRAGMA user_version").fetchone()[0]
        if found > self._version:
            connection.close()
            msg = (
                f"{self._path} was written by a newer version of newswire (schema {found}, this one knows "
                f"{self._version}): update newswire, or set NEWSWIRE_DATA to another folder."
            )
            raise DataNewerError(msg)
        if found < self._version:
            connection.execute("BEGIN IMMEDIATE")
            if connection.execute("PRAGMA user_version").fetchone()[0] < self._version:  # nobody was faster
                for statement in self._schema.split(";"):
                    if statement.strip():
                        connection.execute(statement)
                connection.execute(f"PRAGMA user_version={self._version}")
            connection.execute("COMMIT")

    @contextmanager
    def translate_errors(self) -> Iterator[None]:
        """Turn SQLite's errors into ours, naming the file and the next step."""
        try:
            yield
        except sqlite3.OperationalError as error:
            text = str(error)
            if "locked" in text or "busy" in text:
                msg = f"{self._path} is in use by another process, for more than {self._wait_s:.0f} s: wait for it, or stop it."
                raise DataBusyError(msg) from error
            advice = {
                "readonly": "it can't be written: change its owner, or set NEWSWIRE_DATA to another folder",
                "full": "the disk is full: make room and run it again; what was there is whole",
                "unable to open": "it can't be opened: look at the rights of its folder, or set NEWSWIRE_DATA to another",
            }
            why = next((said for word, said in advice.items() if word in text), text)
            msg = f"{self._path} can't be used: {why}."
            raise DataError(msg) from error
        except sqlite3.DatabaseError as error:
            msg = f"{self._path} is damaged ({error}): move it away and run `newswire reindex`; the archive has everything."
            raise DataError(msg) from error

    def rows(self, sql: str, values: Sequence[object] = ()) -> list[Row]:
        """Read rows."""
        with self.translate_errors():
            return self._connection().execute(sql, values).fetchall()

    def run(self, sql: str, values: Sequence[object] = ()) -> int:
        """Carry out one statement by itself; gives how many rows it touched."""
        with self.translate_errors():
            return self._connection().execute(sql, values).rowcount

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Cursor]:
        """Open a write transaction: committed whole at the end of the block, undone if it raises."""
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

    def run_many(self, sql: str, many: Iterable[Sequence[object]]) -> None:
        """Carry out one statement for many rows, all or none of them."""
        with self.writing() as cursor:
            cursor.executemany(sql, many)

    def close(self) -> None:
        """Close what every thread opened; it opens again on the next use."""
        with self._guard:
            for connection in self._opened:
                connection.close()
            self._opened.clear()
        self._of_thread = threading.local()


def _into_wal(connection: sqlite3.Connection, wait_s: float) -> None:
    """Switch the write-ahead log on; SQLite does not wait for others here as it does elsewhere, so this does."""
    until = time.monotonic() + wait_s
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError:
            if time.monotonic() >= until:
                raise
            time.sleep(_LOOK_EVERY_S)
        else:
            return
