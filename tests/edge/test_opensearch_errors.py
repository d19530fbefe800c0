"""What a cluster can do wrong, and the client with it: each becomes one of our errors, and says no secret."""

import http.server
import inspect
import json
import threading
import time
from contextlib import contextmanager

import opensearchpy.exceptions
import pytest

from newswire.engines.opensearch import OpenSearchEngine
from newswire.errors import EngineError, EngineTimeoutError, EngineUnavailableError
from newswire.model import ItemWrite
from newswire.query import SearchQuery
from tests.contract.test_search_engine import item, status

CALLS = {
    "search": lambda engine: engine.search(SearchQuery()),
    "get": lambda engine: engine.get(["x"]),
    "span": lambda engine: engine.span(SearchQuery()),
    "statuses": lambda engine: engine.statuses(),
    "count": lambda engine: engine.count(1),
    "index": lambda engine: engine.index([ItemWrite(item(1), 1)], 1),
    "publish": lambda engine: engine.publish([status("a", 1)]),
    "delete_feed": lambda engine: engine.delete_feed("a", 1),
    "refresh": lambda engine: engine.refresh(),
    "generation": lambda engine: engine.generation(),
    "generations": lambda engine: engine.generations(),
    "swap": lambda engine: engine.swap(2),
    "drop": lambda engine: engine.drop(2),
}


@contextmanager
def cluster(answer):
    """Serve on loopback what `answer` gives for each request: status, content type and body, or None to say nothing."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def __getattr__(self, name: str):
            if name.startswith("do_"):
                return self.answered
            raise AttributeError(name)

        def answered(self) -> None:
            self.rfile.read(int(self.headers.get("content-length") or 0))
            said = answer()
            if said is None:
                return
            code, kind, body = said
            self.send_response(code)
            self.send_header("content-type", kind)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        def log_message(self, *_arguments) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    engine = OpenSearchEngine(
        f"http://127.0.0.1:{server.server_port}", user="reader", password="hunter2", timeout_s=0.3
    )
    try:
        yield engine
    finally:
        engine.close()
        server.shutdown()
        thread.join()
        server.server_close()


def refused(engine, call: str) -> EngineError:
    with pytest.raises(EngineError) as raised:
        CALLS[call](engine)
    said = str(raised.value)
    assert "NEWSWIRE_OPENSEARCH" in said
    assert "hunter2" not in said
    assert "127.0.0.1" not in said
    return raised.value


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("code", [401, 403, 429, 500, 503])
def test_an_answer_of_this_status_is_an_engine_that_can_not_be_used(code: int, call: str) -> None:
    with cluster(lambda: (code, "application/json", b'{"error":{"type":"boom","reason":"boom"}}')) as engine:
        assert isinstance(refused(engine, call), EngineUnavailableError)


@pytest.mark.parametrize("call", CALLS)
def test_malformed_json_is_no_answer(call: str) -> None:
    with cluster(lambda: (200, "application/json", b'{"took": 3, "hits"')) as engine:
        refused(engine, call)


@pytest.mark.parametrize("call", CALLS)
def test_a_page_of_some_proxy_is_no_answer(call: str) -> None:
    with cluster(lambda: (200, "text/html", b"<html>Welcome</html>")) as engine:
        refused(engine, call)


@pytest.mark.parametrize("call", CALLS)
def test_a_cluster_that_is_down_says_which_setting_to_look_at(call: str) -> None:
    engine = OpenSearchEngine("http://127.0.0.1:9", password="hunter2", user="reader")
    assert isinstance(refused(engine, call), EngineUnavailableError)
    engine.close()


@pytest.mark.parametrize("call", ["search", "get", "span", "index", "count"])
def test_a_cluster_that_is_slow_is_waited_for_no_longer_than_is_set(call: str) -> None:
    with cluster(lambda: time.sleep(1)) as engine:
        error = refused(engine, call)
        assert isinstance(error, EngineTimeoutError if call in {"search", "get", "span"} else EngineUnavailableError)


def whole(**more) -> bytes:
    answer = {"took": 1, "timed_out": False, "status": 200, "_shards": {"total": 2, "successful": 2, "failed": 0}}
    return json.dumps({"responses": [answer | {"hits": {"total": {"value": 0}, "hits": []}} | more] * 2}).encode()


def test_a_search_that_timed_out_on_a_shard_is_no_short_answer() -> None:
    with cluster(lambda: (200, "application/json", whole(timed_out=True))) as engine:
        assert isinstance(refused(engine, "search"), EngineTimeoutError)


def test_a_search_that_failed_on_a_shard_is_no_short_answer() -> None:
    with cluster(
        lambda: (200, "application/json", whole(_shards={"total": 2, "successful": 1, "failed": 1}))
    ) as engine:
        assert isinstance(refused(engine, "search"), EngineUnavailableError)


def test_a_search_that_was_rejected_is_an_engine_that_is_full() -> None:
    rejected = {"status": 429, "error": {"type": "rejected_execution_exception", "reason": "full"}}
    with cluster(lambda: (200, "application/json", whole(**rejected))) as engine:
        assert "full" in str(refused(engine, "search"))


EXCEPTIONS = [
    kind
    for _name, kind in inspect.getmembers(opensearchpy.exceptions, inspect.isclass)
    if issubclass(kind, Exception) and not issubclass(kind, Warning) and kind.__module__ == "opensearchpy.exceptions"
]


@pytest.mark.parametrize("kind", EXCEPTIONS, ids=lambda kind: kind.__name__)
def test_every_exception_of_the_client_becomes_one_of_ours(kind: type[Exception]) -> None:
    engine = OpenSearchEngine("http://user:hunter2@127.0.0.1:9")
    with pytest.raises(EngineError) as raised, engine._translated():
        raise kind(500, "http://user:hunter2@127.0.0.1:9 said boom", {"status": 500})
    assert raised.value.__cause__ is not None
    assert "hunter2" not in str(raised.value)


def test_a_dead_cluster_is_not_well_and_info_does_not_raise() -> None:
    engine = OpenSearchEngine("http://127.0.0.1:9")
    assert not engine.info().healthy
    engine.close()
