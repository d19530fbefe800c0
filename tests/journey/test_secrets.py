"""Secrets of feeds: where they are kept, written and shown, and where they are not."""

import json
import stat
from pathlib import Path

import pytest

from newswire.app import App
from newswire.ingest.feeds_file import read_toml
from newswire.ingest.fetch import Fetcher
from newswire.ingest.poll import run_batches
from newswire.ingest.secrets import KEPT_SECONDS, SecretReader
from newswire.model import Batch, Feed, Fetched, FetchFailed, FetchRequest
from newswire.urls import feed_url_problem, without_credentials
from tests.support.feed_server import Answer, rss, story
from tests.support.processes import command

PASSWORD, KEY = "PASSSECRET", "QUERYSECRET"


@pytest.fixture
def listed(tmp_path):
    """Import a list with every kind of secret through the command line; return its data folder."""
    feeds = tmp_path / "feeds.toml"
    feeds.write_text(
        f'[feed.a]\nurl = "https://user:{PASSWORD}@news.example/feed?id=1&api_key={KEY}"\n'
        f'headers = {{ X-Key = "{KEY}", Authorization = "Bearer env:TOKEN" }}\n'
        '[feed.b]\nurl = "https://news.example/plain?page=2"\n'
    )
    data = tmp_path / "data"
    assert run(data, "feeds", "import", str(feeds))[0] == 0
    return data


def run(data: Path, *arguments: str) -> tuple[int, str]:
    process = command(data, *arguments)
    out, err = process.communicate()
    return process.returncode, out + err


def test_data_and_exports_are_private(listed, tmp_path) -> None:
    run(listed, "ingest", "sample/nato-sample.xml", "--feed", "s")
    run(listed, "feeds", "export", str(tmp_path / "out.toml"))
    assert stat.S_IMODE(listed.stat().st_mode) == 0o700
    paths = [path for path in listed.rglob("*") if path.is_file()]
    assert len(paths) > 5
    for path in [*paths, tmp_path / "out.toml"]:
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path


def test_folder_of_an_older_version_becomes_private(tmp_path) -> None:
    data = tmp_path / "data"
    data.mkdir(mode=0o755)
    run(data, "ingest", "sample/nato-sample.xml", "--feed", "s")
    assert stat.S_IMODE(data.stat().st_mode) == 0o700


@pytest.mark.parametrize("name", ["out.toml", "out.opml"])
def test_export_leaves_credentials_out_and_says_so(listed, tmp_path, name: str) -> None:
    status, output = run(listed, "feeds", "export", str(tmp_path / name))
    text = (tmp_path / name).read_text()
    assert (status, PASSWORD in text, KEY in text) == (0, False, False)
    assert "the credentials of 1 feed are left out (a). Use --with-secrets" in output
    assert "https://news.example/plain?page=2" in text
    status, output = run(listed, "feeds", "export", "--with-secrets", str(tmp_path / name))
    text = (tmp_path / name).read_text()
    assert (PASSWORD in text, KEY in text, "left out" in output) == (True, True, False)


def test_header_that_names_its_secret_is_exported(listed, tmp_path) -> None:
    run(listed, "feeds", "export", str(tmp_path / "out.toml"))
    (feed,) = [feed for feed in read_toml((tmp_path / "out.toml").read_bytes(), "out.toml") if feed.id == "a"]
    assert feed.headers == {"Authorization": "Bearer env:TOKEN"}


@pytest.mark.parametrize(
    "url",
    [
        f"http://user:{PASSWORD}@[::1/x?key={KEY}",
        f"http://user:{PASSWORD}@host:port/x?{KEY}",
        f"ftp://user:{PASSWORD}@host/x?key={KEY}",
        f"http://user:{PASSWORD}",
        f"http://user:a/{PASSWORD}@ho st/#{KEY}",
        f"//user:{PASSWORD}@host/",
        f"user:{PASSWORD}@host/x?key={KEY}",
        f"https:/user:{PASSWORD}@host/x",
        f"ftp:user:{PASSWORD}@host/x",
        f"http://{PASSWORD}:s#pw@[h.example/f?{KEY}",
        f"http://{PASSWORD}:s?pw@[h.example/f?{KEY}",
    ],
)
def test_wrong_url_is_quoted_without_its_secrets(tmp_path, url: str) -> None:
    problem = feed_url_problem(url)
    assert problem is not None
    assert (PASSWORD in problem, KEY in problem) == (False, False), problem
    (tmp_path / "feeds.toml").write_text(f"[feed.bad]\nurl = {json.dumps(url)}\n")
    _status, output = run(tmp_path / "data", "feeds", "import", str(tmp_path / "feeds.toml"))
    assert "key feed.bad.url" in output
    assert (PASSWORD in output, KEY in output) == (False, False), output


