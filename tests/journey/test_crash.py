"""Test recovery from SIGKILL between any two steps and at random times: nothing is lost or duplicated."""

import json
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from newswire.clock import HOUR
from newswire.engines import SearchEngine
from newswire.engines.query import SearchQuery
from newswire.engines.tantivy.engine import TantivyEngine
from newswire.model import Feed
from newswire.storage.feeds.sqlite import SqliteFeedStore
from tests.conftest import NOON, ROOT
from tests.support.feed_server import FeedServer, rss, story

CHILD = "tests.journey.crash_child"
FEEDS = ("a", "b", "c")


def child(
    data: Path,
    clock: int,
    do: str,
    die: dict | None = None,
    file: Path | None = None,
    kill_after: float | None = None,
    **settings: str,
) -> int:
    told = {"data": str(data), "clock": clock, "do": do, "die": die, "file": str(file), "settings": settings}
    process = subprocess.Popen([sys.executable, "-m", CHILD, json.dumps(told)], cwd=ROOT, stderr=subprocess.PIPE)
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


@pytest.fixture(scope="module")
def said():
    server = FeedServer()
    yield server
    server.close()


@pytest.fixture(scope="module")
def first_round(tmp_path_factory, said: FeedServer) -> Path:
    data = tmp_path_factory.mktemp("crash") / "first"
    store = SqliteFeedStore(data)
    for name in FEEDS:
        store.put(Feed(id=name, url=said.url(f"/{name}")), NOON)
    store.close()
    speak(said, 0)
    assert child(data, NOON, "poll") == 0
    return data


@pytest.fixture(scope="module")
def undisturbed(first_round: Path, said: FeedServer) -> dict:
    data = first_round.with_name("undisturbed")
    shutil.copytree(first_round, data)
    for round_ in (1, 2):
        speak(said, round_)
        assert child(data, NOON + round_ * HOUR, "poll") == 0
    return everything(data)


STEPS = [
    "feeds.claim_host",
    "feeds.claim_many",
    "archive.put",
    "feeds.remember",
    "feeds.release_host",
    "feeds.claim_index",
    "archive.get",
    "engine.index",
    "feeds.save",
    "feeds.release_index",
    "engine.publish",
]


def moments(steps: list[str], calls: int) -> list:
    kills = [(step, when, call) for step in steps for when in ("before", "after") for call in range(1, calls + 1)]
    return [*kills, ("engine.index", "within", 1)]


@pytest.mark.parametrize(("step", "when", "call"), moments(STEPS, 1))
def test_poll_killed_at_a_step_recovers(first_round, undisturbed, said, tmp_path, step, when, call) -> None:
    data = tmp_path / "data"
    shutil.copytree(first_round, data)
    speak(said, 1)
    assert child(data, NOON + HOUR, "poll", {"step": step, "when": when, "call": call}) == -signal.SIGKILL
    assert child(data, NOON + HOUR, "poll") == 0
    speak(said, 2)
    assert child(data, NOON + 2 * HOUR, "poll") == 0
    assert everything(data) == undisturbed


@pytest.mark.long
@pytest.mark.parametrize("number", range(50))
def test_poll_killed_at_random_recovers(first_round, undisturbed, said, tmp_path, number) -> None:
    data = tmp_path / "data"
    shutil.copytree(first_round, data)
    speak(said, 1)
    child(data, NOON + HOUR, "poll", kill_after=random.Random(number).uniform(0.15, 0.9))
    assert child(data, NOON + HOUR, "poll") == 0
    speak(said, 2)
    assert child(data, NOON + 2 * HOUR, "poll") == 0
    assert everything(data) == undisturbed


LINES = 3_500


@pytest.fixture(scope="module")
def lines(tmp_path_factory) -> Path:
    file = tmp_path_factory.mktemp("lines") / "items.jsonl"
    rows = (
        {"title": f"Item {n}", "link": f"https://a.example/{n}", "published": f"2025-0{1 + n % 9}-11"}
        for n in range(LINES)
    )
    file.write_text("\n".join(json.dumps(row) for row in rows))
    return file


@pytest.fixture(scope="module")
def loaded(tmp_path_factory, lines: Path) -> dict:
    data = tmp_path_factory.mktemp("loaded") / "data"
    assert child(data, NOON, "load", file=lines) == 0
    stored = everything(data)
    assert len(stored["items"]) == LINES
    return stored


@pytest.mark.parametrize(
    ("step", "when", "call"),
    [
        ("archive.put", "before", 3),
        ("archive.put", "after", 1),
        ("archive.put", "after", 4),
        ("feeds.remember", "before", 2),
        ("feeds.remember", "after", 4),
        ("engine.index", "before", 1),
        ("engine.index", "within", 1),
        ("engine.index", "after", 1),
        ("feeds.save", "before", 1),
        ("feeds.save", "after", 1),
        ("engine.publish", "before", 1),
    ],
)
def test_killed_load_recovers_when_repeated(lines, loaded, tmp_path, step, when, call) -> None:
    data = tmp_path / "data"
    assert child(data, NOON, "load", {"step": step, "when": when, "call": call}, file=lines) == -signal.SIGKILL
    assert child(data, NOON, "load", file=lines) == 0
    assert everything(data)["items"] == loaded["items"]
    assert everything(data)["facts"] == loaded["facts"]


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


@pytest.mark.parametrize(("step", "when", "call"), REINDEX_STEPS)
def test_killed_reindex_keeps_the_old_index_and_can_rerun(first_round, said, tmp_path, step, when, call) -> None:
    data = tmp_path / "data"
    shutil.copytree(first_round, data)
    before = everything(data)
    assert child(data, NOON + HOUR, "reindex", {"step": step, "when": when, "call": call}) == -signal.SIGKILL
    engine = TantivyEngine(data / "index")
    assert engine.search(SearchQuery()).total == len(before["items"])
    engine.close()
    assert child(data, NOON + HOUR, "reindex") == 0
    after = everything(data)
    assert after == before


@pytest.mark.long
@pytest.mark.parametrize("number", range(15))
def test_load_or_reindex_killed_at_random_recovers(lines, loaded, tmp_path, number) -> None:
    data = tmp_path / "data"
    rng = random.Random(number)
    child(data, NOON, "load", file=lines, kill_after=rng.uniform(0.2, 1.2))
    time.sleep(0.01)
    assert child(data, NOON, "load", file=lines) == 0
    child(data, NOON, "reindex", kill_after=rng.uniform(0.2, 1.2))
    assert child(data, NOON, "reindex") == 0
    assert everything(data)["items"] == loaded["items"]
