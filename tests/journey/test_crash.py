"""Test recovery from SIGKILL between any two steps and at random times: nothing is lost or duplicated."""

import json
import random
import shutil
import signal
import time
from pathlib import Path

import pytest

from newswire.clock import HOUR
from newswire.engines.query import SearchQuery
from newswire.engines.tantivy.engine import TantivyEngine
from newswire.model import Feed
from newswire.storage.feeds.sqlite import SqliteFeedStore
from tests.conftest import NOON
from tests.support.crash import FEEDS, REINDEX_STEPS, child, everything, speak
from tests.support.feed_server import FeedServer


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
