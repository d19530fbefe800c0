"""The DynamoDB operations of the feed store: read rows, change them under conditions, and delete them.

A row has the form of botocore: each value is a dictionary with the letter of its type as key.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import Any, TypeVar

from botocore.exceptions import ClientError

from newswire.errors import DataError
from newswire.storage.aws import AwsEdge, code_of, translate_aws_errors

MAX_TRIES = 8
_MAX_READ_ROWS = 100
"""The limit of DynamoDB for one `BatchGetItem`."""
_MAX_DELETED_ROWS = 25
"""The limit of DynamoDB for one `BatchWriteItem`."""
_MAX_THREADS = 8
_MAX_PAUSES = 12
_FIRST_PAUSE_SECONDS = 0.05
_LONGEST_PAUSE_SECONDS = 3.0

Row = dict[str, Any]
Key = dict[str, Any]
_A = TypeVar("_A")
_B = TypeVar("_B")


class Table(AwsEdge):
    """A table with a partition key `pk` and a sort key `sk`. Reads are strongly consistent, except those of an index."""

    service = "dynamodb"

    def __init__(self, name: str) -> None:
        self._name = name
        self.place = f"The table {name} (NEWSWIRE_TABLE)"

    def close(self) -> None:
        """Close the connections; the next use of `client` opens new ones."""
        client = self.__dict__.pop("client", None)
        if client is not None:
            client.close()

    # --- reading ---

    def get(self, key: Key) -> Row | None:
        """Return one row, or None."""
        with translate_aws_errors(self.place):
            row: Row | None = self.client.get_item(TableName=self._name, Key=key, ConsistentRead=True).get("Item")
        return row

    def get_many(self, keys: Iterable[Key], only: Iterable[str] = ()) -> list[Row]:
        """Return the existing rows among `keys`, in any order; with `only`, just these attributes and the keys."""
        unique_keys = list({(key["pk"]["S"], key["sk"]["S"]): key for key in keys}.values())
        parts = [unique_keys[start : start + _MAX_READ_ROWS] for start in range(0, len(unique_keys), _MAX_READ_ROWS)]

        def read(part: list[Key]) -> list[Row]:
            rows: list[Row] = []
            request: Row = {self._name: {"Keys": part, "ConsistentRead": True, **_projection(only)}}
            pauses = self._pauses()
            while True:
                with translate_aws_errors(self.place):
                    answer = self.client.batch_get_item(RequestItems=request)
                rows += answer["Responses"].get(self._name, [])
                request = answer.get("UnprocessedKeys") or {}
                if not request:
                    return rows
                next(pauses)

        return self.joined(read, parts)

    def query(self, condition: str, values: Row, **more: object) -> Iterator[Row]:
        """Yield the rows that match a condition on their keys, page by page. `more` holds further parameters of `Query`."""
        request: Row = {"KeyConditionExpression": condition, "ExpressionAttributeValues": values, **more}
        while True:
            with translate_aws_errors(self.place):
                answer = self.client.query(TableName=self._name, **request)
            yield from answer["Items"]
            if "LastEvaluatedKey" not in answer:
                return
            request["ExclusiveStartKey"] = answer["LastEvaluatedKey"]

    def partition(self, pk: str) -> list[Row]:
        """Return all rows of a partition."""
        return list(self.query("pk = :pk", {":pk": string(pk)}, ConsistentRead=True))

    def keys(self, pk: str) -> Iterator[Key]:
        """Yield the keys of all rows of a partition."""
        yield from self.query("pk = :pk", {":pk": string(pk)}, ConsistentRead=True, ProjectionExpression="pk, sk")

    # --- writing ---

    def update(self, key: Key, change: Change) -> Row | None:
        """Change one row, and return its previous state; return None if a condition does not hold."""
        with translate_aws_errors(self.place):
            for attempt in range(MAX_TRIES):
                try:
                    answer = self.client.update_item(TableName=self._name, Key=key, **change.request())
                except ClientError as error:
                    if code_of(error) == "ConditionalCheckFailedException":
                        return None
                    if code_of(error) != "TransactionConflictException" or attempt == MAX_TRIES - 1:
                        raise
                else:
                    return {**key, **answer.get("Attributes", {})}
        raise AssertionError  # the last try returns or raises

    def put_together(self, rows: Iterable[Row], key: Key, condition: Change) -> bool:
        """Write at most 99 rows in one transaction; return False, and write none, if the condition on `key` does not hold."""
        check = {"ConditionCheck": {"TableName": self._name, "Key": key, **condition.check()}}
        writes = [check, *({"Put": {"TableName": self._name, "Item": row}} for row in rows)]
        with translate_aws_errors(self.place):
            for attempt in range(MAX_TRIES):
                try:
                    self.client.transact_write_items(TransactItems=writes)
                except ClientError as error:
                    reasons = {reason.get("Code") for reason in error.response.get("CancellationReasons", ())}
                    if "ConditionalCheckFailed" in reasons:
                        return False
                    if attempt == MAX_TRIES - 1 or not reasons & {"TransactionConflict", "ThrottlingError"}:
                        raise
                else:
                    return True
        raise AssertionError  # the last try returns or raises

    def delete(self, keys: Iterable[Key]) -> None:
        """Delete rows; ignore those that do not exist."""
        remaining = iter(keys)
        while part := list(islice(remaining, _MAX_DELETED_ROWS)):
            request: Row = {self._name: [{"DeleteRequest": {"Key": key}} for key in part]}
            pauses = self._pauses()
            while True:
                with translate_aws_errors(self.place):
                    request = self.client.batch_write_item(RequestItems=request).get("UnprocessedItems") or {}
                if not request:
                    break
                next(pauses)

    def _pauses(self) -> Iterator[None]:
        """Wait before each further request for what a throttled table has not done, twice as long each time.

        Amazon's guide for BatchGetItem asks for it: a request at once would be throttled too. Raises `DataError` after
        `_MAX_PAUSES`.
        """
        for number in range(_MAX_PAUSES):
            time.sleep(min(_FIRST_PAUSE_SECONDS * 2**number, _LONGEST_PAUSE_SECONDS) * random.uniform(0.5, 1.0))  # noqa: S311
            yield
        raise DataError(f"{self.place} is throttled: raise its capacity. What was not done is done by the next run.")

    # --- in parallel ---

    def each(self, call: Callable[[_A], _B], arguments: Iterable[_A]) -> list[_B]:
        """Call a function with each argument, up to `_MAX_THREADS` at a time, since each call is a round trip.

        Return the results in the order of the arguments.
        """
        everything = list(arguments)
        if len(everything) <= 1:
            return [call(argument) for argument in everything]
        with ThreadPoolExecutor(min(_MAX_THREADS, len(everything)), thread_name_prefix="table") as threads:
            return list(threads.map(call, everything))

    def joined(self, call: Callable[[_A], list[_B]], arguments: Iterable[_A]) -> list[_B]:
        """Like `each`, for functions that return lists; return all their elements in one list."""
        return [element for part in self.each(call, arguments) for element in part]


class Change:
    """A change of one row and its conditions, built step by step, as parameters of DynamoDB."""

    def __init__(self) -> None:
        self._sets: Row = {}
        self._removed: list[str] = []
        self._added: Row = {}
        self._taken: Row = {}
        self._conditions: list[str] = []
        self._names: dict[str, str] = {}
        self._values: Row = {}

    def set(self, **values: Row | None) -> Change:
        """Set attributes; remove those whose value is None."""
        self._sets |= {name: value for name, value in values.items() if value is not None}
        self._removed += [name for name, value in values.items() if value is None]
        return self

    def add(self, name: str, value: Row) -> Change:
        """Add to a number, or to a set."""
        self._added[name] = value
        return self

    def take(self, name: str, value: Row) -> Change:
        """Remove elements from a set."""
        self._taken[name] = value
        return self

    def if_there(self) -> Change:
        """Require that the row exists."""
        self._conditions.append("attribute_exists(pk)")
        return self

    def if_new(self) -> Change:
        """Require that the row does not exist."""
        self._conditions.append("attribute_not_exists(pk)")
        return self

    def if_same(self, **expected: Row | None) -> Change:
        """Require that attributes still have these values; None requires that the attribute is still missing."""
        for name, value in expected.items():
            self._names[f"#{name}"] = name
            if value is None:
                self._conditions.append(f"attribute_not_exists(#{name})")
            else:
                self._conditions.append(f"#{name} = :known_{name}")
                self._values[f":known_{name}"] = value
        return self

    def if_at_most(self, name: str, value: int) -> Change:
        """Require that a number is at most `value`."""
        self._names[f"#{name}"] = name
        self._conditions.append(f"#{name} <= :most")
        self._values[":most"] = number(value)
        return self

    def if_free(self, token: str, now: int, *, nor_held: bool = False) -> Change:
        """Require that the lease of the row is ours or free; with `nor_held`, also that the row is not held off."""
        free = "attribute_not_exists(#token) OR #until <= :now"
        if nor_held:
            free = f"({free}) AND (attribute_not_exists(hold_until) OR hold_until <= :now)"
        self._conditions.append(f"#token = :ours OR ({free})")
        self._names |= {"#token": "token", "#until": "until"}
        self._values |= {":ours": string(token), ":now": number(now)}
        return self

    def request(self) -> Row:
        """Return the parameters of `UpdateItem`."""
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
            "UpdateExpression": " ".join(f"{verb} {', '.join(clauses)}" for verb, clauses in parts.items() if clauses),
            "ReturnValues": "ALL_OLD",
            "ExpressionAttributeNames": names,
            **({"ExpressionAttributeValues": values} if values else {}),
            **self._condition(),
        }

    def check(self) -> Row:
        """Return the parameters of a `ConditionCheck`, which changes nothing."""
        return {
            **self._condition(),
            "ExpressionAttributeNames": self._names,
            "ExpressionAttributeValues": self._values,
        }

    def _condition(self) -> Row:
        return (
            {"ConditionExpression": " AND ".join(f"({condition})" for condition in self._conditions)}
            if self._conditions
            else {}
        )


def _projection(only: Iterable[str]) -> Row:
    names = {f"#{name}": name for name in only}
    if not names:
        return {}
    return {"ProjectionExpression": f"pk, sk, {', '.join(names)}", "ExpressionAttributeNames": names}


# --- values -----------------------------------------------------------------------------------------------------------


def key_of(pk: str, sk: str = "-") -> Key:
    """Return the key of a row. Without `sk` it is the only row of its partition."""
    return {"pk": string(pk), "sk": string(sk)}


def sort_key(row: Row) -> str:
    """Return the sort key of a row."""
    return str(row["sk"]["S"])


def string(value: str) -> Row:
    """Return a string as a DynamoDB value."""
    return {"S": value}


def number(value: int) -> Row:
    """Return a number as a DynamoDB value."""
    return {"N": str(value)}


def numbers(*values: int) -> Row:
    """Return a set of numbers as a DynamoDB value."""
    return {"NS": list(map(str, values))}


def binary(value: bytes) -> Row:
    """Return bytes as a DynamoDB value."""
    return {"B": value}


def string_in(row: Row | None, name: str) -> str | None:
    """Return a string of a row; None if the attribute or the row is missing."""
    return str(row[name]["S"]) if row and name in row else None


def number_in(row: Row | None, name: str) -> int:
    """Return a number of a row; 0 if the attribute or the row is missing."""
    return int(row[name]["N"]) if row and name in row else 0


def numbers_in(row: Row | None, name: str) -> list[int]:
    """Return a set of numbers of a row, in order; empty if the attribute or the row is missing."""
    return sorted(map(int, row[name]["NS"])) if row and name in row else []


def bytes_in(row: Row, name: str) -> bytes:
    """Return bytes of a row; raise `KeyError` if the attribute is missing."""
    return bytes(row[name]["B"])
