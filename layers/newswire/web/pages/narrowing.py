"""Filters and facets of a search page: links that remove a filter, and links that add one. Pure.

A field with a filter has no facet. Its other values would be counted within the filter, and a click would widen the
search. Languages are counted by their first part, because `lang=en` also finds `en-GB`: a count equals what its link
finds.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from itertools import islice

from msgspec import Struct

from newswire import analysis
from newswire.engines import Facet
from newswire.engines.query import ValueField
from newswire.model import FeedStatus
from newswire.search.parameter_reader import included_list, quoted_list, unescape_value
from newswire.search.request import SearchRequest
from newswire.web.pages.addresses import change_parameters, change_query, query_of
from newswire.web.pages.item_rows import feed_title

FACETS = "feed:10,category:10,author:5,lang:200"
"""The facets that a page requests; languages need all values, to be counted by their first part."""
_MAX_LANGUAGES = 5
MAX_FILTERS = 20
"""Maximum filters with a link to remove them, because each such link holds the whole URL."""
_NAMES: Mapping[ValueField, tuple[str, str]] = {
    "feed": ("Feed", "Feeds"),
    "category": ("Category", "Categories"),
    "author": ("Author", "Authors"),
    "lang": ("Language", "Languages"),
}


class Filter(Struct, frozen=True):
    """A filter value, and the query string of the search without it."""

    text: str
    href: str


class FacetLink(Struct, frozen=True):
    """A value, the number of items that have it, and the query string of the search for them."""

    text: str
    count: int
    href: str


class FacetView(Struct, frozen=True):
    """The most common values of a field, as links that narrow the search."""

    field: ValueField
    name: str
    links: tuple[FacetLink, ...]
    other: int
    """Number of (item, value) pairs that are not listed: an item with two other values counts twice."""
    is_exact: bool


def filters_of(
    parameters: Mapping[str, str], request: SearchRequest, statuses: Mapping[str, FeedStatus]
) -> tuple[Filter, ...]:
    """Return the filters of a search, at most `MAX_FILTERS`."""
    filters: list[Filter] = []
    for field, (name, _) in _NAMES.items():
        values = request.raw_lists.get(field, ())
        for raw, others in islice(_each_with_others(values), MAX_FILTERS - len(filters)):
            prefix, plain = (
                ("not ", unescape_value(raw[1:].strip())) if raw.startswith("-") else ("", unescape_value(raw))
            )
            shown = feed_title(plain, statuses) if field == "feed" else plain
            href = change_query(parameters, **{field: quoted_list(others) if others else None})
            filters.append(Filter(f"{prefix}{name}: {shown}", href))
    return tuple(filters)


def facets_of(
    facets: Mapping[ValueField, Facet],
    parameters: Mapping[str, str],
    statuses: Mapping[str, FeedStatus],
) -> tuple[FacetView, ...]:
    """Return the facets of the fields without a filter."""
    query = query_of(change_parameters(parameters))
    lead = f"{query}&" if query else "?"
    views = []
    for field, (_, name) in _NAMES.items():
        facet = facets.get(field)
        if facet is None or not facet.values or field in parameters:
            continue
        # No query can match a value that consists of marks only.
        counts = [(value.value, value.count) for value in facet.values if analysis.fold_whole(value.value)]
        other = facet.other
        if field == "lang":
            languages = Counter[str]()
            for tag, count in counts:
                languages[tag.partition("-")[0]] += count
            counts = sorted(languages.items(), key=lambda entry: (-entry[1], entry[0]))
            other += sum(count for _, count in counts[_MAX_LANGUAGES:])
            counts = counts[:_MAX_LANGUAGES]
        links = (
            FacetLink(
                feed_title(text, statuses) if field == "feed" else text,
                count,
                f"{lead}{query_of({field: included_list([text])})[1:]}",
            )
            for text, count in counts
        )
        views.append(FacetView(field, name, tuple(links), other, facet.exact))
    return tuple(views)


def _each_with_others(values: tuple[str, ...]) -> Iterable[tuple[str, tuple[str, ...]]]:
    """Yield each value with the other values."""
    for at, value in enumerate(values):
        yield value, values[:at] + values[at + 1 :]
