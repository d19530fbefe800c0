"""The table of search parameters in docs/api.md: `python -m tests.support.parameter_table` prints it."""

from collections.abc import Iterator

from newswire.search.parameters import PARAMETERS, Parameter


def rows() -> Iterator[str]:
    """Yield the rows of the table, without ids."""
    for parameter in PARAMETERS:
        yield f"| `{parameter.name}` | {parameter.sentence} | {_allowed(parameter)} | {_default(parameter)} |"


def _allowed(parameter: Parameter) -> str:
    match parameter.kind:
        case "text":
            return f"a query, at most {parameter.most:,} characters"
        case "date":
            return "a [date value](#date-values)"
        case "zone":
            return "an IANA time zone"
        case "number":
            return f"{parameter.least} to {parameter.most}"
        case "values":
            return "a [list](#lists)"
        case "choices" if len(parameter.allowed) > len(PARAMETERS) // 2:
            return "a [list](#lists) of the names of an [item](#answer)"
        case "choices":
            return f"a [list](#lists) of {_words(parameter)}"
        case "choice":
            return _words(parameter)
    return "a cursor"


def _words(parameter: Parameter) -> str:
    return " ".join(f"`{word}`" for word in parameter.allowed)


def _default(parameter: Parameter) -> str:
    is_value = parameter.default in parameter.allowed or parameter.kind in {"number", "zone"}
    return f"`{parameter.default}`" if is_value else parameter.default


if __name__ == "__main__":
    print("\n".join(rows()))
