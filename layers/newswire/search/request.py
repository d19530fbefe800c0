"""Read a search request: turn the parameters of /v1/search into a query for the engine, or raise every problem. Pure.

`parameters.py` declares the parameters; docs/api.md is their contract.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import cast
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
from newswire.search.cursor import Cursor, fingerprint_of, position_of, read_cursor
from newswire.search.dates import FORMS, DateValueError, Period, read_period, read_zone, utc
from newswire.search.grammar import MAX_CHARACTERS, Match, QueryTooLargeError, QueryWarning, ReadQuery, read_query
from newswire.search.parameter_reader import ErrorCode, ParameterReader, read_number, shorten, unescape_value
from newswire.search.parameters import (
    DEFAULT_FACET_VALUES,
    FEED_FORMATS,
    ITEM_FIELDS,
    MAX_FACET_VALUES,
    MAY_CHANGE,
    PARAMETER,
    SEARCH_PARAMETERS,
    VALUE_FIELDS,
    CoverageDetail,
    Format,
    HighlightField,
    HistogramUnit,
    ItemField,
)


class ListFilter(Struct, frozen=True):
    """The values of a list parameter, without quoting and escapes."""

    any_of: tuple[str, ...] = ()
    none_of: tuple[str, ...] = ()


class SearchRequest(Struct, frozen=True):
    """An understood search request: the query for the engine, and what a renderer needs to know."""

    parameters: Mapping[str, str]
    q: str | None
    read: ReadQuery | None
    match: Match
    tz: ZoneInfo
    lists: Mapping[ValueField, ListFilter]
    raw_lists: Mapping[ValueField, tuple[str, ...]]
    """The values of the list parameters as sent, without quoting."""
    is_relative: bool
    """A bound of the range was computed from now."""
    query: SearchQuery
    histogram: HistogramUnit | None
    fields: frozenset[ItemField]
    highlight: tuple[HighlightField, ...]
    coverage: CoverageDetail
    form: Format
    fingerprint: bytes
    cursor: Cursor | None
    now: Instant

    @property
    def node(self) -> Node | None:
        """The tree of the query, if there is one."""
        return self.read.node if self.read else None

    @property
    def warnings(self) -> tuple[QueryWarning, ...]:
        """The repairs of the query."""
        return self.read.warnings if self.read else ()


Bands = Callable[[Instant], tuple[RecencyBand, ...]]
"""Returns the recency bands of an instant."""


def read_search(raw: Mapping[str, Sequence[str]], now: Instant, recency: Bands = lambda _now: ()) -> SearchRequest:
    """Read the parameters of a search. Raises `BadParametersError` with every problem."""
    reader = ParameterReader(raw, SEARCH_PARAMETERS)
    fingerprint = fingerprint_of({name: text for name, text in reader.values.items() if name not in MAY_CHANGE})
    cursor = _read_cursor(reader, fingerprint)
    now = cursor.now if cursor else now
    match = cast("Match", _choice(reader, "match"))
    query_read = _read_query(reader, match)
    zone = read_zone_parameter(reader)
    start_period, end_period = (_read_period(reader, name, zone, now) for name in ("from", "to"))
    start = start_period.start if start_period else None
    end = end_period.end if end_period else None
    if start is not None and end is not None and start >= end:
        reader.add("to", "conflict", "to must end after from starts.", "a `to` after `from`")
    raw_lists = {name: reader.values_of(name) for name in VALUE_FIELDS}
    lists = {name: _filter_of(reader, name, values) for name, values in raw_lists.items() if values}
    sort = _read_sort(reader, query_read)
    fields = _read_fields(reader)
    highlight = cast("tuple[HighlightField, ...]", _choices(reader, "highlight"))
    histogram = cast("HistogramUnit", _choice(reader, "histogram")) if "histogram" in reader.values else None
    form = _read_format(reader)
    coverage = cast("CoverageDetail", _choice(reader, "coverage"))
    query = SearchQuery(
        node=query_read.node if query_read else None,
        filters=tuple(
            ValueFilter(name, _fold(value_filter.any_of), _fold(value_filter.none_of))
            for name, value_filter in lists.items()
        ),
        date_field=cast("DateField", _choice(reader, "date_field")),
        start=start,
        end=end,
        sort=sort,
        recency=recency(now) if sort == "relevance" else (),
        size=_number(reader, "size"),
        after=position_of(cursor) if cursor else None,
        with_content="content" in fields or "content" in highlight or form in FEED_FORMATS,
        facets=_read_facets(reader),
    )
    reader.raise_if_wrong()
    return SearchRequest(
        parameters=reader.values,
        q=reader.values.get("q"),
        read=query_read,
        match=match,
        tz=zone,
        lists=lists,
        raw_lists={name: values for name, values in raw_lists.items() if values},
        is_relative=any(period is not None and period.is_relative for period in (start_period, end_period)),
        query=query,
        histogram=histogram,
        fields=fields,
        highlight=highlight,
        coverage=coverage,
        form=form,
        fingerprint=fingerprint,
        cursor=cursor,
        now=now,
    )


def _choice(reader: ParameterReader, name: str) -> str:
    parameter = PARAMETER[name]
    return reader.choice(name, parameter.allowed, parameter.default)


def _choices(reader: ParameterReader, name: str) -> tuple[str, ...]:
    return reader.choices(name, PARAMETER[name].allowed)


def _number(reader: ParameterReader, name: str) -> int:
    parameter = PARAMETER[name]
    return reader.whole_number(name, parameter.least, parameter.most, int(parameter.default))


def _fold(values: Iterable[str]) -> tuple[str, ...]:
    return tuple(map(analysis.fold_whole, values))


def _read_fields(reader: ParameterReader) -> frozenset[ItemField]:
    chosen = cast("tuple[ItemField, ...]", _choices(reader, "fields"))
    return frozenset({*chosen, "id"}) if chosen else frozenset(ITEM_FIELDS) - {"content"}


def _read_format(reader: ParameterReader) -> Format:
    """Read `format`; reject parameters that the format cannot show, since nothing is ignored."""
    form = cast("Format", _choice(reader, "format"))
    if form != "json":
        for name in ("facets", "histogram", "coverage", *(("fields", "highlight") if form in FEED_FORMATS else ())):
            if name in reader.values:
                reader.add(name, "conflict", f"{name} cannot be shown with format={form}.", "format=json")
    return form


def _read_cursor(reader: ParameterReader, fingerprint: bytes) -> Cursor | None:
    if "cursor" not in reader.values:
        return None
    cursor = read_cursor(reader.values["cursor"])
    if cursor is None:
        add_invalid_cursor(reader)
        return None
    if cursor.fingerprint != fingerprint:
        detail = "The cursor belongs to another query."
        reader.add("cursor", "cursor_mismatch", detail, f"the same parameters but {', '.join(sorted(MAY_CHANGE))}")
    return cursor


def add_invalid_cursor(reader: ParameterReader) -> None:
    """Add the problem that `cursor` is not a cursor."""
    detail = "Invalid cursor: it was not issued by this API."
    reader.add("cursor", "cursor_invalid", detail, "`next` of an answer")


def _read_query(reader: ParameterReader, match: Match) -> ReadQuery | None:
    if "q" not in reader.values:
        return None
    try:
        return read_query(reader.values["q"], match)
    except QueryTooLargeError as error:
        allowed = (
            f"at most {MAX_CHARACTERS:,} characters, 64 words outside quotes, 256 tokens in all, 16 levels of brackets"
        )
        reader.add("q", cast("ErrorCode", error.code), str(error), allowed)
        return None


def read_zone_parameter(reader: ParameterReader) -> ZoneInfo:
    """Read `tz`; return its default if it was not sent."""
    name = reader.values.get("tz", PARAMETER["tz"].default).strip()
    zone = read_zone(name)
    if zone is None:
        detail = f"tz must be a time zone of the IANA database, got {shorten(name)!r}."
        reader.add("tz", "invalid_value", detail, "a name such as Europe/Brussels")
    return zone or utc()


def _read_period(reader: ParameterReader, name: str, zone: ZoneInfo, now: Instant) -> Period | None:
    if name not in reader.values:
        return None
    try:
        return read_period(reader.values[name].strip(), zone, now)
    except DateValueError as error:
        reader.add(name, error.code, str(error), FORMS)
        return None


def _filter_of(reader: ParameterReader, name: str, values: Iterable[str]) -> ListFilter:
    """Split included from excluded values, and unescape them."""
    included: list[str] = []
    excluded: list[str] = []
    for value in values:
        is_excluded = value.startswith("-")
        plain = unescape_value(value[1:].strip() if is_excluded else value)
        if not analysis.fold_whole(plain):
            reader.add_empty_value(name)
        (excluded if is_excluded else included).append(plain)
    return ListFilter(tuple(included), tuple(excluded))


def _read_sort(reader: ParameterReader, query: ReadQuery | None) -> Sort:
    has_words = is_scored(query.node if query else None)
    default: str = "relevance" if has_words else "newest"
    sort = cast("Sort", reader.choice("sort", PARAMETER["sort"].allowed, default))
    if sort == "relevance" and not has_words:
        detail = "sort=relevance needs search words in q."
        reader.add("sort", "conflict", detail, "newest, oldest, or words in q")
    return sort


def _read_facets(reader: ParameterReader) -> tuple[FacetQuery, ...]:
    facets: dict[str, FacetQuery] = {}
    fields = PARAMETER["facets"].allowed
    allowed = f"{', '.join(fields)}, each perhaps with `:` and 1 to {MAX_FACET_VALUES}"
    for value in reader.values_of("facets"):
        name, colon, count = value.partition(":")
        number = read_number(count) if colon else DEFAULT_FACET_VALUES
        if name not in fields or number is None:
            reader.add(
                "facets", "invalid_value", f"facets must list allowed fields only, got {shorten(value)!r}.", allowed
            )
        elif not 1 <= number <= MAX_FACET_VALUES:
            detail = f"The number of values in facets must be from 1 to {MAX_FACET_VALUES}, got {shorten(count)}."
            reader.add("facets", "out_of_range", detail, allowed)
        elif name in facets:
            reader.add("facets", "invalid_value", f"facets lists {name} twice.", "each once")
        else:
            facets[name] = FacetQuery(cast("ValueField", name), number)
    return tuple(facets.values())
