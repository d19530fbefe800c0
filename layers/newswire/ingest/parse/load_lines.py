"""Lines of a back-fill: JSON Lines come in, entries go out. `backfill.py` checks them before they are archived."""

from __future__ import annotations

import msgspec
from msgspec import Struct

from newswire.ingest.parse.feed_dates import read_feed_date
from newswire.model import VALUE_LENGTH, Document, Entry, Markup, RawDate, Record

LONGEST_LINE = 2_000_000
"""Characters of a line; a longer one is refused."""


class LoadLine(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One line: an item as somebody has it; a title, a text or a link is enough, and null is as good as left out."""

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


def read_line(text: str | bytes) -> LoadLine | str:
    """Read and check one line; a string is the reason why it is refused."""
    if len(text) > LONGEST_LINE:
        return f"the line is longer than {LONGEST_LINE:,} characters"
    try:
        line = _line.decode(text)
    except msgspec.ValidationError as error:
        return str(error)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        return f"not JSON: {error}"
    if not any(text and text.strip() for text in (line.title, line.summary, line.content, line.link)):
        return "it has no title, summary, content or link"
    for name in ("published", "updated"):
        said = getattr(line, name)
        if said and read_feed_date(said) is None:
            return f"{name} {said[:60]!r} can't be read as a date; RFC 3339 is best"
    return line


def parse_load(record: Record) -> Document:
    """Read the lines of a record that `backfill.py` has checked."""
    return Document(kind="load", entries=tuple(_entry(_line.decode(line)) for line in record.body.splitlines() if line))


def _entry(line: LoadLine) -> Entry:
    return Entry(
        guid=(line.guid or "")[: VALUE_LENGTH * 8],
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
