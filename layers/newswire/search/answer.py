"""Searching: a request that was understood comes in, an answer goes out, for the HTTP API and the command line alike."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from functools import lru_cache
from operator import attrgetter
from typing import Any, Literal, cast

import msgspec
from msgspec import UNSET, Struct, UnsetType, field

from newswire import analysis
from newswire.clock import LAST_INSTANT, Clock, Instant, to_rfc3339
from newswire.engines import RELEVANCE_DEPTH, SearchEngine, SearchPage
from newswire.engines.query import DateField, SearchQuery, Sort, ValueField
from newswire.model import FeedStatus, Item
from newswire.search.ages import relative_age
from newswire.search.coverage import Coverage, coverage_of
from newswire.search.cursor import index_mark, write_cursor
from newswire.search.dates import AUTO_BUCKETS, MAX_BUCKETS, TooManyBucketsError, bucket_edges
from newswire.search.grammar import Match, understood
from newswire.search.highlights import Highlighter
from newswire.search.request import BadParametersError, ItemField, Listed, Problem, SearchRequest, shorten


class Echo(Struct, frozen=True):
    """What was understood of the request; a list parameter is there where it was given."""

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
    """How many items were found."""

    value: int
    exact: bool = True


class ItemOut(Struct, frozen=True):
    """An item as callers see it, with the fields that were asked for."""

    id: str
    feed: str | UnsetType = UNSET
    title: str | UnsetType = UNSET
    link: str | UnsetType = UNSET
    summary: str | UnsetType = UNSET
    content: str | UnsetType = UNSET
    authors: tuple[str, ...] | UnsetType = UNSET
    categories: tuple[str, ...] | UnsetType = UNSET
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
    age: str | UnsetType = UNSET
    score: float | UnsetType | None = UNSET
    highlights: dict[str, str] | UnsetType = UNSET


class FacetValueOut(Struct, frozen=True):
    """A value of a facet in its commonest spelling, and how many items have it."""

    value: str
    count: int


class FacetOut(Struct, frozen=True):
    """The commonest values of a field over all that was found."""

    values: tuple[FacetValueOut, ...]
    other: int
    missing: int
    exact: bool


class BucketOut(Struct, frozen=True):
    """How many items have their date in a half-open range."""

    from_: str = field(name="from")
    to: str
    count: int


class WarningOut(Struct, frozen=True):
    """Something that the caller should know and that is no error; `position` is in code points of `q`."""

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
    coverage: Coverage = field(default_factory=lambda: Coverage(0, 0, None, 0, 0, (), ()))
    warnings: tuple[WarningOut, ...] = ()
    took_ms: int = 0


Watch = Callable[[float, int], object]
"""Told of each search: how many milliseconds the engine took, and how many items it found."""


def answer(
    engine: SearchEngine, request: SearchRequest, clock: Clock, grace_s: int, watch: Watch | None = None
) -> Answer:
    """Search, and put the answer together.

    Raises `BadParametersError` for a histogram of too many buckets, and what the engine raises.
    """
    return answer_with_page(engine, request, clock, grace_s, watch)[0]


def answer_with_page(
    engine: SearchEngine,
    request: SearchRequest,
    clock: Clock,
    grace_s: int,
    watch: Watch | None = None,
    auto_buckets: int = AUTO_BUCKETS,
) -> tuple[Answer, SearchPage]:
    """Search like `answer`, and give what the engine found as well, for whoever writes it in another form.

    A histogram by `auto` has at most so many buckets.
    """
    started = time.perf_counter()
    query = _asked(engine, request, auto_buckets)
    asked_at = time.perf_counter()
    page = engine.search(query)
    if watch is not None:
        watch((time.perf_counter() - asked_at) * 1000, page.total)
    statuses = _let_through(page.statuses, request.lists.get("feed"))
    now = clock()
    highlighter = Highlighter(request.node, request.highlight) if request.highlight else None
    found = Answer(
        query=_echo(request),
        total=Total(page.total),
        items=tuple(item_out(hit.item, now, request.fields, hit.score, highlighter) for hit in page.hits),
        facets={
            one.field: FacetOut(
                tuple(FacetValueOut(value.value, value.count) for value in one.values),
                one.other,
                one.missing,
                one.exact,
            )
            for one in page.facets
        }
        if query.facets
        else UNSET,
        histogram=_buckets(query, page) if request.histogram else UNSET,
        next=_next(request, page),
        coverage=coverage_of(statuses, query.start, query.end, now, grace_s),
        warnings=tuple(_warnings(request, page)),
        took_ms=round((time.perf_counter() - started) * 1000),
    )
    return found, page


def _asked(engine: SearchEngine, request: SearchRequest, auto_buckets: int) -> SearchQuery:
    query = msgspec.structs.replace(request.query, with_statuses=True)
    if request.histogram is None:
        return query
    span = None if query.start is not None and query.end is not None else engine.span(query)
    unit = None if request.histogram == "auto" else request.histogram
    try:
        edges = bucket_edges(query.start, query.end, span, unit, request.tz, auto_buckets)
    except TooManyBucketsError as error:
        detail = f"A histogram by {request.histogram} would have more than {MAX_BUCKETS} buckets."
        allowed = f"{error.fits}, or a shorter range" if error.fits else "a shorter range"
        raise BadParametersError([Problem("histogram", "out_of_range", detail, allowed)]) from error
    return msgspec.structs.replace(query, edges=edges)


def _let_through(statuses: Iterable[FeedStatus], wanted: Listed | None) -> list[FeedStatus]:
    """Give those statuses whose feeds the feed filter lets through."""
    if wanted is None:
        return list(statuses)
    allowed, excluded = set(map(analysis.fold_whole, wanted.any_of)), set(map(analysis.fold_whole, wanted.none_of))
    return [one for one in statuses if (not allowed or one.id in allowed) and one.id not in excluded]


def _echo(request: SearchRequest) -> Echo:
    query = request.query
    return Echo(
        q=request.q,
        understood=understood(request.node) if request.node is not None else None,
        match=request.match,
        from_=_time(query.start),
        to=_time(query.end),
        tz=request.tz.key or "UTC",
        date_field=query.date_field,
        sort=query.sort,
        **cast("dict[str, tuple[str, ...]]", request.raw_lists),
    )


def _buckets(query: SearchQuery, page: SearchPage) -> tuple[BucketOut, ...]:
    edges = [
        to_rfc3339(min(edge, LAST_INSTANT)) for edge in query.edges
    ]  # the last moment there is lies in a bucket, too
    return tuple(
        BucketOut(low, high, count) for low, high, count in zip(edges, edges[1:], page.histogram, strict=False)
    )


def _next(request: SearchRequest, page: SearchPage) -> str | None:
    if page.next is None:
        return None
    index = request.cursor.index if request.cursor else index_mark(page.version)
    return write_cursor(request.fingerprint, page.next, request.now, index)


def _warnings(request: SearchRequest, page: SearchPage) -> Iterable[WarningOut]:
    for repair in request.warnings:
        yield WarningOut(repair.code, repair.detail, repair.position)
    yield from _unknown_feeds(request, page.statuses)
    if request.query.sort != "relevance":
        return
    if request.cursor is not None and request.cursor.index != index_mark(page.version):
        detail = "The index has changed since the first page: an item may be repeated or missed. By date none is."
        yield WarningOut("order_changed", detail)
    after = request.query.after
    reached = (after.offset if after else 0) + len(page.hits)
    if reached >= RELEVANCE_DEPTH and page.total > reached:
        detail = f"By relevance the first {RELEVANCE_DEPTH:,} items are given; sort=newest gives them all."
        yield WarningOut("relevance_depth", detail)


def _unknown_feeds(request: SearchRequest, statuses: Iterable[FeedStatus]) -> Iterable[WarningOut]:
    wanted = request.lists.get("feed")
    if wanted is None:
        return
    known = {status.id for status in statuses}
    for feed in (*wanted.any_of, *wanted.none_of):
        if analysis.fold_whole(feed) not in known:
            yield WarningOut("unknown_feed", f"There is no feed {shorten(feed)!r}.")


ALL_FIELDS: frozenset[ItemField] = frozenset(ItemOut.__struct_fields__)  # type: ignore[arg-type]


def item_out(
    item: Item,
    now: Instant,
    fields: frozenset[ItemField],
    score: float | None = None,
    highlighter: Highlighter | None = None,
) -> ItemOut:
    """Write an item as callers see it, with its age now and the fields that are wanted."""
    names, own, instants = _parts_of(fields)
    made: dict[str, Any] = dict(zip(names, own(item), strict=True))
    for name in instants:
        instant: Instant | None = made[name]
        made[name] = None if instant is None else to_rfc3339(instant)
    if "age" in fields:
        made["age"] = relative_age(item.published, now)
    if "score" in fields:
        made["score"] = score
    if highlighter is not None:
        texts = {"title": item.title, "summary": item.summary, "content": item.content}
        made["highlights"] = highlighter.marked(texts, item.lang)
    return ItemOut(**made)


@lru_cache(maxsize=256)
def _parts_of(
    fields: frozenset[ItemField],
) -> tuple[tuple[str, ...], Callable[[Item], tuple[Any, ...]], tuple[str, ...]]:
    """Part the fields: those that the item has itself, what reads them in one call, and which of them are instants."""
    names = tuple(sorted(fields & set(Item.__struct_fields__)))
    if len(names) == 1:  # `attrgetter` gives no tuple for one name
        return names, lambda item: (item.id,), ()
    return names, attrgetter(*names), tuple(name for name in _INSTANTS if name in names)


_INSTANTS = ("published", "updated", "changed", "first_seen")


# --- what stays the same ----------------------------------------------------------------------------------------------


def steady(found: Answer, request: SearchRequest, page_at: object = None) -> Answer:
    """Give an answer without what moves by itself: how long it took, ages, check times, and bounds reckoned from now."""
    echo, buckets = found.query, found.histogram
    if request.is_relative:
        said = request.parameters
        echo = msgspec.structs.replace(echo, from_=said.get("from"), to=said.get("to"))
        if buckets:
            buckets = (msgspec.structs.replace(buckets[0], from_=""), *buckets[1:])
            buckets = (*buckets[:-1], msgspec.structs.replace(buckets[-1], to=""))
    watched = found.coverage
    return msgspec.structs.replace(
        found,
        query=echo,
        items=tuple(msgspec.structs.replace(one, age=UNSET) for one in found.items),
        histogram=buckets,
        next=None if found.next is None else str(page_at),
        coverage=msgspec.structs.replace(
            watched,
            oldest_success=None,
            not_ok=tuple(msgspec.structs.replace(one, last_success=None, since=None) for one in watched.not_ok),
        ),
        took_ms=0,
    )


def _time(instant: Instant | None) -> str | None:
    return None if instant is None else to_rfc3339(instant)
