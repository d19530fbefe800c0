"""The data folder of one machine: its format version, file locks, and messages for operating system errors."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from newswire.errors import DataError, DataNewerError
from newswire.storage.small_file import replace_file

FORMAT = 1
"""Version of the layout of the folder; a newer one is not read."""
_FORMAT_FILE = "format"

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
        reason = (error.strerror or type(error).__name__).lower()
        advice = _ADVICE.get(error.errno or 0, f"{reason}. Choose another path, or create what is missing")
        msg = f"{error.filename or path} is unusable: {advice}."
        raise DataError(msg) from error


PRIVATE_FOLDER = 0o700
OTHERS = 0o077
"""The permissions of everybody but the owner. The command line makes files without them (umask)."""


def check(folder: Path) -> None:
    """Raise `DataNewerError` if the folder exists and has a newer format."""
    if (folder / _FORMAT_FILE).exists():
        prepare(folder)


def prepare(folder: Path) -> None:
    """Create the folder and write its format; raise `DataNewerError` if it has a newer format."""
    with translate_os_errors(folder):
        folder.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
        if folder.stat().st_mode & OTHERS and folder.stat().st_uid == os.getuid():
            folder.chmod(PRIVATE_FOLDER)  # it holds the headers and URLs of feeds, which may be keys
        format_file = folder / _FORMAT_FILE
        text = format_file.read_text("ascii", "replace").strip() if format_file.exists() else ""
        if text:
            if not text.isdigit() or int(text) > FORMAT:
                msg = (
                    f"A newer version of newswire wrote {folder} (format {text[:20]!r}; this version reads format {FORMAT}). "
                    "Update newswire, or set NEWSWIRE_DATA to another folder."
                )
                raise DataNewerError(msg)
            return
        replace_file(format_file, f"{FORMAT}\n")  # also an empty one, which a power cut left
