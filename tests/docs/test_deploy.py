"""docs/deploy.md: parameters, alarms, events, commands and the Python snippet."""

import re
import subprocess
import sys

import pytest

from tests.conftest import ROOT
from tests.support.gateway import Gateway
from tests.support.serverless import REGION
from tests.support.template import resources, transformed

PAGE = (ROOT / "docs" / "deploy.md").read_text()


@pytest.mark.parametrize("name", sorted(transformed()["Parameters"]))
def test_every_template_parameter_is_documented(name: str) -> None:
    assert f"`{name}`" in PAGE


@pytest.mark.parametrize("name", sorted(resources("AWS::CloudWatch::Alarm")))
def test_every_alarm_has_a_documented_action(name: str) -> None:
    assert f"| `{name}` |" in PAGE


@pytest.mark.parametrize("path", sorted((ROOT / "events").glob("*.json")), ids=lambda path: path.stem)
def test_every_event_file_is_documented(path) -> None:
    assert f"`{path.stem}`" in PAGE


def test_the_python_snippet_searches_a_deployed_api(app, tmp_path) -> None:
    gateway = Gateway(app)
    (snippet,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    code = re.sub(r"^API, REGION = .*$", f'API, REGION = "{gateway.url}", "{REGION}"', snippet, flags=re.MULTILINE)
    program = tmp_path / "caller.py"
    program.write_text(code.replace('q="baltic"', 'q="ärger +x & y/z"'))
    completed = subprocess.run([sys.executable, str(program)], capture_output=True, text=True, check=False)
    gateway.close()
    assert (completed.returncode, completed.stdout.strip()) == (0, "{'value': 0, 'exact': True}"), completed.stderr
    assert "q=%C3%A4rger" in gateway.asked[0].target


def test_documented_commands_and_make_targets_exist() -> None:
    help_ = subprocess.run(
        [sys.executable, "-m", "newswire", "--help"], capture_output=True, text=True, check=True
    ).stdout
    for name in set(re.findall(r"`newswire ([a-z]+)", PAGE)):
        assert f"\n    {name}" in help_, name
    built = (ROOT / "Makefile").read_text()
    for target in set(re.findall(r"(?:^|`)make ([a-z-]+)", PAGE, re.MULTILINE)):
        assert f"\n{target}:" in built, target
