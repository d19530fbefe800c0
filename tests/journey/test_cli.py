"""Test the command line in this process: its output and its exit status."""

import gzip
import io
import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from newswire.app import App
from newswire.cli.main import main
from newswire.engines.query import Phrase, SearchQuery
from newswire.errors import FeedsFileError
from newswire.ingest.backfill import load
from newswire.ingest.feed_ids import FeedIds
from newswire.ingest.feeds_file import read_toml
from newswire.settings import Settings
from tests.conftest import ROOT
from tests.support.feed_server import rss, story
from tests.support.processes import command, command_writing_to
from tests.support.transports import AsEvents

SAMPLE = str(ROOT / "sample" / "nato-sample.xml")


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("NEWSWIRE_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("NEWSWIRE_FEEDS", str(tmp_path / "feeds.toml"))
    (tmp_path / "feeds.toml").write_text("")
    monkeypatch.setenv("NEWSWIRE_FETCH_ALLOW_PRIVATE", "true")
    monkeypatch.setenv("NEWSWIRE_FETCH_PORTS", "")

    def call(*arguments: str) -> tuple[int, str, str]:
        try:
            status = main(arguments)
        except SystemExit as error:
            status = int(error.code or 0)
        out, err = capsys.readouterr()
        return status, out, err

    return call


def test_ingested_document_is_searchable(run) -> None:
    status, out, _err = run("ingest", SAMPLE, "--feed", "sample-news", "--url", "https://news.example/feed")
    assert (status, out) == (0, "sample-news: 20 new, 0 changed, 0 unchanged\n")
    status, out, _err = run("search", "F-16", "--size", "1")
    assert status == 0
    assert "Baltic air policing rotation begins at Šiauliai" in out
    assert "1 item found" in out


def test_search_json_matches_the_api_response(run) -> None:
    run("ingest", SAMPLE, "--feed", "sample-news")
    status, out, _err = run("search", "--from", "2025-11-20", "--to", "2025-11-21", "--sort", "oldest", "--json")
    answer = json.loads(out)
    assert (status, answer["total"]["value"], answer["query"]["from"]) == (0, 2, "2025-11-20T00:00:00Z")


@pytest.mark.parametrize("text", ["", "<html><p>Not a feed</p></html>", "\0\0", "{}"])
def test_sample_that_is_no_feed_is_not_served(run, tmp_path, text: str) -> None:
    (tmp_path / "page.html").write_text(text)
    status, out, err = run("serve", "--port", "0", "--sample", str(tmp_path / "page.html"))
    assert (status, out) == (2, "")
    assert f"--sample {tmp_path / 'page.html'} cannot be read as a feed" in err


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full, which is always full")
@pytest.mark.parametrize("arguments", [("search",), ("search", "--json"), ("status",)])
def test_full_disk_under_the_output_is_named(tmp_path, arguments: tuple[str, ...]) -> None:
    command(tmp_path / "data", "ingest", SAMPLE, "--feed", "sample").communicate(timeout=60)
    with Path("/dev/full").open("w") as full:
        ran = command_writing_to({"stdout": full.fileno()}, tmp_path / "data", *arguments)
        _out, err = ran.communicate(timeout=30)
    assert ran.returncode == 1
    assert (
        err == "newswire: Cannot write the output (no space left on device). Free some space, or send it elsewhere.\n"
    )


def test_invalid_parameters_are_usage_errors(run) -> None:
    run("ingest", SAMPLE, "--feed", "sample-news")
    status, _out, err = run("search", "--size", "many", "--sort", "best")
    assert status == 2
    assert "--size" in err
    assert "relevance, newest, oldest" in err
    assert run("search", "--nonsense")[0] == 2
    assert run()[0] == 2


def test_feeds_are_added_polled_listed_and_removed(run, server) -> None:
    server.says("/news", '<html><head><link rel="alternate" type="application/rss+xml" href="/feed.xml"></head></html>')
    server.says("/feed.xml", rss(story(1), title="Found"))
    status, out, _err = run("feeds", "add", server.url("/news"), "--id", "found")
    assert status == 0
    assert "its feed is" in out
    assert run("feeds", "add", server.url("/feed.xml"))[0] == 2
    status, out, _err = run("poll")
    assert status == 0
    assert "1 item new" in out
    assert "found: ok, 1 item" in run("feeds")[1]
    assert json.loads(run("feeds", "--json")[1])["feeds"][0]["title"] == "Found"
    assert "No feed is due" in run("poll")[1]
    assert run("feeds", "remove", "found")[0] == 0
    assert "paused" in run("feeds")[1]
    assert "1 item found" in run("search")[1]
    assert "polled again" in run("feeds", "add", server.url("/feed.xml"))[1]
    assert run("feeds", "remove", "found", "--purge")[0] == 0
    assert "0 items found, 0 shown. The data is in " in run("search")[1]
    assert run("feeds", "remove", "found")[0] == 2


def test_adding_a_page_without_a_feed_is_refused(run, server) -> None:
    status, _out, err = run("feeds", "add", server.says("/page", "<!doctype html><p>hello"))
    assert status == 2
    assert "is not a feed, and does not link to one" in err


def link(href: str, title: str = "", media_type: str = "application/rss+xml") -> str:
    return f'<link rel="alternate" type="{media_type}" title="{title}" href="{href}">'


@pytest.mark.parametrize(
    ("head", "path"),
    [
        ('<base href="/blog/">' + link("feed.xml"), "/blog/feed.xml"),
        (link("/feed.xml", media_type="application/atom+xml; charset=utf-8"), "/feed.xml"),
        (link("/feed.json", media_type="application/json"), "/feed.json"),
        (link("/feed.xml", media_type="TEXT/XML"), "/feed.xml"),
        (link(" /feed.xml "), "/feed.xml"),
        (link("/gone.xml") + link("/feed.xml"), "/feed.xml"),
        (link("http://[broken/x") + link("/feed.xml"), "/feed.xml"),
        (link("/comments/feed.xml") + link("/feed.xml"), "/feed.xml"),
        ('<link rel="feed" href="/feed.xml">', "/feed.xml"),
        (link("/api.json", media_type="application/json") + link("/feed.xml"), "/feed.xml"),
    ],
)
def test_feed_of_a_page_is_found_and_fetched_before_it_is_added(run, server, head: str, path: str) -> None:
    server.says("/page", f"<!doctype html><html><head>{head}</head></html>")
    json_feed = '{"version": "https://jsonfeed.org/version/1.1", "title": "J", "items": [{"id": "1", "title": "x"}]}'
    server.says(path, json_feed if path.endswith("json") else rss(story(1)))
    server.says("/comments/feed.xml", rss(story(2)))
    server.says("/api.json", '{"items": [{"id": 5, "title": "An answer of the API"}]}')
    assert run("feeds", "add", server.url("/page"))[0] == 0
    assert [row["url"] for row in json.loads(run("feeds", "--json")[1])["feeds"]] == [server.url(path)]


def test_other_feeds_of_a_page_are_named(run, server) -> None:
    server.says("/page", f"<html><head>{link('/a.xml')}{link('/b.xml', 'Sport')}</head></html>")
    server.says("/a.xml", rss(story(1), title="The news"))
    server.says("/b.xml", rss(story(2)))
    status, out, _err = run("feeds", "add", server.url("/page"))
    assert (status, "Added the-news." in out, server.url("/b.xml") in out) == (0, True, True)


def test_other_feeds_of_a_page_are_named_again_but_no_dead_ones(run, server) -> None:
    server.says("/page", f"<html><head>{link('/gone.xml')}{link('/a.xml')}{link('/b.xml')}</head></html>")
    server.says("/a.xml", rss(story(1), title="The news"))
    server.says("/b.xml", rss(story(2)))
    _status, out, _err = run("feeds", "add", server.url("/page"))
    assert (server.url("/b.xml") in out, "gone.xml" in out) == (True, False)
    status, _out, err = run("feeds", "add", server.url("/page"))
    assert (status, "already polled" in err, server.url("/b.xml") in err, "gone.xml" in err) == (2, True, True, False)


def test_reindex_of_a_folder_that_is_not_there_makes_none(tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.setenv("NEWSWIRE_DATA", str(tmp_path / "mistyped"))
    assert main(["reindex"]) == 2
    assert "There is no data in" in capsys.readouterr().err
    assert not (tmp_path / "mistyped").exists()


def test_page_whose_links_lead_to_no_feed_is_refused_with_the_reasons(run, server) -> None:
    server.says("/page", f"<html><head>{link('/gone.xml')}{link('/page2')}</head></html>")
    server.says("/page2", "<html></html>")
    status, _out, err = run("feeds", "add", server.url("/page"))
    assert (status, "answers 404" in err, "is an HTML page" in err) == (2, True, True)


@pytest.mark.parametrize("code", [404, 410])
def test_feed_that_cannot_heal_is_added_only_by_force(run, server, code: int) -> None:
    url = server.says("/feed.xml", status=code)
    status, _out, err = run("feeds", "add", url)
    assert (status, f"answers {code}" in err, "--force" in err) == (2, True, True)
    assert run("feeds", "add", url, "--force")[0] == 0
    other = server.says("/loop", status=301, headers={"Location": "/loop"})
    assert "in a loop" in run("feeds", "add", other)[2]


def test_url_that_leads_to_a_listed_feed_is_added_only_by_force(run, server) -> None:
    url = server.says("/feed.xml", rss(story(1), title="Listed"))
    assert run("feeds", "add", url)[0] == 0
    moved = server.says("/old", status=301, headers={"Location": "/feed.xml"})
    status, _out, err = run("feeds", "add", moved)
    assert (status, f"{moved} leads to {url}, which is already polled as listed." in err) == (2, True)
    for same in (url + "#top", url.replace("http://", "HTTP://")):
        assert "is already polled as listed" in run("feeds", "add", same)[2]
    assert run("feeds", "add", moved, "--id", "moved", "--force")[0] == 0


def test_feed_that_may_heal_is_added_with_a_remark(run, server) -> None:
    status, out, _err = run("feeds", "add", server.says("/feed.xml", status=503))
    assert (status, "will be retried" in out) == (0, True)


def test_opml_names_what_it_leaves_out_and_keeps_folders(run, tmp_path, server) -> None:
    file, again = tmp_path / "in.opml", tmp_path / "out.opml"
    url = server.says("/feed.xml", rss(story(1), title="Title of the publisher"))
    file.write_text(
        f'<opml><body><outline text="World"><outline xmlUrl="{url}"/></outline>'
        '<outline text="Old" xmlUrl="gopher://a.example/"/></body></opml>'
    )
    status, out, err = run("feeds", "import", str(file))
    assert (status, out) == (0, "1 feed added, 0 already in the list, 1 left out.\n")
    assert f"{file} leaves out Old: 'gopher://a.example/' is not an http or https URL." in err
    run("poll", "--now")
    run("feeds", "export", str(again))
    assert '<outline text="World" title="World">' in again.read_text()
    assert 'title="Title of the publisher"' in again.read_text()
    status, out, _err = run("feeds", "import", str(again))
    assert out == "0 feeds added, 1 already in the list.\n"


@pytest.mark.parametrize(
    "words", [("search", "x"), ("status",), ("feeds",), ("feeds", "--json"), ("feeds", "export", "x.toml")]
)
def test_command_that_only_reads_makes_nothing_and_says_where_it_looked(run, tmp_path, words: tuple[str, ...]) -> None:
    status, out, err = run(*words)
    assert (status, out) == (2, "")
    assert f"There is no data in {tmp_path / 'data'} (NEWSWIRE_DATA)." in err
    assert not (tmp_path / "data").exists()


def test_status_names_the_data_folder_and_its_json_is_that_of_the_api(run, tmp_path) -> None:
    run("ingest", SAMPLE, "--feed", "s")
    assert f"Data: {tmp_path / 'data'}\n" in run("status")[1]
    app = App(Settings(data=str(tmp_path / "data")))
    api = AsEvents(app)
    assert json.loads(run("status", "--json")[1]) == api.ask("/v1/status").json()
    assert json.loads(run("feeds", "--json")[1]) == api.ask("/v1/feeds").json()
    app.close()


def test_feed_is_changed_by_its_id(run, server) -> None:
    run("feeds", "add", server.says("/feed.xml", rss(story(1), title="Theirs")), "--id", "x")
    run("poll")
    assert run("feeds", "set", "x", "--title", " Our  title ", "--lang", "pt_BR")[1] == "Changed x.\n"
    (feed,) = json.loads(run("feeds", "--json")[1])["feeds"]
    assert feed["title"] == "Our title"
    run("feeds", "set", "x", "--title", "")
    assert json.loads(run("feeds", "--json")[1])["feeds"][0]["title"] == "Theirs"
    for words in (("x",), ("none", "--title", "T"), ("x", "--lang", "no language")):
        assert run("feeds", "set", *words)[0] == 2


def test_feed_of_the_file_is_changed_in_the_file(run, tmp_path) -> None:
    (tmp_path / "feeds.toml").write_text('[feed.f]\nurl = "https://f.example/"\n')
    run("poll", "f")
    status, _out, err = run("feeds", "set", "f", "--title", "T")
    assert (status, "change it there" in err) == (2, True)


def test_excluded_word_that_looks_like_an_option_gets_a_hint(run) -> None:
    status, _out, err = run("search", "exercise", "-tank")
    assert (status, "newswire search -- -tank" in err) == (2, True)
    assert "exclude a word" not in run("search", "--bogus")[2]
    status, _out, err = run("search", "x", "--form", "2025")
    assert (status, "Did you mean --from?" in err, "exclude a word" in err) == (2, True, False)


@pytest.mark.parametrize("words", [("feeds", "remove", "x"), ("feeds", "set", "x", "--title", "T")])
def test_change_of_what_is_not_there_makes_nothing(run, tmp_path, words: tuple[str, ...]) -> None:
    status, _out, err = run(*words)
    assert (status, str(tmp_path / "data") in err) == (2, True)
    assert not (tmp_path / "data").exists()


def test_document_that_no_poll_can_read_is_added_only_by_force(run, server) -> None:
    index = '<sitemapindex xmlns="http://www.sitemaps.org/schemas/sitemap/0.9"><sitemap><loc>http://a.example/</loc></sitemap></sitemapindex>'
    for url, more in (
        (server.says("/index", index), ()),
        (server.says("/json", '{"rows": []}'), ()),
        (server.says("/feed", rss(story(1))), ("--kind", "jsonfeed")),
    ):
        status, _out, err = run("feeds", "add", url, *more)
        assert (status, "--force" in err) == (2, True), url
        assert run("feeds", "add", url, *more, "--force", "--id", url.rpartition("/")[2])[0] == 0


def test_compressed_document_is_ingested_as_it_is_fetched(run, tmp_path) -> None:
    file = tmp_path / "feed.xml.gz"
    file.write_bytes(gzip.compress(rss(story(1), story(2))))
    assert run("ingest", str(file), "--feed", "packed")[:2] == (0, "packed: 2 new, 0 changed, 0 unchanged\n")
    file.write_bytes(gzip.compress(rss(story(1)))[:-20] + b"\x00" * 9)
    status, _out, err = run("ingest", str(file), "--feed", "packed")
    assert "Traceback" not in err
    assert status in {0, 1, 2}


@pytest.mark.parametrize(
    ("name", "near"), [("NEWSWIRE_DTA", "NEWSWIRE_DATA"), ("NEWSWIRE_OPENSEARCH_URI", "NEWSWIRE_OPENSEARCH_URL")]
)
def test_unknown_setting_names_the_nearest_one(run, monkeypatch, name: str, near: str) -> None:
    monkeypatch.setenv(name, "x")
    status, _out, err = run("status")
    assert (status, f"{name} is not a setting. Did you mean {near}?" in err) == (1, True)


def test_refused_files_of_several_are_named(run, tmp_path) -> None:
    (tmp_path / "page.xml").write_text("<html><p>Not a feed</p></html>")
    (tmp_path / "good.xml").write_bytes(rss(story(1)))
    files = [str(tmp_path / name) for name in ("good.xml", "page.xml")]
    status, out, err = run("ingest", *files, files[0], "--feed", "mixed")
    assert (status, out) == (1, "mixed: 1 new, 0 changed, 1 unchanged\n")
    assert err.startswith(f"{files[1]}: html_page: ")


def test_failing_feed_prints_a_line_and_exits_1(run, server) -> None:
    run("feeds", "add", server.says("/x", rss(story(1))), "--id", "x")
    server.says("/x", status=404)
    status, out, _err = run("poll", "x", "--now")
    assert status == 1
    assert "x: fetch failed: 127.0.0.1 answers 404 Not Found." in out
    assert "1 failing" in run("status")[1]
    assert run("poll", "nosuch")[0] == 2


def test_feed_list_round_trips_through_toml_and_opml(run, tmp_path) -> None:
    (tmp_path / "feeds.toml").write_text((ROOT / "functions" / "ingest" / "feeds.toml").read_text())
    from newswire.app import App
    from newswire.cli.poll import begin
    from newswire.settings import read_settings

    app = App(read_settings())
    begin(app)
    app.close()
    for name in ("out.toml", "out.opml"):
        assert run("feeds", "export", str(tmp_path / name))[0] == 0
    before = json.loads(run("feeds", "--json")[1])
    os.environ["NEWSWIRE_DATA"] = str(tmp_path / "other")
    assert "added" in run("feeds", "import", str(tmp_path / "out.toml"))[1]
    assert [(feed["id"], feed["url"]) for feed in json.loads(run("feeds", "--json")[1])["feeds"]] == [
        (feed["id"], feed["url"]) for feed in before["feeds"]
    ]
    assert "0 feeds added" in run("feeds", "import", str(tmp_path / "out.opml"))[1]


def test_url_listed_twice_is_imported_once(run, tmp_path) -> None:
    outline = '<outline text="{}" xmlUrl="http://a.example/1"/>'
    (tmp_path / "list.opml").write_text(
        f"<opml><body>{outline.format('First')}{outline.format('Second')}</body></opml>"
    )
    assert "1 feed added" in run("feeds", "import", str(tmp_path / "list.opml"))[1]
    assert [feed["id"] for feed in json.loads(run("feeds", "--json")[1])["feeds"]] == ["first"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[feed.x]\nurl = ", "line 2"),
        ("[feed.x]\nurl = 5\n", "line 2, key feed.x.url: must be text, got a whole number."),
        ("[feed.x]\nurl = 'http://a.example'\nkind = 'rdf'\n", "key feed.x.kind: must be one of auto, syndication,"),
        ("[feed.x]\nurl = 'ftp://a'\n", "line 2, key feed.x.url"),
        ("[feed.x]\nurl = 'http://a.example'\nkindd = 'auto'\n", "line 3, key feed.x.kindd"),
        ("[feed.x]\nurl = 'http://a.example'\nminimum_seconds = 1\n", "line 3, key feed.x.minimum_seconds"),
        ("[feed.x]\nurl = 'http://a.example'\nretention_days = -1\n", "line 3, key feed.x.retention_days"),
        ("[feed.x]\nurl = 'http://a.example'\nkind = 'listing'\n", "listing"),
        ("[feed.x]\nurl = 'http://a.example'\nlisting = { rows = 'a[' }\n", "JMESPath"),
        ("[feed.X]\nurl = 'http://a.example'\n", "letter or digit, got 'X'"),
        ("other = 1\n", "unknown key 'other'"),
        ("\xff", "UTF-8"),
    ],
)
def test_feeds_toml_error_names_file_line_and_key(run, tmp_path, text: str, said: str) -> None:
    (tmp_path / "feeds.toml").write_bytes(text.encode("latin-1"))
    status, _out, err = run("poll")
    assert status == 1
    assert "feeds.toml" in err
    assert said in err


@pytest.mark.parametrize("command", [["poll"], ["poll", "--now"], ["serve", "--port", "0"]])
def test_missing_configured_feeds_file_is_an_error(run, tmp_path, monkeypatch, command: list[str]) -> None:
    monkeypatch.setenv("NEWSWIRE_FEEDS", str(tmp_path / "feedz.toml"))
    status, _out, err = run(*command)
    assert status == 1
    assert f"The feeds file {tmp_path / 'feedz.toml'} (NEWSWIRE_FEEDS) does not exist" in err
    monkeypatch.setenv("NEWSWIRE_FEEDS", "")
    status, _out, err = run(*command)
    assert status == 1
    assert "NEWSWIRE_FEEDS" in err
    assert run("ingest", SAMPLE, "--feed", "s")[0] == 0, "who does not take the list over needs none"


def test_default_feeds_file_may_be_missing(run, tmp_path, monkeypatch) -> None:
    monkeypatch.delenv("NEWSWIRE_FEEDS")
    monkeypatch.chdir(tmp_path)
    status, out, err = run("poll")
    assert (status, err) == (0, "")
    assert f"The list of feeds in {tmp_path / 'data'} is empty" in out


def test_serve_reports_a_broken_feeds_file_once_and_polls_on(app, server, clock, tmp_path, capsys) -> None:
    from newswire.cli.poll import due_poller

    feeds = tmp_path / "feeds.toml"
    feeds.write_text(f'[feed.a]\nurl = "{server.says("/a", rss(story(1)))}"\n')
    poll_due = due_poller(app)

    def said() -> str:
        clock.go(days=1)
        poll_due()
        return capsys.readouterr().err

    assert said() == ""
    feeds.write_text("[feed.a\n")
    assert "this is not valid TOML" in said()
    assert said() == ""
    feeds.unlink()
    assert "does not exist" in said()
    feeds.write_text("[feed.a\n")
    assert "this is not valid TOML" in said()
    assert server.count("/a") == 5


def test_poll_prints_what_happened_and_the_totals(run, server) -> None:
    good, bad = server.says("/good.xml", rss(story(1))), server.says("/bad.xml", rss(story(2)))
    run("feeds", "add", good, "--id", "good")
    run("feeds", "add", bad, "--id", "bad")
    server.says("/bad.xml", status=500)
    lines = run("poll")[1].splitlines()
    assert lines[0].startswith("bad: fetch failed: ")
    assert lines[1] == "good: 1 new, 0 changed, 0 unchanged"
    assert len(lines) == 3
    assert "2 feeds polled" in lines[2]
    assert run("poll", "good", "--now")[1].count("\n") == 1, "nothing happened: only the totals"
    assert "good: unchanged" in run("poll", "good", "--now", "--verbose")[1]
    server.says("/bad.xml", rss(story(2)))
    assert "bad: recovered\nbad: 1 new" in run("poll", "--now")[1]
    server.says("/good.xml", rss(story(1), story(3)))
    assert run("poll", "--now", "--quiet")[1] == ""
    assert run("poll", "--quiet", "--verbose")[0] == 2


@pytest.mark.parametrize(("voice", "lines"), [("quiet", []), ("events", ["fails", "recovers", "news"]), ("all", None)])
def test_server_prints_a_line_when_a_feed_fails_or_recovers(app, server, clock, tmp_path, capsys, voice, lines) -> None:
    from newswire.cli.poll import due_poller

    url = server.says("/a", rss(story(1)))
    (tmp_path / "feeds.toml").write_text(f'[feed.a]\nurl = "{url}"\n')
    poll_due = due_poller(app, voice)

    def said() -> str:
        clock.go(days=1)
        poll_due()
        return capsys.readouterr().out

    said()
    server.says("/a", status=500)
    fails, again = said(), said()
    server.says("/a", rss(story(1)))
    recovers, calm = said(), said()
    server.says("/a", rss(story(2)))
    news = said()
    if lines is None:
        assert again.startswith("a: fetch failed: ")
        assert calm == "a: unchanged\n"
        return
    assert (again, calm) == ("", "")
    assert fails.startswith("a: fetch failed: ") == ("fails" in lines)
    assert (recovers == "a: recovered\n") == ("recovers" in lines)
    assert (news == "a: 1 new, 0 changed, 0 unchanged\n") == ("news" in lines)


def test_load_takes_good_lines_and_lists_bad_ones_by_number(run, tmp_path, monkeypatch) -> None:
    lines = [
        '{"title": "Good", "link": "https://a.example/1", "published": "2025-05-26"}',
        "not json",
        '{"published": "2025-05-26"}',
        '{"title": 5}',
        "",
        '{"title": "Odd", "unknown": 1}',
        '{"title": "Undatable", "published": "one day"}',
        '{"title": "Elsewhere", "feed": "other-feed"}',
        '{"title": "' + "x" * 40_000 + '"}',
        '{"title": "bad feed", "feed": "../x"}',
    ]
    file = tmp_path / "items.jsonl"
    file.write_text("\n".join(lines))
    status, out, err = run("load", str(file), "--feed", "back")
    assert status == 1
    assert "3 lines loaded, 6 refused; 3 items new" in out
    assert [line.split(":")[0].rsplit(" ", 1)[1] for line in err.splitlines()] == ["2", "3", "4", "6", "7", "10"]
    packed = tmp_path / "items.jsonl.gz"
    packed.write_bytes(gzip.compress(lines[0].encode()))
    assert run("load", str(packed), "--feed", "back")[:2] == (
        0,
        "1 line loaded, 0 refused; 0 items new, 0 changed, 1 feed.\n",
    )
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BufferedReader(io.BytesIO(b'{"title": "From a pipe"}\n'))))
    assert "1 item new" in run("load", "-", "--feed", "back")[1]
    assert run("load", str(tmp_path / "none"), "--feed", "back")[0] == 2
    assert "the line must name a feed" in run("load", str(file))[2]
    (tmp_path / "cut.gz").write_bytes(gzip.compress(b'{"title": "x"}\n' * 5000)[:40])
    assert "cannot be read to its end" in run("load", str(tmp_path / "cut.gz"), "--feed", "back")[2]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "empty"),
        (b"<!doctype html><html>", "html_page"),
        (b"/etc/passwd", "not_a_feed"),
        (b"/dev/zero", "not_a_feed"),
        (b"http://127.0.0.1:1/feed", "not_a_feed"),
        (b"\x00\x01\x02", "not_a_feed"),
        (b"{}", "not_a_feed"),
        (b"[", "unreadable"),
        (b"<opml></opml>", "opml_list"),
        (b"<sitemapindex xmlns='x'></sitemapindex>", "sitemap_index"),
        (b"[" * 100_000, "too_deep"),
        (b'{"a":' * 50_000, "too_deep"),
    ],
)
def test_ingest_refuses_a_non_feed_document_with_a_code(run, tmp_path, body: bytes, code: str) -> None:
    file = tmp_path / "doc"
    file.write_bytes(body)
    status, out, _err = run("ingest", str(file), "--feed", "odd")
    assert status == 1
    assert f"; {code}: " in out


