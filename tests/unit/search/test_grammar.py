"""The query language: parsing, repairs, limits and generated queries."""

import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from newswire import analysis
from newswire.engines.query import (
    And,
    InField,
    Node,
    Not,
    Nothing,
    Or,
    Phrase,
    Prefix,
    Value,
    Word,
    all_of,
    any_of,
    is_scored,
    none_of,
)
from newswire.search.grammar import MAX_WARNINGS, Match, QueryTooLargeError, read_query, understood

MATCHES: tuple[Match, ...] = ("all", "any")
PROFILE = settings()


def made(q: str, match: Match = "all") -> str:
    return understood(read_query(q, match).node)


def codes(q: str) -> list[tuple[str, int]]:
    return [(warning.code, warning.position) for warning in read_query(q).warnings]


@pytest.mark.parametrize(
    ("q", "all_words", "any_word"),
    [
        ("exercise baltic", "exercise AND baltic", "exercise OR baltic"),
        ("exercise -tank", "exercise AND NOT tank", "exercise AND NOT tank"),
        ('"air policing"', '"air policing"', '"air policing"'),
        ("drill OR exercise", "drill OR exercise", "drill OR exercise"),
        ("(a OR b) c", "(a OR b) AND c", "a OR b OR c"),
        ("a b OR c d", "(a AND b) OR (c AND d)", "a OR b OR c OR d"),
        ("a AND b c", "a AND b AND c", "(a AND b) OR c"),
        ("NOT tank", "NOT tank", "NOT tank"),
        ('-"air show" x', 'x AND NOT "air show"', 'x AND NOT "air show"'),
        ("-(a OR b)", "NOT (a OR b)", "NOT (a OR b)"),
        ("-(a b)", "NOT (a AND b)", "NOT (a OR b)"),
        # An exclusion applies to its whole group; next to an explicit OR it is an alternative.
        ("a b -c", "a AND b AND NOT c", "(a OR b) AND NOT c"),
        ("a -x b", "a AND b AND NOT x", "(a OR b) AND NOT x"),
        ("a AND -x AND b", "a AND b AND NOT x", "(a OR b) AND NOT x"),
        ("a OR -c", "a OR NOT c", "a OR NOT c"),
        ("-a -b", "NOT a AND NOT b", "NOT a AND NOT b"),
        ("NOT NOT a", "a", "a"),
        ("--a", "a", "a"),
        ("NOT -a", "a", "a"),
        ("interop*", "interop*", "interop*"),
        ("title:summit", "title:summit", "title:summit"),
        ('title:"joint statement"', 'title:"joint statement"', 'title:"joint statement"'),
        ("title:(a OR -b)", "title:a OR NOT title:b", "title:a OR NOT title:b"),
        ("title:(a summary:b)", "title:a AND summary:b", "title:a OR summary:b"),
        ("title:-a", "NOT title:a", "NOT title:a"),
        ("title:sum* author:zoe", "title:sum* AND author:zoe", "title:sum* OR author:zoe"),
        ("feed:nato-news", "feed:nato-news", "feed:nato-news"),
        ('feed:"Two Words"', 'feed:"two words"', 'feed:"two words"'),
        ("lang:EN-us", "lang:en-us", "lang:en-us"),
        ("feed:(a OR b)", "feed:a OR feed:b", "feed:a OR feed:b"),
        ("title:AND", "title:and", "title:and"),
        ("and or not", "and AND or AND not", "and OR or OR not"),
        ("F-16 U.S. AT&T", '"f 16" AND "u s" AND "at t"', '"f 16" OR "u s" OR "at t"'),
        ("Šiauliai ŠKODA", "siauliai AND skoda", "siauliai OR skoda"),
        ("北京", '"北 京"', '"北 京"'),
        ("北* サ*", "北 AND サ", "北 OR サ"),
        ("北京*", '"北 京"', '"北 京"'),
        ("https://www.nato.int/x", '"https www nato int x"', '"https www nato int x"'),
        ('a"b c"d', 'a AND "b c" AND d', 'a OR "b c" OR d'),
        ("a(b)c", "a AND b AND c", "a OR b OR c"),
    ],
)
def test_valid_query_is_parsed_without_warnings(q: str, all_words: str, any_word: str) -> None:
    assert (made(q), made(q, "any")) == (all_words, any_word)
    assert codes(q) == []


