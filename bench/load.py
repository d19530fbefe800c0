"""Back-fill: `newswire load` of a year of news, against the shortest tantivy program that indexes the same lines."""

from __future__ import annotations

import gzip
import re
import sys
import tempfile
from pathlib import Path

import msgspec

from bench.measurement import DATA, Measurement, Ran, alternated, compared, listed, needed, run_alone
from newswire.settings import Settings

TARGET = 2.0
MOST_MIB = 400.0
QUICK_LINES = 20_000

_NO_WORD = re.compile(r"[^a-z0-9]+")


class _Row(msgspec.Struct):
    """A row of the timeline, as far as it is used."""

    feed_url: str
    link: str
    published: str
    language: str
    title: str | None = ""
    summary: str | None = ""


class _Line(msgspec.Struct):
    """A line as `newswire load` takes it."""

    feed: str
    title: str
    link: str
    summary: str
    published: str
    lang: str


def make_input(target: Path, most: int | None) -> int:
    """Write the timeline as lines to be loaded, without those that say nothing; gives how many there are."""
    read, write = msgspec.json.Decoder(_Row).decode, msgspec.json.Encoder().encode
    count = 0
    timeline = needed(DATA / "timeline" / "timeline_2023.jsonl.gz")
    with gzip.open(timeline, "rb") as rows, target.open("wb") as lines:
        for raw in rows:
            if count == most:
                break
            row = read(raw)
            title, summary = row.title or "", row.summary or ""
            if not (title.strip() or summary.strip()):
                continue
            feed = _NO_WORD.sub("-", row.feed_url.lower()).strip("-")[:60].rstrip("-")
            lines.write(write(_Line(feed, title, row.link, summary, row.published, row.language)) + b"\n")
            count += 1
    return count


def measure(quick: bool) -> Measurement:  # noqa: FBT001 - one switch, common to all measurements
    """Load the lines with both, each time into an empty folder."""
    settings = Settings()
    ours: list[Ran] = []
    bare: list[Ran] = []
    with tempfile.TemporaryDirectory(prefix="bench-load-") as made:
        folder = Path(made)
        source = folder / "input.jsonl"
        lines = make_input(source, QUICK_LINES if quick else None)

        def run_ours() -> float:
            with tempfile.TemporaryDirectory(dir=folder) as data:
                command = [sys.executable, "-m", "newswire", "load", str(source)]
                ours.append(run_alone(command, {"NEWSWIRE_DATA": data}))
            return ours[-1].wall_s

        def run_bare() -> float:
            with tempfile.TemporaryDirectory(dir=folder) as index:
                program = str(Path(__file__).with_name("bare_load.py"))
                limits = [str(settings.index_threads), str(settings.index_heap_mb)]
                bare.append(run_alone([sys.executable, program, str(source), index, *limits]))
            return bare[-1].wall_s

        walls = alternated(run_ours, run_bare, 3 if quick else 1)
    peak = max(one.peak_mib for one in ours)
    cpu = sum(one.cpu_s for one in ours) / sum(one.cpu_s for one in bare)
    note = (
        f"{lines:,} lines; ours {listed(walls[0])}, bare {listed(walls[1])}; ratio of CPU time {cpu:.2f}; "
        f"peak {peak:.0f} MiB (at most {MOST_MIB:.0f}: {'kept' if peak <= MOST_MIB else 'MISSED'}), "
        f"bare {max(one.peak_mib for one in bare):.0f} MiB"
    )
    return compared("load", *walls, "s", TARGET, note)
