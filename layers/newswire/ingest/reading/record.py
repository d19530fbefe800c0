"""Read one record: parse its document, and make the candidates of its items. Pure."""

from __future__ import annotations

import msgspec

from newswire.ingest.item import candidates_of
from newswire.ingest.parse import MAX_ENTRIES, parse
from newswire.model import Document, Reading, Record, Refusal

TOO_COSTLY = "too_costly"
"""The code of a refusal: reading the document takes too much time or memory."""
INTERNAL = "internal"
"""The code of a refusal: a defect of newswire met the document."""


def defect_sentence(error: str, work: str) -> str:
    """Return the sentence of a problem `internal`, from the class of the exception and the work that it stopped."""
    return f"A defect of newswire ({error}) stopped {work}; the log has the details."


def refuse_defect(error: str) -> Refusal:
    """Return the refusal of a record that met a defect of newswire, from the class of the exception."""
    return Refusal(INTERNAL, defect_sentence(error, "the reading of the document"))


def read_record(record: Record, max_entries: int = MAX_ENTRIES) -> Reading:
    """Return the result of reading a record. May raise anything: a hostile document may break any library."""
    if record.kind == "withdrawal":
        return Reading(Document(record.kind))
    document = parse(record, max_entries)
    if isinstance(document, Refusal):
        return Reading(refusal=document)
    candidates = candidates_of(document, record.feed, record.fetched_at, record.lang)
    return Reading(msgspec.structs.replace(document, entries=()), None, len(document.entries), tuple(candidates))
