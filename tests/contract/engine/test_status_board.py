"""Test the docstrings of `StatusBoard`, and statuses beside a search, on every engine."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from newswire.clock import HOUR
from newswire.engines import StatusPage
from newswire.engines.coverage import CoverageQuery, coverage_of
from newswire.engines.query import SearchQuery
from newswire.feed_status import NOT_POLLED
from newswire.model import FeedStatus, Gap, ItemWrite, Withdrawal
from tests.contract.engine.contract import contract
from tests.contract.engine.writing import put
from tests.factories import feed_status, item

NOW = 1_763_985_600_000
GRACE_S = 900


def watched(feed: str, **overrides: object) -> FeedStatus:
    """Return the status of a feed that is up to date."""
    return replace(feed_status(feed, last_success=NOW - HOUR, next_check=NOW + HOUR), **overrides)


@contract.covers("SE-17", "SE-41")
def test_status_with_the_highest_rev_wins(engine) -> None:
    engine.publish([feed_status("a", 5, title="five"), feed_status("b", 1)])
    engine.publish([feed_status("a", 4, title="four")])
    engine.publish([feed_status("a", 6, title="six")])
    assert [(status.id, status.title) for status in engine.statuses()] == [("a", "six"), ("b", "")]
    assert [status.id for status in engine.statuses(["b", "none"])] == ["b"]


@contract.covers("SE-17")
def test_older_status_does_not_restore_a_deleted_one(engine) -> None:
    engine.publish([feed_status("a", 5)])
    engine.publish([feed_status("a", 6, deleted=True)])
    engine.publish([feed_status("a", 5)])
    assert engine.statuses() == []
    engine.publish([feed_status("a", 7)])
    assert len(engine.statuses()) == 1


@contract.covers("SE-41")
def test_statuses_of_another_process_are_seen_at_once(make) -> None:
    one, other = make(), make()
    one.publish([feed_status("a", 1, title="first")])
    assert [status.title for status in other.statuses()] == ["first"]
    one.publish([feed_status("a", 2, title="second"), feed_status("b", 1)])
    assert [(status.id, status.title) for status in other.statuses()] == [("a", "second"), ("b", "")]
    other.publish([feed_status("b", 2, deleted=True)])
    assert [status.id for status in one.statuses()] == ["a"]


@contract.covers("SE-41")
def test_all_of_many_statuses_are_returned(engine) -> None:
    engine.publish([feed_status(f"feed-{n:05}", 1) for n in range(2345)])
    assert [status.id for status in engine.statuses()] == [f"feed-{n:05}" for n in range(2345)]


@contract.covers("SE-51")
def test_pages_of_statuses_go_on_after_an_id(engine) -> None:
    assert engine.status_page("", 10) == StatusPage((), 0)
    engine.publish([watched(f"feed-{n:02}", next_check=NOW - HOUR if n % 3 else NOW) for n in range(12)])
    after, seen = "", []
    while page := engine.status_page(after, 5).statuses:
        seen.append([status.id for status in page])
        after = page[-1].id
    assert seen == [[f"feed-{n:02}" for n in part] for part in (range(5), range(5, 10), range(10, 12))]
    stale = engine.status_page("feed-02", 2, "stale", NOW, GRACE_S)
    assert ([status.id for status in stale.statuses], stale.total) == (["feed-04", "feed-05"], 8)
    assert engine.status_page("feed-11", 2) == StatusPage((), 12)
    assert engine.status_page("", 5, "paused", NOW, GRACE_S) == StatusPage((), 0)


@contract.covers("SE-37", "SE-52")
def test_coverage_beside_a_search_is_that_of_the_board(engine) -> None:
    query = CoverageQuery(NOW, GRACE_S, any_of=("b", "none"))
    assert engine.coverage(query) == coverage_of((), query)
    engine.publish([watched(feed) for feed in "bca"])
    beside = engine.search(SearchQuery(coverage=query)).coverage  # nothing was indexed yet
    assert (beside.states, beside.unknown) == ({"ok": 1}, ("none",))
    put(engine, item(1))
    assert engine.search(SearchQuery(coverage=query)).coverage == beside == engine.coverage(query)
    assert engine.search(SearchQuery()).coverage is None


instants = st.one_of(st.none(), st.integers(NOW - 40 * HOUR, NOW + HOUR))
gap_lists = st.lists(
    st.tuples(st.integers(NOW - 30 * HOUR, NOW), st.integers(1, 9 * HOUR)).map(lambda pair: Gap(pair[0], sum(pair))),
    max_size=3,
)
statuses_of_feeds = st.lists(
    st.builds(
        watched,
        st.sampled_from([f"feed-{n:02}" for n in range(40)]),
        error_code=st.sampled_from([None, None, "dns"]),
        paused=st.sampled_from([None, None, "Gone.", NOT_POLLED]),
        last_success=instants,
        next_check=instants,
        failing_since=instants,
        newest=instants,
        behind=st.booleans(),
        gaps=gap_lists.map(tuple),
    ),
    max_size=40,
)
some_ids = st.lists(st.sampled_from(["feed-01", "feed-02", "feed-03", "none"]), max_size=3).map(tuple)
queries = st.builds(CoverageQuery, st.just(NOW), st.just(GRACE_S), instants, instants, some_ids, some_ids)


@pytest.mark.parametrize("round_", range(3))
@contract.covers("SE-52")
def test_coverage_is_what_the_rule_says_of_any_statuses(make, round_: int) -> None:
    """Statuses come and go in publications of any size, and each coverage is that of the rule."""
    engine, revs = make(), iter(range(1, 1_000_000))
    engine.publish([])

    @given(st.lists(st.tuples(statuses_of_feeds, st.lists(queries, max_size=4)), min_size=1, max_size=3))
    @settings(max_examples=10, suppress_health_check=list(HealthCheck))
    def check(publications: list[tuple[list[FeedStatus], list[CoverageQuery]]]) -> None:
        engine.publish([replace(status, rev=next(revs), deleted=True) for status in engine.statuses()])
        known: dict[str, FeedStatus] = {}
        for statuses, asked in publications:
            engine.publish([replace(status, rev=next(revs)) for status in statuses])
            known |= {status.id: status for status in statuses}
            for query in asked:
                rule = coverage_of((known[id_] for id_ in sorted(known)), query)
                assert engine.coverage(query) == rule

    check()


@contract.covers("SE-18")
def test_published_status_is_not_ahead_of_the_items(make) -> None:
    writer, reader = make(), make()
    for n in range(3):
        writer.index([ItemWrite(item(n), 1)], 1)
        writer.publish([feed_status("news", n + 1, newest=n)])
        page = reader.search(SearchQuery(coverage=CoverageQuery(NOW, GRACE_S)))
        assert (page.total, page.coverage.newest) == (n + 1, n)


@contract.covers("SE-57", "SE-58")
def test_withdrawals_are_kept_and_are_no_feeds(engine) -> None:
    assert engine.withdrawal("gone") is None
    engine.publish([watched("a")])
    query = CoverageQuery(NOW, GRACE_S)
    before = engine.coverage(query)
    engine.publish_withdrawals([])
    engine.publish_withdrawals([Withdrawal("gone", "a", NOW, "first"), Withdrawal("other", "a", NOW, "x")])
    assert engine.withdrawal("gone") == Withdrawal("gone", "a", NOW, "first")
    engine.publish_withdrawals([Withdrawal("gone", "a", NOW + 1, "second")])
    assert engine.withdrawal("gone") == Withdrawal("gone", "a", NOW + 1, "second")
    assert (engine.withdrawal("a"), engine.withdrawal("none")) == (None, None)
    assert (engine.coverage(query), [status.id for status in engine.statuses()]) == (before, ["a"])
