"""Form submissions: remove empty parameters and join repeated ones. Pure.

A form sends every field, also if it is empty, and one value per ticked checkbox. The API refuses both (docs/api.md).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import Struct

from newswire.search.parameters import PARAMETERS, VALUE_FIELDS

SEARCH_FIELDS = (*(parameter.name for parameter in PARAMETERS if parameter.belongs_to_query), "size", "cursor")
"""The parameters of a search page, in the order of its URLs; other parameters are ignored."""
PAGE_FIELDS = ("tz", "size", "cursor")
"""The parameters of a feed page."""


class CleanQuery(Struct, frozen=True):
    """The parameters, each once; `is_clean` is whether they were sent exactly so."""

    parameters: dict[str, str]
    is_clean: bool


def clean_query(parameters: Mapping[str, Sequence[str]], names: Sequence[str]) -> CleanQuery:
    """Return the known parameters that have a value, each once.

    The values of a repeated list or `q` are joined; of any other repeated parameter the last value counts.
    """
    clean: dict[str, str] = {}
    is_clean = True
    for name in names:
        values = parameters.get(name) or ()
        filled = [value for value in values if value.strip()]
        is_clean = is_clean and list(values) == filled[:1]
        if name in VALUE_FIELDS and filled:
            clean[name] = ",".join(dict.fromkeys(filled))
        elif filled:
            clean[name] = " ".join(dict.fromkeys(filled)) if name == "q" else filled[-1]
    return CleanQuery(clean, is_clean)
