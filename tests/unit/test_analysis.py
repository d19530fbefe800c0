"""Text analysis: folding, tokens and stems."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newswire import analysis


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("F-16 U.S. AT&T 5G", ["f", "16", "u", "s", "at", "t", "5g"]),
        ("Šiauliai Škoda Łódź", ["siauliai", "skoda", "lodz"]),
        ("ΟΔΌΣ οδός Ελλάδα Ελλαδα", ["οδοσ", "οδοσ", "ελλαδα", "ελλαδα"]),
        ("ёлка елка", ["елка", "елка"]),
        ("ｶﾀｶﾅ", ["カ", "タ", "カ", "ナ"]),
        ("がぎ", ["が", "ぎ"]),
        ("한국어", ["한", "국", "어"]),
        ("北京abc", ["北", "京", "abc"]),
        ("मुंबई", ["मुंबई"]),
        ("Пʼять пʻять п’ять", ["п", "ять"] * 3),
        ("LʼUkraine Hawaiʻi", ["l", "ukraine", "hawai", "i"]),
        ("Kyiv\u200bLviv", ["kyiv", "lviv"]),
        ("២០២៤ ٢٠٢٤ ۲۰۲۴ २०२४ ２０２４ 𝟚𝟘", ["2024"] * 5 + ["20"]),
        ("کیف كيف", ["كيف", "كيف"]),
        ("على علي", ["علي", "علي"]),
        ("ไทย", ["ไ", "ท", "ย"]),
        ("ລາວ", ["ລ", "າ", "ວ"]),
        ("មន", ["ម", "ន"]),
        ("ကမ", ["က", "မ"]),
        ("ไทย 2024 NATO", ["ไ", "ท", "ย", "2024", "nato"]),
        ("مُحَمَّد", ["محمد"]),
        ("שָׁלוֹם", ["שלום"]),
        ("Straße STRASSE", ["strasse", "strasse"]),
        ("snake_case", ["snake", "case"]),
        ("...", []),
        ("x" * 40_000, ["x" * 64]),
    ],
)
def test_text_becomes_folded_tokens(text: str, tokens: list[str]) -> None:
    assert analysis.tokens(text) == tokens


@given(st.text())
def test_tokens_are_short_without_spaces_and_stable(text: str) -> None:
    for token in analysis.tokens(text):
        assert 0 < len(token) <= analysis.TOKEN_LENGTH
        assert not any(letter.isspace() for letter in token)
        assert analysis.tokens(token) == [token]


@given(st.text())
def test_folding_is_idempotent(text: str) -> None:
    assert analysis.fold(analysis.fold(text)) == analysis.fold(text)


def test_stems_are_english() -> None:
    assert analysis.stems(["exercises", "running", "news"]) == ["exercis", "run", "news"]


@pytest.mark.parametrize(("lang", "stemmed"), [(None, True), ("en", True), ("en-us", True), ("pl", False), ("", True)])
def test_only_english_or_unknown_language_is_stemmed(lang: str | None, stemmed: bool) -> None:
    assert analysis.is_stemmed(lang) is stemmed


@pytest.mark.parametrize("separator", ["\u200b", "\u0640", "\ufe0f", "\u00ad"])
def test_runs_of_marks_that_dropped_characters_parted_are_cut(separator: str) -> None:
    text = "a" + ("\u094d\u093c" * 15 + separator) * 20_000
    assert len(analysis.fold(text)) <= analysis.MAX_MARKS + 1


@pytest.mark.parametrize("text", ["กระทรวงต่างประเทศไทย", "កម្ពុជា\u200bប្រកាស", "ປະເທດລາວ", "မြန်မာနိုင်ငံ"])
def test_word_inside_a_run_without_spaces_is_a_run_of_its_tokens(text: str) -> None:
    folded = analysis.tokens(text)
    for start, end in [(0, 3), (3, 7), (5, len(folded))]:
        part = "".join(folded[start:end])
        assert analysis.tokens(part) == folded[start:end]
        assert all(map(analysis.is_single, folded[start:end]))
