"""The archive in a folder: one file per record, `<feed>/<seq>.record`."""

from __future__ import annotations

import os
import shutil
import uuid
from pathlib import Path

from newswire.model import Record
from newswire.storage.archive import decode_record, encode_record
from newswire.storage.data_folder import translate_os_errors


class FolderArchive:
    """`Archive` on a local file system."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def _path(self, feed: str, seq: int) -> Path:
        return self._folder / feed / f"{seq:09d}.record"

    def put(self, record: Record) -> bool:
        """Write a temporary file, flush it to disk, and link it to its name: the link fails if the name exists."""
        path = self._path(record.feed, record.seq)
        data = encode_record(record)
        with translate_os_errors(path):
            if path.exists():
                return False
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}.new")
            try:
                with temporary.open("wb") as file:
                    file.write(data)
                    file.flush()
                    os.fsync(file.fileno())
                try:
                    os.link(temporary, path)
                except FileExistsError:
                    return False
            finally:
                temporary.unlink(missing_ok=True)
            _flush_folder(path.parent)
        return True

    def get(self, feed: str, seq: int) -> Record | None:
        path = self._path(feed, seq)
        with translate_os_errors(path):
            try:
                data = path.read_bytes()
            except FileNotFoundError:
                return None
        return decode_record(data, str(path))

    def head(self, feed: str, after: int = 0) -> int:
        with translate_os_errors(self._folder):
            if after == 0:
                return self._last_seq(feed)
            while self._path(feed, after + 1).exists():
                after += 1
        return after

    def _last_seq(self, feed: str) -> int:
        try:
            names = [path.name for path in (self._folder / feed).iterdir()]
        except FileNotFoundError:
            return 0
        return max((int(name[:9]) for name in names if name.endswith(".record") and name[:9].isdigit()), default=0)

    def feeds(self) -> list[str]:
        with translate_os_errors(self._folder):
            if not self._folder.is_dir():
                return []
            return sorted(entry.name for entry in os.scandir(self._folder) if entry.is_dir())

    def remove(self, feed: str) -> None:
        with translate_os_errors(self._folder):
            if (self._folder / feed).is_dir():
                shutil.rmtree(self._folder / feed)


def _flush_folder(folder: Path) -> None:
    """Flush a folder to disk, so that the name of a new file survives a crash of the machine."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
