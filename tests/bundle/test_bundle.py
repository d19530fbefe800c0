"""The built artifacts, run as Lambda runs them."""

import json

import msgspec
import pytest

from newswire.engines.opensearch.engine import OpenSearchEngine
from newswire.model import Feed, FetchLine, Gap, ItemWrite
from newswire.storage.feeds.dynamodb import _feed_key as feed_key
from newswire.storage.queue.sqs import batch_of
from tests.bundle.build import LAYER, build
from tests.bundle.stack import asked
from tests.conftest import NOON, ROOT
from tests.factories import feed_status, item
from tests.support import faults
from tests.support.deployment import event
from tests.support.feed_server import rss, story
from tests.support.hostile_documents import COSTLY, ENTITIES, RAISING
from tests.support.pages import Page
from tests.support.serverless import REGION
from tests.support.template import resources

pytestmark = [pytest.mark.bundle, pytest.mark.opensearch]
MOST_MB = 30


def test_scheduled_feed_is_searchable_through_the_api(stack, server) -> None:
    """Run a tick, a queue message and API requests through the built functions."""
    stack.add("ours", server.says("/ours", rss(story(1, "Baltic exercise"), story(2, "Summit"), title="Ours")))
    ingest, search = stack.function("IngestFunction"), stack.function("SearchFunction")
    assert ingest.call(event("schedule")) == {}
    sent = [record for record in stack.aws.receive(stack.queue)["Records"] if "ours" in record["body"]]
    assert len(sent) == 1
    assert ingest.call({"Records": sent}) == {"batchItemFailures": []}
    answer = search.call(asked("/v1/search", q="baltic"))
    assert answer["statusCode"] == 200, answer
    results = json.loads(answer["body"])
    assert [item["title"] for item in results["items"]] == ["Baltic exercise"]
    assert results["coverage"]["feeds"] > 0
    feeds = json.loads(search.call(asked("/v1/feeds/ours"))["body"])
    assert feeds["title"] == "Ours"
    page = search.call(asked("/", q="baltic"))
    assert page["statusCode"] == 200, page
    assert "<mark>Baltic</mark> exercise" in page["body"]
    files = Page(page["body"].encode()).files
    assert [search.call(asked(name.removeprefix(".")))["statusCode"] for name in files] == [200, 200, 200]
    assert search.call(asked("/feeds/ours"))["statusCode"] == 200
    assert stack.domain.refusals == []
    print(f"peak memory: ingest {ingest.peak_mib():.0f} MiB, search {search.peak_mib():.0f} MiB")


def test_hostile_documents_stop_no_other_feed_and_no_message(stack, server) -> None:
    """One batch with documents that raised, expanded, or took minutes, and one that only the child process survives."""
    hostile = {
        "digits": RAISING["a reference of 4,301 digits in a title"],
        "entities": ENTITIES["an entity on the line of its document type"],
        "author": COSTLY["200,000 categories"],
        "memory": b'{"version": "https://jsonfeed.org/version/1.1", "items": [' + b"{}," * 3_200_000 + b"{}]}",
    }
    for name, body in hostile.items():
        stack.add(f"hostile-{name}", server.says(f"/hostile-{name}", body, gzipped=True))
    stack.add("z-calm", server.says("/z-calm", rss(story(1, "Unharmed exercise"))))
    limits = {"NEWSWIRE_READ_TIMEOUT_SECONDS": "5", "NEWSWIRE_READ_MAX_MEMORY_BYTES": "300000000"}
    ingest, search = stack.function("IngestFunction", **limits), stack.function("SearchFunction")
    ingest.call(event("schedule"))
    sent = [
        record
        for record in stack.aws.receive(stack.queue)["Records"]
        if "hostile-" in record["body"] or "z-calm" in record["body"]
    ]
    assert sent
    assert ingest.call({"Records": sent}) == {"batchItemFailures": []}
    results = json.loads(search.call(asked("/v1/search", q="unharmed"))["body"])
    assert [item["feed"] for item in results["items"]] == ["z-calm"]
    feeds = json.loads(search.call(asked("/v1/feeds", size="200"))["body"])["feeds"]
    errors = {feed["id"]: feed["error"] and feed["error"]["code"] for feed in feeds if "hostile-" in feed["id"]}
    assert errors == {
        "hostile-digits": None,
        "hostile-entities": "entities",
        "hostile-author": "too_costly",
        "hostile-memory": "too_costly",
    }
    print(f"peak memory: ingest {ingest.peak_mib():.0f} MiB")


