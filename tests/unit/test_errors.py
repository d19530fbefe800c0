"""Errors: the docstring of `errors.py` draws every exception of newswire, and nothing else."""

import pkgutil
import re
from collections.abc import Iterator
from importlib import import_module

import newswire
from newswire import errors

INDENT = 4


def drawn() -> dict[str, str]:
    """Return the base of each drawn exception, by name; the base of a root is `Exception`."""
    path: list[str] = []
    bases = {}
    for line in errors.__doc__.partition("::\n")[2].splitlines():
        match = re.fullmatch(r"    ([│├└─ ]*)(_?[A-Z]\w+) {2,}\S.*", line)
        if match is None:
            continue
        depth = len(match[1]) // INDENT
        assert depth <= len(path), line
        path = [*path[:depth], match[2]]
        assert match[2] not in bases, line
        bases[match[2]] = path[-2] if depth else "Exception"
    return bases


def subclasses(kind: type[BaseException]) -> Iterator[type[BaseException]]:
    for subclass in kind.__subclasses__():
        yield subclass
        yield from subclasses(subclass)


def defined() -> dict[str, str]:
    """Return the base of each exception that a module of newswire defines, by name."""
    for module in pkgutil.walk_packages(newswire.__path__, "newswire."):
        if module.name != "newswire.__main__":  # its import runs the command line
            import_module(module.name)
    bases = {}
    for kind in set(subclasses(BaseException)):
        if kind.__module__.partition(".")[0] == "newswire":
            assert len(kind.__bases__) == 1, kind
            assert kind.__name__ not in bases, kind
            bases[kind.__name__] = kind.__bases__[0].__name__
    return bases


def test_the_tree_of_errors_is_the_drawn_one() -> None:
    assert defined() == drawn()


def test_the_drawn_tree_has_one_public_root() -> None:
    assert [name for name, base in drawn().items() if base == "Exception" and name[0] != "_"] == ["NewswireError"]
