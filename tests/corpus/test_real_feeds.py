"""Parsing, identity and the fold of the corpus: 373 real, fixture and attack documents."""

import json
import re
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from newswire.ingest.fold import step
from newswire.ingest.identity import wanted_ids
from newswire.ingest.parse import parse
from newswire.ingest.reading.record import read_record
from newswire.model import FoldState, Record, Refusal
from tests.conftest import ROOT
from tests.support.corpus import record, rows
from tests.support.present import present

# Documents whose entry count differs from feedparser's, with the reason.
JSON_FEEDS = "feedparser reads no JSON Feed; newswire does"
OTHER_COUNTS: dict[str, tuple[int, str]] = {
    "Ranchero-Software__RSParser/Tests/RSParserTests/Resources/authors.json": (4, JSON_FEEDS),
    "Ranchero-Software__RSParser/Tests/RSParserTests/Resources/jsonfeed-extension.json": (3, JSON_FEEDS),
    "RobertMyles__tidyRSS/tests/testthat/daringfireball.net/feeds/json.json": (48, JSON_FEEDS),
    "alexdebril__feed-io/tests/samples/feed.json": (4, JSON_FEEDS),
    "extractus__feed-extractor/tests/test-data/json-feed-miss-base-url.json": (2, JSON_FEEDS),
    "extractus__feed-extractor/tests/test-data/json-feed-standard.json": (2, JSON_FEEDS),
    "feed-rs__feed-rs/feed-rs/fixture/jsonfeed/jsonfeed_elastic_1.1.json": (3, JSON_FEEDS),
    "feed-rs__feed-rs/feed-rs/fixture/jsonfeed/jsonfeed_spec_1.json": (1, JSON_FEEDS),
    "lemon24__reader/tests/data/empty.json": (1, JSON_FEEDS),
    "lemon24__reader/tests/data/full.json": (2, JSON_FEEDS),
    "lemon24__reader/tests/data/invalid.json": (8, JSON_FEEDS),
    "nmdias__FeedKit/Tests/FeedKitTests/Resources/json/feed.json": (2, JSON_FEEDS),
    "spatie__laravel-feed/tests/__snapshots__/FeedTest__all_feed_items_have_expected_data__5.txt": (5, JSON_FEEDS),
}

REFUSED = {
    "_crafted__attack/rss_billion_laughs.xml": "entities",
    "_crafted__attack/rss_external_entity_file.xml": "entities",
    "_crafted__attack/rss_external_entity_http.xml": "entities",
    "_crafted__attack/rss_quadratic.xml": "entities",
    "nkanaev__yarr/etc/formats.txt": "not_a_feed",
    "nkanaev__yarr/src/parser/fixtures/json/basic.jsonc": "not_a_feed",
    "tiran__defusedxml/cyclic.xml": "not_a_feed",
    "tiran__defusedxml/dtd.xml": "html_page",
    "tiran__defusedxml/dtd_element.xml": "not_a_feed",
    "tiran__defusedxml/external.xml": "not_a_feed",
    "tiran__defusedxml/external_file.xml": "not_a_feed",
    "tiran__defusedxml/quadratic.xml": "not_a_feed",
    "tiran__defusedxml/xmlbomb.xml": "not_a_feed",
    "tiran__defusedxml/xmlbomb2.xml": "not_a_feed",
}

EMPTY = "entries that hold no title, text, link or guid are no items"
TWICE = "entries that say the same identity twice are one item"
# Documents with fewer items than entries, with the reason.
FEWER_ITEMS: dict[str, tuple[int, str]] = json.loads((Path(__file__).parent / "fewer_items.json").read_text())


def items_of(rec: Record):
    read = parse(rec)
    if isinstance(read, Refusal):
        return read, {}
    reading = read_record(rec)
    stored_states: dict = {}
    while missing_ids := wanted_ids(reading.candidates, stored_states):
        stored_states.update(dict.fromkeys(missing_ids))
    folded = step(FoldState(), rec, reading, stored_states)
    return read, {write.item.id: write.item for write in folded.writes}


