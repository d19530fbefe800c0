"""Imports are a cost: what answers searches loads nothing of what writes them, and the other way round."""

import argparse
import subprocess
import sys

import pytest


def loaded_by(code: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys; print('\\n'.join(sys.modules))"],
        capture_output=True,
        text=True,
        check=True,
    )
    return set(done.stdout.split())


@pytest.mark.parametrize("module", ["newswire.web.api", "newswire.search.answer", "newswire.app"])
def test_the_api_loads_no_parser_no_command_line_no_aws_and_no_engine(module: str) -> None:
    loaded = loaded_by(f"import {module}")
    assert not loaded & {
        "feedparser",
        "boto3",
        "botocore.session",  # Powertools loads the outermost package of botocore, to add its name to the user agent
        "tantivy",
        "opensearchpy",
        "argparse",
        "tqdm",
        "urllib3",
        "jinja2",
        "nh3",
        "uvicorn",
    }


def test_whoever_asks_for_json_or_feeds_never_loads_the_template_engine(tmp_path) -> None:
    asked = (
        "/v1/search",
        "/v1/search?format=atom",
        "/v1/feeds",
        "/v1/items/x",
        "/v1/status",
        "/openapi.json",
        "/v1/nowhere",
    )
    loaded = loaded_by(
        f"""
from newswire.settings import Settings
from newswire.app import App
from tests.support.transports import AsEvents
api = AsEvents(App(Settings(data={str(tmp_path / "data")!r})))
assert {{api.ask(target).status for target in {asked!r}}} == {{200, 404}}
"""
    )
    assert not loaded & {"jinja2", "markupsafe", "newswire.web.pages.routes"}


def test_opening_the_engine_loads_the_chosen_one_only() -> None:
    code = "from newswire.settings import Settings\nfrom newswire.app import App\nApp(Settings())"
    loaded = loaded_by(code)
    assert "tantivy" in loaded
    assert not loaded & {"feedparser", "opensearchpy", "boto3", "urllib3", "argparse"}


def test_the_write_side_loads_no_http_routing() -> None:
    loaded = loaded_by("import newswire.ingest.poll, newswire.ingest.backfill, newswire.ingest.reindex")
    assert not loaded & {"aws_lambda_powertools", "uvicorn", "newswire.web.api", "newswire.search.answer", "feedparser"}


def test_the_pure_modules_load_no_client_library() -> None:
    for module in (
        "ingest.fold",
        "ingest.item",
        "ingest.schedule",
        "ingest.parse",
        "engines.query",
        "search.dates",
        "search.ages",
        "analysis",
    ):
        loaded = loaded_by(f"import newswire.{module}")
        assert not loaded & {"sqlite3", "urllib3", "tantivy", "boto3", "feedparser", "socket"}, module


def test_asking_for_help_loads_no_command_and_opens_nothing() -> None:
    loaded = loaded_by("from newswire.cli.main import main\ntry: main(['--help'])\nexcept SystemExit: pass")
    assert not {f"newswire.cli.{name}" for name in ("serve", "poll", "search", "feeds", "dlq", "reindex")} & loaded
    assert not loaded & {"urllib3", "tantivy", "feedparser", "uvicorn", "tqdm", "sqlite3"}


@pytest.mark.parametrize("group", ["search", "reindex"])
def test_commands_that_fetch_nothing_load_no_http_and_no_parser(group: str) -> None:
    loaded = loaded_by(f"import newswire.cli.main, newswire.cli.{group}")
    assert not loaded & {
        "urllib3",
        "feedparser",
        "uvicorn",
        "aws_lambda_powertools",
        "tqdm",
        "newswire.cli.poll",
    }


def test_every_command_of_the_parser_is_in_its_module() -> None:
    from newswire.cli.main import _command, _parser

    def named(parser: argparse.ArgumentParser) -> set[str]:
        found = {parser.get_default("run")} - {None}
        for action in parser._actions:
            if isinstance(action, argparse._SubParsersAction):
                found |= {name for one in action.choices.values() for name in named(one)}
        return found

    names = named(_parser())
    assert len(names) == 16
    for name in names:
        assert callable(_command(name)), name
