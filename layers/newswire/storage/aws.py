"""Clients of AWS: a service comes in, a client goes out, and what it raises in our words.

Credentials and the region are those that boto3 would find. A client retries what is worth it by itself, with jitter.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache, cached_property
from typing import Any, ClassVar

import botocore.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, NoRegionError

from newswire.errors import DataError
from newswire.settings import read_aws_region

_CONFIG = Config(
    connect_timeout=3,
    read_timeout=10,
    retries={"mode": "standard", "max_attempts": 6},
    max_pool_connections=32,
)
_ADVICE = {
    "AccessDenied": "the role may not do that: see the policies in template.yaml",
    "AccessDeniedException": "the role may not do that: see the policies in template.yaml",
    "ResourceNotFoundException": "it does not exist: deploy the stack, or mend the setting",
    "NoSuchBucket": "it does not exist: deploy the stack, or mend the setting",
    "AWS.SimpleQueueService.NonExistentQueue": "it does not exist: deploy the stack, or mend the setting",
    "ProvisionedThroughputExceededException": "more is asked of it than it gives just now: try again",
    "ThrottlingException": "more is asked of it than it gives just now: try again",
    "RequestLimitExceeded": "more is asked of it than it gives just now: try again",
    "SlowDown": "more is asked of it than it gives just now: try again",
}


_making = threading.Lock()
"""Several threads may use a client, but not a session."""


@cache
def _session() -> Any:
    """Make the session of botocore that a session of boto3 would: what boto3 has beside it takes 60 ms to import."""
    return botocore.session.Session()


def make_client(service: str) -> Any:
    """Make a client of `dynamodb`, `s3` or `sqs`, which several threads may use. Nothing is connected to yet.

    All are of one session: each session reads what it knows of AWS anew, which takes 60 ms of a cold start.
    """
    with _making:
        return _session().create_client(service, region_name=read_aws_region(), config=_CONFIG)


class AwsEdge:
    """An edge over one service of AWS; its client is made on first use, or by `load`."""

    service: ClassVar[str]

    @cached_property
    def client(self) -> Any:
        """The client, which several threads may use."""
        return make_client(self.service)

    def load(self) -> None:
        """Make the client now, before it is needed."""
        _ = self.client


def code_of(error: ClientError) -> str:
    """Name what AWS says of a request that it did not carry out."""
    return str(error.response.get("Error", {}).get("Code", "Unknown"))


@contextmanager
def explained_aws(place: str) -> Iterator[None]:
    """Turn what botocore raises in the block into a `DataError` that names the place and the next step."""
    try:
        yield
    except ClientError as error:
        code = code_of(error)
        advice = _ADVICE.get(code, "see the logs of AWS, and try again")
        msg = f"{place} can't be used ({code}): {advice}."
        raise DataError(msg) from error
    except (NoCredentialsError, NoRegionError) as error:
        msg = f"{place} can't be used: there are no AWS credentials or no region; set AWS_PROFILE and AWS_REGION."
        raise DataError(msg) from error
    except BotoCoreError as error:
        msg = f"{place} can't be reached ({type(error).__name__}): is the network there, and the region right?"
        raise DataError(msg) from error
