"""Clients of AWS services, and the translation of their errors into `DataError`.

Credentials and the region are those that boto3 would find. A client retries temporary failures itself, with jitter.
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
_DENIED = "the role lacks a permission. See the policies in template.yaml"
_MISSING = "it does not exist. Deploy the stack, or correct the setting"
_THROTTLED = "AWS throttles requests. Try again later"
_ADVICE = {
    "AccessDenied": _DENIED,
    "AccessDeniedException": _DENIED,
    "ResourceNotFoundException": _MISSING,
    "NoSuchBucket": _MISSING,
    "AWS.SimpleQueueService.NonExistentQueue": _MISSING,
    "ProvisionedThroughputExceededException": _THROTTLED,
    "ThrottlingException": _THROTTLED,
    "RequestLimitExceeded": _THROTTLED,
    "SlowDown": _THROTTLED,
}


_session_lock = threading.Lock()
"""A client is thread-safe; the session that makes clients is not."""


@cache
def _session() -> Any:
    """Return the one botocore session. boto3 would take 20 to 40 ms more."""
    return botocore.session.Session()


def make_client(service: str) -> Any:
    """Return a thread-safe client of `dynamodb`, `s3` or `sqs`. Connects to nothing yet.

    All clients share one session. Each session loads botocore's service data again, which takes 60 ms of a cold start.
    """
    with _session_lock:
        return _session().create_client(service, region_name=read_aws_region(), config=_CONFIG)


class AwsEdge:
    """Base class of an adapter to one AWS service; it makes its client on first use, or in `load`."""

    service: ClassVar[str]

    @cached_property
    def client(self) -> Any:
        """The client, which is thread-safe."""
        return make_client(self.service)

    def load(self) -> None:
        """Make the client now, before its first use."""
        _ = self.client


def code_of(error: ClientError) -> str:
    """Return the error code of AWS, or "Unknown"."""
    return str(error.response.get("Error", {}).get("Code", "Unknown"))


@contextmanager
def translate_aws_errors(place: str) -> Iterator[None]:
    """Turn botocore's errors in the block into a `DataError` that names the place and the next step."""
    try:
        yield
    except ClientError as error:
        code = code_of(error)
        advice = _ADVICE.get(code, "check the logs of AWS, and try again")
        msg = f"{place} is unusable ({code}): {advice}."
        raise DataError(msg) from error
    except (NoCredentialsError, NoRegionError) as error:
        msg = f"{place} is unusable without AWS credentials and a region. Set AWS_PROFILE and AWS_REGION."
        raise DataError(msg) from error
    except BotoCoreError as error:
        msg = f"{place} is unreachable ({type(error).__name__}). Check the network and the region."
        raise DataError(msg) from error
