"""Parse the query language into a tree in its normal form, and print such a tree.

Parsing fails only for a query that is too large. It repairs mistakes, and reports each repair as a warning with its
position. docs/api.md describes the language.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal, cast

from msgspec import Struct

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
    TextField,
    Value,
    Word,
    all_of,
    any_of,
    none_of,
)
from newswire.errors import RequestError
from newswire.search.parameter_reader import shorten

MAX_CHARACTERS = 1_000
MAX_WORDS = 64
"""Maximum words outside quotes; `F-16` is one word."""
MAX_TOKENS = 256
"""Maximum tokens in all; `F-16` has two."""
MAX_DEPTH = 16
"""Maximum nesting of brackets."""
MAX_PREFIXES = 8
"""Maximum prefixes that are expanded: each can match thousands of tokens of the index."""
MIN_PREFIX_CHARACTERS = 2
MAX_WARNINGS = 20

Match = Literal["all", "any"]
QueryField = Literal["title", "summary", "content", "author", "category", "feed", "lang"]
FIELDS: tuple[QueryField, ...] = ("title", "summary", "content", "author", "category", "feed", "lang")

_QUOTES = '"\u201c\u201d\u201e\u201f\u00ab\u00bb\u2033\uff02'
_DASHES = "-\u2010\u2011\u2012\u2013\u2014\u2015\u2212\ufe63\uff0d"
_OPERATORS = ("AND", "OR", "NOT")
_WORD = re.compile(rf"[^\s(){_QUOTES}]+")
_FIELD = re.compile(r"([A-Za-z_]+):(?!//)")
_QUOTED = re.compile(rf"[^{_QUOTES}]*")
_PLAIN_VALUE = re.compile(r"\w[\w.-]*")


class QueryWarning(Struct, frozen=True):
    """A repair. `position` counts code points of the query; `detail` says what was repaired and how."""

    code: str
    position: int
    detail: str


class ReadQuery(Struct, frozen=True):
    """A parsed query. `node` is `Nothing` if no word is left after analysis."""

    node: Node
    warnings: tuple[QueryWarning, ...]


class QueryTooLargeError(RequestError):
    """A query exceeds one of the limits above; `code` is `query_too_long` or `query_too_complex`."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code


def read_query(q: str, match: Match = "all") -> ReadQuery:
    """Parse a query; `match` is the operator between words without one: `all` is AND, `any` is OR.

    Raises `QueryTooLargeError`, and never another error.
    """
    if len(q) > MAX_CHARACTERS:
        sentence = f"The query must have at most {MAX_CHARACTERS:,} characters, got {len(q):,}."
        raise QueryTooLargeError("query_too_long", sentence)
    return _Reader(q, match).read()


def understood(node: Node) -> str:
    """Return the tree as a query; `read_query` parses it to the same tree with either `match`."""
    match node:
        case Nothing():
            return '""'
        case Word(token=token):
            return token
        case Phrase(tokens=tokens):
            return f'"{" ".join(tokens)}"'
        case Prefix(token=token):
            return f"{token}*"
        case Value(field=name, value=value):
            return f"{name}:{value}" if _PLAIN_VALUE.fullmatch(value) else f'{name}:"{value}"'
        case InField(field=name, node=inner):
            return f"{name}:{_print_operand(inner)}"
        case Not(node=inner):
            return f"NOT {_print_operand(inner)}"
        case And(nodes=nodes):
            return " AND ".join(map(_print_operand, nodes))
        case Or(nodes=nodes):
            return " OR ".join(map(_print_operand, nodes))
    raise TypeError(node)


def _print_operand(node: Node) -> str:
    return f"({understood(node)})" if isinstance(node, (And, Or)) else understood(node)


# --- from characters to lexemes ---------------------------------------------------------------------------------------

_Kind = Literal["word", "phrase", "field", "dash", "open", "close", "AND", "OR", "NOT", "end"]


class _Lexeme(Struct, frozen=True):
    kind: _Kind
    position: int
    text: str = ""


class _Warnings:
    def __init__(self) -> None:
        self._warnings: list[QueryWarning] = []

    def add(self, code: str, position: int, detail: str) -> None:
        self._warnings.append(QueryWarning(code, position, detail))

    def first(self) -> tuple[QueryWarning, ...]:
        """Return the first 20 warnings, in the order of their positions."""
        return tuple(sorted(self._warnings, key=lambda warning: warning.position)[:MAX_WARNINGS])


