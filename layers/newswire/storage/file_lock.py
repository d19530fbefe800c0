"""A lock on a file, which the kernel frees when its holder dies, and which names its holder."""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path

from newswire.errors import DataBusyError
from newswire.storage.data_folder import translate_os_errors

_LOCK_PAUSE_SECONDS = 0.02
"""Pause between two tries to take a lock; a holder needs much longer."""


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
