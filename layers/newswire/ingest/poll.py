"""Poll feeds: fetch, archive, remember the new poll state, then index and publish; one connection to a host at a time.

Threads fetch. The thread that runs the batch writes everything, in this order: the record into the archive, then the
poll state into the feed store.
"""

from __future__ import annotations

import queue
import time
import uuid
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import msgspec
from msgspec import Struct

from newswire.app import App, DocumentFetcher
from newswire.clock import MINUTE, SECOND, Instant
from newswire.errors import DataError, EngineError
from newswire.ingest.archiving import append, reconcile, record_of, with_log_head
from newswire.ingest.decompress import unpacked
from newswire.ingest.expiry import expire
from newswire.ingest.generations import serving_generation
from newswire.ingest.indexing import IndexResult, index_feeds, publish
from newswire.ingest.poll_policy import (
    SERVICE_UNAVAILABLE,
    TOO_MANY_REQUESTS,
    decide,
    is_new_document,
    request_for,
    starting_state,
)
from newswire.ingest.reading import reader_of
from newswire.ingest.reading.record import INTERNAL, defect_sentence
from newswire.ingest.schedule import limits_of
from newswire.ingest.waiting_room import WaitingRoom
from newswire.log import log_defect
from newswire.model import (
    Batch,
    Feed,
    Fetched,
    FetchFailed,
    FetchRequest,
    NotModified,
    Outcome,
    PollState,
    Reading,
    Record,
)
from newswire.storage.feeds import FeedRow, PollResult, new_lease
from newswire.urls import host_of

MAX_FEEDS_PER_HOST_CLAIM = 32
"""Maximum feeds of a host that one thread claims and fetches in a row."""
GATHER_SECONDS = 0.01
"""Time in which results are gathered, to write many poll states in one transaction."""
MAX_WAITING_BYTES = 30_000_000
"""Maximum bytes of documents that wait to be archived; then the threads that fetch wait too."""
MAX_UNAVAILABLE_PER_HOST = 3
"""Number of feeds of one host that answer 503 before the host is held."""
HOST_HOLD = 15 * MINUTE
INDEXING_SECONDS = 15
"""Time that a run with a deadline keeps for indexing and publishing."""


class PollReport(Struct, frozen=True):
    """The result of polling one feed, for a watcher."""

    feed: str
    outcome: Outcome | None
    """The outcome, without the body of a document: a run keeps the outcomes of hundreds of feeds."""
    changed: bool = False
    refused: str | None = None
    """A sentence: why nothing was fetched, or why the fetched document does not count."""
    length: int = 0
    """Size of the document in bytes."""
    was_failing: bool = False
    """The poll before this one failed."""

    @property
    def has_failed(self) -> bool:
        """Return whether nothing was fetched, or what was fetched does not count."""
        return isinstance(self.outcome, FetchFailed) or self.refused is not None


class BatchReport(Struct, frozen=True):
    """The result of a run."""

    polled: tuple[PollReport, ...]
    indexed: tuple[IndexResult, ...]
    engine_error: str | None = None
    """Why the engine took nothing; the feeds stay behind until it does."""
    unreached: tuple[str, ...] = ()
    """Feeds that there was no time for."""


Watcher = Callable[[PollReport], object]
TimeLeft = Callable[[], float]
"""Returns the seconds until the run must have ended."""


def run_batches(
    app: App, batches: Sequence[Batch], watch: Watcher | None = None, time_left: TimeLeft | None = None
) -> BatchReport:
    """Poll the due feeds of batches, index the feeds that are behind, and publish their statuses.

    Skip feeds that another process works on, and feeds that are not due any more. With `time_left`, start no fetch that
    may not end in time; what is not indexed by then stays behind. An engine that is unreachable at the beginning is not
    asked again at the end, since each try takes its whole timeout.
    """
    wanted = {feed_id: batch.now for batch in batches for feed_id in batch.feeds}
    serving = serving_generation(app)
    run = _PollRun(app, serving.number, wanted, watch, time_left)
    polled = run.poll()
    reconcile(app, run.unsettled())
    indexed: list[IndexResult] = []
    engine_error = None if serving.engine_error is None else str(serving.engine_error)
    if engine_error is None:
        try:
            behind = run.behind(app.engine.generation())
            indexed = index_feeds(app, [feed_id for feed_id in wanted if feed_id in behind], time_left=time_left)
            publish(app, wanted)
            expire(app, run.feeds())
        except EngineError as error:
            engine_error = str(error)
    return BatchReport(tuple(polled), tuple(indexed), engine_error, tuple(run.unreached))


