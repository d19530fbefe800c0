"""Parameters: what a caller sent comes in as text, a search that was understood goes out, or all that is wrong. Pure.

Nothing is clamped or ignored silently. The contract is in docs/api.md.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Literal, TypeVar, cast
from zoneinfo import ZoneInfo

from msgspec import Struct

from newswire import analysis
from newswire.clock import Instant
from newswire.engines.query import (
    DateField,
    FacetQuery,
    Node,
    RecencyBand,
    SearchQuery,
    Sort,
    ValueField,
    ValueFilter,
    is_scored,
)
from newswire.errors import UsageError
from newswire.search.cursor import Cursor, fingerprint_of, position_of, read_cursor
from newswire.search.dates import FORMS, UNITS, DateValueError, Period, Unit, read_period, read_zone, utc
from newswire.search.grammar import MAX_CHARACTERS, Match, QueryTooLargeError, QueryWarning, ReadQuery, read_query

MAX_SIZE = 200
DEFAULT_SIZE = 20
MAX_FACET_VALUES = 200
MAX_IDS = 100
QUOTED = 100
"""So many characters of what a caller sent are quoted at most."""

ItemField = Literal[
    "id", "feed", "title", "link", "summary", "content", "authors", "categories", "lang", "published",
    "published_source", "published_precision", "published_raw", "date_flags", "updated", "changed", "first_seen",
    "revision", "age", "score", "highlights",
]  # fmt: skip
ITEM_FIELDS: tuple[ItemField, ...] = (
    "id", "feed", "title", "link", "summary", "content", "authors", "categories", "lang", "published",
    "published_source", "published_precision", "published_raw", "date_flags", "updated", "changed", "first_seen",
    "revision", "age", "score", "highlights",
)  # fmt: skip
Format = Literal["json", "rss", "atom", "jsonfeed", "csv", "ndjson"]
HighlightField = Literal["title", "summary", "content"]
HIGHLIGHT_FIELDS: tuple[HighlightField, ...] = ("title", "summary", "content")
VALUE_FIELDS: tuple[ValueField, ...] = ("feed", "category", "author", "lang")
DATE_FIELDS: tuple[DateField, ...] = ("published", "updated", "changed", "first_seen")
SORTS: tuple[Sort, ...] = ("relevance", "newest", "oldest")
MATCHES: tuple[Match, ...] = ("all", "any")
HISTOGRAMS: tuple[Unit | Literal["auto"], ...] = (*UNITS, "auto")
STATES = ("ok", "stale", "failing", "paused", "never")
FEED_FORMATS: tuple[Format, ...] = ("rss", "atom", "jsonfeed")
FORMATS: tuple[Format, ...] = ("json", *FEED_FORMATS, "csv", "ndjson")

SEARCH_PARAMETERS = (
    "q", "match", "from", "to", "tz", "date_field", "feed", "category", "author", "lang", "sort", "size", "cursor",
    "fields", "highlight", "facets", "histogram", "format",
)  # fmt: skip
MAY_CHANGE = frozenset({"cursor", "size", "fields", "highlight", "facets", "histogram", "format"})
"""What may change from page to page."""

_QUOTED_VALUE = re.compile(r'"((?:[^"]|"")*+)"\s*+(?=,|$)')
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


class BadParametersError(UsageError):
    """All that is wrong with the parameters of a request, at once."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("; ".join(f"{problem.param}: {problem.detail}" for problem in problems))
        self.problems = tuple(problems)


class Listed(Struct, frozen=True):
    """The values of a list parameter, as they were sent but for quoting."""

    any_of: tuple[str, ...] = ()
    none_of: tuple[str, ...] = ()


class SearchRequest(Struct, frozen=True):
    """The parameters of a search, understood: what the engine is asked, and what is echoed."""

    parameters: Mapping[str, str]
    q: str | None
    read: ReadQuery | None
    match: Match
    tz: ZoneInfo
    lists: Mapping[ValueField, Listed]
    raw_lists: Mapping[ValueField, tuple[str, ...]]
    is_relative: bool
    """A bound was reckoned from now."""
    query: SearchQuery
    histogram: Unit | Literal["auto"] | None
    fields: frozenset[ItemField]
    highlight: tuple[HighlightField, ...]
    form: Format
    fingerprint: bytes
    cursor: Cursor | None
    now: Instant

    @property
    def node(self) -> Node | None:
        """The tree of the query, where there is one."""
        return self.read.node if self.read else None

    @property
    def warnings(self) -> tuple[QueryWarning, ...]:
        """The repairs of the query."""
        return self.read.warnings if self.read else ()


