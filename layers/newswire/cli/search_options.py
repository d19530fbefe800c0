"""The options of `newswire search`, from the table of search parameters."""

from __future__ import annotations

from newswire.search.parameters import PARAMETERS, Parameter

SEARCH_OPTIONS = tuple(parameter for parameter in PARAMETERS if parameter.name not in {"q", "format"})
"""The parameters that are options; `q` is the words of the command."""


def option_of(name: str) -> str:
    """Return the option of a parameter: `date_field` is `--date-field`."""
    return f"--{name.replace('_', '-')}"


def help_of(parameter: Parameter) -> str:
    """Return the help text of an option: what it does, what is allowed and the default."""
    match parameter.kind:
        case "choice" | "choices":
            allowed = f" Allowed: {', '.join(parameter.allowed)}."
        case "number":
            allowed = f" Allowed: {parameter.least} to {parameter.most}."
        case _:
            allowed = ""
    return f"{parameter.sentence}{allowed} Default: {parameter.default}."
