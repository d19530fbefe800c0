"""Delete the indexes that tests and measurements leave on a node."""

from opensearchpy import OpenSearch


def delete_indexes(url: str, prefix: str) -> None:
    """Delete all indexes whose names begin with `prefix`."""
    with OpenSearch(url, timeout=60) as client:
        for name in client.indices.get(index=f"{prefix}*"):
            client.indices.delete(index=name)