def shorten(text: str) -> str:
    """Quote what a caller sent: at most 100 characters, control characters escaped."""
    short = text if len(text) <= QUOTED else f"{text[: QUOTED - 1]}…"
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode("ascii") for c in short)


class ParameterReader:
    """Takes the parameters of a request one by one, and collects all that is wrong with them."""

    def __init__(self, sent: Mapping[str, Sequence[str]], known: Sequence[str]) -> None:
        self.problems: list[Problem] = []
        self.said: dict[str, str] = {}
        for name, values in sent.items():
            if not name.startswith("X-Amz-"):  # a signed URL brings its own
                self._take(name, values, known)

    def _take(self, name: str, values: Sequence[str], known: Sequence[str]) -> None:
        shown = shorten(name)
        if name not in known:
            allowed = ", ".join(known)
            self.wrong(shown, "unknown_parameter", f"There is no parameter {shown!r} here.", allowed or "none")
        elif len(values) != 1:
            self.wrong(name, "repeated_parameter", f"{name} is given {len(values)} times.", "once")
        elif not values[0].strip():
            self.wrong(name, "invalid_value", f"{name} is empty.", "a value, or leave it out")
        elif not _is_text(values[0]):
            self.wrong(name, "invalid_value", f"{name} is no Unicode text.", "UTF-8, percent-encoded")
        else:
            self.said[name] = values[0]

    def wrong(self, param: str, code: ErrorCode, detail: str, allowed: str = "") -> None:
        """Note what is wrong with a parameter."""
        self.problems.append(Problem(param, code, detail, allowed))

    def raise_if_wrong(self) -> None:
        """Raise `BadParametersError` with everything that is wrong, if anything is."""
        if self.problems:
            raise BadParametersError(self.problems)

    def choice(self, name: str, allowed: Sequence[_T], default: _T) -> _T:
        """Read one of a few words."""
        if name not in self.said:
            return default
        value = self.said[name].strip()
        if value in allowed:
            return cast("_T", value)
        self.wrong(name, "invalid_value", f"{shorten(value)!r} is none of the values of {name}.", ", ".join(allowed))
        return default

    def whole_number(self, name: str, low: int, high: int, default: int) -> int:
        """Read a whole number of a range."""
        text = self.said.get(name, str(default)).strip()
        number = _number(text)
        if number is None and re.fullmatch(r"[+-]?[0-9]+", text):
            self.wrong(name, "out_of_range", f"{shorten(text)} is out of range.", f"{low} to {high}")
        elif number is None:
            self.wrong(name, "invalid_value", f"{shorten(text)!r} is no whole number.", f"{low} to {high}")
        elif not low <= number <= high:
            self.wrong(name, "out_of_range", f"{shorten(text)} is out of range.", f"{low} to {high}")
        else:
            return number
        return default

    def listed(self, name: str) -> tuple[str, ...]:
        """Read a list: one comma-separated value with CSV quoting; empty values and bad quoting are refused."""
        if name not in self.said:
            return ()
        values = _list_values(self.said[name])
        if values is None:
            allowed = 'values with commas between; one with a comma or a quote in double quotes, as in "a, b",c'
            self.wrong(name, "invalid_value", "The quoting of the list is wrong.", allowed)
            return ()
        if not all(values):
            self.wrong(name, "invalid_value", "A value of the list is empty.", "values with commas between")
            return ()
        return tuple(values)

    def listed_of(self, name: str, allowed: Sequence[_T]) -> tuple[_T, ...]:
        """Read a list of a few words, each once."""
        found: list[_T] = []
        for value in self.listed(name):
            if value not in allowed:
                self.wrong(name, "invalid_value", f"There is no {shorten(value)!r} for {name}.", ", ".join(allowed))
            elif value in found:
                self.wrong(name, "invalid_value", f"{value} is listed twice.", "each once")
            else:
                found.append(cast("_T", value))
        return tuple(found)


