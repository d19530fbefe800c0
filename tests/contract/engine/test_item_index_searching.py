"""Test the docstrings of `ItemIndex` on every engine: what a query finds and counts."""

import pytest

from newswire import analysis
from newswire.clock import DAY
from newswire.engines.query import (
    And,
    FacetQuery,
    InField,
    Not,
    Nothing,
    Or,
    Phrase,
    Prefix,
    SearchQuery,
    Value,
    ValueFilter,
)
from tests.contract.engine.contract import contract
from tests.contract.engine.writing import put, titles, word
from tests.factories import item


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
    assert titles(library, And((Not(air), Not(baltic)))) == [
        value for value in without if value != "Baltic exercise begins"
    ]
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
    assert [(value.value, value.count) for value in facet.values] == [("NATO", 3)]
    assert (facet.other, facet.missing, facet.exact) == (2, 1, True)


@contract.covers("SE-35", "SE-40")
def test_histogram_counts_add_up(engine) -> None:
    put(engine, *[item(n) for n in range(10)])
    page = engine.search(SearchQuery(start=0, end=10 * DAY, edges=(0, 3 * DAY, 4 * DAY, 4 * DAY + 1, 10 * DAY)))
    assert page.histogram == (3, 1, 1, 5)
    assert engine.span(SearchQuery()) == (0, 9 * DAY)
