"""A damaged `feeds.sqlite`: `newswire reindex --salvage` makes the list of feeds and the index again, and loses no item."""

import random
from pathlib import Path

import pytest

from newswire.app import App
from newswire.cli.main import main
from newswire.engines.query import SearchQuery
from newswire.ingest.poll import run_batches
from newswire.ingest.verify import verify
from newswire.model import Batch, Feed
from newswire.settings import Settings
from tests.support.feed_server import rss, story

FEEDS = tuple(f"feed-{n:03}" for n in range(60))


@pytest.fixture
def folder(settings, clock, server, monkeypatch) -> Path:
    """Poll sixty feeds, and load one; return the data folder."""
    app = App(settings, clock=clock)
    for n, feed in enumerate(FEEDS):
        url = server.says(f"/{feed}", rss(*(story(i, f"{feed} {i}") for i in range(6)), title=feed))
        app.feeds.put(Feed(id=feed, url=url, title=f"Title {n}", groups=("set by hand",)), clock())
    run_batches(app, [Batch(FEEDS, now=True)])
    app.close()
    monkeypatch.setenv("NEWSWIRE_DATA", settings.data)
    (settings.data_folder.parent / "none.toml").write_text("")
    monkeypatch.setenv("NEWSWIRE_FEEDS", str(settings.data_folder.parent / "none.toml"))
    monkeypatch.setenv("NEWSWIRE_FETCH_ALLOW_PRIVATE", "true")
    monkeypatch.setenv("NEWSWIRE_FETCH_PORTS", "")
    lines = settings.data_folder.parent / "lines.jsonl"
    lines.write_text('{"title": "A loaded line", "link": "https://l.example/1", "published": "2025-05-26"}\n')
    assert main(["load", str(lines), "--feed", "loaded"]) == 0
    return settings.data_folder


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def spoil(file: Path) -> None:
    chance, body = random.Random(7), bytearray(file.read_bytes())
    for _ in range(300):
        body[chance.randrange(4_096, len(body))] ^= 0xFF
    file.write_bytes(body)


def empty(file: Path) -> None:
    file.write_bytes(b"rubbish" * 1_000)


@pytest.mark.parametrize("harm", [cut, spoil, empty])
def test_nothing_of_the_archive_is_lost(folder: Path, capsys, harm) -> None:
    harm(folder / "feeds.sqlite")
    main(["status"])
    assert "reindex --salvage" in capsys.readouterr().err or harm is spoil, "the message names the remedy"
    assert main(["reindex", "--salvage"]) == 0
    out = capsys.readouterr().out
    assert "feeds.sqlite.damaged-" in out
    app = App(Settings(data=str(folder)))
    rows = {row.feed.id: row.feed for row in app.feeds.rows()}
    assert rows.keys() == {*FEEDS, "loaded"}
    assert all(rows[feed].url.endswith(f"/{feed}") and rows[feed].polled for feed in FEEDS)
    assert not rows["loaded"].polled
    kept = [feed for feed in FEEDS if rows[feed].groups == ("set by hand",)]
    named = out.partition("From the archive")[2]
    assert bool(named) == (len(kept) < len(FEEDS)), "what could not be read is said"
    assert app.engine.search(SearchQuery(size=0)).total == 6 * len(FEEDS) + 1
    report = verify(app, full=True)
    assert (report.faults, report.compared_feeds) == ((), len(FEEDS) + 1)
    app.close()
    assert main(["poll", "--now", "--quiet"]) == 0
    assert main(["verify", "--full"]) == 0


def test_damaged_statuses_are_published_again(folder: Path, capsys) -> None:
    empty(folder / "index" / "status.sqlite")
    assert main(["search", "anything"]) == 1
    assert "reindex --salvage" in capsys.readouterr().err
    assert main(["reindex", "--salvage"]) == 0
    assert main(["verify"]) == 0


def test_salvage_of_a_whole_database_keeps_every_configuration(folder: Path, capsys) -> None:
    assert main(["reindex", "--salvage"]) == 0
    assert "61 feeds read again" in capsys.readouterr().out
    assert len(list(folder.glob("feeds.sqlite.damaged-*"))) >= 1
