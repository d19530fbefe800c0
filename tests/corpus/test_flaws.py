"""A flaw in a document touches the words it stands in, and nothing else: no item, no identity, no other text."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from xml.parsers import expat

import pytest

from newswire.ingest.parse.decode import decode
from newswire.ingest.reading.record import read_record
from newswire.model import Candidate
from tests.support.corpus import record, rows
from tests.support.flaws import FLAWS

TOUCHED = ("entry_hash", "summary", "content")
"""Fields of the item that a flaw in its description changes."""
SMALL_BYTES = 30_000
"""Documents up to this size are read with each flaw in the quick suite, larger ones in the long one."""


def candidates(body: bytes) -> tuple[Candidate, ...]:
    return read_record(record(body)).candidates


def is_well_formed(document: bytes) -> bool:
    parser = expat.ParserCreate(namespace_separator="\n")
    try:
        parser.Parse(document, True)
    except (expat.ExpatError, ValueError, LookupError):
        return False
    return True


def documents(shared: Path, sizes: range) -> Iterator[tuple[str, bytes, tuple[Candidate, ...]]]:
    """Yield the well-formed documents of the corpus in UTF-8 whose items have guids or links, and their items."""
    for row in rows(shared):
        body = (shared / "feeds" / row["path"]).read_bytes()
        if len(body) not in sizes or not is_well_formed(body) or b"<!DOCTYPE" in body:
            continue
        if decode(body).encode() not in {body, body.removeprefix(b"\xef\xbb\xbf")}:
            continue
        items = candidates(body)
        if items and all(item.split_id or item.canonical_link for item in items):  # else the text is the identity
            yield row["path"], body, items


@pytest.fixture(scope="module")
def small(shared) -> list[tuple[str, bytes, tuple[Candidate, ...]]]:
    return list(documents(shared, range(SMALL_BYTES)))


@pytest.fixture(scope="module")
def large(shared) -> list[tuple[str, bytes, tuple[Candidate, ...]]]:
    return list(documents(shared, range(SMALL_BYTES, 1 << 40)))


@pytest.mark.parametrize("name", FLAWS)
def test_flaw_touches_only_its_own_words(small, name: str) -> None:
    assert flawed(small, name) > 50


@pytest.mark.long
@pytest.mark.parametrize("name", FLAWS)
def test_flaw_in_a_large_document_touches_only_its_own_words(large, name: str) -> None:
    assert flawed(large, name) > 20


def flawed(documents: list[tuple[str, bytes, tuple[Candidate, ...]]], name: str) -> int:
    """Return how many documents could be given the flaw; assert that each still has its items."""
    count, wrong = 0, []
    for path, body, items in documents:
        document = FLAWS[name](body)
        if document is None:
            continue
        count += 1
        if differences := differences_of(items, candidates(document)):
            wrong.append((path, differences))
    assert wrong == []
    return count


def differences_of(expected: tuple[Candidate, ...], read: tuple[Candidate, ...]) -> Sequence[object]:
    """Return what differs beyond the text of one item."""
    if [item.id for item in expected] != [item.id for item in read]:
        return ["ids", len(expected), len(read)]
    differences: list[tuple[int, str, object, object]] = [
        (number, field, getattr(before, field), getattr(after, field))
        for number, (before, after) in enumerate(zip(expected, read, strict=True))
        for field in before.__struct_fields__
        if getattr(before, field) != getattr(after, field)
    ]
    touched = {number for number, *_ in differences}
    return [] if len(touched) <= 1 and all(field in TOUCHED for _, field, *_ in differences) else differences