class _Task(Struct, frozen=True):
    """A claimed feed, and the request to fetch it with."""

    host: str
    row: FeedRow
    poll: PollState
    request: FetchRequest


class _TaskDone(Struct, frozen=True):
    """The outcome of fetching a feed; None if it was not tried."""

    task: _Task
    outcome: Outcome | None


class _HostDone(Struct, frozen=True):
    """A thread has ended the tasks that it was given for a host."""

    host: str


class _HostRun:
    """The state of one host within a run."""

    def __init__(self, host: str) -> None:
        self.host = host
        self.waiting: deque[str] = deque()
        """Feeds that are still to be claimed."""
        self.leased_until: Instant = 0
        self.hold_until: Instant = 0
        """The instant until which the host asked not to be fetched from; 0 if it did not."""
        self.unavailable = 0
        """Number of its feeds that answered 503."""

    def take(self) -> list[str]:
        """Take the next feeds to claim."""
        return [self.waiting.popleft() for _ in range(min(MAX_FEEDS_PER_HOST_CLAIM, len(self.waiting)))]

    def take_all(self) -> list[str]:
        """Take all feeds that are left."""
        feeds = list(self.waiting)
        self.waiting.clear()
        return feeds


class _PollRun:
    """One run of polls, with at most one connection to a host.

    A thread gets several claimed feeds of a host and fetches them in a row, so it does not wait for the writing thread
    between them, and many poll states are written in one transaction.
    """

    def __init__(
        self, app: App, generation: int, wanted: dict[str, bool], watch: Watcher | None, time_left: TimeLeft | None
    ) -> None:
        self.unreached: list[str] = []
        self._app = app
        self._generation = generation
        self._wanted = wanted
        self._watch = watch
        self._time_left = time_left
        self._token = uuid.uuid4().hex
        self._done: queue.SimpleQueue[_TaskDone | _HostDone] = queue.SimpleQueue()
        self._room = WaitingRoom(MAX_WAITING_BYTES)
        self._reports: list[PollReport] = []
        self._hosts: dict[str, _HostRun] = {}
        self._threads_running = 0
        self._rows: dict[str, FeedRow] = {}
        """The rows of the wanted feeds at the beginning, without their fold states."""
        self._claimed: dict[str, FeedRow] = {}
        self._heads: dict[str, int] = {}
        """The last record of each feed whose poll state was written."""

    def feeds(self) -> list[Feed]:
        """Return the configurations of the wanted feeds."""
        return [row.feed for row in self._rows.values()]

    def unsettled(self) -> list[str]:
        """Return the feeds that were not polled, and whose poll lease was not given back: its holder may have died."""
        return [id_ for id_, row in self._rows.items() if row.orphaned and id_ not in self._claimed]

    def behind(self, generation: int) -> set[str]:
        """Return the wanted feeds whose cursor is behind their last record; only those that were not polled are read."""
        if generation != self._generation:
            return set(self._app.feeds.behind(generation, among=self._wanted))
        known = {id_: self._heads[id_] for id_ in self._claimed if id_ in self._heads}
        unread = [id_ for id_ in self._wanted if id_ not in known]
        behind = set(self._app.feeds.behind(generation, among=unread)) if unread else set()
        return behind | {id_ for id_, head in known.items() if head > self._claimed[id_].fold.cursor}

    def poll(self) -> list[PollReport]:
        """Poll the feeds that are due or that a person asked for; return a report of each."""
        self._find_hosts()
        if not self._hosts:
            return self._reports
        from newswire.ingest.fetch import fetcher_of  # noqa: PLC0415 - urllib3 takes 50 ms, and a tick may fetch nothing

        fetcher = fetcher_of(self._app)
        hosts = deque(self._hosts.values())
        width = min(self._app.settings.poll_concurrency, len(hosts))
        threads = ThreadPoolExecutor(width, thread_name_prefix="fetch")
        with closing(self._room):
            try:
                while hosts or self._threads_running:
                    while hosts and self._threads_running < width:
                        host = hosts.popleft()
                        if self._has_lease(host):
                            self._fetch_next(threads, fetcher, host)
                    if self._threads_running:
                        self._take_results(threads, fetcher)
            except BaseException as error:  # after Ctrl-C nobody waits for a publisher that hangs
                threads.shutdown(wait=not isinstance(error, KeyboardInterrupt), cancel_futures=True)
                raise
        threads.shutdown()
        return self._reports

    def _find_hosts(self) -> None:
        now = self._app.clock()
        self._rows = {row.feed.id: row for row in self._app.feeds.rows(ids=self._wanted)}
        for row in self._rows.values():
            at_once = self._wanted[row.feed.id]
            url = row.poll.adopted_url or row.feed.url
            is_due = at_once or row.poll.next_check <= now
            if url and is_due and (at_once or (row.feed.polled and not row.feed.removed)):
                host = host_of(url)
                self._hosts.setdefault(host, _HostRun(host)).waiting.append(row.feed.id)

    # --- claims ---

    def _has_lease(self, host: _HostRun) -> bool:
        """Take the lease of a host; report its feeds as refused if another process has it."""
        if self._lease_host(host, self._app.clock()):
            return True
        for feed_id in host.take_all():
            self._report(PollReport(feed_id, None, refused=f"{host.host} is held, or another process polls it."))
        return False

    def _lease_host(self, host: _HostRun, now: Instant) -> bool:
        """Take or extend the lease of a host; return whether we have it."""
        lease = new_lease(self._app.settings, now, self._token)
        taken_until = self._app.feeds.claim_host(host.host, lease, now)
        host.leased_until = now if taken_until else lease.until
        return not taken_until

    def _fetch_next(self, threads: ThreadPoolExecutor, fetcher: DocumentFetcher, host: _HostRun) -> None:
        """Claim the next feeds of a host and start a thread for them; give the host back when there are none."""
        while host.waiting and not host.hold_until and self._has_time():
            now = self._app.clock()
            if host.leased_until - now < self._app.settings.lease_seconds * SECOND // 2:
                self._lease_host(host, now)
            tasks = self._claim(host.take(), host.host, now)
            if tasks:
                self._threads_running += 1
                threads.submit(self._fetch_all, fetcher, host.host, tasks, host.unavailable)
                return
        feeds = host.take_all()
        why = f"{host.host} asked for a pause." if host.hold_until else "There was no time left for it."
        for feed_id in feeds:
            self._report(PollReport(feed_id, None, refused=why))
        self.unreached += [] if host.hold_until else feeds
        self._app.feeds.release_host(host.host, self._token, host.hold_until)

    def _claim(self, feed_ids: list[str], host: str, now: Instant) -> list[_Task]:
        """Claim feeds and build their requests; give back feeds that are not due any more."""
        lease = new_lease(self._app.settings, now, self._token)
        rows = self._app.feeds.claim_many(feed_ids, lease, now, self._generation)
        self._claimed |= rows
        tasks = []
        for feed_id in feed_ids:
            row = rows.get(feed_id)
            if row is None:
                self._report(PollReport(feed_id, None, refused="Another process polls it."))
            elif row.poll.next_check > now and not self._wanted[feed_id]:
                self._app.feeds.release(feed_id, self._token)
            else:
                poll = starting_state(row)
                tasks.append(_Task(host, row, poll, request_for(row, poll, now, self._app.settings.user_agent)))
        return tasks

    # --- fetching, in a thread ---

    def _fetch_all(self, fetcher: DocumentFetcher, host: str, tasks: list[_Task], unavailable: int) -> None:
        """Fetch feeds of one host in a row; whatever happens, each of them gets a `_TaskDone`.

        Stop early if the host asks for it, or if the leases would not outlast another fetch.
        """
        settings = self._app.settings
        last_start = time.monotonic() + settings.lease_seconds - 2 * settings.fetch_timeout_seconds
        for position, task in enumerate(tasks):
            outcome = None
            has_time = self._has_time() and (position == 0 or time.monotonic() < last_start)
            if unavailable < MAX_UNAVAILABLE_PER_HOST and has_time:
                outcome = _fetch(fetcher, task.request)
                status = outcome.status if isinstance(outcome, FetchFailed) else None
                unavailable += status == SERVICE_UNAVAILABLE
                if status == TOO_MANY_REQUESTS:
                    unavailable = MAX_UNAVAILABLE_PER_HOST
            self._room.take(_size_of(outcome))
            self._done.put(_TaskDone(task, outcome))
        self._done.put(_HostDone(host))

    def _has_time(self) -> bool:
        """Return whether a fetch that starts now can end before the deadline, with the indexing after it."""
        needed_s = self._app.settings.fetch_timeout_seconds + INDEXING_SECONDS
        return self._time_left is None or self._time_left() > needed_s

    # --- results ---

    def _take_results(self, threads: ThreadPoolExecutor, fetcher: DocumentFetcher) -> None:
        """Archive and remember the results that are there, then start threads again for the hosts that are done."""
        results: list[PollResult] = []
        reports: list[PollReport] = []
        hosts_done: list[_HostRun] = []
        for fetched in self._gather():
            if isinstance(fetched, _HostDone):
                hosts_done.append(self._hosts[fetched.host])
            elif fetched.outcome is None:
                self._app.feeds.release(fetched.task.row.feed.id, self._token)
                self._hosts[fetched.task.host].waiting.append(fetched.task.row.feed.id)
            else:
                result, report = self._decide(fetched.task, fetched.outcome)
                self._room.give(_size_of(fetched.outcome))
                reports.append(report)
                results += [] if result is None else [result]
        lost = set(self._app.feeds.remember(results)) if results else set()
        self._heads |= {result.feed: result.poll.head for result in results if result.feed not in lost}
        self._threads_running -= len(hosts_done)
        for host in hosts_done:
            self._fetch_next(threads, fetcher, host)
        reconcile(self._app, lost)  # a record that was archived and not remembered is seen at once, if the feed is free
        for report in reports:
            is_lost = report.feed in lost
            self._report(
                PollReport(report.feed, None, refused="Another process took its lease.") if is_lost else report
            )

    def _gather(self) -> Iterable[_TaskDone | _HostDone]:
        """Wait for one result, and return all that come within `GATHER_SECONDS`."""
        gathered = [self._done.get()]
        time.sleep(GATHER_SECONDS)
        while not self._done.empty():
            gathered.append(self._done.get())
        return gathered

    def _decide(self, task: _Task, outcome: Outcome) -> tuple[PollResult | None, PollReport]:
        """Archive a document and decide the new poll state; a defect fails one feed and does not stop the run."""
        feed_id = task.row.feed.id
        try:
            return self._result_of(task, outcome)
        except DataError as error:
            self._app.feeds.release(feed_id, self._token)
            return None, PollReport(feed_id, None, refused=str(error))
        except Exception as error:  # noqa: BLE001 - logged as a defect; the feed is tried again when it is due
            log_defect(error)
            self._app.feeds.release(feed_id, self._token)
            return None, PollReport(feed_id, None, refused=defect_sentence(type(error).__name__, "the poll"))

    def _result_of(self, task: _Task, outcome: Outcome) -> tuple[PollResult, PollReport]:
        row = task.row
        feed_id = row.feed.id
        poll = with_log_head(self._app, feed_id, task.poll) if row.orphaned else task.poll
        now = self._app.clock()
        seq = None
        outcome = unpacked(outcome, self._app.settings.fetch_max_decoded_bytes)
        if isinstance(outcome, Fetched) and is_new_document(row, poll, outcome.body):
            seq = append(self._app, record_of(row, poll, outcome, now))
        limits = limits_of(row.feed, self._app.settings)
        decision = decide(row, poll, outcome, now, limits, seq, self._read_carefully)
        host, hold = self._hosts[task.host], decision.hold_host_until
        if decision.is_unavailable:
            host.unavailable += 1
            if host.unavailable >= MAX_UNAVAILABLE_PER_HOST:
                hold = max(hold, now + HOST_HOLD)
        host.hold_until = max(hold, host.hold_until)
        refused = decision.poll.error if not isinstance(outcome, (FetchFailed, NotModified)) else None
        length = 0
        if isinstance(outcome, Fetched):
            length, outcome = len(outcome.body), msgspec.structs.replace(outcome, body=b"")
        report = PollReport(feed_id, outcome, seq is not None, refused, length, poll.error_code is not None)
        return PollResult(feed_id, self._token, decision.poll, row), report

    def _read_carefully(self, record: Record) -> Reading:
        return reader_of(self._app).read(record, careful=True)

    def _report(self, report: PollReport) -> None:
        self._reports.append(report)
        if self._watch is not None:
            self._watch(report)


def _size_of(outcome: Outcome | None) -> int:
    return len(outcome.body) if isinstance(outcome, Fetched) else 0


def _fetch(fetcher: DocumentFetcher, request: FetchRequest) -> Outcome:
    """Fetch a document; a defect fails one feed and does not hang the run."""
    try:
        return fetcher.fetch(request)
    except Exception as error:  # noqa: BLE001 - logged as a defect
        log_defect(error)
        return FetchFailed(request.url, INTERNAL, defect_sentence(type(error).__name__, "the fetch"))
