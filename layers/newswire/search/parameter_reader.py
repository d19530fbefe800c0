"""Read the raw parameters of an HTTP request strictly, and collect everything that is wrong with them. Pure.

Nothing is clamped or ignored silently (docs/api.md). A list parameter is one comma-separated value with CSV quoting.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Literal, TypeVar, cast

from msgspec import Struct

from newswire.errors import RequestError

MAX_QUOTED_CHARACTERS = 100
"""Maximum characters of a caller's text that a message quotes."""
MAX_DIGITS = 18
"""Numbers of more digits do not fit into 64 bits."""

_QUOTED_VALUE = re.compile(r'"((?:[^"]|"")*+)"\s*+(?=,|$)')
_LIST_ADVICE = 'values with commas between; a value with a comma or quote in double quotes, as in "a, b",c'
_T = TypeVar("_T", bound=str)

ErrorCode = Literal[
    "unknown_parameter", "repeated_parameter", "invalid_value", "out_of_range", "query_too_long", "query_too_complex",
    "cursor_invalid", "cursor_mismatch", "conflict",
]  # fmt: skip


class Problem(Struct, frozen=True):
    """What is wrong with one parameter."""

    param: str
    code: ErrorCode
    detail: str
    allowed: str = ""


class BadParametersError(RequestError):
    """A request has wrong parameters: all problems at once."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("; ".join(f"{problem.param}: {problem.detail}" for problem in problems))
        self.problems = tuple(problems)


def sentence_of(problem: Problem, name: str) -> str:
    """Describe a problem in one or two sentences, with the parameter under this name, and what is allowed."""
    detail = problem.detail
    if detail.startswith(f"{problem.param} "):
        detail = f"{name}{detail.removeprefix(problem.param)}"
    else:
        detail = f"{name}: {detail}"
    return f"{detail} Allowed: {problem.allowed}." if problem.allowed and problem.allowed not in detail else detail


def shorten(text: str) -> str:
    """Return a caller's text for quoting: at most 100 characters, control characters escaped."""
    short = text if len(text) <= MAX_QUOTED_CHARACTERS else f"{text[: MAX_QUOTED_CHARACTERS - 1]}…"
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode("ascii") for c in short)