def _lexemes(q: str, warnings: _Warnings) -> Iterator[_Lexeme]:
    """Yield the lexemes of a query; the last one is of kind `end`."""
    at = 0
    is_bound = False
    """The last lexeme was a dash or a field, so the next one is a word even if it is AND, OR or NOT."""
    while at < len(q):
        char = q[at]
        start = at
        if char.isspace():
            at += 1
            continue
        if char in "()":
            yield _Lexeme("open" if char == "(" else "close", at)
            at += 1
        elif char in _QUOTES:
            inner = cast("re.Match[str]", _QUOTED.match(q, at + 1))
            at = inner.end() + 1
            if char != '"' or (at <= len(q) and q[at - 1] != '"'):
                warnings.add("quote_replaced", start, "These quotes were read as plain quotes.")
            if at > len(q):
                warnings.add("quote_closed", start, "An unclosed quote was closed at the end.")
            yield _Lexeme("phrase", start, inner.group())
        elif char in _DASHES:
            at += 1
            if at == len(q) or q[at].isspace() or q[at] == ")":
                warnings.add("stray_operator", start, "A dash with nothing after it was ignored.")
                continue
            if char != "-":
                warnings.add("dash_replaced", start, "This dash was read as -, which excludes what follows.")
            yield _Lexeme("dash", start)
            is_bound = True
            continue
        else:
            lexeme = _word_at(q, at, warnings, is_bound=is_bound)
            at += len(lexeme.text) + (lexeme.kind == "field")
            yield lexeme
            is_bound = lexeme.kind == "field"
            continue
        is_bound = False
    yield _Lexeme("end", len(q))


def _word_at(q: str, at: int, warnings: _Warnings, *, is_bound: bool) -> _Lexeme:
    text = cast("re.Match[str]", _WORD.match(q, at)).group()
    if text in _OPERATORS and not is_bound:
        return _Lexeme(cast("_Kind", text), at, text)
    field_match = _FIELD.match(text)
    if field_match is None:
        return _Lexeme("word", at, text)
    name, after = field_match.group(1), at + field_match.end()
    if name not in FIELDS:
        if field_match.end() < len(text):
            detail = f"{shorten(name)} is not a field, so it was read as a word. Fields: {', '.join(FIELDS)}."
            warnings.add("unknown_field", at, detail)
        return _Lexeme("word", at, text)
    if after == len(q) or q[after].isspace() or q[after] == ")":
        warnings.add("field_without_value", at, f"{name}: has no value right after it, so it was read as a word.")
        return _Lexeme("word", at, text)
    return _Lexeme("field", at, name)


# --- from lexemes to the tree -----------------------------------------------------------------------------------------


