"""The contract of `SearchEngine`: each sentence of its docstrings, run against every engine with no skip list."""

import random
import threading

import msgspec
import pytest

from newswire import analysis
from newswire.engines import RELEVANCE_DEPTH, SearchEngine
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
from newswire.ingest.item import item_id
from newswire.model import FeedStatus, Item, ItemWrite
from tests.support.engines import ENGINES, place_of
from tests.support.said import Contract, sentences

DAY = 86_400_000
CONTRACT = Contract()
says = CONTRACT.says


def test_every_sentence_of_the_protocol_has_its_test() -> None:
    texts = [SearchEngine.__doc__, *(one.__doc__ for one in vars(SearchEngine).values() if callable(one))]
    CONTRACT.check([one for text in texts if text for one in sentences(text)])


@pytest.fixture(params=ENGINES)
def place(request, tmp_path, opensearch_nodes):
    """Where an index of one of the engines lies: it opens engines, and can do to the index what engines can't."""
    made = place_of(request.param, tmp_path, opensearch_nodes)
    yield made
    made.close()


@pytest.fixture
def make(place):
    return place.open


@pytest.fixture
def engine(make):
    return make()


def item(number: int, title: str = "", **more) -> Item:
    fields = {
        "id": item_id(str(number)),
        "feed": "news",
        "title": title,
        "link": f"https://a.example/{number}",
        "summary": "",
        "content": "",
        "authors": (),
        "categories": (),
        "lang": None,
        "published": number * DAY,
        "published_source": "pubDate",
        "published_precision": "second",
        "published_raw": None,
        "date_flags": (),
        "updated": None,
        "changed": number * DAY,
        "first_seen": number * DAY,
        "revision": 1,
    } | more
    return msgspec.convert(fields, Item)


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


@says("Make what is not there yet: an index that nothing was written to, and its place; what is there stays.")
def test_setting_up_makes_an_empty_index_and_changes_nothing_that_is_there(engine, make) -> None:
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


def test_an_engine_with_nothing_in_it_answers_with_nothing(engine) -> None:
    page = engine.search(SearchQuery(facets=(FacetQuery("feed"),), edges=(0, 1, 2)))
    assert (page.hits, page.total, page.next, page.histogram) == ((), 0, None, (0, 0))
    assert engine.get(["x"]) == {}
    assert engine.statuses() == []
    assert engine.span(SearchQuery()) is None
    assert engine.generation() == 1
    assert engine.count(1) == 0


@says(
    "Write whole items into a generation, durably when it returns.",
    "Give those of the items that exist, with their content.",
    "Content is in the items where `with_content` asks for it.",
)
def test_an_item_comes_back_whole(engine) -> None:
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


@says(
    "Of one item the write with the higher `seq` stays, whatever the order in which they come; an equal one replaces.",
)
def test_the_write_with_the_higher_seq_stays_whatever_the_order(engine) -> None:
    rng = random.Random(1)
    writes = [ItemWrite(item(n % 20, f"v{seq}"), seq) for n in range(20) for seq in range(1, 9)]
    rng.shuffle(writes)
    for start in range(0, len(writes), 23):
        engine.index(writes[start : start + 23] * 2, 1)
    engine.refresh()
    assert titles(engine) == ["v8"] * 20


def test_deliveries_that_are_shuffled_doubled_and_concurrent_end_with_the_highest_seq(make) -> None:
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


@says(
    "Writing the same again changes nothing that a search can see.",
    "Of one item the write with the higher `seq` stays, whatever the order in which they come; an equal one replaces.",
)
def test_an_equal_seq_replaces_and_a_re_send_changes_nothing(engine) -> None:
    put(engine, item(1, "one"))
    assert put(engine, item(1, "again")).written == 1
    put(engine, item(1, "again"))
    assert titles(engine) == ["again"]
    assert engine.search(SearchQuery()).total == 1


def test_a_lower_seq_is_outdated_and_nothing_to_worry_about(engine) -> None:
    put(engine, item(1, "new"), seq=5)
    report = put(engine, item(1, "old"), seq=4)
    assert (report.written, report.outdated, report.refused) == (0, 1, ())
    assert titles(engine) == ["new"]


@says(
    "The writes are taken one by one, so that they need not fit into memory.",
)
def test_writes_are_taken_one_by_one_and_a_failing_source_leaves_nothing_half_done(engine) -> None:
    def broken():
        for n in range(100):
            yield ItemWrite(item(n), 1)
        raise KeyError("the source broke")

    with pytest.raises(KeyError):
        engine.index(broken(), 1)
    engine.refresh()
    assert engine.search(SearchQuery()).total == 0
    put(engine, item(1))


