"""A deployment without an AWS account: the built functions over local stand-ins."""

import uuid
from pathlib import Path

import yaml

from newswire.model import Feed
from newswire.storage.feeds.dynamodb import DynamoFeedStore
from tests.bundle.build import BuiltFunction
from tests.support.aws import Aws
from tests.support.deployment import event
from tests.support.processes import LOOPBACK
from tests.support.serverless import KEY, SECRET, TOKEN, Collection

RECORDER = Path(__file__).with_name("recorder")


class _Loader(yaml.SafeLoader):
    """Load CloudFormation's short forms as mappings."""


_Loader.add_multi_constructor("!", lambda _loader, tag, node: {tag: getattr(node, "value", None)})


def variables(built: Path, name: str) -> dict[str, str]:
    """Return a function's environment from the built template, without values computed at deployment."""
    template = yaml.load((built / "template.yaml").read_text(), _Loader)  # noqa: S506 - a safe loader, with more tags
    own = template["Resources"][name]["Properties"]["Environment"]["Variables"]
    everywhere = template["Globals"]["Function"]["Environment"]["Variables"]
    return {name: value for name, value in {**everywhere, **own}.items() if isinstance(value, str)}


class Stack:
    """The resources of a deployment, for one test."""

    def __init__(self, built: Path, aws: Aws, node: str, prefix: str = "") -> None:
        self.aws = aws
        self.built = built
        self.domain = Collection(node, "es")
        self.table, self.bucket, self.queue = aws.table(), aws.bucket(), aws.queue()
        self.prefix = prefix or f"newswire-{uuid.uuid4().hex[:8]}"
        self.recorded = {
            name: built.with_name(f"{name}-{uuid.uuid4().hex[:6]}.calls")
            for name in ("IngestFunction", "SearchFunction")
        }
        """Files with one line for each AWS call of a function."""
        self._functions: list[BuiltFunction] = []

    def function(self, name: str, customize: Path = RECORDER, **more: str) -> BuiltFunction:
        """Start a function; the folder `customize` has the `sitecustomize` that its processes import."""
        environ = variables(self.built, name) | {
            "AWS_ACCESS_KEY_ID": KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_SESSION_TOKEN": TOKEN,
            "AWS_ENDPOINT_URL": self.aws.url,
            "NEWSWIRE_OPENSEARCH_URL": self.domain.url,
            "NEWSWIRE_OPENSEARCH_SIGNING": "es",
            "NEWSWIRE_OPENSEARCH_PREFIX": self.prefix,
            "NEWSWIRE_OPENSEARCH_REPLICAS": "0",
            "RECORDED_CALLS": str(self.recorded[name]),
        }
        if name == "IngestFunction":
            environ |= {
                "NEWSWIRE_TABLE": self.table,
                "NEWSWIRE_BUCKET": self.bucket,
                "NEWSWIRE_QUEUE_URL": self.queue,
                "NEWSWIRE_USER_AGENT": "newswire tests",
                **LOOPBACK,
            }
        self._functions.append(BuiltFunction(self.built, name, environ | more, customize))
        return self._functions[-1]

    @property
    def feeds(self) -> DynamoFeedStore:
        return DynamoFeedStore(self.table)

    def add(self, id_: str, url: str) -> None:
        self.feeds.put(Feed(id=id_, url=url), 1)

    def close(self) -> None:
        for function in self._functions:
            function.close()
        self.domain.close()


def asked(path: str, **sent: str) -> dict:
    """Return the event of a request."""
    given = event("search")
    return given | {
        "path": path,
        "requestContext": given["requestContext"] | {"path": f"/live{path}"},
        "queryStringParameters": sent or None,
        "multiValueQueryStringParameters": {name: [value] for name, value in sent.items()} or None,
    }
