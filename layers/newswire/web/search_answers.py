"""The JSON of searches and items: render a `SearchResult`, and name it by an entity tag. Pure.

These models are the schemas of /openapi.json, with their docstrings.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from operator import attrgetter
from typing import Any, Literal, cast

import msgspec
from msgspec import UNSET, Struct, UnsetType, field

from newswire.clock import Instant, to_rfc3339
from newswire.engines.coverage import FeedCoverage, FeedGap, UnwatchedFeed
from newswire.engines.query import DateField, Sort, ValueField
from newswire.feed_status import State
from newswire.model import CutField, Enclosure, Item
from newswire.search.ages import relative_age
from newswire.search.answer import Histogram, SearchResult
from newswire.search.grammar import Match, understood
from newswire.search.parameters import ITEM_FIELDS, CoverageDetail, ItemField
from newswire.search.request import SearchRequest

MAX_IDS = 100
"""Maximum ids in one request of /v1/items."""


class Echo(Struct, frozen=True):
    """The request as newswire understood it; list parameters appear only if they were sent."""

    q: str | None
    understood: str | None
    match: Match
    from_: str | None = field(name="from")
    to: str | None
    tz: str
    date_field: DateField
    sort: Sort
    feed: tuple[str, ...] | UnsetType = UNSET
    category: tuple[str, ...] | UnsetType = UNSET
    author: tuple[str, ...] | UnsetType = UNSET
    lang: tuple[str, ...] | UnsetType = UNSET


class Total(Struct, frozen=True):
    """The number of items found, on all pages; exact but while the index is rebuilt."""

    value: int
    exact: bool = True


class ItemOut(Struct, frozen=True):
    """An item, with the requested fields."""

    id: str
    feed: str | UnsetType = UNSET
    title: str | UnsetType = UNSET
    link: str | UnsetType = UNSET
    summary: str | UnsetType = UNSET
    content: str | UnsetType = UNSET
    authors: tuple[str, ...] | UnsetType = UNSET
    categories: tuple[str, ...] | UnsetType = UNSET
    image: str | UnsetType | None = UNSET
    enclosures: tuple[Enclosure, ...] | UnsetType = UNSET
    lang: str | UnsetType | None = UNSET
    published: str | UnsetType = UNSET
    published_source: str | UnsetType = UNSET
    published_precision: Literal["day", "minute", "second"] | UnsetType = UNSET
    published_raw: str | UnsetType | None = UNSET
    date_flags: tuple[str, ...] | UnsetType = UNSET
    updated: str | UnsetType | None = UNSET
    changed: str | UnsetType = UNSET
    first_seen: str | UnsetType = UNSET
    revision: int | UnsetType = UNSET
    cut: tuple[CutField, ...] | UnsetType = UNSET
    age: str | UnsetType = UNSET
    score: float | UnsetType | None = UNSET
    highlights: dict[str, str] | UnsetType = UNSET


class ItemsOut(Struct, frozen=True):
    """The requested items, in the requested order; `not_returned` lists those beyond the limit of 4 MB."""

    items: tuple[ItemOut, ...]
    not_found: tuple[str, ...]
    not_returned: tuple[str, ...]


class FacetValueOut(Struct, frozen=True):
    """A value of a facet in its most common spelling, and the number of items that have it."""

    value: str
    count: int


class FacetOut(Struct, frozen=True):
    """The most common values of a field over all items found; `missing` counts the items without a value."""

    values: tuple[FacetValueOut, ...]
    other: int
    missing: int
    exact: bool


class BucketOut(Struct, frozen=True):
    """The number of items whose date is in a range; `from` is included, `to` is not."""

    from_: str = field(name="from")
    to: str
    count: int


class NotOk(Struct, frozen=True):
    """A feed that is not up to date; `since` is when it began to fail, null unless it fails."""

    feed: str
    state: State
    last_success: str | None
    since: str | None


class GapOut(Struct, frozen=True):
    """A time in which items of a feed may have come and gone unseen; `to` is null while the gap is open."""

    feed: str
    from_: str = field(name="from")
    to: str | None


class Coverage(Struct, frozen=True):
    """How well the feeds of the search were being watched in its range.

    The counts are complete; `not_ok` and `gaps` list at most 20 each, and are not there with `coverage=counts`.
    `archived` counts feeds that were only loaded, and are not to be polled.
    """

    feeds: int
    ok: int
    archived: int
    oldest_success: str | None
    not_ok_count: int
    gap_count: int
    not_ok: tuple[NotOk, ...] | UnsetType = UNSET
    gaps: tuple[GapOut, ...] | UnsetType = UNSET
    rebuilding: Literal[True] | UnsetType = UNSET
    """Only there while the index is rebuilt: items may be missing."""


class WarningOut(Struct, frozen=True):
    """A notice that is not an error, such as a repaired query; `position` is in code points of `q`."""

    code: str
    detail: str
    position: int | UnsetType = UNSET


class Answer(Struct, frozen=True):
    """The answer to a search."""

    query: Echo
    total: Total
    items: tuple[ItemOut, ...]
    facets: dict[ValueField, FacetOut] | UnsetType = UNSET
    histogram: tuple[BucketOut, ...] | UnsetType = UNSET
    next: str | None = None
    coverage: Coverage | UnsetType = UNSET
    """Not there with `coverage=none`."""
    warnings: tuple[WarningOut, ...] = ()
    took_ms: int = 0


def answer_out(result: SearchResult) -> Answer:
    """Render a result as the JSON answer of /v1/search."""
    request = result.request
    return Answer(
        query=_echo(request),
        total=Total(result.total, exact=not result.coverage.missing),
        items=items_out(result),
        facets={
            facet.field: FacetOut(
                tuple(FacetValueOut(value.value, value.count) for value in facet.values),
                facet.other,
                facet.missing,
                facet.exact,
            )
            for facet in result.facets
        }
        if request.query.facets
        else UNSET,
        histogram=UNSET if result.histogram is None else _histogram_out(result.histogram),
        next=result.next,
        coverage=UNSET if request.coverage == "none" else _coverage_out(result.coverage, request.coverage),
        warnings=tuple(
            WarningOut(warning.code, warning.detail, UNSET if warning.position is None else warning.position)
            for warning in result.warnings
        ),
        took_ms=result.took_ms,
    )


def _echo(request: SearchRequest) -> Echo:
    query = request.query
    return Echo(
        q=request.q,
        understood=understood(request.node) if request.node is not None else None,
        match=request.match,
        from_=time_out(query.start),
        to=time_out(query.end),
        tz=request.tz.key or "UTC",
        date_field=query.date_field,
        sort=query.sort,
        **cast("dict[str, tuple[str, ...]]", request.raw_lists),
    )


def _histogram_out(histogram: Histogram) -> tuple[BucketOut, ...]:
    return tuple(
        BucketOut(to_rfc3339(bucket.start), to_rfc3339(bucket.end), bucket.count) for bucket in histogram.buckets
    )


def _coverage_out(coverage: FeedCoverage, detail: CoverageDetail) -> Coverage:
    return Coverage(
        feeds=coverage.feeds,
        ok=coverage.ok,
        archived=coverage.archived,
        oldest_success=time_out(coverage.oldest_success),
        not_ok_count=coverage.not_ok_count,
        gap_count=coverage.gap_count,
        not_ok=tuple(map(_not_ok_out, coverage.not_ok)) if detail == "full" else UNSET,
        gaps=tuple(map(gap_out, coverage.gaps)) if detail == "full" else UNSET,
        rebuilding=True if coverage.missing else UNSET,
    )


def _not_ok_out(feed: UnwatchedFeed) -> NotOk:
    return NotOk(feed.feed, feed.state, time_out(feed.last_success), time_out(feed.since))


def gap_out(gap: FeedGap) -> GapOut:
    """Render a gap; `to` is None while it is open."""
    return GapOut(gap.feed, to_rfc3339(gap.start), time_out(gap.end))


def time_out(instant: Instant | None) -> str | None:
    """Write an instant as RFC 3339 in UTC; None stays None."""
    return None if instant is None else to_rfc3339(instant)


# --- items ------------------------------------------------------------------------------------------------------------

ALL_FIELDS = frozenset(ITEM_FIELDS)
_INSTANTS = ("published", "updated", "changed", "first_seen")


def items_out(result: SearchResult) -> tuple[ItemOut, ...]:
    """Render the items of a result, with the fields that the request asks for."""
    fields = result.request.fields
    return tuple(item_out(hit.item, result.now, fields, hit.score, hit.highlights) for hit in result.hits)


def item_out(
    item: Item,
    now: Instant,
    fields: frozenset[ItemField],
    score: float | None = None,
    highlights: object = None,
) -> ItemOut:
    """Render an item with these fields; `age` is its age at `now`, and `score` may be None."""
    names, read_fields, instants = _readers_of(fields)
    values: dict[str, Any] = dict(zip(names, read_fields(item), strict=True))
    for name in instants:
        values[name] = time_out(values[name])
    if "image" in fields:
        values["image"] = item.image or None
    if "age" in fields:
        values["age"] = relative_age(item.published, now)
    if "score" in fields:
        values["score"] = score
    if highlights is not None:
        values["highlights"] = highlights
    return ItemOut(**values)


@lru_cache(maxsize=256)
def _readers_of(
    fields: frozenset[ItemField],
) -> tuple[tuple[str, ...], Callable[[Item], tuple[Any, ...]], tuple[str, ...]]:
    """Return the requested fields of `Item`, a function that reads all of them, and which of them are instants."""
    names = tuple(sorted(fields & set(Item.__struct_fields__)))
    if len(names) == 1:  # `attrgetter` returns no tuple for one name
        return names, lambda item: (item.id,), ()
    return names, attrgetter(*names), tuple(name for name in _INSTANTS if name in names)


# --- entity tags ------------------------------------------------------------------------------------------------------


def without_volatile(answer: Answer, result: SearchResult) -> Answer:
    """Return the answer without the values that change by themselves, for an entity tag.

    These are durations, ages, check times and range bounds relative to now. The position of the cursor stands for the
    cursor, which holds the time of the search.
    """
    request, echo, buckets = result.request, answer.query, answer.histogram
    if request.is_relative:
        echo = msgspec.structs.replace(echo, from_=request.parameters.get("from"), to=request.parameters.get("to"))
        if buckets:
            buckets = (msgspec.structs.replace(buckets[0], from_=""), *buckets[1:])
            buckets = (*buckets[:-1], msgspec.structs.replace(buckets[-1], to=""))
    return msgspec.structs.replace(
        answer,
        query=echo,
        items=tuple(msgspec.structs.replace(item, age=UNSET) for item in answer.items),
        histogram=buckets,
        next=None if answer.next is None else str(result.next_position),
        coverage=UNSET if answer.coverage is UNSET else _stable_coverage(answer.coverage),
        took_ms=0,
    )


def _stable_coverage(coverage: Coverage) -> Coverage:
    not_ok = coverage.not_ok
    if not_ok is not UNSET:
        not_ok = tuple(msgspec.structs.replace(feed, last_success=None, since=None) for feed in not_ok)
    return msgspec.structs.replace(coverage, oldest_success=None, not_ok=not_ok)