@says(
    "Every method may be called from several threads and processes at once, and raises nothing but the errors under `EngineError` and, for a local engine, `DataError`.",
)
def test_many_writers_at_once_lose_nothing(make) -> None:
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


@says(
    "Delete all items of a feed from a generation.",
)
def test_a_feed_can_be_deleted(engine) -> None:
    put(engine, item(1, "stays"), item(2, "goes", feed="other"))
    engine.delete_feed("other", 1)
    engine.delete_feed("other", 9)
    engine.refresh()
    assert titles(engine) == ["stays"]


@says("What is indexed afterwards is kept, whatever its `seq`.")
def test_a_feed_that_was_deleted_comes_back_with_lower_numbers(engine) -> None:
    put(engine, item(1, "before"), item(2, "before"), seq=7)
    engine.delete_feed("news", 1)
    report = put(engine, item(1, "after"), seq=1)
    assert (report.written, report.outdated) == (1, 0)
    assert titles(engine) == ["after"]


@says(
    "Make all that was indexed before this call visible to searches after it.",
)
def test_what_another_process_wrote_is_seen_after_a_refresh(make) -> None:
    one, other = make(), make()
    put(one, item(1, "a"))
    assert titles(other) == ["a"]
    put(one, item(2, "b"))
    other.refresh()
    assert titles(other) == ["a", "b"]


@says("An item that can't be kept is in the report as refused, with the reason, and holds nothing back.")
def test_an_item_that_cannot_be_kept_is_refused_and_holds_nothing_back(engine) -> None:
    report = put(engine, item(1, "before"), item(2, "too late", published=1 << 70), item(3, "after"))
    assert (report.written, [one.id for one in report.refused]) == (2, [item(2).id])
    assert report.refused[0].reason
    assert titles(engine) == ["after", "before"]


@says("Keeps items and feed statuses, and searches the items.")
def test_feed_statuses_are_no_items_and_belong_to_no_generation(engine) -> None:
    put(engine, item(1))
    engine.publish([status("news", 1)])
    assert engine.search(SearchQuery()).total == 1
    put(engine, item(1), generation=2)
    engine.swap(2)
    engine.drop(1)
    assert [one.id for one in engine.statuses()] == ["news"]


# --- statuses ---


def status(feed: str, rev: int, **more) -> FeedStatus:
    fields = dict.fromkeys(FeedStatus.__struct_fields__) | {
        "id": feed,
        "rev": rev,
        "title": "",
        "description": "",
        "link": "",
        "url": "",
        "kind": "",
        "items": 0,
        "behind": False,
        "fetches": (),
        "gaps": (),
        "refused_items": (),
        "deleted": False,
    }
    return msgspec.convert(fields | more, FeedStatus)


@says(
    "Keep the status of each feed; one with a lower `rev` than what is kept is passed over, one marked deleted goes.",
    "Give the published statuses of these feeds, or of all, by id.",
)
def test_the_status_with_the_highest_rev_stays(engine) -> None:
    engine.publish([status("a", 5, title="five"), status("b", 1)])
    engine.publish([status("a", 4, title="four")])
    engine.publish([status("a", 6, title="six")])
    assert [(one.id, one.title) for one in engine.statuses()] == [("a", "six"), ("b", "")]
    assert [one.id for one in engine.statuses(["b", "none"])] == ["b"]


@says(
    "Keep the status of each feed; one with a lower `rev` than what is kept is passed over, one marked deleted goes.",
)
def test_a_deleted_status_goes_and_an_older_one_does_not_bring_it_back(engine) -> None:
    engine.publish([status("a", 5)])
    engine.publish([status("a", 6, deleted=True)])
    engine.publish([status("a", 5)])
    assert engine.statuses() == []
    engine.publish([status("a", 7)])
    assert len(engine.statuses()) == 1


@says(
    "Give the published statuses of these feeds, or of all, by id.",
)
def test_what_another_process_publishes_is_seen_at_the_next_look(make) -> None:
    one, other = make(), make()
    one.publish([status("a", 1, title="first")])
    assert [status.title for status in other.statuses()] == ["first"]
    one.publish([status("a", 2, title="second"), status("b", 1)])
    assert [(status.id, status.title) for status in other.statuses()] == [("a", "second"), ("b", "")]
    other.publish([status("b", 2, deleted=True)])
    assert [status.id for status in one.statuses()] == ["a"]


