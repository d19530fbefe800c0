"""Write the names of months and weekdays that feeds use, from CLDR: `python -m tests.support.calendar_names`.

The `babel` package carries CLDR, the locale data of the Unicode Consortium. Names are folded as newswire folds words, so
that case, accents and dots do not matter.
"""

from collections import defaultdict
from pathlib import Path

import babel
from babel import Locale

from newswire.analysis import fold
from tests.conftest import ROOT

FILE = ROOT / "layers" / "newswire" / "ingest" / "parse" / "calendar_names.py"
LANGUAGES = [
    "en", "fr", "de", "nl", "it", "es", "pt", "da", "nb", "nn", "is", "sv", "fi", "el", "tr", "pl", "cs", "sk", "hu",
    "sl", "hr", "bg", "ro", "et", "lv", "lt", "sq", "mk", "sr", "sr_Latn", "bs", "lb", "ca", "eu", "gl", "cy", "ru",
    "uk", "be", "ar", "fa", "he", "ka", "hy", "az", "id", "ms", "af", "kk",
]  # fmt: skip
"""The languages of the NATO countries, and others of news feeds. Chinese, Japanese and Korean number their months."""
OTHER_MONTHS = {
    "en": {"sept": 9, "octo": 10},
    "fr": {"janv": 1, "fev": 2, "fevr": 2, "avr": 4, "juil": 7},
    "de": {"jaenner": 1, "jänner": 1, "maerz": 3, "mrz": 3},
    "it": {"sett": 9},
    "es": {"set": 9, "setiembre": 9},
    "pl": {"styczen": 1, "kwi": 4, "cze": 6, "paz": 10},
    "nl": {"mrt": 3},
    "pt": {"marco": 3},
    "ru": {
        "янв": 1,
        "фев": 2,
        "мар": 3,
        "апр": 4,
        "июн": 6,
        "июл": 7,
        "авг": 8,
        "сен": 9,
        "окт": 10,
        "ноя": 11,
        "дек": 12,
    },
    "hr": {"studenog": 11},
    "tr": {"subat": 2, "agustos": 8, "eylul": 9, "kasim": 11, "aralik": 12},
}
"""Spellings of feeds that CLDR does not list."""


def key_of(name: str) -> str:
    """Return a name as the reader of dates looks it up."""
    return fold(name.strip().rstrip(".").lower()).replace("ß", "ss").strip(" .'’-")


def months() -> dict[str, dict[str, int]]:
    """Return the number of the month by language, for each name."""
    found: dict[str, dict[str, int]] = defaultdict(dict)
    for language in LANGUAGES:
        for context in ("format", "stand-alone"):
            for width in ("wide", "abbreviated"):
                for number, name in Locale.parse(language).months[context][width].items():
                    _add(found, key_of(name), language, number)
        for name, number in OTHER_MONTHS.get(language, {}).items():
            _add(found, key_of(name), language, number)
    return {name: numbers for name, numbers in found.items() if numbers and not any(map(str.isdigit, name))}


def weekdays() -> dict[str, tuple[int, ...]]:
    """Return the weekdays that each name may mean; 0 is Monday."""
    found: dict[str, set[int]] = defaultdict(set)
    for language in LANGUAGES:
        for context in ("format", "stand-alone"):
            for width in ("wide", "abbreviated", "short"):
                for number, name in Locale.parse(language).days[context].get(width, {}).items():
                    found[key_of(name)].add(number)
    return {name: tuple(sorted(numbers)) for name, numbers in found.items() if len(name) > 1}


def _add(found: dict[str, dict[str, int]], name: str, language: str, number: int) -> None:
    if len(name) > 1:
        found[name].setdefault(language.partition("_")[0], number)


def module() -> str:
    """Return the text of the module."""
    names = months()
    plain = {name: next(iter(numbers.values())) for name, numbers in names.items() if len(set(numbers.values())) == 1}
    ambiguous = {name: numbers for name, numbers in names.items() if name not in plain}
    lines = [
        f'"""Names of months and weekdays, made by `python -m tests.support.calendar_names` from CLDR (babel {babel.__version__}).',
        "",
        "A name is folded as words are, without dots. CLDR is under the Unicode License v3.",
        '"""',
        "",
        "# fmt: off",
        "MONTHS: dict[str, int] = {",
        *_rows(plain),
        "}",
        '"""The number of the month that a name means in every language that has it."""',
        "MONTHS_BY_LANGUAGE: dict[str, dict[str, int]] = {",
        *(f'    "{name}": {_inline(numbers)},' for name, numbers in sorted(ambiguous.items())),
        "}",
        '"""The numbers of the months that a name means in different languages."""',
        "WEEKDAYS: dict[str, tuple[int, ...]] = {",
        *_rows(weekdays()),
        "}",
        '"""The weekdays that a name may mean; 0 is Monday."""',
        "",
    ]
    return "\n".join(lines)


def _inline(numbers: dict[str, int]) -> str:
    return "{" + ", ".join(f'"{language}": {number}' for language, number in sorted(numbers.items())) + "}"


def _rows(values: dict[str, int] | dict[str, tuple[int, ...]]) -> list[str]:
    """Return the lines of a dictionary, as many entries in a line as fit."""
    rows = ["   "]
    for name, value in sorted(values.items()):
        entry = f' "{name}": {value},'
        if len(rows[-1]) + len(entry) > 120:
            rows.append("   ")
        rows[-1] += entry
    return rows


if __name__ == "__main__":
    Path(FILE).write_text(module())
