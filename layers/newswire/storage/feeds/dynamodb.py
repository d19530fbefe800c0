"""The feed store in one DynamoDB table, for any number of Lambdas.

Rows, by partition key `pk` and sort key `sk`:

    feed/<bucket>                <feed>    the configuration, the poll state, the poll lease, and `rev`
    index/<generation>/<bucket>  <feed>    the fold state, its cursor, and the index lease
    item/<generation>/<feed>     <item>    the state of an item
    lock/<name> host/<host> note/<key> generations    each with sk `-`: locks, host leases, metadata, generation numbers

The table has two sparse secondary indexes. `attention` sorts feeds by the next instant that needs work: the next check, or
the expiry of a poll lease. So a feed with an orphaned lease turns up by itself. `behind` has the feeds whose log has
grown since they last caught up. Indexes lag behind the table, so the rows that they name are read from the table again.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping
from itertools import islice

import msgspec

from newswire.clock import DAY, SECOND, Instant
from newswire.errors import DataError
from newswire.model import Feed, FoldState, ItemState, PollState
from newswire.storage.feeds import DueFeed, FeedRow, Lease, PollResult, after_edit, is_polled, polled_host
from newswire.storage.feeds.dynamodb_table import (
    MAX_TRIES,
    Change,
    Key,
    Row,
    Table,
    binary,
    bytes_in,
    key_of,
    number,
    number_in,
    numbers,
    numbers_in,
    sort_key,
    string,
    string_in,
)
from newswire.storage.feeds.metadata import M, Metadata, decode_metadata, encode_metadata

BUCKETS = 8
"""Partitions of the feeds: each accepts 1,000 writes per second, and each costs one query to list all feeds."""
ATTENTION, BEHIND = "attention", "behind"
_MAX_READ_FEEDS = 100
_MAX_WRITTEN_STATES = 90
"""Item states per transaction: DynamoDB allows 100 actions, one of which is the check of the lease."""
_EDITED = "edited"
_GENERATIONS = "generations"

_encode = msgspec.json.Encoder().encode
_encode_item_state = msgspec.msgpack.Encoder().encode
_decode_feed = msgspec.json.Decoder(Feed).decode
_decode_poll = msgspec.json.Decoder(PollState).decode
_decode_fold = msgspec.json.Decoder(FoldState).decode
_decode_item_state = msgspec.msgpack.Decoder(ItemState).decode


class DynamoFeedStore:
    """`FeedStore` in a table. A lease ends when it is released or expires; the death of its holder is not visible."""

    def __init__(self, table: str) -> None:
        self._table = Table(table)
        self._known_generations: set[int] = set()
        """Generations that the table has in its list."""

    def load(self) -> None:
        """Make the client now, before its first use."""
        self._table.load()

    # --- the list ---

    def put(self, feed: Feed, now: Instant) -> None:
        for _attempt in range(MAX_TRIES):
            if self._put(feed, now):
                return
        msg = f"{self._table.place} refused {feed.id}, since other processes keep changing its row. Try again."
        raise DataError(msg)

    def _put(self, feed: Feed, now: Instant) -> bool:
        """Write the configuration; return False if the row has changed since it was read."""
        row = self._table.get(_feed_key(feed.id))
        poll = _poll_of(row) if row else PollState()
        edited = after_edit(_feed_of(row), feed, poll) if row else None
        poll = edited or poll
        rev = max(number_in(row, "rev") + 1, now) if row else now
        change = _set_polled(Change().set(feed=binary(_encode(feed)), rev=number(rev)), feed, poll)
        if edited or row is None:
            _set_poll(change, poll)
        at = _due_at(feed, poll)
        if row and "token" in row:
            at = 0 if edited else number_in(row, "until")
            if edited:
                # A running poll fetches under the old configuration: end its lease, so that its result is refused.
                change.set(token=string(_EDITED), until=number(0))
        _set_attention(change, feed.id, at)
        change = change.if_same(rev=row["rev"], token=row.get("token")) if row else change.if_new()
        return self._table.update(_feed_key(feed.id), change) is not None

    def row(self, feed_id: str, generation: int = 0) -> FeedRow | None:
        rows = self.rows(generation, [feed_id])
        return rows[0] if rows else None

    def rows(self, generation: int = 0, ids: Iterable[str] | None = None) -> list[FeedRow]:
        if ids is None:
            feeds = self._table.joined(self._table.partition, _partitions("feed"))
            states = self._table.joined(self._table.partition, _partitions(f"index/{generation}"))
        else:
            sorted_ids = sorted(set(ids))
            feeds = self._table.get_many(map(_feed_key, sorted_ids))
            states = self._table.get_many(_index_key(generation, id_) for id_ in sorted_ids if generation)
        by_id = {sort_key(state): state for state in states}
        return [_row_of(row, by_id.get(sort_key(row))) for row in sorted(feeds, key=sort_key)]

    def remove(self, feed_id: str) -> None:
        for generation in self.generations():
            self._table.delete(self._table.keys(f"item/{generation}/{feed_id}"))
            self._table.delete([_index_key(generation, feed_id)])
        self._table.delete([_feed_key(feed_id)])

    def metadata(self, kind: type[M]) -> M | None:
        return decode_metadata(string_in(self._table.get(key_of(f"note/{kind.KEY}")), "value"), kind)

    def keep_metadata(self, value: Metadata) -> None:
        self._table.update(key_of(f"note/{value.KEY}"), Change().set(value=string(encode_metadata(value))))

    # --- polling ---

    def due(self, now: Instant, limit: int, since: Instant = 0) -> list[DueFeed]:
        rows = [row for row in self._rows_to_attend(now, limit, since) if "active" in row and _is_free(row, now)]
        feeds = [DueFeed(sort_key(row), string_in(row, "host") or "", number_in(row, "next_check")) for row in rows]
        due = (feed for feed in feeds if feed.at <= now and (not since or feed.at > since))
        return sorted(due, key=lambda feed: (feed.at, feed.id))[:limit]

    def orphaned(self, now: Instant, limit: int) -> list[str]:
        rows = self._rows_to_attend(now, limit)
        return sorted(sort_key(row) for row in rows if "token" in row and _is_free(row, now))[:limit]

    def _rows_to_attend(self, now: Instant, limit: int, since: Instant = 0) -> list[Row]:
        """Return the table's rows of feeds whose `attention` instant is after `since`, and not after `now`.

        An expired lease counts from its end, which is later than the check that was due.
        """
        bounds = {":since": number(since + 1 if since else 0), ":now": number(now)}
        ids = self._ids_in_index(ATTENTION, limit, " AND attention_at BETWEEN :since AND :now", bounds)
        return self._table.get_many(map(_feed_key, ids), ("next_check", "host", "active", "token", "until"))

    def _ids_in_index(self, index: str, limit: int | None, condition: str = "", values: Row | None = None) -> list[str]:
        """Return the feed ids in a secondary index, at most `limit` of each bucket."""

        def read_bucket(bucket: str) -> list[str]:
            bucket_values = {":bucket": string(bucket), **(values or {})}
            rows = self._table.query(f"{index}_bucket = :bucket{condition}", bucket_values, IndexName=index)
            return [sort_key(row) for row in islice(rows, limit)]

        return self._table.joined(read_bucket, map(str, range(BUCKETS)))

    def claim(self, feed_id: str, lease: Lease, now: Instant, generation: int = 0) -> FeedRow | None:
        return self.claim_many([feed_id], lease, now, generation).get(feed_id)

    def claim_many(
        self, feed_ids: Iterable[str], lease: Lease, now: Instant, generation: int = 0
    ) -> dict[str, FeedRow]:
        def take(feed_id: str) -> Row | None:
            change = _set_attention(_take_lease(lease), feed_id, lease.until)
            return self._table.update(_feed_key(feed_id), change.if_there().if_free(lease.token, now))

        leased_rows = {sort_key(row): row for row in self._table.each(take, dict.fromkeys(feed_ids)) if row is not None}
        states = {
            sort_key(state): state for state in self._table.get_many(_index_key(generation, id_) for id_ in leased_rows)
        }
        return {id_: _row_of(row, states.get(id_)) for id_, row in leased_rows.items()}

    def remember(self, results: Iterable[PollResult], *, release: bool = True) -> list[str]:
        by_id = {result.feed: result for result in results}
        unread = {result.feed for result in by_id.values() if result.claimed is None or not release}
        rows = {sort_key(row): row for row in self._table.get_many(map(_feed_key, unread))}

        def write(result: PollResult) -> str | None:
            claimed, poll = result.claimed, result.poll
            until: Instant | None = None
            if claimed is not None and release:
                feed, head = claimed.feed, claimed.poll.head
            elif (row := rows.get(result.feed)) is not None and string_in(row, "token") == result.token:
                feed, head, until = _feed_of(row), number_in(row, "head"), number_in(row, "until")
            else:
                return result.feed
            change = _release_lease(result.token) if release else Change().if_same(token=string(result.token))
            _set_polled(_set_poll(change, poll), feed, poll)
            _set_attention(change, feed.id, _due_at(feed, poll) if release else until)
            if poll.head > head:
                change.set(behind_bucket=string(_bucket_of(feed.id)))
            written = self._table.update(_feed_key(feed.id), change.add("rev", number(1)))
            return None if written is not None else result.feed

        refused = set(filter(None, self._table.each(write, by_id.values())))
        return [feed_id for feed_id in by_id if feed_id in refused]

    def release(self, feed_id: str, token: str) -> bool:
        row = self._table.get(_feed_key(feed_id))
        if row is None or string_in(row, "token") != token:
            return False
        change = _set_attention(_release_lease(token), feed_id, _due_at(_feed_of(row), _poll_of(row)))
        return self._table.update(_feed_key(feed_id), change) is not None

    def claim_host(self, host: str, lease: Lease, now: Instant) -> Instant:
        return self._take(f"host/{host}", lease, now)

    def release_host(self, host: str, token: str, hold_until: Instant = 0) -> bool:
        return self._give_back(f"host/{host}", token, hold_until)

    # --- indexing ---

    def behind(self, generation: int, limit: int = 1_000_000, among: Iterable[str] | None = None) -> list[str]:
        if among is None and generation > min(self.generations(), default=generation):
            # The index is about the generation that searches see. For the one that a reindex builds, read all feeds.
            rows = self.rows(generation)
            return [row.feed.id for row in rows if row.poll.head > row.fold.cursor][:limit]
        ids = sorted(set(self._ids_in_index(BEHIND, None) if among is None else among))
        behind: list[str] = []
        for start in range(0, len(ids), _MAX_READ_FEEDS):
            part = ids[start : start + _MAX_READ_FEEDS]
            heads = {
                sort_key(row): number_in(row, "head") for row in self._table.get_many(map(_feed_key, part), ["head"])
            }
            states = self._table.get_many((_index_key(generation, id_) for id_ in part), ["cursor"])
            cursors = {sort_key(row): number_in(row, "cursor") for row in states}
            behind += [id_ for id_ in part if heads.get(id_, 0) > cursors.get(id_, 0)]
            if len(behind) >= limit:
                break
        return behind[:limit]

    def claim_index(self, generation: int, feed_id: str, lease: Lease, now: Instant) -> FeedRow | None:
        feed = self._table.get(_feed_key(feed_id))
        if feed is None:
            return None
        self._add_generation(generation)
        state = self._table.update(_index_key(generation, feed_id), _take_lease(lease).if_free(lease.token, now))
        if state is None:
            return None
        abandoned = string_in(state, "token") not in {None, lease.token}
        return msgspec.structs.replace(_row_of(feed, state), abandoned=abandoned)

    def item_states(self, generation: int, feed_id: str, ids: Iterable[str]) -> dict[str, ItemState]:
        rows = self._table.get_many(_item_key(generation, feed_id, id_) for id_ in ids)
        return {sort_key(row): _decode_item_state(bytes_in(row, "state")) for row in rows}

    def save(self, generation: int, feed_id: str, token: str, fold: FoldState, states: Mapping[str, ItemState]) -> bool:
        """Write item states in transactions that each check the lease, and after them the fold state."""
        key, lease_check = _index_key(generation, feed_id), Change().if_same(token=string(token))
        remaining = iter(states.items())
        while part := list(islice(remaining, _MAX_WRITTEN_STATES)):
            rows = [
                _item_key(generation, feed_id, id_) | {"state": binary(_encode_item_state(state))}
                for id_, state in part
            ]
            if not self._table.put_together(rows, key, lease_check):
                return False
        change = Change().set(cursor=number(fold.cursor), state=binary(zlib.compress(_encode(fold))))
        if self._table.update(key, change.if_same(token=string(token))) is None:
            return False
        self._settle_behind(generation, feed_id, fold.cursor)
        return True

    def _settle_behind(self, generation: int, feed_id: str, cursor: int) -> None:
        """Increment `rev`; remove the feed from the `behind` index once its cursor has caught up."""

        def increment() -> Change:
            return Change().add("rev", number(1)).if_there()

        key, is_current = _feed_key(feed_id), generation <= min(self.generations(), default=generation)
        caught_up = increment().set(behind_bucket=None).if_at_most("head", cursor)
        if not is_current or self._table.update(key, caught_up) is None:
            self._table.update(key, increment())

    def release_index(self, generation: int, feed_id: str, token: str) -> bool:
        return self._table.update(_index_key(generation, feed_id), _release_lease(token)) is not None

    def index_leases(self, generation: int, now: Instant) -> int:
        rows = self._table.joined(self._table.partition, _partitions(f"index/{generation}"))
        return sum("token" in row and not _is_free(row, now) for row in rows)

    def generations(self) -> list[int]:
        return numbers_in(self._table.get(key_of(_GENERATIONS)), "numbers")

    def drop_generation(self, generation: int) -> None:
        for partition in _partitions(f"index/{generation}"):
            for key in list(self._table.keys(partition)):
                self._table.delete(self._table.keys(f"item/{generation}/{sort_key(key)}"))
                self._table.delete([key])
        self._known_generations.discard(generation)
        self._table.update(key_of(_GENERATIONS), Change().take("numbers", numbers(generation)))

    def _add_generation(self, generation: int) -> None:
        if generation not in self._known_generations:
            self._table.update(key_of(_GENERATIONS), Change().add("numbers", numbers(generation)))
            self._known_generations.add(generation)

    # --- locks by name ---

    def lock(self, name: str, lease: Lease, now: Instant) -> bool:
        return self._take(f"lock/{name}", lease, now) == 0

    def unlock(self, name: str, token: str) -> bool:
        return self._give_back(f"lock/{name}", token, 0)

    def is_locked(self, name: str, now: Instant) -> bool:
        row = self._table.get(key_of(f"lock/{name}"))
        return row is not None and not _is_free(row, now)

    def close(self) -> None:
        self._table.close()

    def _take(self, name: str, lease: Lease, now: Instant) -> Instant:
        """Take a named lease; return 0 on success, else the instant until which it is taken or held off."""
        expires = number((lease.until + DAY) // SECOND)
        for _attempt in range(MAX_TRIES):
            change = _take_lease(lease).set(expires=expires).if_free(lease.token, now, nor_held=True)
            if self._table.update(key_of(name), change) is not None:
                return 0
            row = self._table.get(key_of(name))
            if row is None or string_in(row, "token") == lease.token:
                continue
            taken_until = 0 if _is_free(row, now) else number_in(row, "until")
            if until := taken_until or number_in(row, "hold_until"):
                return until
        return now + SECOND

    def _give_back(self, name: str, token: str, hold_until: Instant) -> bool:
        return self._table.update(key_of(name), _release_lease(token).set(hold_until=number(hold_until))) is not None


# --- changes ----------------------------------------------------------------------------------------------------------


def _take_lease(lease: Lease) -> Change:
    """Write a lease into a row."""
    return Change().set(token=string(lease.token), until=number(lease.until))


def _release_lease(token: str) -> Change:
    """Remove the lease with this token from a row, unless another process holds the lease by now."""
    return Change().set(token=None, until=None).if_same(token=string(token))


def _set_poll(change: Change, poll: PollState) -> Change:
    """Write the poll state."""
    compressed = binary(zlib.compress(_encode(poll)))
    return change.set(poll=compressed, next_check=number(poll.next_check), head=number(poll.head))


def _set_polled(change: Change, feed: Feed, poll: PollState) -> Change:
    """Write whether a feed is polled, and its host."""
    return change.set(active=number(1) if is_polled(feed, poll) else None, host=string(polled_host(feed, poll)))


def _set_attention(change: Change, feed_id: str, at: Instant | None) -> Change:
    """Put a feed into the `attention` index under an instant; with None, remove it."""
    if at is None:
        return change.set(attention_bucket=None, attention_at=None)
    return change.set(attention_bucket=string(_bucket_of(feed_id)), attention_at=number(at))


# --- rows -------------------------------------------------------------------------------------------------------------


def _due_at(feed: Feed, poll: PollState) -> Instant | None:
    """Return the instant of the next check; None for a feed that is not polled."""
    return poll.next_check if is_polled(feed, poll) else None


def _is_free(row: Row, now: Instant) -> bool:
    return "token" not in row or number_in(row, "until") <= now


def _row_of(row: Row, state: Row | None) -> FeedRow:
    fold = _decode_fold(zlib.decompress(bytes_in(state, "state"))) if state and "state" in state else FoldState()
    return FeedRow(_feed_of(row), _poll_of(row), fold, number_in(row, "rev"), "token" in row)


def _feed_of(row: Row) -> Feed:
    return _decode_feed(bytes_in(row, "feed"))


def _poll_of(row: Row) -> PollState:
    return _decode_poll(zlib.decompress(bytes_in(row, "poll")))


def _bucket_of(feed_id: str) -> str:
    return str(zlib.crc32(feed_id.encode()) % BUCKETS)


def _partitions(kind: str) -> list[str]:
    return [f"{kind}/{bucket}" for bucket in range(BUCKETS)]


def _feed_key(feed_id: str) -> Key:
    return key_of(f"feed/{_bucket_of(feed_id)}", feed_id)


def _index_key(generation: int, feed_id: str) -> Key:
    return key_of(f"index/{generation}/{_bucket_of(feed_id)}", feed_id)


def _item_key(generation: int, feed_id: str, item_id: str) -> Key:
    return key_of(f"item/{generation}/{feed_id}", item_id)
