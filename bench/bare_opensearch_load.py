"""Send prepared documents in bulk: `python bare_opensearch_load.py DOCUMENTS URL INDEX`.

This is the baseline of `python -m bench opensearch_load`. Each line of DOCUMENTS is a document as newswire sends it.
The rest of newswire's work is missing: reading items, archive, item ids, tokens and states.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
from opensearchpy import OpenSearch
from opensearchpy.helpers import streaming_bulk


def main(documents: str, url: str, index: str) -> None:
    """Send all documents; raise an error if one is refused."""
    decode = msgspec.json.Decoder(dict[str, Any]).decode

    def actions() -> Iterator[dict[str, Any]]:
        with Path(documents).open("rb") as lines:
            for line in lines:
                document = decode(line)
                yield {"_op_type": "index", "_id": document["id"], "_source": document}

    with OpenSearch(url, timeout=60) as client:
        for _done in streaming_bulk(client, actions(), index=index):
            pass


if __name__ == "__main__":
    main(*sys.argv[1:])