def test_ingest_time_before_the_last_document_is_refused(run) -> None:
    run("ingest", SAMPLE, "--feed", "s", "--at", "2025-12-01")
    status, _out, err = run("ingest", SAMPLE, "--feed", "s", "--at", "2025-11-01")
    assert status == 2
    assert "must not be before the last one of s (2025-12-01T00:00:00Z), got 2025-11-01T00:00:00Z" in err
    assert run("ingest", SAMPLE, "--feed", "s", "--at", "soon")[0] == 2


def test_reindex_and_status_report_the_item_count(run) -> None:
    run("ingest", SAMPLE, "--feed", "s")
    assert "Generation 2 is in place: 20 items of 1 feed." in run("reindex")[1]
    output = json.loads(run("status", "--json")[1])
    assert (output["items"], output["generation"], output["behind"], output["engine"]["healthy"]) == (20, 2, 0, True)


def test_reindex_of_a_damaged_log_keeps_the_old_index(run, tmp_path) -> None:
    run("ingest", SAMPLE, "--feed", "s")
    (tmp_path / "data" / "archive" / "s" / "000000001.record").write_bytes(b"rubbish")
    status, _out, err = run("reindex")
    assert status == 1
    assert "damaged" in err
    assert "20 items found" in run("search")[1]


def test_unwritable_data_folder_is_reported(run, tmp_path, monkeypatch) -> None:
    (tmp_path / "file").write_text("x")
    monkeypatch.setenv("NEWSWIRE_DATA", str(tmp_path / "file" / "data"))
    status, _out, err = run("ingest", SAMPLE, "--feed", "s")
    assert status == 1
    assert "NEWSWIRE_DATA" in err
    if os.geteuid() != 0:
        locked = tmp_path / "locked"
        locked.mkdir()
        locked.chmod(stat.S_IRUSR | stat.S_IXUSR)
        monkeypatch.setenv("NEWSWIRE_DATA", str(locked / "data"))
        assert "may not write" in run("ingest", SAMPLE, "--feed", "s")[2]


