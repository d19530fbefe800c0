"""Messages about values of the wrong type name the key and the rule, without the words of a library."""

from typing import Literal

import msgspec
import pytest
from msgspec import Struct

from newswire.type_errors import describe


class Inner(Struct, forbid_unknown_fields=True):
    rows: str


class Table(Struct, forbid_unknown_fields=True):
    url: str
    title: str | None = None
    kind: Literal["auto", "rss"] = "auto"
    headers: dict[str, str] = {}
    listing: Inner | None = None
    size: int = 1


@pytest.mark.parametrize(
    ("value", "key", "clause"),
    [
        ({"url": 5}, "url", "must be text, got a whole number"),
        ({"url": "a", "title": [1]}, "title", "must be text or null, got a list"),
        ({"url": "a", "kind": "rdf"}, "kind", "must be one of auto, rss, got 'rdf'"),
        ({"url": "a", "headers": {"b": 1.5}}, "headers", "must hold text, got a number"),
        ({"url": "a", "headers": True}, "headers", "must be a table of names and values, got true or false"),
        ({"url": "a", "size": {}}, "size", "must be a whole number, got a table of names and values"),
        ({"url": "a", "listing": {"lines": "b"}}, "listing.lines", "is not a known key"),
        ({"url": "a", "listing": {}}, "listing.rows", "is missing"),
        ({"url": "a", "other": 1}, "other", "is not a known key: use url, title, kind, headers, listing, size"),
        ({}, "url", "is missing"),
        (5, "", "must be a table of names and values, got a whole number"),
    ],
)
def test_type_error_names_key_and_rule(value: object, key: str, clause: str) -> None:
    with pytest.raises(msgspec.ValidationError) as raised:
        msgspec.convert(value, Table)
    assert describe(raised.value, Table) == (key, clause)
