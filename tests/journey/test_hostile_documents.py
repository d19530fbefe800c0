"""One feed's document never stops the others: hostile documents beside a good feed, through polling, searches and pages."""

import argparse
import json
import os
import signal
import subprocess
import sys

import pytest

from newswire.app import App
from newswire.engines.query import SearchQuery
from newswire.errors import DataError
from newswire.ingest.archiving import RecordSource, append_to_feed
from newswire.ingest.backfill import load
from newswire.ingest.feed_list import make_feed
from newswire.ingest.indexing import index_feeds
from newswire.ingest.poll import run_batches
from newswire.ingest.reindex import reindex
from newswire.model import Batch, Feed
from tests.conftest import ROOT
from tests.support.feed_server import Answer, rss, story
from tests.support.hostile_documents import COSTLY, ENTITIES, LINEAR, RAISING, rss_with
from tests.support.transports import AsEvents

ALL = RAISING | ENTITIES | LINEAR
FORMATS = (
    "",
    "&format=rss",
    "&format=atom",
    "&format=jsonfeed",
    "&format=csv",
    "&format=ndjson",
    "&highlight=title,summary",
)


def add_feeds(app: App, server, bodies: dict[str, bytes]) -> Batch:
    """Add a feed for each document, and a good feed at either end."""
    documents = {"a-good": rss(story(1, "Baltic one")), **bodies, "z-good": rss(story(2, "Baltic two"))}
    for name, body in documents.items():
        server.answers[f"/{name}"] = Answer(body=body)
        app.feeds.put(Feed(id=name, url=server.url(f"/{name}")), app.clock())
    return Batch(tuple(documents), now=True)


def feeds_of_items(app: App) -> set[str]:
    app.engine.refresh()
    return {hit.item.feed for hit in app.engine.search(SearchQuery(size=200)).hits}


def test_hostile_documents_stop_neither_polling_nor_answers(app, server) -> None:
    names = {f"h{number}": name for number, name in enumerate(ALL)}
    report = run_batches(app, [add_feeds(app, server, {id_: ALL[name] for id_, name in names.items()})])
    assert report.engine_error is None
    assert {"a-good", "z-good"} <= feeds_of_items(app)
    assert app.feeds.behind(1) == []
    refused = {names[result.feed]: result.refusal.code for result in report.indexed if result.refusal is not None}
    assert {name for name, code in refused.items() if code == "entities"} == set(ENTITIES)
    assert set(refused.values()) <= {"entities", "not_a_feed"}
    events = AsEvents(app)
    for query in ("q=baltic", "sort=newest", "q=hostile", "from=0001", "to=9999"):
        for form in FORMATS:
            assert events.ask(f"/v1/search?{query}&size=200{form}").status == 200, (query, form)
        assert events.ask(f"/?{query}").status == 200
    for feed in json.loads(events.ask("/v1/feeds?size=200").body)["feeds"]:
        assert events.ask(f"/feeds/{feed['id']}").status == 200
    for hit in app.engine.search(SearchQuery(size=200)).hits:
        assert events.ask(f"/items/{hit.item.id}").status == 200
        assert events.ask(f"/v1/items/{hit.item.id}").status == 200


def test_costly_documents_are_refused_while_other_feeds_are_indexed(another, server) -> None:
    app = another(read_timeout_seconds=2)
    report = run_batches(app, [add_feeds(app, server, {f"h{n}": body for n, body in enumerate(COSTLY.values())})])
    refused = {result.feed: result.refusal.code for result in report.indexed if result.refusal is not None}
    assert refused == {f"h{n}": "too_costly" for n in range(len(COSTLY))}
    assert feeds_of_items(app) == {"a-good", "z-good"}
    assert app.feeds.behind(1) == []
    problems = json.loads(AsEvents(app).ask("/v1/feeds?state=failing").body)["feeds"]
    assert {feed["error"]["code"] for feed in problems} == {"too_costly"}


