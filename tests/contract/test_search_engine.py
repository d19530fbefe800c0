"""Each sentence of the docstrings of `SearchEngine`, by its id, tested on every engine with no skip list."""

import random
import threading

import msgspec
import pytest

from newswire import analysis
from newswire.engines import RELEVANCE_DEPTH, Generations, ItemIndex, SearchEngine, StatusBoard
from newswire.engines.fields import tie_of
from newswire.engines.query import (
    And,
    FacetQuery,
    InField,
    Not,
    Nothing,
    Or,
    Phrase,
    Position,
    Prefix,
    RecencyBand,
    SearchQuery,
    Value,
    ValueFilter,
    Word,
)
from newswire.errors import EngineUnavailableError, IndexOutdatedError, IndexSchemaError
from newswire.model import Item, ItemWrite
from tests.factories import feed_status, item
from tests.support.contract_ids import Contract
from tests.support.engines import ENGINES, place_of

DAY = 86_400_000
contract = Contract()
PROTOCOLS = (SearchEngine, ItemIndex, Generations, StatusBoard)
DOCSTRINGS = [method.__doc__ for protocol in PROTOCOLS for method in vars(protocol).values() if callable(method)]
for text in (SearchEngine.__doc__, *DOCSTRINGS):
    contract.read_docstring(text or "")


def test_each_sentence_of_the_protocol_has_a_test() -> None:
    assert len(contract.promises) > 40
    contract.check()


@pytest.fixture(params=ENGINES)
def place(request, tmp_path, opensearch_nodes):
    """The place of an index: it opens engines on the index, and can damage the index."""
    made = place_of(request.param, tmp_path, opensearch_nodes)
    yield made
    made.close()


@pytest.fixture
def make(place):
    return place.open


@pytest.fixture
def engine(make):
    return make()


def put(engine, *items: Item, seq: int = 1, generation: int = 1):
    report = engine.index((ItemWrite(one, seq) for one in items), generation)
    engine.refresh()
    return report


def word(text: str) -> Word:
    return Word(analysis.tokens(text)[0], analysis.stem(analysis.tokens(text)[0]))


def titles(engine, node=None, **more) -> list[str]:
    query = SearchQuery(node=node, **{"size": 200, **more})
    return sorted(hit.item.title for hit in engine.search(query).hits)


def walk(engine, query: SearchQuery, each=None) -> list[str]:
    ids: list[str] = []
    while True:
        page = engine.search(query)
        ids += [hit.item.id for hit in page.hits]
        if each is not None:
            each()
        if page.next is None:
            return ids
        query = msgspec.structs.replace(query, after=page.next)


@contract.covers("SE-7")
def test_setup_makes_an_empty_index_and_keeps_a_full_one(engine, make) -> None:
    engine.setup()
    assert engine.generations() == [1]
    assert (engine.search(SearchQuery()).total, engine.statuses(), engine.count(1)) == (0, [], 0)
    put(engine, item(1, "stays"))
    make().setup()
    assert titles(engine) == ["stays"]
    put(engine, item(1, "stays too"), generation=2)
    engine.swap(2)
    engine.drop(1)
    engine.setup()
    assert engine.generations() == [2]
    assert titles(engine) == ["stays too"]


# --- writing ---


def test_empty_engine_finds_nothing(engine) -> None:
    page = engine.search(SearchQuery(facets=(FacetQuery("feed"),), edges=(0, 1, 2)))
    assert (page.hits, page.total, page.next, page.histogram) == ((), 0, None, (0, 0))
    assert engine.get(["x"]) == {}
    assert engine.statuses() == []
    assert engine.span(SearchQuery()) is None
    assert engine.generation() == 1
    assert engine.count(1) == 0


@contract.covers("SE-8", "SE-39", "SE-36")
def test_item_is_returned_unchanged(engine) -> None:
    whole = item(
        1,
        "Titel",
        summary="s",
        content="c" * 500,
        authors=("A",),
        categories=("X", "Y"),
        lang="en-us",
        updated=5,
        date_flags=("midnight",),
        published=-5_000_000_000_000,
    )
    put(engine, whole)
    assert engine.get([whole.id, "none"]) == {whole.id: whole}
    assert engine.search(SearchQuery(with_content=True)).hits[0].item == whole
    assert engine.search(SearchQuery()).hits[0].item == msgspec.structs.replace(whole, content="")


