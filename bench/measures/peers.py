"""Compare searches with SQLite FTS5 and lemon24/reader, in milliseconds: `python -m bench peers`.

All search the same year of news. The baseline is FTS5, and there is no target. The searches use only what the peers
support: words, phrases, OR, exclusion, prefixes and titles. FTS5 also runs a date range and the newest first. The
peers have no stems, time zones, facets or unlimited paging, and reader cannot filter by date.
"""

from __future__ import annotations

import sqlite3
import time
import warnings
from collections.abc import Callable
from datetime import datetime
from functools import partial
from pathlib import Path
from statistics import median

import msgspec

from bench.api import make_in_process_client
from bench.measurement import Measurement
from bench.year import Line, loaded_year
from newswire.app import App
from newswire.settings import Settings

ROUNDS = 5
_RANKED = (
    "SELECT items.rowid, items.title, items.summary, link FROM found JOIN items ON items.rowid = found.rowid"
    " WHERE found MATCH ? {} ORDER BY {} LIMIT 20"
)
_COUNTED = "SELECT count(*) FROM found JOIN items ON items.rowid = found.rowid WHERE found MATCH ? {}"


def measure(quick: bool) -> Measurement:  # noqa: FBT001 - one switch, common to all measurements
    """Print a row for each search: milliseconds to the first 20 items and the total."""
    lines, data = loaded_year(quick)
    fts = _fts5(lines, data.parent / "fts5.sqlite")
    reader_db = _reader(lines, data.parent / "reader.sqlite")
    app = App(Settings(data=str(data)))
    ask = make_in_process_client(app)
    ours: list[float] = []
    theirs: list[float] = []
    print(f"{'':10}{'ms to 20 items and the total':40}{'newswire':>10}{'FTS5':>10}{'reader':>10}")
    for sent, match, where, order in _SEARCHES:
        one = _timed(partial(ask, "/v1/search", sent))
        other = _timed(partial(_asked_of_fts5, fts, match, where, order))
        third = None if where else _timed(partial(_asked_of_reader, reader_db, match))
        ours.append(one)
        theirs.append(other)
        text = " ".join(f"{name}={value}" for name, value in sent.items())
        print(
            f"{'':10}{text[:39]:40}{one:>10.2f}{other:>10.2f}{'-' if third is None else f'{third:.2f}':>10}", flush=True
        )
    app.close()
    note = f"median of {len(_SEARCHES)} searches, each to its first 20 items and its total; the baseline is SQLite FTS5"
    return Measurement(
        "peers",
        round(median(ours), 3),
        round(median(theirs), 3),
        "ms",
        round(median(ours) / median(theirs), 3),
        None,
        note,
    )


_MAY = f"AND published >= {1682899200000} AND published < {1685577600000}"
_SEARCHES = (
    ({"q": "president"}, "president", "", "rank"),
    ({"q": "earthquakes"}, "earthquakes", "", "rank"),
    ({"q": "the"}, "the", "", "rank"),
    ({"q": "prime minister"}, "prime minister", "", "rank"),
    ({"q": '"prime minister"'}, '"prime minister"', "", "rank"),
    ({"q": "earthquake OR tsunami"}, "earthquake OR tsunami", "", "rank"),
    ({"q": "strike -football"}, "strike NOT football", "", "rank"),
    ({"q": "interop*"}, "interop*", "", "rank"),
    ({"q": "title:war"}, "title : war", "", "rank"),
    ({"q": "summit", "from": "2023-05", "to": "2023-05"}, "summit", _MAY, "rank"),
    ({"q": "president", "sort": "newest"}, "president", "AND published > 0", "published DESC"),
)


def _timed(call: Callable[[], object]) -> float:
    call()
    seconds = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        call()
        seconds.append((time.perf_counter() - started) * 1000)
    return median(seconds)


def _fts5(lines: Path, file: Path) -> sqlite3.Connection:
    built = file.exists()
    database = sqlite3.connect(file)
    if not built:
        database.executescript(
            "CREATE TABLE items (link TEXT, feed TEXT, title TEXT, summary TEXT, published INTEGER);"
            "CREATE INDEX by_date ON items (published);"
            "CREATE VIRTUAL TABLE found USING fts5(title, summary, content=items,"
            " tokenize='unicode61 remove_diacritics 2')"
        )
        rows = (
            (
                line.link,
                line.feed,
                line.title,
                line.summary,
                round(datetime.fromisoformat(line.published).timestamp() * 1000),
            )
            for line in _lines(lines)
        )
        database.executemany("INSERT INTO items VALUES (?, ?, ?, ?, ?)", rows)
        database.execute("INSERT INTO found (found) VALUES ('rebuild')")
        database.commit()
    return database


def _asked_of_fts5(database: sqlite3.Connection, match: str, where: str, order: str) -> list[tuple[object, ...]]:
    results = database.execute(_RANKED.format(where, order), [match]).fetchall()
    return [*results, database.execute(_COUNTED.format(where), [match]).fetchone()]


def _reader(lines: Path, file: Path) -> object:
    from bs4 import MarkupResemblesLocatorWarning
    from reader import make_reader

    warnings.simplefilter("ignore", MarkupResemblesLocatorWarning)  # some summaries look like file names
    built, whole = file.exists(), file.with_suffix(".whole")
    if built and not whole.exists():
        file.unlink()
        built = False
    reader = make_reader(str(file))
    if not built:
        for feed in sorted({line.feed for line in _lines(lines)}):
            reader.add_feed(f"https://feed.example/{feed}", allow_invalid_url=True)
        seen = set()
        for number, line in enumerate(_lines(lines)):
            if (line.feed, line.link) in seen:
                continue
            seen.add((line.feed, line.link))
            reader.add_entry(
                {
                    "feed_url": f"https://feed.example/{line.feed}",
                    "id": line.link or str(number),
                    "link": line.link,
                    "title": line.title,
                    "summary": line.summary,
                    "published": datetime.fromisoformat(line.published),
                }
            )
        reader.enable_search()
        reader.update_search()
        whole.touch()
    return reader


def _asked_of_reader(reader: object, match: str) -> tuple[list[object], object]:
    results = list(reader.search_entries(match, limit=20))  # type: ignore[attr-defined]
    return results, reader.search_entry_counts(match).total  # type: ignore[attr-defined]


def _lines(file: Path) -> list[Line]:
    decode = msgspec.json.Decoder(Line).decode
    with file.open("rb") as lines:
        return [decode(line) for line in lines]