def test_slow_documents_are_read_after_all_others(another, server, monkeypatch) -> None:
    monkeypatch.setattr("newswire.ingest.indexing.PATIENCE_SECONDS", 0.2)
    app = another(read_timeout_seconds=2)
    slow = next(iter(COSTLY.values()))
    order: list[str] = []
    save = app.feeds.save

    def note(generation, feed, *more):
        order.append(feed)
        return save(generation, feed, *more)

    monkeypatch.setattr(app.feeds, "save", note)
    run_batches(app, [add_feeds(app, server, {f"h{n}": slow for n in range(3)})])
    assert order == ["a-good", "z-good", "h0", "h1", "h2"]
    assert app.feeds.behind(1) == []


HOSTILE = rss_with(b"<pubDate>Hostile day</pubDate>")


def test_problems_of_feeds_are_listed(app, server, capsys) -> None:
    from newswire.cli.feeds import list_feeds

    arguments = argparse.Namespace(problems=True, json=False)
    assert list_feeds(app, arguments) == 0
    assert capsys.readouterr().out == "No feed has a problem.\n"
    run_batches(app, [add_feeds(app, server, {"hostile": next(iter(ENTITIES.values()))})])
    list_feeds(app, arguments)
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("hostile: failing, 0 items, checked ")
    assert "declares XML entities" in line
    list_feeds(app, argparse.Namespace(problems=True, json=True))
    assert [feed["id"] for feed in json.loads(capsys.readouterr().out)["feeds"]] == ["hostile"]


STAGES = {
    "parse": "newswire.ingest.reading.record.parse",
    "clean": "newswire.ingest.item.plain_text",
    "date": "newswire.ingest.item.date_of",
    "candidates": "newswire.ingest.reading.record.candidates_of",
    "fold": "newswire.ingest.fold.identify",
    "the fold of the feed": "newswire.ingest.fold._fold_feed",
}


@pytest.mark.parametrize("error", [ValueError, OSError, RecursionError, UnicodeError, KeyError])
@pytest.mark.parametrize("stage", STAGES)
def test_exception_of_a_stage_refuses_one_record(app, server, monkeypatch, stage: str, error: type[Exception]) -> None:
    import importlib

    module, _, name = STAGES[stage].rpartition(".")
    real = getattr(importlib.import_module(module), name)

    def fail_on_hostile(*args: object, **named: object) -> object:
        if "Hostile" in repr(args):
            raise error("made to fail")
        return real(*args, **named)

    with monkeypatch.context() as patch:
        patch.setattr(STAGES[stage], fail_on_hostile)
        report = run_batches(app, [add_feeds(app, server, {"hostile": HOSTILE})])
        refused = {result.feed: result.refusal.code for result in report.indexed if result.refusal is not None}
        assert refused == {"hostile": "internal"}
        assert report.engine_error is None
        assert feeds_of_items(app) == {"a-good", "z-good"}
        assert app.feeds.behind(1) == []
        reindex(app)
        assert feeds_of_items(app) == {"a-good", "z-good"}
    (status,) = app.engine.statuses(["hostile"])
    assert status.error_code == "internal"
    reindex(app)
    assert feeds_of_items(app) == {"a-good", "hostile", "z-good"}, "the archive has the document"


def test_later_extraction_reads_a_refused_document_again(app, server, clock, monkeypatch) -> None:
    batch = add_feeds(app, server, {"hostile": HOSTILE})
    with monkeypatch.context() as patch:
        patch.setattr("newswire.ingest.reading.read_record", _raise)
        run_batches(app, [Batch(("hostile",), now=True)])
    clock.go(days=1)
    run_batches(app, [batch])
    assert feeds_of_items(app) == {"a-good", "z-good"}, "the same document is not read again by the same code"
    monkeypatch.setattr("newswire.ingest.poll_policy.EXTRACTION", 1_000)
    clock.go(days=1)
    run_batches(app, [batch])
    assert feeds_of_items(app) == {"a-good", "hostile", "z-good"}


def _raise(*_args: object) -> None:
    raise ValueError("made to fail")


def test_loaded_lines_that_break_a_stage_stop_no_other_feed(app, tmp_path, monkeypatch) -> None:
    lines = [
        {"feed": feed, "title": f"{feed} title", "link": f"https://x.example/{feed}"} for feed in ("a", "Hostile", "z")
    ]
    lines[1]["feed"] = "hostile"
    file = tmp_path / "lines.jsonl"
    file.write_text("\n".join(map(json.dumps, lines)))
    monkeypatch.setattr("newswire.ingest.reading.read_record", _fail_on_feed("hostile"))
    load(app, [str(file)], None)
    assert feeds_of_items(app) == {"a", "z"}
    (status,) = app.engine.statuses(["hostile"])
    assert status.error_code == "internal"


