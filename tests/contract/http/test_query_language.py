"""Test docs/api.md: the query language."""

import pytest

from tests.contract.http.asking import found, titles
from tests.contract.http.contract import contract
from tests.contract.http.library import ITEMS


@contract.covers("Q1", "Q2", "Q3", "Q4", "Q5", "Q6", "Q7", "Q8", "Q9", "Q10", "Q11", "Q12", "Q13")
@pytest.mark.parametrize(
    ("q", "first_words"),
    [
        ("exercise baltic", {"Baltic"}),
        ("BALTIC and exercise", set()),
        ("baltic AND exercise", {"Baltic"}),
        ("exercises", {"Baltic", "Air"}),
        ('"exercises"', {"Air"}),
        ('"air policing"', {"Air"}),
        ('"policing air"', set()),
        ("drill OR exercise", {"Tank", "Baltic", "Air"}),
        ("(drill OR exercise) iceland", {"Air"}),
        ("drill -tank", set()),
        ("air NOT iceland", {"Air"}),
        ('air -"air show"', {"Air"}),
        ("-(air OR drill) lang:en", {"Baltic", "F-16"}),
        ("balt*", {"Baltic"}),
        ("空*", {"北京の空港"}),
        ("title:drill", {"Tank"}),
        ('title:"joint statement"', {"Škoda"}),
        ("title:(baltic OR tank)", {"Baltic", "Tank"}),
        ("content:submarine", {"Air"}),
        ("summary:submarine", set()),
        ("author:zoe", {"Baltic"}),
        ("category:security", {"Baltic"}),
        ("feed:alpha", {"Baltic"}),
        ("feed:alp", set()),
        ("lang:ru", {"Министр"}),
        # As a reader sees them.
        ("F-16", {"F-16"}), ("U.S.", {"F-16"}), ("AT&T", {"F-16"}), ("5G", {"F-16"}), ("Ukraine's", {"F-16"}), ("Ukraine’s", {"F-16"}),
        ("Šiauliai", {"Baltic"}), ("siauliai", {"Baltic"}), ("Škoda", {"Škoda"}), ("Skoda", {"Škoda"}),
        ("МИНИСТР", {"Министр"}), ("Ελλαδα", {"Η"}), ("οδός", {"Η"}), ("الدفاع", {"وزير"}), ("שלום", {"שָׁלוֹם"}),
        ("北京", {"北京の空港"}), ("ｶﾀｶﾅ", {"北京の空港"}), ("서울", {"北京の空港"}), ("京北", set()),
    ],
)  # fmt: skip
def test_query_finds_the_items(api, q: str, first_words: set[str]) -> None:
    assert titles(api, q=q) == first_words


@contract.covers("Q7")
def test_plain_words_match_in_three_fields_together(api) -> None:
    assert found(api, q="opens submarine")["total"]["value"] == 1
    assert found(api, q="iceland exercise")["total"]["value"] == 1


@contract.covers("Q14", "Q15", "Q16", "Q17", "Q18")
@pytest.mark.parametrize(
    ("q", "meant", "code", "position"),
    [
        ('say "air policing', 'say AND "air policing"', "quote_closed", 4),
        ("(a OR b", "a OR b", "bracket_closed", 0),
        ("a AND", "a AND and", "stray_operator", 2),
        ("nope:x y", '"nope x" AND y', "unknown_field", 0),
        ("“air policing”", '"air policing"', "quote_replaced", 0),
        ("𝒜𝒜𝒜 –b", "aaa AND NOT b", "dash_replaced", 4),
    ],
)
def test_query_is_repaired_with_a_warning(api, q: str, meant: str, code: str, position: int) -> None:
    answer = found(api, q=q)
    assert answer["query"]["understood"] == meant
    assert [(warning["code"], warning["position"]) for warning in answer["warnings"]] == [(code, position)]


@contract.covers("Q19")
def test_at_most_20_repairs_are_warned_of(api) -> None:
    assert len(found(api, q="nope:x " * 30)["warnings"]) == 20


@contract.covers("Q20", "Q21")
def test_query_at_its_limits_is_accepted(api) -> None:
    for q in ("x" * 1000, "x " * 64, '"' + "x " * 256 + '"', "(" * 16 + "x" + ")" * 16):
        assert found(api, q=q)["warnings"] == []


@contract.covers("Q22")
def test_query_with_only_exclusions_is_valid(api) -> None:
    answer = found(api, q="-air -drill")
    assert (answer["total"]["value"], answer["warnings"]) == (len(ITEMS) - 3, [])


@contract.covers("Q23", "Q24")
@pytest.mark.parametrize("q", ["...", "!!!"])
def test_query_without_a_word_finds_nothing_and_warns(api, q: str) -> None:
    answer = found(api, q=q)
    assert answer["total"]["value"] == 0
    assert "no_words" in {warning["code"] for warning in answer["warnings"]}
