"""JSON for the small index of feed statuses: its fields, its documents, and the requests of a coverage. Pure.

A coverage is counted by aggregations, and lists `MAX_LISTED` feeds. So its cost does not grow with the number of feeds.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from newswire.clock import Instant
from newswire.engines.coverage import (
    MAX_LISTED,
    WATCHED_STATES,
    CoverageQuery,
    FeedCoverage,
    FeedGap,
    gaps_of,
    unwatched_feed,
)
from newswire.feed_status import STATES, Standing, State, dated_state, stale_before, standing_of
from newswire.model import FeedStatus, Gap, Withdrawal

Json = dict[str, Any]

STATUSES_PER_PAGE = 1_000
"""Statuses per response; with more feeds the engine sends further requests."""

_KEYWORD: Json = {"type": "keyword"}
_NUMBER: Json = {"type": "long"}
_FLAG: Json = {"type": "boolean"}
STATUS_FIELDS: Json = {
    "id": _KEYWORD,
    "seq": _NUMBER,
    "mark": _NUMBER,
    "deleted": _FLAG,
    "indexed": _NUMBER,
    "standing": _KEYWORD,
    "next_check": _NUMBER,
    "last_success": _NUMBER,
    "newest": _NUMBER,
    "behind": _FLAG,
    "gaps": {"type": "nested", "properties": {"from": _NUMBER, "to": _NUMBER}},
    "status": {"type": "object", "enabled": False},
}
_EXISTS: Json = {"bool": {"must_not": [{"term": {"deleted": {"value": True}}}]}}
_OLDER: Json = {"bool": {"must_not": [{"term": {"deleted": {"value": True}}}, {"exists": {"field": "standing"}}]}}
_LISTED_FIELDS = [f"status.{name}" for name in ("id", "last_success", "next_check", "failing_since", "gaps")]


def status_document(status: FeedStatus, mark: int) -> Json:
    """Build the document of a status. A deleted one keeps its `rev`, so that an older status cannot return."""
    document: Json = {"id": status.id, "seq": status.rev, "mark": mark, "deleted": status.deleted}
    if status.deleted:
        return document | {"indexed": 0, "status": {}}
    numbers = {
        "indexed": status.indexed,
        "next_check": status.next_check,
        "last_success": status.last_success,
        "newest": status.newest,
    }
    document |= {name: number for name, number in numbers.items() if number is not None}
    gaps = [{"from": gap.start, "to": gap.end} for gap in status.gaps]
    return document | {"standing": standing_of(status), "behind": status.behind, "gaps": gaps, "status": status}


def withdrawal_id(item_id: str) -> str:
    """Return the id of the document that says why an item was taken out: no feed has such an id."""
    return f"withdrawn/{item_id}"


def withdrawal_document(withdrawal: Withdrawal, mark: int) -> Json:
    """Build the document of a withdrawal: for whoever counts feeds it is a deleted status."""
    document: Json = {"id": withdrawal_id(withdrawal.id), "seq": withdrawal.at, "mark": mark}
    return document | {"deleted": True, "indexed": 0, "status": withdrawal}


# --- statuses ---------------------------------------------------------------------------------------------------------


def statuses_body(feeds: Iterable[str] | None) -> Json:
    """Return the request of the statuses of these feeds, or of all, by id."""
    query = _EXISTS if feeds is None else _all_of(_EXISTS, {"terms": {"id": sorted(set(feeds))}})
    return {"size": STATUSES_PER_PAGE, "_source": ["status"], "query": query, "sort": [{"id": "asc"}]}


def page_body(after: str, size: int, state: State | None, now: Instant, grace_s: int) -> Json:
    """Return the request of the first statuses after an id, with the number of all with this state."""
    query = _EXISTS if state is None else _all_of(_EXISTS, _state_queries(now, grace_s)[state])
    body: Json = {
        "size": size,
        "_source": ["status"],
        "query": query,
        "sort": [{"id": "asc"}],
        "track_total_hits": True,
    }
    return body | ({"search_after": [after]} if after else {})


def older_statuses_body(after: Sequence[Any]) -> Json:
    """Return the request of the statuses that an older newswire wrote, without what a coverage counts, after a sort value."""
    body: Json = {"size": STATUSES_PER_PAGE, "_source": ["status"], "query": _OLDER, "sort": [{"id": "asc"}]}
    return body | ({"search_after": list(after)} if after else {})


# --- coverage ---------------------------------------------------------------------------------------------------------


def coverage_bodies(query: CoverageQuery) -> list[Json]:
    """Return the requests that `read_coverage` reads: counts, feeds that are not ok, gaps, and named feeds.

    The counts depend on the feeds and the instant only, and ask for no hits. So the request cache of the cluster answers
    them until a status changes. The others match only feeds that are not ok or have gaps.
    """
    feeds = _feeds_query(query)
    by_state = _state_queries(query.now, query.grace_s)
    counts: Json = {
        "states": {"filters": {"filters": by_state}},
        "successes": {
            "filter": {"terms": {"standing": ["polled", "failing", "never"]}},
            "aggs": {"oldest": {"min": {"field": "last_success"}}},
        },
        "newest": {"max": {"field": "newest"}},
        "behind": {"filter": {"term": {"behind": {"value": True}}}},
        "every_feed": {
            "global": {},
            "aggs": {"indexed": {"sum": {"field": "indexed"}}, "older": {"filter": _OLDER}},
        },
    }
    not_ok = _any_of(*(query_of for state, query_of in by_state.items() if state not in WATCHED_STATES))
    opened, closed = _opened_gap(query, by_state), _closed_gap(query)
    gaps: Json = {
        "opened": {"filter": opened},
        "gaps": {"nested": {"path": "gaps"}, "aggs": {"closed": {"filter": closed}}},
    }
    has_gap = _any_of(opened, {"nested": {"path": "gaps", "query": closed, "ignore_unmapped": True}})
    listed: Json = {"size": MAX_LISTED, "sort": [{"id": "asc"}], "track_total_hits": False}
    listed["_source"] = [*_LISTED_FIELDS, "standing"]
    bodies = [
        {"size": 0, "track_total_hits": False, "query": feeds, "aggs": counts},
        {**listed, "query": _all_of(feeds, not_ok)},
        {**listed, "query": _all_of(feeds, has_gap), "aggs": gaps},
    ]
    if named := _named(query):
        ids = {"terms": {"id": list(named)}}
        bodies.append({"size": len(named), "_source": False, "query": _all_of(_EXISTS, ids), "sort": [{"id": "asc"}]})
    return bodies


def is_of_older_version(counts: Json) -> bool:
    """Return whether an older newswire wrote some statuses, so that they cannot be counted."""
    return bool(counts["aggregations"]["every_feed"]["older"]["doc_count"])


def indexed_items(counts: Json) -> int:
    """Return the number of items that all statuses count."""
    return int(counts["aggregations"]["every_feed"]["indexed"]["value"])


def read_coverage(query: CoverageQuery, answers: Sequence[Json]) -> FeedCoverage:
    """Return the coverage of the answers to `coverage_bodies`, without what the index is missing."""
    counts, of_gaps = answers[0]["aggregations"], answers[2]["aggregations"]
    states: dict[State, int] = {
        state: count for state in STATES if (count := counts["states"]["buckets"][state]["doc_count"])
    }
    gaps: list[FeedGap] = []
    for feed, state in _listed_feeds(answers[2], query):
        gaps += gaps_of(feed, state, query.start, query.end)
    known = {str(hit["sort"][0]) for answer in answers[3:] for hit in answer["hits"]["hits"]}
    return FeedCoverage(
        states=states,
        oldest_success=_instant(counts["successes"]["oldest"]),
        gap_count=of_gaps["opened"]["doc_count"] + of_gaps["gaps"]["closed"]["doc_count"],
        not_ok=tuple(unwatched_feed(feed, state) for feed, state in _listed_feeds(answers[1], query)),
        gaps=tuple(gaps[:MAX_LISTED]),
        newest=_instant(counts["newest"]),
        behind=counts["behind"]["doc_count"],
        unknown=tuple(id_ for id_ in _named(query) if id_ not in known),
    )


class _Listed(Struct, frozen=True):
    """What a coverage lists of a status, and what its state comes from."""

    id: str
    standing: Standing
    last_success: Instant | None = None
    next_check: Instant | None = None
    failing_since: Instant | None = None
    gaps: tuple[Gap, ...] = ()


def _listed_feeds(answer: Json, query: CoverageQuery) -> Iterator[tuple[_Listed, State]]:
    """Yield the listed feeds of an answer with their states."""
    for hit in answer["hits"]["hits"]:
        source = hit["_source"]
        feed = msgspec.convert({**source["status"], "standing": source["standing"]}, _Listed)
        yield feed, dated_state(feed.standing, feed.next_check, query.now, query.grace_s)


def _instant(aggregation: Mapping[str, float | None]) -> Instant | None:
    value = aggregation["value"]
    return None if value is None else int(value)


def _named(query: CoverageQuery) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*query.any_of, *query.none_of)))


def _feeds_query(query: CoverageQuery) -> Json:
    clauses = [_EXISTS]
    if query.any_of:
        clauses.append({"terms": {"id": list(query.any_of)}})
    if query.none_of:
        clauses.append(_none_of({"terms": {"id": list(query.none_of)}}))
    return _all_of(*clauses)


def _state_queries(now: Instant, grace_s: int) -> dict[State, Json]:
    """Return a query for each state (`feed_status.state_of`)."""
    standings: tuple[State, ...] = ("failing", "paused", "never", "archive")
    polled = {"term": {"standing": {"value": "polled"}}}
    overdue = {"range": {"next_check": {"lt": stale_before(now, grace_s)}}}
    queries: dict[State, Json] = {state: {"term": {"standing": {"value": state}}} for state in standings}
    queries["stale"] = _all_of(polled, overdue)
    queries["ok"] = _all_of(polled, _none_of(overdue))
    return queries


def _opened_gap(query: CoverageQuery, by_state: Mapping[State, Json]) -> Json:
    """Return the query of feeds with an open gap that meets the range (`coverage.gaps_of`)."""
    bounds = {} if query.end is None else {"lt": query.end}
    success = {"range": {"last_success": bounds}} if bounds else {"exists": {"field": "last_success"}}
    return _all_of(_any_of(by_state["failing"], by_state["stale"]), success)


def _closed_gap(query: CoverageQuery) -> Json:
    """Return the nested query of gaps that meet the range."""
    bounds: list[Json] = []
    if query.end is not None:
        bounds.append({"range": {"gaps.from": {"lt": query.end}}})
    if query.start is not None:
        bounds.append({"range": {"gaps.to": {"gt": query.start}}})
    return _all_of(*bounds) if bounds else {"match_all": {}}


def _all_of(*queries: Json) -> Json:
    return {"bool": {"filter": list(queries)}}


def _any_of(*queries: Json) -> Json:
    return {"bool": {"should": list(queries), "minimum_should_match": 1}}


def _none_of(*queries: Json) -> Json:
    return {"bool": {"must_not": list(queries)}}
