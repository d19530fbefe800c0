"""Test the docstrings of `ItemIndex` on every engine: the order of the found items, and their pages."""

import random
from typing import Literal

import msgspec
import pytest

from newswire.clock import DAY
from newswire.engines import RELEVANCE_DEPTH
from newswire.engines.fields import tie_of
from newswire.engines.query import (
    And,
    Not,
    Or,
    Position,
    Prefix,
    RecencyBand,
    SearchQuery,
    Value,
    ValueFilter,
    Word,
)
from tests.contract.engine.contract import contract
from tests.contract.engine.writing import put, walk, word
from tests.factories import item


@contract.covers("SE-29", "SE-31")
@pytest.mark.parametrize("sort", ["newest", "oldest"])
def test_pages_by_date_are_in_a_total_order(engine, sort: Literal["newest", "oldest"]) -> None:
    items = [item(n, published=(n // 40) * DAY) for n in range(200)]
    put(engine, *items)
    ids = walk(engine, SearchQuery(sort=sort, size=7))
    sign = -1 if sort == "newest" else 1
    assert ids == [item.id for item in sorted(items, key=lambda item: (sign * item.published, tie_of(item.id)))]


@contract.covers("SE-32")
def test_pages_by_date_hold_while_items_are_added(engine) -> None:
    rng = random.Random(2)
    items = [item(n, published=rng.randrange(20) * DAY) for n in range(150)]
    put(engine, *items)
    number = iter(range(1000, 9000))
    ids = walk(
        engine,
        SearchQuery(sort="newest", size=11),
        lambda: put(engine, *[item(next(number), published=rng.randrange(20) * DAY) for _ in range(5)]),
    )
    assert [id_ for id_ in ids if id_ in {item.id for item in items}].__len__() == 150
    assert len(set(ids)) == len(ids)


def test_items_of_one_instant_are_each_given_once(engine) -> None:
    put(engine, *[item(n, published=DAY) for n in range(500)])
    ids = walk(engine, SearchQuery(size=60))
    assert len(ids) == len(set(ids)) == 500


@contract.covers("SE-30")
def test_relevance_gives_the_best_first_on_every_page(engine) -> None:
    put(
        engine, item(1, "tank", summary="x"), item(2, "news", summary="a tank among very many other words of a summary")
    )
    put(engine, *[item(n, "filler words only") for n in range(3, 30)])
    page = engine.search(SearchQuery(node=word("tank"), sort="relevance"))
    assert [hit.item.title for hit in page.hits] == ["tank", "news"]
    assert page.hits[0].score > page.hits[1].score > 0
    assert len(walk(engine, SearchQuery(node=word("filler"), sort="relevance", size=4))) == 27


WIDE_CHOICE = Or((Prefix("ta"), Prefix("sh"), *(Word(f"none{n}", f"none{n}") for n in range(8))))


@contract.covers("SE-29")
@pytest.mark.parametrize("bands", [(), (RecencyBand(900 * DAY, 1.5), RecencyBand(400 * DAY, 1.25))])
@pytest.mark.parametrize(
    "node",
    [Prefix("ta"), And((Prefix("ta"), Not(word("ship")))), word("tank"), Or((word("tank"), Prefix("sh"))), WIDE_CHOICE],
    ids=["prefix", "constants", "word", "choice", "wide choice"],
)
def test_equal_scores_are_ordered_by_tie_on_every_page(engine, node, bands) -> None:
    for part in range(3):  # three segments, in which documents do not lie in the order of anything
        put(engine, *[item(n, "tank" if n % 3 else "ship") for n in range(part, 1200, 3)])
    hits = engine.search(SearchQuery(node=node, sort="relevance", size=2000, recency=bands)).hits
    groups = [(round(-hit.score, 4), tie_of(hit.item.id)) for hit in hits]
    assert len(hits) >= 800
    assert groups == sorted(groups)
    for size in (7, 350):
        query = SearchQuery(node=node, sort="relevance", size=size, recency=bands)
        pages = [engine.search(query)]
        while pages[-1].next and len(pages) < 9:
            pages.append(engine.search(msgspec.structs.replace(query, after=pages[-1].next)))
        ids = [hit.item.id for page in pages for hit in page.hits]
        assert ids == [hit.item.id for hit in hits[: len(ids)]]


@contract.covers("SE-34")
def test_total_is_exact_and_size_0_gives_only_counts(engine) -> None:
    put(engine, *[item(n) for n in range(321)])
    page = engine.search(SearchQuery(size=0))
    assert (page.total, page.hits, page.next) == (321, (), None)
    after = engine.search(SearchQuery(size=5, after=Position(value=100 * DAY, tie=-1)))
    assert after.total == 321


@contract.covers("SE-30")
@pytest.mark.parametrize("wide", [False, True])
def test_scores_are_multiplied_by_their_band_factor(engine, wide: bool) -> None:
    put(engine, *[item(n, "tank", published=n * DAY) for n in range(0, 100, 10)], item(500, "filler"))
    node = Or((word("tank"), *(word(f"none{n}") for n in range(20 if wide else 1))))
    plain = engine.search(SearchQuery(node=node, sort="relevance", size=50)).hits
    assert len({hit.score for hit in plain}) == 1
    bands = (RecencyBand(80 * DAY, 1.5), RecencyBand(40 * DAY, 1.25))
    hits = engine.search(SearchQuery(node=node, sort="relevance", size=50, recency=bands)).hits
    factors = [round(hit.score / plain[0].score, 5) for hit in hits]
    assert factors == [1.5] * 2 + [1.25] * 4 + [1.0] * 4
    assert {hit.item.published // DAY for hit in hits[:2]} == {80, 90}
    pages = walk(engine, SearchQuery(node=node, sort="relevance", size=3, recency=bands))
    assert pages == [hit.item.id for hit in hits]


@contract.covers("SE-30")
def test_filters_and_exclusions_do_not_score(library) -> None:
    def score(node, **more) -> float:
        return library.search(SearchQuery(node=node, sort="relevance", **more)).hits[0].score

    alone = score(word("vilnius"))
    assert score(And((word("vilnius"), Not(word("baltic"))))) == alone
    assert score(And((word("vilnius"), Value("feed", "news")))) == alone
    assert score(word("vilnius"), filters=(ValueFilter("feed", ("news",)),), start=0, end=9 * DAY) == alone
    assert score(Prefix("viln")) == score(Prefix("ba")) > 0


@contract.covers("SE-30")
def test_wide_query_of_equal_scores_is_paged_by_band(engine) -> None:
    put(engine, *[item(n, "tank" if n % 2 else "ship", published=n * DAY) for n in range(60)])
    wide = Or((Prefix("ta"), *(Prefix(f"none{n}") for n in range(7)), Not(word("tank"))))
    bands = (RecencyBand(50 * DAY, 1.5), RecencyBand(30 * DAY, 1.25))
    hits = engine.search(SearchQuery(node=wide, sort="relevance", size=60, recency=bands)).hits
    assert len(hits) == 60
    assert [hit.item.title for hit in hits] == ["tank"] * 30 + ["ship"] * 30
    assert [hit.item.published >= 50 * DAY for hit in hits[:5]] == [True] * 5
    pages = walk(engine, SearchQuery(node=wide, sort="relevance", size=7, recency=bands))
    assert pages == [hit.item.id for hit in hits]


@contract.covers("SE-33")
def test_relevance_ends_at_its_depth(engine) -> None:
    put(engine, *[item(n, "filler words") for n in range(RELEVANCE_DEPTH + 50)])
    ids = walk(engine, SearchQuery(node=word("filler"), sort="relevance", size=3_000))
    assert len(ids) == len(set(ids)) == RELEVANCE_DEPTH
    assert engine.search(SearchQuery(node=word("filler"), sort="relevance")).total == RELEVANCE_DEPTH + 50