@says(
    "Where `with_statuses` asks for them, the statuses of the feeds that the `feed` filters name are with them, or all "
    "if these name none to let through."
)
def test_an_answer_has_the_statuses_of_the_feeds_that_its_filters_name(engine) -> None:
    def beside(*filters: ValueFilter, wanted: bool = True) -> list[str]:
        query = SearchQuery(filters=filters, with_statuses=wanted)
        return [one.id for one in engine.search(query).statuses]

    assert beside() == []
    engine.publish([status(feed, 1) for feed in "bca"])
    assert beside() == ["a", "b", "c"]  # nothing was indexed yet
    put(engine, item(1))
    assert beside() == ["a", "b", "c"]
    assert beside(ValueFilter("feed", ("b", "none"))) == ["b"]
    assert beside(ValueFilter("feed", ("b",), ("c",))) == ["b", "c"]
    assert beside(ValueFilter("feed", (), ("c",)), ValueFilter("lang", ("en",))) == ["a", "b", "c"]
    assert beside(wanted=False) == []


def test_more_statuses_than_fit_into_one_answer_are_all_given(engine) -> None:
    engine.publish([status(f"feed-{n:05}", 1) for n in range(2345)])
    wanted = [f"feed-{n:05}" for n in range(2345)]
    assert [one.id for one in engine.statuses()] == wanted
    assert [one.id for one in engine.search(SearchQuery(with_statuses=True)).statuses] == wanted


@says("No search sees a status before the items that were indexed before it.")
def test_a_published_status_is_not_ahead_of_the_items(make) -> None:
    writer, reader = make(), make()
    for n in range(3):
        writer.index([ItemWrite(item(n), 1)], 1)
        writer.publish([status("news", n + 1)])
        page = reader.search(SearchQuery(with_statuses=True))
        assert (page.total, page.statuses[0].rev) == (n + 1, n + 1)


# --- generations ---


@says(
    "Generations: an index has a number, and searches see the current one only, whole.",
    "A generation that does not exist is made; searches see the first one at once, any other one only after a swap.",
    "Give the numbers of all generations that exist, in order.",
    "Let searches see this generation from now on, in one step.",
    "Count the items of a generation that a search would see.",
    "Give the number of the generation that searches see; the first is 1.",
)
def test_searches_see_the_current_generation_only_and_a_swap_is_one_step(engine) -> None:
    put(engine, item(1, "old"))
    put(engine, item(1, "new"), generation=2)
    assert engine.generations() == [1, 2]
    assert (titles(engine), engine.count(2)) == (["old"], 1)
    engine.swap(2)
    assert (titles(engine), engine.generation()) == (["new"], 2)
    engine.drop(1)
    engine.drop(1)
    assert engine.generations() == [2]


def test_a_generation_that_is_built_where_there_was_none_is_not_seen_before_its_swap(engine) -> None:
    put(engine, item(1, "half"), generation=2)
    assert (titles(engine), engine.generation(), engine.generations()) == ([], 1, [2])
    put(engine, item(2, "whole"), generation=2)
    engine.swap(2)
    assert (titles(engine), engine.generation()) == (["half", "whole"], 2)


@says(
    "Delete a generation; nothing happens where it does not exist, and the current one raises `ValueError`.",
)
def test_the_current_generation_is_not_dropped(engine) -> None:
    put(engine, item(1))
    with pytest.raises(ValueError, match="not dropped"):
        engine.drop(1)


# --- finding ---


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


@says(
    "A word is found in title, summary and content together, by its folded form, or by its stem in items that have stems; a phrase in its order within one of them; a prefix by how tokens begin; within `InField` only there.",
)
def test_a_word_is_found_in_title_summary_and_content_and_by_its_stem(library) -> None:
    assert titles(library, word("exercise")) == ["Baltic exercise begins", "Summit in Vilnius"]


@says(
    "A word is found in title, summary and content together, by its folded form, or by its stem in items that have stems; a phrase in its order within one of them; a prefix by how tokens begin; within `InField` only there.",
)
def test_an_item_in_another_language_has_no_stems(library) -> None:
    assert titles(library, word("exercising")) == [
        "Baltic exercise begins",
        "Summit in Vilnius",
        "Ćwiczenie na Bałtyku",
    ]


