"""The data folder of one machine: its format version, file locks, and messages for operating system errors."""

from __future__ import annotations

import errno
import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from newswire.errors import DataBusyError, DataError, DataNewerError

FORMAT = 1
"""Version of the layout of the folder; a newer one is not read."""
_FORMAT_FILE = "format"
_LOCK_PAUSE_SECONDS = 0.02
"""Pause between two tries to take a lock; a holder needs much longer."""

_ADVICE = {
    errno.EROFS: "it is on a read-only file system. Set NEWSWIRE_DATA to a writable folder",
    errno.EACCES: "this user may not write there. Change its owner, or set NEWSWIRE_DATA to another folder",
    errno.EPERM: "this user may not write there. Change its owner, or set NEWSWIRE_DATA to another folder",
    errno.ENOSPC: "the disk is full. Free space and run the command again; existing data is intact",
    errno.EDQUOT: "the disk quota is used up. Free space and run the command again; existing data is intact",
    errno.ENOTDIR: "it needs a folder where a file exists. Set NEWSWIRE_DATA to another folder",
    errno.EEXIST: "it needs a folder where a file exists. Set NEWSWIRE_DATA to another folder",
    errno.EMFILE: "too many files are open. Raise `ulimit -n`",
}


@contextmanager
def translate_os_errors(path: Path | str) -> Iterator[None]:
    """Turn an `OSError` in the block into a `DataError` that names the path and the next step."""
    try:
        yield
    except OSError as error:
        advice = _ADVICE.get(error.errno or 0, (error.strerror or type(error).__name__).lower())
        msg = f"{error.filename or path} is unusable: {advice}."
        raise DataError(msg) from error


def check(folder: Path) -> None:
    """Raise `DataNewerError` if the folder exists and has a newer format."""
    if (folder / _FORMAT_FILE).exists():
        prepare(folder)


def prepare(folder: Path) -> None:
    """Create the folder and write its format; raise `DataNewerError` if it has a newer format."""
    with translate_os_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        format_file = folder / _FORMAT_FILE
        if format_file.exists():
            text = format_file.read_text("ascii", "replace").strip()
            if not text.isdigit() or int(text) > FORMAT:
                msg = (
                    f"A newer version of newswire wrote {folder} (format {text[:20]!r}; this version reads format {FORMAT}). "
                    "Update newswire, or set NEWSWIRE_DATA to another folder."
                )
                raise DataNewerError(msg)
            return
        temporary = folder / f".{_FORMAT_FILE}.{os.getpid()}"
        temporary.write_text(f"{FORMAT}\n", "ascii")
        temporary.replace(format_file)


class FileLock:
    """A lock on a file. The kernel frees it when its holder dies. The file's text names the holder."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._handle: int | None = None

    def take(self, wait_s: float, doing: str) -> None:
        """Take the lock within `wait_s` seconds; raise `DataBusyError`, which names the holder and its `doing`."""
        until = time.monotonic() + wait_s
        with translate_os_errors(self._path):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            handle = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError as error:
                if time.monotonic() >= until:
                    holder = os.pread(handle, 200, 0).decode("utf-8", "replace").strip() or "another process"
                    os.close(handle)
                    msg = f"{self._path} is locked by {holder}, for more than {wait_s:.0f} s. Wait for that process, or stop it."
                    raise DataBusyError(msg) from error
                time.sleep(_LOCK_PAUSE_SECONDS)
        with translate_os_errors(self._path):
            os.ftruncate(handle, 0)
            os.pwrite(handle, f"process {os.getpid()} ({doing})\n".encode(), 0)
        self._handle = handle

    def free(self) -> None:
        """Release the lock; do nothing if it is not held."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None
