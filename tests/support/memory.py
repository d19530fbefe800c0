"""Provide stores in memory that pass the contract tests, for simulations with many feeds."""

import threading
from collections.abc import Iterable, Mapping

import msgspec

from newswire.clock import Instant
from newswire.model import Batch, Feed, FoldState, ItemState, PollState, Record
from newswire.storage.archive import decode_record, encode_record
from newswire.storage.feeds import DueFeed, FeedRow, Lease, PollResult, after_edit, is_polled, polled_host
from newswire.storage.feeds.metadata import M, Metadata, decode_metadata, encode_metadata


class _Lock:
    """A lease that is free once it has expired, with an optional delay after its release."""

    def __init__(self) -> None:
        self.token: str | None = None
        self.until: Instant = 0
        self.hold_until: Instant = 0

    def is_free(self, now: Instant) -> bool:
        return self.token is None or self.until <= now

    def take(self, lease: Lease, now: Instant) -> Instant:
        if self.token != lease.token:
            if not self.is_free(now):
                return self.until
            if self.hold_until > now:
                return self.hold_until
        self.token, self.until = lease.token, lease.until
        return 0

    def give_back(self, token: str, hold_until: Instant = 0) -> bool:
        if self.token != token:
            return False
        self.token, self.until, self.hold_until = None, 0, hold_until
        return True


class _Feed:
    def __init__(self, feed: Feed, rev: int) -> None:
        self.feed, self.poll, self.rev, self.lease = feed, PollState(), rev, _Lock()
        self.looked_up()

    def looked_up(self) -> None:
        """Compute the fields that are filtered over all feeds."""
        self.active, self.host = is_polled(self.feed, self.poll), polled_host(self.feed, self.poll)


class _Index:
    def __init__(self) -> None:
        self.state = FoldState()
        self.lease = _Lock()
        self.items: dict[str, ItemState] = {}


class MemoryFeedStores:
    """The state that several `MemoryFeedStore`s share, as processes share a file or a table."""

    def __init__(self) -> None:
        self.guard = threading.RLock()
        self.feeds: dict[str, _Feed] = {}
        self.indexes: dict[int, dict[str, _Index]] = {}
        self.locks: dict[str, _Lock] = {}
        self.metadata: dict[str, str] = {}


