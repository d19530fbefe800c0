"""The page of a search: an answer comes in, and what its page says in words and addresses goes out. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from zoneinfo import ZoneInfo

from msgspec import UNSET, Struct

from newswire import words
from newswire.clock import DAY, Instant
from newswire.dates import local_at, read_zone, utc
from newswire.engines import SearchPage
from newswire.model import FeedStatus
from newswire.page.chart import Chart, chart_of
from newswire.page.coverage_words import CoverageWords, coverage_words, read_rfc3339
from newswire.page.forms import changed, query_of
from newswire.page.item_rows import ItemRow, feed_title, in_zone, item_row
from newswire.page.moments import local, short_day
from newswire.parameters import Problem, SearchRequest, quoted_list, written_list
from newswire.query import ValueField
from newswire.search import Answer, FacetOut

MOST_FEEDS = 20
"""So many feeds are offered as checkboxes; others are named in a field of their own."""
FACETS = "feed:10,category:10,author:5,lang:5"
ZONES = (
    "UTC", "Europe/London", "Europe/Lisbon", "Europe/Brussels", "Europe/Paris", "Europe/Berlin", "Europe/Madrid",
    "Europe/Rome", "Europe/Warsaw", "Europe/Vilnius", "Europe/Helsinki", "Europe/Athens", "Europe/Kyiv",
    "Europe/Istanbul", "America/New_York", "America/Chicago", "America/Denver", "America/Los_Angeles",
    "America/Toronto", "America/Sao_Paulo", "Africa/Cairo", "Africa/Lagos", "Africa/Nairobi", "Asia/Jerusalem",
    "Asia/Dubai", "Asia/Kolkata", "Asia/Singapore", "Asia/Shanghai", "Asia/Seoul", "Asia/Tokyo", "Australia/Sydney",
    "Pacific/Auckland",
)  # fmt: skip
"""What the field of the time zone suggests; any name of the IANA database may be typed."""

_FIELD_NAMES: Mapping[ValueField, str] = {
    "feed": "Feeds",
    "category": "Categories",
    "author": "Authors",
    "lang": "Languages",
}
_ORDERS = {"relevance": "Best match first", "newest": "Newest first", "oldest": "Oldest first"}
_DATES = {
    "published": "Published",
    "updated": "Updated by their publishers",
    "changed": "New or changed",
    "first_seen": "First seen",
}


class Choice(Struct, frozen=True):
    """One of the values that a field offers."""

    value: str
    text: str
    is_on: bool
    href: str = ""
    count: int | None = None


class FacetView(Struct, frozen=True):
    """A facet: its values as links that narrow; those that the search is narrowed to already can be taken away."""

    name: str
    field: ValueField
    values: tuple[Choice, ...]
    is_on: bool
    other: int
    missing: int


class Formats(Struct, frozen=True):
    """Where the same search is to be had from a program or a feed reader; addresses from the page's own root."""

    api: str
    """Absolute where the public address is known."""
    rss: str
    atom: str
    jsonfeed: str
    csv: str
    ndjson: str


class SearchForm(Struct, frozen=True):
    """The form as it was sent, with what is wrong beside each field."""

    values: Mapping[str, str]
    problems: Mapping[str, Sequence[Problem]]
    feeds: tuple[Choice, ...]
    other_feeds: str
    """What is asked of feeds beyond the checkboxes, as it is written in an address."""
    has_more_feeds: bool
    ranges: tuple[Choice, ...]

    @property
    def is_open(self) -> bool:
        """Say whether something is set that is not seen at once."""
        return bool({"match", "date_field", "size", "feed"} & set(self.values)) or any(
            name not in {"q", "from", "to", "tz", "sort"} for name in self.problems
        )


class Found(Struct, frozen=True):
    """What was found, in words."""

    total: int
    range: str
    order: str
    understood: str
    warnings: tuple[str, ...]
    items: tuple[ItemRow, ...]
    facets: tuple[FacetView, ...]
    chart: Chart | None
    coverage: CoverageWords
    next: str
    first: str
    is_first: bool


