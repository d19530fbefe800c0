"""The archive in an S3 bucket: one object per record, `archive/<feed>/<seq>.record`."""

from __future__ import annotations

from collections.abc import Iterator

from botocore.exceptions import ClientError

from newswire.model import Record
from newswire.storage.archive import decode_record, encode_record
from newswire.storage.aws import AwsEdge, code_of, translate_aws_errors

_PREFIX = "archive/"
_SUFFIX = ".record"
_MAX_TRIES = 3
_MAX_DELETIONS = 1_000
"""The limit of S3 for one request."""


class S3Archive(AwsEdge):
    """`Archive` in a bucket. S3 is strongly consistent, so it lists a new object at once."""

    service = "s3"

    def __init__(self, bucket: str) -> None:
        self._bucket = bucket
        self._place = f"The bucket {bucket} (NEWSWIRE_BUCKET)"

    def _key(self, feed: str, seq: int) -> str:
        return f"{_PREFIX}{feed}/{seq:09d}{_SUFFIX}"

    def put(self, record: Record) -> bool:
        """Create the object; S3 refuses `If-None-Match: *` if the key exists."""
        key, data = self._key(record.feed, record.seq), encode_record(record)
        with translate_aws_errors(self._place):
            for attempt in range(_MAX_TRIES):
                try:
                    self.client.put_object(Bucket=self._bucket, Key=key, Body=data, IfNoneMatch="*")
                except ClientError as error:
                    code = code_of(error)
                    if code == "PreconditionFailed":
                        return False
                    if code != "ConditionalRequestConflict" or attempt == _MAX_TRIES - 1:  # another writer right now
                        raise
                else:
                    return True
        raise AssertionError  # the last try returns or raises

    def get(self, feed: str, seq: int) -> Record | None:
        key = self._key(feed, seq)
        with translate_aws_errors(self._place):
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
        feeds: list[str] = []
        with translate_aws_errors(self._place):
            pages = self.client.get_paginator("list_objects_v2")
            for page in pages.paginate(Bucket=self._bucket, Prefix=_PREFIX, Delimiter="/"):
                folders = page.get("CommonPrefixes", ())
                feeds += [folder["Prefix"].removeprefix(_PREFIX).rstrip("/") for folder in folders]
        return sorted(feeds)

    def remove(self, feed: str) -> None:
        keys = list(self._keys(f"{_PREFIX}{feed}/"))
        with translate_aws_errors(self._place):
            for start in range(0, len(keys), _MAX_DELETIONS):
                objects = [{"Key": key} for key in keys[start : start + _MAX_DELETIONS]]
                self.client.delete_objects(Bucket=self._bucket, Delete={"Objects": objects, "Quiet": True})

    def _keys(self, prefix: str, after: str = "") -> Iterator[str]:
        with translate_aws_errors(self._place):
            pages = self.client.get_paginator("list_objects_v2")
            for page in pages.paginate(Bucket=self._bucket, Prefix=prefix, StartAfter=after):
                yield from (entry["Key"] for entry in page.get("Contents", ()))
