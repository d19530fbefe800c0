"""Provide a year of real news as lines to load, with the feed and the instant of each item."""

import gzip
import hashlib
import itertools
import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import msgspec

from newswire.app import App
from newswire.clock import from_datetime
from newswire.ingest.backfill import load
from newswire.ingest.item import item_id
from newswire.ingest.parse.feed_dates import read_feed_date
from newswire.settings import Settings
from newswire.urls import canonical_link
from tests.support.present import present
from tests.support.run_folder import made_once

LINES = 251_270
START_LINES = 15_000
END_OF_2023 = from_datetime(datetime(2024, 1, 1, tzinfo=UTC))


class TimelineFile(NamedTuple):
    """The year as gzipped lines to load, and the feed and the instant (ms) of each item in it, by its id."""

    path: Path
    items: dict[str, tuple[str, int]]


def timeline_file(shared: Path) -> TimelineFile:
    """Return the year as lines, which the workers of a run write once."""

    def make(folder: Path) -> None:
        items = write_lines(shared, folder / "lines.jsonl.gz")
        (folder / "items.json").write_bytes(msgspec.json.encode(items))

    folder = made_once("timeline-lines", make)
    items = msgspec.json.decode((folder / "items.json").read_bytes(), type=dict[str, tuple[str, int]])
    return TimelineFile(folder / "lines.jsonl.gz", items)


def loaded_timeline(shared: Path) -> Path:
    """Return a data folder with the year, which the workers of a run load once: for reading only."""

    def make(folder: Path) -> None:
        app = App(Settings(data=str(folder)), clock=lambda: END_OF_2023)
        report = load(app, [str(timeline_file(shared).path)], None)
        assert (report.lines, report.refused_count) == (LINES, 0)
        app.close()

    return made_once("timeline", make)


def loaded_start_of_timeline(shared: Path) -> Path:
    """Return a data folder with the first 15,000 lines of the year, made once for the workers of a run: for reading only."""

    def make(folder: Path) -> None:
        lines = folder.with_suffix(".jsonl")
        with gzip.open(timeline_file(shared).path, "rt") as year:
            lines.write_text("".join(itertools.islice(year, START_LINES)))
        app = App(Settings(data=str(folder)), clock=lambda: END_OF_2023)
        load(app, [str(lines)], None)
        app.close()

    return made_once("start-of-timeline", make)


def slug(url: str) -> str:
    plain = re.sub(r"[^a-z0-9]+", "-", url.lower()).strip("-")
    return f"{plain[:50].strip('-')}-{hashlib.sha256(url.encode()).hexdigest()[:6]}"


def write_lines(shared: Path, file: Path) -> dict[str, tuple[str, int]]:
    """Write the timeline as gzipped lines for `load`; return the feed and the instant (ms) of each item, by its id.

    If lines have the same link, the last one counts, as in `load`.
    """
    items: dict[str, tuple[str, int]] = {}
    with (
        gzip.open(shared / "timeline" / "timeline_2023.jsonl.gz", "rt") as source,
        gzip.open(file, "wt", 1) as target,
    ):
        for number, line in enumerate(source):
            row = json.loads(line)
            feed = slug(row["feed_url"])
            kept = {
                "feed": feed,
                "title": row["title"],
                "link": row["link"],
                "summary": row["summary"],
                "published": row["published"],
                "lang": row["language"] or "",
            }
            target.write(json.dumps(kept) + "\n")
            at = present(read_feed_date(row["published"])).at
            id_ = item_id(feed, "link", canonical_link(row["link"])) if row["link"].startswith("http") else str(number)
            items[id_] = (feed, at)
    return items