class SearchView(Struct, frozen=True):
    """The page of a search."""

    heading: str
    form: SearchForm
    formats: Formats | None
    found: Found | None


def search_view(
    parameters: Mapping[str, str],
    request: SearchRequest,
    answer: Answer,
    page: SearchPage,
    top: str,
    origin: str,
    now: Instant,
) -> SearchView:
    """Say what was found; `parameters` are those of the page's address, which is at `top`; absolute ones begin with `origin`."""
    statuses = {status.id: status for status in page.statuses}
    zone = request.tz
    facets = answer.facets if answer.facets is not UNSET else {}
    tail = in_zone(zone)
    rows = tuple(
        item_row(hit.item, out.highlights if out.highlights is not UNSET else {}, statuses, zone, now, tail)
        for hit, out in zip(page.hits, answer.items, strict=True)
    )
    found = Found(
        total=answer.total.value,
        range=_range_words(answer, zone),
        order=_ORDERS[answer.query.sort],
        understood=answer.query.understood or "",
        warnings=tuple(one.detail for one in answer.warnings),
        items=rows,
        facets=tuple(
            _facet(name, facets[name], parameters, request, statuses) for name in _FIELD_NAMES if name in facets
        ),
        chart=chart_of_answer(answer, parameters, zone, top),
        coverage=coverage_words(answer.coverage, statuses, zone, now),
        next=query_of({**parameters, "cursor": answer.next}) if answer.next else "",
        first=query_of(changed(parameters)) or "?",
        is_first="cursor" not in parameters,
    )
    heading = f"Results for {request.q}" if request.q else "What was published"
    return SearchView(
        heading=heading,
        form=form_view(parameters, (), statuses.values(), now, request, facets.get("feed")),
        formats=formats_of(parameters, origin),
        found=found,
    )


def form_view(
    parameters: Mapping[str, str],
    problems: Iterable[Problem],
    statuses: Iterable[FeedStatus],
    now: Instant,
    request: SearchRequest | None = None,
    facet: FacetOut | None = None,
) -> SearchForm:
    """Fill the form with what was sent; without a request it was not understood, and `problems` say why."""
    zone = request.tz if request else read_zone(parameters.get("tz", "")) or utc()
    known = {status.id: status for status in statuses}
    counts = {one.value: one.count for one in facet.values} if facet else {}
    raws = request.raw_lists.get("feed", ()) if request else ()
    chosen = {raw: words.fold_whole(_plain(raw)) for raw in raws if not raw.startswith("-")}
    order = dict.fromkeys(feed for feed in (*chosen.values(), *counts, *known) if feed in known)
    offered = list(order)[:MOST_FEEDS]
    others = quoted_list([raw for raw in raws if chosen.get(raw) not in offered])
    by_field: dict[str, list[Problem]] = {}
    for problem in problems:
        by_field.setdefault(problem.param, []).append(problem)
    return SearchForm(
        values=parameters,
        problems=by_field,
        feeds=tuple(
            Choice(written_list([feed]), feed_title(feed, known), is_on=feed in chosen.values(), count=counts.get(feed))
            for feed in offered
        ),
        other_feeds=others if request else parameters.get("feed", ""),
        has_more_feeds=len(order) > len(offered) or bool(others) or request is None,
        ranges=_ranges(parameters, zone, now),
    )


def formats_of(parameters: Mapping[str, str], origin: str) -> Formats:
    """Say where the same search is to be had otherwise; a feed has the newest first, so that nothing new is missed."""
    said = {name: value for name, value in parameters.items() if name != "cursor"}
    subscribed = {name: value for name, value in said.items() if name not in {"sort", "size"}} | {"sort": "newest"}
    table = said | {"size": "200"}

    def at(form: str, parameters: Mapping[str, str]) -> str:
        return f"v1/search{query_of({**parameters, 'format': form})}"

    return Formats(
        api=f"{origin}/v1/search{query_of(said)}",
        rss=at("rss", subscribed),
        atom=at("atom", subscribed),
        jsonfeed=at("jsonfeed", subscribed),
        csv=at("csv", table),
        ndjson=at("ndjson", table),
    )


