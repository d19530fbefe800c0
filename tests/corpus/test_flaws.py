"""A flaw in a document touches the words it stands in, and nothing else: no item, no identity, no other text."""

from collections.abc import Sequence
from xml.parsers import expat

import pytest

from newswire.ingest.parse.decode import decode
from newswire.ingest.reading.record import read_record
from newswire.model import Candidate
from tests.support.corpus import record, rows
from tests.support.flaws import FLAWS

TOUCHED = ("entry_hash", "summary", "content")
"""Fields of the item that a flaw in its description changes."""
MAX_BYTES = 30_000
"""A larger document shows nothing that a smaller one does not, and there are 33 readings of each."""


def candidates(body: bytes) -> tuple[Candidate, ...]:
    return read_record(record(body)).candidates


def is_well_formed(document: bytes) -> bool:
    parser = expat.ParserCreate(namespace_separator="\n")
    try:
        parser.Parse(document, True)
    except (expat.ExpatError, ValueError, LookupError):
        return False
    return True


@pytest.fixture(scope="module")
def documents(shared) -> dict[str, tuple[bytes, tuple[Candidate, ...]]]:
    """Return the well-formed documents of the corpus in UTF-8 whose items have guids or links, and their items."""
    found = {}
    for row in rows(shared):
        body = (shared / "feeds" / row["path"]).read_bytes()
        if len(body) > MAX_BYTES or not is_well_formed(body) or b"<!DOCTYPE" in body:
            continue
        text = decode(body)
        if text.encode() not in {body, body.removeprefix(b"\xef\xbb\xbf")}:
            continue
        items = candidates(body)
        if items and all(item.split_id or item.canonical_link for item in items):  # else the text is the identity
            found[row["path"]] = body, items
    assert len(found) > 100
    return found


@pytest.mark.parametrize("name", FLAWS)
def test_flaw_touches_only_its_own_words(documents, name: str) -> None:
    flawed, wrong = 0, []
    for path, (body, items) in documents.items():
        document = FLAWS[name](body)
        if document is None:
            continue
        flawed += 1
        read = candidates(document)
        if differences := differences_of(items, read):
            wrong.append((path, differences))
    assert wrong == []
    assert flawed > 50


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