@contract.covers("SE-10")
def test_highest_seq_wins_in_any_order(engine) -> None:
    rng = random.Random(1)
    writes = [ItemWrite(item(n % 20, f"v{seq}"), seq) for n in range(20) for seq in range(1, 9)]
    rng.shuffle(writes)
    for start in range(0, len(writes), 23):
        engine.index(writes[start : start + 23] * 2, 1)
    engine.refresh()
    assert titles(engine) == ["v8"] * 20


def test_highest_seq_wins_in_concurrent_deliveries(make) -> None:
    versions = [ItemWrite(item(n, f"v{seq}"), seq) for n in range(15) for seq in range(1, 7)]
    failed: list[BaseException] = []

    def deliver(number: int) -> None:
        rng, engine = random.Random(number), make()
        ours = versions * 2
        rng.shuffle(ours)
        try:
            for start in range(0, len(ours), 60):
                report = engine.index(ours[start : start + 60], 1)
                assert (report.written + report.outdated, report.refused) == (60, ())
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=deliver, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    engine = make()
    engine.refresh()
    assert titles(engine) == ["v6"] * 15
    assert engine.count(1) == 15


@contract.covers("SE-11", "SE-10")
def test_equal_seq_replaces_and_resend_changes_nothing(engine) -> None:
    put(engine, item(1, "one"))
    assert put(engine, item(1, "again")).written == 1
    put(engine, item(1, "again"))
    assert titles(engine) == ["again"]
    assert engine.search(SearchQuery()).total == 1


def test_lower_seq_is_reported_as_outdated(engine) -> None:
    put(engine, item(1, "new"), seq=5)
    report = put(engine, item(1, "old"), seq=4)
    assert (report.written, report.outdated, report.refused) == (0, 1, ())
    assert titles(engine) == ["new"]


@contract.covers("SE-9")
def test_failing_source_leaves_no_partial_write(engine) -> None:
    def broken():
        for n in range(100):
            yield ItemWrite(item(n), 1)
        raise KeyError("the source broke")

    with pytest.raises(KeyError):
        engine.index(broken(), 1)
    engine.refresh()
    assert engine.search(SearchQuery()).total == 0
    put(engine, item(1))


