"""The query language: what a person typed comes in, a tree in its normal form goes out, and can be printed again.

Reading never fails but for size. What is not right is repaired, and each repair is a warning with its position. The
language is described in docs/api.md.
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
from newswire.errors import UsageError

MAX_CHARACTERS = 1_000
MAX_WORDS = 64
"""So many words may stand outside quotes; `F-16` is one."""
MAX_TOKENS = 256
"""So many tokens may a query have in all."""
MAX_DEPTH = 16
"""So deep may brackets be nested."""
MAX_PREFIXES = 8
"""So many prefixes are expanded: each may stand for thousands of tokens of the index."""
MIN_PREFIX = 2
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
    """A repair: what it is called, where it stands (code points of the query), and what was made of it."""

    code: str
    position: int
    detail: str


class ReadQuery(Struct, frozen=True):
    """A query that was read. `node` is `Nothing` where no word is left after analysis."""

    node: Node
    warnings: tuple[QueryWarning, ...]


class QueryTooLargeError(UsageError):
    """A query is over one of the sizes above; `code` is `query_too_long` or `query_too_complex`."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code


def read_query(q: str, match: Match = "all") -> ReadQuery:
    """Read a query; `match` is what stands between words with no operator: all of them, or any.

    Raises `QueryTooLargeError` and nothing else.
    """
    if len(q) > MAX_CHARACTERS:
        sentence = f"The query has {len(q)} characters; at most {MAX_CHARACTERS} are read."
        raise QueryTooLargeError("query_too_long", sentence)
    return _Reader(q, match).read()


def understood(node: Node) -> str:
    """Print a tree in words that, read again with either `match`, give the same tree."""
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
            return f"{name}:{_grouped(inner)}"
        case Not(node=inner):
            return f"NOT {_grouped(inner)}"
        case And(nodes=nodes):
            return " AND ".join(map(_grouped, nodes))
        case Or(nodes=nodes):
            return " OR ".join(map(_grouped, nodes))
    raise TypeError(node)


def _grouped(node: Node) -> str:
    return f"({understood(node)})" if isinstance(node, (And, Or)) else understood(node)


# --- from characters to lexemes ---------------------------------------------------------------------------------------

_Kind = Literal["word", "phrase", "field", "dash", "open", "close", "AND", "OR", "NOT", "end"]


class _Lexeme(Struct, frozen=True):
    kind: _Kind
    position: int
    text: str = ""


class _Warnings:
    def __init__(self) -> None:
        self._found: list[QueryWarning] = []

    def add(self, code: str, position: int, detail: str) -> None:
        self._found.append(QueryWarning(code, position, detail))

    def first(self) -> tuple[QueryWarning, ...]:
        """Give the first of them, in the order of the query."""
        return tuple(sorted(self._found, key=lambda one: one.position)[:MAX_WARNINGS])


def _lexemes(q: str, warnings: _Warnings) -> Iterator[_Lexeme]:
    """Cut a query into lexemes; one of kind `end` is the last."""
    at = 0
    is_bound = False
    """The last lexeme was a dash or a field, so that what follows is a word even if it reads AND."""
    while at < len(q):
        here = q[at]
        start = at
        if here.isspace():
            at += 1
            continue
        if here in "()":
            yield _Lexeme("open" if here == "(" else "close", at)
            at += 1
        elif here in _QUOTES:
            inner = cast("re.Match[str]", _QUOTED.match(q, at + 1))
            at = inner.end() + 1
            if here != '"' or (at <= len(q) and q[at - 1] != '"'):
                warnings.add("quote_replaced", start, "These quotes were read as plain ones.")
            if at > len(q):
                warnings.add("quote_closed", start, "A quote was not closed: it was closed at the end.")
            yield _Lexeme("phrase", start, inner.group())
        elif here in _DASHES:
            at += 1
            if at == len(q) or q[at].isspace() or q[at] == ")":
                warnings.add("stray_operator", start, "A dash by itself excludes nothing: it was left out.")
                continue
            if here != "-":
                warnings.add("dash_replaced", start, "This dash was read as a plain one: without what follows.")
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
    named = _FIELD.match(text)
    if named is None:
        return _Lexeme("word", at, text)
    name, after = named.group(1), at + named.end()
    if name not in FIELDS:
        if named.end() < len(text):
            known = ", ".join(FIELDS)
            warnings.add("unknown_field", at, f"{name}: is no field, so it was read as a word; fields are {known}.")
        return _Lexeme("word", at, text)
    if after == len(q) or q[after].isspace() or q[after] == ")":
        warnings.add("field_without_value", at, f"Nothing follows {name}: at once, so it was read as a word.")
        return _Lexeme("word", at, text)
    return _Lexeme("field", at, name)


# --- from lexemes to the tree -----------------------------------------------------------------------------------------


