"""Measure a search with many feeds on OpenSearch, in milliseconds: `python -m bench many_feeds_opensearch`.

See `many_feeds`. The indexes of statuses have prefixes of their own, and the aliases of all lead to the same items.
"""

from __future__ import annotations

from bench.cluster import Cluster, year_cluster
from bench.measurement import Measurement
from bench.measures.many_feeds import COUNTS, ROUNDS, compare, publish_all
from newswire.engines.opensearch.bodies import SCHEMA
from newswire.engines.opensearch.engine import OpenSearchEngine


def measure(quick: bool) -> Measurement:  # noqa: FBT001 - one switch, common to all measurements
    """Return the milliseconds of a search with the most feeds and with the fewest."""
    with year_cluster(quick) as cluster:
        engines = {count: _engine(cluster, count) for count in COUNTS}
        try:
            return compare(engines, 3 if quick else ROUNDS, "many_feeds_opensearch")
        finally:
            for count, engine in engines.items():
                engine.client.indices.delete(index=_statuses(count))
                engine.client.indices.delete_alias(index="*", name=_prefix(count) + f"-v{SCHEMA}-read")
                engine.close()


def _prefix(count: int) -> str:
    return f"many{count}"


def _statuses(count: int) -> str:
    return f"{_prefix(count)}-v{SCHEMA}-status"


def _engine(cluster: Cluster, count: int) -> OpenSearchEngine:
    engine = OpenSearchEngine(cluster.url, prefix=_prefix(count), timeout_s=60)
    items = f"{cluster.settings.opensearch_prefix}-v{SCHEMA}-read"
    (index,) = engine.client.indices.get_alias(name=items)
    engine.client.indices.put_alias(index=index, name=f"{_prefix(count)}-v{SCHEMA}-read")
    publish_all(engine, count)
    return engine
