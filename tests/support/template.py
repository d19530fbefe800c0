"""Transform template.yaml with SAM's own translator."""

import itertools
from functools import cache

from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator
from samtranslator.yaml_helper import yaml_parse

from tests.conftest import ROOT

CHOICES = {
    "Search": ["domain", "serverless", "existing"],
    "Authorization": ["iam", "key", "private"],
    "ManageApiGatewayLogging": ["true", "false"],
}
COMBINATIONS = [dict(zip(CHOICES, values, strict=True)) for values in itertools.product(*CHOICES.values())]


@cache
def transformed(combination: tuple[tuple[str, str], ...] = ()) -> dict:
    """Return the template that SAM generates for these parameters, with a placeholder for the packaged code."""
    template = yaml_parse((ROOT / "template.yaml").read_text())
    for resource in template["Resources"].values():
        for name in ("CodeUri", "ContentUri"):
            if name in resource.get("Properties", {}):
                resource["Properties"][name] = {"Bucket": "code", "Key": "code.zip"}
    values = {name: entry.get("Default", "") for name, entry in template["Parameters"].items()} | dict(combination)
    values |= {"AWS::Region": "eu-central-1", "AWS::Partition": "aws", "AWS::StackName": "newswire"}
    translator = Translator({}, Parser())
    return translator.translate(template, values)


def resources(kind: str) -> dict[str, dict]:
    return {
        name: resource.get("Properties", {})
        for name, resource in transformed()["Resources"].items()
        if resource["Type"] == kind
    }