@contract.covers("SE-3")
def test_concurrent_writers_lose_nothing(make) -> None:
    engines = [make() for _ in range(3)]

    def write(n: int) -> None:
        for part in range(4):
            engines[n].index([ItemWrite(item(n * 1000 + part * 10 + k), 1) for k in range(10)], 1)

    threads = [threading.Thread(target=write, args=(n,)) for n in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    engines[0].refresh()
    assert engines[0].search(SearchQuery()).total == 120


@contract.covers("SE-14")
def test_delete_feed_deletes_only_its_items(engine) -> None:
    put(engine, item(1, "stays"), item(2, "goes", feed="other"))
    engine.delete_feed("other", 1)
    engine.delete_feed("other", 9)
    engine.refresh()
    assert titles(engine) == ["stays"]


@contract.covers("SE-15")
def test_deleted_feed_can_return_with_a_lower_seq(engine) -> None:
    put(engine, item(1, "before"), item(2, "before"), seq=7)
    engine.delete_feed("news", 1)
    report = put(engine, item(1, "after"), seq=1)
    assert (report.written, report.outdated) == (1, 0)
    assert titles(engine) == ["after"]


@contract.covers("SE-16")
def test_refresh_shows_writes_of_another_process(make) -> None:
    one, other = make(), make()
    put(one, item(1, "a"))
    assert titles(other) == ["a"]
    put(one, item(2, "b"))
    other.refresh()
    assert titles(other) == ["a", "b"]


@contract.covers("SE-12")
def test_refused_item_does_not_block_the_others(engine) -> None:
    report = put(engine, item(1, "before"), item(2, "too late", published=1 << 70), item(3, "after"))
    assert (report.written, [one.id for one in report.refused]) == (2, [item(2).id])
    assert report.refused[0].reason
    assert titles(engine) == ["after", "before"]


@contract.covers("SE-1")
def test_statuses_are_separate_from_items_and_generations(engine) -> None:
    put(engine, item(1))
    engine.publish([feed_status("news", 1)])
    assert engine.search(SearchQuery()).total == 1
    put(engine, item(1), generation=2)
    engine.swap(2)
    engine.drop(1)
    assert [one.id for one in engine.statuses()] == ["news"]


# --- statuses ---


@contract.covers("SE-17", "SE-41")
def test_status_with_the_highest_rev_wins(engine) -> None:
    engine.publish([feed_status("a", 5, title="five"), feed_status("b", 1)])
    engine.publish([feed_status("a", 4, title="four")])
    engine.publish([feed_status("a", 6, title="six")])
    assert [(one.id, one.title) for one in engine.statuses()] == [("a", "six"), ("b", "")]
    assert [one.id for one in engine.statuses(["b", "none"])] == ["b"]


@contract.covers("SE-17")
def test_older_status_does_not_restore_a_deleted_one(engine) -> None:
    engine.publish([feed_status("a", 5)])
    engine.publish([feed_status("a", 6, deleted=True)])
    engine.publish([feed_status("a", 5)])
    assert engine.statuses() == []
    engine.publish([feed_status("a", 7)])
    assert len(engine.statuses()) == 1


@contract.covers("SE-41")
def test_statuses_of_another_process_are_seen_at_once(make) -> None:
    one, other = make(), make()
    one.publish([feed_status("a", 1, title="first")])
    assert [status.title for status in other.statuses()] == ["first"]
    one.publish([feed_status("a", 2, title="second"), feed_status("b", 1)])
    assert [(status.id, status.title) for status in other.statuses()] == [("a", "second"), ("b", "")]
    other.publish([feed_status("b", 2, deleted=True)])
    assert [status.id for status in one.statuses()] == ["a"]


@contract.covers("SE-37")
def test_search_returns_statuses_of_the_filtered_feeds(engine) -> None:
    def beside(*filters: ValueFilter, wanted: bool = True) -> list[str]:
        query = SearchQuery(filters=filters, with_statuses=wanted)
        return [one.id for one in engine.search(query).statuses]

    assert beside() == []
    engine.publish([feed_status(feed, 1) for feed in "bca"])
    assert beside() == ["a", "b", "c"]  # nothing was indexed yet
    put(engine, item(1))
    assert beside() == ["a", "b", "c"]
    assert beside(ValueFilter("feed", ("b", "none"))) == ["b"]
    assert beside(ValueFilter("feed", ("b",), ("c",))) == ["b", "c"]
    assert beside(ValueFilter("feed", (), ("c",)), ValueFilter("lang", ("en",))) == ["a", "b", "c"]
    assert beside(wanted=False) == []


def test_all_of_many_statuses_are_returned(engine) -> None:
    engine.publish([feed_status(f"feed-{n:05}", 1) for n in range(2345)])
    wanted = [f"feed-{n:05}" for n in range(2345)]
    assert [one.id for one in engine.statuses()] == wanted
    assert [one.id for one in engine.search(SearchQuery(with_statuses=True)).statuses] == wanted


@contract.covers("SE-18")
def test_published_status_is_not_ahead_of_the_items(make) -> None:
    writer, reader = make(), make()
    for n in range(3):
        writer.index([ItemWrite(item(n), 1)], 1)
        writer.publish([feed_status("news", n + 1)])
        page = reader.search(SearchQuery(with_statuses=True))
        assert (page.total, page.statuses[0].rev) == (n + 1, n + 1)


# --- generations ---


@contract.covers("SE-6", "SE-13", "SE-20", "SE-21", "SE-23", "SE-19")
def test_searches_see_only_the_current_generation(engine) -> None:
    put(engine, item(1, "old"))
    put(engine, item(1, "new"), generation=2)
    assert engine.generations() == [1, 2]
    assert (titles(engine), engine.count(2)) == (["old"], 1)
    engine.swap(2)
    assert (titles(engine), engine.generation()) == (["new"], 2)
    engine.drop(1)
    engine.drop(1)
    assert engine.generations() == [2]


def test_later_generation_is_not_seen_before_its_swap(engine) -> None:
    put(engine, item(1, "half"), generation=2)
    assert (titles(engine), engine.generation(), engine.generations()) == ([], 1, [2])
    put(engine, item(2, "whole"), generation=2)
    engine.swap(2)
    assert (titles(engine), engine.generation()) == (["half", "whole"], 2)


@contract.covers("SE-22")
def test_current_generation_is_not_dropped(engine) -> None:
    put(engine, item(1))
    with pytest.raises(ValueError, match="not dropped"):
        engine.drop(1)


# --- queries ---


@pytest.fixture
def library(engine):
    put(
        engine,
        item(1, "Baltic exercise begins", summary="Ships train for a week."),
        item(2, "Summit in Vilnius", summary="An air policing mission was agreed", content="Deep inside: exercises"),
        item(3, "Ćwiczenie na Bałtyku", lang="pl", summary="exercising is not stemmed here"),
        item(4, "F-16 arrives", categories=("Air Force", "News"), authors=("Zoë Müller",), lang="en-us"),
        item(5, "Air", summary="Policing the sky", feed="other", lang="en"),
        item(6, "北京大学", lang="zh"),
    )
    return engine


@contract.covers("SE-25")
def test_word_matches_by_stem_in_all_text_fields(library) -> None:
    assert titles(library, word("exercise")) == ["Baltic exercise begins", "Summit in Vilnius"]


@contract.covers("SE-25")
def test_item_in_another_language_has_no_stems(library) -> None:
    assert titles(library, word("exercising")) == [
        "Baltic exercise begins",
        "Summit in Vilnius",
        "Ćwiczenie na Bałtyku",
    ]


@contract.covers("SE-25")
def test_words_of_a_query_may_match_different_fields(library) -> None:
    assert titles(library, And((word("summit"), word("policing"), word("inside")))) == ["Summit in Vilnius"]


@contract.covers("SE-25")
def test_phrase_matches_in_order_within_one_field(library) -> None:
    assert titles(library, Phrase(("air", "policing"))) == ["Summit in Vilnius"]
    assert titles(library, Phrase(("policing", "air"))) == []
    assert titles(library, Phrase(("f", "16"))) == ["F-16 arrives"]
    assert titles(library, Phrase(("北", "京"))) == ["北京大学"]


@contract.covers("SE-25")
def test_prefix_matches_the_start_of_a_token(library) -> None:
    assert titles(library, Prefix("bal")) == ["Baltic exercise begins", "Ćwiczenie na Bałtyku"]


@contract.covers("SE-24")
def test_or_not_and_nothing(library) -> None:
    assert titles(library, Or((word("vilnius"), word("ships")))) == ["Baltic exercise begins", "Summit in Vilnius"]
    assert titles(library, And((word("air"), Not(word("summit"))))) == ["Air"]
    assert len(titles(library, Not(word("air")))) == 4
    assert titles(library, Nothing()) == []


@contract.covers("SE-25")
def test_in_field_matches_only_that_field(library) -> None:
    assert titles(library, InField("title", word("air"))) == ["Air"]
    assert titles(library, InField("content", word("exercise"))) == ["Summit in Vilnius"]
    assert titles(library, InField("category", word("air"))) == ["F-16 arrives"]
    assert titles(library, InField("author", word("zoe"))) == ["F-16 arrives"]
    assert titles(library, InField("summary", Phrase(("air", "policing")))) == ["Summit in Vilnius"]


@contract.covers("SE-26")
def test_values_compare_whole_and_folded(library) -> None:
    assert titles(library, Value("feed", "other")) == ["Air"]
    assert titles(library, None, filters=(ValueFilter("category", ("air force",)),)) == ["F-16 arrives"]
    assert titles(library, None, filters=(ValueFilter("category", ("air",)),)) == []
    assert titles(library, None, filters=(ValueFilter("author", ("zoe muller",)),)) == ["F-16 arrives"]
    assert titles(library, None, filters=(ValueFilter("lang", ("en",)),)) == ["Air", "F-16 arrives"]
    assert titles(library, None, filters=(ValueFilter("lang", ("en-us",)),)) == ["F-16 arrives"]
    assert len(titles(library, None, filters=(ValueFilter("feed", (), ("other",)),))) == 5


@pytest.mark.parametrize("text", ["हिन्दी समाचार", "ภาษาไทย", "ไก่", "தமிழ்", "ខ្មែរ", "ကျော်", "ӥԁԋ", "χⱷ", "𐐷𐐷", "a१b२"])
def test_prefix_of_any_script_is_found(engine, text: str) -> None:
    put(engine, item(1, text), item(2, "other"))
    for token in analysis.tokens(text):
        for length in range(1, len(token) + 1):
            assert titles(engine, Prefix(token[:length])) == [text], token[:length]


def test_exclusions_hold_in_every_combination(library) -> None:
    everything = titles(library)
    air, baltic = word("air"), word("baltic")
    without = [title for title in everything if title not in {"Summit in Vilnius", "Air"}]
    assert titles(library, Not(air)) == without
    assert titles(library, And((Not(air), Not(baltic)))) == [one for one in without if one != "Baltic exercise begins"]
    assert titles(library, Or((Not(air), Not(baltic)))) == everything
    assert titles(library, Or((Not(air), Not(word("policing"))))) == without
    assert titles(library, Or((word("sky"), Not(air), Not(word("policing"))))) == sorted([*without, "Air"])


@contract.covers("SE-28")
def test_range_is_half_open(library) -> None:
    ids = [hit.item.published // DAY for hit in library.search(SearchQuery(start=2 * DAY, end=4 * DAY)).hits]
    assert ids == [3, 2]


@contract.covers("SE-27")
def test_item_without_the_date_is_not_found(engine) -> None:
    put(engine, item(1, "without"), item(2, "with", updated=7))
    assert titles(engine, date_field="updated") == ["with"]
    assert engine.search(SearchQuery(date_field="updated", end=99)).total == 1
    assert engine.span(SearchQuery(date_field="updated")) == (7, 7)


# --- order ---


@contract.covers("SE-29", "SE-31")
@pytest.mark.parametrize("sort", ["newest", "oldest"])
def test_pages_by_date_are_in_a_total_order(engine, sort: str) -> None:
    items = [item(n, published=(n // 40) * DAY) for n in range(200)]
    put(engine, *items)
    ids = walk(engine, SearchQuery(sort=sort, size=7))
    sign = -1 if sort == "newest" else 1
    assert ids == [one.id for one in sorted(items, key=lambda one: (sign * one.published, tie_of(one.id)))]


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
    assert [id_ for id_ in ids if id_ in {one.id for one in items}].__len__() == 150
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


@contract.covers("SE-38")
def test_version_changes_whenever_the_index_does(engine) -> None:
    put(engine, item(1))
    first = engine.search(SearchQuery()).version
    assert engine.search(SearchQuery(size=1)).version == first
    put(engine, item(2))
    second = engine.search(SearchQuery()).version
    put(engine, item(1), generation=2)
    engine.swap(2)
    assert len({first, second, engine.search(SearchQuery()).version}) == 3


# --- counts ---


@contract.covers("SE-35")
def test_facets_count_all_in_their_most_common_spelling(engine) -> None:
    put(
        engine,
        item(1, categories=("NATO",)),
        item(2, categories=("NATO", "Nato")),
        item(3, categories=("nato", "Air")),
        item(4, categories=("Sea",)),
        item(5),
    )
    facet = engine.search(SearchQuery(size=1, facets=(FacetQuery("category", 1),))).facets[0]
    assert [(one.value, one.count) for one in facet.values] == [("NATO", 3)]
    assert (facet.other, facet.missing, facet.exact) == (2, 1, True)


@contract.covers("SE-35", "SE-40")
def test_histogram_counts_add_up(engine) -> None:
    put(engine, *[item(n) for n in range(10)])
    page = engine.search(SearchQuery(start=0, end=10 * DAY, edges=(0, 3 * DAY, 4 * DAY, 4 * DAY + 1, 10 * DAY)))
    assert page.histogram == (3, 1, 1, 5)
    assert engine.span(SearchQuery()) == (0, 9 * DAY)


# --- errors ---


@contract.covers("SE-2")
def test_constructing_an_engine_opens_nothing(make, place) -> None:
    make()
    assert place.is_untouched()


@contract.covers("SE-4", "SE-42")
def test_damaged_index_is_unavailable_and_unhealthy(engine, make, place) -> None:
    put(engine, item(1))
    engine.publish([feed_status("a", 1)])
    engine.close()
    place.damage()
    broken = make()
    assert not broken.info().healthy
    for call in (
        lambda: broken.search(SearchQuery()),
        lambda: broken.get(["x"]),
        lambda: broken.count(1),
        lambda: broken.refresh(),
        lambda: broken.span(SearchQuery()),
        lambda: put(broken, item(2)),
        lambda: broken.delete_feed("news", 1),
    ):
        with pytest.raises(EngineUnavailableError, match=place.advice):
            call()
    broken.close()


@contract.covers("SE-5")
@pytest.mark.parametrize(("by", "error"), [(-1, IndexOutdatedError), (1, IndexSchemaError)])
def test_index_of_another_schema_is_not_read(engine, make, place, by: int, error: type) -> None:
    put(engine, item(1))
    engine.close()
    place.change_schema(by)
    other = make()
    for call in (
        lambda: other.search(SearchQuery()),
        lambda: other.get(["x"]),
        lambda: other.span(SearchQuery()),
        lambda: put(other, item(2)),
        lambda: other.setup(),
    ):
        with pytest.raises(error) as raised:
            call()
        assert type(raised.value) is error
    put(other, item(3, "anew"), generation=2)
    other.swap(2)
    assert titles(other) == ["anew"]


@contract.covers("SE-43")
def test_healthy_engine_can_be_closed_and_reopened(engine) -> None:
    put(engine, item(1, "x"))
    engine.close()
    assert titles(engine) == ["x"]
    assert engine.info().healthy
