"""Highlights: marked matches, excerpts and escaping."""

import html
import re

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from newswire import analysis
from newswire.search.grammar import QueryTooLargeError, read_query
from newswire.search.highlights import MAX_EXCERPT_CHARACTERS, Highlighter
from tests.factories import item

FIELDS = ("title", "summary", "content")


def marked(q: str, lang: str | None = "en", **texts: str) -> dict[str, str]:
    story = msgspec.structs.replace(item(1), lang=lang, **{"title": "", "summary": "", "content": "", **texts})
    return Highlighter(read_query(q).node, FIELDS, [story]).highlights_of(story)


@pytest.mark.parametrize(
    ("q", "text", "expected"),
    [
        ("exercise", "Exercises begin", "<mark>Exercises</mark> begin"),
        ('"exercise"', "Exercises begin", None),
        ("skoda", "A Škoda car", "A <mark>Škoda</mark> car"),
        ("F-16", "The F-16s and F-16 and F 16", "The F-16s and <mark>F-16</mark> and <mark>F 16</mark>"),
        ('"air policing"', "air, policing; policing air", "<mark>air, policing</mark>; policing air"),
        ("bal*", "Baltic ball in Ébal", "<mark>Baltic</mark> <mark>ball</mark> in Ébal"),
        ("AT&T", "AT&T <b>", "<mark>AT&amp;T</mark> &lt;b&gt;"),
        ("a -tank", "a tank", "<mark>a</mark> tank"),
        ("tank OR drill", "tank 'drill'", "<mark>tank</mark> &#x27;<mark>drill</mark>&#x27;"),
        ("北京", "在北京市", "在<mark>北京</mark>市"),
        ("ｶﾞ", "カガミ", "カ<mark>ガ</mark>ミ"),
        ("e\u0301te", "l'été", "l&#x27;<mark>été</mark>"),
        ("ete", "l'e\u0301te\u0301", "l&#x27;<mark>e\u0301te\u0301</mark>"),
        ("summary:tank", "tank", None),
        ("title:tank", "tank", "<mark>tank</mark>"),
        ("feed:tank", "tank", None),
        ("ﬁne", "a ﬁne fine", "a <mark>ﬁne</mark> <mark>fine</mark>"),
        ("straße", "STRASSE", "<mark>STRASSE</mark>"),
    ],
)
def test_matches_are_marked_in_the_title(q: str, text: str, expected: str | None) -> None:
    assert marked(q, title=text).get("title") == expected


def test_stems_are_marked_only_in_stemmed_languages() -> None:
    assert marked("exercise", "pl", title="exercises exercise") == {"title": "exercises <mark>exercise</mark>"}
    assert marked("exercise", None, title="exercises") == {"title": "<mark>exercises</mark>"}


def test_long_text_is_cut_at_words_around_the_best_match() -> None:
    text = "tank " + "filler word " * 200 + "the tank and the drill stand here " + "filler word " * 200
    excerpt = marked("tank drill", summary=text)["summary"]
    assert "<mark>tank</mark> and the <mark>drill</mark>" in excerpt
    plain = re.sub("</?mark>", "", excerpt)
    assert len(plain) <= MAX_EXCERPT_CHARACTERS
    assert plain.startswith("…")
    assert plain.endswith("…")
    assert {word.strip("…") for word in plain.split()} <= set(text.split())


def test_short_texts_and_titles_are_not_cut() -> None:
    assert marked("tank", summary="a tank") == {"summary": "a <mark>tank</mark>"}
    title = "word " * 200 + "tank"
    assert marked("tank", title=title)["title"] == title.replace("tank", "<mark>tank</mark>")


@given(
    st.text(max_size=30),
    st.lists(st.text(max_size=30) | st.sampled_from(["tank", " ", "<script>", "&", "サ", "é" * 40]), max_size=60).map(
        " ".join
    ),
    st.sampled_from(FIELDS),
)
def test_highlights_are_escaped_excerpts_within_the_limit(q: str, text: str, field: str) -> None:
    try:
        node = read_query(f"{q} tank OR e*").node
    except QueryTooLargeError:
        return
    texts = dict.fromkeys(FIELDS, "") | {field: text}
    story = msgspec.structs.replace(item(1), lang="en", **texts)
    highlight = Highlighter(node, FIELDS, [story]).highlights_of(story).get(field)
    if highlight is None:
        return
    assert "<mark>" in highlight
    bare = re.sub("</?mark>", "", highlight)
    assert not re.search("[<>\"']", bare)
    shown = html.unescape(bare)
    assert shown.strip("…").strip() in text
    if field != "title":
        assert len(shown) <= MAX_EXCERPT_CHARACTERS


@given(
    st.lists(st.sampled_from(["a", "aa", "ba", "-", " ", "A’a", "a" * 70, "é", "1"]), max_size=12).map("".join),
    st.sets(st.integers(0, 11)),
)
def test_chosen_spans_equal_those_of_all_tokens(text: str, chosen: set[int]) -> None:
    tokens = analysis.tokens(text)
    spans = analysis.spans_of(text, range(len(tokens)))
    numbers = sorted(number for number in chosen if number < len(tokens))
    assert analysis.spans_of(text, numbers) == [spans[number] for number in numbers]


@given(
    st.one_of(st.text(max_size=200), st.lists(st.sampled_from(["a", "aa", "b ", "-", "’", "a" * 70, "é"])).map("".join))
)
def test_spans_contain_their_tokens(text: str) -> None:
    tokens = analysis.tokens(text)
    spans = analysis.spans_of(text, range(len(tokens)))
    assert len(tokens) == len(spans)
    for token, (start, end) in zip(tokens, spans, strict=True):
        assert token in analysis.fold(text[start:end])
    assert [start for start, _ in spans] == sorted(start for start, _ in spans)


def test_text_is_cut_at_a_word_before_it_is_searched() -> None:
    assert "content" not in marked("cat", content="b " * 49_998 + " catalogue and cat")
    assert "<mark>cat</mark>" in marked("cat", content="b " * 40_000 + " cat")["content"]


def test_many_phrases_with_one_first_word_are_found() -> None:
    phrases = " OR ".join(f'"a b{number}"' for number in range(60))
    assert marked(phrases, title="a b7 a b59 a c") == {"title": "<mark>a b7</mark> <mark>a b59</mark> a c"}
    assert marked('"a b" OR "a b c"', title="a b c a b") == {"title": "<mark>a b c</mark> <mark>a b</mark>"}