@pytest.mark.parametrize(
    ("q", "meant", "warnings"),
    [
        ('say "air policing', 'say AND "air policing"', [("quote_closed", 4)]),
        ("(a OR b", "a OR b", [("bracket_closed", 0)]),
        ("((a", "a", [("bracket_closed", 0), ("bracket_closed", 1)]),
        ("a) b", "a AND b", [("bracket_ignored", 1)]),
        ("OR a", "or AND a", [("stray_operator", 0)]),
        ("a AND", "a AND and", [("stray_operator", 2)]),
        ("a OR OR b", "(a AND or) OR b", [("stray_operator", 2)]),
        ("a NOT", "a AND not", [("stray_operator", 2)]),
        ("(AND)", "and", [("stray_operator", 1)]),
        ("a - b", "a AND b", [("stray_operator", 2)]),
        ("a -", "a", [("stray_operator", 2)]),
        ("nope:x y", '"nope x" AND y', [("unknown_field", 0)]),
        ("Title:x", '"title x"', [("unknown_field", 0)]),
        ("title: x", "title AND x", [("field_without_value", 0)]),
        ("“air policing”", '"air policing"', [("quote_replaced", 0)]),
        ("«a b»", '"a b"', [("quote_replaced", 0)]),
        ("„a b“", '"a b"', [("quote_replaced", 0)]),
        ("a –b", "a AND NOT b", [("dash_replaced", 2)]),
        ("a −b", "a AND NOT b", [("dash_replaced", 2)]),
        ("a !!!", "a", [("word_ignored", 2)]),
        ("x*", "x", [("prefix_ignored", 0)]),
        ("a *", "a", [("word_ignored", 2)]),
        ("in*op", '"in op"', [("prefix_ignored", 0)]),
        ("feed:ab*", "feed:ab", [("prefix_ignored", 5)]),
        ("air-def*", '"air" AND def*', [("prefix_parted", 0)]),
        ("𝒜𝒜𝒜 “x”", 'aaa AND "x"', [("quote_replaced", 4)]),
    ],
)  # fmt: skip
def test_malformed_query_is_repaired_with_a_warning(q: str, meant: str, warnings: list) -> None:
    assert (made(q), codes(q)) == (meant, warnings)


@pytest.mark.parametrize("q", ["...", "!!!", '""', "()", "-", '-"..."', "title:...", "( ) ( )"])
def test_query_without_words_matches_nothing_and_warns(q: str) -> None:
    read = read_query(q)
    assert read.node == Nothing()
    assert "no_words" in {warning.code for warning in read.warnings}


def test_prefixes_after_the_eighth_are_read_as_words() -> None:
    read = read_query(" ".join(f"prefix{n}*" for n in range(10)))
    assert isinstance(read.node, And)
    assert sum(isinstance(node, Prefix) for node in read.node.nodes) == 8
    assert [warning.code for warning in read.warnings] == ["prefix_ignored"] * 2


def test_only_the_first_20_warnings_are_given() -> None:
    warnings = read_query("nope:x " * 30).warnings
    assert len(warnings) == MAX_WARNINGS
    assert [warning.position for warning in warnings] == [7 * n for n in range(20)]


@pytest.mark.parametrize(
    ("q", "code"),
    [
        ("x" * 1001, "query_too_long"),
        ("x " * 65, "query_too_complex"),
        ('"' + "x " * 257 + '"', "query_too_complex"),
        ("(" * 17 + "x" + ")" * 17, "query_too_complex"),
        ("a-" * 300, "query_too_complex"),
    ],
)
def test_oversized_query_is_refused(q: str, code: str) -> None:
    with pytest.raises(QueryTooLargeError) as refused:
        read_query(q)
    assert refused.value.code == code


def test_query_at_the_size_limits_is_read() -> None:
    words, phrase = read_query("x " * 64).node, read_query('"' + "x " * 256 + '"').node
    assert isinstance(words, And)
    assert isinstance(phrase, Phrase)
    assert (len(words.nodes), len(phrase.tokens)) == (64, 256)
    assert read_query("(" * 16 + "x" + ")" * 16).node == Word("x", "x")
    assert read_query("x" * 1000).node == Word("x" * 64, "x" * 64)
    assert len(read_query("-" * 999 + "x").warnings) == 0


# --- properties ---

