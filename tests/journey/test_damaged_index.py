"""A spoilt file of the embedded index ends neither the server nor its answers, and the index is built again."""

import random
from pathlib import Path

import pytest

from newswire.engines.query import SearchQuery
from newswire.engines.tantivy.faults import damaged_file
from newswire.errors import EngineUnavailableError
from newswire.ingest.poll import run_batches
from newswire.ingest.tick import tick
from newswire.model import Batch, Feed
from newswire.storage.queue.inline import InlineQueue
from tests.support.feed_server import rss, story
from tests.support.transports import AsEvents

SUFFIXES = ["term", "idx", "pos", "fast", "fieldnorm", "store"]


@pytest.fixture
def index(app, clock, server) -> Path:
    """Poll a feed of 300 items; return the folder of the index."""
    stories = [story(n, f"Number {n} of the baltic exercise") for n in range(300)]
    app.feeds.put(Feed(id="a", url=server.says("/a", rss(*stories))), clock())
    run_batches(app, [Batch(("a",), now=True)])
    app.engine.close()
    return app.settings.data_folder / "index" / "g000001"


def spoil(folder: Path, suffix: str, seed: int, count: int = 40) -> None:
    chance = random.Random(seed)
    for file in folder.glob(f"*.{suffix}"):
        body = bytearray(file.read_bytes())
        for _ in range(count):
            body[chance.randrange(len(body))] ^= 0xFF
        file.write_bytes(body)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_checksums_find_a_damaged_file(index, suffix: str) -> None:
    assert damaged_file(index) is None
    spoil(index, suffix, 1, count=1)
    assert str(damaged_file(index)).endswith(suffix)
    for file in index.glob(f"*.{suffix}"):
        file.write_bytes(file.read_bytes()[:-3])
    assert str(damaged_file(index)).endswith(suffix)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_every_answer_over_a_damaged_index_is_one_of_the_contract(app, index, suffix: str, seed: int) -> None:
    spoil(index, suffix, seed)
    api = AsEvents(app)
    statuses = {
        api.ask(target).status
        for target in ("/v1/search", "/v1/search?q=baltic", "/v1/search?q=%22of+the%22", "/v1/search?q=exer*&facets=feed",
                       "/v1/search?sort=oldest&histogram=auto", "/v1/status", "/")
    }  # fmt: skip
    assert statuses <= {200, 503}


def test_index_in_which_tantivy_met_a_damaged_file_is_built_again(app, index) -> None:
    for file in index.glob("*.store"):
        file.write_bytes(b"rubbish")
    with pytest.raises(EngineUnavailableError, match="newswire reindex"):
        app.engine.search(SearchQuery())
    for _ in range(2):
        tick(app, InlineQueue(lambda batches: run_batches(app, batches)))
    assert app.engine.search(SearchQuery()).total == 300
    assert damaged_file(index) is None
    assert not (index / "suspect").exists()


def test_fault_without_damage_costs_no_index(app, index, monkeypatch) -> None:
    """A panic may also come from a query: the checksums decide."""

    class PanicException(BaseException):
        pass

    def panic(*_arguments: object, **_more: object) -> None:
        raise PanicException("index out of bounds")

    before = app.engine.identity(1)
    with monkeypatch.context() as patched:
        patched.setattr("newswire.engines.tantivy.engine.page_by_date", panic)
        with pytest.raises(EngineUnavailableError, match="index out of bounds"):
            app.engine.search(SearchQuery(sort="newest"))
    assert (index / "suspect").exists()
    assert app.engine.identity(1) == before
    assert not (index / "suspect").exists()
    assert app.engine.search(SearchQuery()).total == 300
