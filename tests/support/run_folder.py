"""What the workers of a test run share: a folder, and what is made in it once for all of them."""

import fcntl
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

RUN_FOLDER = "NEWSWIRE_TEST_RUN_FOLDER"
"""The variable that names the folder of the run."""


@contextmanager
def folder_of_the_run() -> Iterator[Path]:
    """Make the folder for the block; workers find it by their environment."""
    with TemporaryDirectory(prefix="newswire-run-") as folder:
        os.environ[RUN_FOLDER] = folder
        try:
            yield Path(folder)
        finally:
            del os.environ[RUN_FOLDER]


@contextmanager
def locked(name: str) -> Iterator[Path]:
    """Yield the folder of the run; only one worker at a time is in a block with this name."""
    folder = Path(os.environ[RUN_FOLDER])
    with (folder / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield folder


def made_once(name: str, make: Callable[[Path], object]) -> Path:
    """Return a folder that `make` has filled: the first worker that asks calls it. Nobody may change the folder after."""
    with locked(name) as run:
        folder, partial = run / name, run / f"{name}.partial"
        if not folder.exists():
            shutil.rmtree(partial, ignore_errors=True)
            partial.mkdir()
            make(partial)
            partial.rename(folder)
    return folder
