"""Generate random searches with every construct of the grammar, from words of real news."""

import random
from collections.abc import Callable

from newswire import analysis
from newswire.app import App
from newswire.clock import DAY
from newswire.engines.query import Phrase, SearchQuery

NEW_YEAR = 1_672_531_200_000
ZONES = ("UTC", "Europe/Brussels", "America/New_York", "Asia/Kolkata", "Pacific/Auckland")


class Material:
    """The source of random searches: tokens of titles and summaries in their order, and feed ids."""

    def __init__(self, app: App) -> None:
        texts: list[list[str]] = []
        feeds: set[str] = set()
        for month in range(12):
            start = NEW_YEAR + (30 * month + 3) * DAY
            for hit in app.engine.search(SearchQuery(start=start, end=start + 3 * DAY, size=200)).hits:
                texts += [analysis.tokens(text) for text in (hit.item.title, hit.item.summary)]
                feeds.add(hit.item.feed)
        for word in ("москва", "україна", "война", "中国", "日本", "الحرب", "ελλάδα", "ישראל", "भारत"):
            query = SearchQuery(node=Phrase(tuple(analysis.tokens(word))), size=60)
            texts += [analysis.tokens(hit.item.title) for hit in app.engine.search(query).hits]
        usable = [text for text in texts if len(text) > 4]
        self.latin = [words for words in usable if "".join(words).isascii()]
        self.other = [words for words in usable if not "".join(words).isascii()]
        self.feeds = sorted(feeds)

    def text(self, rng: random.Random) -> list[str]:
        """Return the tokens of a random text; one in four has letters outside ASCII."""
        return rng.choice(self.other if rng.random() < 0.25 else self.latin)


def some_query(rng: random.Random, material: Material, depth: int = 0) -> str:
    """Return a random query in the syntax of `q`."""
    text = material.text(rng)
    at = rng.randrange(len(text) - 3)
    word, pair, other = text[at], f'"{text[at]} {text[at + 1]}"', rng.choice(material.text(rng))

    def inner() -> str:
        return some_query(rng, material, depth + 1)

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
        lambda: f"title:({word} OR {other})",
        lambda: f"feed:{rng.choice(material.feeds)} {word}",
        lambda: f"lang:{rng.choice(['en', 'pl', 'de', 'fr', 'ru', 'zh'])} {word}",
        lambda: f"-{pair} {text[at + 2]}",
    ]
    if depth < 2:
        kinds += [
            lambda: f"{inner()} OR {inner()}",
            lambda: f"({inner()}) {word}",
            lambda: f"NOT ({inner()}) {word}",
            lambda: f"{word} OR NOT {text[at + 1]}",
        ]
    return rng.choice(kinds)()


def some_search(rng: random.Random, material: Material) -> dict[str, str]:
    """Return random search parameters: mostly words, often dates in a time zone, filters and a histogram."""
    sent: dict[str, str] = {}
    if rng.random() < 0.95:
        sent["q"] = some_query(rng, material)
    if rng.random() < 0.3:
        sent["match"] = "any"
    if rng.random() < 0.5:
        month = rng.randint(1, 11)
        sent |= {"from": f"2023-{month:02d}", "to": f"2023-{rng.randint(month, 12):02d}", "tz": rng.choice(ZONES)}
        sent["histogram"] = rng.choice(["day", "week", "month"])
    if rng.random() < 0.2:
        sent["feed"] = ",".join(rng.choice(["", "-"]) + feed for feed in rng.sample(material.feeds, 3))
    if rng.random() < 0.1:
        sent["lang"] = rng.choice(["en", "-en", "pl,de"])
    return sent
