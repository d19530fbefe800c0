"""OpenSearch errors: cluster and client failures become engine errors without secrets."""

import inspect
import json
import time
from contextlib import contextmanager

import opensearchpy.exceptions
import pytest

from newswire.engines.coverage import CoverageQuery
from newswire.engines.opensearch.bodies import SCHEMA
from newswire.engines.opensearch.client import Cluster, pauses
from newswire.engines.opensearch.engine import OpenSearchEngine
from newswire.engines.query import SearchQuery
from newswire.errors import EngineError, EngineTimeoutError, EngineUnavailableError
from newswire.model import ItemWrite
from tests.factories import feed_status, item
from tests.support.loopback import Asked, Loopback, Reply

CALLS = {
    "search": lambda engine: engine.search(SearchQuery()),
    "get": lambda engine: engine.get(["x"]),
    "span": lambda engine: engine.span(SearchQuery()),
    "statuses": lambda engine: engine.statuses(),
    "status_page": lambda engine: engine.status_page("", 10),
    "coverage": lambda engine: engine.coverage(CoverageQuery(0, 0)),
    "count": lambda engine: engine.count(1),
    "index": lambda engine: engine.index([ItemWrite(item(1), 1)], 1),
    "publish": lambda engine: engine.publish([feed_status("a", 1)]),
    "delete_feed": lambda engine: engine.delete_feed("a", 1),
    "refresh": lambda engine: engine.refresh(),
    "generation": lambda engine: engine.generation(),
    "generations": lambda engine: engine.generations(),
    "swap": lambda engine: engine.swap(2),
    "setup": lambda engine: engine.setup(),
    "drop": lambda engine: engine.drop(2),
}


class PausingEngine(OpenSearchEngine):
    """An engine that records its pauses in seconds instead of sleeping."""

    def __init__(self, url: str) -> None:
        self.pauses_made: list[float] = []
        super().__init__(url, user="reader", password="hunter2", timeout_s=1, sleep=self.pauses_made.append)


@contextmanager
def cluster(answer):
    """Serve the result of `answer` on loopback: status, content type and body, or None for no response.

    Pass the method, the path and the body to an `answer` with parameters.
    """

    def answered(request: Asked) -> Reply | None:
        output = (request.method, request.target, request.plain) if inspect.signature(answer).parameters else ()
        reply = answer(*output)
        return None if reply is None else Reply(reply[0], reply[2], reply[1])

    server = Loopback(answered)
    engine = PausingEngine(server.url)
    try:
        yield engine
    finally:
        engine.close()
        server.close()


def refused(engine, call: str) -> EngineError:
    with pytest.raises(EngineError) as raised:
        CALLS[call](engine)
    message = str(raised.value)
    assert "NEWSWIRE_OPENSEARCH" in message
    assert "hunter2" not in message
    assert "127.0.0.1" not in message
    return raised.value


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("code", [401, 403, 429, 500, 503])
def test_error_status_is_engine_unavailable(code: int, call: str) -> None:
    with cluster(lambda: (code, "application/json", b'{"error":{"type":"boom","reason":"boom"}}')) as engine:
        assert isinstance(refused(engine, call), EngineUnavailableError)


@pytest.mark.parametrize("call", CALLS)
def test_malformed_json_is_an_engine_error(call: str) -> None:
    with cluster(lambda: (200, "application/json", b'{"took": 3, "hits"')) as engine:
        refused(engine, call)


@pytest.mark.parametrize("call", CALLS)
def test_proxy_html_page_is_an_engine_error(call: str) -> None:
    with cluster(lambda: (200, "text/html", b"<html>Welcome</html>")) as engine:
        refused(engine, call)


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize(
    ("kind", "body"),
    [("text/html", b"<html>No route</html>"), ("application/json", b'{"message": "no route"}'), ("text/plain", b"")],
)
def test_foreign_404_is_not_a_missing_index(call: str, kind: str, body: bytes) -> None:
    with cluster(lambda: (404, kind, body)) as engine:
        assert "is not OpenSearch" in str(refused(engine, call))


@pytest.mark.parametrize(
    "call", [name for name in CALLS if name not in {"generation", "generations", "refresh", "drop", "swap"}]
)
@pytest.mark.parametrize("body", [b"{}", b"[]", b'"hello"', b"null", b'{"responses": []}', b""])
def test_json_of_another_shape_is_engine_unavailable(call: str, body: bytes) -> None:
    with cluster(lambda: (200, "application/json", body)) as engine:
        if body in {b"{}", b'{"responses": []}'} and call == "delete_feed":
            engine.delete_feed("a", 1)  # this body means that the index does not exist
        else:
            assert isinstance(refused(engine, call), EngineUnavailableError)


