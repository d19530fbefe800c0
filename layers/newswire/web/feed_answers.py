"""The JSON of feeds and of /v1/status: render the published statuses. Pure.

These models are the schemas of /openapi.json, with their docstrings.
"""

from __future__ import annotations

from typing import Literal

from msgspec import UNSET, Struct, UnsetType

from newswire import __version__
from newswire.clock import Instant, to_rfc3339
from newswire.engines import EngineInfo
from newswire.engines.coverage import FeedCoverage, gaps_of
from newswire.feed_status import STATES, State, state_of
from newswire.model import FeedStatus, FetchLine
from newswire.web.search_answers import GapOut, gap_out, time_out

DEFAULT_FEEDS_SIZE = 100
"""Number of feeds on a page of /v1/feeds if `size` is not sent."""


class FetchOut(Struct, frozen=True):
    """One of the last fetches of a feed. `new`, `changed` and `unchanged` count items, null if no document was indexed.

    `merged` counts entries that are the same item as another entry of their document.
    """

    time: str
    status: int | None
    bytes: int
    new: int | None
    changed: int | None
    unchanged: int | None
    merged: int | None
    error: str | None
    took_ms: int


class FeedErrorOut(Struct, frozen=True):
    """The error of the last check: a code, and a sentence for people."""

    code: str
    detail: str


class FeedOut(Struct, frozen=True):
    """A feed and its state. Only /v1/feeds/{id} has `fetches` and `gaps`."""

    id: str
    title: str
    description: str
    link: str
    url: str
    kind: str
    state: State
    last_checked: str | None
    last_success: str | None
    next_check: str | None
    items: int
    merged: int
    """Number of entries of its newest document that are the same item as another one."""
    newest: str | None
    error: FeedErrorOut | None
    fetches: tuple[FetchOut, ...] | UnsetType = UNSET
    gaps: tuple[GapOut, ...] | UnsetType = UNSET


class FeedsOut(Struct, frozen=True):
    """A page of feeds, ordered by id; `total` counts the feeds on all pages."""

    feeds: tuple[FeedOut, ...]
    total: int
    next: str | None


class EngineOut(Struct, frozen=True):
    """The search engine and its health."""

    name: str
    version: str
    healthy: bool


class HealthOut(Struct, frozen=True):
    """The answer of /healthz."""

    status: Literal["ok"] = "ok"


class StatusOut(Struct, frozen=True):
    """The state of newswire.

    `feeds` counts the feeds in each state. `behind` counts the feeds with archived records that are not indexed yet.
    """

    version: str
    engine: EngineOut
    generation: int
    items: int
    feeds: dict[State, int]
    newest: str | None
    behind: int
    missing: int = 0
    """Number of items that the index lacks, while it is rebuilt."""


def feed_out(status: FeedStatus, now: Instant, grace_s: int, *, whole: bool = False) -> FeedOut:
    """Render a feed with its state at `now`; with `whole`, include its last fetches and its gaps.

    A feed is stale when its next check is overdue by more than `grace_s` seconds.
    """
    state = state_of(status, now, grace_s)
    return FeedOut(
        id=status.id,
        title=status.title,
        description=status.description,
        link=status.link,
        url=status.url,
        kind=status.kind,
        state=state,
        last_checked=time_out(status.last_checked),
        last_success=time_out(status.last_success),
        next_check=time_out(status.next_check),
        items=status.items,
        merged=status.merged,
        newest=time_out(status.newest),
        error=FeedErrorOut(status.error_code, status.error or "") if status.error_code else None,
        fetches=tuple(map(_fetch_out, status.fetches)) if whole else UNSET,
        gaps=tuple(map(gap_out, gaps_of(status, state))) if whole else UNSET,
    )


def status_out(info: EngineInfo, generation: int, items: int, coverage: FeedCoverage) -> StatusOut:
    """Render the state of newswire; `coverage` is that of all feeds, without a range."""
    return StatusOut(
        version=__version__,
        engine=EngineOut(info.name, info.version, info.healthy),
        generation=generation,
        items=items,
        feeds={state: coverage.states.get(state, 0) for state in STATES},
        newest=time_out(coverage.newest),
        behind=coverage.behind,
        missing=coverage.missing if info.healthy else 0,
    )


def _fetch_out(line: FetchLine) -> FetchOut:
    return FetchOut(
        time=to_rfc3339(line.at),
        status=line.status,
        bytes=line.bytes,
        new=line.new,
        changed=line.changed,
        unchanged=line.unchanged,
        merged=line.merged,
        error=line.error,
        took_ms=line.took_ms,
    )
