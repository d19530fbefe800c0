"""Test how a deployment survives failures of AWS: nothing is lost and nothing is duplicated."""

import random
from concurrent.futures import ThreadPoolExecutor

import pytest

from newswire.errors import DataError
from newswire.model import Batch
from newswire.storage.queue.sqs import SqsQueue
from tests.support.aws import MESSAGES_A_CALL, Trouble
from tests.support.deployment import Deployment, event
from tests.support.feed_server import FeedServer, rss, story

pytestmark = pytest.mark.opensearch
PUBLISHERS = 5
THROTTLED = '{"__type": "com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException", "message": "no"}'
SLOW_DOWN = "<Error><Code>SlowDown</Code><Message>no</Message></Error>"


@pytest.fixture
def deployment(aws, settings, clock, opensearch_nodes):
    built = Deployment(aws, settings, clock, opensearch_nodes.url("3.8"))
    yield built
    built.close()


@pytest.fixture
def publishers():
    """Yield several hosts, because feeds of publisher host are fetched publisher after the other."""
    built = [FeedServer() for _ in range(PUBLISHERS)]
    yield built
    for publisher in built:
        publisher.close()


class News:
    """Feeds on several hosts, with the titles that they have published."""

    def __init__(self, deployment: Deployment, publishers: list[FeedServer], feeds: int) -> None:
        self._publishers = publishers
        self.published: set[str] = set()
        self.feeds = [f"feed-{number}" for number in range(feeds)]
        self._stories: dict[str, list[dict[str, str]]] = {feed: [] for feed in self.feeds}
        for feed in self.feeds:
            deployment.add(feed, self.publish(feed))

    def _host(self, feed: str) -> FeedServer:
        return self._publishers[self.feeds.index(feed) % len(self._publishers)]

    def publish(self, feed: str) -> str:
        """Add a story at the top of a feed; return the URL of the feed."""
        stories = self._stories[feed]
        number = self.feeds.index(feed) * 1_000 + len(stories)
        stories.insert(0, story(number, f"{feed} {len(stories)}"))
        self.published.add(f"{feed} {len(stories) - 1}")
        return self._host(feed).says(f"/{feed}", rss(*stories, title=feed))

    def polls(self, feed: str) -> int:
        return self._host(feed).count(f"/{feed}")


def test_duplicate_unordered_messages_poll_each_feed_once(deployment, publishers, aws) -> None:
    news = News(deployment, publishers, 20)
    deployment.call(event("schedule"))
    SqsQueue(deployment.settings.queue_url).put(Batch((feed,)) for feed in news.feeds)
    records = aws.receive(deployment.settings.queue_url)["Records"]
    assert len(records) > PUBLISHERS
    deliveries = [records[start : start + 3] for start in range(0, len(records), 3)] * 3
    random.Random(3).shuffle(deliveries)
    functions = [deployment.another()[1] for _ in range(4)]
    with ThreadPoolExecutor(len(functions)) as lambdas:

        def carry_out(number: int) -> list[list[str] | None]:
            return [
                deployment.call({"Records": some}, functions[number]) for some in deliveries[number :: len(functions)]
            ]

        reported = list(lambdas.map(carry_out, range(len(functions))))
    assert deployment.errors == []
    assert [value for some in reported for value in some if value] == []
    deployment.minutes(2)  # the next tick polls feeds whose host was leased
    assert deployment.found() == dict.fromkeys(news.published, 1)
    assert {feed: news.polls(feed) for feed in news.feeds} == dict.fromkeys(news.feeds, 1)


def test_only_the_failed_half_of_a_batch_is_retried(deployment, publishers, aws) -> None:
    news = News(deployment, publishers, 5)
    queue = SqsQueue(deployment.settings.queue_url)
    queue.put(Batch((feed,)) for feed in news.feeds)
    for number in range(MESSAGES_A_CALL - len(news.feeds)):
        aws.client("sqs").send_message(QueueUrl=deployment.settings.queue_url, MessageBody=f"poison {number}")
    deployment.drain()
    assert deployment.found() == dict.fromkeys(news.published, 1)
    assert len(deployment.failed) == 5
    assert deployment.dead_letters() == 0
    for _ in range(10):
        deployment.drain()
    assert deployment.dead_letters() == 5, "what can never be carried out ends there, and only that"
    assert queue.waiting() == 0
    assert deployment.errors == []


def test_throttled_table_loses_nothing(deployment, publishers, monkeypatch) -> None:
    monkeypatch.setattr("time.sleep", lambda _seconds: None)
    news = News(deployment, publishers, 20)
    trouble = Trouble(deployment.app.feeds._table.client, 400, THROTTLED, share=0.3)

    def publish(minute: int) -> None:
        news.publish(news.feeds[minute % len(news.feeds)])

    deployment.minutes(20, publish)
    trouble.on = False
    deployment.clock.go(hours=7)
    deployment.minutes(2)
    assert trouble.refused > 100
    assert deployment.found() == dict.fromkeys(news.published, 1)
    assert deployment.dead_letters() == 0


def test_table_outage_fails_invocations_but_loses_nothing(deployment, publishers, monkeypatch) -> None:
    monkeypatch.setattr("time.sleep", lambda _seconds: None)
    news = News(deployment, publishers, 10)
    deployment.call(event("schedule"))  # so that messages are already in the queue
    trouble = Trouble(deployment.app.feeds._table.client, 400, THROTTLED)
    deployment.minutes(4)
    assert len(deployment.errors) >= 4
    assert {type(error) for error in deployment.errors} == {DataError}
    assert sum(news.polls(feed) for feed in news.feeds) == 0
    trouble.on = False
    deployment.minutes(2)
    assert deployment.found() == dict.fromkeys(news.published, 1)
    assert deployment.dead_letters() == 0


def test_feeds_stay_due_until_the_bucket_accepts_documents(deployment, publishers, monkeypatch) -> None:
    monkeypatch.setattr("time.sleep", lambda _seconds: None)
    news = News(deployment, publishers, 10)
    trouble = Trouble(deployment.app.archive.client, 503, SLOW_DOWN, operation="PutObject")
    deployment.minutes(5)
    assert trouble.refused > 0
    assert {row.poll.head for row in deployment.app.feeds.rows()} == {0}, "what is not archived is not remembered"
    trouble.on = False
    deployment.minutes(2)
    assert deployment.found() == dict.fromkeys(news.published, 1)
    assert deployment.dead_letters() == 0
    assert deployment.errors == []


def test_hour_long_cluster_outage_loses_nothing(deployment, publishers) -> None:
    news = News(deployment, publishers, 20)
    deployment.minutes(3)
    assert deployment.found() == dict.fromkeys(news.published, 1)
    before = {feed: news.polls(feed) for feed in news.feeds}
    deployment.domain.away = True
    for feed in news.feeds:
        news.publish(feed)
    deployment.minutes(60, lambda minute: news.publish(news.feeds[minute % len(news.feeds)]))
    assert all(news.polls(feed) > before[feed] for feed in news.feeds), "polling and archiving go on"
    assert deployment.errors == []
    assert deployment.failed == []
    deployment.domain.away = False
    deployment.clock.go(hours=7)
    deployment.minutes(3)
    assert deployment.found() == dict.fromkeys(news.published, 1)
    assert deployment.dead_letters() == 0
    assert deployment.app.feeds.behind(1) == []
