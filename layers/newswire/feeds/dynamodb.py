"""The feed store in one table of DynamoDB, for any number of Lambdas.

Rows, by partition key `pk` and sort key `sk`:

    feed/<bucket>            <feed>    the configuration, what polling remembers, the poll lease, and `rev`
    index/<generation>/<bucket>  <feed>    what indexing remembers, its cursor and its lease
    item/<generation>/<feed>     <item>    the state of an item
    lock/<name> host/<host> note/<key> generations/-    locks, holds, remarks, the generations that there are

Two indexes, both sparse. `attention` has a feed under the moment at which something is to be done about it: its next check,
or the end of a lease, so that a feed whose holder died turns up by itself. `behind` has the feeds whose log has grown since
they were last level with it. Indexes lag behind the table, so what they name is looked up in the table before it is believed.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from itertools import islice
from typing import Any, TypeVar

import msgspec
from botocore.exceptions import ClientError

from newswire.aws import code_of, explained_aws, make_client
from newswire.clock import DAY, SECOND, Instant
from newswire.errors import DataError
from newswire.feeds import DueFeed, FeedRow, Lease, PollResult, configuration_of, host_of, is_polled
from newswire.model import Feed, IndexState, ItemState, PollState

BUCKETS = 8
"""Feeds are spread over so many partitions: each takes 1,000 writes a second, and a list of all is so many queries."""
ATTENTION, BEHIND = "attention", "behind"
_READ_AT_ONCE = 100
_WRITTEN_AT_ONCE = 90
_DELETED_AT_ONCE = 25
_THREADS = 8
_TRIES = 8
_EDITED = "edited"

_json = msgspec.json.Encoder()
_pack = msgspec.msgpack.Encoder()
_feed = msgspec.json.Decoder(Feed)
_poll = msgspec.json.Decoder(PollState)
_index = msgspec.json.Decoder(IndexState)
_item = msgspec.msgpack.Decoder(ItemState)

_Row = dict[str, Any]
_Key = dict[str, Any]
_A = TypeVar("_A")
_B = TypeVar("_B")


class DynamoFeedStore:
    """`FeedStore` in a table. A lease ends when it is given back or runs out; nobody can see that a holder died."""

    def __init__(self, table: str) -> None:
        self._table = table
        self._place = f"The table {table} (NEWSWIRE_TABLE)"

    @cached_property
    def _client(self) -> Any:
        return make_client("dynamodb")

    # --- the list ---

    def put(self, feed: Feed, now: Instant) -> None:
        for _try in range(_TRIES):
            if self._put(feed, now):
                return
        msg = f"{self._place} could not take {feed.id}: others change it all the time; try again."
        raise DataError(msg)

    def _put(self, feed: Feed, now: Instant) -> bool:
        """Write the configuration, unless the row has changed since it was read."""
        found = self._get(_feed_key(feed.id))
        poll = _poll_of(found) if found else PollState()
        is_edited = found is not None and configuration_of(_feed.decode(_bytes(found, "feed"))) != configuration_of(
            feed
        )
        values = {"feed": _b(_json.encode(feed)), "rev": _n(max(_number(found, "rev") + 1, now) if found else now)}
        if is_edited:
            poll = msgspec.structs.replace(poll, next_check=0, adopted_url=None)
        if is_edited or found is None:
            values |= {"poll": _packed(poll), "next_check": _n(poll.next_check), "head": _n(poll.head)}
        values["host"] = _s(host_of(poll.adopted_url or feed.url))
        token, at = _text(found, "token"), _due_at(feed, poll)
        if token is not None:
            # Whoever polls it right now learns of what it was: the lease is free, and what they remember is refused.
            values |= {"token": _s(_EDITED), "until": _n(0)} if is_edited else {}
            at = 0 if is_edited else _number(found, "until")
        change = _Change(values)
        change.polled(feed, poll)
        change.attend(feed.id, at)
        change = change.if_same(rev=found["rev"], token=found.get("token")) if found else change.if_new()
        return self._update(_feed_key(feed.id), change) is not None

    def row(self, feed_id: str, generation: int = 0) -> FeedRow | None:
        found = self.rows(generation, [feed_id])
        return found[0] if found else None

    def rows(self, generation: int = 0, ids: Iterable[str] | None = None) -> list[FeedRow]:
        if ids is None:
            feeds = [row for part in self._each(self._bucket, _partitions("feed")) for row in part]
            states = [row for part in self._each(self._bucket, _partitions(f"index/{generation}")) for row in part]
        else:
            wanted = sorted(set(ids))
            feeds = self._get_many(map(_feed_key, wanted))
            states = self._get_many(_index_key(generation, id_) for id_ in wanted)
        by_id = {_id(state): state for state in states}
        return [_row_of(row, by_id.get(_id(row))) for row in sorted(feeds, key=_id)]

    def remove(self, feed_id: str) -> None:
        for generation in self.generations():
            self._delete(self._keys(f"item/{generation}/{feed_id}"))
            self._delete([_index_key(generation, feed_id)])
        self._delete([_feed_key(feed_id)])

    def note(self, key: str) -> str | None:
        return _text(self._get(_key(f"note/{key}")), "value")

    def keep_note(self, key: str, value: str) -> None:
        self._update(_key(f"note/{key}"), _Change({"value": _s(value)}))

    # --- polling ---

    def due(self, now: Instant, limit: int) -> list[DueFeed]:
        rows = [row for row in self._attended(now, limit) if "active" in row and _is_free(row, now)]
        found = [DueFeed(_id(row), _text(row, "host") or "", _number(row, "next_check")) for row in rows]
        return sorted((one for one in found if one.at <= now), key=lambda one: (one.at, one.id))[:limit]

    def unsettled(self, now: Instant, limit: int) -> list[str]:
        rows = self._attended(now, limit)
        return sorted(_id(row) for row in rows if "token" in row and _is_free(row, now))[:limit]

    def _attended(self, now: Instant, limit: int) -> list[_Row]:
        """Give the rows of feeds that the index has under a moment up to now, as they are in the table."""

        def of_bucket(bucket: str) -> list[str]:
            condition = "attention_bucket = :bucket AND attention_at <= :now"
            values = {":bucket": _s(bucket), ":now": _n(now)}
            return [_id(one) for one in islice(self._query(condition, values, index=ATTENTION), limit)]

        ids = [id_ for part in self._each(of_bucket, map(str, range(BUCKETS))) for id_ in part]
        return self._get_many(map(_feed_key, ids), ("next_check", "host", "active", "token", "until"))

    def claim(self, feed_id: str, lease: Lease, now: Instant, generation: int = 0) -> FeedRow | None:
        return self.claim_many([feed_id], lease, now, generation).get(feed_id)

    def claim_many(
        self, feed_ids: Iterable[str], lease: Lease, now: Instant, generation: int = 0
    ) -> dict[str, FeedRow]:
        wanted = list(dict.fromkeys(feed_ids))

        def take(feed_id: str) -> _Row | None:
            change = _Change({"token": _s(lease.token), "until": _n(lease.until)})
            change.attend(feed_id, lease.until)
            return self._update(_feed_key(feed_id), change.if_there().if_free(lease.token, now))

        taken = {_id(row): row for row in self._each(take, wanted) if row is not None}
        states = {_id(one): one for one in self._get_many(_index_key(generation, id_) for id_ in taken)}
        return {id_: _row_of(row, states.get(id_)) for id_, row in taken.items()}

    def remember(self, results: Iterable[PollResult], *, release: bool = True) -> list[str]:
        by_id = {result.feed: result for result in results}
        rows = {_id(row): row for row in self._get_many(map(_feed_key, by_id))}

        def write(result: PollResult) -> str | None:
            row = rows.get(result.feed)
            if row is None or _text(row, "token") != result.token:
                return result.feed
            feed, poll = _feed.decode(_bytes(row, "feed")), result.poll
            values = {"poll": _packed(poll), "next_check": _n(poll.next_check), "head": _n(poll.head)}
            values["host"] = _s(host_of(poll.adopted_url or feed.url))
            values |= {"behind_bucket": _s(_bucket_of(feed.id))} if poll.head > _number(row, "head") else {}
            change = _Change(values, ["token", "until"] if release else [])
            change.polled(feed, poll)
            change.attend(feed.id, _due_at(feed, poll) if release else _number(row, "until"))
            done = self._update(_feed_key(feed.id), change.grow("rev").if_same(token=_s(result.token)))
            return None if done is not None else result.feed

        refused = set(filter(None, self._each(write, by_id.values())))
        return [feed_id for feed_id in by_id if feed_id in refused]

    def release(self, feed_id: str, token: str) -> bool:
        row = self._get(_feed_key(feed_id))
        if row is None or _text(row, "token") != token:
            return False
        change = _Change(removed=["token", "until"])
        change.attend(feed_id, _due_at(_feed.decode(_bytes(row, "feed")), _poll_of(row)))
        return self._update(_feed_key(feed_id), change.if_same(token=_s(token))) is not None

    def claim_host(self, host: str, lease: Lease, now: Instant) -> Instant:
        return self._take(f"host/{host}", lease, now)

    def release_host(self, host: str, token: str, hold_until: Instant = 0) -> bool:
        return self._give_back(f"host/{host}", token, hold_until)

    # --- indexing ---

    def behind(self, generation: int, limit: int = 1_000_000, among: Iterable[str] | None = None) -> list[str]:
        if among is None and generation > min(self.generations(), default=generation):
            # The index speaks of the generation that searches see; of the one that a reindex builds all are looked at.
            rows = self.rows(generation)
            return [row.feed.id for row in rows if row.poll.head > row.index.cursor][:limit]

        def of_bucket(bucket: str) -> list[str]:
            return [_id(one) for one in self._query("behind_bucket = :b", {":b": _s(bucket)}, index=BEHIND)]

        parts = self._each(of_bucket, map(str, range(BUCKETS))) if among is None else [list(among)]
        ids = sorted({id_ for part in parts for id_ in part})
        found: list[str] = []
        for start in range(0, len(ids), _READ_AT_ONCE):
            some = ids[start : start + _READ_AT_ONCE]
            heads = {_id(row): _number(row, "head") for row in self._get_many(map(_feed_key, some), ["head"])}
            states = self._get_many((_index_key(generation, id_) for id_ in some), ["cursor"])
            cursors = {_id(row): _number(row, "cursor") for row in states}
            found += [id_ for id_ in some if heads.get(id_, 0) > cursors.get(id_, 0)]
            if len(found) >= limit:
                break
        return found[:limit]

    def claim_index(self, generation: int, feed_id: str, lease: Lease, now: Instant) -> FeedRow | None:
        feed = self._get(_feed_key(feed_id))
        if feed is None:
            return None
        self._note_generation(generation)
        values = {"token": _s(lease.token), "until": _n(lease.until)}
        change = _Change(values).if_free(lease.token, now)
        before = self._update(_index_key(generation, feed_id), change)
        return None if before is None else _row_of(feed, before)

    def item_states(self, generation: int, feed_id: str, ids: Iterable[str]) -> dict[str, ItemState]:
        rows = self._get_many(_item_key(generation, feed_id, id_) for id_ in ids)
        return {_id(row): _item.decode(_bytes(row, "state")) for row in rows}

    def save(
        self, generation: int, feed_id: str, token: str, index: IndexState, states: Mapping[str, ItemState]
    ) -> bool:
        """Write item states in transactions that each look whether the lease is still ours, then the cursor."""
        key = _index_key(generation, feed_id)
        ours = {"ConditionCheck": self._named({"Key": key, **_Change().if_same(token=_s(token)).check()})}
        rest = iter(states.items())
        while part := list(islice(rest, _WRITTEN_AT_ONCE)):
            writes = [
                {"Put": self._named({"Item": _item_key(generation, feed_id, id_) | {"state": _b(_pack.encode(one))}})}
                for id_, one in part
            ]
            if not self._together([ours, *writes]):
                return False
        values = {"cursor": _n(index.cursor), "state": _b(zlib.compress(_json.encode(index)))}
        if self._update(key, _Change(values).if_same(token=_s(token))) is None:
            return False
        self._settle_behind(generation, feed_id, index.cursor)
        return True

    def _settle_behind(self, generation: int, feed_id: str, cursor: int) -> None:
        """Let the row's `rev` grow, and take a feed that is level with its log out of the index of those that are behind."""
        key, change = _feed_key(feed_id), _Change().grow("rev").if_there()
        if generation <= min(self.generations(), default=generation):
            level = _Change(removed=["behind_bucket"]).grow("rev").if_there().if_at_most("head", cursor)
            if self._update(key, level) is not None:
                return
        self._update(key, change)

    def release_index(self, generation: int, feed_id: str, token: str) -> bool:
        key = _index_key(generation, feed_id)
        return self._update(key, _Change(removed=["token", "until"]).if_same(token=_s(token))) is not None

    def index_leases(self, generation: int, now: Instant) -> int:
        parts = self._each(self._bucket, _partitions(f"index/{generation}"))
        return sum("token" in row and not _is_free(row, now) for part in parts for row in part)

    def generations(self) -> list[int]:
        row = self._get(_key("generations"))
        return sorted(map(int, row["numbers"]["NS"])) if row and "numbers" in row else []

    def drop_generation(self, generation: int) -> None:
        for partition in _partitions(f"index/{generation}"):
            for key in list(self._keys(partition)):
                self._delete(self._keys(f"item/{generation}/{key['sk']['S']}"))
                self._delete([key])
        self._noted.discard(generation)
        with explained_aws(self._place):
            self._client.update_item(
                TableName=self._table,
                Key=_key("generations"),
                UpdateExpression="DELETE numbers :n",
                ExpressionAttributeValues={":n": {"NS": [str(generation)]}},
            )

    @cached_property
    def _noted(self) -> set[int]:
        return set()

    def _note_generation(self, generation: int) -> None:
        if generation in self._noted:
            return
        with explained_aws(self._place):
            self._client.update_item(
                TableName=self._table,
                Key=_key("generations"),
                UpdateExpression="ADD numbers :n",
                ExpressionAttributeValues={":n": {"NS": [str(generation)]}},
            )
        self._noted.add(generation)

    # --- locks by name ---

    def lock(self, name: str, lease: Lease, now: Instant) -> bool:
        return self._take(f"lock/{name}", lease, now) == 0

    def unlock(self, name: str, token: str) -> bool:
        return self._give_back(f"lock/{name}", token, 0)

    def is_locked(self, name: str, now: Instant) -> bool:
        row = self._get(_key(f"lock/{name}"))
        return row is not None and not _is_free(row, now)

    def close(self) -> None:
        client = self.__dict__.pop("_client", None)
        if client is not None:
            client.close()

    def _take(self, name: str, lease: Lease, now: Instant) -> Instant:
        values = {"token": _s(lease.token), "until": _n(lease.until), "expires": _n((lease.until + DAY) // SECOND)}
        for _try in range(_TRIES):
            change = _Change(values).if_free(lease.token, now, nor_held=True)
            if self._update(_key(name), change) is not None:
                return 0
            row = self._get(_key(name))
            if row is None or _text(row, "token") == lease.token:
                continue
            taken_until = 0 if _is_free(row, now) else _number(row, "until")
            if until := taken_until or _number(row, "hold_until"):
                return until
        return now + SECOND

    def _give_back(self, name: str, token: str, hold_until: Instant) -> bool:
        change = _Change({"hold_until": _n(hold_until)}, ["token", "until"])
        return self._update(_key(name), change.if_same(token=_s(token))) is not None

    # --- the table ---

    def _named(self, request: _Row) -> _Row:
        return {"TableName": self._table, **request}

    def _get(self, key: _Key) -> _Row | None:
        with explained_aws(self._place):
            found: _Row | None = self._client.get_item(TableName=self._table, Key=key, ConsistentRead=True).get("Item")
        return found

    def _get_many(self, keys: Iterable[_Key], only: Iterable[str] = ()) -> list[_Row]:
        """Read rows, those that there are, in no order; whole, or `only` some attributes beside the keys."""
        wanted = list({(key["pk"]["S"], key["sk"]["S"]): key for key in keys}.values())
        parts = [wanted[start : start + _READ_AT_ONCE] for start in range(0, len(wanted), _READ_AT_ONCE)]

        def read(part: list[_Key]) -> list[_Row]:
            rows: list[_Row] = []
            request: _Row = {self._table: {"Keys": part, "ConsistentRead": True, **_projected(only)}}
            while request:
                with explained_aws(self._place):
                    answer = self._client.batch_get_item(RequestItems=request)
                rows += answer["Responses"].get(self._table, [])
                request = answer.get("UnprocessedKeys") or {}
            return rows

        return [row for part in self._each(read, parts) for row in part]

    def _query(self, condition: str, values: _Row, *, index: str = "", keys_only: bool = False) -> Iterator[_Row]:
        request: _Row = {"KeyConditionExpression": condition, "ExpressionAttributeValues": values}
        request |= {"IndexName": index} if index else {"ConsistentRead": True}
        request |= {"ProjectionExpression": "pk, sk"} if keys_only else {}
        while True:
            with explained_aws(self._place):
                answer = self._client.query(TableName=self._table, **request)
            yield from answer["Items"]
            if "LastEvaluatedKey" not in answer:
                return
            request["ExclusiveStartKey"] = answer["LastEvaluatedKey"]

    def _bucket(self, partition: str) -> list[_Row]:
        return list(self._query("pk = :pk", {":pk": _s(partition)}))

    def _keys(self, partition: str) -> Iterator[_Key]:
        yield from self._query("pk = :pk", {":pk": _s(partition)}, keys_only=True)

    def _delete(self, keys: Iterable[_Key]) -> None:
        rest = iter(keys)
        while part := list(islice(rest, _DELETED_AT_ONCE)):
            request: _Row = {self._table: [{"DeleteRequest": {"Key": key}} for key in part]}
            while request:
                with explained_aws(self._place):
                    request = self._client.batch_write_item(RequestItems=request).get("UnprocessedItems") or {}

    def _update(self, key: _Key, change: _Change) -> _Row | None:
        """Change one row; gives it as it was, None where a condition does not hold."""
        with explained_aws(self._place):
            for last in range(_TRIES):
                try:
                    answer = self._client.update_item(TableName=self._table, Key=key, **change.request())
                except ClientError as error:
                    if code_of(error) == "ConditionalCheckFailedException":
                        return None
                    if code_of(error) != "TransactionConflictException" or last == _TRIES - 1:
                        raise
                else:
                    before: _Row = answer.get("Attributes", {})
                    return {**key, **before}
        raise AssertionError  # the last try returns or raises

    def _together(self, writes: list[_Row]) -> bool:
        """Carry out all of it or nothing; False where the lease has gone to somebody else."""
        with explained_aws(self._place):
            for last in range(_TRIES):
                try:
                    self._client.transact_write_items(TransactItems=writes)
                except ClientError as error:
                    reasons = {one.get("Code") for one in error.response.get("CancellationReasons", ())}
                    if "ConditionalCheckFailed" in reasons:
                        return False
                    if last == _TRIES - 1 or not reasons & {"TransactionConflict", "ThrottlingError"}:
                        raise
                else:
                    return True
        raise AssertionError  # the last try returns or raises

    def _each(self, do: Callable[[_A], _B], what: Iterable[_A]) -> list[_B]:
        """Do it for each, several at a time: each is a round trip, and boto3's clients may be shared."""
        everything = list(what)
        if len(everything) <= 1:
            return [do(one) for one in everything]
        with ThreadPoolExecutor(min(_THREADS, len(everything)), thread_name_prefix="table") as threads:
            return list(threads.map(do, everything))


# --- changes of a row -------------------------------------------------------------------------------------------------


class _Change:
    """What is done to one row, and under which conditions, in the words of DynamoDB."""

    def __init__(self, values: Mapping[str, Any] | None = None, removed: Iterable[str] = ()) -> None:
        self._sets = dict(values or {})
        self._removed = list(removed)
        self._grown = ""
        self._conditions: list[str] = []
        self._names: dict[str, str] = {}
        self._values: _Row = {}

    def polled(self, feed: Feed, poll: PollState) -> None:
        """Note whether a feed is polled at all."""
        if is_polled(feed, poll):
            self._sets["active"] = _n(1)
        else:
            self._removed.append("active")

    def attend(self, feed_id: str, at: Instant | None) -> None:
        """Put a feed into the index of what is to be attended to, or take it out (None)."""
        if at is None:
            self._removed += ["attention_bucket", "attention_at"]
        else:
            self._sets |= {"attention_bucket": _s(_bucket_of(feed_id)), "attention_at": _n(at)}

    def grow(self, name: str) -> _Change:
        """Add one to a number."""
        self._grown = name
        return self

    def if_there(self) -> _Change:
        """Only where the row is there."""
        self._conditions.append("attribute_exists(pk)")
        return self

    def if_new(self) -> _Change:
        """Only where there is no such row."""
        self._conditions.append("attribute_not_exists(pk)")
        return self

    def if_same(self, **known: Any) -> _Change:
        """Only where attributes have these values still, or are not there still (None)."""
        for name, value in known.items():
            self._names[f"#{name}"] = name
            if value is None:
                self._conditions.append(f"attribute_not_exists(#{name})")
            else:
                self._conditions.append(f"#{name} = :known_{name}")
                self._values[f":known_{name}"] = value
        return self

    def if_at_most(self, name: str, value: int) -> _Change:
        """Only where a number is at most so much."""
        self._names[f"#{name}"] = name
        self._conditions.append(f"#{name} <= :most")
        self._values[":most"] = _n(value)
        return self

    def if_free(self, token: str, now: Instant, *, nor_held: bool = False) -> _Change:
        """Only where the lease is ours or free now, and nobody is held off (`nor_held`)."""
        free = "attribute_not_exists(#token) OR #until <= :now"
        if nor_held:
            free = f"({free}) AND (attribute_not_exists(hold_until) OR hold_until <= :now)"
        self._conditions.append(f"#token = :ours OR {free}" if not nor_held else f"#token = :ours OR ({free})")
        self._names |= {"#token": "token", "#until": "until"}
        self._values |= {":ours": _s(token), ":now": _n(now)}
        return self

    def request(self) -> _Row:
        """Give the parameters of `UpdateItem`."""
        parts = [f"SET {', '.join(f'#{name} = :{name}' for name in self._sets)}"] if self._sets else []
        parts += [f"REMOVE {', '.join(f'#{name}' for name in self._removed)}"] if self._removed else []
        parts += [f"ADD #{self._grown} :one"] if self._grown else []
        names = {f"#{name}": name for name in (*self._sets, *self._removed, *filter(None, [self._grown]))} | self._names
        values = {f":{name}": value for name, value in self._sets.items()} | self._values
        values |= {":one": _n(1)} if self._grown else {}
        return {
            "UpdateExpression": " ".join(parts),
            "ReturnValues": "ALL_OLD",
            **({"ExpressionAttributeNames": names} if names else {}),
            **({"ExpressionAttributeValues": values} if values else {}),
            **self.condition(),
        }

    def condition(self) -> _Row:
        """Give the condition alone."""
        return {"ConditionExpression": " AND ".join(f"({one})" for one in self._conditions)} if self._conditions else {}

    def check(self) -> _Row:
        """Give the parameters of a `ConditionCheck`, which changes nothing."""
        return {
            **self.condition(),
            "ExpressionAttributeNames": self._names,
            "ExpressionAttributeValues": self._values,
        }


# --- rows and values --------------------------------------------------------------------------------------------------


def _projected(only: Iterable[str]) -> _Row:
    names = {f"#{name}": name for name in only}
    if not names:
        return {}
    return {"ProjectionExpression": f"pk, sk, {', '.join(names)}", "ExpressionAttributeNames": names}


def _due_at(feed: Feed, poll: PollState) -> Instant | None:
    """Give when a feed is to be checked; None for one that is not polled."""
    return poll.next_check if is_polled(feed, poll) else None


def _is_free(row: _Row, now: Instant) -> bool:
    return "token" not in row or _number(row, "until") <= now


def _row_of(row: _Row, state: _Row | None) -> FeedRow:
    index = _index.decode(zlib.decompress(_bytes(state, "state"))) if state and "state" in state else IndexState()
    return FeedRow(_feed.decode(_bytes(row, "feed")), _poll_of(row), index, _number(row, "rev"), "token" in row)


def _poll_of(row: _Row) -> PollState:
    return _poll.decode(zlib.decompress(_bytes(row, "poll")))


def _packed(poll: PollState) -> _Row:
    return _b(zlib.compress(_json.encode(poll), 6))


def _key(pk: str, sk: str = "-") -> _Key:
    return {"pk": _s(pk), "sk": _s(sk)}


def _bucket_of(feed_id: str) -> str:
    return str(zlib.crc32(feed_id.encode()) % BUCKETS)


def _partitions(kind: str) -> list[str]:
    return [f"{kind}/{bucket}" for bucket in range(BUCKETS)]


def _feed_key(feed_id: str) -> _Key:
    return _key(f"feed/{_bucket_of(feed_id)}", feed_id)


def _index_key(generation: int, feed_id: str) -> _Key:
    return _key(f"index/{generation}/{_bucket_of(feed_id)}", feed_id)


def _item_key(generation: int, feed_id: str, item_id: str) -> _Key:
    return _key(f"item/{generation}/{feed_id}", item_id)


def _id(row: _Row) -> str:
    return str(row["sk"]["S"])


def _s(value: str) -> _Row:
    return {"S": value}


def _n(value: int) -> _Row:
    return {"N": str(value)}


def _b(value: bytes) -> _Row:
    return {"B": value}


def _text(row: _Row | None, name: str) -> str | None:
    return str(row[name]["S"]) if row and name in row else None


def _number(row: _Row | None, name: str) -> int:
    return int(row[name]["N"]) if row and name in row else 0


def _bytes(row: _Row, name: str) -> bytes:
    return bytes(row[name]["B"])
