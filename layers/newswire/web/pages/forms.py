"""What forms send: parameters come in with the empty and the repeated ones, the clean ones go out. Pure.

A form sends every field, also an empty one, and a checkbox as often as it is ticked; the API refuses both (docs/api.md).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import Struct

from newswire.search.parameters import PARAMETERS, VALUE_FIELDS

SEARCH_FIELDS = (*(parameter.name for parameter in PARAMETERS if parameter.belongs_to_query), "size", "cursor")
"""What the page of a search takes, in the order in which its addresses have it; anything else is passed over."""
PAGE_FIELDS = ("tz", "size", "cursor")
"""What the page of a feed takes."""


class CleanQuery(Struct, frozen=True):
    """The parameters, each once; `is_clean` says that they were sent just so."""

    parameters: dict[str, str]
    is_clean: bool


def clean_query(sent: Mapping[str, Sequence[str]], known: Sequence[str]) -> CleanQuery:
    """Drop empty parameters, join repeated ones (of another than a list or `q` the last one stands), pass over unknown ones."""
    found: dict[str, str] = {}
    is_clean = True
    for name in known:
        values = sent.get(name) or ()
        said = [value for value in values if value.strip()]
        is_clean = is_clean and list(values) == said[:1]
        if name in VALUE_FIELDS and said:
            found[name] = ",".join(dict.fromkeys(said))
        elif said:
            found[name] = " ".join(dict.fromkeys(said)) if name == "q" else said[-1]
    return CleanQuery(found, is_clean)
