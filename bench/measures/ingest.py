"""Measure parsing, folding and indexing of real feeds, in seconds: `python -m bench ingest`.

The baseline is feedparser alone on the same documents, without the JSON ones. The target is a ratio of at most 1.5.
"""

from __future__ import annotations

import io
import tempfile
import time
import warnings
from pathlib import Path

import feedparser
import msgspec

from bench.measurement import DATA, Measurement, SkippedError, compare_times, join_figures, require_file, time_in_turns
from newswire.app import App
from newswire.ingest.archiving import RecordSource, append_to_feed
from newswire.ingest.feed_list import make_feed
from newswire.ingest.indexing import index_feeds
from newswire.settings import Settings

TARGET = 1.5


class _Row(msgspec.Struct):
    """The fields that are used from a row in the list of documents."""

    path: str
    kind: str


def real_bodies() -> list[bytes]:
    """Return the documents that are real feeds."""
    read = msgspec.json.Decoder(_Row).decode
    rows = [read(line) for line in require_file(DATA / "feeds" / "index.jsonl").read_bytes().splitlines() if line]
    bodies = [(DATA / "feeds" / row.path).read_bytes() for row in rows if row.kind == "real"]
    if not bodies:
        msg = "Skipped: the list of documents has no real feeds."
        raise SkippedError(msg)
    return bodies


def archived(app: App, bodies: list[bytes]) -> list[str]:
    """Archive each document as the first one of its own feed; return the feed ids."""
    feeds = [f"real-{number:03d}" for number in range(len(bodies))]
    for feed, body in zip(feeds, bodies, strict=True):
        make_feed(app, feed)
        append_to_feed(app, feed, body, RecordSource("document"))
    return feeds


def measure(quick: bool) -> Measurement:  # noqa: FBT001 - one switch, common to all measurements
    """Ingest all documents into an empty folder each time, and parse them with feedparser."""
    bodies = real_bodies()
    syndication = [body for body in bodies if body.lstrip()[:1] not in {b"{", b"["}]
    with_archiving: list[float] = []
    items: list[int] = []

    def run_ours() -> float:
        with tempfile.TemporaryDirectory(prefix="bench-ingest-") as data:
            app = App(Settings(data=str(Path(data) / "data")))
            started = time.perf_counter()
            feeds = archived(app, bodies)
            begun = time.perf_counter()
            indexed = index_feeds(app, feeds)
            ended = time.perf_counter()
            items.append(sum(result.new for result in indexed))
            app.close()
        with_archiving.append(ended - started)
        return ended - begun

    def run_bare() -> float:
        started = time.perf_counter()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for body in syndication:
                feedparser.parse(io.BytesIO(body), sanitize_html=False, resolve_relative_uris=False)
        return time.perf_counter() - started

    run_bare()  # warm up: first-use imports and compilation count for neither
    ours, bare = time_in_turns(run_ours, run_bare, 3 if quick else 5)
    ratio = compare_times("", with_archiving, bare, "s", None, "").ratio
    note = (
        f"{len(bodies)} feeds, {sum(map(len, bodies)) / 1e6:.1f} MB, {items[-1]:,} items; ours {join_figures(ours)}, "
        f"feedparser {join_figures(bare)}; with archiving {join_figures(with_archiving)}, ratio {ratio:.2f}"
    )
    return compare_times("ingest", ours, bare, "s", TARGET, note)