def _is_text(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:  # half of a surrogate pair, which JSON can hold and UTF-8 can't
        return False
    return True


def _list_values(text: str) -> list[str] | None:
    """Part a list at its commas, as CSV does; None where the quoting is wrong."""
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


def written_list(values: Iterable[str]) -> str:
    """Write values as a list parameter that is read as just these, also where one begins as an exclusion does."""
    return quoted_list(f"\\{value}" if value.startswith(("-", "\\")) else value for value in values)


def quoted_list(values: Iterable[str]) -> str:
    """Write the values of a list parameter with commas between, in quotes where they need some."""
    return ",".join('"' + value.replace('"', '""') + '"' if '"' in value or "," in value else value for value in values)


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 18 else None  # noqa: PLR2004 - 64 bits


# --- /v1/search -------------------------------------------------------------------------------------------------------

Bands = Callable[[Instant], tuple[RecencyBand, ...]]


def read_search(sent: Mapping[str, Sequence[str]], now: Instant, recency: Bands = lambda _now: ()) -> SearchRequest:
    """Read the parameters of a search; `recency` gives the bands of a moment.

    Raises `BadParametersError` with everything that is wrong.
    """
    reader = ParameterReader(sent, SEARCH_PARAMETERS)
    fingerprint = fingerprint_of({name: text for name, text in reader.said.items() if name not in MAY_CHANGE})
    cursor = _cursor(reader, fingerprint)
    now = cursor.now if cursor else now
    match = reader.choice("match", MATCHES, "all")
    read = _query(reader, match)
    zone = zone_of(reader)
    bounds = [_period(reader, name, zone, now) for name in ("from", "to")]
    start = bounds[0].start if bounds[0] else None
    end = bounds[1].end if bounds[1] else None
    if start is not None and end is not None and start >= end:
        reader.wrong("to", "conflict", "The range ends before it starts, or at once.", "a `to` after `from`")
    raw_lists = {name: reader.listed(name) for name in VALUE_FIELDS}
    lists = {name: _parted(reader, name, values) for name, values in raw_lists.items() if values}
    sort = _sort(reader, read)
    fields = reader.listed_of("fields", ITEM_FIELDS)
    wanted: frozenset[ItemField] = frozenset({*fields, "id"}) if fields else frozenset(ITEM_FIELDS) - {"content"}
    highlight = reader.listed_of("highlight", HIGHLIGHT_FIELDS)
    histogram = reader.choice("histogram", HISTOGRAMS, "auto") if "histogram" in reader.said else None
    form = _format(reader)
    query = SearchQuery(
        node=read.node if read else None,
        filters=tuple(
            ValueFilter(name, tuple(map(analysis.fold_whole, one.any_of)), tuple(map(analysis.fold_whole, one.none_of)))
            for name, one in lists.items()
        ),
        date_field=reader.choice("date_field", DATE_FIELDS, "published"),
        start=start,
        end=end,
        sort=sort,
        recency=recency(now) if sort == "relevance" else (),
        size=reader.whole_number("size", 0, MAX_SIZE, DEFAULT_SIZE),
        after=position_of(cursor) if cursor else None,
        with_content="content" in wanted or "content" in highlight or form in FEED_FORMATS,
        facets=_facets(reader),
    )
    reader.raise_if_wrong()
    return SearchRequest(
        parameters=reader.said,
        q=reader.said.get("q"),
        read=read,
        match=match,
        tz=zone,
        lists=lists,
        raw_lists={name: values for name, values in raw_lists.items() if values},
        is_relative=any(period is not None and period.is_relative for period in bounds),
        query=query,
        histogram=histogram,
        fields=wanted,
        highlight=highlight,
        form=form,
        fingerprint=fingerprint,
        cursor=cursor,
        now=now,
    )


def _format(reader: ParameterReader) -> Format:
    """Read the form of the answer; what it has no place for is refused, since nothing is ignored."""
    form = reader.choice("format", FORMATS, "json")
    if form != "json":
        for name in ("facets", "histogram", *(("fields", "highlight") if form in FEED_FORMATS else ())):
            if name in reader.said:
                reader.wrong(name, "conflict", f"An answer as {form} has no place for {name}.", "format=json")
    return form


def _cursor(reader: ParameterReader, fingerprint: bytes) -> Cursor | None:
    if "cursor" not in reader.said:
        return None
    cursor = read_cursor(reader.said["cursor"])
    if cursor is None:
        reader.wrong("cursor", "cursor_invalid", "This is no cursor that newswire gave.", "`next` of an answer")
        return None
    if cursor.fingerprint != fingerprint:
        detail = "The cursor belongs to another query."
        reader.wrong("cursor", "cursor_mismatch", detail, f"the same parameters but {', '.join(sorted(MAY_CHANGE))}")
    return cursor


def _query(reader: ParameterReader, match: Match) -> ReadQuery | None:
    if "q" not in reader.said:
        return None
    try:
        return read_query(reader.said["q"], match)
    except QueryTooLargeError as error:
        allowed = f"at most {MAX_CHARACTERS} characters, 64 words outside quotes, 256 in all, brackets 16 deep"
        reader.wrong("q", cast("ErrorCode", error.code), str(error), allowed)
        return None


def zone_of(reader: ParameterReader) -> ZoneInfo:
    """Read `tz`; UTC where it is not said."""
    if "tz" not in reader.said:
        return utc()
    name = reader.said["tz"].strip()
    zone = read_zone(name)
    if zone is None:
        detail = f"{shorten(name)!r} is no time zone of the IANA database."
        reader.wrong("tz", "invalid_value", detail, "a name such as Europe/Brussels")
    return zone or utc()


def _period(reader: ParameterReader, name: str, zone: ZoneInfo, now: Instant) -> Period | None:
    if name not in reader.said:
        return None
    try:
        return read_period(reader.said[name].strip(), zone, now)
    except DateValueError as error:
        reader.wrong(name, error.code, str(error), FORMS)
        return None


def _parted(reader: ParameterReader, name: str, values: Iterable[str]) -> Listed:
    """Part the values that are wanted from those that are excluded, and take the backslash off the plain ones."""
    found: tuple[list[str], list[str]] = ([], [])
    for value in values:
        is_excluded = value.startswith("-")
        plain = plain_value(value[1:].strip() if is_excluded else value)
        if not analysis.fold_whole(plain):
            reader.wrong(name, "invalid_value", "A value of the list is empty.", "values with commas between")
        found[is_excluded].append(plain)
    return Listed(tuple(found[0]), tuple(found[1]))


def plain_value(value: str) -> str:
    """Give what a value of a list means, without the backslash that makes a first `-` or backslash plain."""
    return value[1:] if value.startswith(("\\-", "\\\\")) else value


def _sort(reader: ParameterReader, read: ReadQuery | None) -> Sort:
    has_words = is_scored(read.node if read else None)
    default: Sort = "relevance" if has_words else "newest"
    sort = reader.choice("sort", SORTS, default)
    if sort == "relevance" and not has_words:
        detail = "There are no words to score: relevance orders by the words of q."
        reader.wrong("sort", "conflict", detail, "newest, oldest, or words in q")
    return sort


def _facets(reader: ParameterReader) -> tuple[FacetQuery, ...]:
    found: dict[str, FacetQuery] = {}
    allowed = f"{', '.join(VALUE_FIELDS)}, each perhaps with `:` and 1 to {MAX_FACET_VALUES}"
    for value in reader.listed("facets"):
        name, colon, count = value.partition(":")
        number = _number(count) if colon else FacetQuery("feed").size
        if name not in VALUE_FIELDS or number is None:
            reader.wrong("facets", "invalid_value", f"There is no facet {shorten(value)!r}.", allowed)
        elif not 1 <= number <= MAX_FACET_VALUES:
            reader.wrong("facets", "out_of_range", f"{shorten(count)} values are out of range.", allowed)
        elif name in found:
            reader.wrong("facets", "invalid_value", f"{name} is listed twice.", "each once")
        else:
            found[name] = FacetQuery(name, number)
    return tuple(found.values())