def test_failing_stages_stop_no_other_feed_and_no_message(stack, server) -> None:
    """Each stage raises, hangs for 30 s and takes 2 GB for one feed, in the built function."""
    for name, body in faults.documents().items():
        stack.add(name, server.says(f"/{name}", body))
    limits = {"NEWSWIRE_READ_TIMEOUT_SECONDS": "2"}
    ingest = stack.function("IngestFunction", faults.FOLDER, **limits)
    search = stack.function("SearchFunction")
    ingest.call(event("schedule"))
    sent = [record for record in stack.aws.receive(stack.queue)["Records"] if "calm" in record["body"]]
    assert ingest.call({"Records": sent}, seconds=300) == {"batchItemFailures": []}
    results = json.loads(search.call(asked("/v1/search", q="baltic"))["body"])
    assert {item["feed"] for item in results["items"]} == set(faults.CALM)
    feeds = json.loads(search.call(asked("/v1/feeds", size="200"))["body"])["feeds"]
    refused = faults.expected_codes()
    assert {feed["id"]: feed["error"]["code"] for feed in feeds if feed["id"] in refused} == refused


def test_feeds_file_is_in_the_artifact(built) -> None:
    packaged = built / "IngestFunction" / "feeds.toml"
    assert packaged.read_bytes() == (ROOT / "functions" / "ingest" / "feeds.toml").read_bytes()


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("search-bad-parameters", 400),
        ("not-found", 404),
        ("not-allowed", 405),
        ("status", 200),
        ("openapi", 200),
        ("page", 200),
        ("page-form", 303),
    ],
)
def test_built_function_answers_the_event_files(stack, name: str, status: int) -> None:
    assert stack.function("SearchFunction").call(event(name))["statusCode"] == status


def test_poison_message_fails_alone_and_deadline_returns_all(stack, server) -> None:
    for name in ("nato-news", "nato-act", "nato-review"):
        stack.add(name, server.says(f"/{name}", rss(story(len(name)), title=name)))
    batch = event("queue-batch")
    ingest = stack.function("IngestFunction")
    poison = {"itemIdentifier": batch["Records"][1]["messageId"]}
    failed = ingest.call(batch, seconds=15)["batchItemFailures"]
    assert poison in failed
    assert len(failed) == 3, "there was no time for any"
    assert ingest.call(batch)["batchItemFailures"] == [poison]


def test_engine_outage_gives_503_and_fails_no_message(stack, server) -> None:
    stack.add("ours", server.says("/ours", rss(story(1))))
    nowhere = {"NEWSWIRE_OPENSEARCH_URL": "http://127.0.0.1:9"}
    ingest, search = stack.function("IngestFunction", **nowhere), stack.function("SearchFunction", **nowhere)
    ingest.call(event("schedule"))
    sent = [record for record in stack.aws.receive(stack.queue)["Records"] if "ours" in record["body"]]
    assert ingest.call({"Records": sent}) == {"batchItemFailures": []}
    answer = search.call(event("search"))
    assert answer["statusCode"] == 503
    assert json.loads(answer["body"])["code"] == "engine_unavailable"


def test_init_error_names_the_invalid_setting(stack) -> None:
    broken = stack.function("SearchFunction", NEWSWIRE_OPENSEARCH_SIGNING="s3")
    assert "NEWSWIRE_OPENSEARCH_SIGNING" in broken.init_error()


def test_layer_is_small_compiled_and_minimal(built) -> None:
    layer = built / LAYER / "python"
    size = sum(file.stat().st_size for file in layer.rglob("*") if file.is_file())
    print(f"{size / 1e6:.1f} MB unzipped")
    assert size < MOST_MB * 1_000_000
    for absent_one in ("boto3", "botocore", "tantivy", "grpc", "google", "uvicorn", "tqdm", "moto"):
        assert not (layer / absent_one).exists(), absent_one
    sources = [file for file in layer.rglob("*.py") if "dist-info" not in str(file)]
    compiled = {file.name.partition(".")[0] for file in layer.rglob("__pycache__/*.cpython-313.pyc")}
    assert not [file for file in sources if file.stem not in compiled]


