"""`newswire verify`: whatever is done to the index or the states shows, and is mended from the log."""

import shutil
import uuid
from typing import Any

import msgspec
import pytest

from newswire.app import App
from newswire.cli.main import main
from newswire.engines.query import SearchQuery
from newswire.ingest.poll import run_batches
from newswire.ingest.verify import VerifyReport, verify
from newswire.model import Batch, Feed, Item, ItemDeletion, ItemWrite
from newswire.settings import Settings
from newswire.storage.archive.s3 import S3Archive
from newswire.storage.feeds import new_lease
from newswire.storage.feeds.dynamodb import DynamoFeedStore
from tests.factories import feed_status
from tests.support.feed_server import rss, story
from tests.support.opensearch_node.indexes import delete_indexes

FEEDS = ("a", "b", "c")


@pytest.fixture(params=["one machine", pytest.param("a stack", marks=pytest.mark.opensearch)])
def wire(request, settings, clock, server):
    """Yield a newswire that has polled three feeds twice, on one machine and over the stores of a stack."""
    prefix = f"v{uuid.uuid4().hex[:10]}"
    parts: dict[str, Any] = {}
    if request.param == "a stack":
        aws, url = request.getfixturevalue("aws"), request.getfixturevalue("opensearch_nodes").url("3.8")
        parts = {"feeds": DynamoFeedStore(aws.table()), "archive": S3Archive(aws.bucket())}
        settings = msgspec.structs.replace(settings, engine="opensearch", opensearch_url=url, opensearch_prefix=prefix)
    app = App(settings, clock=clock, **parts)
    for feed in FEEDS:
        app.feeds.put(Feed(id=feed, url=server.says(f"/{feed}", rss(story(1), story(2), title=feed))), clock())
    run_batches(app, [Batch(FEEDS, now=True)])
    for feed in FEEDS:
        server.says(f"/{feed}", rss(story(1, f"An edit of {feed}"), story(3), title=feed))
    clock.go(hours=1)
    run_batches(app, [Batch(FEEDS, now=True)])
    app.engine.refresh()
    yield app
    app.close()
    if request.param == "a stack":
        delete_indexes(settings.opensearch_url, prefix)


def items_of(app: App) -> dict[str, Item]:
    app.engine.refresh()
    page = app.engine.search(SearchQuery(size=100, with_content=True))
    return {hit.item.id: hit.item for hit in page.hits}


def faults(report: VerifyReport) -> dict[str, int]:
    return {fault.kind: len(fault.ids) for fault in report.faults}


def one_of(app: App, feed: str = "b") -> Item:
    return next(item for item in items_of(app).values() if item.feed == feed and item.revision == 2)


def test_newswire_that_is_whole_has_no_fault(wire) -> None:
    report = verify(wire, full=True)
    assert (report.feeds, report.items, report.compared_feeds, report.compared_items) == (3, 9, 3, 9)
    assert (report.faults, report.older, report.skipped) == ((), 0, ())
    assert verify(wire, sample=0).compared_feeds == 0
    assert verify(wire, ["a"]).compared_feeds == 1


def delete_an_item(app: App) -> None:
    app.engine.delete_items([ItemDeletion(one_of(app).id, 2)], 1)


def add_an_item(app: App) -> None:
    other = msgspec.structs.replace(one_of(app), id="f" * 32, title="Nobody published this")
    app.engine.index([ItemWrite(other, 1)], 1)


def change_a_word(app: App) -> None:
    item = msgspec.structs.replace(one_of(app), title="An edit by nobody")
    app.engine.index([ItemWrite(item, 2)], 1)


def change_a_state(app: App) -> None:
    item, now = one_of(app), app.clock()
    lease = new_lease(app.settings, now)
    row = app.feeds.claim_index(1, "b", lease, now)
    assert row is not None
    (state,) = app.feeds.item_states(1, "b", [item.id]).values()
    wrong = msgspec.structs.replace(state, first_seen=state.first_seen - 1)
    assert app.feeds.save(1, "b", lease.token, row.fold, {item.id: wrong})
    app.feeds.release_index(1, "b", lease.token)


def delete_one_and_add_one(app: App) -> None:
    """The number stays the same, so that only a comparison of items shows it."""
    delete_an_item_of_a_story(app)
    add_an_item(app)


def delete_an_item_of_a_story(app: App) -> None:
    first = min((item for item in items_of(app).values() if item.feed == "b"), key=lambda item: item.changed)
    app.engine.delete_items([ItemDeletion(first.id, 1)], 1)


@pytest.mark.parametrize(
    ("harm", "kinds", "is_counted"),
    [
        (delete_an_item, {"missing": 1}, True),
        (add_an_item, {"extra": 1}, True),
        (change_a_word, {"different": 1}, False),
        (change_a_state, {"state": 1}, False),
        (delete_one_and_add_one, {"missing": 1, "extra": 1}, False),
    ],
)
def test_harm_shows_and_is_mended_from_the_log(wire, harm, kinds: dict[str, int], is_counted: bool) -> None:
    before = items_of(wire)
    harm(wire)
    wire.engine.refresh()
    quick = verify(wire, sample=0)
    assert faults(quick) == (kinds if is_counted else {}), "numbers are compared always"
    assert faults(verify(wire, full=True)) == kinds
    assert items_of(wire) != before or harm is change_a_state
    mended = verify(wire, full=True, repair=True)
    assert (mended.faults, {fault.kind: len(fault.ids) for fault in mended.repaired}) == ((), kinds)
    assert items_of(wire) == before
    assert verify(wire, full=True).faults == ()


def test_lost_record_is_named_and_changes_nothing(wire) -> None:
    before = items_of(wire)
    if isinstance(wire.archive, S3Archive):
        wire.archive.remove("b")
    else:
        (path,) = (wire.settings.data_folder / "archive").glob("**/b*")
        shutil.rmtree(path)
    report = verify(wire, repair=True)
    (fault,) = report.faults
    assert (fault.feed, fault.kind, "Record 1 of b is missing" in fault.sentence) == ("b", "log", True)
    assert items_of(wire) == before


def test_feed_that_is_not_in_the_list_is_named(wire) -> None:
    wire.engine.publish([feed_status("stranger", 1, items=4)])
    assert [(fault.feed, fault.kind) for fault in verify(wire, sample=0).faults] == [("stranger", "unknown")]


def test_feed_that_another_process_indexes_is_skipped(wire) -> None:
    now = wire.clock()
    assert wire.feeds.claim_index(1, "a", new_lease(wire.settings, now), now) is not None
    assert verify(wire, full=True).skipped == ("a",)


def test_command_prints_faults_and_ends_with_them(tmp_path, monkeypatch, capsys, clock) -> None:
    monkeypatch.setenv("NEWSWIRE_DATA", str(tmp_path / "data"))
    document = tmp_path / "feed.xml"
    document.write_bytes(rss(story(1), story(2)))
    assert main(["ingest", str(document), "--feed", "news"]) == 0
    assert main(["verify"]) == 0
    assert "Log, states and index agree." in capsys.readouterr().out
    app = App(Settings(data=str(tmp_path / "data")))
    lost = next(iter(items_of(app)))
    app.engine.delete_items([ItemDeletion(lost, 9)], 1)
    app.close()
    assert main(["verify", "--json"]) == 1
    assert msgspec.json.decode(capsys.readouterr().out)["faults"][0]["ids"] == [lost]
    assert main(["verify", "news", "--repair"]) == 0
    assert "Repaired." in capsys.readouterr().out
    assert main(["verify", "--full"]) == 0
    assert main(["verify", "nothing"]) == 2