class _Reader:
    """A recursive-descent parser of alternatives of sequences of operands."""

    def __init__(self, q: str, match: Match) -> None:
        self._match = match
        self._warnings = _Warnings()
        self._lexemes = list(_lexemes(q, self._warnings))
        self._at = 0
        self._depth = 0
        self._words = 0
        self._tokens = 0
        self._prefixes = 0

    def read(self) -> ReadQuery:
        node = self._alternatives(None)
        warnings = self._warnings.first()
        if node is None:
            nothing = QueryWarning("no_words", 0, "The query has no searchable word, so it finds nothing.")
            warnings = (nothing, *warnings)[:MAX_WARNINGS]
        return ReadQuery(node or Nothing(), warnings)

    @property
    def _here(self) -> _Lexeme:
        return self._lexemes[self._at]

    def _alternatives(self, field: QueryField | None) -> Node | None:
        alternatives = [self._sequence(field)]
        while self._here.kind == "OR":
            self._at += 1
            alternatives.append(self._sequence(field))
        return any_of(alternatives)

    def _sequence(self, field: QueryField | None) -> Node | None:
        """Read operands up to an OR or the end of the group.

        With `match=any`, operands joined by AND form one alternative, and an exclusion applies to the whole sequence.
        """
        joined: list[list[Node | None]] = []
        excluded: list[Node] = []
        is_joined = is_after_exclusion = False
        is_first = True
        while True:
            lexeme = self._here
            if lexeme.kind == "end" or (lexeme.kind == "close" and self._depth):
                break
            if lexeme.kind == "close":
                self._at += 1
                self._warnings.add(
                    "bracket_ignored", lexeme.position, "This bracket closes nothing, so it was ignored."
                )
                continue
            if lexeme.kind in {"AND", "OR"} and not is_first and self._is_operand(self._at + 1):
                if lexeme.kind == "OR":
                    break
                self._at += 1
                is_joined = True
                continue
            node = self._operand(field)
            if isinstance(node, Not):
                excluded.append(node)
            elif is_joined and not is_after_exclusion:
                joined[-1].append(node)
            else:
                joined.append([node])
            is_after_exclusion = isinstance(node, Not)
            is_first = is_joined = False
        groups = [all_of(group) for group in joined]
        positive = any_of(groups) if self._match == "any" else all_of(groups)
        return all_of([positive, *excluded])

    def _is_operand(self, at: int) -> bool:
        return self._lexemes[at].kind not in {"end", "close", "AND", "OR"}

    def _operand(self, field: QueryField | None) -> Node | None:
        is_negated = False
        while True:
            lexeme = self._here
            self._at += 1
            if lexeme.kind == "dash" or (lexeme.kind == "NOT" and self._is_operand(self._at)):
                is_negated = not is_negated
            elif lexeme.kind == "field":
                field = cast("QueryField", lexeme.text)
            elif lexeme.kind in {"end", "close"}:
                self._at -= 1
                return None  # only dashes, which have their warning already
            else:
                break
        node = self._primary(lexeme, field)
        return none_of(node) if is_negated else node

    def _primary(self, lexeme: _Lexeme, field: QueryField | None) -> Node | None:
        if lexeme.kind == "open":
            return self._group(lexeme, field)
        if lexeme.kind == "phrase":
            return self._phrase(lexeme, field)
        if lexeme.kind in _OPERATORS:
            detail = f"{lexeme.text} has nothing to join here, so it was read as a word."
            self._warnings.add("stray_operator", lexeme.position, detail)
        return self._word(lexeme, field)

    def _group(self, bracket: _Lexeme, field: QueryField | None) -> Node | None:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            sentence = f"The query must nest brackets at most {MAX_DEPTH} deep."
            raise QueryTooLargeError("query_too_complex", sentence)
        node = self._alternatives(field)
        self._depth -= 1
        if self._here.kind == "close":
            self._at += 1
        else:
            self._warnings.add("bracket_closed", bracket.position, "An unclosed bracket was closed at the end.")
        return node

    def _phrase(self, lexeme: _Lexeme, field: QueryField | None) -> Node | None:
        if field in {"feed", "lang"}:
            return self._value(lexeme, field)
        tokens = self._tokenize(lexeme, lexeme.text, is_word=False)
        return _within(field, Phrase(tuple(tokens))) if tokens else None

    def _word(self, lexeme: _Lexeme, field: QueryField | None) -> Node | None:
        text = lexeme.text.rstrip("*")
        is_prefix = len(text) < len(lexeme.text)
        tokens = [] if field in {"feed", "lang"} else self._tokenize(lexeme, text, is_word=True)
        if "*" in text:
            detail = "An asterisk counts only at the end of a word, so it was ignored."
            self._warnings.add("prefix_ignored", lexeme.position, detail)
        if is_prefix and (tokens or field in {"feed", "lang"}) and self._is_prefix(lexeme, tokens):
            self._prefixes += 1
            if len(tokens) > 1:
                phrase, start = shorten(" ".join(tokens[:-1])), tokens[-1]
                detail = f"This was read as {phrase} and, anywhere in the item, a word that starts with {start}."
                self._warnings.add("prefix_parted", lexeme.position, detail)
            leading_words = _within(field, Phrase(tuple(tokens[:-1]))) if len(tokens) > 1 else None
            return all_of([leading_words, _within(field, Prefix(tokens[-1]))])
        if field in {"feed", "lang"}:
            return self._value(lexeme, field)
        if not tokens:
            return None
        leaf = Word(tokens[0], analysis.stem(tokens[0])) if len(tokens) == 1 else Phrase(tuple(tokens))
        return _within(field, leaf)

    def _is_prefix(self, lexeme: _Lexeme, tokens: list[str]) -> bool:
        """Return whether an asterisk makes a prefix; warn if it does not.

        After Han, Kana and Hangul it changes nothing, because each character is a token.
        """
        if tokens and analysis.is_single(tokens[-1]):
            return False
        if not tokens:
            why = "feed and lang match whole values only, so the asterisk was ignored."
        elif len(tokens[-1]) < MIN_PREFIX_CHARACTERS:
            why = f"A prefix needs at least {MIN_PREFIX_CHARACTERS} characters, so the asterisk was ignored."
        elif self._prefixes == MAX_PREFIXES:
            why = f"A query expands at most {MAX_PREFIXES} prefixes, so the asterisk was ignored."
        else:
            return True
        self._warnings.add("prefix_ignored", lexeme.position, why)
        return False

    def _value(self, lexeme: _Lexeme, field: QueryField) -> Node | None:
        self._count(words_more=lexeme.kind == "word", tokens_more=1)
        value = analysis.fold_whole(lexeme.text.rstrip("*") if lexeme.kind == "word" else lexeme.text)
        if not value:
            self._warn_no_word(lexeme)
            return None
        return Value(cast("Literal['feed', 'lang']", field), value)

    def _tokenize(self, lexeme: _Lexeme, text: str, *, is_word: bool) -> list[str]:
        tokens = analysis.tokens(text)
        self._count(words_more=is_word and bool(tokens), tokens_more=len(tokens))
        if not tokens:
            self._warn_no_word(lexeme)
        return tokens

    def _warn_no_word(self, lexeme: _Lexeme) -> None:
        detail = "This has no letter or digit, so it was ignored."
        self._warnings.add("word_ignored", lexeme.position, detail)

    def _count(self, *, words_more: bool, tokens_more: int) -> None:
        self._words += words_more
        self._tokens += tokens_more
        if self._words > MAX_WORDS:
            sentence = f"The query must have at most {MAX_WORDS} words outside quotes."
            raise QueryTooLargeError("query_too_complex", sentence)
        if self._tokens > MAX_TOKENS:
            sentence = f"The query must have at most {MAX_TOKENS} words, including words in quotes."
            raise QueryTooLargeError("query_too_complex", sentence)


def _within(field: QueryField | None, leaf: Node) -> Node:
    return leaf if field is None else InField(cast("TextField", field), leaf)
