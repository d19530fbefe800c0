"""Offline checks of template.yaml and its transformed form with SAM, cfn-lint and checkov."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.bundle.build import tool
from tests.conftest import ROOT
from tests.support.template import COMBINATIONS, transformed

pytestmark = pytest.mark.validate

EXCEPTIONS = {
    "CKV_AWS_18": "Logs of who reads the bucket need a second bucket; CloudTrail has them for who wants them.",
    "CKV_AWS_26": "CloudWatch can't publish to a topic that is encrypted with the key of AWS; alarms hold no secrets.",
    "CKV_AWS_27": "The queues are encrypted by SQS (SqsManagedSseEnabled), which this check does not know.",
    "CKV_AWS_84": "Slow logs of the domain are an operator's choice: the search function logs how long each search took.",
    "CKV_AWS_116": "A tick that failed is followed by the next; messages have a dead-letter queue; a search has a caller.",
    "CKV_AWS_117": "Feeds are on the internet: in a VPC a NAT gateway would be needed, which costs more than the rest.",
    "CKV_AWS_119": "The table is encrypted with the key that AWS keeps for it; a key of one's own costs for each call.",
    "CKV_AWS_120": "Answers change with each poll, and callers have entity tags; a cache is paid for by the hour.",
    "CKV_AWS_158": "CloudWatch encrypts logs by itself, and ours hold no secrets.",
    "CKV_AWS_173": "The environment of the functions holds names and addresses, and no secrets.",
    "CKV_AWS_317": "Audit logs need fine-grained access control, which the resource policy of two roles stands for.",
}
"""Accepted checkov findings and the reason for each."""


OFFLINE = {"HTTP_PROXY": "http://127.0.0.1:9", "HTTPS_PROXY": "http://127.0.0.1:9", "SAM_CLI_TELEMETRY": "0"}


def lint(file: Path) -> str:
    command = [str(Path(sys.executable).with_name("cfn-lint")), "--regions", "eu-central-1", "--template", str(file)]
    completed = subprocess.run(command, capture_output=True, text=True, check=False)
    return "" if completed.returncode == 0 else completed.stdout + completed.stderr


def written(combination: dict[str, str], folder: Path) -> Path:
    file = folder / f"{'-'.join(combination.values())}.json"
    file.write_text(json.dumps(transformed(tuple(combination.items()))))
    return file


def test_sam_finds_the_template_valid() -> None:
    command = [tool("sam"), "validate", "--lint", "--region", "eu-central-1", "--template", str(ROOT / "template.yaml")]
    completed = subprocess.run(command, env=os.environ | OFFLINE, capture_output=True, text=True, check=False)
    assert completed.returncode == 0, completed.stdout + completed.stderr


def test_cfn_lint_accepts_the_source_template() -> None:
    assert lint(ROOT / "template.yaml") == ""


@pytest.mark.parametrize("combination", COMBINATIONS, ids=lambda choice: "-".join(choice.values()))
def test_cfn_lint_accepts_the_transformed_template(tmp_path, combination: dict[str, str]) -> None:
    assert lint(written(combination, tmp_path)) == ""


def test_checkov_finds_only_the_accepted_exceptions(tmp_path) -> None:
    for combination in COMBINATIONS:
        written(combination, tmp_path)
    command = [tool("checkov"), "--directory", str(tmp_path), "--framework", "cloudformation", "--skip-download"]
    command += ["--quiet", "--output", "json"]
    completed = subprocess.run(command, env=os.environ | OFFLINE, capture_output=True, text=True, check=False)
    report = json.loads(completed.stdout)
    assert report["summary"]["parsing_errors"] == 0
    assert report["summary"]["resource_count"] > 300
    failed = {f"{check['check_id']} {check['check_name']}" for check in report["results"]["failed_checks"]}
    assert sorted(check for check in failed if check.split()[0] not in EXCEPTIONS) == []
    assert {check.split()[0] for check in failed} == EXCEPTIONS.keys(), "an exception that is not needed any more"


ROUTES = """
import json, sys
from samcli.lib.providers.api_provider import ApiProvider
from samcli.lib.providers.sam_stack_provider import SamLocalStackProvider
stacks, _ = SamLocalStackProvider.get_stacks(sys.argv[1], parameter_overrides=json.loads(sys.argv[2]))
print(json.dumps(sorted(route.path for route in ApiProvider(stacks).api.routes)))
"""


@pytest.mark.parametrize("authorization", ["iam", "key", "private"])
def test_sam_local_start_api_finds_the_routes(authorization: str) -> None:
    """SAM's own provider reads the template, as `sam local start-api` does before it needs Docker."""
    python = str(Path(tool("sam")).with_name("python"))
    parameters = json.dumps({"Authorization": authorization, "VpcEndpointId": "vpce-0a1b2c3d"})
    command = [python, "-c", ROUTES, str(ROOT / "template.yaml"), parameters]
    completed = subprocess.run(command, env=os.environ | OFFLINE, capture_output=True, text=True, check=False)
    assert completed.returncode == 0, completed.stderr[-2000:]
    assert set(json.loads(completed.stdout.splitlines()[-1])) == {"/", "/{proxy+}"}