def test_full_disk_is_reported_and_keeps_data_intact(run, tmp_path, monkeypatch) -> None:
    run("ingest", SAMPLE, "--feed", "s")
    full = OSError(28, "No space left on device", "somewhere")

    def fails(*_args):
        raise full

    monkeypatch.setattr("newswire.storage.archive.folder.os.fsync", fails)
    status, _out, err = run("ingest", SAMPLE, "--feed", "s")
    assert status == 1
    assert "disk is full" in err
    monkeypatch.undo()
    monkeypatch.setenv("NEWSWIRE_DATA", str(tmp_path / "data"))
    assert "20 items found" in run("search")[1]


def test_data_folder_of_a_newer_version_is_refused(run, tmp_path) -> None:
    run("ingest", SAMPLE, "--feed", "s")
    (tmp_path / "data" / "format").write_text("99\n")
    for words in (["search"], ["status"], ["poll"], ["reindex"], ["load", SAMPLE, "--feed", "s"]):
        status, _out, err = run(*words)
        assert status == 1
        assert "newer version" in err


def test_locked_folder_error_names_the_lock_holder(run, tmp_path, monkeypatch) -> None:
    from newswire.storage.file_lock import FileLock

    run("ingest", SAMPLE, "--feed", "s")
    held = FileLock(tmp_path / "data" / "index" / "write.lock")
    held.take(0, "testing")
    monkeypatch.setenv("NEWSWIRE_LOCK_WAIT_SECONDS", "0")
    (tmp_path / "more.xml").write_bytes(rss(story(1)))
    status, _out, err = run("ingest", str(tmp_path / "more.xml"), "--feed", "s")
    held.free()
    assert status == 1
    assert f"process {os.getpid()} (testing)" in err
    assert run("ingest", str(tmp_path / "more.xml"), "--feed", "s")[0] == 0


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("NEWSWIRE_POLL_MINIMUM_SECONDS", "soon"),
        ("NEWSWIRE_POLL_MINIMUM_SECONDS", "99999"),
        ("NEWSWIRE_NOSUCH", "1"),
        ("NEWSWIRE_ENGINE", "x"),
        ("NEWSWIRE_FETCH_PORTS", "a"),
        ("NEWSWIRE_FETCH_PORTS", "0"),
        ("NEWSWIRE_INDEX_HEAP_MB", "1"),
        ("NEWSWIRE_LEASE_SECONDS", "30"),
    ],
)
def test_invalid_setting_is_named(run, monkeypatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    status, _out, err = run("status")
    assert status == 1
    assert name in err


def test_sample_has_twenty_items(run) -> None:
    assert Path(SAMPLE).read_text().count("<item>") == 20


def test_repeated_load_changes_nothing(tmp_path) -> None:
    rows = [{"guid": "twice", "title": "first"}, *({"guid": f"g{n}", "title": f"t{n}"} for n in range(2_300))]
    rows.append({"guid": "twice", "title": "last"})
    file = tmp_path / "lines.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    half = tmp_path / "half.jsonl"
    half.write_text("".join(json.dumps(row) + "\n" for row in rows[:2_000]))
    app = App(Settings(data=str(tmp_path / "data")))

    def twice() -> tuple[str, int]:
        (results,) = (hit.item for hit in app.engine.search(SearchQuery(size=200, node=Phrase(("last",)))).hits)
        return results.title, results.revision

    load(app, [str(half)], "a")  # as if it had been cut off between two records
    load(app, [str(file)], "a")
    assert twice() == ("last", 2)
    head = app.archive.head("a")
    load(app, [str(file)], "a")
    assert (twice(), app.archive.head("a")) == (("last", 2), head)
    other = tmp_path / "other.jsonl"
    other.write_text(json.dumps({"guid": "twice", "title": "another"}) + "\n")
    load(app, [str(other)], "a")
    load(app, [str(file)], "a")  # another load came in between, so this is not a repeat
    assert twice()[0] == "last"
    assert app.archive.head("a") == 2 * head + 1
    app.close()


def test_feed_id_from_a_url_holds_no_secret() -> None:
    assert FeedIds(()).new_id("https://user:sekret@www.news.example/feed.xml?token=abc") == "news-example-feed-xml"


@pytest.mark.parametrize(
    ("line", "key"),
    [
        ('headers = { "X-A" = "a\\r\\nEvil: 1" }', "headers"),
        ('headers = { "Bad Name" = "x" }', "headers"),
        ('headers = { "Content-Length" = "3" }', "headers"),
        ('user_agent = "ünï"', "user_agent"),
        ("headers = { X = 3 }", "headers"),
    ],
)
def test_invalid_header_in_feeds_toml_is_refused(line: str, key: str) -> None:
    text = f'[feed.a]\nurl = "https://a.example/f"\n{line}\n'
    with pytest.raises(FeedsFileError, match=rf"feeds.toml, line 3, key feed.a.{key}: ") as raised:
        read_toml(text.encode(), "feeds.toml")
    assert "Evil" not in str(raised.value)


def test_ingest_refuses_an_endless_document(tmp_path) -> None:
    process = command(
        tmp_path / "data", "ingest", "/dev/zero", "--feed", "q", NEWSWIRE_FETCH_MAX_DECODED_BYTES="2000000"
    )
    _out, err = process.communicate(timeout=60)
    assert process.returncode == 2
    assert "NEWSWIRE_FETCH_MAX_DECODED_BYTES" in err


def test_load_file_may_begin_with_a_byte_order_mark(tmp_path) -> None:
    file = tmp_path / "lines.jsonl"
    file.write_bytes(b'\xef\xbb\xbf{"title": "first"}\n{"title": "second"}\n')
    app = App(Settings(data=str(tmp_path / "data")))
    report = load(app, [str(file)], "a")
    assert (report.lines, report.refused_count) == (2, 0)
    app.close()


def test_host_of_another_machine_is_reported(run) -> None:
    assert "--host must be an address of this machine, got '192.0.2.1'" in run("serve", "--host", "192.0.2.1")[2]
    assert "--host must be an address of this machine, got ''" in run("serve", "--host", "")[2]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("serve", "--port", "foo"), "--port: must be a whole number, got 'foo'."),
        (("frob",), "COMMAND must be one of serve, poll,"),
        (("search", "--bogus"), "'--bogus' is not an argument of this command. Run `newswire search --help`"),
        (("search", "--size"), "--size needs a value."),
        (("ingest", "a.xml"), "--feed is missing."),
        (("ingest", "--feed", "x", "--url", "nope", SAMPLE), "--url: 'nope' is not an http or https URL."),
        (("ingest", "--feed", "x", "--content-type", "a\nb", SAMPLE), "--content-type must be one line of text"),
        (("ingest", "--feed", "x", "nofile"), "nofile cannot be read (no such file or directory): name a document"),
        (("load", "nofile"), "nofile cannot be read (no such file or directory): name a file of JSON Lines."),
        (("feeds", "import", "nofile"), "nofile cannot be read (no such file or directory): name a TOML or OPML file."),
        (("feeds", "add", "http://exa mple.com/"), "is not a URL (its host has spaces or control characters)"),
    ],
)
def test_wrong_argument_is_a_usage_error_with_its_rule(run, arguments: tuple[str, ...], sentence: str) -> None:
    status, _out, err = run(*arguments)
    assert (status, sentence in err) == (2, True), err