def test_item_counts_and_refusals_match_the_corpus_index(shared) -> None:
    wrong: list[tuple[object, ...]] = []
    for row in rows(shared):
        path = row["path"]
        read, items = items_of(record((shared / "feeds" / path).read_bytes(), path))
        if isinstance(read, Refusal):
            if REFUSED.get(path) != read.code:
                wrong.append((path, read.code))
            continue
        entries = OTHER_COUNTS.get(path, (row["entries"], ""))[0]
        if len(read.entries) != entries or path in REFUSED:
            wrong.append((path, "entries", len(read.entries), entries))
        expected = FEWER_ITEMS.get(path, (entries, ""))[0]
        if len(items) != expected:
            wrong.append((path, "items", len(items), expected))
    assert wrong == []
    assert len(rows(shared)) == 373
    assert all(reason in {EMPTY, TWICE} for _count, reason in FEWER_ITEMS.values())


def read_all(shared: str) -> None:
    """Read every document; print the slowest time in seconds, its path and the peak memory in KiB."""
    slowest = (0.0, "")
    for row in rows(Path(shared)):
        started = time.monotonic()
        items_of(record((Path(shared) / "feeds" / row["path"]).read_bytes()))
        slowest = max(slowest, (time.monotonic() - started, row["path"]))
    peak = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    print(json.dumps([*slowest, int(present(peak)[1])]))


def test_no_document_takes_over_30_seconds_or_a_gibibyte(shared) -> None:
    program = f"from tests.corpus.test_real_feeds import read_all; read_all({str(shared)!r})"
    completed = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    seconds, path, kib = json.loads(completed.stdout)
    assert seconds < 30, path
    assert kib < 1024 * 1024


def test_attack_documents_expand_and_read_nothing(shared, monkeypatch) -> None:
    import socket

    def refuse(*_args, **_named):
        raise AssertionError("a document opened a connection")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    for row in rows(shared):
        if row["kind"] == "attack":
            read, items = items_of(record((shared / "feeds" / row["path"]).read_bytes()))
            text = "".join(item.title + item.summary + item.content for item in items.values())
            assert "root:" not in text
            assert len(text) < 3_000_000, row["path"]
            assert read is not None


@pytest.mark.parametrize("body", [b"/etc/passwd", b"/dev/zero", b"http://127.0.0.1:1/", b"file:///etc/passwd"])
def test_body_with_a_path_or_url_is_never_opened(body: bytes) -> None:
    completed = threading.Event()

    def run() -> None:
        for kind in ("auto", "syndication", "jsonfeed", "sitemap"):
            import msgspec

            assert isinstance(parse(msgspec.structs.replace(record(body), feed_kind=kind)), Refusal)
        completed.set()

    threading.Thread(target=run, daemon=True).start()
    assert completed.wait(10)


def test_truncated_document_gives_only_complete_entries(shared) -> None:
    import random

    rng = random.Random(7)
    for row in [row for row in rows(shared) if row["kind"] == "real" and row["bytes"] < 60_000][:60]:
        body = (shared / "feeds" / row["path"]).read_bytes()
        whole, _ = items_of(record(body))
        if isinstance(whole, Refusal):
            continue
        titles = {entry.title.text for entry in whole.entries}
        for _ in range(3):
            cut, _ = items_of(record(body[: rng.randrange(len(body))]))
            if not isinstance(cut, Refusal):
                strange = {entry.title.text for entry in cut.entries} - titles
                assert not strange, (row["path"], strange)


def test_mutated_document_is_read_or_refused(shared) -> None:
    import random

    rng = random.Random(11)
    small = [row for row in rows(shared) if row["bytes"] < 8_000]
    for row in rng.sample(small, 150):
        body = bytearray((shared / "feeds" / row["path"]).read_bytes())
        for _ in range(12):
            body[rng.randrange(len(body))] = rng.randrange(256)
        items_of(record(bytes(body)))


def test_real_encodings_are_decoded(shared) -> None:
    for row in rows(shared):
        if row["kind"] != "real" or not (row["declared_encoding"] or "").lower().startswith(
            ("windows-125", "iso-8859", "koi8", "gb", "euc", "shift")
        ):
            continue
        read, items = items_of(record((shared / "feeds" / row["path"]).read_bytes()))
        assert not isinstance(read, Refusal), row["path"]
        text = "".join(item.title + item.summary for item in items.values())
        assert text.count("\ufffd") <= len(text) // 200, row["path"]
