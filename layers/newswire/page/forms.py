"""What forms send: parameters come in with the empty and the repeated ones, the clean ones go out. Pure.

A form sends every field, also an empty one, and a checkbox as often as it is ticked; the API refuses both (docs/api.md).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from urllib.parse import urlencode

from msgspec import Struct

from newswire.parameters import VALUE_FIELDS

SEARCH_FIELDS = (
    "q", "match", "from", "to", "tz", "date_field", "feed", "category", "author", "lang", "sort", "size", "cursor",
)  # fmt: skip
"""What the page of a search takes, in the order in which its addresses have it; anything else is passed over."""
PAGE_FIELDS = ("tz", "size", "cursor")
"""What the page of a feed takes."""


class Tidied(Struct, frozen=True):
    """The parameters, each once; `is_clean` says that they were sent just so."""

    parameters: dict[str, str]
    is_clean: bool


def tidied(sent: Mapping[str, Sequence[str]], known: Sequence[str]) -> Tidied:
    """Drop empty parameters, join repeated ones (of another than a list or `q` the last one stands), pass over unknown ones."""
    found: dict[str, str] = {}
    is_clean = True
    for name in known:
        values = sent.get(name) or ()
        said = list(dict.fromkeys(value for value in values if value.strip()))
        is_clean = is_clean and list(values) == said[:1]
        if name in VALUE_FIELDS and said:
            found[name] = ",".join(said)
        elif said:
            found[name] = " ".join(said) if name == "q" else said[-1]
    return Tidied(found, is_clean)


def query_of(parameters: Mapping[str, str]) -> str:
    """Write parameters as the query of an address, with its `?`; nothing for none. What a reader can read stays readable."""
    written = urlencode(parameters, safe=",:/", errors="replace")
    return f"?{written}" if written else ""


def around_range(parameters: Mapping[str, str]) -> tuple[str, str]:
    """Give what stands before and after `from=…&to=…` in the address of a first page: dates need no encoding."""
    first = changed(parameters, from_=None, to=None)
    before: dict[str, str] = {name: first.pop(name) for name in ("q", "match") if name in first}
    lead, rest = query_of(before), query_of(first)
    return f"{lead}&" if lead else "?", f"&{rest[1:]}" if rest else ""


def changed(parameters: Mapping[str, str], **changes: str | None) -> dict[str, str]:
    """Change parameters, in their order; None takes one away. The page begins anew: a cursor belongs to one query only.

    `from_` stands for `from`, which Python keeps for itself.
    """
    new = {name.rstrip("_"): value for name, value in changes.items()}
    merged = {**parameters, "cursor": None, **new}
    return {name: merged[name] for name in SEARCH_FIELDS if (merged.get(name) is not None)}  # type: ignore[misc]
