"""Provide a loaded year of real news for the search measurements, created once in `bench/cache/`."""

from __future__ import annotations

import gzip
import re
import shutil
import sys
from pathlib import Path

import msgspec

from bench.measurement import DATA, require_file, run_alone
from newswire.engines.tantivy.fields import SCHEMA
from newswire.ingest.item import EXTRACTION

QUICK_LINES = 20_000
AT_THE_END = 1_704_067_200_000
"""The end of 2023, so that every band of recency has items."""
CACHE = Path(__file__).with_name("cache")
_NO_WORD = re.compile(r"[^a-z0-9]+")


class _Row(msgspec.Struct):
    """The fields that are used from a row of the timeline."""

    feed_url: str
    link: str
    published: str
    language: str
    title: str | None = ""
    summary: str | None = ""


class Line(msgspec.Struct):
    """A line in the format of `newswire load`."""

    feed: str
    title: str
    link: str
    summary: str
    published: str
    lang: str


def write_lines(target: Path, most: int | None) -> int:
    """Write the timeline as lines to load, without empty items; return the number of lines."""
    read, write = msgspec.json.Decoder(_Row).decode, msgspec.json.Encoder().encode
    count = 0
    timeline = require_file(DATA / "timeline" / "timeline_2023.jsonl.gz")
    with gzip.open(timeline, "rb") as rows, target.open("wb") as lines:
        for raw in rows:
            if count == most:
                break
            row = read(raw)
            title, summary = row.title or "", row.summary or ""
            if not (title.strip() or summary.strip()):
                continue
            feed = _NO_WORD.sub("-", row.feed_url.lower()).strip("-")[:60].rstrip("-")
            lines.write(write(Line(feed, title, row.link, summary, row.published, row.language)) + b"\n")
            count += 1
    return count


def loaded_year(quick: bool) -> tuple[Path, Path]:  # noqa: FBT001 - one switch, common to all measurements
    """Return the lines of the year, and a data folder into which `newswire load` has loaded them."""
    folder = CACHE / f"year-{SCHEMA}-{EXTRACTION}{'-quick' if quick else ''}"
    lines, data = folder / "lines.jsonl", folder / "data"
    if not (folder / "whole").exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        write_lines(lines, QUICK_LINES if quick else None)
        run_alone([sys.executable, "-m", "newswire", "load", str(lines)], {"NEWSWIRE_DATA": str(data)})
        (folder / "whole").touch()
    return lines, data