def test_closed_standard_input_is_reported(tmp_path) -> None:
    script = f'exec "{sys.executable}" -m newswire load --feed x - <&-'
    environ = os.environ | {"NEWSWIRE_DATA": str(tmp_path)}
    completed = subprocess.run(["/bin/sh", "-c", script], env=environ, capture_output=True, text=True, check=False)
    assert (completed.returncode, "Standard input is closed" in completed.stderr) == (2, True), completed.stderr


def test_ctrl_c_during_the_imports_prints_one_line() -> None:
    program = "import newswire.cli, sys; sys.modules['newswire.cli.main'] = None; import newswire.__main__ as program\n"
    program += "def interrupt(*_): raise KeyboardInterrupt\nsys.meta_path.insert(0, type('Finder', (), {'find_spec': interrupt})())\n"
    program += "del sys.modules['newswire.cli.main']; sys.exit(program.main())"
    completed = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (completed.returncode, completed.stderr) == (1, "newswire: stopped before the command began.\n")


def test_invalid_port_is_reported(tmp_path) -> None:
    process = command(tmp_path / "data", "serve", "--port", "99999")
    _out, err = process.communicate(timeout=60)
    assert process.returncode == 2
    assert "--port must be from 0 to 65,535, got 99999." in err
    assert "Traceback" not in err


