"""Measure the peak memory of the built functions, in MiB: `python -m bench memory`.

The load is batches of large feeds from many hosts at once, and large searches. The baseline is the memory size in
template.yaml, and the target leaves a quarter of it free.
"""

from __future__ import annotations

import os
from contextlib import ExitStack, closing
from pathlib import Path

from bench.built import CREDENTIALS, batch_event, built_application, ingest_environ
from bench.cluster import year_cluster
from bench.measurement import Measurement
from newswire.model import Feed
from newswire.storage.feeds.dynamodb import DynamoFeedStore
from tests.bundle.build import BuiltFunction
from tests.support.aws import Aws
from tests.support.feed_server import FeedServer, rss, story
from tests.support.template import resources
from tests.support.transports import rest_event

TARGET = 0.75
HOSTS = 20
"""More hosts than are fetched from at once."""
MEGABYTES = (2, 4, 9)
"""Body sizes in MB: the largest of 374 real feeds has 1.6, the others are just below the limits of template.yaml."""
PACKED_FROM = 5
SEARCHES = ("size=200&fields=content,title,summary", "q=the&facets=feed,category,author,lang&facet_size=200&size=200")


def measure(quick: bool) -> Measurement:  # noqa: FBT001 - one switch, common to all measurements
    """Return the peak of the function that uses the larger share of its memory."""
    os.environ.update(CREDENTIALS, AWS_DEFAULT_REGION="eu-central-1")  # for SAM, and for the clients of this process
    given = {name: resource["MemorySize"] for name, resource in resources("AWS::Lambda::Function").items()}
    with year_cluster(quick) as cluster, built_application() as built:
        took = {"IngestFunction": _ingest(built, cluster.environ("benchmemory", "nowhere"))}
        cluster.forget("benchmemory")
        took["SearchFunction"] = _search(built, cluster.environ(cluster.settings.opensearch_prefix, "nowhere"))
    name = max(took, key=lambda function: took[function] / given[function])
    peaks = ", ".join(f"{name} {took[name]:.0f} of {given[name]}" for name in took)
    note = f"MiB peak, of the memory size in template.yaml; {peaks}"
    return Measurement(
        "memory", round(took[name]), given[name], "MiB", round(took[name] / given[name], 3), TARGET, note
    )


def _ingest(built: Path, cluster: dict[str, str]) -> float:
    with ExitStack() as open_:
        aws = open_.enter_context(closing(Aws()))
        environ = ingest_environ(built, aws, cluster)
        store = DynamoFeedStore(environ["NEWSWIRE_TABLE"])
        servers = [open_.enter_context(closing(FeedServer())) for _ in range(HOSTS)]
        function = open_.enter_context(closing(BuiltFunction(built, "IngestFunction", environ)))
        for megabytes in MEGABYTES:
            body = rss(*[story(n, description="word " * 80_000) for n in range(megabytes * 1_000_000 // 400_500)])
            for number, server in enumerate(servers):
                store.put(
                    Feed(
                        id=f"feed-{number}-{megabytes}",
                        url=server.says(f"/{megabytes}", body, gzipped=megabytes >= PACKED_FROM),
                    ),
                    1,
                )
            feeds = tuple(f"feed-{number}-{megabytes}" for number in range(HOSTS))
            function.call(batch_event(*feeds), seconds=600)
        return function.peak_mib()


def _search(built: Path, environ: dict[str, str]) -> float:
    with closing(BuiltFunction(built, "SearchFunction", CREDENTIALS | environ)) as function:
        for query in SEARCHES * 5:
            function.call(rest_event(f"/v1/search?{query}"))
        return function.peak_mib()
