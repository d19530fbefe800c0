"""Kill newswire at a chosen step, and compare all that it stored with an undisturbed run."""

import json
import signal
import subprocess
import sys
from pathlib import Path

from newswire.engines import SearchEngine
from newswire.engines.query import SearchQuery
from newswire.engines.tantivy.engine import TantivyEngine
from newswire.storage.feeds.sqlite import SqliteFeedStore
from tests.conftest import ROOT
from tests.support.feed_server import FeedServer, rss, story

CHILD = "tests.support.crash_child"
FEEDS = ("a", "b", "c")
REINDEX_STEPS = [
    ("engine.index", "before", 1),
    ("engine.index", "within", 1),
    ("engine.index", "after", 1),
    ("feeds.save", "before", 2),
    ("feeds.save", "after", 2),
    ("feeds.lock", "after", 1),
    ("feeds.lock", "after", 2),
    ("feeds.keep_metadata", "after", 1),
    ("engine.count", "after", 1),
    ("engine.swap", "before", 1),
    ("engine.swap", "after", 1),
    ("feeds.unlock", "after", 1),
    ("engine.publish", "before", 1),
    ("engine.drop", "before", 1),
    ("engine.drop", "after", 1),
    ("feeds.drop_generation", "before", 1),
]


def child(
    data: Path,
    clock: int,
    do: str,
    die: dict | None = None,
    file: Path | None = None,
    kill_after: float | None = None,
    **settings: str,
) -> int:
    output = {"data": str(data), "clock": clock, "do": do, "die": die, "file": str(file), "settings": settings}
    process = subprocess.Popen([sys.executable, "-m", CHILD, json.dumps(output)], cwd=ROOT, stderr=subprocess.PIPE)
    try:
        if kill_after is not None:
            try:
                process.wait(kill_after)
            except subprocess.TimeoutExpired:
                process.kill()
        _out, err = process.communicate(timeout=90)
    finally:
        process.kill()
    assert process.returncode in {0, -signal.SIGKILL}, err.decode()
    return process.returncode


def everything(data: Path, engine: SearchEngine | None = None) -> dict:
    """Return all stored data: every item with its content, and the facts known about each feed."""
    engine, store = engine or TantivyEngine(data / "index"), SqliteFeedStore(data)
    try:
        generation = engine.generation()
        items, query = {}, SearchQuery(size=200, with_content=True)
        while True:
            page = engine.search(query)
            for hit in page.hits:
                assert hit.item.id not in items, "an item is there twice"
                items[hit.item.id] = hit.item
            if page.next is None:
                break
            query = SearchQuery(size=200, with_content=True, after=page.next)
        assert page.total == len(items)
        rows = {row.feed.id: row for row in store.rows(generation)}
        facts = {
            name: (row.fold.items, row.fold.newest, row.fold.title, row.poll.head == row.fold.cursor)
            for name, row in rows.items()
        }
        assert all(engine.generations() == [generation] for _ in (1,))
        return {"items": items, "facts": facts}
    finally:
        engine.close()
        store.close()


def speak(server: FeedServer, round_: int) -> None:
    """Publish one round of the feeds, with new, edited, undated, vanishing and split items."""
    for n, name in enumerate(FEEDS):
        base = n * 100
        stories = [
            story(base + k, f"Title {k} of round {round_ if k % 3 == 0 else 0}") for k in range(round_, round_ + 6)
        ]
        undated = {"title": f"No date, no link {name} {round_}", "description": "x"}
        split = [story(base + 90, guid="same", link=f"https://split.example/{k}") for k in range(1 + round_)]
        server.says(f"/{name}", rss(*stories, undated, *split, title=name))
