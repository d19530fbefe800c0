"""Define the mix: fifty searches with every construct of the grammar, each with its plain tantivy query."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from msgspec import Struct
from tantivy import Query

from bench.bare_search import (
    FOREVER,
    all_of,
    any_of,
    between,
    everything,
    exactly,
    in_title,
    phrase,
    prefix,
    without,
    word,
)

_GUARDIAN = "https-www-theguardian-com-world-rss"
_BRUSSELS = ZoneInfo("Europe/Brussels")


class Search(Struct, frozen=True):
    """One search of the mix."""

    sent: Mapping[str, str]
    bare: Query
    edges: tuple[int, ...] = ()
    """Edges of the requested histogram, in milliseconds."""

    @property
    def size(self) -> int:
        """Return the number of requested items."""
        return int(self.sent.get("size", "20"))

    @property
    def sort(self) -> str:
        """Return the order that newswire applies."""
        return self.sent.get("sort") or ("relevance" if "q" in self.sent else "newest")

    @property
    def facets(self) -> tuple[str, ...]:
        """Return the fields to count."""
        return tuple(self.sent["facets"].split(",")) if "facets" in self.sent else ()


def _ms(year: int, month: int, day: int, zone: ZoneInfo | None = None) -> int:
    return round(datetime(year, month, day, tzinfo=zone or UTC).timestamp() * 1000)


def _days(start: int, end: int) -> tuple[int, ...]:
    day = round(timedelta(days=1).total_seconds() * 1000)
    return tuple(range(start, end + 1, day))


def fifty() -> Iterator[Search]:
    """Yield the mix; its words are common, rare, accented, and of several languages and scripts."""
    yield from _of_words()
    yield from _of_the_grammar()
    yield from _of_dates_and_filters()
    yield from _counted_and_marked()


def _of_words() -> Iterator[Search]:
    yield from (Search({"q": text}, word(folded)) for text, folded in _WORDS)
    yield Search({"q": "prime minister"}, all_of(word("prime"), word("minister")))
    yield Search({"q": "climate change report"}, all_of(word("climate"), word("change"), word("report")))
    yield Search({"q": "sąd najwyższy"}, all_of(word("sad"), word("najwyzszy")))
    yield Search({"q": "interest rate rise bank england"}, all_of(
        word("interest"), word("rate"), word("rise"), word("bank"), word("england")))  # fmt: skip
    yield Search({"q": "covid vaccine", "match": "any"}, any_of(word("covid"), word("vaccine")))
    yield Search({"q": "king charles coronation westminster", "match": "any"}, any_of(
        word("king"), word("charles"), word("coronation"), word("westminster")))  # fmt: skip


def _of_the_grammar() -> Iterator[Search]:
    yield Search({"q": '"prime minister"'}, phrase("prime", "minister"))
    yield Search(
        {"q": '"the united nations security council"'}, phrase("the", "united", "nations", "security", "council")
    )
    yield Search({"q": '"of the"'}, phrase("of", "the"))
    yield Search({"q": "F-16"}, phrase("f", "16"))
    yield Search({"q": '"air strike" gaza'}, all_of(phrase("air", "strike"), word("gaza")))
    yield Search({"q": "earthquake OR tsunami OR eruption"}, any_of(
        word("earthquake"), word("tsunami"), word("eruption")))  # fmt: skip
    yield Search({"q": "(rishi OR boris) (budget OR tax)"}, all_of(
        any_of(word("rishi"), word("boris")), any_of(word("budget"), word("tax"))))  # fmt: skip
    yield Search({"q": "strike -football"}, without(word("strike"), word("football")))
    yield Search({"q": "election NOT (trump OR biden)"}, without(
        word("election"), any_of(word("trump"), word("biden"))))  # fmt: skip
    yield Search({"q": "-the size", "size": "5"}, without(word("size"), word("the")))
    yield Search({"q": "interop*"}, prefix("interop"))
    yield Search({"q": "ukrain* weapon*"}, all_of(prefix("ukrain"), prefix("weapon")))
    yield Search({"q": "un*"}, prefix("un"))
    yield Search({"q": "title:war"}, in_title("war"))
    yield Search({"q": "title:(war OR peace) nato"}, all_of(any_of(in_title("war"), in_title("peace")), word("nato")))
    yield Search({"q": "lang:pl prezydent"}, all_of(exactly("lang", "pl"), word("prezydent")))
    yield Search({"q": f"feed:{_GUARDIAN} minister"}, all_of(exactly("feed", _GUARDIAN), word("minister")))


def _of_dates_and_filters() -> Iterator[Search]:
    president = word("president")
    may = between(_ms(2023, 5, 1, _BRUSSELS), _ms(2023, 6, 1, _BRUSSELS))
    yield Search(
        {"q": "summit", "from": "2023-05", "to": "2023-05", "tz": "Europe/Brussels"}, all_of(word("summit"), may)
    )
    yield Search({"q": "president", "from": "2023-02-06", "to": "2023-02-06"},
                 all_of(president, between(_ms(2023, 2, 6), _ms(2023, 2, 7))))  # fmt: skip
    yield Search(
        {"q": "president", "from": "2023-10", "sort": "newest"}, all_of(president, between(_ms(2023, 10, 1), FOREVER))
    )
    yield Search({"from": "2023-05", "to": "2023-05", "tz": "Europe/Brussels"}, may)
    yield Search({"from": "2023-07-01", "sort": "oldest"}, between(_ms(2023, 7, 1), FOREVER))
    yield Search({}, everything())
    yield Search({"sort": "oldest", "size": "200"}, everything())
    yield Search({"q": "president", "sort": "newest"}, president)
    yield Search({"q": "police", "sort": "oldest", "size": "100"}, word("police"))
    yield Search({"q": "police", "lang": "en"}, all_of(word("police"), exactly("lang", "en")))
    yield Search(
        {"q": "police", "feed": _GUARDIAN, "sort": "newest"},
        all_of(word("police"), exactly("feed", _GUARDIAN)),
    )
    yield Search({"feed": f"-{_GUARDIAN}", "size": "50"}, without(everything(), exactly("feed", _GUARDIAN)))


def _counted_and_marked() -> Iterator[Search]:
    yield Search({"q": "ukraine", "facets": "feed,lang"}, word("ukraine"))
    yield Search({"facets": "feed,lang", "size": "0"}, everything())
    yield Search({"q": "inflation", "facets": "feed", "from": "2023-03", "to": "2023-03"},
                 all_of(word("inflation"), between(_ms(2023, 3, 1), _ms(2023, 4, 1))))  # fmt: skip
    start, end = _ms(2023, 3, 1), _ms(2023, 5, 1)
    spring = {"from": "2023-03", "to": "2023-04", "histogram": "day"}
    yield Search({"q": "strike", **spring}, all_of(word("strike"), between(start, end)), _days(start, end))
    yield Search({**spring, "size": "0"}, between(start, end), _days(start, end))
    months = tuple(_ms(2023 + (n // 12), n % 12 + 1, 1) for n in range(13))
    year = between(months[0], months[-1])
    yield Search({"q": "heatwave OR wildfire", "from": "2023", "to": "2023", "histogram": "month", "facets": "feed"},
                 all_of(any_of(word("heatwave"), word("wildfire")), year), months)  # fmt: skip
    yield Search({"q": "nato summit vilnius", "highlight": "title,summary"},
                 all_of(word("nato"), word("summit"), word("vilnius")))  # fmt: skip
    yield Search(
        {"q": "flood* OR storm", "highlight": "title,summary", "size": "50"}, any_of(prefix("flood"), word("storm"))
    )
    yield Search({"q": "people", "size": "200"}, word("people"))


_WORDS = (
    ("ukraine", "ukraine"),
    ("the", "the"),
    ("Zelenskyy", "zelenskyy"),
    ("Mbappé", "mbappe"),
    ("wybory", "wybory"),
    ("Москва", "москва"),
    ("earthquakes", "earthquakes"),
)
"""Words as typed, and folded."""
