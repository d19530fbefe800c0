"""The documentation matches the code: settings, keys, codes, commands and links."""

import json
import re
import subprocess

import pytest

from newswire.app import App
from newswire.cli.ingest import take_in
from newswire.ingest.archiving import RecordSource
from newswire.ingest.feeds_file import FeedTable, read_toml
from newswire.settings import Settings
from tests.conftest import ROOT
from tests.support.parameter_table import rows
from tests.support.present import present
from tests.support.screenshots import FOLDER, THEMES
from tests.support.screenshots import PAGES as PAGES_SHOWN
from tests.support.transports import AsEvents, OverHttp

PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


@pytest.mark.parametrize("name", Settings.__struct_fields__)
def test_every_setting_is_documented_with_its_default(name: str) -> None:
    line = next(
        line
        for line in (ROOT / "docs" / "settings.md").read_text().splitlines()
        if f"`NEWSWIRE_{name.upper()}`" in line
    )
    default = getattr(Settings(), name)
    shown = str(default).lower() if isinstance(default, bool) else str(default)
    assert not shown or shown in line.replace(",", "") or shown in line


def test_documented_settings_exist() -> None:
    known_names = {f"NEWSWIRE_{name.upper()}" for name in Settings.__struct_fields__}
    for page in PAGES:
        for name in re.findall(r"NEWSWIRE_[A-Z_]+", page.read_text()):
            assert name in known_names or name.startswith("NEWSWIRE_TEST"), (page.name, name)


@pytest.mark.parametrize("key", FeedTable.__struct_fields__)
def test_every_key_of_feeds_toml_is_documented(key: str) -> None:
    assert f"`{key}`" in (ROOT / "docs" / "feeds.md").read_text()


def test_every_failure_code_is_documented() -> None:
    text = (ROOT / "docs" / "feeds.md").read_text()
    codes = set()
    for file in (ROOT / "layers" / "newswire").rglob("*.py"):
        codes |= set(re.findall(r"(?:Refusal|FetchError)\(\s*\"([a-z_]+)\"", file.read_text()))
        codes |= set(re.findall(r"FetchFailed\(\s*request\.url,\s*\"([a-z_]+)\"", file.read_text()))
    assert len(codes) > 20
    assert not [code for code in sorted(codes) if f"`{code}`" not in text]


def test_links_between_pages_resolve() -> None:
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text()):
            if not target.startswith(("http:", "https:", "mailto:")):
                assert (page.parent / target).exists(), (page.name, target)


def test_documented_modules_and_test_folders_exist() -> None:
    modules = [str(file.relative_to(ROOT)) for folder in ("layers", "tests") for file in (ROOT / folder).rglob("*.py")]
    for page in PAGES:
        for name in re.findall(r"`([a-z_]+(?:/[a-z_]+)*\.py)`", page.read_text()):
            assert any(module.endswith(f"/{name}") or module == name for module in modules), (page.name, name)
        for folder in re.findall(r"`(tests/[a-z]+)`", page.read_text()):
            assert (ROOT / folder).is_dir(), (page.name, folder)


def test_architecture_names_every_package() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text()
    packages = [file.parent.name for file in (ROOT / "layers" / "newswire").glob("*/__init__.py")]
    assert len(packages) == 7
    assert not [name for name in packages if f"`{name}/`" not in text]


def test_every_module_has_a_docstring() -> None:
    for file in (ROOT / "layers" / "newswire").rglob("*.py"):
        assert file.read_text().startswith('"""'), file


def test_make_help_lists_every_target() -> None:
    out = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for target in (
        "setup",
        "run",
        "test",
        "test-long",
        "check",
        "bench",
        "screenshots",
        "opensearch",
        "opensearch-stop",
        "lock",
        "help",
    ):
        assert re.search(rf"^  make {target} +\S", out, re.MULTILINE), target


