"""Test a simulated day of polling: each feed is polled on schedule and each story is kept once."""

import msgspec
import pytest

from newswire.app import App
from newswire.engines.query import SearchQuery
from tests.support.aws import AwsInside
from tests.support.memory import MemoryArchive, MemoryFeedStore, MemoryQueue
from tests.support.simulated_day import Planned, Publishers, live_a_day, live_a_day_on_aws, schedule_kept

pytestmark = pytest.mark.long


def check(publishers: Publishers, planned: Planned, app: App) -> None:
    wrong = {feed: schedule_kept(requests, planned.next_checks[feed]) for feed, requests in publishers.asked.items()}
    assert {feed: what for feed, what in wrong.items() if what} == {}
    polls = {feed: len(requests) for feed, requests in publishers.asked.items()}
    assert polls == {feed: len(planned.next_checks[feed]) for feed in polls}, "each poll is remembered, once"
    app.engine.refresh()
    assert app.engine.search(SearchQuery(size=0)).total == sum(publishers.shown.values())
    assert app.feeds.behind(1) == []


def test_ten_thousand_feeds_on_in_memory_stores(settings, clock) -> None:
    publishers, store = Publishers(10_000, clock), MemoryFeedStore()
    planned = Planned(store)
    app = App(settings, clock=clock, feeds=store, archive=MemoryArchive(), fetcher=publishers)
    for feed in publishers.feeds():
        store.put(feed, clock())
    day = live_a_day(app, clock, MemoryQueue())
    print(day)
    check(publishers, planned, app)
    assert day.polls > 40_000
    app.close()


def test_five_hundred_feeds_on_aws_stores(settings, clock) -> None:
    aws = AwsInside()
    completed, publishers, planned, app = live_a_day_on_aws(aws, settings, clock, 500)
    print(msgspec.json.format(msgspec.json.encode(completed)).decode())
    check(publishers, planned, app)
    assert completed.day.polls > 2_000
    app.close()
    aws.close()