def test_feed_removed_from_the_file_is_paused_in_the_api(tmp_path) -> None:
    feeds = tmp_path / "feeds.toml"
    feeds.write_text('[feed.a]\nurl = "http://127.0.0.1:9/a"\n[feed.b]\nurl = "http://127.0.0.1:9/b"\n')
    command(tmp_path / "data", "poll", "--now").communicate(timeout=60)
    feeds.write_text('[feed.a]\nurl = "http://127.0.0.1:9/a"\n')
    command(tmp_path / "data", "poll").communicate(timeout=60)
    app = App(Settings(data=str(tmp_path / "data")))
    paused = {status.id: status.paused is not None for status in app.engine.statuses()}
    assert paused == {"a": False, "b": True}
    app.close()


def test_engine_setup_is_idempotent(run) -> None:
    for _ in range(2):
        status, out, _err = run("engine", "setup")
        assert (status, out.startswith("tantivy ")) == (0, True)
        assert "is ready: generation 1" in out
    assert run("engine", "burn")[0] == 2


def test_reindex_refuses_an_empty_archive(run, tmp_path) -> None:
    run("ingest", SAMPLE, "--feed", "sample-news")
    (tmp_path / "data" / "archive").rename(tmp_path / "elsewhere")
    status, _out, err = run("reindex")
    assert (status, "NEWSWIRE_DATA" in err, "20 items" in err) == (1, True, True)
    assert "20 items" in run("status")[1]


