"""The analyzer of newswire, for indexing and queries: fold text, split it into tokens, and stem tokens.

The fields of both engines split at white space only and hold these tokens, so both engines find the same items.
docs/relevance.md has the rules; docs/decisions/0002-own-analysis.md has the measurements.
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
"""Maximum characters of a token; longer ones are cut. OpenSearch refuses an item with a token of 40,000 characters."""

# Readers do not type these marks: accents, Hebrew points, Arabic vowel signs, tatweel, Cyrillic titlo.
# Vowel signs of Indic and Thai scripts are marks too, but their readers type them as letters, so they stay.
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
MAX_MARKS = 30
"""Maximum combining marks in a row: the Stream-Safe Text Format of Unicode Standard Annex 15, section 13. Normalization
takes quadratic time in the length of such a run."""
# Letters without a decomposition, and what readers type for them, as in Lucene's ASCIIFoldingFilter.
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
    "\u0649": "\u064a",  # alef maksura and the Persian yeh are written for the Arabic yeh
    "\u06cc": "\u064a",
    "\u06a9": "\u0643",  # the Persian kaf
}

# Han, Hiragana, Katakana and Hangul syllables, Thai, Lao, Burmese and Khmer: each character is a token, since no space
# separates their words.
_SINGLE = (
    "\u0e01-\u0e3a\u0e40-\u0e4e\u0e81-\u0ebd\u0ec0-\u0ecd\u0edc-\u0edf\u1000-\u103f\u1050-\u108f\u109a-\u109d"
    "\u1780-\u17d3\u17d7\u17dc\u17dd\ua9e0-\ua9ef\ua9fa-\ua9fe\uaa60-\uaa7f"
    "\u3005\u3007\u3041-\u3096\u309d-\u309f\u30a1-\u30fa\u30fc-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff"
    "\uf900-\ufaff\uac00-\ud7a3\U0001b000-\U0001b16f\U00020000-\U000323af"
)
# Vowel signs and tone marks of Indic and Tibetan: not \\w, but inside words.
_INNER_MARKS = "\u0900-\u0dff\u0f18-\u0f84"
_LETTER = rf"[^\W_{_SINGLE}]"
# A run of letters and inner marks, or a single character. In this form the regex engine takes a run in one step.
_TOKEN = rf"{_LETTER}+(?:[{_INNER_MARKS}]+{_LETTER}*)*|[{_SINGLE}]|(?:[{_INNER_MARKS}]+{_LETTER}*)+"
# The commonest characters outside ASCII and outside tokens. Without them two of five texts are ASCII, and fast to split.
_PUNCTUATION = (("\u2019", "'"), ("\u2018", "'"), ("\u201c", '"'), ("\u201d", '"'), ("\u2013", "-"), ("\u2014", "-"),
                ("\u2026", "."), ("\xa0", " "))  # fmt: skip
# Letters that are written for an apostrophe, and the space without width, which parts words of Khmer and Burmese.
_RARE_PUNCTUATION = dict.fromkeys(map(ord, "\u02b9\u02bb\u02bc\u02bd\u02be\u02bf\u02c8\u055a\ua78b\ua78c"), "'") | {
    0x200B: " "
}
_ASCII_TOKEN = re.compile(r"[a-z0-9]+")
_NO_SPACE = re.compile(r"\S+")
_LONG_RUN = re.compile(rf"[^\w\s]{{{MAX_MARKS + 1},}}")  # combining marks are neither letters nor white space

_MAX_CACHED_STEMS = 200_000
_stem_cache: dict[str, str] = {}
_stemmer_of_thread = threading.local()


class _Patterns:
    """The patterns for text outside ASCII. Compiled on first use: they take 12 ms, and an English search needs none."""

    @cached_property
    def dropped(self) -> re.Pattern[str]:
        ranges = "".join(f"{chr(low)}-{chr(high)}" for low, high in _DROPPED_RANGES)
        return re.compile(f"[{ranges}{''.join(map(chr, _INVISIBLE))}]+")

    @cached_property
    def rare_punctuation(self) -> re.Pattern[str]:
        return re.compile(f"[{''.join(map(chr, _RARE_PUNCTUATION))}]")

    @cached_property
    def other_digit(self) -> re.Pattern[str]:
        """Match a decimal digit outside ASCII."""
        return re.compile(r"(?![0-9])\d")

    @cached_property
    def token(self) -> re.Pattern[str]:
        return re.compile(_TOKEN)

    @cached_property
    def single_character(self) -> re.Pattern[str]:
        return re.compile(f"[{_SINGLE}]")


_PATTERNS = _Patterns()


def limit_marks(text: str) -> str:
    """Cut each run of combining marks after `MAX_MARKS`."""
    return _LONG_RUN.sub(_cut_marks, text)


def _cut_marks(match: re.Match[str]) -> str:
    kept: list[str] = []
    marks = 0
    for character in match.group():
        marks = marks + 1 if unicodedata.combining(character) else 0
        if marks <= MAX_MARKS:
            kept.append(character)
    return "".join(kept)


def fold(text: str) -> str:
    """Return the text without differences of case, width and accents, with the decimal digits of all scripts as ASCII.

    Škoda becomes skoda, ΟΔΌΣ equals οδός, and ｶﾀｶﾅ equals カタカナ. The steps are NFKC, case folding, NFD, removal of
    marks, and NFC (Unicode Standard Annex 15). NFC keeps Hangul in syllables, and the voicing of Kana.
    """
    if text.isascii():
        return text.lower()
    text = limit_marks(text)
    decomposed = unicodedata.normalize("NFD", unicodedata.normalize("NFKC", text).casefold())
    if decomposed.isascii():
        return decomposed
    plain = limit_marks(_PATTERNS.dropped.sub("", decomposed))  # what was dropped may have parted two runs
    for letter, typed in _PLAIN.items():
        if letter in plain:
            plain = plain.replace(letter, typed)
    plain = _PATTERNS.other_digit.sub(lambda match: str(unicodedata.decimal(match.group())), plain)
    return unicodedata.normalize("NFC", plain)


def tokens(text: str) -> list[str]:
    """Return the folded tokens of a text, in order.

    A run of letters and digits is one token. A character of a script that writes words without spaces is a token by itself.
    """
    text = _replace_punctuation(text)
    folded = _ASCII_TOKEN.findall(text.lower()) if text.isascii() else _PATTERNS.token.findall(fold(text))
    if len(text) > TOKEN_LENGTH and max(map(len, folded), default=0) > TOKEN_LENGTH:
        return [token[:TOKEN_LENGTH] for token in folded]
    return folded


def stem(token: str) -> str:
    """Return the English stem of a folded token (Snowball's `english` stemmer, also called Porter 2)."""
    cached = _stem_cache.get(token)
    if cached is None:
        cached = _stemmer().stemWord(token)
        if len(_stem_cache) >= _MAX_CACHED_STEMS:
            _stem_cache.clear()
        _stem_cache[token] = cached
    return cached


def stems(folded: list[str]) -> list[str]:
    """Return the stems of folded tokens, one for each, in order."""
    cached = _stem_cache
    try:
        return [*map(cached.__getitem__, folded)]
    except KeyError:
        unknown = [*{token for token in folded if token not in cached}]
    if len(cached) + len(unknown) > _MAX_CACHED_STEMS:
        cached.clear()
        unknown = [*set(folded)]
    cached.update(zip(unknown, _stemmer().stemWords(unknown), strict=True))
    try:
        return [*map(cached.__getitem__, folded)]
    except KeyError:  # another thread has just cleared the cache
        return [*map(stem, folded)]


def _stemmer() -> Any:  # noqa: ANN401 - PyStemmer has no types
    """Return this thread's stemmer; a PyStemmer stemmer is not thread-safe."""
    try:
        return _stemmer_of_thread.value
    except AttributeError:
        _stemmer_of_thread.value = Stemmer.Stemmer("english", 0)
        return _stemmer_of_thread.value


def is_stemmed(lang: str | None) -> bool:
    """Return whether items of this language have English stems: English and unknown languages do."""
    return not lang or lang[:2].lower() == "en"


def is_single(token: str) -> bool:
    """Return whether a token is a single character of a script without spaces. Another token always begins after it."""
    return len(token) == 1 and _PATTERNS.single_character.fullmatch(token) is not None


def fold_whole(value: str) -> str:
    """Return a folded value for comparison as a whole: trimmed, each run of white space as one space."""
    return " ".join(fold(value).split())


def _replace_punctuation(text: str) -> str:
    """Replace typographic punctuation with ASCII of equal length; most English text is then ASCII."""
    if not text.isascii():
        for mark, plain in _PUNCTUATION:
            text = text.replace(mark, plain)
        if _PATTERNS.rare_punctuation.search(text):
            text = text.translate(_RARE_PUNCTUATION)
    return text


def spans_of(text: str, numbers: Sequence[int]) -> list[tuple[int, int]]:
    """Return the spans of some tokens of `tokens(text)`: their start and end offsets in the text.

    `numbers` are indexes into `tokens(text)`, in increasing order. White space separates tokens and does not fold with
    other characters, so a text outside ASCII is read word by word.
    """
    text = _replace_punctuation(text)
    if not numbers:
        return []
    if text.isascii():
        all_spans = [match.span() for match in islice(_ASCII_TOKEN.finditer(text.lower()), numbers[-1] + 1)]
        return [all_spans[number] for number in numbers]
    spans: list[tuple[int, int]] = []
    rest = iter(numbers)
    number = next(rest)
    before = 0
    for word in _NO_SPACE.finditer(text):
        within = _word_spans(word.group())
        while number < before + len(within):
            first, last = within[number - before]
            spans.append((word.start() + first, word.start() + last))
            if len(spans) == len(numbers):
                return spans
            number = next(rest)
        before += len(within)
    return spans


@lru_cache(maxsize=8192)
def _word_spans(text: str) -> tuple[tuple[int, int], ...]:
    """Return the spans of the tokens of a text without white space.

    Folding changes lengths. So the text is folded in pieces, and each folded character keeps the number of its piece.
    """
    if text.isascii():
        return tuple(match.span() for match in _ASCII_TOKEN.finditer(text.lower()))
    pieces = _split_pieces(text)
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


def _split_pieces(text: str) -> list[tuple[int, int]]:
    """Return the spans of the pieces of a text: each is a character with those that fold together with it."""
    starts = [start for start in range(len(text)) if start == 0 or not _folds_with_previous(text[start])]
    return list(zip(starts, [*starts[1:], len(text)], strict=True))


@lru_cache(maxsize=8192)
def _folds_with_previous(character: str) -> bool:
    """Return whether a character is a mark, a voicing sign, or a Hangul vowel or final: it folds with the previous one."""
    if character.isascii():
        return False
    first = unicodedata.normalize("NFKD", character)[:1]
    return unicodedata.category(first).startswith("M") or 0x1160 <= ord(first) <= 0x11FF  # noqa: PLR2004 - Jamo