@pytest.mark.parametrize("call", ["generation", "generations", "refresh", "drop", "swap"])
@pytest.mark.parametrize("body", [b"[]", b'"hello"', b"null", b""])
def test_json_that_is_not_an_object_is_engine_unavailable(call: str, body: bytes) -> None:
    with cluster(lambda: (200, "application/json", body)) as engine:
        assert isinstance(refused(engine, call), EngineUnavailableError)


@pytest.mark.parametrize("call", CALLS)
def test_unreachable_cluster_error_names_the_setting(call: str) -> None:
    engine = OpenSearchEngine("http://127.0.0.1:9", password="hunter2", user="reader")
    assert isinstance(refused(engine, call), EngineUnavailableError)
    engine.close()


@pytest.mark.parametrize("call", ["search", "get", "span", "index", "count"])
def test_slow_cluster_fails_at_the_timeout(call: str) -> None:
    with cluster(lambda: time.sleep(2)) as engine:
        error = refused(engine, call)
        assert isinstance(error, EngineTimeoutError if call != "index" else EngineUnavailableError)


def whole(**more) -> bytes:
    answer = {"took": 1, "timed_out": False, "status": 200, "_shards": {"total": 2, "successful": 2, "failed": 0}}
    return json.dumps({"responses": [answer | {"hits": {"total": {"value": 0}, "hits": []}} | more] * 2}).encode()


def test_shard_timeout_is_an_engine_timeout() -> None:
    with cluster(lambda: (200, "application/json", whole(timed_out=True))) as engine:
        assert isinstance(refused(engine, "search"), EngineTimeoutError)


def test_shard_failure_is_engine_unavailable() -> None:
    with cluster(
        lambda: (200, "application/json", whole(_shards={"total": 2, "successful": 1, "failed": 1}))
    ) as engine:
        assert isinstance(refused(engine, "search"), EngineUnavailableError)


def test_rejected_search_reports_a_full_engine() -> None:
    rejected = {"status": 429, "error": {"type": "rejected_execution_exception", "reason": "full"}}
    with cluster(lambda: (200, "application/json", whole(**rejected))) as engine:
        assert "full" in str(refused(engine, "search"))


EXCEPTIONS = [
    kind
    for _name, kind in inspect.getmembers(opensearchpy.exceptions, inspect.isclass)
    if issubclass(kind, Exception) and not issubclass(kind, Warning) and kind.__module__ == "opensearchpy.exceptions"
]


@pytest.mark.parametrize("kind", EXCEPTIONS, ids=lambda kind: kind.__name__)
def test_client_exceptions_become_engine_errors(kind: type[Exception]) -> None:
    cluster = Cluster("http://user:hunter2@127.0.0.1:9", timeout_s=1)
    with pytest.raises(EngineError) as raised, cluster.translate_errors():
        raise kind(500, "http://user:hunter2@127.0.0.1:9 said boom", {"status": 500})
    assert raised.value.__cause__ is not None
    assert "hunter2" not in str(raised.value)


def test_info_reports_a_dead_cluster_as_unhealthy() -> None:
    engine = OpenSearchEngine("http://127.0.0.1:9")
    assert not engine.info().healthy
    engine.close()


# --- busy clusters and bad items ---


class Bulks:
    """A cluster that answers each item with the status from `outcome` and records the requests."""

    def __init__(self, outcome, whole_request=lambda _ids: 200, kind: str = "mapper_parsing_exception") -> None:
        self.outcome = outcome
        self.whole_request = whole_request
        self.requests: list[list[str]] = []
        self.kept: list[str] = []
        self.kind = kind

    def __call__(self, method: str, path: str, body: bytes):
        if not path.endswith("_bulk"):
            return 200, "application/json", json.dumps(_INDEX).encode()
        ids = [json.loads(line)["index"]["_id"] for line in body.splitlines()[::2]]
        self.requests.append(ids)
        status = self.whole_request(ids)
        if status != 200:
            return status, "application/json", b'{"error":{"type":"rejected","reason":"no"}}'
        items = []
        for id_ in ids:
            item_status = self.outcome(id_, len(self.requests))
            self.kept += [id_] if item_status in {200, 201} else []
            error = {} if item_status in {200, 201} else {"error": {"type": self.kind, "reason": "it is poison"}}
            items.append({"index": {"_id": id_, "status": item_status, **error}})
        return 200, "application/json", json.dumps({"errors": True, "items": items}).encode()