def test_reindex_refuses_the_index_of_another_archive(run, tmp_path) -> None:
    run("ingest", SAMPLE, "--feed", "sample-news")
    (tmp_path / "data" / "index").rename(tmp_path / "index")
    (tmp_path / "data").rename(tmp_path / "first")
    lines = tmp_path / "lines.jsonl"
    lines.write_text('{"guid": "1", "title": "Another folder"}\n')
    run("load", str(lines), "--feed", "others")
    (tmp_path / "data" / "index").rename(tmp_path / "second-index")
    (tmp_path / "index").rename(tmp_path / "data" / "index")
    status, _out, err = run("reindex")
    assert (status, "NEWSWIRE_DATA" in err, "'sample-news'" in err) == (1, True, True)


def test_serve_keeps_polling_after_an_unexpected_error(monkeypatch, settings) -> None:
    from newswire.app import App
    from newswire.cli import poll as poll_command

    app, rounds = App(settings), []

    def broken(*_arguments, **_named) -> int:
        rounds.append(1)
        raise KeyError("items")

    monkeypatch.setattr(poll_command, "poll_once", broken)
    (Path(settings.feeds)).write_text("")
    poll = poll_command.due_poller(app)
    poll()
    poll()
    assert len(rounds) == 2
    app.close()


@pytest.mark.parametrize(
    "arguments",
    [
        ("items", "withdraw", "\udcff\udcfe", "--reason", "x"),
        ("items", "withdraw", "x", "--reason", "\x1b[31mX"),
        ("verify", "\udcff\udcfe"),
        ("feeds", "add", "http://127.0.0.1:1/\udcff\udcfe", "--force"),
        ("feeds", "set", "news", "--title", "\x1b]0;x\x07"),
        ("--stack", "a\nb", "status"),
    ],
)
def test_argument_that_is_no_text_is_refused(run, tmp_path, arguments: tuple[str, ...]) -> None:
    status, _out, err = run(*arguments)
    assert (status, "must be printable Unicode text" in err, "Traceback" in err) == (2, True, False)
    assert not list(tmp_path.rglob("suspect")), "a wrong argument is no damage of the index"


def test_negative_sample_is_refused(run) -> None:
    assert run("verify", "--sample", "-1")[0] == 2
