"""Read the lines of a back-fill, in the format JSON Lines; `backfill.py` checks them before it archives them."""

from __future__ import annotations

import msgspec
from msgspec import Struct

from newswire.ingest.parse.feed_dates import read_feed_date
from newswire.model import VALUE_LENGTH, Document, Entry, Markup, RawDate, Record
from newswire.type_errors import describe

MAX_LINE_BYTES = 2_000_000
"""A longer line is refused, so that one line cannot fill the memory."""
MAX_GUID_CHARACTERS = VALUE_LENGTH * 8
"""A longer guid is cut; guids are often URLs."""
MAX_QUOTED_CHARACTERS = 60


class LoadLine(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One line: an item. A title, a text or a link is enough; null means that a field is missing."""

    guid: str | None = None
    title: str | None = None
    link: str | None = None
    summary: str | None = None
    content: str | None = None
    published: str | None = None
    updated: str | None = None
    authors: list[str] | str | None = None
    categories: list[str] | str | None = None
    lang: str | None = None
    feed: str | None = None


_line = msgspec.json.Decoder(LoadLine)


def read_line(text: bytes) -> LoadLine | str:
    """Read and check one line; return the reason, as a clause, if it is refused."""
    if len(text) > MAX_LINE_BYTES:
        return f"the line must have at most {MAX_LINE_BYTES:,} bytes"
    try:
        line = _line.decode(text)
    except msgspec.ValidationError as error:
        key, clause = describe(error, LoadLine)
        return f"{key or 'the line'} {clause}"
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        return f"the line must be JSON: {error}"
    if not any(value and value.strip() for value in (line.title, line.summary, line.content, line.link)):
        return "the line must have a title, summary, content or link"
    for name in ("published", "updated"):
        date = getattr(line, name)
        if date and read_feed_date(date) is None:
            return f"{name} must be a date, best in RFC 3339, got {date[:MAX_QUOTED_CHARACTERS]!r}"
    return line


def parse_load(record: Record) -> Document:
    """Return the document of a record of lines, which `backfill.py` has checked."""
    return Document(kind="load", entries=tuple(_entry(_line.decode(line)) for line in record.body.splitlines() if line))


def _entry(line: LoadLine) -> Entry:
    return Entry(
        guid=(line.guid or "")[:MAX_GUID_CHARACTERS],
        guid_is_link=True,
        link=line.link or "",
        title=Markup(line.title or ""),
        summary=Markup(line.summary or ""),
        content=Markup(line.content or ""),
        published=(RawDate("pubDate", line.published),) if line.published else (),
        updated=RawDate("updated", line.updated) if line.updated else None,
        authors=_list(line.authors),
        categories=_list(line.categories),
        lang=line.lang or None,
    )


def _list(values: list[str] | str | None) -> tuple[str, ...]:
    return (values,) if isinstance(values, str) else tuple(values or ())
