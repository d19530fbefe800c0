"""Start the built Lambda functions, and minimal functions to compare them with."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from msgspec import Struct

from bench.measurement import SkippedError
from newswire.model import Batch
from newswire.storage.queue.sqs import message_of
from tests.bundle.build import BuiltFunction, CannotBuildError, build
from tests.bundle.stack import variables
from tests.support.aws import Aws
from tests.support.processes import LOOPBACK

CREDENTIALS = {"AWS_ACCESS_KEY_ID": "AKIDBENCH", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_SESSION_TOKEN": "token"}


class Start(Struct, frozen=True):
    """The cost of a cold start: seconds from process start to the first answer, and peak memory."""

    first_s: float
    again_s: float
    """Seconds that the same event took when it was repeated."""
    peak_mib: float


@contextmanager
def built_application() -> Iterator[Path]:
    """Build the application into a temporary folder, and yield its path."""
    with TemporaryDirectory() as folder:
        try:
            yield build(Path(folder) / "build")
        except CannotBuildError as error:
            msg = f"Skipped: {error}"
            raise SkippedError(msg) from error


def write_floor(built: Path, name: str, code: str) -> None:
    """Add a minimal function next to the built ones."""
    (built / name).mkdir()
    (built / name / "app.py").write_text(code)


def start(built: Path, name: str, environ: Mapping[str, str], event: dict[str, Any]) -> Start:
    """Start a function, and send it the event twice."""
    with closing(BuiltFunction(built, name, {**CREDENTIALS, **environ})) as function:
        function.call(event)
        first = time.perf_counter() - function.started
        before = time.perf_counter()
        function.call(event)
        return Start(first, time.perf_counter() - before, function.peak_mib())


def ingest_environ(built: Path, aws: Aws, cluster: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of the built ingest function: its own stores, a cluster, loopback publishers."""
    return {
        **variables(built, "IngestFunction"),
        **CREDENTIALS,
        **cluster,
        "NEWSWIRE_OPENSEARCH_SIGNING": "es",
        "AWS_ENDPOINT_URL": aws.url,
        "NEWSWIRE_TABLE": aws.table(),
        "NEWSWIRE_BUCKET": aws.bucket(),
        "NEWSWIRE_QUEUE_URL": aws.queue(),
        **LOOPBACK,
    }


def batch_event(*feeds: str) -> dict[str, Any]:
    """Return the event of one message that polls `feeds` now."""
    return {"Records": [{"messageId": "1", "receiptHandle": "1", "body": message_of(Batch(feeds, now=True))}]}
