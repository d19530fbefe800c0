"""Polling: a tick finds the feeds that are due or behind, a batch fetches, archives, remembers, indexes and publishes.

One connection to a host at a time, many hosts at once. Fetching happens in threads; everything that is remembered is
written from the thread that runs the batch, in this order: the record into the archive, then what polling remembers.
"""

from __future__ import annotations

import queue
import time
import uuid
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import msgspec
from msgspec import Struct

from newswire.app import App
from newswire.clock import MINUTE, SECOND, Instant
from newswire.errors import DataError, EngineError
from newswire.ingest.archiving import MOST_DUE, _with_head, append, reconcile, record_of
from newswire.ingest.indexing import IndexResult, index_feeds, publish
from newswire.ingest.poll_policy import TOO_MANY, UNAVAILABLE, body_hash, decide, request_for, starting_state
from newswire.ingest.schedule import limits_of
from newswire.log import log_defect
from newswire.model import Batch, Fetched, FetchFailed, FetchRequest, NotModified, Outcome, PollState
from newswire.storage.feeds import FeedRow, PollResult
from newswire.urls import host_of

FEEDS_TOGETHER = 32
"""So many feeds of a host are claimed at once and fetched by one thread."""
GATHER_S = 0.01
"""So long results are gathered, to remember many in one transaction."""
HOST_HOLD_AFTER = 3
"""So many feeds of one host that answer 503 hold the host."""
HOST_HOLD = 15 * MINUTE
INDEXING_S = 15
"""So much time is kept back for indexing and publishing, of a run that must end in time."""


class PollReport(Struct, frozen=True):
    """What came of polling one feed, for whoever watches."""

    feed: str
    outcome: Outcome | None
    """What came, without the body of a document: a run may poll hundreds of feeds, and keeps what came of each."""
    changed: bool = False
    refused: str | None = None
    """Why nothing was fetched, or why what was fetched does not count, as a sentence."""
    length: int = 0
    """How many bytes the document has."""


class BatchReport(Struct, frozen=True):
    """What a batch did."""

    polled: tuple[PollReport, ...]
    indexed: tuple[IndexResult, ...]
    engine_error: str | None = None
    """Why the engine took nothing; the feeds stay behind until it does."""
    unreached: tuple[str, ...] = ()
    """Feeds that there was no time for."""


Watcher = Callable[[PollReport], object]
TimeLeft = Callable[[], float]


def run_batches(
    app: App, batches: Sequence[Batch], watch: Watcher | None = None, time_left: TimeLeft | None = None
) -> BatchReport:
    """Carry batches out: poll what is due in them, index what is behind, publish how the feeds are.

    A feed that somebody else is working on is passed over, and so is one that is not due any more. `time_left` gives the
    seconds until the run must have ended: no fetch begins that may not end in time, and what is not indexed by then stays
    behind. An engine that did not answer at the beginning is not asked again in the end: each time takes its whole timeout.
    """
    asked = {feed_id: batch.now for batch in batches for feed_id in batch.feeds}
    generation, away = app.generation_or_why()
    poller = _Poller(app, generation, watch, time_left)
    polled = poller.run(asked)
    reconcile(app, app.feeds.orphaned(app.clock(), MOST_DUE))
    indexed: list[IndexResult] = []
    engine_error = None if away is None else str(away)
    if engine_error is None:
        try:
            behind = set(app.feeds.behind(app.engine.generation(), among=asked))
            wanted = [feed_id for feed_id in asked if feed_id in behind]
            indexed = index_feeds(app, wanted, time_left=time_left)
            publish(app, asked)
        except EngineError as error:
            engine_error = str(error)
    return BatchReport(tuple(polled), tuple(indexed), engine_error, tuple(poller.unreached))


class _Task(Struct, frozen=True):
    """A feed that is being fetched: what we claimed, and what we start from."""

    host: str
    row: FeedRow
    poll: PollState
    request: FetchRequest


_Came = tuple[_Task, Outcome | None]
"""A feed and what came of fetching it; None where it was not tried any more."""