def test_builds_are_reproducible(tmp_path) -> None:
    first, other = build(tmp_path / "here" / "build"), build(tmp_path / "elsewhere" / "deeper" / "build")

    def files(folder):
        return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}

    for name in ("NewswireLayerArm64", "NewswireLayerX86", "IngestFunction", "SearchFunction"):
        ours, theirs = files(first / name), files(other / name)
        assert ours.keys() == theirs.keys()
        assert [file for file in ours if ours[file] != theirs[file]] == []


def test_tick_with_2000_due_feeds_fits_time_and_memory(stack) -> None:
    count = 2_000  # the AWS stand-in takes 20 s for these; test_simulated_day.py has 10,000 feeds
    stack.add("feed-0", "https://host-0.example/feed")
    row = stack.aws.client("dynamodb").get_item(TableName=stack.table, Key=feed_key("feed-0"))["Item"]
    requests = []
    for number in range(count):
        feed = Feed(id=f"feed-{number}", url=f"https://host-{number // 3}.example/feed-{number}")
        own = feed_key(feed.id) | {
            "feed": {"B": msgspec.json.encode(feed)},
            "host": {"S": f"host-{number // 3}.example"},
            "attention_bucket": {"S": feed_key(feed.id)["pk"]["S"].partition("/")[2]},
        }
        requests.append({"PutRequest": {"Item": row | own}})
    for start in range(0, count, 25):
        stack.aws.client("dynamodb").batch_write_item(RequestItems={stack.table: requests[start : start + 25]})
    ingest = stack.function("IngestFunction")
    ingest.call(event("schedule"))
    batches = [batch_of(record["body"]) for record in stack.aws.receive(stack.queue)["Records"]]
    assert {feed for batch in batches for feed in batch.feeds} >= {f"feed-{number}" for number in range(count)}
    assert len(batches) < count / 15, "a message has up to 20 feeds"
    memory = resources("AWS::Lambda::Function")["IngestFunction"]["MemorySize"]
    print(f"{len(batches)} messages, peak memory {ingest.peak_mib():.0f} of {memory} MiB")
    assert ingest.peak_mib() < memory / 4


def test_search_with_10_000_feeds_is_one_request_of_at_most_50_kb(stack) -> None:
    """Feeds that fail or have gaps are counted by the cluster; the answer lists twenty of each."""
    engine = OpenSearchEngine(
        stack.domain.url, prefix=stack.prefix, signing="es", region=REGION, timeout_s=60, replicas=0
    )
    engine.setup()
    engine.index([ItemWrite(item(n), 1) for n in range(20)], 1)
    line = FetchLine(NOON, 200, 25_000, 310, seq=7, new=1, changed=0, unchanged=24)
    engine.publish(
        feed_status(
            f"feed-{number:05}",
            last_success=NOON,
            next_check=NOON,
            error_code="dns" if number % 3 == 0 else None,
            fetches=(line,) * 20,
            gaps=tuple(Gap(NOON - n - 2, NOON - n - 1) for n in range(20)) if number % 2 else (),
        )
        for number in range(10_000)
    )
    engine.close()
    search = stack.function("SearchFunction")
    assert search.call(asked("/v1/search"))["statusCode"] == 200  # the first one also opens the connection
    stack.domain.asked.clear()
    before = stack.domain.sent_bytes
    coverage = json.loads(search.call(asked("/v1/search", size="1"))["body"])["coverage"]
    assert (coverage["feeds"], coverage["not_ok_count"], coverage["gap_count"]) == (10_000, 10_000, 100_000 + 10_000)
    assert (len(coverage["not_ok"]), len(coverage["gaps"])) == (20, 20)
    assert len(stack.domain.asked) == 1
    assert stack.domain.sent_bytes - before < 50_000
    before = stack.domain.sent_bytes
    feeds = json.loads(search.call(asked("/v1/feeds", size="2", cursor="after:feed-04999"))["body"])
    assert ([feed["id"] for feed in feeds["feeds"]], feeds["total"]) == (["feed-05000", "feed-05001"], 10_000)
    assert stack.domain.sent_bytes - before < 50_000