@says(
    "A word is found in title, summary and content together, by its folded form, or by its stem in items that have stems; a phrase in its order within one of them; a prefix by how tokens begin; within `InField` only there.",
)
def test_every_word_may_stand_in_another_field(library) -> None:
    assert titles(library, And((word("summit"), word("policing"), word("inside")))) == ["Summit in Vilnius"]


@says(
    "A word is found in title, summary and content together, by its folded form, or by its stem in items that have stems; a phrase in its order within one of them; a prefix by how tokens begin; within `InField` only there.",
)
def test_a_phrase_stands_in_its_order_within_one_field(library) -> None:
    assert titles(library, Phrase(("air", "policing"))) == ["Summit in Vilnius"]
    assert titles(library, Phrase(("policing", "air"))) == []
    assert titles(library, Phrase(("f", "16"))) == ["F-16 arrives"]
    assert titles(library, Phrase(("北", "京"))) == ["北京大学"]


@says(
    "A word is found in title, summary and content together, by its folded form, or by its stem in items that have stems; a phrase in its order within one of them; a prefix by how tokens begin; within `InField` only there.",
)
def test_a_prefix_is_how_a_token_begins(library) -> None:
    assert titles(library, Prefix("bal")) == ["Baltic exercise begins", "Ćwiczenie na Bałtyku"]


@says(
    "Find items.",
)
def test_or_not_and_nothing(library) -> None:
    assert titles(library, Or((word("vilnius"), word("ships")))) == ["Baltic exercise begins", "Summit in Vilnius"]
    assert titles(library, And((word("air"), Not(word("summit"))))) == ["Air"]
    assert len(titles(library, Not(word("air")))) == 4
    assert titles(library, Nothing()) == []


@says(
    "A word is found in title, summary and content together, by its folded form, or by its stem in items that have stems; a phrase in its order within one of them; a prefix by how tokens begin; within `InField` only there.",
)
def test_words_within_a_field_are_looked_for_there_only(library) -> None:
    assert titles(library, InField("title", word("air"))) == ["Air"]
    assert titles(library, InField("content", word("exercise"))) == ["Summit in Vilnius"]
    assert titles(library, InField("category", word("air"))) == ["F-16 arrives"]
    assert titles(library, InField("author", word("zoe"))) == ["F-16 arrives"]
    assert titles(library, InField("summary", Phrase(("air", "policing")))) == ["Summit in Vilnius"]


@says(
    "Values compare whole and folded, and `lang=en` lets `en-US` through.",
)
def test_values_compare_whole_and_folded_and_a_language_lets_its_regions_through(library) -> None:
    assert titles(library, Value("feed", "other")) == ["Air"]
    assert titles(library, None, filters=(ValueFilter("category", ("air force",)),)) == ["F-16 arrives"]
    assert titles(library, None, filters=(ValueFilter("category", ("air",)),)) == []
    assert titles(library, None, filters=(ValueFilter("author", ("zoe muller",)),)) == ["F-16 arrives"]
    assert titles(library, None, filters=(ValueFilter("lang", ("en",)),)) == ["Air", "F-16 arrives"]
    assert titles(library, None, filters=(ValueFilter("lang", ("en-us",)),)) == ["F-16 arrives"]
    assert len(titles(library, None, filters=(ValueFilter("feed", (), ("other",)),))) == 5


@pytest.mark.parametrize("text", ["हिन्दी समाचार", "ภาษาไทย", "ไก่", "தமிழ்", "ខ្មែរ", "ကျော်", "ӥԁԋ", "χⱷ", "𐐷𐐷", "a१b२"])
def test_a_prefix_of_any_script_is_found(engine, text: str) -> None:
    put(engine, item(1, text), item(2, "other"))
    for token in analysis.tokens(text):
        for length in range(1, len(token) + 1):
            assert titles(engine, Prefix(token[:length])) == [text], token[:length]


def test_exclusions_hold_whatever_they_stand_beside(library) -> None:
    everything = titles(library)
    air, baltic = word("air"), word("baltic")
    without = [title for title in everything if title not in {"Summit in Vilnius", "Air"}]
    assert titles(library, Not(air)) == without
    assert titles(library, And((Not(air), Not(baltic)))) == [one for one in without if one != "Baltic exercise begins"]
    assert titles(library, Or((Not(air), Not(baltic)))) == everything
    assert titles(library, Or((Not(air), Not(word("policing"))))) == without
    assert titles(library, Or((word("sky"), Not(air), Not(word("policing"))))) == sorted([*without, "Air"])


