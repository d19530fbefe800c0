"""`make smoke`: a deployed API that answers as it must passes, and any other does not. The pipeline calls it."""

import tomllib

import msgspec
import yaml

from newswire.app import App
from newswire.model import ItemWrite
from tests.conftest import ROOT
from tests.factories import feed_status, item
from tests.support.gateway import Gateway
from tests.support.serverless import REGION
from tests.support.smoke import CHECKS, problems
from tests.support.template import transformed


def test_api_that_answers_as_it_must_has_no_problem(app: App) -> None:
    app.engine.index([ItemWrite(item(1), 1)], 1)
    gateway = Gateway(app)
    try:
        assert problems(gateway.url, REGION) == []
        assert len(gateway.asked) == len(CHECKS)
        app.engine.publish([msgspec.structs.replace(feed_status("a", 1), indexed=5)])
        assert problems(gateway.url, REGION) == [
            "/v1/status: 4 items are missing from the index",
            "/v1/search?size=1: the total is not exact",
        ]
        assert problems(gateway.url, "us-east-1") == [f"{path}: HTTP 403" for path in CHECKS]
    finally:
        gateway.close()


def test_environments_of_the_pipeline_are_apart_and_known_to_sam() -> None:
    config = tomllib.loads((ROOT / "samconfig.toml").read_text())
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "deploy.yml").read_text())
    environments = workflow["jobs"]["deploy"]["strategy"]["matrix"]["environment"]
    assert environments == ["dev", "prod"]
    overrides = [config[name]["deploy"]["parameters"]["parameter_overrides"].split() for name in environments]
    assert len({config[name]["global"]["parameters"]["stack_name"] for name in environments}) == 2
    assert len({parameters[0] for parameters in overrides}) == 2, "two stacks of an account have two domains"
    parameters = transformed()["Parameters"]
    for name, _, value in (override.partition("=") for of_one in overrides for override in of_one):
        assert value in map(str, parameters[name].get("AllowedValues", [value]))
    assert "make smoke" in str(workflow)
