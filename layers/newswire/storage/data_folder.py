"""The data folder of one machine: made on first use, of a known format, with errors that say what to do."""

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
_FORMAT_FILE = "format"
_LOOK_EVERY_S = 0.02

_ADVICE = {
    errno.EROFS: "it is on a read-only file system: set NEWSWIRE_DATA to a folder that can be written",
    errno.EACCES: "this user may not write there: change its owner, or set NEWSWIRE_DATA to another folder",
    errno.EPERM: "this user may not write there: change its owner, or set NEWSWIRE_DATA to another folder",
    errno.ENOSPC: "the disk is full: make room and run it again; what was there is whole",
    errno.EDQUOT: "the disk quota is used up: make room and run it again; what was there is whole",
    errno.ENOTDIR: "a file stands where a folder is needed: set NEWSWIRE_DATA to another folder",
    errno.EEXIST: "a file stands where a folder is needed: set NEWSWIRE_DATA to another folder",
    errno.EMFILE: "too many files are open: raise `ulimit -n`",
}


@contextmanager
def translate_os_errors(path: Path | str) -> Iterator[None]:
    """Turn an `OSError` of the block into a `DataError` that names the path and the next step."""
    try:
        yield
    except OSError as error:
        advice = _ADVICE.get(error.errno or 0, (error.strerror or type(error).__name__).lower())
        msg = f"{error.filename or path} can't be used: {advice}."
        raise DataError(msg) from error


def check(folder: Path) -> None:
    """Look whether the folder is of a format that we know, if it is there; `DataNewerError` for one of a newer version."""
    if (folder / _FORMAT_FILE).exists():
        prepare(folder)


def prepare(folder: Path) -> None:
    """Make the folder and note its format; `DataNewerError` for one of a newer version."""
    with translate_os_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        noted = folder / _FORMAT_FILE
        if noted.exists():
            text = noted.read_text("ascii", "replace").strip()
            if not text.isdigit() or int(text) > FORMAT:
                msg = (
                    f"{folder} was written by a newer version of newswire (format {text[:20]!r}, this one knows {FORMAT}): "
                    "update newswire, or set NEWSWIRE_DATA to another folder."
                )
                raise DataNewerError(msg)
            return
        beside = folder / f".{_FORMAT_FILE}.{os.getpid()}"
        beside.write_text(f"{FORMAT}\n", "ascii")
        beside.replace(noted)


class FileLock:
    """A lock on a file, freed by the kernel when its holder dies; it says who holds it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._handle: int | None = None

    def take(self, wait_s: float, doing: str) -> None:
        """Take the lock, waiting at most so long; `DataBusyError` names who holds it and what they are doing."""
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
                    msg = f"{self._path} is held by {holder}, for more than {wait_s:.0f} s: wait for it, or stop it."
                    raise DataBusyError(msg) from error
                time.sleep(_LOOK_EVERY_S)
        with translate_os_errors(self._path):
            os.ftruncate(handle, 0)
            os.pwrite(handle, f"process {os.getpid()} ({doing})\n".encode(), 0)
        self._handle = handle

    def free(self) -> None:
        """Give the lock back."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None