@says(
    "The range is half-open.",
)
def test_a_range_is_half_open(library) -> None:
    ids = [hit.item.published // DAY for hit in library.search(SearchQuery(start=2 * DAY, end=4 * DAY)).hits]
    assert ids == [3, 2]


@says(
    "An item without the date of `date_field` is not found.",
)
def test_an_item_without_the_date_is_not_found_by_it(engine) -> None:
    put(engine, item(1, "without"), item(2, "with", updated=7))
    assert titles(engine, date_field="updated") == ["with"]
    assert engine.search(SearchQuery(date_field="updated", end=99)).total == 1
    assert engine.span(SearchQuery(date_field="updated")) == (7, 7)


# --- order ---


@says(
    "Every sort is a total order: equal dates and equal scores are settled by the item's `tie`.",
    "`size` items are given, fewer only at the end; `next` is where the next page begins, None at the end.",
)
@pytest.mark.parametrize("sort", ["newest", "oldest"])
def test_pages_by_date_give_each_item_once_in_a_total_order(engine, sort: str) -> None:
    items = [item(n, published=(n // 40) * DAY) for n in range(200)]
    put(engine, *items)
    ids = walk(engine, SearchQuery(sort=sort, size=7))
    sign = -1 if sort == "newest" else 1
    assert ids == [one.id for one in sorted(items, key=lambda one: (sign * one.published, tie_of(one.id)))]


@says(
    "Pages by date give each item once, also while others are added.",
)
def test_pages_by_date_stand_while_items_are_added(engine) -> None:
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


def test_many_items_of_one_instant_are_walked_once_each(engine) -> None:
    put(engine, *[item(n, published=DAY) for n in range(500)])
    ids = walk(engine, SearchQuery(size=60))
    assert len(ids) == len(set(ids)) == 500


@says(
    "`relevance` gives the best first, each score multiplied by the factor of the `recency` band that the item was published in; excluded words, values and filters do not score, and a prefix scores as a constant.",
)
def test_relevance_gives_the_best_first_with_scores_and_pages_on(engine) -> None:
    put(
        engine, item(1, "tank", summary="x"), item(2, "news", summary="a tank among very many other words of a summary")
    )
    put(engine, *[item(n, "filler words only") for n in range(3, 30)])
    page = engine.search(SearchQuery(node=word("tank"), sort="relevance"))
    assert [hit.item.title for hit in page.hits] == ["tank", "news"]
    assert page.hits[0].score > page.hits[1].score > 0
    assert len(walk(engine, SearchQuery(node=word("filler"), sort="relevance", size=4))) == 27


WIDE_CHOICE = Or((Prefix("ta"), Prefix("sh"), *(Word(f"none{n}", f"none{n}") for n in range(8))))


@says(
    "Every sort is a total order: equal dates and equal scores are settled by the item's `tie`.",
)
@pytest.mark.parametrize("bands", [(), (RecencyBand(900 * DAY, 1.5), RecencyBand(400 * DAY, 1.25))])
@pytest.mark.parametrize(
    "node",
    [Prefix("ta"), And((Prefix("ta"), Not(word("ship")))), word("tank"), Or((word("tank"), Prefix("sh"))), WIDE_CHOICE],
    ids=["prefix", "constants", "word", "choice", "wide choice"],
)
def test_equal_scores_are_in_the_order_of_their_ties_on_every_page(engine, node, bands) -> None:
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


@says(
    "The total is exact.",
)
def test_the_total_is_exact_and_size_0_gives_only_counts(engine) -> None:
    put(engine, *[item(n) for n in range(321)])
    page = engine.search(SearchQuery(size=0))
    assert (page.total, page.hits, page.next) == (321, (), None)
    after = engine.search(SearchQuery(size=5, after=Position(value=100 * DAY, tie=-1)))
    assert after.total == 321


@says(
    "`relevance` gives the best first, each score multiplied by the factor of the `recency` band that the item was "
    "published in; excluded words, values and filters do not score, and a prefix scores as a constant."
)
@pytest.mark.parametrize("wide", [False, True])
def test_scores_are_multiplied_by_the_factor_of_their_band(engine, wide: bool) -> None:
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


@says(
    "`relevance` gives the best first, each score multiplied by the factor of the `recency` band that the item was "
    "published in; excluded words, values and filters do not score, and a prefix scores as a constant."
)
def test_what_only_narrows_does_not_score(library) -> None:
    def score(node, **more) -> float:
        return library.search(SearchQuery(node=node, sort="relevance", **more)).hits[0].score

    alone = score(word("vilnius"))
    assert score(And((word("vilnius"), Not(word("baltic"))))) == alone
    assert score(And((word("vilnius"), Value("feed", "news")))) == alone
    assert score(word("vilnius"), filters=(ValueFilter("feed", ("news",)),), start=0, end=9 * DAY) == alone
    assert score(Prefix("viln")) == score(Prefix("ba")) > 0


@says(
    "`relevance` gives the best first, each score multiplied by the factor of the `recency` band that the item was "
    "published in; excluded words, values and filters do not score, and a prefix scores as a constant."
)
def test_a_wide_query_of_equal_scores_is_paged_once_each_with_its_bands(engine) -> None:
    put(engine, *[item(n, "tank" if n % 2 else "ship", published=n * DAY) for n in range(60)])
    wide = Or((Prefix("ta"), *(Prefix(f"none{n}") for n in range(7)), Not(word("tank"))))
    bands = (RecencyBand(50 * DAY, 1.5), RecencyBand(30 * DAY, 1.25))
    hits = engine.search(SearchQuery(node=wide, sort="relevance", size=60, recency=bands)).hits
    assert len(hits) == 60
    assert [hit.item.title for hit in hits] == ["tank"] * 30 + ["ship"] * 30
    assert [hit.item.published >= 50 * DAY for hit in hits[:5]] == [True] * 5
    pages = walk(engine, SearchQuery(node=wide, sort="relevance", size=7, recency=bands))
    assert pages == [hit.item.id for hit in hits]


@says("By relevance the first 10,000 are given.")
def test_relevance_ends_at_its_depth(engine) -> None:
    put(engine, *[item(n, "filler words") for n in range(RELEVANCE_DEPTH + 50)])
    ids = walk(engine, SearchQuery(node=word("filler"), sort="relevance", size=3_000))
    assert len(ids) == len(set(ids)) == RELEVANCE_DEPTH
    assert engine.search(SearchQuery(node=word("filler"), sort="relevance")).total == RELEVANCE_DEPTH + 50


@says("`version` changes whenever the index does.")
def test_the_version_changes_whenever_the_index_does(engine) -> None:
    put(engine, item(1))
    first = engine.search(SearchQuery()).version
    assert engine.search(SearchQuery(size=1)).version == first
    put(engine, item(2))
    second = engine.search(SearchQuery()).version
    put(engine, item(1), generation=2)
    engine.swap(2)
    assert len({first, second, engine.search(SearchQuery()).version}) == 3


# --- counts ---


@says(
    "Facets and histogram are over all that was found, not over the page.",
)
def test_facets_are_over_all_that_was_found_in_their_commonest_spelling(engine) -> None:
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


@says(
    "Facets and histogram are over all that was found, not over the page.",
    "Give the first and the last instant of `date_field` among what the query finds; None where nothing is found.",
)
def test_histogram_counts_add_up(engine) -> None:
    put(engine, *[item(n) for n in range(10)])
    page = engine.search(SearchQuery(start=0, end=10 * DAY, edges=(0, 3 * DAY, 4 * DAY, 4 * DAY + 1, 10 * DAY)))
    assert page.histogram == (3, 1, 1, 5)
    assert engine.span(SearchQuery()) == (0, 9 * DAY)


# --- trouble ---


@says(
    "Constructing an engine opens nothing.",
)
def test_constructing_an_engine_opens_nothing(make, place) -> None:
    make()
    assert place.is_untouched()


@says(
    "An engine that does not answer raises `EngineUnavailableError` from every method but `close`.",
    "Say what the engine is and whether it is well; unlike the others this does not raise.",
)
def test_a_damaged_index_is_an_engine_error_and_info_says_so(engine, make, place) -> None:
    put(engine, item(1))
    engine.publish([status("a", 1)])
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


@says(
    "An index of an older schema raises `IndexOutdatedError`, one of a newer schema `IndexSchemaError`: neither is read."
)
@pytest.mark.parametrize(("by", "error"), [(-1, IndexOutdatedError), (1, IndexSchemaError)])
def test_an_index_of_another_schema_is_not_read(engine, make, place, by: int, error: type) -> None:
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


@says(
    "Give back what is open; any method opens it again.",
)
def test_an_engine_that_is_well_says_so_and_can_be_closed_and_used_again(engine) -> None:
    put(engine, item(1, "x"))
    engine.close()
    assert titles(engine) == ["x"]
    assert engine.info().healthy
