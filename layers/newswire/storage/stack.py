"""The settings of a deployed stack, from its outputs: so that every command works against it by its name."""

from __future__ import annotations

from typing import Any

from botocore.exceptions import ClientError

from newswire.errors import UsageError
from newswire.storage.aws import code_of, make_client, translate_aws_errors

_VARIABLES = {
    "Table": "NEWSWIRE_TABLE",
    "Bucket": "NEWSWIRE_BUCKET",
    "Queue": "NEWSWIRE_QUEUE_URL",
    "SearchUrl": "NEWSWIRE_OPENSEARCH_URL",
    "SearchSigningService": "NEWSWIRE_OPENSEARCH_SIGNING",
    "SearchPrefix": "NEWSWIRE_OPENSEARCH_PREFIX",
    "SearchReplicas": "NEWSWIRE_OPENSEARCH_REPLICAS",
}
"""The variable of each output of template.yaml."""
_FIXED = {"NEWSWIRE_ENGINE": "opensearch", "NEWSWIRE_FEEDS": ""}
"""A command must not merge a feeds file of this machine into the list of the stack."""


def stack_environ(name: str) -> dict[str, str]:
    """Return the variables of the settings of a stack.

    Raises `UsageError` if there is no such stack in the region, or if it is not one of newswire. Raises `DataError` if AWS
    does not answer.
    """
    with translate_aws_errors(f"The stack {name}"):
        try:
            answer: dict[str, Any] = make_client("cloudformation").describe_stacks(StackName=name)
        except ClientError as error:
            if code_of(error) != "ValidationError":
                raise
            msg = f"There is no stack {name[:100]!r} in this account and region. Set AWS_PROFILE and AWS_REGION."
            raise UsageError(msg) from error
    outputs = {output["OutputKey"]: output["OutputValue"] for output in answer["Stacks"][0].get("Outputs", [])}
    if missing := [output for output in _VARIABLES if output not in outputs]:
        msg = f"The stack {name} lacks the output {missing[0]}: it is not one of newswire, or an older one. Deploy it again."
        raise UsageError(msg)
    return {variable: outputs[output] for output, variable in _VARIABLES.items()} | _FIXED
