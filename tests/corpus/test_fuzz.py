"""Mutants of real documents are read or refused within limits of time and memory; none is a defect.

Seeded by the day, so that each day tries others; the seed is in the failure.
"""

import os
import random
import time
from datetime import UTC, datetime

import pytest

from newswire.ingest.poll_policy import body_hash
from newswire.ingest.reading import GuardedReader, is_suspect
from newswire.model import Record
from tests import factories
from tests.support.hostile_documents import COSTLY, ENTITIES, LINEAR, RAISING

SECONDS = 40 if os.environ.get("CI") else 10
READ_SECONDS = 10
MEMORY = 600_000_000
MAX_BYTES = 300_000
SEED = int(os.environ.get("NEWSWIRE_TEST_SEED") or datetime.now(UTC).strftime("%Y%m%d"))
PARTS = (
    b"<![CDATA[", b"]]>", b"<!--", b"-->", b"<!ENTITY a 'b'>", b"&a;", b"&#9999999999;", b"&#xD800;", b"&lt;", b"<item>", b"</item>",
    b"<entry>", b"</entry>", b"<guid isPermaLink='false'>", b"<pubDate>", b"9999-12-31T23:59:59-14:00", b"0001-01-01T00:00:00+14:00",
    b"http://[", b"http://[::1", b"\x00", b"\xff\xfe", b"\xef\xbb\xbf", b"\xed\xa0\x80", "\u0301\u0316".encode(), "\ue000".encode(),
    b"<font a=1><p>", b"<div>", b"<script>", b"<svg>", b"<author>a.a@a", b"<category>", b' xmlns:a="b"', b"<?xml", b'"', b"'", b"{", b"[", b"\\u", b"\\ud800",
)  # fmt: skip
"""What a mutation inserts: the words of the formats, and parts of documents that once did harm."""


def mutate(rng: random.Random, document: bytes, others: list[bytes]) -> bytes:
    """Return a document with one to four changes."""
    data = bytearray(document)
    for _ in range(rng.randint(1, 4)):
        at, length = rng.randrange(len(data) + 1), rng.choice((1, 4, 40, 400))
        match rng.randrange(7):
            case 0:
                data[at : at + length] = b""
            case 1:
                data[at:at] = rng.choice(PARTS)
            case 2:
                data[at:at] = rng.choice(PARTS) * rng.choice((2, 30, 1_000, 5_000))
            case 3:
                data[at:at] = bytes(data[at : at + length]) * rng.choice((2, 20, 500))
            case 4:
                data[at : at + length] = rng.randbytes(min(length, len(data) - at))
            case 5:
                other = rng.choice(others)
                start = rng.randrange(len(other) + 1)
                data[at:at] = other[start : start + rng.choice((40, 4_000))]
            case _:
                data = data[:at]
        del data[MAX_BYTES:]
    return bytes(data)


def record(body: bytes) -> Record:
    return factories.record(feed="fuzz", body=body)


def test_mutants_are_read_or_refused_within_limits(shared) -> None:
    rng = random.Random(SEED)
    paths = sorted(path for path in (shared / "feeds").rglob("*") if path.is_file() and path.stat().st_size < MAX_BYTES)
    seeds = [path.read_bytes() for path in paths]
    seeds += [*RAISING.values(), *ENTITIES.values(), *LINEAR.values(), *COSTLY.values()]
    seeds = [seed for seed in seeds if 0 < len(seed) < MAX_BYTES]
    reader = GuardedReader(10_000, READ_SECONDS, MEMORY)
    until = time.monotonic() + SECONDS
    count = costly = 0
    try:
        while time.monotonic() < until:
            body = mutate(rng, rng.choice(seeds), seeds)
            started = time.process_time()
            body_hash(body)
            assert time.process_time() - started < 2, (SEED, count)
            refusal = reader.read(record(body), careful=True).refusal
            count += 1
            if refusal is not None and refusal.code == "internal":
                pytest.fail(f"seed {SEED}, mutant {count}: {refusal.sentence} {body[:2000]!r}")
            if refusal is not None and refusal.code == "too_costly":
                costly += 1
                assert is_suspect(body), (
                    f"seed {SEED}, mutant {count} of {len(body)} bytes is read in the process: {body[:2000]!r}"
                )
    finally:
        reader.close()
    print(f"{count} mutants with seed {SEED}; {costly} were too costly")
    assert count > 5 * SECONDS
