"""A table of DynamoDB, in the few ways that the feed store uses it: rows are read, changed under conditions, and deleted.

A row is what a client of botocore gives: each value in a dictionary with the letter of its type.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import Any, TypeVar

from botocore.exceptions import ClientError

from newswire.storage.aws import AwsEdge, code_of, explained_aws

TRIES = 8
_READ_AT_ONCE = 100
_DELETED_AT_ONCE = 25
_THREADS = 8

Row = dict[str, Any]
Key = dict[str, Any]
_A = TypeVar("_A")
_B = TypeVar("_B")


class Table(AwsEdge):
    """A table with a partition key `pk` and a sort key `sk`. Reads are consistent, but for those of an index."""

    service = "dynamodb"

    def __init__(self, name: str) -> None:
        self._name = name
        self.place = f"The table {name} (NEWSWIRE_TABLE)"

    def close(self) -> None:
        """Give the connections back; the next use of `client` makes new ones."""
        client = self.__dict__.pop("client", None)
        if client is not None:
            client.close()

    # --- reading ---

    def get(self, key: Key) -> Row | None:
        """Read one row."""
        with explained_aws(self.place):
            found: Row | None = self.client.get_item(TableName=self._name, Key=key, ConsistentRead=True).get("Item")
        return found

    def get_many(self, keys: Iterable[Key], only: Iterable[str] = ()) -> list[Row]:
        """Read rows, those that there are, in no order; whole, or `only` some attributes beside the keys."""
        wanted = list({(key["pk"]["S"], key["sk"]["S"]): key for key in keys}.values())
        parts = [wanted[start : start + _READ_AT_ONCE] for start in range(0, len(wanted), _READ_AT_ONCE)]

        def read(part: list[Key]) -> list[Row]:
            rows: list[Row] = []
            request: Row = {self._name: {"Keys": part, "ConsistentRead": True, **_projected(only)}}
            while request:
                with explained_aws(self.place):
                    answer = self.client.batch_get_item(RequestItems=request)
                rows += answer["Responses"].get(self._name, [])
                request = answer.get("UnprocessedKeys") or {}
            return rows

        return self.joined(read, parts)

    def query(self, condition: str, values: Row, **more: object) -> Iterator[Row]:
        """Read rows under a condition on their keys, page after page; `more` is passed on."""
        request: Row = {"KeyConditionExpression": condition, "ExpressionAttributeValues": values, **more}
        while True:
            with explained_aws(self.place):
                answer = self.client.query(TableName=self._name, **request)
            yield from answer["Items"]
            if "LastEvaluatedKey" not in answer:
                return
            request["ExclusiveStartKey"] = answer["LastEvaluatedKey"]

    def partition(self, pk: str) -> list[Row]:
        """Read all rows of a partition."""
        return list(self.query("pk = :pk", {":pk": string(pk)}, ConsistentRead=True))

    def keys(self, pk: str) -> Iterator[Key]:
        """Read the keys of a partition."""
        yield from self.query("pk = :pk", {":pk": string(pk)}, ConsistentRead=True, ProjectionExpression="pk, sk")

    # --- writing ---

    def update(self, key: Key, change: Change) -> Row | None:
        """Change one row; gives it as it was, None where a condition does not hold."""
        with explained_aws(self.place):
            for last in range(TRIES):
                try:
                    answer = self.client.update_item(TableName=self._name, Key=key, **change.request())
                except ClientError as error:
                    if code_of(error) == "ConditionalCheckFailedException":
                        return None
                    if code_of(error) != "TransactionConflictException" or last == TRIES - 1:
                        raise
                else:
                    return {**key, **answer.get("Attributes", {})}
        raise AssertionError  # the last try returns or raises

    def put_together(self, rows: Iterable[Row], key: Key, condition: Change) -> bool:
        """Write rows (at most 99) all or none; False, and none, where the conditions on the row of `key` do not hold."""
        check = {"ConditionCheck": {"TableName": self._name, "Key": key, **condition.check()}}
        writes = [check, *({"Put": {"TableName": self._name, "Item": row}} for row in rows)]
        with explained_aws(self.place):
            for last in range(TRIES):
                try:
                    self.client.transact_write_items(TransactItems=writes)
                except ClientError as error:
                    reasons = {one.get("Code") for one in error.response.get("CancellationReasons", ())}
                    if "ConditionalCheckFailed" in reasons:
                        return False
                    if last == TRIES - 1 or not reasons & {"TransactionConflict", "ThrottlingError"}:
                        raise
                else:
                    return True
        raise AssertionError  # the last try returns or raises

    def delete(self, keys: Iterable[Key]) -> None:
        """Delete rows, also those that are not there."""
        rest = iter(keys)
        while part := list(islice(rest, _DELETED_AT_ONCE)):
            request: Row = {self._name: [{"DeleteRequest": {"Key": key}} for key in part]}
            while request:
                with explained_aws(self.place):
                    request = self.client.batch_write_item(RequestItems=request).get("UnprocessedItems") or {}

    # --- several at a time ---

    def each(self, do: Callable[[_A], _B], what: Iterable[_A]) -> list[_B]:
        """Do it for each, several at a time: each is a round trip, and clients may be shared."""
        everything = list(what)
        if len(everything) <= 1:
            return [do(one) for one in everything]
        with ThreadPoolExecutor(min(_THREADS, len(everything)), thread_name_prefix="table") as threads:
            return list(threads.map(do, everything))

    def joined(self, do: Callable[[_A], list[_B]], what: Iterable[_A]) -> list[_B]:
        """Do it for each, several at a time, and put what comes of it into one list."""
        return [one for part in self.each(do, what) for one in part]


class Change:
    """What is done to one row, and under which conditions, in the words of DynamoDB."""

    def __init__(self) -> None:
        self._sets: Row = {}
        self._removed: list[str] = []
        self._added: Row = {}
        self._taken: Row = {}
        self._conditions: list[str] = []
        self._names: dict[str, str] = {}
        self._values: Row = {}

    def set(self, **values: Row | None) -> Change:
        """Set attributes; one whose value is None is taken away."""
        self._sets |= {name: value for name, value in values.items() if value is not None}
        self._removed += [name for name, value in values.items() if value is None]
        return self

    def add(self, name: str, value: Row) -> Change:
        """Add to a number, or to a set."""
        self._added[name] = value
        return self

    def take(self, name: str, value: Row) -> Change:
        """Take from a set."""
        self._taken[name] = value
        return self

    def if_there(self) -> Change:
        """Only where the row is there."""
        self._conditions.append("attribute_exists(pk)")
        return self

    def if_new(self) -> Change:
        """Only where there is no such row."""
        self._conditions.append("attribute_not_exists(pk)")
        return self

    def if_same(self, **known: Row | None) -> Change:
        """Only where attributes have these values still, or are not there still (None)."""
        for name, value in known.items():
            self._names[f"#{name}"] = name
            if value is None:
                self._conditions.append(f"attribute_not_exists(#{name})")
            else:
                self._conditions.append(f"#{name} = :known_{name}")
                self._values[f":known_{name}"] = value
        return self

    def if_at_most(self, name: str, value: int) -> Change:
        """Only where a number is at most so much."""
        self._names[f"#{name}"] = name
        self._conditions.append(f"#{name} <= :most")
        self._values[":most"] = number(value)
        return self

    def if_free(self, token: str, now: int, *, nor_held: bool = False) -> Change:
        """Only where the lease on the row is ours or free now, and the row is not held off either (`nor_held`)."""
        free = "attribute_not_exists(#token) OR #until <= :now"
        if nor_held:
            free = f"({free}) AND (attribute_not_exists(hold_until) OR hold_until <= :now)"
        self._conditions.append(f"#token = :ours OR ({free})")
        self._names |= {"#token": "token", "#until": "until"}
        self._values |= {":ours": string(token), ":now": number(now)}
        return self

    def request(self) -> Row:
        """Give the parameters of `UpdateItem`."""
        changed = {**self._sets, **self._added, **self._taken}
        parts = {
            "SET": [f"#{name} = :{name}" for name in self._sets],
            "REMOVE": [f"#{name}" for name in self._removed],
            "ADD": [f"#{name} :{name}" for name in self._added],
            "DELETE": [f"#{name} :{name}" for name in self._taken],
        }
        names = {f"#{name}": name for name in (*changed, *self._removed)} | self._names
        values = {f":{name}": value for name, value in changed.items()} | self._values
        return {
            "UpdateExpression": " ".join(f"{verb} {', '.join(said)}" for verb, said in parts.items() if said),
            "ReturnValues": "ALL_OLD",
            "ExpressionAttributeNames": names,
            **({"ExpressionAttributeValues": values} if values else {}),
            **self._condition(),
        }

    def check(self) -> Row:
        """Give the parameters of a `ConditionCheck`, which changes nothing."""
        return {
            **self._condition(),
            "ExpressionAttributeNames": self._names,
            "ExpressionAttributeValues": self._values,
        }

    def _condition(self) -> Row:
        return {"ConditionExpression": " AND ".join(f"({one})" for one in self._conditions)} if self._conditions else {}


def _projected(only: Iterable[str]) -> Row:
    names = {f"#{name}": name for name in only}
    if not names:
        return {}
    return {"ProjectionExpression": f"pk, sk, {', '.join(names)}", "ExpressionAttributeNames": names}


# --- values -----------------------------------------------------------------------------------------------------------


def key_of(pk: str, sk: str = "-") -> Key:
    """Make the key of a row; of one that is alone in its partition where no `sk` is given."""
    return {"pk": string(pk), "sk": string(sk)}


def sort_key(row: Row) -> str:
    """Give what a row is called within its partition."""
    return str(row["sk"]["S"])


def string(value: str) -> Row:
    """Write a string."""
    return {"S": value}


def number(value: int) -> Row:
    """Write a number."""
    return {"N": str(value)}


def numbers(*values: int) -> Row:
    """Write a set of numbers."""
    return {"NS": list(map(str, values))}


def binary(value: bytes) -> Row:
    """Write bytes."""
    return {"B": value}


def string_in(row: Row | None, name: str) -> str | None:
    """Read a string; None where it, or the row, is not there."""
    return str(row[name]["S"]) if row and name in row else None


def number_in(row: Row | None, name: str) -> int:
    """Read a number; 0 where it, or the row, is not there."""
    return int(row[name]["N"]) if row and name in row else 0


def numbers_in(row: Row | None, name: str) -> list[int]:
    """Read a set of numbers, in order; none where it, or the row, is not there."""
    return sorted(map(int, row[name]["NS"])) if row and name in row else []


def bytes_in(row: Row, name: str) -> bytes:
    """Read bytes, which must be there."""
    return bytes(row[name]["B"])
