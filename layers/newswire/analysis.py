"""The analysis of text, the only one: text comes in, tokens go out, for indexing and queries alike.

Both engines are given these tokens for fields that split at white space only, so both find the same items. The rules
and what they were measured against are in docs/relevance.md and docs/decisions/0002-own-analysis.md.
"""

from __future__ import annotations

import re
import threading
import unicodedata
from collections.abc import Sequence
from functools import cached_property, lru_cache
from itertools import islice
from typing import Any

import Stemmer

TOKEN_LENGTH = 64
"""Tokens are cut at this many characters: a 40,000-character token makes OpenSearch refuse the item."""

# Marks that a reader leaves out when typing: accents, Hebrew points, Arabic vowel signs, tatweel, Cyrillic titlo.
# Vowel signs of Indic and Thai scripts are marks too, but they are letters to their readers, so they stay.
_DROPPED_RANGES = (
    (0x0300, 0x036F),
    (0x0483, 0x0487),
    (0x0591, 0x05BD),
    (0x05BF, 0x05BF),
    (0x05C1, 0x05C2),
    (0x05C4, 0x05C5),
    (0x05C7, 0x05C7),
    (0x0610, 0x061A),
    (0x0640, 0x0640),
    (0x064B, 0x065F),
    (0x0670, 0x0670),
    (0x06D6, 0x06DC),
    (0x06DF, 0x06E4),
    (0x06E7, 0x06E8),
    (0x06EA, 0x06ED),
    (0x1AB0, 0x1AFF),
    (0x1DC0, 0x1DFF),
    (0x20D0, 0x20FF),
    (0xFE00, 0xFE0F),
    (0xFE20, 0xFE2F),
)
_INVISIBLE = (0x00AD, 0x200B, 0x200C, 0x200D, 0x2060, 0xFEFF, 0x200E, 0x200F)
# Letters that have no decomposition, with what a reader types for them (as ASCIIFoldingFilter of Lucene has them).
_PLAIN = {
    "ł": "l",
    "ø": "o",
    "đ": "d",
    "ð": "d",
    "þ": "th",
    "æ": "ae",
    "œ": "oe",
    "ı": "i",
    "ħ": "h",
    "ŧ": "t",
    "ŋ": "n",
}

# Han, Hiragana, Katakana and Hangul syllables: each character is a token, since no space parts their words.
_SINGLE = (
    "\u3005\u3007\u3041-\u3096\u309d-\u309f\u30a1-\u30fa\u30fc-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff"
    "\uf900-\ufaff\uac00-\ud7a3\U0001b000-\U0001b16f\U00020000-\U000323af"
)
# Vowel signs and tone marks of Indic, Thai, Lao, Tibetan, Burmese and Khmer are no \\w, but stand inside their words.
_INNER_MARKS = "\u0900-\u0dff\u0e31\u0e34-\u0e3a\u0e47-\u0e4e\u0eb0-\u0ecd\u0f18-\u0f84\u102b-\u109d\u17b4-\u17d3"
_LETTER = rf"[^\W_{_SINGLE}]"
# Any run of letters and inner marks, or a single character: written so that a run of letters is one step.
_TOKEN = rf"{_LETTER}+(?:[{_INNER_MARKS}]+{_LETTER}*)*|[{_SINGLE}]|(?:[{_INNER_MARKS}]+{_LETTER}*)+"
# The commonest of what is no ASCII and no part of a token: without it two texts of five are ASCII, and quick to part.
_PUNCTUATION = (("\u2019", "'"), ("\u2018", "'"), ("\u201c", '"'), ("\u201d", '"'), ("\u2013", "-"), ("\u2014", "-"),
                ("\u2026", "."), ("\xa0", " "))  # fmt: skip
_ASCII_TOKEN = re.compile(r"[a-z0-9]+")
_NO_SPACE = re.compile(r"\S+")

_CACHE_LIMIT = 200_000
_stem_cache: dict[str, str] = {}
_stemmer_of_thread = threading.local()


class _Patterns:
    """The patterns of what is not ASCII, made when they are first needed: 12 ms that an English search does without."""

    @cached_property
    def dropped(self) -> re.Pattern[str]:
        ranges = "".join(f"{chr(low)}-{chr(high)}" for low, high in _DROPPED_RANGES)
        return re.compile(f"[{ranges}{''.join(map(chr, _INVISIBLE))}]+")

    @cached_property
    def token(self) -> re.Pattern[str]:
        return re.compile(_TOKEN)

    @cached_property
    def single_character(self) -> re.Pattern[str]:
        return re.compile(f"[{_SINGLE}]")


_PATTERNS = _Patterns()


def fold(text: str) -> str:
    """Fold case, width and accents away, so that Škoda equals skoda, ΟΔΌΣ equals οδός and ｶﾀｶﾅ equals カタカナ.

    NFKC, case folding, decomposition, marks dropped, composition again (Unicode Standard Annex 15; the composition
    keeps Hangul in syllables and the voicing of Kana).
    """
    if text.isascii():
        return text.lower()
    parted = unicodedata.normalize("NFD", unicodedata.normalize("NFKC", text).casefold())
    if parted.isascii():
        return parted
    plain = _PATTERNS.dropped.sub("", parted)
    for letter, typed in _PLAIN.items():
        if letter in plain:
            plain = plain.replace(letter, typed)
    return unicodedata.normalize("NFC", plain)


