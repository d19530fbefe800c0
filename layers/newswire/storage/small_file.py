"""Replace a small file as a whole, so that neither a crash nor a power cut leaves half of it, or an empty one."""

from __future__ import annotations

import os
from pathlib import Path


def replace_file(path: Path, text: str) -> None:
    """Write an ASCII text beside the file, flush it to the disk, rename it into place, and flush the folder.

    Without the first flush the new name can stand before its content; without the second the old name can come back.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    with temporary.open("w", encoding="ascii") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
