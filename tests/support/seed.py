"""Publish the items of the original NATO news page in a feed, with the ages shown on that page."""

import re
from email.utils import formatdate
from pathlib import Path
from xml.sax.saxutils import escape

import msgspec

from newswire.app import App
from newswire.clock import DAY, HOUR, MINUTE, SECOND
from newswire.ingest.feeds_file import read_toml
from newswire.ingest.poll import run_batches
from newswire.model import Batch
from tests.conftest import ROOT, HandClock
from tests.support.feed_server import FeedServer

SNAPSHOT = 1_751_450_400_000  # 2025-07-02T10:00:00Z
UNITS = {
    "second": SECOND,
    "minute": MINUTE,
    "hour": HOUR,
    "day": DAY,
    "week": 7 * DAY,
    "month": 30 * DAY,
    "year": 365 * DAY,
}
_AGE = re.compile(r"(\d+ [a-z]+(?: \d+ [a-z]+)?) ago")


def span_of(age: str) -> int:
    """Return the length of an age in words, in milliseconds."""
    return sum(int(count) * UNITS[unit.rstrip("s")] for count, unit in re.findall(r"(\d+) (\w+)", age))


def seed_lines(shared: Path) -> list[str]:
    return (shared / "seed" / "nato-news-page.txt").read_text("utf-8").splitlines()


def seed_items(shared: Path) -> list[tuple[str, str]]:
    """Return the age and the teaser of each item; one teaser is empty."""
    lines = seed_lines(shared)
    items: list[tuple[str, str]] = []
    for line in lines[: lines.index("Checked")]:
        if age := _AGE.fullmatch(line):
            items.append((age[1], ""))
        else:
            items[-1] = (items[-1][0], line)
    return items


def publish_seed(app: App, server: FeedServer, clock: HandClock, shared: Path) -> None:
    """Poll these items with the shipped feed, 2 hours 59 minutes before the snapshot."""
    shipped = read_toml((ROOT / "functions" / "ingest" / "feeds.toml").read_bytes(), "feeds.toml")[0]
    feed = msgspec.structs.replace(shipped, kind="auto", listing=None, url=server.url("/nato"))
    items = "".join(
        f"<item><title>Story {number}</title><link>https://www.nato.int/cps/en/natohq/news_{number}.htm</link>"
        f"<description>{escape(teaser)}</description>"
        f"<pubDate>{formatdate((SNAPSHOT - span_of(age) - number * MINUTE) / SECOND, usegmt=True)}</pubDate></item>"
        for number, (age, teaser) in enumerate(seed_items(shared))
    )
    server.says("/nato", f'<rss version="2.0"><channel><title>x</title>{items}</channel></rss>')
    clock.at = SNAPSHOT - 2 * HOUR - 59 * MINUTE
    app.feeds.put(feed, clock())
    run_batches(app, [Batch((feed.id,), now=True)])
    clock.at = SNAPSHOT


def in_order(wanted: list[str], found: list[str]) -> list[str]:
    """Return the wanted lines that are missing when `found` is read in order."""
    remaining = iter(found)
    return [line for line in wanted if line not in remaining]
