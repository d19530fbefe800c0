"""Describe a value of the wrong type in a file of a user: which key, and what it must be, instead of msgspec's words."""

from __future__ import annotations

import re
from typing import Literal, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Struct

from newswire.urls import quotable

_WRONG_TYPE = re.compile(r"Expected `([^`]+)`, got `([^`]+)`")
_UNKNOWN_KEY = re.compile(r"Object contains unknown field `([^`]+)`")
_MISSING_KEY = re.compile(r"Object missing required field `([^`]+)`")
_NOT_ALLOWED = re.compile(r"Invalid enum value (.+)")
_TYPES = {
    "str": "text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "array": "a list",
    "object": "a table of names and values",
}


def describe(error: msgspec.ValidationError, struct: type[Struct]) -> tuple[str, str]:
    """Return the dotted key that an error of converting to `struct` is about, and what is wrong with it, as a clause.

    The key is "" if the whole value has the wrong type. The clause follows the key: ("title", "must be text, got a list").
    """
    reason, _, path = str(error).partition(" - at `$")
    key, _, inside = path.rstrip("`").removeprefix(".").partition("[")
    if match := _UNKNOWN_KEY.fullmatch(reason):
        known = f": use {', '.join(struct.__struct_fields__)}" if not key else ""
        return ".".join(filter(None, (key, match.group(1)))), f"is not a known key{known}"
    if match := _MISSING_KEY.fullmatch(reason):
        return ".".join(filter(None, (key, match.group(1)))), "is missing"
    if match := _NOT_ALLOWED.fullmatch(reason):
        value = match.group(1)
        value = repr(quotable(value.strip("'"))) if "/" in value or "@" in value else value  # it may be a URL
        return key, f"must be {_allowed(struct, key)}, got {value}"
    if match := _WRONG_TYPE.fullmatch(reason):
        expected, actual = (_name_types(types) for types in match.groups())
        return key, f"{'must hold' if inside else 'must be'} {expected}, got {actual}"
    return key, f"is invalid: {reason[:1].lower()}{reason[1:]}"


def _name_types(types: str) -> str:
    return " or ".join(_TYPES.get(name, name) for name in types.split(" | "))


def _allowed(struct: type[Struct], key: str) -> str:
    hint = get_type_hints(struct).get(key)
    return f"one of {', '.join(get_args(hint))}" if get_origin(hint) is Literal else "one of the allowed words"
