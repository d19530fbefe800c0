"""Optional dependencies: say which extra to install where one is missing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Literal

from newswire.errors import SettingsError

Extra = Literal["aws", "opensearch"]


def check_package(name: str) -> None:
    """Raise `ModuleNotFoundError` if a package is not installed, without importing it."""
    if find_spec(name) is None:
        msg = f"No module named {name!r}"
        raise ModuleNotFoundError(msg, name=name)


@contextmanager
def needs_extra(extra: Extra, what: str) -> Iterator[None]:
    """Import optional dependencies inside; raise `SettingsError` that names the extra if one is not installed."""
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "newswire").partition(".")[0] == "newswire":
            raise
        msg = f"{what} needs the package {error.name}, which is not installed: install newswire[{extra}]."
        raise SettingsError(msg) from error