_INDEX = {"newswire-items-g000001": {"mappings": {"_meta": {"schema": SCHEMA}}, "aliases": {}}}


def written(engine, count: int = 10):
    return engine.index([ItemWrite(item(n), 1) for n in range(count)], 1)


def test_rejected_item_is_resent_alone_with_backoff() -> None:
    late = item(3).id
    bulks = Bulks(lambda id_, request: 429 if id_ == late and request < 4 else 201)
    with cluster(bulks) as engine:
        assert written(engine).written == 10
        assert [len(ids) for ids in bulks.requests] == [10, 1, 1, 1]
        assert sorted(bulks.kept) == sorted(item(n).id for n in range(10))
        assert len(engine.pauses_made) == 3
        assert all(low <= built <= 4 * low for built, low in zip(engine.pauses_made, (0.125, 0.25, 0.5), strict=True))


@pytest.mark.parametrize("status", [429, 503])
def test_rejected_bulk_request_is_resent(status: int) -> None:
    answers = iter([status, status, 200])
    bulks = Bulks(lambda _id, _request: 201, lambda _ids: next(answers))
    with cluster(bulks) as engine:
        assert written(engine).written == 10
        assert [len(ids) for ids in bulks.requests] == [10, 10, 10]


def test_retries_on_a_busy_cluster_are_limited() -> None:
    bulks = Bulks(lambda _id, _request: 429)
    with cluster(bulks) as engine:
        assert "full" in str(refused(engine, "index"))
        assert 2 < len(engine.pauses_made) < 10


def test_poison_item_does_not_hold_back_the_others() -> None:
    poison = item(7).id
    bulks = Bulks(lambda id_, _request: 400 if id_ == poison else 201)
    with cluster(bulks) as engine:
        report = written(engine, 1200)
        assert (report.written, [refusal.id for refusal in report.refused]) == (1199, [poison])
        assert "poison" in report.refused[0].reason


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (403, "cluster_block_exception"),
        (403, "security_exception"),
        (401, "security_exception"),
        (404, "index_not_found_exception"),
        (500, "illegal_state_exception"),
        (500, "i_o_exception"),
        (400, "illegal_argument_exception"),
        (400, "boom"),
    ],
)
def test_fault_of_the_cluster_refuses_no_item(status: int, kind: str) -> None:
    bulks = Bulks(lambda id_, _request: status if id_ == item(7).id else 201, kind=kind)
    with cluster(bulks) as engine:
        report = written(engine, 20)
        assert (report.written, report.refused) == (19, ())
        assert [failed.id for failed in report.failed] == [item(7).id]


def test_oversized_bulk_is_halved_to_isolate_the_bad_item() -> None:
    poison = item(7).id
    bulks = Bulks(lambda _id, _request: 201, lambda ids: 413 if poison in ids else 200)
    with cluster(bulks) as engine:
        report = written(engine, 64)
        assert (report.written, [refusal.id for refusal in report.refused]) == (63, [poison])
        assert len(bulks.requests) <= 2 * 6 + 1
        assert engine.pauses_made == []


def test_backoff_grows_and_has_jitter() -> None:
    assert list(pauses(8, lambda: 1.0)) == [0.5, 1, 2, 4, 8, 16, 20, 20]
    assert list(pauses(3, lambda: 0.0)) == [0.125, 0.25, 0.5]
    assert len({tuple(pauses(5)) for _ in range(20)}) == 20


@pytest.mark.parametrize(("aliases", "found"), [({f"newswire-v{SCHEMA}-read": {}}, True), ({}, False)])
def test_index_that_appears_between_two_requests_is_found(aliases: dict, found: bool) -> None:
    index = {"aliases": aliases, "mappings": {"_meta": {"schema": SCHEMA, "seen": True}}}

    def answer(_method: str, path: str, _body: bytes):
        if "-read" in path:
            missing = {"error": {"type": "index_not_found_exception", "reason": "none"}, "status": 404}
            return 404, "application/json", json.dumps(missing).encode()
        return 200, "application/json", json.dumps({"newswire-items-g000001": index}).encode()

    with cluster(answer) as engine:
        if found:
            assert engine.generation() == 1
        else:
            with pytest.raises(EngineUnavailableError, match=r"alias newswire-v\d+-read is missing"):
                engine.generation()
