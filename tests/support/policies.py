"""Evaluate the IAM roles of template.yaml: resolve their statements and look up calls in them.

This follows "Policy evaluation logic" in the IAM User Guide, as far as our template needs it. That is only Allow, no
conditions, and `*` and `?` in actions and resources.
"""

import re
from fnmatch import translate
from typing import NamedTuple

REGION, ACCOUNT = "eu-central-1", "123456789012"
TABLE = f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/FeedTable"
BUCKET = "arn:aws:s3:::archive-bucket"
QUEUE = f"arn:aws:sqs:{REGION}:{ACCOUNT}:WorkQueue"
DOMAIN = f"arn:aws:es:{REGION}:{ACCOUNT}:domain/newswire"
LOGS = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group"
NAMES = {
    "FeedTable.Arn": TABLE,
    "ArchiveBucket.Arn": BUCKET,
    "WorkQueue.Arn": QUEUE,
    "IngestLog.Arn": f"{LOGS}:ingest:*",
    "SearchLog.Arn": f"{LOGS}:search:*",
    "AWS::Partition": "aws",
    "AWS::Region": REGION,
    "AWS::AccountId": ACCOUNT,
    "DomainName": "newswire",
    "IndexPrefix": "newswire",
    "AWS::StackName": "newswire",
    "OperatorArn": "operator",
    "IngestFunctionRole.Arn": "IngestFunctionRole",
    "SearchFunctionRole.Arn": "SearchFunctionRole",
}
"""Values that CloudFormation would insert for the names of a stack."""

CONDITIONS = {
    "SignsForDomain": True,
    "MakesDomain": True,
    "MakesCollection": False,
    "HasSecrets": False,
    "HasPrefix": False,
}
"""Conditions of a stack that creates its own domain."""


class Call(NamedTuple):
    """An action on a resource."""

    action: str
    resource: str


class Grant(NamedTuple):
    """One action that a role allows on one pattern of resources."""

    action: str
    resource: str

    def allows(self, call: Call) -> bool:
        return _matches(self.action, call.action) and _matches(self.resource, call.resource)


def _matches(pattern: str, text: str) -> bool:
    return re.fullmatch(translate(pattern.replace("[", "[[]")), text) is not None


def resolved(value, names: dict[str, str], conditions: dict[str, bool]):
    """Replace CloudFormation references and conditions by their values; return None for omitted parts."""
    if isinstance(value, list):
        return [
            element for element in (resolved(element, names, conditions) for element in value) if element is not None
        ]
    if not isinstance(value, dict):
        return value
    match list(value.items()):
        case [("Ref", "AWS::NoValue")]:
            return None
        case [("Ref", name)]:
            return names[name]
        case [("Fn::GetAtt", [name, attribute])]:
            return names[f"{name}.{attribute}"]
        case [("Fn::If", [condition, yes, no])]:
            return resolved(yes if conditions[condition] else no, names, conditions)
        case [("Fn::Sub", text)]:
            text, own = text if isinstance(text, list) else (text, {})
            known_names = names | {name: resolved(value, names, conditions) for name, value in own.items()}
            return re.sub(r"\$\{([^}]+)\}", lambda found: known_names[found[1]], text)
    return {name: resolved(element, names, conditions) for name, element in value.items()}


def grants(role: dict, names: dict[str, str], conditions: dict[str, bool]) -> list[Grant]:
    """Return what a role allows, one grant for each action and resource."""
    documents = [policy["PolicyDocument"] for policy in role["Policies"]]
    statements = [value for document in documents for value in resolved(document["Statement"], names, conditions)]
    return [grant for statement in statements for grant in grants_of(statement)]


def grants_of(statement: dict) -> list[Grant]:
    """Return what a resolved statement allows."""
    assert statement["Effect"] == "Allow"
    actions, patterns = (
        [value] if isinstance(value, str) else value for value in (statement["Action"], statement["Resource"])
    )
    return [Grant(action, resource) for action in actions for resource in patterns]
