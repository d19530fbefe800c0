"""Provide a year of real news as lines to load, with the feed and the instant of each item."""

import gzip
import hashlib
import json
import re
from pathlib import Path

from newswire.ingest.item import item_id
from newswire.ingest.parse.feed_dates import read_feed_date
from newswire.urls import canonical_link
from tests.support.present import present

LINES = 251_270


def slug(url: str) -> str:
    plain = re.sub(r"[^a-z0-9]+", "-", url.lower()).strip("-")
    return f"{plain[:50].strip('-')}-{hashlib.sha256(url.encode()).hexdigest()[:6]}"


def write_lines(shared: Path, file: Path) -> dict[str, tuple[str, int]]:
    """Write the timeline as gzipped lines for `load`; return the feed and the instant (ms) of each item, by its id.

    If lines have the same link, the last one counts, as in `load`.
    """
    items: dict[str, tuple[str, int]] = {}
    with (
        gzip.open(shared / "timeline" / "timeline_2023.jsonl.gz", "rt") as source,
        gzip.open(file, "wt", 1) as target,
    ):
        for number, line in enumerate(source):
            row = json.loads(line)
            feed = slug(row["feed_url"])
            kept = {
                "feed": feed,
                "title": row["title"],
                "link": row["link"],
                "summary": row["summary"],
                "published": row["published"],
                "lang": row["language"] or "",
            }
            target.write(json.dumps(kept) + "\n")
            at = present(read_feed_date(row["published"])).at
            id_ = item_id(feed, "link", canonical_link(row["link"])) if row["link"].startswith("http") else str(number)
            items[id_] = (feed, at)
    return items
