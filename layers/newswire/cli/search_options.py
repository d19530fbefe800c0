"""The options of `newswire search`, from the table of search parameters."""

from __future__ import annotations

from newswire.search.parameters import PARAMETERS

SEARCH_OPTIONS = tuple(parameter for parameter in PARAMETERS if parameter.name not in {"q", "format"})
"""The parameters that are options; `q` is the words of the command."""


def option_of(name: str) -> str:
    """Return the option of a parameter: `date_field` is `--date-field`."""
    return f"--{name.replace('_', '-')}"