@pytest.mark.parametrize("place", ["[feed.{}]", "[feed.a]\n{} = 1", "{} = 1"])
def test_url_in_the_place_of_a_key_is_quoted_without_its_secrets(tmp_path, place: str) -> None:
    url = json.dumps(f"http://user:{PASSWORD}@host/x?key={KEY}")
    (tmp_path / "feeds.toml").write_text(place.format(url) + '\nurl = "http://a.example/"\n')
    status, output = run(tmp_path / "data", "feeds", "import", str(tmp_path / "feeds.toml"))
    assert status == 1
    assert (PASSWORD in output, KEY in output) == (False, False), output


ODD_NAMES = (
    "clientSecret", "secretKey", "userToken", "rssToken", "privatekey", "passphrase", "jwt", "sid", "token1", "tokens",
    "key[]", "X-Amz-Credential", "X-Amz-Signature", "credentials", "%6bey", "API%5FKEY", "sessionId", "AUTH", "accessKey",
)  # fmt: skip


def test_credentials_are_left_out_of_every_url_of_a_feed(tmp_path) -> None:
    secret = f"https://user:{PASSWORD}@h.example/?token={KEY}"
    listing = f'{{ rows = "x", base = "{secret}" }}'
    (tmp_path / "feeds.toml").write_text(
        f'[feed.a]\nurl = "https://h.example/f?a=1;key={KEY}#token={KEY}"\nlink = "{secret}"\nkind = "listing"\nlisting = {listing}\n'
    )
    data = tmp_path / "data"
    assert run(data, "feeds", "import", str(tmp_path / "feeds.toml"))[0] == 0
    run(data, "feeds", "export", str(tmp_path / "out.toml"))
    text = (tmp_path / "out.toml").read_text()
    assert (PASSWORD in text, KEY in text) == (False, False), text
    assert without_credentials(f"http://user:{PASSWORD}@[bad/?key={KEY}") == "http://[bad/"


@pytest.mark.parametrize(
    "line",
    [
        f'kind = "http://user:{PASSWORD}@h.example/f?key={KEY}#x"',
        f'headers = {{ "http://user:{PASSWORD}@h/f?key={KEY}" = "x" }}',
        f'headers = {{ "Authorization: Bearer {KEY}" = "x" }}',
        f'headers = {{ "X-Key" = "{KEY}\\n" }}',
        f'title = ["http://user:{PASSWORD}@h.example/f?key={KEY}"]',
    ],
)
def test_wrong_value_is_quoted_without_its_secrets(tmp_path, line: str) -> None:
    (tmp_path / "feeds.toml").write_text(f'[feed.a]\nurl = "https://h.example/"\n{line}\n')
    status, output = run(tmp_path / "data", "feeds", "import", str(tmp_path / "feeds.toml"))
    assert (status, "key feed.a." in output) == (1, True)
    assert (PASSWORD in output, KEY in output) == (False, False), output


def test_pages_of_imported_feeds_are_links_without_secrets(tmp_path) -> None:
    outline = '<outline type="rss" text="{}" xmlUrl="https://a.example/{}" htmlUrl="{}"/>'
    links = (f"https://user:{PASSWORD}@k.example/&#10;x", "javascript:alert(1)", "https://k.example/page")
    body = "".join(outline.format(n, n, link) for n, link in enumerate(links))
    (tmp_path / "a.opml").write_text(f'<opml version="2.0"><body>{body}</body></opml>')
    assert run(tmp_path / "data", "feeds", "import", str(tmp_path / "a.opml"))[0] == 0
    _status, output = run(tmp_path / "data", "feeds", "--json")
    assert (PASSWORD in output, "javascript" in output, "https://k.example/page" in output) == (False, False, True)


def test_names_of_keys_are_recognized_in_queries() -> None:
    for name in (
        "key",
        "api_key",
        "apikey",
        "api-key",
        "access_token",
        "token",
        "auth",
        "pwd",
        "sig",
        "client_secret",
        *ODD_NAMES,
    ):
        assert without_credentials(f"https://h.example/f?a=1&{name}=x") == "https://h.example/f?a=1"
    for name in ("monkey", "keyword", "keynote", "author", "page", "sign", "bypass", "inside", "pinned", "compass"):
        assert without_credentials(f"https://h.example/f?{name}=x").endswith(f"?{name}=x")


