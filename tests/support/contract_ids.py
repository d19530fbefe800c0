"""Read the ids of a contract's promises, and compare them with the ids that tests cover."""

import importlib
import inspect
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from tests.conftest import ROOT

MARKDOWN_ID = re.compile(r"<!-- ([A-Z]+-?[0-9]+) -->")
DOCSTRING_ID = re.compile(r"\s*\[([A-Z]+-?[0-9]+)\](?=\.)")
SENTENCE_END = re.compile(r"(?<=[.])\s+(?=[A-Z`])")


class Promise(NamedTuple):
    """A sentence or table row of a contract, with all the ids that it has."""

    text: str
    ids: tuple[str, ...]


class Contract:
    """The promises of a contract, and the tests that cover each id."""

    def __init__(self) -> None:
        self.promises: list[Promise] = []
        self.tests: dict[str, list[str]] = {}

    def read_markdown(self, text: str, informative: Collection[str] = ()) -> None:
        """Add the promises of a Markdown page; sections with an `informative` heading need no ids."""
        self.promises += markdown_promises(text, informative)

    def read_docstring(self, text: str) -> None:
        """Add the promises of a docstring."""
        self.promises += docstring_promises(text)

    def covers(self, *ids: str):
        """Return a decorator that records a test of these ids."""

        def record(test: Callable) -> Callable:
            for id_ in ids:
                self.tests.setdefault(id_, []).append(test.__name__)
            return test

        return record

    def problems(self) -> list[str]:
        """List what is wrong: promises without exactly one id, duplicated ids, untested ids, unknown ids."""
        results = [
            f"needs exactly one id, has {len(promise.ids)}: {promise.text}"
            for promise in self.promises
            if len(promise.ids) != 1
        ]
        counts = Counter(id_ for promise in self.promises for id_ in promise.ids)
        results += [f"duplicated id: {id_}" for id_, count in counts.items() if count > 1]
        results += [f"id without a test: {id_}" for id_ in counts if id_ not in self.tests]
        results += [f"unknown id {id_} in {', '.join(tests)}" for id_, tests in self.tests.items() if id_ not in counts]
        return results

    def check(self) -> None:
        """Fail unless each promise has one id of its own, and the tests cover exactly these ids."""
        problems = self.problems()
        assert not problems, "\n".join(problems)


def import_tests(folder: Path) -> None:
    """Import every test file of a folder, so that all its tests are recorded even if only one file is run."""
    for file in sorted(folder.glob("test_*.py")):
        importlib.import_module(".".join(file.relative_to(ROOT).with_suffix("").parts))


def markdown_promises(text: str, informative: Collection[str] = ()) -> Iterator[Promise]:
    """Read a page with one sentence a line; each sentence and table row of a contract section is a promise.

    Outside these sections, in the introduction and under `informative` headings, only a line with an id is a promise.
    Headings, code, table heads, and a line that ends in a colon and introduces a block are not promises.
    """
    is_contract = is_code = False
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    for line, after in pairwise([*lines, ""]):
        if line.startswith("```"):
            is_code = not is_code
        elif is_code or _is_rule(line):
            continue
        elif line.startswith("#"):
            if line.startswith("## "):
                is_contract = line.removeprefix("## ") not in informative
        elif not _is_rule(after) and not _introduces(line, after):
            ids = tuple(MARKDOWN_ID.findall(line))
            if is_contract or ids:
                plain = MARKDOWN_ID.sub("", line).strip()
                yield from _with_ids([plain] if line.startswith("|") else sentences(plain), ids)


def docstring_promises(text: str) -> Iterator[Promise]:
    """Read a docstring; each sentence is a promise, with its id in square brackets before its full stop."""
    for paragraph in re.split(r"\n\s*\n", inspect.cleandoc(text)):
        for sentence in sentences(paragraph):
            yield Promise(DOCSTRING_ID.sub("", sentence), tuple(DOCSTRING_ID.findall(sentence)))


def sentences(text: str) -> list[str]:
    """Split text after each full stop that a capital letter or code follows."""
    return [line for line in SENTENCE_END.split(re.sub(r"\s+", " ", text).strip()) if line]


def _with_ids(texts: list[str], ids: tuple[str, ...]) -> Iterator[Promise]:
    """Yield the sentences of a line, its ids with the last one, so that a second sentence on the line is one without an id."""
    yield from (Promise(text, ()) for text in texts[:-1])
    yield Promise(texts[-1] if texts else "", ids)


def _introduces(line: str, after: str) -> bool:
    """Return whether the line ends in a colon and a list, a table or code follows it."""
    return line.endswith(":") and after.startswith(("- ", "|", "```"))


def _is_rule(line: str) -> bool:
    """Return whether the line separates the head of a table from its rows."""
    return re.fullmatch(r"\|[-|: ]+\|", line) is not None
