"""Generate hostile requests: random ones with every kind of fault, and the costliest within the limits."""

import random
from itertools import pairwise, product
from urllib.parse import quote, urlencode

ZONES = ("UTC", "Europe/Brussels", "America/New_York", "Asia/Kolkata", "Pacific/Auckland")

COMMON = [
    "the",
    "to",
    "of",
    "and",
    "in",
    "a",
    "for",
    "on",
    "is",
    "s",
    "with",
    "at",
    "after",
    "from",
    "as",
    "by",
    "it",
    "that",
    "his",
    "has",
    "was",
    "he",
    "be",
    "us",
    "are",
    "new",
    "says",
    "will",
    "who",
    "an",
    "have",
    "not",
    "over",
    "his",
    "more",
    "said",
]
ODD = ["\x00", "\ud7ff", "\ufeff", "\u202e", "💥", "𝕏", "é" * 30, "<script>", "'; DROP", "${jndi:x}", "../../etc/passwd",
       "%", "&&", "\\", '"', "(", ")", "*", "-", "–", ":", "title:", "feed:", "_exists_:x", "[a TO b]", "a~2", "a^9", "/.*/",
       "AND", "OR", "NOT", "北京", "カ", "서", "अ", "ก", "\u0301", "ﬀ", "İ", "ß"]  # fmt: skip
NAMES = ["q", "match", "from", "to", "tz", "date_field", "feed", "category", "author", "lang", "sort", "size", "cursor",
         "fields", "highlight", "facets", "histogram", "format"]  # fmt: skip
GOOD = {
    "match": ["all", "any"],
    "from": ["2023", "2023-05", "2023-W22", "2023-05-26", "2023-05-26T12:00", "P1Y", "now-400d", "0001", "yesterday"],
    "to": ["2023", "2024", "9999", "now", "today", "2023-05-26T12:00:00.5+05:45"],
    "tz": [*ZONES, "Pacific/Apia", "America/St_Johns", "Etc/GMT+12"],
    "date_field": ["published", "updated", "changed", "first_seen"],
    "feed": ["-x", "a,b,-c", '"a,b"', ",".join(f"-f{n}" for n in range(700))],
    "category": ["x", '"Defence, security"', ",".join(f"c{n}" for n in range(800))],
    "author": ["zoë müller", "-x"],
    "lang": ["en", "pl", "-en", "en,pl,de"],
    "sort": ["relevance", "newest", "oldest"],
    "size": ["0", "1", "20", "200"],
    "fields": ["id", "title,content", "content,highlights,age"],
    "highlight": ["title", "title,summary,content"],
    "facets": ["feed", "feed:200,lang:200,category:200,author:200"],
    "histogram": ["year", "month", "week", "day", "hour", "auto"],
    "format": ["json"],
}
PATHS = ["/v1/search", "/v1/items", "/v1/items/x", "/v1/feeds", "/v1/feeds/x", "/v1/status", "/openapi.json", "/", "/v1",
         "/v1/items/" + "x" * 300, "/v1/feeds/%00", "/%e5%8c%97", "//", "/v1/search/", "/v1/SEARCH",
         "/feeds/x", "/items/x", "/items/%F0%9F%92%A5", "/assets/..%2F..%2Fetc"]  # fmt: skip


def some_query(rng: random.Random) -> str:
    kind = rng.randrange(10)
    some = rng.choices(COMMON, k=rng.randint(1, 64))
    return [
        lambda: " OR ".join(some)[:1000],
        lambda: " ".join(some),
        lambda: '"' + " ".join(rng.choices(COMMON, k=250)) + '"',
        lambda: " ".join(f"{word[:2]}*" for word in some[:9]),
        lambda: " ".join(f"-{word}" for word in some),
        lambda: "(" * rng.randint(0, 18) + " OR ".join(some[:5]) + ")" * rng.randint(0, 18),
        lambda: " ".join(f'"{a} {b}"' for a, b in pairwise(some)),
        lambda: " ".join(rng.choices(ODD, k=rng.randint(1, 40))),
        lambda: "".join(chr(rng.randrange(0x20, 0x3000)) for _ in range(rng.randint(1, 200))),
        lambda: (
            f"{rng.choice(NAMES)}:({some_word(rng)} {rng.choice(ODD)}) OR title:{some_word(rng)} -summary:{some_word(rng)}"
        ),
    ][kind]()


def some_word(rng: random.Random) -> str:
    return rng.choice(COMMON)


def some_request(rng: random.Random, cursors: list[str]) -> tuple[str, str, dict[str, str]]:
    path = "/v1/search" if rng.random() < 0.85 else rng.choice(PATHS)
    pairs: list[tuple[str, str]] = []
    if rng.random() < 0.9:
        pairs.append(("q", some_query(rng)))
    for name in rng.sample(NAMES[1:], rng.randint(0, 6)):
        if name == "cursor":
            value = rng.choice([*cursors[-50:], "x", "eyJ", "A" * 400, "lQLE" + "_" * 40]) if cursors else "lQLECGRZ"
        elif rng.random() < 0.85:
            value = rng.choice(GOOD[name])
        else:
            value = rng.choice(
                [*ODD, "", " ", "9" * 30, "-1", "1e9", ",", '"', "x" * 500, "P99999999Y", "2023-13", "now+1d"]
            )
        pairs.append((name, value))
    if rng.random() < 0.05:
        pairs.append(
            rng.choice([("nope", "1"), pairs[0] if pairs else ("q", "x"), ("ids", "a,b"), ("X-Amz-Date", "1")])
        )
    method = rng.choices(["GET", "HEAD", "POST", "DELETE", "OPTIONS"], [90, 6, 2, 1, 1])[0]
    headers = {"If-None-Match": rng.choice(["*", 'W/"x"', "rubbish," * 50])} if rng.random() < 0.1 else {}
    return f"{path}?{urlencode(pairs, quote_via=quote, safe='')}" if pairs else path, method, headers


def costliest_requests() -> list[str]:
    """Return the costliest searches: all options, and as many words, phrases and prefixes as allowed."""
    short = ["the", "to", "of", "and", "in", "a", "for", "on", "is", "s", "at", "as", "by", "it"]
    phrases = sorted((f'"{value} {other}"' for value, other in product(short, short)), key=len)
    words = (COMMON * 2)[:60]
    queries = {
        "phrases": _as_many(phrases[:128], "", " "),
        "no phrases": _as_many(phrases[:100], "-", " "),
        "words": _as_many(words, "", " OR "),
        "no words": _as_many(words, "NOT ", " OR "),
        "titles": _as_many(words, "title:", " OR "),
        "prefixes": "in* un* wa* st* to* th* co* re*",
        "nested": "(" * 14 + " OR ".join(words) + ")" * 14,
    }
    everything = {
        "size": "200",
        "facets": "feed:200,lang:200,category:200,author:200",
        "histogram": "day",
        "from": "2023",
        "to": "2023",
        "highlight": "title,summary,content",
        "match": "any",
    }
    return [
        f"/v1/search?{urlencode({'q': query, **everything, **order})}"
        for query in queries.values()
        for order in ({}, {"sort": "newest"})
    ]


def _as_many(parts: list[str], before: str, between: str) -> str:
    """Join as many parts as fit into a query of 1000 characters."""
    joined = ""
    for part in parts:
        longer = f"{joined}{between if joined else ''}{before}{part}"
        if len(longer) > 1000:
            break
        joined = longer
    return joined