def test_header_secrets_are_read_at_each_fetch(server, settings) -> None:
    environ = {"TOKEN": "one\n"}
    server.answers["/feed"] = Answer(body=rss(story(1)))
    fetcher = Fetcher(settings, secrets=SecretReader(environ))
    request = FetchRequest(server.url("/feed"), "test", {"X-Key": "env:TOKEN", "Authorization": "Bearer env:TOKEN"})
    assert isinstance(fetcher.fetch(request), Fetched)
    assert (server.asked[-1].headers["x-key"], server.asked[-1].headers["authorization"]) == ("one", "Bearer one")
    environ["TOKEN"] = "two"
    fetcher.fetch(request)
    assert server.asked[-1].headers["x-key"] == "two"
    environ.clear()
    outcome = fetcher.fetch(request)
    assert isinstance(outcome, FetchFailed)
    assert outcome.code == "secret"
    assert "The header X-Key needs the environment variable TOKEN: set it." in outcome.sentence
    fetcher.close()


def test_header_secrets_of_aws_are_kept_for_five_minutes(aws) -> None:
    from newswire.errors import FetchError
    from newswire.storage.aws import make_client

    ssm, manager = make_client("ssm"), make_client("secretsmanager")
    ssm.put_parameter(Name="/news/key", Value="first", Type="SecureString")
    manager.create_secret(Name="news/token", SecretString="token")
    now = [0.0]
    reader = SecretReader({}, clock=lambda: now[0])
    headers = {"A": "ssm:/news/key", "B": "Bearer secretsmanager:news/token", "C": "plain"}
    assert reader.resolve(headers) == {"A": "first", "B": "Bearer token", "C": "plain"}
    ssm.put_parameter(Name="/news/key", Value="second", Type="SecureString", Overwrite=True)
    assert reader.resolve(headers)["A"] == "first"
    now[0] = KEPT_SECONDS + 1
    assert reader.resolve(headers)["A"] == "second"
    with pytest.raises(FetchError, match="ssm:/missing is unusable"):
        reader.resolve({"A": "ssm:/missing"})


def test_feed_with_a_missing_secret_fails_and_others_go_on(app: App, server) -> None:
    server.answers["/good"] = Answer(body=rss(story(1)))
    app.feeds.put(Feed(id="good", url=server.url("/good")), app.clock())
    app.feeds.put(
        Feed(id="keyed", url=server.url("/good"), headers={"X-Key": "env:NEWS_KEY_THAT_IS_NOT_SET"}), app.clock()
    )
    run_batches(app, [Batch(("keyed", "good"), now=True)])
    states = {status.id: status.error_code for status in app.engine.statuses()}
    assert states == {"good": None, "keyed": "secret"}


def test_impossible_secret_name_is_refused_in_feeds_toml(tmp_path) -> None:
    for value in ("env:", "env:A B", "ssm:/a b", "secretsmanager:a b"):
        (tmp_path / "feeds.toml").write_text(f'[feed.a]\nurl = "http://a.example/"\nheaders = {{ K = "{value}" }}\n')
        _status, output = run(tmp_path / "data", "feeds", "import", str(tmp_path / "feeds.toml"))
        if value == "env:":
            assert "1 feed added" in output, "a value that only begins like a reference"
        else:
            assert "the header K must name a secret as" in output


def test_terminal_gets_no_control_characters_of_a_publisher(tmp_path, server) -> None:
    evil = "\x1b[31mEVIL\x07\x9b1m\u202e"
    server.answers["/bad"] = Answer(body=b"no feed", headers={"Content-Type": f"text/{evil[:9]}"})
    server.answers["/good"] = Answer(body=rss(story(1, f"Title {evil}")))
    data = tmp_path / "data"
    allow = {"NEWSWIRE_FETCH_ALLOW_PRIVATE": "true", "NEWSWIRE_FETCH_PORTS": ""}
    output = ""
    for arguments in (
        ("feeds", "add", server.url("/good")),
        ("feeds", "add", server.url("/bad"), "--id", "bad"),
        ("poll", "--now"),
        ("feeds",),
        ("feeds", "--json"),
        ("search", "title"),
        ("search", "title", "--json"),
        ("status",),
    ):
        process = command(data, *arguments, **allow)
        output += "".join(process.communicate())
    for character in "\x1b\x07\x9b\u202e":
        assert character not in output
