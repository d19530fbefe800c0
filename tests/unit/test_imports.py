"""Import costs: each side and each command loads only the modules it needs."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import newswire

LIBRARY = Path(newswire.__file__).parent
TESTS = Path(__file__).parent.parent


def loaded_by(code: str) -> set[str]:
    completed = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys; print('\\n'.join(sys.modules))"],
        capture_output=True,
        text=True,
        check=True,
    )
    return set(completed.stdout.split())


@pytest.mark.parametrize("module", ["newswire.web.api", "newswire.search.answer", "newswire.app"])
def test_api_does_not_load_parser_cli_aws_or_engine(module: str) -> None:
    loaded = loaded_by(f"import {module}")
    assert not loaded & {
        "feedparser",
        "boto3",
        "botocore.session",  # Powertools imports only top-level botocore, for the user agent
        "tantivy",
        "opensearchpy",
        "argparse",
        "tqdm",
        "urllib3",
        "jinja2",
        "uvicorn",
    }


def test_json_and_feed_responses_do_not_load_templates(tmp_path) -> None:
    targets = (
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
assert {{api.ask(target).status for target in {targets!r}}} == {{200, 404}}
"""
    )
    assert not loaded & {"jinja2", "markupsafe", "newswire.web.pages.routes"}


def test_app_loads_only_the_configured_engine() -> None:
    code = "from newswire.settings import Settings\nfrom newswire.app import App\nApp(Settings())"
    loaded = loaded_by(code)
    assert "tantivy" in loaded
    assert not loaded & {"feedparser", "opensearchpy", "boto3", "urllib3", "argparse"}


def test_write_side_does_not_load_http_routing() -> None:
    loaded = loaded_by("import newswire.ingest.poll, newswire.ingest.backfill, newswire.ingest.reindex")
    assert not loaded & {"aws_lambda_powertools", "uvicorn", "newswire.web.api", "newswire.search.answer", "feedparser"}


def test_pure_modules_do_not_load_client_libraries() -> None:
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


def test_help_loads_no_command_module() -> None:
    loaded = loaded_by("from newswire.cli.main import main\ntry: main(['--help'])\nexcept SystemExit: pass")
    assert not {f"newswire.cli.{name}" for name in ("serve", "poll", "search", "feeds", "dlq", "reindex")} & loaded
    assert not loaded & {"urllib3", "tantivy", "feedparser", "uvicorn", "tqdm", "sqlite3"}


@pytest.mark.parametrize("group", ["search", "reindex", "status"])
def test_offline_commands_do_not_load_http_or_parser(group: str) -> None:
    loaded = loaded_by(f"import newswire.cli.main, newswire.cli.{group}")
    assert not loaded & {
        "urllib3",
        "feedparser",
        "uvicorn",
        "aws_lambda_powertools",
        "tqdm",
        "newswire.cli.poll",
    }


def test_every_command_runs_a_function_of_its_own() -> None:
    from newswire.cli.main import COMMANDS, Command

    def flat(commands: tuple[Command, ...]) -> list[Command]:
        return [each for command in commands for each in (command, *flat(command.commands))]

    functions = [command.run for command in flat(COMMANDS)]
    assert len(set(functions)) == len(functions)


def imported_modules(source: str) -> Iterator[str]:
    """Yield the full name of each module, and of each name, that a file imports."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module or ''}.{alias.name}" for alias in node.names)


def test_no_file_imports_a_test_file() -> None:
    wrong = {
        f"{file.relative_to(TESTS)} imports {name}"
        for file in TESTS.rglob("*.py")
        for name in imported_modules(file.read_text())
        if name.startswith("tests.") and any(part.startswith("test_") for part in name.split("."))
    }
    assert wrong == set(), "move what both files need into tests/factories.py or tests/support"


def library_imports() -> dict[str, set[str]]:
    """Return the modules of newswire that each one imports, also in functions, but not for type checks only."""
    modules = {
        ".".join(file.relative_to(LIBRARY.parent).with_suffix("").parts).removesuffix(".__init__"): file
        for file in LIBRARY.rglob("*.py")
    }
    imports: dict[str, set[str]] = {}
    for name, file in modules.items():
        tree = ast.parse(file.read_text())
        for node in ast.walk(tree):
            if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
                node.body = []
        named = {
            full
            for node in ast.walk(tree)
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("newswire")
            for full in (node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names))
        }
        imports[name] = (named & modules.keys()) - {name, "newswire"}
    return imports


def test_no_module_imports_itself_through_others() -> None:
    imports = library_imports()
    assert len(imports) > 100
    reached = {name: set(direct) for name, direct in imports.items()}
    grows = True
    while grows:
        grows = False
        for modules in reached.values():
            further = set().union(*(reached[module] for module in modules)) - modules
            modules.update(further)
            grows = grows or bool(further)
    assert [name for name, modules in reached.items() if name in modules] == []
