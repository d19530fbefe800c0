"""What a search is narrowed to, and what narrows it further: filters and facets come in, links go out. Pure.

A field that the search is narrowed to has no facet: its other values would be counted within the filter, and adding one would
widen it. Languages are counted by their first part, since `lang=en` finds `en-GB` too: what a link says is what it finds.
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
from newswire.web.pages.addresses import address_of, changed, query_of
from newswire.web.pages.item_rows import feed_title

FACETS = "feed:10,category:10,author:5,lang:200"
"""What a page asks for; of languages all, to be counted together."""
_MOST_LANGUAGES = 5
MOST_FILTERS = 20
"""So many values can be taken away by one click each: every such link holds the whole address."""
_NAMES: Mapping[ValueField, tuple[str, str]] = {
    "feed": ("Feed", "Feeds"),
    "category": ("Category", "Categories"),
    "author": ("Author", "Authors"),
    "lang": ("Language", "Languages"),
}


class Filter(Struct, frozen=True):
    """A value that the search is narrowed to, and the address of the search without it."""

    text: str
    href: str


class FacetLink(Struct, frozen=True):
    """A value that many of the items have, how many, and the search for them."""

    text: str
    count: int
    href: str


class FacetView(Struct, frozen=True):
    """What a search can be narrowed to."""

    field: ValueField
    name: str
    links: tuple[FacetLink, ...]
    other: int
    """How many items have other values; an item with two of them counts twice."""
    is_exact: bool


def filters_of(
    parameters: Mapping[str, str], request: SearchRequest, statuses: Mapping[str, FeedStatus]
) -> tuple[Filter, ...]:
    """Give what the search is narrowed to by values, of more than 20 the first."""
    found: list[Filter] = []
    for field, (name, _) in _NAMES.items():
        values = request.raw_lists.get(field, ())
        for raw, left in islice(_each(values), MOST_FILTERS - len(found)):
            prefix, plain = (
                ("not ", unescape_value(raw[1:].strip())) if raw.startswith("-") else ("", unescape_value(raw))
            )
            shown = feed_title(plain, statuses) if field == "feed" else plain
            href = address_of(parameters, **{field: quoted_list(left) if left else None})
            found.append(Filter(f"{prefix}{name}: {shown}", href))
    return tuple(found)


def facets_of(
    facets: Mapping[ValueField, Facet],
    parameters: Mapping[str, str],
    statuses: Mapping[str, FeedStatus],
) -> tuple[FacetView, ...]:
    """Give what the search can be narrowed to, of fields that it is not narrowed to yet."""
    said = query_of(changed(parameters))
    lead = f"{said}&" if said else "?"
    found = []
    for field, (_, name) in _NAMES.items():
        facet = facets.get(field)
        if facet is None or not facet.values or field in parameters:
            continue
        # A value of marks alone is one that nobody can ask for.
        counts = [(one.value, one.count) for one in facet.values if analysis.fold_whole(one.value)]
        other = facet.other
        if field == "lang":
            whole = Counter[str]()
            for value, count in counts:
                whole[value.partition("-")[0]] += count
            counts = sorted(whole.items(), key=lambda one: (-one[1], one[0]))
            other += sum(count for _, count in counts[_MOST_LANGUAGES:])
            counts = counts[:_MOST_LANGUAGES]
        links = (
            FacetLink(
                feed_title(value, statuses) if field == "feed" else value,
                count,
                f"{lead}{query_of({field: included_list([value])})[1:]}",
            )
            for value, count in counts
        )
        found.append(FacetView(field, name, tuple(links), other, facet.exact))
    return tuple(found)


def _each(values: tuple[str, ...]) -> Iterable[tuple[str, tuple[str, ...]]]:
    """Give each value with the others."""
    for at, value in enumerate(values):
        yield value, values[:at] + values[at + 1 :]
