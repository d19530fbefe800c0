"""Measure what the child process costs that reads costly documents: `python -m bench reading`.

The baseline reads all documents in this process. The child is warm, as after the first large document of a run.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from bench.measurement import Measurement, compare_times, join_figures, time_in_turns
from bench.measures.ingest import archived, real_bodies
from newswire.app import App
from newswire.ingest.indexing import index_feeds
from newswire.ingest.reading import is_suspect, reader_of
from newswire.ingest.reading.record import read_record
from newswire.model import Reading, Record
from newswire.settings import Settings

TARGET = 1.1


class _BareReader:
    """`RecordReader` that reads every record in this process."""

    def read(self, record: Record, *, careful: bool = False) -> Reading:  # noqa: ARG002 - of the Protocol
        return read_record(record)

    def try_read(self, record: Record, patience_s: float, *, careful: bool = False) -> Reading:  # noqa: ARG002 - of the Protocol
        return read_record(record)

    def begin(self, record: Record, *, careful: bool = False) -> None:
        """Do nothing."""

    def seconds_for(self, record: Record, *, careful: bool = False) -> float:  # noqa: ARG002 - of the Protocol
        return 0.0

    def close(self) -> None:
        """Do nothing."""


def measure(quick: bool) -> Measurement:  # noqa: FBT001 - one switch, common to all measurements
    """Index all documents into an empty folder, with each reader in turn."""
    bodies = real_bodies()

    def run(*, bare: bool) -> float:
        with tempfile.TemporaryDirectory(prefix="bench-reading-") as data:
            app = App(Settings(data=str(Path(data) / "data")))
            feeds = archived(app, bodies)
            if bare:
                app.reader = _BareReader()
            else:
                first = app.archive.get(feeds[0], 1)
                assert first is not None  # noqa: S101 - it was archived above
                reader_of(app).read(first, careful=True)
            begun = time.perf_counter()
            index_feeds(app, feeds)
            ended = time.perf_counter()
            app.close()
        return ended - begun

    run(bare=True)  # warm up: first-use imports and compilation count for neither
    ours, bare = time_in_turns(lambda: run(bare=False), lambda: run(bare=True), 3 if quick else 7)
    in_child = sum(map(is_suspect, bodies))
    note = (
        f"{len(bodies)} feeds, {in_child} of them read in the child; ours {join_figures(ours)}, "
        f"in process {join_figures(bare)}"
    )
    return compare_times("reading", ours, bare, "s", TARGET, note)