def tokens(text: str) -> list[str]:
    """Give the folded tokens of a text in their order: letters and digits together, each Han or Kana by itself."""
    text = _with_plain_marks(text)
    found = _ASCII_TOKEN.findall(text.lower()) if text.isascii() else _PATTERNS.token.findall(fold(text))
    if len(text) > TOKEN_LENGTH and max(map(len, found), default=0) > TOKEN_LENGTH:
        return [token[:TOKEN_LENGTH] for token in found]
    return found


def stem(token: str) -> str:
    """Give the English stem of a folded token (Snowball's `english`, also called Porter 2)."""
    known = _stem_cache.get(token)
    if known is None:
        known = _stemmer().stemWord(token)
        if len(_stem_cache) >= _CACHE_LIMIT:
            _stem_cache.clear()
        _stem_cache[token] = known
    return known


def stems(folded: list[str]) -> list[str]:
    """Give the stems of folded tokens, one for one."""
    known = _stem_cache
    try:
        return [*map(known.__getitem__, folded)]
    except KeyError:
        unknown = [*{token for token in folded if token not in known}]
    if len(known) + len(unknown) > _CACHE_LIMIT:
        known.clear()
        unknown = [*set(folded)]
    known.update(zip(unknown, _stemmer().stemWords(unknown), strict=True))
    try:
        return [*map(known.__getitem__, folded)]
    except KeyError:  # another thread has just emptied it
        return [*map(stem, folded)]


def _stemmer() -> Any:  # noqa: ANN401 - PyStemmer has no types
    """Give this thread's own stemmer: one can't be used by several at once."""
    try:
        return _stemmer_of_thread.value
    except AttributeError:
        _stemmer_of_thread.value = Stemmer.Stemmer("english", 0)
        return _stemmer_of_thread.value


def is_stemmed(lang: str | None) -> bool:
    """Say whether items of this language have English stems: English ones, and those of unknown language."""
    return not lang or lang[:2].lower() == "en"


def is_single(token: str) -> bool:
    """Say whether this is a token of one Han, Kana or Hangul character, after which another token always begins."""
    return len(token) == 1 and _PATTERNS.single_character.fullmatch(token) is not None


def fold_whole(value: str) -> str:
    """Fold a value that is compared whole: folded, white space at its ends dropped and within it folded to one space."""
    return " ".join(fold(value).split())


def _with_plain_marks(text: str) -> str:
    """Write typographic marks as the plain ones, each as long as it was: most English text is ASCII but for them."""
    if not text.isascii():
        for mark, plain in _PUNCTUATION:
            text = text.replace(mark, plain)
    return text


def spans(text: str) -> list[tuple[int, int]]:
    """Give where each token of `tokens(text)` stands in the text: its first character, and that after its last."""
    return spans_of(text, range(len(tokens(text))))


def spans_of(text: str, numbers: Sequence[int]) -> list[tuple[int, int]]:
    """Give where some tokens of `tokens(text)` stand in the text, by their numbers, which rise.

    White space parts tokens and folds with nothing, so a text that is not ASCII is looked at word by word.
    """
    text = _with_plain_marks(text)
    if not numbers:
        return []
    if text.isascii():
        places = [match.span() for match in islice(_ASCII_TOKEN.finditer(text.lower()), numbers[-1] + 1)]
        return [places[number] for number in numbers]
    found: list[tuple[int, int]] = []
    rest = iter(numbers)
    number = next(rest)
    before = 0
    for word in _NO_SPACE.finditer(text):
        within = _spans_of_word(word.group())
        while number < before + len(within):
            first, last = within[number - before]
            found.append((word.start() + first, word.start() + last))
            if len(found) == len(numbers):
                return found
            number = next(rest)
        before += len(within)
    return found


@lru_cache(maxsize=8192)
def _spans_of_word(text: str) -> tuple[tuple[int, int], ...]:
    """Give the spans in a text without white space.

    Folding changes lengths, so the text is folded piece by piece, a piece being a character with all that folds
    together with it, and each folded character remembers its piece.
    """
    if text.isascii():
        return tuple(match.span() for match in _ASCII_TOKEN.finditer(text.lower()))
    pieces = _pieces(text)
    folded: list[str] = []
    origin: list[int] = []
    for number, (start, end) in enumerate(pieces):
        part = fold(text[start:end])
        folded.append(part)
        origin += [number] * len(part)
    return tuple(
        (pieces[origin[match.start()]][0], pieces[origin[match.end() - 1]][1])
        for match in _PATTERNS.token.finditer("".join(folded))
    )


def _pieces(text: str) -> list[tuple[int, int]]:
    """Part a text between characters that fold by themselves."""
    edges = [at for at in range(len(text)) if at == 0 or not _joins(text[at])]
    return list(zip(edges, [*edges[1:], len(text)], strict=True))


@lru_cache(maxsize=8192)
def _joins(character: str) -> bool:
    """Say whether a character folds together with the one before: a mark, a voicing sign, a Hangul vowel or final."""
    if character.isascii():
        return False
    first = unicodedata.normalize("NFKD", character)[:1]
    return unicodedata.category(first).startswith("M") or 0x1160 <= ord(first) <= 0x11FF  # noqa: PLR2004 - Jamo