PIECES = st.sampled_from(
    ["a", "Tanks", "F-16", "北", "サ", "é", " ", " ", " ", "(", ")", '"', "“", "-", "–", "*", ":", "OR ", "AND ", "NOT ",
     "title:", "feed:", "lang:", "author:", "nope:", "AND", "OR", "!", "x y", "*ab*"]
)  # fmt: skip
TYPED = st.lists(PIECES, max_size=40).map("".join)


@settings(max_examples=3 * PROFILE.max_examples)  # any string may reach the parser
@given(st.text(max_size=1000) | TYPED, st.sampled_from(MATCHES))
@example("––", "all")
@example('"' * 1000, "any")
def test_any_string_is_read_or_refused_for_its_size(q: str, match: Match) -> None:
    try:
        read = read_query(q, match)
    except QueryTooLargeError:
        return
    for warning in read.warnings:
        assert 0 <= warning.position <= len(q)


@settings(max_examples=3 * PROFILE.max_examples)
@given(TYPED | st.text(max_size=80), st.sampled_from(MATCHES))
def test_printed_query_parses_to_the_same_tree(q: str, match: Match) -> None:
    try:
        node = read_query(q, match).node
    except QueryTooLargeError:
        return
    for again in MATCHES:
        assert read_query(understood(node), again).node == node


def nodes() -> st.SearchStrategy[Node]:
    token = st.text(max_size=12).flatmap(lambda text: st.sampled_from(analysis.tokens(text) or ["word"]))
    word = token.map(lambda text: Word(text, analysis.stem(text)))
    phrase = st.lists(token, min_size=1, max_size=4).map(lambda tokens: Phrase(tuple(tokens)))
    prefix = token.filter(lambda text: len(text) > 1).map(Prefix)
    field = st.sampled_from(["title", "summary", "content", "author", "category"])
    plain = word | phrase | prefix
    value = st.builds(
        Value, st.sampled_from(["feed", "lang"]), st.sampled_from(["en-us", "nato-news", "two words", "a:b"])
    )
    leaf = plain | st.builds(InField, field, plain) | value

    def known(node: Node | None) -> Node:
        assert node is not None
        return node

    def joined(inner: st.SearchStrategy[Node]) -> st.SearchStrategy[Node]:
        several = st.lists(inner, min_size=2, max_size=3)
        return (several.map(all_of) | several.map(any_of) | inner.map(none_of)).map(known)

    return st.recursive(leaf, joined, max_leaves=8)


@settings(max_examples=2 * PROFILE.max_examples)
@given(nodes())
def test_printed_tree_parses_to_the_same_tree(node: Node) -> None:
    def prefixes(tree) -> int:
        return isinstance(tree, Prefix) + sum(
            prefixes(inner) for inner in getattr(tree, "nodes", ()) or filter(None, [getattr(tree, "node", None)])
        )

    if prefixes(node) > 8:
        return
    for match in MATCHES:
        assert read_query(understood(node), match).node == node


@settings(max_examples=2 * PROFILE.max_examples)
@given(nodes())
def test_trees_are_in_normal_form(node: Node) -> None:
    match node:
        case And(nodes=children):
            assert len(children) > 1
            assert not any(isinstance(child, And) for child in children)
            excluded = [isinstance(child, Not) for child in children]
            assert excluded == sorted(excluded)
        case Or(nodes=children):
            assert len(children) > 1
            assert not any(isinstance(child, Or) for child in children)
        case Not(node=inner):
            assert not isinstance(inner, Not)


@given(TYPED)
def test_only_tokens_reach_the_engine(q: str) -> None:
    def tokens(tree):
        match tree:
            case Word(token=token, stem=stem):
                yield from (token, stem)
            case Prefix(token=token):
                yield token
            case Phrase(tokens=words):
                yield from words
            case And(nodes=children) | Or(nodes=children):
                for inner in children:
                    yield from tokens(inner)
            case Not(node=inner) | InField(node=inner):
                yield from tokens(inner)

    try:
        node = read_query(q).node
    except QueryTooLargeError:
        return
    for token in tokens(node):
        assert re.fullmatch(r"\w+", token), token


def test_only_queries_with_positive_words_are_scored() -> None:
    for q in ("a", '"a b"', "ab*", "title:a", "a OR -b", "-a b"):
        assert is_scored(read_query(q).node), q
    for q in ("-a", "feed:a", "-a -b", "lang:en -x", "..."):
        assert not is_scored(read_query(q).node), q