def _range_words(answer: Answer, zone: ZoneInfo) -> str:
    """Say which range of time was searched: whole days by their names, both included, else to the second."""
    query = answer.query
    start = None if query.from_ is None else read_rfc3339(query.from_)
    end = None if query.to is None else read_rfc3339(query.to)
    words = [_DATES[query.date_field]]
    if start is not None:
        words.append(f"{'since' if end is None else 'from'} {_bound_words(start, zone)}")
    if end is not None:
        is_midnight = local_at(end, zone) % DAY == 0
        words.append(
            f"to {_bound_words(end - 1, zone, whole_day=True)}" if is_midnight else f"until {_bound_words(end, zone)}"
        )
    return f"{' '.join(words)}, {zone.key}" if len(words) > 1 else ""


def _bound_words(instant: Instant, zone: ZoneInfo, *, whole_day: bool = False) -> str:
    at = local(instant, zone)
    if whole_day or local_at(instant, zone) % DAY == 0:
        return short_day(at)
    return f"{short_day(at)}, {at:%H:%M:%S}" if at.second else f"{short_day(at)}, {at:%H:%M}"


def chart_of_answer(answer: Answer, parameters: Mapping[str, str], zone: ZoneInfo, top: str) -> Chart | None:
    """Draw the histogram of an answer, if it has one."""
    buckets = answer.histogram
    if buckets is UNSET or not buckets:
        return None
    edges = [read_rfc3339(buckets[0].from_), *(read_rfc3339(one.to) for one in buckets)]
    return chart_of(buckets, parameters, zone, edges, top)


def _facet(
    field: ValueField,
    found: FacetOut,
    parameters: Mapping[str, str],
    request: SearchRequest,
    statuses: Mapping[str, FeedStatus],
) -> FacetView:
    values: list[Choice] = []
    for raw, href in _without_each(field, parameters, request):
        prefix, plain = ("not ", raw[1:].strip()) if raw.startswith("-") else ("", _plain(raw))
        values.append(Choice(raw, prefix + _name_of(field, plain, statuses), is_on=True, href=href))
    if values:
        return FacetView(_FIELD_NAMES[field], field, tuple(values), is_on=True, other=0, missing=0)
    said = query_of(changed(parameters))
    lead = f"{said}&" if said else "?"
    for one in found.values:
        href = f"{lead}{query_of({field: written_list([one.value])})[1:]}"
        values.append(Choice(one.value, _name_of(field, one.value, statuses), is_on=False, href=href, count=one.count))
    return FacetView(_FIELD_NAMES[field], field, tuple(values), is_on=False, other=found.other, missing=found.missing)


def _without_each(
    field: ValueField, parameters: Mapping[str, str], request: SearchRequest
) -> Iterable[tuple[str, str]]:
    """Give each value that the search is narrowed to, with the address of the search without it."""
    values = request.raw_lists.get(field, ())
    for at, value in enumerate(values):
        left = values[:at] + values[at + 1 :]
        yield value, query_of(changed(parameters, **{field: quoted_list(left) if left else None})) or "?"


def _plain(raw: str) -> str:
    return raw[1:] if raw.startswith(("\\-", "\\\\")) else raw


def _name_of(field: ValueField, value: str, statuses: Mapping[str, FeedStatus]) -> str:
    return feed_title(value, statuses) if field == "feed" else value


def _ranges(parameters: Mapping[str, str], zone: ZoneInfo, now: Instant) -> tuple[Choice, ...]:
    """Offer the ranges of time that are asked for most."""
    offered: tuple[tuple[str, str | None, str | None], ...] = (
        ("Today", "today", "today"),
        ("7 days", "P7D", None),
        ("30 days", "P30D", None),
        (f"{local(now, zone).year}", f"{local(now, zone).year:04d}", None),
        ("Any time", None, None),
    )
    return tuple(
        Choice(
            start or "",
            text,
            is_on=(parameters.get("from"), parameters.get("to")) == (start, end),
            href=query_of(changed(parameters, from_=start, to=end)) or "?",
        )
        for text, start, end in offered
    )
