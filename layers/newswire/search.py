"""Searching: a request's parameters come in, an answer goes out, for the HTTP API and the command line alike."""

from __future__ import annotations

import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable, Sequence
from hashlib import sha256
from typing import Literal

import msgspec
from msgspec import UNSET, Struct, UnsetType, field

from newswire import words
from newswire.ages import relative_age
from newswire.clock import Clock, Instant, to_rfc3339
from newswire.dates import FORMS, read_period
from newswire.engines import SearchEngine
from newswire.errors import UsageError
from newswire.health import State, state_of
from newswire.model import FeedStatus, Gap, Item
from newswire.query import (
    DateField,
    Node,
    Position,
    SearchQuery,
    Sort,
    ValueFilter,
    read_words,
    understood,
)

MAX_SIZE = 200
DEFAULT_SIZE = 20
LISTED = 20
"""Of feeds that are not ok and of gaps, how many are listed; the counts are whole."""
_CURSOR_VERSION = 1


class Problem(Struct, frozen=True):
    """What is wrong with one parameter."""

    param: str
    code: str
    detail: str
    allowed: str = ""


class BadParametersError(UsageError):
    """All that is wrong with the parameters of a request, at once."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("; ".join(f"{problem.param}: {problem.detail}" for problem in problems))
        self.problems = tuple(problems)


class Echo(Struct, frozen=True):
    """What was understood of the request."""

    q: str | None
    understood: str
    match: Literal["all"]
    from_: str | None = field(name="from")
    to: str | None
    tz: str
    date_field: DateField
    sort: Sort
    feed: tuple[str, ...]


class Total(Struct, frozen=True):
    """How many items were found."""

    value: int
    exact: bool = True


class ItemOut(Struct, frozen=True):
    """An item as callers see it."""

    id: str
    feed: str
    title: str
    link: str
    summary: str
    authors: tuple[str, ...]
    categories: tuple[str, ...]
    lang: str | None
    published: str
    published_source: str
    published_precision: str
    published_raw: str | None
    date_flags: tuple[str, ...]
    updated: str | None
    changed: str
    first_seen: str
    revision: int
    age: str
    score: float | None = None
    content: str | UnsetType = UNSET


class NotOk(Struct, frozen=True):
    """A feed that is not being watched as it should be."""

    feed: str
    state: State
    last_success: str | None
    since: str | None


class GapOut(Struct, frozen=True):
    """A time in which items of a feed may have come and gone unseen."""

    feed: str
    from_: str = field(name="from")
    to: str


class Coverage(Struct, frozen=True):
    """Whether the feeds were being watched: tells "nothing was published" from "we were not looking"."""

    feeds: int
    ok: int
    oldest_success: str | None
    not_ok_count: int
    gap_count: int
    not_ok: tuple[NotOk, ...]
    gaps: tuple[GapOut, ...]


class WarningOut(Struct, frozen=True):
    """Something that the caller should know and that is no error."""

    code: str
    detail: str
    position: int | None = None


class Answer(Struct, frozen=True):
    """The answer to a search."""

    query: Echo
    total: Total
    items: tuple[ItemOut, ...]
    next: str | None
    coverage: Coverage
    warnings: tuple[WarningOut, ...]
    took_ms: int


class Request(Struct, frozen=True):
    """The parameters of a search, read: what the engine is asked, and what is echoed."""

    q: str | None
    node: Node | None
    feeds: tuple[str, ...]
    query: SearchQuery
    now: Instant


# --- parameters -------------------------------------------------------------------------------------------------------

PARAMETERS = ("q", "from", "to", "feed", "sort", "size", "cursor")
_SORTS: dict[str, Sort] = {"relevance": "relevance", "newest": "newest", "oldest": "oldest"}


def read_request(parameters: dict[str, list[str]], now: Instant) -> Request:
    """Read the parameters of a search; `BadParametersError` has everything that is wrong with them."""
    problems: list[Problem] = []
    said = _single(parameters, problems)
    q = said.get("q")
    node = None
    try:
        node = read_words(q) if q is not None else None
    except UsageError as error:
        problems.append(Problem("q", "query_too_long", str(error)))
    start = _bound(said, "from", problems)
    end = _bound(said, "to", problems)
    if start is not None and end is not None and start >= end:
        problems.append(Problem("to", "conflict", "The range ends before it starts, or at once."))
    feeds = _list(said, "feed", problems)
    sort = _sort(said, node, problems)
    size = _size(said, problems)
    query = SearchQuery(
        node=node,
        filters=(ValueFilter("feed", any_of=tuple(words.fold(feed) for feed in feeds)),) if feeds else (),
        start=start,
        end=end,
        sort=sort,
        size=size,
    )
    if "cursor" in said and not problems:
        after, now = _read_cursor(said["cursor"], query, now, problems)
        query = msgspec.structs.replace(query, after=after)
    if problems:
        raise BadParametersError(problems)
    return Request(q, node, feeds, query, now)


def _single(parameters: dict[str, list[str]], problems: list[Problem]) -> dict[str, str]:
    said: dict[str, str] = {}
    for name, values in parameters.items():
        if name.startswith("X-Amz-"):
            continue
        shown = shorten(name)
        if name not in PARAMETERS:
            problems.append(
                Problem(shown, "unknown_parameter", f"There is no parameter {shown!r}.", ", ".join(PARAMETERS))
            )
        elif len(values) != 1:
            problems.append(
                Problem(shown, "repeated_parameter", f"{shown} is given {len(values)} times; give it once.")
            )
        elif not values[0].strip():
            problems.append(Problem(shown, "invalid_value", f"{shown} is empty; leave it out."))
        else:
            said[name] = values[0]
    return said


def _bound(said: dict[str, str], name: Literal["from", "to"], problems: list[Problem]) -> Instant | None:
    if name not in said:
        return None
    period = read_period(said[name].strip())
    if period is None:
        problems.append(Problem(name, "invalid_value", f"{shorten(said[name])!r} is no date value.", FORMS))
        return None
    return period.start if name == "from" else period.end


def _list(said: dict[str, str], name: str, problems: list[Problem]) -> tuple[str, ...]:
    if name not in said:
        return ()
    values = tuple(value.strip() for value in said[name].split(","))
    if not all(values):
        problems.append(Problem(name, "invalid_value", "A value of the list is empty."))
    return values


def _sort(said: dict[str, str], node: Node | None, problems: list[Problem]) -> Sort:
    wanted = said.get("sort")
    if wanted is None:
        return "relevance" if node is not None else "newest"
    if wanted not in _SORTS:
        problems.append(Problem("sort", "invalid_value", f"There is no order {shorten(wanted)!r}.", ", ".join(_SORTS)))
    elif wanted == "relevance" and node is None:
        problems.append(Problem("sort", "conflict", "There are no words to score; give q, or another order."))
    return _SORTS.get(wanted, "newest")


def _size(said: dict[str, str], problems: list[Problem]) -> int:
    text = said.get("size", str(DEFAULT_SIZE)).strip()
    if not (text.isascii() and text.isdigit() and len(text) < 10):  # noqa: PLR2004 - digits
        problems.append(Problem("size", "invalid_value", f"{shorten(text)!r} is no whole number.", f"0 to {MAX_SIZE}"))
        return DEFAULT_SIZE
    if int(text) > MAX_SIZE:
        problems.append(Problem("size", "out_of_range", f"{text} items are too many.", f"0 to {MAX_SIZE}"))
        return DEFAULT_SIZE
    return int(text)


def shorten(text: str, most: int = 100) -> str:
    """Quote what a caller sent: at most 100 characters, control characters escaped."""
    short = text if len(text) <= most else f"{text[:most]}…"
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode("ascii") for c in short)


# --- cursors ----------------------------------------------------------------------------------------------------------


class _Cursor(Struct, frozen=True, array_like=True):
    version: int
    fingerprint: bytes
    value: Instant
    tie: int
    offset: int
    now: Instant


_cursor = msgspec.msgpack.Decoder(_Cursor)
_encoder = msgspec.msgpack.Encoder()


def _fingerprint(query: SearchQuery) -> bytes:
    """Name what a cursor belongs to: everything of a query but the size and the position."""
    bare = msgspec.structs.replace(query, size=0, after=None, facets=(), edges=(), with_content=False)
    return sha256(_encoder.encode(bare)).digest()[:8]


def write_cursor(query: SearchQuery, position: Position, now: Instant) -> str:
    """Write where the next page begins; it holds no text of the query and needs no secret."""
    made = _Cursor(_CURSOR_VERSION, _fingerprint(query), position.value, position.tie, position.offset, now)
    return urlsafe_b64encode(_encoder.encode(made)).decode().rstrip("=")


def _read_cursor(
    text: str, query: SearchQuery, now: Instant, problems: list[Problem]
) -> tuple[Position | None, Instant]:
    try:
        read = _cursor.decode(urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        if read.version != _CURSOR_VERSION or not (0 <= read.offset <= 10_000 and -1 <= read.tie < 1 << 60):  # noqa: PLR2004
            raise ValueError  # noqa: TRY301 - said once, below
        to_rfc3339(read.value)
    except (ValueError, OverflowError, msgspec.DecodeError):
        problems.append(
            Problem("cursor", "cursor_invalid", "This is no cursor that newswire gave.", "`next` of an answer")
        )
        return None, now
    if read.fingerprint != _fingerprint(query):
        detail = "The cursor belongs to another query; only size may change from page to page."
        problems.append(Problem("cursor", "cursor_mismatch", detail))
    return Position(read.value, read.tie, read.offset), read.now


# --- answers ----------------------------------------------------------------------------------------------------------


def answer(engine: SearchEngine, request: Request, clock: Clock, grace_s: int) -> Answer:
    """Search, and put the answer together."""
    started = time.perf_counter()
    page = engine.search(request.query)
    statuses = engine.statuses([words.fold(feed) for feed in request.feeds] or None)
    now = clock()
    query = request.query
    following = write_cursor(query, page.next, request.now) if page.next else None
    return Answer(
        query=Echo(
            q=request.q,
            understood=understood(request.node),
            match="all",
            from_=_time(query.start),
            to=_time(query.end),
            tz="UTC",
            date_field=query.date_field,
            sort=query.sort,
            feed=request.feeds,
        ),
        total=Total(page.total),
        items=tuple(item_out(hit.item, now, hit.score) for hit in page.hits),
        next=following,
        coverage=coverage_of(statuses, query.start, query.end, now, grace_s),
        warnings=tuple(_warnings(request, statuses)),
        took_ms=round((time.perf_counter() - started) * 1000),
    )


def _warnings(request: Request, statuses: Iterable[FeedStatus]) -> Iterable[WarningOut]:
    if request.q is not None and not understood(request.node):
        yield WarningOut("no_words", "The query has no word to look for, so nothing is found.", 0)
    known = {status.id for status in statuses}
    for feed in request.feeds:
        if words.fold(feed) not in known:
            yield WarningOut("unknown_feed", f"There is no feed {shorten(feed)!r}.")


def item_out(item: Item, now: Instant, score: float | None = None, *, with_content: bool = False) -> ItemOut:
    """Write an item as callers see it, with its age now."""
    return ItemOut(
        id=item.id,
        feed=item.feed,
        title=item.title,
        link=item.link,
        summary=item.summary,
        authors=item.authors,
        categories=item.categories,
        lang=item.lang,
        published=to_rfc3339(item.published),
        published_source=item.published_source,
        published_precision=item.published_precision,
        published_raw=item.published_raw,
        date_flags=item.date_flags,
        updated=_time(item.updated),
        changed=to_rfc3339(item.changed),
        first_seen=to_rfc3339(item.first_seen),
        revision=item.revision,
        age=relative_age(item.published, now),
        score=score,
        content=item.content if with_content else UNSET,
    )


def coverage_of(
    statuses: Iterable[FeedStatus], start: Instant | None, end: Instant | None, now: Instant, grace_s: int
) -> Coverage:
    """Say how well the feeds were watched in a range of time."""
    listed = list(statuses)
    states = [(status, state_of(status, now, grace_s)) for status in listed]
    wrong = [
        NotOk(status.id, state, _time(status.last_success), _time(status.failing_since if state == "failing" else None))
        for status, state in states
        if state != "ok"
    ]
    gaps = [
        GapOut(status.id, to_rfc3339(gap.start), to_rfc3339(gap.end))
        for status in listed
        for gap in status.gaps
        if _meets(gap, start, end)
    ]
    successes = [
        status.last_success for status, state in states if status.last_success is not None and state != "paused"
    ]
    return Coverage(
        feeds=len(listed),
        ok=len(listed) - len(wrong),
        oldest_success=_time(min(successes, default=None)),
        not_ok_count=len(wrong),
        gap_count=len(gaps),
        not_ok=tuple(wrong[:LISTED]),
        gaps=tuple(gaps[:LISTED]),
    )


def _meets(gap: Gap, start: Instant | None, end: Instant | None) -> bool:
    return (end is None or gap.start < end) and (start is None or gap.end > start)


def _time(instant: Instant | None) -> str | None:
    return None if instant is None else to_rfc3339(instant)
