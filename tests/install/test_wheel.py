"""The wheel, installed into an empty environment, answers searches: with each set of extras, and with the oldest versions."""

import json
import os
import re
import subprocess
import sys
import tomllib
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.support.opensearch_node.indexes import delete_indexes

pytestmark = pytest.mark.long
SAMPLE = str(ROOT / "sample" / "nato-sample.xml")
EXTRAS = {"": set(), "[opensearch]": {"opensearchpy"}, "[aws]": {"botocore"}}
Run = Callable[..., str]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)], cwd=ROOT, check=True)
    return next(folder.glob("*.whl"))


def locked_versions() -> list[str]:
    """Return the versions of the lock, without hashes, since the wheel has none."""
    return re.findall(r"^([\w.-]+==[^ \\]+)", (ROOT / "requirements-dev.lock").read_text(), re.MULTILINE)


def oldest_versions() -> list[str]:
    """Return each direct dependency at the lower bound of pyproject.toml."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    expected = [
        *project["dependencies"],
        *(value for extra in project["optional-dependencies"].values() for value in extra),
    ]
    return [re.sub(r">=([\w.]+).*", r"==\1", value) for value in expected]


def install(folder: Path, what: str, versions: list[str]) -> Run:
    """Install into a new environment; return a function that runs its `newswire` with settings."""
    (folder / "constraints.txt").write_text("\n".join(versions))
    subprocess.run([sys.executable, "-m", "venv", str(folder / "venv")], check=True)
    pip = [str(folder / "venv" / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "--constraint", str(folder / "constraints.txt"), what], check=True)
    plain = {"PATH": os.environ["PATH"], "HOME": str(folder)}
    plain |= {name: value for name, value in os.environ.items() if name.startswith("AWS_")}

    def newswire(*arguments: str, **settings: str) -> str:
        command = [str(folder / "venv" / "bin" / "newswire"), *arguments]
        environment = {**plain, "NEWSWIRE_DATA": str(folder / "data"), **settings}
        completed = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
        assert completed.returncode == 0, completed.stderr
        return completed.stdout

    return newswire


def check_search(newswire: Run, **settings: str) -> None:
    newswire("ingest", SAMPLE, "--feed", "sample-news", **settings)
    assert json.loads(newswire("search", "cables", "--json", **settings))["total"]["value"] == 2


@pytest.mark.parametrize("extras", EXTRAS)
def test_wheel_answers_a_search_with_its_extras_only(wheel, tmp_path, extras: str) -> None:
    newswire = install(tmp_path, f"{wheel}{extras}", locked_versions())
    check_search(newswire)
    assert newswire("--version").strip() == "newswire 0.2.0"
    code = "import importlib.util as u; print([n for n in ('boto3', 'botocore', 'opensearchpy') if u.find_spec(n)])"
    python = str(tmp_path / "venv" / "bin" / "python")
    installed = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout
    assert set(re.findall(r"\w+", installed)) == EXTRAS[extras]
    assert list((tmp_path / "venv" / "lib").rglob("newswire/py.typed"))


@pytest.mark.opensearch
def test_oldest_allowed_versions_answer_everywhere(wheel, tmp_path, aws, opensearch_nodes) -> None:
    newswire = install(tmp_path, f"{wheel}[aws,opensearch]", oldest_versions())
    check_search(newswire)
    check_search(
        newswire, NEWSWIRE_TABLE=aws.table(), NEWSWIRE_BUCKET=aws.bucket(), NEWSWIRE_DATA=str(tmp_path / "aws")
    )
    prefix, url = f"o{uuid.uuid4().hex[:10]}", opensearch_nodes.url("3.8")
    cluster = {"NEWSWIRE_ENGINE": "opensearch", "NEWSWIRE_OPENSEARCH_URL": url, "NEWSWIRE_OPENSEARCH_PREFIX": prefix}
    check_search(newswire, **cluster, NEWSWIRE_DATA=str(tmp_path / "cluster"))
    delete_indexes(url, prefix)