class MemoryFeedStore:
    """`FeedStore` in memory."""

    def __init__(self, shared: MemoryFeedStores | None = None) -> None:
        self._all = shared or MemoryFeedStores()

    # --- the list ---

    def put(self, feed: Feed, now: Instant) -> None:
        with self._all.guard:
            results = self._all.feeds.get(feed.id)
            if results is None:
                self._all.feeds[feed.id] = _Feed(feed, now)
                return
            edited = after_edit(results.feed, feed, results.poll)
            results.feed, results.rev = feed, max(results.rev + 1, now)
            if edited is not None:
                results.poll = edited
                if results.lease.token is not None:
                    results.lease.token, results.lease.until = "edited", 0
            results.looked_up()

    def row(self, feed_id: str, generation: int = 0) -> FeedRow | None:
        results = self.rows(generation, [feed_id])
        return results[0] if results else None

    def rows(self, generation: int = 0, ids: Iterable[str] | None = None) -> list[FeedRow]:
        with self._all.guard:
            expected = sorted(self._all.feeds if ids is None else set(ids) & self._all.feeds.keys())
            return [self._row(feed_id, generation) for feed_id in expected]

    def _row(self, feed_id: str, generation: int) -> FeedRow:
        results, index = self._all.feeds[feed_id], self._all.indexes.get(generation, {}).get(feed_id)
        state = index.state if index else FoldState()
        return FeedRow(results.feed, results.poll, state, results.rev, results.lease.token is not None)

    def remove(self, feed_id: str) -> None:
        with self._all.guard:
            self._all.feeds.pop(feed_id, None)
            for indexes in self._all.indexes.values():
                indexes.pop(feed_id, None)

    def metadata(self, kind: type[M]) -> M | None:
        return decode_metadata(self._all.metadata.get(kind.KEY), kind)

    def keep_metadata(self, value: Metadata) -> None:
        self._all.metadata[value.KEY] = encode_metadata(value)

    # --- polling ---

    def due(self, now: Instant, limit: int, since: Instant = 0) -> list[DueFeed]:
        with self._all.guard:
            results = [
                DueFeed(feed_id, feed.host, feed.poll.next_check)
                for feed_id, feed in self._all.feeds.items()
                if feed.poll.next_check <= now
                and feed.active
                and feed.lease.is_free(now)
                and (not since or feed.poll.next_check > since)
            ]
        return sorted(results, key=lambda value: (value.at, value.id))[:limit]

    def orphaned(self, now: Instant, limit: int) -> list[str]:
        with self._all.guard:
            results = [
                id_ for id_, feed in self._all.feeds.items() if feed.lease.token is not None and feed.lease.is_free(now)
            ]
        return sorted(results)[:limit]

    def claim(self, feed_id: str, lease: Lease, now: Instant, generation: int = 0) -> FeedRow | None:
        return self.claim_many([feed_id], lease, now, generation).get(feed_id)

    def claim_many(
        self, feed_ids: Iterable[str], lease: Lease, now: Instant, generation: int = 0
    ) -> dict[str, FeedRow]:
        rows = {}
        with self._all.guard:
            for feed_id in feed_ids:
                if feed_id in self._all.feeds:
                    row = self._row(feed_id, generation)
                    if not self._all.feeds[feed_id].lease.take(lease, now):
                        rows[feed_id] = row
        return rows

    def remember(self, results: Iterable[PollResult], *, release: bool = True) -> list[str]:
        refused = []
        with self._all.guard:
            for result in results:
                matches = self._all.feeds.get(result.feed)
                if matches is None or matches.lease.token != result.token:
                    refused.append(result.feed)
                    continue
                matches.poll, matches.rev = result.poll, matches.rev + 1
                matches.looked_up()
                if release:
                    matches.lease.give_back(result.token)
        return refused

    def release(self, feed_id: str, token: str) -> bool:
        with self._all.guard:
            return feed_id in self._all.feeds and self._all.feeds[feed_id].lease.give_back(token)

    def claim_host(self, host: str, lease: Lease, now: Instant) -> Instant:
        return self._take(f"host {host}", lease, now)

    def release_host(self, host: str, token: str, hold_until: Instant = 0) -> bool:
        return self._give_back(f"host {host}", token, hold_until)

    # --- indexing ---

    def behind(self, generation: int, limit: int = 1_000_000, among: Iterable[str] | None = None) -> list[str]:
        with self._all.guard:
            expected = self._all.feeds if among is None else set(among) & self._all.feeds.keys()
            indexes = self._all.indexes.get(generation, {})
            results = [
                feed_id
                for feed_id in expected
                if self._all.feeds[feed_id].poll.head > (indexes[feed_id].state.cursor if feed_id in indexes else 0)
            ]
        return sorted(results)[:limit]

    def claim_index(self, generation: int, feed_id: str, lease: Lease, now: Instant) -> FeedRow | None:
        with self._all.guard:
            if feed_id not in self._all.feeds:
                return None
            index = self._all.indexes.setdefault(generation, {}).setdefault(feed_id, _Index())
            abandoned = index.lease.token not in {None, lease.token}
            if index.lease.take(lease, now):
                return None
            return msgspec.structs.replace(self._row(feed_id, generation), abandoned=abandoned)

    def item_states(self, generation: int, feed_id: str, ids: Iterable[str]) -> dict[str, ItemState]:
        with self._all.guard:
            index = self._all.indexes.get(generation, {}).get(feed_id)
            return {id_: index.items[id_] for id_ in ids if id_ in index.items} if index else {}

    def save(self, generation: int, feed_id: str, token: str, fold: FoldState, states: Mapping[str, ItemState]) -> bool:
        with self._all.guard:
            results = self._all.indexes.get(generation, {}).get(feed_id)
            if results is None or results.lease.token != token:
                return False
            results.state = fold
            results.items.update(states)
            if feed_id in self._all.feeds:
                self._all.feeds[feed_id].rev += 1
            return True

    def release_index(self, generation: int, feed_id: str, token: str) -> bool:
        with self._all.guard:
            results = self._all.indexes.get(generation, {}).get(feed_id)
            return results is not None and results.lease.give_back(token)

    def index_leases(self, generation: int, now: Instant) -> int:
        with self._all.guard:
            return sum(not value.lease.is_free(now) for value in self._all.indexes.get(generation, {}).values())

    def generations(self) -> list[int]:
        with self._all.guard:
            return sorted(number for number, indexes in self._all.indexes.items() if indexes)

    def drop_generation(self, generation: int) -> None:
        with self._all.guard:
            self._all.indexes.pop(generation, None)

    # --- locks ---

    def lock(self, name: str, lease: Lease, now: Instant) -> bool:
        return self._take(f"lock {name}", lease, now) == 0

    def unlock(self, name: str, token: str) -> bool:
        return self._give_back(f"lock {name}", token, 0)

    def is_locked(self, name: str, now: Instant) -> bool:
        with self._all.guard:
            results = self._all.locks.get(f"lock {name}")
            return results is not None and not results.is_free(now)

    def close(self) -> None:
        pass

    def _take(self, name: str, lease: Lease, now: Instant) -> Instant:
        with self._all.guard:
            return self._all.locks.setdefault(name, _Lock()).take(lease, now)

    def _give_back(self, name: str, token: str, hold_until: Instant) -> bool:
        with self._all.guard:
            return name in self._all.locks and self._all.locks[name].give_back(token, hold_until)


class MemoryArchive:
    """`Archive` in memory. Records are stored encoded, so that each read is a copy."""

    def __init__(self) -> None:
        self._records: dict[str, dict[int, bytes]] = {}
        self._guard = threading.Lock()

    def put(self, record: Record) -> bool:
        data = encode_record(record)
        with self._guard:
            records = self._records.setdefault(record.feed, {})
            if record.seq in records:
                return False
            records[record.seq] = data
            return True

    def get(self, feed: str, seq: int) -> Record | None:
        data = self._records.get(feed, {}).get(seq)
        return None if data is None else decode_record(data, f"{feed}/{seq}")

    def head(self, feed: str, after: int = 0) -> int:
        return max([after, *(seq for seq in self._records.get(feed, {}) if seq > after)])

    def feeds(self) -> list[str]:
        return sorted(feed for feed, records in self._records.items() if records)

    def remove(self, feed: str) -> None:
        self._records.pop(feed, None)


class MemoryQueue:
    """`WorkQueue` in memory: batches wait until they are taken."""

    def __init__(self) -> None:
        self._batches: list[Batch] = []

    def put(self, batches: Iterable[Batch]) -> None:
        self._batches += [msgspec.json.decode(msgspec.json.encode(batch), type=Batch) for batch in batches]

    def waiting(self) -> int | None:
        return len(self._batches)

    def take(self, most: int) -> list[Batch]:
        seconds, self._batches = self._batches[:most], self._batches[most:]
        return seconds
