"""Test polling of the 141 real feeds, served with ETags, gzip, redirects, errors and delays."""

import json

from newswire.engines.query import SearchQuery
from newswire.ingest.poll import run_batches
from newswire.model import Batch, Feed, Fetched, FetchFailed, NotModified
from newswire.search.answer import search
from newswire.search.request import read_search
from tests.support.feed_server import Answer


def test_second_poll_of_all_real_feeds_writes_nothing(app, server, shared, clock) -> None:
    rows = [json.loads(line) for line in (shared / "feeds" / "index.jsonl").read_text().splitlines()]
    real = [row for row in rows if row["kind"] == "real"]
    assert len(real) == 141
    ids = []
    for n, row in enumerate(real):
        body = (shared / "feeds" / row["path"]).read_bytes()
        path, feed_id = f"/{n}", f"feed-{n:03d}"
        target = Answer(
            body=body, etag=f'"{n}"' if n % 2 else None, gzipped=n % 3 == 0, delay=0.02 if n % 20 == 0 else 0.0
        )
        server.answers[path] = target
        if n % 10 == 7:
            server.answers[path] = Answer(301 if n % 4 else 302, headers={"Location": f"/there/{n}"})
            server.answers[f"/there/{n}"] = target
        if n % 25 == 3:
            failing = iter([Answer(500), Answer(500)])
            server.answers[path] = lambda _asked, failing=failing, target=target: next(failing, target)
        app.feeds.put(Feed(id=feed_id, url=server.url(path)), clock())
        ids.append(feed_id)
    report = run_batches(app, [Batch(tuple(ids), now=True)])
    failed = [poll.feed for poll in report.polled if isinstance(poll.outcome, FetchFailed)]
    assert len(failed) == 6
    for _ in range(2):
        run_batches(app, [Batch(tuple(failed), now=True)])
    states = {status.id: status for status in app.engine.statuses()}
    refused = [status.id for status in states.values() if status.error_code is not None]
    assert refused == []
    assert len(states) == 141
    total = app.engine.search(SearchQuery(size=0)).total
    assert total == sum(status.items for status in states.values()) > 2_000
    version = app.engine.search(SearchQuery()).version
    clock.go(hours=1)
    again = run_batches(app, [Batch(tuple(ids), now=True)])
    assert all(isinstance(poll.outcome, (NotModified, Fetched)) and not poll.changed for poll in again.polled)
    assert app.engine.search(SearchQuery()).version == version
    request = read_search({"q": ["podcast"], "size": ["5"]}, clock())
    results = search(app.engine, request, clock, 900)
    assert results.total > 0
    assert results.coverage.ok == 141
