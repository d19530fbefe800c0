"""The archive in a bucket of S3: one object for each record, `archive/<feed>/<number>.record`."""

from __future__ import annotations

from collections.abc import Iterator

from botocore.exceptions import ClientError

from newswire.model import Record
from newswire.storage.archive import decode_record, encode_record
from newswire.storage.aws import AwsEdge, code_of, explained_aws

_PREFIX = "archive/"
_SUFFIX = ".record"
_TRIES = 3
_DELETED_AT_ONCE = 1_000


class S3Archive(AwsEdge):
    """`Archive` in a bucket. S3 is strongly consistent, so what was put is listed at once."""

    service = "s3"

    def __init__(self, bucket: str) -> None:
        self._bucket = bucket
        self._place = f"The bucket {bucket} (NEWSWIRE_BUCKET)"

    def _key(self, feed: str, seq: int) -> str:
        return f"{_PREFIX}{feed}/{seq:09d}{_SUFFIX}"

    def put(self, record: Record) -> bool:
        """Create the object and nothing else: `If-None-Match: *` is refused where the number is taken."""
        key, data = self._key(record.feed, record.seq), encode_record(record)
        with explained_aws(self._place):
            for last in range(_TRIES):
                try:
                    self.client.put_object(Bucket=self._bucket, Key=key, Body=data, IfNoneMatch="*")
                except ClientError as error:
                    code = code_of(error)
                    if code == "PreconditionFailed":
                        return False
                    if code != "ConditionalRequestConflict" or last == _TRIES - 1:  # another writer at this moment
                        raise
                else:
                    return True
        raise AssertionError  # the last try returns or raises

    def get(self, feed: str, seq: int) -> Record | None:
        key = self._key(feed, seq)
        with explained_aws(self._place):
            try:
                data: bytes = self.client.get_object(Bucket=self._bucket, Key=key)["Body"].read()
            except ClientError as error:
                if code_of(error) == "NoSuchKey":
                    return None
                raise
        return decode_record(data, f"s3://{self._bucket}/{key}")

    def head(self, feed: str, after: int = 0) -> int:
        last = after
        for key in self._keys(f"{_PREFIX}{feed}/", self._key(feed, after) if after else ""):
            number = key.rpartition("/")[2].removesuffix(_SUFFIX)
            last = max(last, int(number) if number.isdigit() else 0)
        return last

    def feeds(self) -> list[str]:
        found: list[str] = []
        with explained_aws(self._place):
            pages = self.client.get_paginator("list_objects_v2")
            for page in pages.paginate(Bucket=self._bucket, Prefix=_PREFIX, Delimiter="/"):
                found += [one["Prefix"].removeprefix(_PREFIX).rstrip("/") for one in page.get("CommonPrefixes", ())]
        return sorted(found)

    def remove(self, feed: str) -> None:
        keys = list(self._keys(f"{_PREFIX}{feed}/"))
        with explained_aws(self._place):
            for start in range(0, len(keys), _DELETED_AT_ONCE):
                gone = [{"Key": key} for key in keys[start : start + _DELETED_AT_ONCE]]
                self.client.delete_objects(Bucket=self._bucket, Delete={"Objects": gone, "Quiet": True})

    def _keys(self, prefix: str, after: str = "") -> Iterator[str]:
        with explained_aws(self._place):
            pages = self.client.get_paginator("list_objects_v2")
            for page in pages.paginate(Bucket=self._bucket, Prefix=prefix, StartAfter=after):
                yield from (one["Key"] for one in page.get("Contents", ()))