class _Reader:
    """Reads by recursive descent: alternatives of sequences of operands."""

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
            nothing = QueryWarning("no_words", 0, "The query has no word to look for, so nothing is found.")
            warnings = (nothing, *warnings)[:MAX_WARNINGS]
        return ReadQuery(node or Nothing(), warnings)

    @property
    def _here(self) -> _Lexeme:
        return self._lexemes[self._at]

    def _alternatives(self, field: QueryField | None) -> Node | None:
        found = [self._sequence(field)]
        while self._here.kind == "OR":
            self._at += 1
            found.append(self._sequence(field))
        return any_of(found)

    def _sequence(self, field: QueryField | None) -> Node | None:
        """Read operands up to an OR or the end of the group.

        With `match=any` operands joined by AND stand together, and exclusions are of the whole sequence.
        """
        joined: list[list[Node | None]] = []
        excluded: list[Node] = []
        is_joined = is_after_exclusion = False
        is_first = True
        while True:
            here = self._here
            if here.kind == "end" or (here.kind == "close" and self._depth):
                break
            if here.kind == "close":
                self._at += 1
                self._warnings.add("bracket_ignored", here.position, "This bracket closes nothing: it was left out.")
                continue
            if here.kind in {"AND", "OR"} and not is_first and self._is_operand(self._at + 1):
                if here.kind == "OR":
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
            here = self._here
            self._at += 1
            if here.kind == "dash" or (here.kind == "NOT" and self._is_operand(self._at)):
                is_negated = not is_negated
            elif here.kind == "field":
                field = cast("QueryField", here.text)
            elif here.kind in {"end", "close"}:
                self._at -= 1
                return None  # dashes with nothing behind them, which have their warning
            else:
                break
        node = self._primary(here, field)
        return none_of(node) if is_negated else node

    def _primary(self, here: _Lexeme, field: QueryField | None) -> Node | None:
        if here.kind == "open":
            return self._group(here, field)
        if here.kind == "phrase":
            return self._phrase(here, field)
        if here.kind in _OPERATORS:
            detail = f"{here.text} has nothing to join here, so it was read as a word."
            self._warnings.add("stray_operator", here.position, detail)
        return self._word(here, field)

    def _group(self, opened: _Lexeme, field: QueryField | None) -> Node | None:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            sentence = f"Brackets are nested deeper than {MAX_DEPTH}."
            raise QueryTooLargeError("query_too_complex", sentence)
        node = self._alternatives(field)
        self._depth -= 1
        if self._here.kind == "close":
            self._at += 1
        else:
            self._warnings.add("bracket_closed", opened.position, "A bracket was not closed: it was closed at the end.")
        return node

    def _phrase(self, lexeme: _Lexeme, field: QueryField | None) -> Node | None:
        if field in {"feed", "lang"}:
            return self._value(lexeme, field)
        tokens = self._analysed(lexeme, lexeme.text, is_word=False)
        return _within(field, Phrase(tuple(tokens))) if tokens else None

    def _word(self, lexeme: _Lexeme, field: QueryField | None) -> Node | None:
        text = lexeme.text.rstrip("*")
        is_prefix = len(text) < len(lexeme.text)
        tokens = [] if field in {"feed", "lang"} else self._analysed(lexeme, text, is_word=True)
        if "*" in text:
            detail = "An asterisk counts at the end of a word only: it was left out."
            self._warnings.add("prefix_ignored", lexeme.position, detail)
        if is_prefix and (tokens or field in {"feed", "lang"}) and self._takes_prefix(lexeme, tokens):
            self._prefixes += 1
            if len(tokens) > 1:
                first = " ".join(tokens[:-1])
                detail = f"This was read as {first} and, anywhere in the item, a word that begins with {tokens[-1]}."
                self._warnings.add("prefix_parted", lexeme.position, detail)
            rest = _within(field, Phrase(tuple(tokens[:-1]))) if len(tokens) > 1 else None
            return all_of([rest, _within(field, Prefix(tokens[-1]))])
        if field in {"feed", "lang"}:
            return self._value(lexeme, field)
        if not tokens:
            return None
        leaf = Word(tokens[0], analysis.stem(tokens[0])) if len(tokens) == 1 else Phrase(tuple(tokens))
        return _within(field, leaf)

    def _takes_prefix(self, lexeme: _Lexeme, tokens: list[str]) -> bool:
        """Say whether an asterisk is one; of Han, Kana and Hangul each character is a token, so it changes nothing."""
        if tokens and analysis.is_single(tokens[-1]):
            return False
        if not tokens:
            why = "Values of feed and lang compare whole: the asterisk was left out."
        elif len(tokens[-1]) < MIN_PREFIX:
            why = f"A prefix needs {MIN_PREFIX} characters: the asterisk was left out."
        elif self._prefixes == MAX_PREFIXES:
            why = f"At most {MAX_PREFIXES} prefixes are expanded: the asterisk was left out."
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

    def _analysed(self, lexeme: _Lexeme, text: str, *, is_word: bool) -> list[str]:
        tokens = analysis.tokens(text)
        self._count(words_more=is_word and bool(tokens), tokens_more=len(tokens))
        if not tokens:
            self._warn_no_word(lexeme)
        return tokens

    def _warn_no_word(self, lexeme: _Lexeme) -> None:
        detail = "There is no letter or digit in this, so it was left out."
        self._warnings.add("word_ignored", lexeme.position, detail)

    def _count(self, *, words_more: bool, tokens_more: int) -> None:
        self._words += words_more
        self._tokens += tokens_more
        if self._words > MAX_WORDS:
            raise QueryTooLargeError("query_too_complex", f"The query has more than {MAX_WORDS} words outside quotes.")
        if self._tokens > MAX_TOKENS:
            sentence = f"The query has more than {MAX_TOKENS} words in all, those in quotes included."
            raise QueryTooLargeError("query_too_complex", sentence)


def _within(field: QueryField | None, leaf: Node) -> Node:
    return leaf if field is None else InField(cast("TextField", field), leaf)
