"""Merge the indexes of tests on a node, and delete those that tests and measurements leave there."""

from opensearchpy import OpenSearch


def merge_indexes(url: str, prefix: str) -> None:
    """Merge each index into one segment: the score of an item depends on the deleted versions that segments still hold."""
    with OpenSearch(url, timeout=600) as client:
        client.indices.forcemerge(index=f"{prefix}*", max_num_segments=1)


def delete_indexes(url: str, prefix: str) -> None:
    """Delete all indexes whose names begin with `prefix`."""
    with OpenSearch(url, timeout=60) as client:
        for name in client.indices.get(index=f"{prefix}*"):
            client.indices.delete(index=name)
