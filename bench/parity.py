"""Parity: generated searches of every construct over a year of news, on the embedded engine and on a node of OpenSearch.

Totals, items, orders by date, facets and histograms must be the same, or this raises; by relevance it gives the mean
overlap of the first ten items. The node is started with Maven and a JDK, or named by NEWSWIRE_TEST_OPENSEARCH_URL.
"""

from __future__ import annotations

import os
import random
import shutil
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from opensearchpy import OpenSearch

from bench.measurement import Measurement, SkippedError
from bench.year import loaded_year
from newswire import words
from newswire.clock import DAY
from newswire.load import load
from newswire.query import SearchQuery
from newswire.settings import Settings
from newswire.wiring import Wired
from tests.opensearch_node.node import CannotStartError, Node
from tests.transports import AsEvents

SEARCHES = 600
QUICK_SEARCHES = 100
LEAST_OVERLAP = 0.99
NEW_YEAR = 1_672_531_200_000
ZONES = ("UTC", "Europe/Brussels", "America/New_York", "Asia/Kolkata", "Pacific/Auckland")
NAMES = ("query", "total", "items", "facets", "histogram")


def measure(quick: bool) -> Measurement:  # noqa: FBT001 - one switch, common to all measurements
    """Ask both engines the same; gives the mean overlap at ten."""
    lines, data = loaded_year(quick)
    embedded = Wired(Settings(data=str(data), recency_weight=0))
    rng = random.Random(2023)
    overlaps: list[float] = []
    found = 0
    with _cluster(lines) as cluster:
        texts, feeds = _material(embedded)
        both = (AsEvents(embedded), AsEvents(cluster))
        for _ in range(QUICK_SEARCHES if quick else SEARCHES):
            sent = _some_search(rng, texts, feeds)
            found += _compare(both, sent)
            ranked = [_ranked(one, sent) for one in both] if "q" in sent else []
            if ranked and ranked[0]:
                overlaps.append(len(ranked[0] & ranked[1]) / len(ranked[0]))
    embedded.close()
    overlap = sum(overlaps) / len(overlaps)
    note = (
        f"mean overlap of the first ten by relevance, of {len(overlaps)} searches; totals, items, orders by date, facets and "
        f"histograms are the same for all {QUICK_SEARCHES if quick else SEARCHES}, of which {found} find something"
    )
    ratio = round(LEAST_OVERLAP / overlap, 3)
    return Measurement("parity", round(overlap, 4), LEAST_OVERLAP, "", ratio, 1.0, note)


@contextmanager
def _cluster(lines: Path) -> Iterator[Wired]:
    """Load the lines into a node, under a name of their own that is deleted afterwards."""
    url, node = os.environ.get("NEWSWIRE_TEST_OPENSEARCH_URL"), None
    if not url:
        try:
            node = Node("3.8")
            node.start()
        except CannotStartError as error:
            msg = f"Skipped: {error}"
            raise SkippedError(msg) from error
        url = node.url
    prefix = f"p{uuid.uuid4().hex[:10]}"
    folder = lines.parent / f"parity-{prefix}"
    settings = Settings(
        data=str(folder),
        engine="opensearch",
        opensearch_url=url,
        opensearch_prefix=prefix,
        opensearch_timeout_seconds=60,
        recency_weight=0,
    )
    wired = Wired(settings)
    try:
        load(wired, [str(lines)], None)
        wired.engine.refresh()
        yield wired
    finally:
        wired.close()
        client = OpenSearch(url)
        for name in client.indices.get(index=f"{prefix}*"):
            client.indices.delete(index=name)
        client.close()
        if node is not None:
            node.stop()
            node.remove()
        shutil.rmtree(folder, ignore_errors=True)


def _material(wired: Wired) -> tuple[list[list[str]], list[str]]:
    """Give the tokens of some titles and summaries, as they follow each other, and some feeds."""
    texts: list[list[str]] = []
    feeds: set[str] = set()
    for month in range(12):
        start = NEW_YEAR + (30 * month + 3) * DAY
        for hit in wired.engine.search(SearchQuery(start=start, end=start + 3 * DAY, size=200)).hits:
            texts += [words.tokens(text) for text in (hit.item.title, hit.item.summary)]
            feeds.add(hit.item.feed)
    return [one for one in texts if len(one) > 4], sorted(feeds)


def _some_query(rng: random.Random, texts: list[list[str]], depth: int = 0) -> str:
    text = rng.choice(texts)
    at = rng.randrange(len(text) - 3)
    word, pair, other = text[at], f'"{text[at]} {text[at + 1]}"', rng.choice(rng.choice(texts))
    kinds: list[Callable[[], str]] = [
        lambda: word,
        lambda: f"{word} {other}",
        lambda: pair,
        lambda: f'"{" ".join(text[at : at + 3])}"',
        lambda: f"{word[: rng.randint(2, 5)]}*" if len(word) > 2 else word,
        lambda: f"{word} -{other}",
        lambda: f"title:{word}",
        lambda: f"summary:{word}",
        lambda: f"title:{pair}",
        lambda: f"lang:{rng.choice(['en', 'pl', 'de', 'fr'])} {word}",
        lambda: f"-{pair} {text[at + 2]}",
    ]
    if depth < 2:
        kinds += [
            lambda: f"{_some_query(rng, texts, depth + 1)} OR {_some_query(rng, texts, depth + 1)}",
            lambda: f"({_some_query(rng, texts, depth + 1)}) {word}",
            lambda: f"NOT ({_some_query(rng, texts, depth + 1)}) {word}",
            lambda: f"{word} OR NOT {text[at + 1]}",
        ]
    return rng.choice(kinds)()


def _some_search(rng: random.Random, texts: list[list[str]], feeds: list[str]) -> dict[str, str]:
    sent: dict[str, str] = {}
    if rng.random() < 0.95:
        sent["q"] = _some_query(rng, texts)
    if rng.random() < 0.3:
        sent["match"] = "any"
    if rng.random() < 0.5:
        month = rng.randint(1, 11)
        sent |= {"from": f"2023-{month:02d}", "to": f"2023-{rng.randint(month, 12):02d}", "tz": rng.choice(ZONES)}
        sent["histogram"] = rng.choice(["day", "week", "month"])
    if rng.random() < 0.2:
        sent["feed"] = ",".join(rng.choice(["", "-"]) + feed for feed in rng.sample(feeds, 3))
    if rng.random() < 0.1:
        sent["lang"] = rng.choice(["en", "-en", "pl,de"])
    return sent


def _compare(both: tuple[AsEvents, AsEvents], sent: dict[str, str]) -> bool:
    """Hold both answers against each other, in both orders by date; says whether anything was found."""
    for sort in ("newest", "oldest"):
        more = {"sort": sort, "facets": "feed:200,lang:200", "size": "200", "fields": "id"}
        one, other = (_asked(api, sent | more) for api in both)
        for name in NAMES:
            if one.get(name) != other.get(name):
                msg = f"{sent} by {sort}: {name} is not the same.\n{one.get(name)}\n{other.get(name)}"
                raise RuntimeError(msg)
    return bool(one["total"]["value"])


def _ranked(api: AsEvents, sent: dict[str, str]) -> set[str]:
    asked = {name: value for name, value in sent.items() if name != "histogram"}
    found = _asked(api, asked | {"sort": "relevance", "size": "10", "fields": "id"})
    return {str(item["id"]) for item in found.get("items", [])}  # nothing where there is nothing to score


def _asked(api: AsEvents, sent: dict[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = api.ask(f"/v1/search?{urlencode(sent)}").json()
    return found