class _Poller:
    """Carries out one run of polls: at most one feed of a host at a time.

    Feeds of a host are claimed a few together and handed to one thread, which fetches them one after the other; so the
    thread that remembers is not asked between them, and many results are remembered in one transaction.
    """

    def __init__(self, app: App, generation: int, watch: Watcher | None, time_left: TimeLeft | None) -> None:
        self._app = app
        self._watch = watch
        self._time_left = time_left
        self.unreached: list[str] = []
        self._token = uuid.uuid4().hex
        self._generation = generation
        self._done: queue.SimpleQueue[_Came | str] = queue.SimpleQueue()
        self._results: list[PollReport] = []
        self._waiting: dict[str, deque[str]] = {}
        self._held: dict[str, Instant] = {}
        self._leased: dict[str, Instant] = {}
        self._unavailable: dict[str, int] = {}
        self._flying = 0
        self._asked: dict[str, bool] = {}

    def run(self, asked: dict[str, bool]) -> list[PollReport]:
        """Poll the feeds that are due, or that a person asked for (True), and give what came of each."""
        self._asked = asked
        now = self._app.clock()
        for row in self._app.feeds.rows(self._generation, asked):
            at_once = asked[row.feed.id]
            if row.poll.next_check > now and not at_once:
                continue
            url = row.poll.adopted_url or row.feed.url
            if url and (at_once or (row.feed.polled and not row.feed.removed)):
                self._waiting.setdefault(host_of(url), deque()).append(row.feed.id)
        if not self._waiting:
            return self._results
        hosts = deque(self._waiting)
        width = min(self._app.settings.poll_concurrency, len(hosts))
        with ThreadPoolExecutor(width, thread_name_prefix="fetch") as threads:
            while hosts or self._flying:
                while hosts and self._flying < width:
                    self._start_host(threads, hosts.popleft())
                if self._flying:
                    self._take_results(threads)
        return self._results

    def _start_host(self, threads: ThreadPoolExecutor, host: str) -> None:
        until = self._lease_host(host, self._app.clock())
        if until:
            waiting = self._waiting[host]
            for feed_id in waiting:
                self._tell(
                    PollReport(feed_id, None, refused=f"{host} is left alone for now, or polled by another process.")
                )
            waiting.clear()
            return
        self._next_of(threads, host)

    def _lease_host(self, host: str, now: Instant) -> Instant:
        """Take the lease of a host, or make it last anew; 0 when we have it, else until when we do not get it."""
        lease = self._app.lease(now, self._token)
        until = self._app.feeds.claim_host(host, lease, now)
        self._leased[host] = now if until else lease.until
        return until

    def _next_of(self, threads: ThreadPoolExecutor, host: str) -> None:
        """Claim the next feeds of a host and send a thread off with them; give the host back when there are none."""
        waiting = self._waiting[host]
        while waiting and not self._held.get(host) and self._has_time():
            now = self._app.clock()
            if self._leased.get(host, 0) - now < self._app.settings.lease_seconds * SECOND // 2:
                self._lease_host(host, now)
            chunk = [waiting.popleft() for _ in range(min(FEEDS_TOGETHER, len(waiting)))]
            tasks = self._claimed(chunk, host, now)
            if tasks:
                self._flying += 1
                threads.submit(self._fetch_all, host, tasks, self._unavailable.get(host, 0))
                return
        is_held = bool(self._held.get(host))
        for feed_id in waiting:
            why = f"{host} asked to be left alone." if is_held else "There was no time left for it."
            self._tell(PollReport(feed_id, None, refused=why))
        self.unreached += [] if is_held else waiting
        waiting.clear()
        self._app.feeds.release_host(host, self._token, self._held.get(host, 0))

    def _claimed(self, feed_ids: list[str], host: str, now: Instant) -> list[_Task]:
        """Claim feeds, and prepare what to ask for; those that are not due any more are given back."""
        rows = self._app.feeds.claim_many(feed_ids, self._app.lease(now, self._token), now, self._generation)
        tasks = []
        for feed_id in feed_ids:
            row = rows.get(feed_id)
            if row is None:
                self._tell(PollReport(feed_id, None, refused="It is being polled by another process."))
            elif row.poll.next_check > now and not self._asked[feed_id]:
                self._app.feeds.release(feed_id, self._token)
            else:
                poll = starting_state(row)
                tasks.append(_Task(host, row, poll, request_for(row, poll, now, self._app.settings.user_agent)))
        return tasks

    def _fetch_all(self, host: str, tasks: list[_Task], unavailable: int) -> None:
        """Fetch feeds of one host one after the other, in a thread; whatever happens, something comes back for each.

        Ends early when the host asks for it, or when the leases would not outlast another fetch.
        """
        settings = self._app.settings
        last_start = time.monotonic() + settings.lease_seconds - 2 * settings.fetch_timeout_seconds
        for position, task in enumerate(tasks):
            outcome = None
            has_time = self._has_time() and (position == 0 or time.monotonic() < last_start)
            if unavailable < HOST_HOLD_AFTER and has_time:
                outcome = self._fetched(task.request)
                status = outcome.status if isinstance(outcome, FetchFailed) else None
                unavailable += status == UNAVAILABLE
                if status == TOO_MANY:
                    unavailable = HOST_HOLD_AFTER
            self._done.put((task, outcome))
        self._done.put(host)

    def _has_time(self) -> bool:
        """Say whether a fetch that begins now ends in time, with what has to be done after it."""
        return self._time_left is None or self._time_left() > self._app.settings.fetch_timeout_seconds + INDEXING_S

    def _fetched(self, request: FetchRequest) -> Outcome:
        try:
            return self._app.fetcher.fetch(request)
        except Exception as error:  # noqa: BLE001 - a defect of ours fails one feed, and does not hang the run
            log_defect(error)
            sentence = f"newswire failed at it ({type(error).__name__}); see its log."
            return FetchFailed(request.url, "internal", sentence)

    def _take_results(self, threads: ThreadPoolExecutor) -> None:
        """Archive and remember what has come, then send threads off again to the hosts that are through."""
        came = [self._done.get()]
        time.sleep(GATHER_S)
        while not self._done.empty():
            came.append(self._done.get())
        results: list[PollResult] = []
        told: list[PollReport] = []
        through: list[str] = []
        for one in came:
            if isinstance(one, str):
                through.append(one)
                continue
            task, outcome = one
            if outcome is None:
                self._app.feeds.release(task.row.feed.id, self._token)
                self._waiting[task.host].append(task.row.feed.id)
                continue
            result, polled = self._decided(task, outcome)
            if result is not None:
                results.append(result)
            told.append(polled)
        lost = set(self._app.feeds.remember(results)) if results else set()
        self._flying -= len(through)
        for host in through:
            self._next_of(threads, host)
        reconcile(self._app, lost)  # what was archived without being remembered is seen at once, if the feed is free
        for polled in told:
            is_lost = polled.feed in lost
            self._tell(
                PollReport(polled.feed, None, refused="Its lease went to another process.") if is_lost else polled
            )

    def _decided(self, task: _Task, outcome: Outcome) -> tuple[PollResult | None, PollReport]:
        """Archive and decide; a defect of ours fails one feed, and does not stop the run."""
        try:
            return self._result_of(task, outcome)
        except Exception as error:  # noqa: BLE001 - logged as a defect; the feed is tried again when it is due
            log_defect(error)
            self._app.feeds.release(task.row.feed.id, self._token)
            sentence = f"newswire failed at it ({type(error).__name__}); see its log."
            return None, PollReport(task.row.feed.id, None, refused=sentence)

    def _result_of(self, task: _Task, outcome: Outcome) -> tuple[PollResult | None, PollReport]:
        row = task.row
        feed_id = row.feed.id
        poll = _with_head(self._app, feed_id, task.poll) if row.orphaned else task.poll
        now = self._app.clock()
        seq = None
        if isinstance(outcome, Fetched) and body_hash(outcome.body) != poll.body_hash:
            try:
                seq = append(self._app, record_of(row, poll, outcome, now))
            except DataError as error:
                self._app.feeds.release(feed_id, self._token)
                return None, PollReport(feed_id, None, refused=str(error))
        decision = decide(row, poll, outcome, now, limits_of(row.feed, self._app.settings), seq)
        hold = decision.hold_host_until
        if decision.is_unavailable:
            self._unavailable[task.host] = self._unavailable.get(task.host, 0) + 1
            if self._unavailable[task.host] >= HOST_HOLD_AFTER:
                hold = max(hold, now + HOST_HOLD)
        if hold:
            self._held[task.host] = max(hold, self._held.get(task.host, 0))
        refused = decision.poll.error if not isinstance(outcome, (FetchFailed, NotModified)) else None
        length = 0
        if isinstance(outcome, Fetched):
            length, outcome = len(outcome.body), msgspec.structs.replace(outcome, body=b"")
        polled = PollReport(feed_id, outcome, seq is not None, refused, length)
        return PollResult(feed_id, self._token, decision.poll), polled

    def _tell(self, polled: PollReport) -> None:
        self._results.append(polled)
        if self._watch is not None:
            self._watch(polled)
