"""The corpus of real feeds: its index, and records of its documents."""

import json
from pathlib import Path

from newswire.model import Record
from tests import factories

NOW = 1_763_985_600_000
"""The time of the fetch of each document."""


def rows(shared: Path) -> list[dict]:
    return [json.loads(line) for line in (shared / "feeds" / "index.jsonl").read_text().splitlines()]


def record(body: bytes, path: str = "x") -> Record:
    url = f"http://feeds.example/{path}"
    return factories.record(feed="f", fetched_at=NOW, url=url, final_url=url, body=body)