def _fail_on_feed(feed: str):
    from newswire.ingest.reading.record import read_record

    def read(record, *more):
        if record.feed == feed:
            raise ValueError("made to fail")
        return read_record(record, *more)

    return read


def test_store_that_refuses_one_feed_leaves_only_that_feed_behind(app, server, monkeypatch) -> None:
    batch = add_feeds(app, server, {"hostile": HOSTILE})
    store = app.feeds
    real = store.save

    def save(generation, feed_id, *more):
        if feed_id == "hostile":
            raise DataError("The table refuses the item (ValidationException).")
        return real(generation, feed_id, *more)

    monkeypatch.setattr(store, "save", save)
    report = run_batches(app, [batch])
    assert {result.feed: result.problem for result in report.indexed if result.problem} == {
        "hostile": "The table refuses the item (ValidationException)."
    }
    assert app.feeds.behind(1) == ["hostile"]
    monkeypatch.setattr(store, "save", lambda *_more: (_ for _ in ()).throw(DataError("The table is away.")))
    clock_moves = add_feeds(app, server, {"other": rss_with()})
    with pytest.raises(DataError, match="away"):
        run_batches(app, [clock_moves])


@pytest.mark.parametrize("times", [1, 2])
def test_record_whose_reader_was_killed_is_read_in_the_child(tmp_path, another, times: int) -> None:
    """The process dies in the middle of a record, which is then read in the child: it is refused only if that dies too."""
    app = another(read_timeout_seconds=5)
    make_feed(app, "lethal")
    make_feed(app, "good")
    append_to_feed(app, "lethal", rss_with(), RecordSource("document"))
    append_to_feed(app, "good", rss(story(1)), RecordSource("document"))
    program = (
        "import os, sys; from newswire.app import App; from newswire.settings import Settings\n"
        "import newswire.ingest.reading as reading; from newswire.ingest.indexing import index_feeds\n"
        "from newswire.ingest.reading.record import read_record\n"
        "def read(record, *more):\n"
        "    if record.feed == 'lethal': os.kill(os.getpid(), 9)\n"
        "    return read_record(record, *more)\n"
        "reading.read_record = read\n"
        "index_feeds(App(Settings(data=sys.argv[1])), ['lethal', 'good'])\n"
    )
    completed = subprocess.run([sys.executable, "-c", program, app.settings.data], cwd=ROOT, check=False)
    assert completed.returncode == -signal.SIGKILL
    assert app.feeds.behind(1) == ["good", "lethal"]
    if times == 2:  # the document kills the child too
        monkey = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
        command = [sys.executable, "-c", f"import sys; sys.stdin.buffer.read(4); {monkey}"]
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("newswire.ingest.reading.process.child_command", lambda *_: command)
            results = {result.feed: result for result in index_feeds(app, ["lethal", "good"])}
        assert {feed: result.refusal.code for feed, result in results.items() if result.refusal} == {
            "lethal": "too_costly",
            "good": "too_costly",
        }
    else:
        index_feeds(app, ["lethal", "good"])
        assert feeds_of_items(app) == {"lethal", "good"}
    assert app.feeds.behind(1) == []
    assert os.path.exists(app.settings.data)


def test_large_document_waits_for_a_run_with_enough_time(app, server) -> None:
    large = rss(*[story(number) for number in range(400)])
    server.answers["/large"] = Answer(body=large)
    app.feeds.put(Feed(id="large", url=server.url("/large")), app.clock())
    run_batches(app, [add_feeds(app, server, {}), Batch(("large",), now=True)], time_left=lambda: 31.0)
    append_to_feed(app, "large", large, RecordSource("document"))
    assert index_feeds(app, ["large"], time_left=lambda: 31.0) == []
    assert app.feeds.behind(1) == ["large"]
    (result,) = index_feeds(app, ["large"], time_left=lambda: 33.0)
    assert (result.refusal, app.feeds.behind(1)) == (None, [])