class ParameterReader:
    """Reads the parameters of a request one by one, and collects the problems."""

    def __init__(
        self, raw: Mapping[str, Sequence[str]], names: Sequence[str], required: Mapping[str, str] = MappingProxyType({})
    ) -> None:
        """Read the parameters of a request; `required` gives what each parameter that must be sent allows."""
        self._required = required
        self.problems: list[Problem] = []
        self.values: dict[str, str] = {}
        """The values of the known parameters that were sent once, as text."""
        for name, values in raw.items():
            if not name.startswith("X-Amz-"):  # a signed URL brings these
                self._take(name, values, names)
        for name, allowed in required.items():
            if name not in raw:
                self.add(name, "invalid_value", f"{name} is missing.", allowed)

    def _take(self, name: str, values: Sequence[str], names: Sequence[str]) -> None:
        shown = shorten(name)
        if name not in names:
            self.add(shown, "unknown_parameter", f"Unknown parameter {shown!r}.", ", ".join(names) or "none")
        elif len(values) != 1:
            self.add(name, "repeated_parameter", f"{name} must be sent once, got {len(values)} values.", "once")
        elif not values[0].strip():
            self.add(
                name,
                "invalid_value",
                f"{name} must not be empty.",
                self._required.get(name, "a value, or leave it out"),
            )
        elif not _is_text(values[0]):
            self.add(name, "invalid_value", f"{name} must be Unicode text.", "UTF-8, percent-encoded")
        else:
            self.values[name] = values[0]

    def add(self, param: str, code: ErrorCode, detail: str, allowed: str = "") -> None:
        """Add a problem with a parameter."""
        self.problems.append(Problem(param, code, detail, allowed))

    def raise_if_wrong(self) -> None:
        """Raise `BadParametersError` with all problems, if there are any."""
        if self.problems:
            raise BadParametersError(self.problems)

    def choice(self, name: str, allowed: Sequence[_T], default: _T) -> _T:
        """Read one of the allowed words."""
        if name not in self.values:
            return default
        value = self.values[name].strip()
        if value in allowed:
            return cast("_T", value)
        words = ", ".join(allowed)
        self.add(name, "invalid_value", f"{name} must be one of {words}; got {shorten(value)!r}.", words)
        return default

    def whole_number(self, name: str, least: int, most: int, default: int) -> int:
        """Read a whole number from `least` to `most`."""
        text = self.values.get(name, str(default)).strip()
        number = read_number(text)
        allowed = f"{least} to {most}"
        if number is None and re.fullmatch(r"[+-]?[0-9]+", text) is None:
            self.add(name, "invalid_value", f"{name} must be a whole number, got {shorten(text)!r}.", allowed)
        elif number is None or not least <= number <= most:
            self.add(name, "out_of_range", f"{name} must be from {least} to {most}, got {shorten(text)}.", allowed)
        else:
            return number
        return default

    def values_of(self, name: str) -> tuple[str, ...]:
        """Read a list of any values; reject empty values and bad quoting."""
        if name not in self.values:
            return ()
        values = split_list(self.values[name])
        if values is None:
            self.add(name, "invalid_value", f"The list {name} has wrong quoting.", _LIST_ADVICE)
            return ()
        if not all(values):
            self.add_empty_value(name)
            return ()
        return tuple(values)

    def add_empty_value(self, name: str) -> None:
        """Add the problem that a value of a list is empty."""
        self.add(name, "invalid_value", f"The list {name} has an empty value.", "values with commas between")

    def choices(self, name: str, allowed: Sequence[_T]) -> tuple[_T, ...]:
        """Read a list of allowed words, each once."""
        chosen: list[_T] = []
        for value in self.values_of(name):
            if value not in allowed:
                detail = f"{name} must list allowed words only, got {shorten(value)!r}."
                self.add(name, "invalid_value", detail, ", ".join(allowed))
            elif value in chosen:
                self.add(name, "invalid_value", f"{name} lists {value} twice.", "each once")
            else:
                chosen.append(cast("_T", value))
        return tuple(chosen)


def read_number(text: str) -> int | None:
    """Read a whole number of ASCII digits; None for anything else, and for more than 18 digits."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= MAX_DIGITS else None


def _is_text(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:  # half of a surrogate pair: JSON can hold one, UTF-8 cannot
        return False
    return True


# --- lists ------------------------------------------------------------------------------------------------------------


def split_list(text: str) -> list[str] | None:
    """Split a list at its commas, as CSV does (RFC 4180), and strip each value; None if the quoting is wrong."""
    values = []
    at = 0
    while True:
        at += len(text[at:]) - len(text[at:].lstrip())
        if text.startswith('"', at):
            quoted = _QUOTED_VALUE.match(text, at)
            if quoted is None:
                return None
            values.append(quoted.group(1).replace('""', '"').strip())
            at = quoted.end()
        else:
            end = text.find(",", at)
            plain = text[at : end if end >= 0 else len(text)]
            if '"' in plain:
                return None
            values.append(plain.strip())
            at += len(plain)
        if at == len(text):
            return values
        at += 1  # the comma


def quoted_list(values: Iterable[str]) -> str:
    """Join the values of a list parameter with commas, quoted where necessary."""
    return ",".join('"' + value.replace('"', '""') + '"' if '"' in value or "," in value else value for value in values)


def included_list(values: Iterable[str]) -> str:
    """Write a list parameter that includes exactly these values, also those that begin like an exclusion."""
    return quoted_list(f"\\{value}" if value.startswith(("-", "\\")) else value for value in values)


def unescape_value(value: str) -> str:
    """Return a value of a list without the backslash that protects a first `-` or backslash."""
    return value[1:] if value.startswith(("\\-", "\\\\")) else value
