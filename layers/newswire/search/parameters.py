"""The parameters of a search, declared once: name, kind, allowed values, default and one sentence. Pure.

The reader (`request.py`), OpenAPI, the command line, the search form and the table in docs/api.md come from here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, get_args

from msgspec import Struct

from newswire.engines.query import DateField, Sort, ValueField
from newswire.search.buckets import UNITS, Unit
from newswire.search.grammar import MAX_CHARACTERS, Match

MAX_SIZE = 200
DEFAULT_SIZE = 20
MAX_FACET_VALUES = 200
DEFAULT_FACET_VALUES = 10

ItemField = Literal[
    "id", "feed", "title", "link", "summary", "content", "authors", "categories", "image", "enclosures", "lang", "published",
    "published_source", "published_precision", "published_raw", "date_flags", "updated", "changed", "first_seen",
    "revision", "cut", "age", "score", "highlights",
]  # fmt: skip
Format = Literal["json", "rss", "atom", "jsonfeed", "csv", "ndjson"]
HighlightField = Literal["title", "summary", "content"]
CoverageDetail = Literal["full", "counts", "none"]
HistogramUnit = Unit | Literal["auto"]

ITEM_FIELDS: tuple[ItemField, ...] = get_args(ItemField)
FORMATS: tuple[Format, ...] = get_args(Format)
FEED_FORMATS: tuple[Format, ...] = ("rss", "atom", "jsonfeed")
HIGHLIGHT_FIELDS: tuple[HighlightField, ...] = get_args(HighlightField)
VALUE_FIELDS: tuple[ValueField, ...] = get_args(ValueField)

Kind = Literal["text", "date", "zone", "choice", "number", "values", "choices", "cursor"]
"""`values` is a list of any values, where `-` excludes; `choices` is a list of allowed words."""


class Parameter(Struct, frozen=True):
    """One parameter of a search."""

    name: str
    kind: Kind
    sentence: str
    """What it does, for a person."""
    allowed: tuple[str, ...] = ()
    """The allowed words of a `choice` or `choices`; empty for any."""
    least: int = 0
    most: int = 0
    """The bounds of a `number`; the maximum length of a `text` in characters."""
    default: str = ""
    """What applies if it is not sent: a value for a `choice` or `number`, else a phrase."""
    belongs_to_query: bool = False
    """It identifies the query: it must stay the same from page to page, and the search form has it."""
    label: str = ""
    """The name of its field in the search form; empty if it has none."""
    option_labels: Mapping[str, str] = {}
    """What a `choice` offers in the search form: a text for each word, and under "" the text of the default.

    A word without a text is offered only if it was sent.
    """


PARAMETERS = (
    Parameter(
        "q",
        "text",
        "Words to search for, in the query language.",
        most=MAX_CHARACTERS,
        default="every item",
        belongs_to_query=True,
        label="Search the news",
    ),
    Parameter(
        "match",
        "choice",
        "The operator between words without one: all (AND) or any (OR).",
        get_args(Match),
        default="all",
        belongs_to_query=True,
        label="Words",
        option_labels={"": "All of them", "any": "Any of them"},
    ),
    Parameter(
        "from",
        "date",
        "A date value, such as 2025-05, yesterday or P7D; the range starts where it starts.",
        default="any time",
        belongs_to_query=True,
        label="From",
    ),
    Parameter(
        "to",
        "date",
        "A date value; the range ends where it ends.",
        default="any time",
        belongs_to_query=True,
        label="To",
    ),
    Parameter(
        "tz",
        "zone",
        "The IANA time zone of dates without an offset and of histogram buckets, such as Europe/Brussels.",
        default="UTC",
        belongs_to_query=True,
        label="Time zone",
    ),
    Parameter(
        "date_field",
        "choice",
        "The date that the range, the order and the histogram use.",
        get_args(DateField),
        default="published",
        belongs_to_query=True,
        label="Dates are",
        option_labels={
            "": "when it was published",
            "updated": "when the publisher updated it",
            "changed": "when it was added or changed",
            "first_seen": "when it was first seen",
        },
    ),
    Parameter(
        "feed",
        "values",
        "Only items of these feeds; - before a value excludes it.",
        default="no filter",
        belongs_to_query=True,
        label="Feeds",
    ),
    Parameter(
        "category",
        "values",
        "Only items in these categories; - before a value excludes it.",
        default="no filter",
        belongs_to_query=True,
    ),
    Parameter(
        "author",
        "values",
        "Only items by these authors; - before a value excludes it.",
        default="no filter",
        belongs_to_query=True,
    ),
    Parameter(
        "lang",
        "values",
        "Only items in these languages; en covers en-US; - before a value excludes it.",
        default="no filter",
        belongs_to_query=True,
    ),
    Parameter(
        "sort",
        "choice",
        "The order of items; newest and oldest use date_field.",
        get_args(Sort),
        default="relevance with words to score, else newest",
        belongs_to_query=True,
        label="Order",
        option_labels={"": "Best match, or newest", "newest": "Newest first", "oldest": "Oldest first"},
    ),
    Parameter(
        "size",
        "number",
        "The number of items on a page; 0 gives only the counts.",
        least=0,
        most=MAX_SIZE,
        default=str(DEFAULT_SIZE),
        label="Items a page",
    ),
    Parameter("cursor", "cursor", "The value of next in an earlier answer to the same query.", default="first page"),
    Parameter(
        "fields",
        "choices",
        "The fields of each item; id is always present.",
        ITEM_FIELDS,
        default="all but content",
    ),
    Parameter("highlight", "choices", "The texts in which matches are marked.", HIGHLIGHT_FIELDS, default="none"),
    Parameter(
        "facets",
        "choices",
        f"The fields whose values are counted; category:50 gives 50 values, at most {MAX_FACET_VALUES}.",
        VALUE_FIELDS,
        default=f"none; {DEFAULT_FACET_VALUES} values",
    ),
    Parameter("histogram", "choice", "Counts by date, in buckets of this unit.", (*UNITS, "auto"), default="none"),
    Parameter(
        "coverage",
        "choice",
        "How much of the coverage is told: with the lists of feeds and gaps, only the counts, or nothing.",
        get_args(CoverageDetail),
        default="full",
    ),
    Parameter("format", "choice", "The format of the answer.", FORMATS, default="json"),
)
PARAMETER: dict[str, Parameter] = {parameter.name: parameter for parameter in PARAMETERS}
SEARCH_PARAMETERS = tuple(PARAMETER)
MAY_CHANGE = frozenset(parameter.name for parameter in PARAMETERS if not parameter.belongs_to_query)
"""Parameters that may change from page to page."""
