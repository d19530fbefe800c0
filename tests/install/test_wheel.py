"""The wheel, installed into an empty environment with each set of extras, answers a search."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

pytestmark = pytest.mark.long
SAMPLE = str(ROOT / "sample" / "nato-sample.xml")
EXTRAS = {"": set(), "[opensearch]": {"opensearchpy"}, "[aws]": {"botocore"}}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)], cwd=ROOT, check=True)
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def constraints(tmp_path_factory) -> Path:
    """The versions of the lock, without hashes, since the wheel has none."""
    file = tmp_path_factory.mktemp("constraints") / "constraints.txt"
    pins = re.findall(r"^([\w.-]+==[^ \\]+)", (ROOT / "requirements-dev.lock").read_text(), re.MULTILINE)
    file.write_text("\n".join(pins))
    return file


@pytest.mark.parametrize("extras", EXTRAS)
def test_wheel_answers_a_search_with_its_extras_only(wheel, constraints, tmp_path, extras: str) -> None:
    subprocess.run([sys.executable, "-m", "venv", str(tmp_path / "venv")], check=True)
    python = str(tmp_path / "venv" / "bin" / "python")
    install = [
        python,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--constraint",
        str(constraints),
    ]
    subprocess.run([*install, f"{wheel}{extras}"], check=True)
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "NEWSWIRE_DATA": str(tmp_path / "data")}

    def newswire(*arguments: str) -> str:
        command = [str(tmp_path / "venv" / "bin" / "newswire"), *arguments]
        return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True).stdout

    newswire("ingest", SAMPLE, "--feed", "sample-news")
    answer = json.loads(newswire("search", "cables", "--json"))
    assert answer["total"]["value"] == 2
    assert newswire("--version").strip() == "newswire 0.2.0"
    code = "import importlib.util as u; print([n for n in ('boto3', 'botocore', 'opensearchpy') if u.find_spec(n)])"
    installed = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout
    assert set(re.findall(r"\w+", installed)) == EXTRAS[extras]
    assert list((tmp_path / "venv" / "lib").rglob("newswire/py.typed"))
