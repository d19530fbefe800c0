"""AWS request signing, checked by a verifier in the tests."""

import hashlib
import os
from typing import Literal

import pytest

from newswire.engines.coverage import CoverageQuery
from newswire.engines.opensearch.engine import OpenSearchEngine
from newswire.engines.query import SearchQuery
from newswire.errors import EngineUnavailableError
from newswire.model import ItemWrite
from tests.factories import feed_status, item
from tests.support.serverless import REGION, SECRET, Collection, SignatureError, check_signature, short_pause


@pytest.mark.opensearch
@pytest.mark.parametrize("service", ["es", "aoss"])
def test_every_request_is_signed_for_its_service(service: Literal["es", "aoss"], opensearch_nodes) -> None:
    domain = Collection(opensearch_nodes.url("3.8"), service)
    engine = OpenSearchEngine(domain.url, prefix=f"signed-{service}", signing=service, region=REGION, sleep=short_pause)
    try:
        engine.index([ItemWrite(item(n, "Łódź"), 1) for n in range(20)], 1)
        engine.publish([feed_status("news", 1)])
        engine.refresh()
        page = engine.search(SearchQuery(coverage=CoverageQuery(0, 0)))
        assert page.coverage is not None
        assert (page.total, page.coverage.feeds) == (20, 1)
        engine.index([ItemWrite(item(1), 1)], 2)
        engine.swap(2)
        engine.drop(1)
        engine.delete_feed("news", 2)
        assert engine.count(2) == 0
        assert engine.info().healthy
        assert domain.refusals == []
        assert domain.passed > 10
        engine._cluster.client.indices.delete(index=f"signed-{service}-*")
    finally:
        engine.close()
        domain.close()


@pytest.mark.parametrize(("signing", "region"), [("es", REGION), ("aoss", "eu-west-1"), ("", "")])
def test_wrong_signature_error_names_the_setting(signing, region) -> None:
    collection = Collection("http://127.0.0.1:9")
    engine = OpenSearchEngine(collection.url, signing=signing, region=region)
    with pytest.raises(EngineUnavailableError, match="NEWSWIRE_OPENSEARCH_") as raised:
        engine.search(SearchQuery())
    assert "403" in str(raised.value)
    assert SECRET not in str(raised.value)
    assert collection.passed == 0
    engine.close()
    collection.close()


def test_missing_credentials_error_names_the_variable(monkeypatch, tmp_path) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("HOME", str(tmp_path))
    engine = OpenSearchEngine("http://127.0.0.1:9", signing="es", region=REGION)
    with pytest.raises(EngineUnavailableError, match="AWS_ACCESS_KEY_ID"):
        engine.search(SearchQuery())


def signed(body: bytes) -> dict[str, str]:
    """Return the headers of a request signed by the engine's client."""
    from newswire.engines.opensearch.client import Cluster

    authorize = Cluster("http://h.example", signing="aoss", region=REGION, timeout_s=1)._authorization()
    built = authorize("POST", "http://h.example/items*,b/_search?timeout=2s&a=%C5%81", body)
    return {name.lower(): value for name, value in built.items()} | {"host": "h.example"}


def test_verifier_rejects_changed_requests() -> None:
    target, body = "/items*,b/_search?timeout=2s&a=%C5%81", b'{"size":0}'
    headers = signed(body)
    check_signature("POST", target, headers, body, "aoss")
    wrong = {
        "another method": ("PUT", target, headers, body),
        "another path": ("POST", target.replace("items", "other"), headers, body),
        "another parameter": ("POST", target + "&b=1", headers, body),
        "another body": ("POST", target, headers, b"{}"),
        "another body, with its hash": (
            "POST",
            target,
            headers | {"x-amz-content-sha256": hashlib.sha256(b"{}").hexdigest()},
            b"{}",
        ),
        "another host": ("POST", target, headers | {"host": "evil.example"}, body),
        "another token": ("POST", target, headers | {"x-amz-security-token": "t"}, body),
        "another day": ("POST", target, headers | {"x-amz-date": "20200101T000000Z"}, body),
        "none": ("POST", target, {"host": "h.example"}, body),
    }
    for request in wrong.values():
        with pytest.raises(SignatureError):
            check_signature(*request, "aoss")
    with pytest.raises(SignatureError):
        check_signature("POST", target, headers, body, "es")