def test_every_page_has_screenshots_in_both_themes() -> None:
    pictures = {file.name for file in FOLDER.glob("*.png")}
    assert pictures == {f"{page}-{theme}.png" for page in PAGES_SHOWN for theme in THEMES}
    for name in pictures:
        assert (FOLDER / name).read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    shown = re.findall(r"!\[[^]]+\]\(docs/screenshots/([a-z-]+\.png)\)", (ROOT / "README.md").read_text())
    assert set(shown) <= pictures
    assert shown


def test_shipped_feeds_are_valid_and_start_with_nato() -> None:
    feeds = read_toml((ROOT / "functions" / "ingest" / "feeds.toml").read_bytes(), "feeds.toml")
    assert feeds[0].id == "nato-news"
    assert feeds[0].listing is not None
    assert len(feeds) >= 15
    assert len({feed.url for feed in feeds}) == len(feeds)


def test_the_lock_has_hashes_and_names_no_index() -> None:
    lock = (ROOT / "requirements.lock").read_text()
    assert "--hash=sha256:" in lock
    assert "index-url" not in lock
    assert "http" not in re.sub(r"httpx|httpcore|httptools", "", lock)


@pytest.fixture(scope="module")
def sampled(tmp_path_factory):
    """Yield an app that holds only the sample feed."""
    app = App(Settings(data=str(tmp_path_factory.mktemp("sampled"))))
    take_in(
        app,
        [str(ROOT / "sample" / "nato-sample.xml")],
        "sample-news",
        RecordSource("document", "https://news.example/feed.xml"),
    )
    yield app
    app.close()


def still(value, moving=frozenset({"age", "changed", "first_seen", "took_ms", "last_success", "next"})):
    """Return `value` without the keys that differ between runs."""
    if isinstance(value, dict):
        return {key: still(inner) for key, inner in value.items() if key not in moving}
    return [still(inner) for inner in value] if isinstance(value, list) else value


def curls(page: str) -> list[tuple[str, str]]:
    """Return the method and target of every curl on a page."""
    matches = re.findall(r"^curl (--head )?'http://127\.0\.0\.1:8000([^']*)'", (ROOT / page).read_text(), re.MULTILINE)
    return [("HEAD" if head else "GET", target) for head, target in matches]


def test_readme_response_matches_the_api(sampled) -> None:
    real = AsEvents(sampled).ask(curls("README.md")[0][1]).json()
    shown = json.loads(present(re.search(r"```json\n(\{.*?\n\})\n```", (ROOT / "README.md").read_text(), re.DOTALL))[1])
    assert still(shown) == still(real)
    assert (shown["next"] is None) == (real["next"] is None)


@pytest.mark.parametrize(("method", "target"), curls("docs/api.md"))
def test_every_curl_of_the_api_page_works(sampled, method: str, target: str) -> None:
    for api in (AsEvents(sampled), over_http := OverHttp(sampled)):
        response = api.ask(target, method)
        assert response.status == 200
        if method == "GET" and "json" in response.headers["content-type"]:
            answer = response.json()
            assert "category" in target or answer.get("total", 1) not in ({"value": 0, "exact": True}, 0), target
    over_http.close()


def test_api_page_python_snippet_prints_items(sampled, capsys) -> None:
    (snippet, *_) = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "api.md").read_text(), re.DOTALL)
    api = OverHttp(sampled)
    try:
        exec(snippet.replace("127.0.0.1:8000", f"127.0.0.1:{api.port}"), {})  # noqa: S102 - the page's own code
    finally:
        api.close()
    printed = capsys.readouterr().out.splitlines()
    assert len(printed) == 2
    assert printed[0].startswith("2025-10-31T12:00:00Z")


def test_parameter_table_comes_from_the_declarations() -> None:
    page = re.sub(r" <!-- \w+ -->", "", (ROOT / "docs" / "api.md").read_text())
    assert "\n".join(rows()) in page, "run `python -m tests.support.parameter_table`"
