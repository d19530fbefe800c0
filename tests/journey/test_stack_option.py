"""`newswire --stack NAME`: the settings of a deployed stack come from its outputs."""

import json
import re

import boto3
import pytest

from newswire.cli.main import main
from newswire.model import Feed
from newswire.storage.feeds.dynamodb import DynamoFeedStore
from newswire.storage.stack import _VARIABLES, stack_environ
from tests.conftest import NOON
from tests.support.aws import AwsInside
from tests.support.template import transformed


@pytest.fixture
def inside(monkeypatch):
    for variable in (*_VARIABLES.values(), "NEWSWIRE_ENGINE", "NEWSWIRE_FEEDS"):
        monkeypatch.setenv(variable, "")  # so that what a command sets is taken back
        monkeypatch.delenv(variable)
    built = AwsInside()
    yield built
    built.close()


def deploy(name: str, outputs: dict[str, str]) -> None:
    """Make a stack that has these outputs."""
    values = {output: {"Value": value} for output, value in outputs.items()}
    template = {"Resources": {"Topic": {"Type": "AWS::SNS::Topic"}}, "Outputs": values}
    boto3.client("cloudformation").create_stack(StackName=name, TemplateBody=json.dumps(template))


def outputs_of(inside: AwsInside) -> dict[str, str]:
    return {
        "Table": inside.table(),
        "Bucket": inside.bucket(),
        "Queue": inside.queue(),
        "SearchUrl": "http://127.0.0.1:9",
        "SearchSigningService": "es",
        "SearchPrefix": "prod",
        "SearchReplicas": "1",
    }


def test_template_has_every_output_that_the_option_reads() -> None:
    outputs = transformed()["Outputs"]
    assert _VARIABLES.keys() <= outputs.keys()
    for output, variable in _VARIABLES.items():
        assert variable in outputs[output]["Description"]


def test_command_works_on_a_stack_by_its_name(inside, monkeypatch, capsys, tmp_path) -> None:
    outputs = outputs_of(inside)
    deploy("news-prod", outputs)
    DynamoFeedStore(outputs["Table"]).put(Feed(id="world", url="https://world.example/feed"), NOON)
    (tmp_path / "feeds.toml").write_text('[feed.mine]\nurl = "https://mine.example/"\n')
    monkeypatch.chdir(tmp_path)
    assert main(["--stack", "news-prod", "feeds"]) == 0
    out = capsys.readouterr().out
    assert re.search(r"^world: never", out, re.MULTILINE)
    assert "mine" not in out, "no feeds file of this machine is merged into the list of a stack"
    assert stack_environ("news-prod")["NEWSWIRE_OPENSEARCH_PREFIX"] == "prod"


@pytest.mark.parametrize(("name", "says"), [("nothing", "There is no stack 'nothing'"), ("other", "lacks the output")])
def test_stack_that_is_none_of_newswire_is_refused(inside, capsys, name: str, says: str) -> None:
    deploy("other", {"Table": "x"})
    assert main(["--stack", name, "status"]) == 2
    assert says in capsys.readouterr().err
