"""Merge, copy and delete the indexes of tests and measurements on a node."""

from opensearchpy import OpenSearch


def merge_indexes(url: str, prefix: str) -> None:
    """Merge each index into one segment: the score of an item depends on the deleted versions that segments still hold."""
    with OpenSearch(url, timeout=600) as client:
        client.indices.forcemerge(index=f"{prefix}*", max_num_segments=1)


def copy_items(url: str, prefix: str, other: str) -> None:
    """Copy the items of one newswire into the first generation of another; the node does it faster than a load."""
    body = {"source": {"index": f"{prefix}-items-g*", "size": 5_000}, "dest": {"index": f"{other}-items-g000001"}}
    with OpenSearch(url, timeout=600) as client:
        copied = client.reindex(body=body, params={"slices": "auto", "refresh": "true"})
        assert copied["failures"] == []


def delete_indexes(url: str, prefix: str) -> None:
    """Delete all indexes whose names begin with `prefix`."""
    with OpenSearch(url, timeout=60) as client:
        for name in client.indices.get(index=f"{prefix}*"):
            client.indices.delete(index=name)
