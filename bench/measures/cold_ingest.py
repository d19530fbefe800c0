"""Measure the cold start of the ingest function, in seconds: `python -m bench cold_ingest`.

The figure is the time from process start to the end of the first batch. The time of the same batch when it is repeated
is subtracted, because the table of a test server is slow. The baseline is a minimal function that imports the same
libraries and calls each of its three clients once. The target is a ratio of at most 1.25.
"""

from __future__ import annotations

import os
from contextlib import closing
from statistics import median

from bench.built import CREDENTIALS, batch_event, built_application, ingest_environ, start, write_floor
from bench.cluster import year_cluster
from bench.measurement import Measurement, compare_times, join_figures, time_in_turns
from newswire.model import Feed
from newswire.storage.feeds.dynamodb import DynamoFeedStore
from tests.support.aws import Aws
from tests.support.feed_server import FeedServer, rss, story

TARGET = 1.25
TIMES = 15
FLOOR = """
import os
import boto3
import feedparser

session = boto3.session.Session()
table, bucket, queue = (session.client(name) for name in ("dynamodb", "s3", "sqs"))


def handler(event, context):
    table.get_item(TableName=os.environ["NEWSWIRE_TABLE"], Key={"pk": {"S": "x"}, "sk": {"S": "x"}})
    bucket.list_objects_v2(Bucket=os.environ["NEWSWIRE_BUCKET"])
    queue.get_queue_attributes(QueueUrl=os.environ["NEWSWIRE_QUEUE_URL"], AttributeNames=["All"])
    feedparser.parse("<rss version='2.0'><channel><title>x</title></channel></rss>")
    return {}
"""


def measure(quick: bool) -> Measurement:  # noqa: FBT001 - one switch, common to all measurements
    """Return the median seconds of both cold starts, minus the time of the repeated event."""
    os.environ.update(CREDENTIALS, AWS_DEFAULT_REGION="eu-central-1")  # for the clients of this process
    peaks: list[float] = []
    with (
        year_cluster(quick) as cluster,
        built_application() as built,
        closing(Aws()) as aws,
        closing(FeedServer()) as server,
    ):
        environ = ingest_environ(built, aws, cluster.environ("benchcold", "nowhere"))
        store = DynamoFeedStore(environ["NEWSWIRE_TABLE"])
        changing = 0

        def news(_asked: object) -> object:
            nonlocal changing
            changing += 1
            server.says("/body", rss(*[story(changing * 10 + number) for number in range(5)]))
            return server.answers["/body"]

        server.answers["/news"] = news  # type: ignore[assignment]  # a function of the request
        store.put(Feed(id="news", url=server.url("/news")), 1)
        event = batch_event("news")
        write_floor(built, "FloorIngest", FLOOR)

        def ours() -> float:
            started = start(built, "IngestFunction", environ, event)
            peaks.append(started.peak_mib)
            return started.first_s - started.again_s

        def floor() -> float:
            started = start(built, "FloorIngest", environ, event)
            return started.first_s - started.again_s

        ours(), floor()
        seconds = time_in_turns(ours, floor, 3 if quick else TIMES)
        cluster.forget("benchcold")
    note = (
        "s from process start to the end of the first batch, minus the repeated batch;"
        f" peak {median(peaks):.0f} MiB; ours {join_figures(seconds[0])}, floor {join_figures(seconds[1])}"
    )
    return compare_times("cold_ingest", seconds[0], seconds[1], "s", TARGET, note)
