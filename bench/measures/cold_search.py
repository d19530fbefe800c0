"""Measure the cold start of the search function, in seconds: `python -m bench cold_search`.

The figure is the time from process start to the first answer. The baseline is a minimal function that imports the same
libraries. The target is a ratio of at most 1.25.
"""

from __future__ import annotations

from statistics import median

from bench.built import built_application, start, write_floor
from bench.cluster import year_cluster
from bench.measurement import Measurement, compare_times, join_figures, time_in_turns
from tests.bundle.stack import variables
from tests.support.transports import rest_event

TARGET = 1.25
TIMES = 15
FLOOR = """
from aws_lambda_powertools.event_handler import APIGatewayRestResolver
from opensearchpy import OpenSearch, Urllib3AWSV4SignerAuth, Urllib3HttpConnection

resolver = APIGatewayRestResolver()


@resolver.get("/v1/search")
def search():
    return {}


def handler(event, context):
    return resolver.resolve(event, context)
"""


def measure(quick: bool) -> Measurement:  # noqa: FBT001 - one switch, common to all measurements
    """Return the median seconds from process start to the first answer of both, run in turns."""
    event = rest_event("/v1/search?q=climate&size=20")
    peaks: list[float] = []
    again: list[float] = []
    with year_cluster(quick) as cluster, built_application() as built:
        environ = (
            variables(built, "SearchFunction")
            | cluster.environ(cluster.settings.opensearch_prefix, "nowhere")
            | {"NEWSWIRE_OPENSEARCH_SIGNING": "es"}
        )
        write_floor(built, "FloorSearch", FLOOR)

        def ours() -> float:
            started = start(built, "SearchFunction", environ, event)
            peaks.append(started.peak_mib)
            again.append(started.again_s)
            return started.first_s

        def floor() -> float:
            return start(built, "FloorSearch", {}, event).first_s

        for _ in range(20):  # warm up the node and the disk cache
            ours()
        again.clear()
        floor()
        seconds = time_in_turns(ours, floor, 3 if quick else TIMES)
    note = (
        f"s from process start to the first answer, a search of the year; repeated {median(again) * 1000:.0f} ms;"
        f" peak {max(peaks):.0f} MiB; ours {join_figures(seconds[0])}, floor {join_figures(seconds[1])}"
    )
    return compare_times("cold_search", seconds[0], seconds[1], "s", TARGET, note)
