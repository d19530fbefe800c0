"""The search function: responses, log lines and metrics for the events in `events/`."""

import json

import pytest

from newswire.handlers.search import SearchFunction
from newswire.ingest.backfill import load
from tests.conftest import ROOT
from tests.support.deployment import Context, event

STATUS = {
    "search": 200,
    "search-everything": 200,
    "search-bad-parameters": 400,
    "items": 200,
    "feeds": 200,
    "feed": 404,
    "status": 200,
    "openapi": 200,
    "page": 200,
    "page-form": 303,
    "page-feed": 404,
    "search-rss": 200,
    "not-found": 404,
    "not-allowed": 405,
}


@pytest.fixture
def function(app, tmp_path):
    lines = tmp_path / "lines.jsonl"
    lines.write_text(json.dumps({"title": "Summit", "link": "https://x.example/1", "published": "2025-11-20"}) + "\n")
    load(app, [str(lines)], "lines")
    return SearchFunction(app.settings, app.engine)


def test_every_event_file_is_tested() -> None:
    assert {path.stem for path in (ROOT / "events").glob("*.json")} == {*STATUS, "schedule", "queue-batch"}


@pytest.mark.parametrize("name", STATUS)
def test_each_event_is_answered(function, name: str) -> None:
    response = function.handle(event(name), Context())
    assert response["statusCode"] == STATUS[name]
    json.dumps(response)
    if name in {"search", "search-everything"}:
        assert json.loads(response["body"])["total"]["value"] == 1


@pytest.mark.parametrize(
    "rubbish", [{}, {"path": None}, {"requestContext": None}, {"httpMethod": 3, "path": "/v1/search"}]
)
def test_malformed_events_do_not_raise(function, rubbish: dict) -> None:
    assert function.handle(rubbish, Context())["statusCode"] in {200, 404, 405, 500}


def test_log_line_and_metrics_report_the_request(function, capsys, logged) -> None:
    logged.attach()
    function.handle(event("search"), Context())
    metrics = next(json.loads(line) for line in capsys.readouterr().out.splitlines() if "_aws" in line)
    assert metrics["AnswerTime"][0] > metrics["QueryTime"][0] > 0
    assert metrics["Results"] == [1.0]
    entry = next(line for line in logged() if line["message"] == "answer")
    assert (entry["path"], entry["status"]) == ("/v1/search", 200)
    assert entry["gateway_request_id"] == "c6af9ac6-7b61-11e6-9a41-93e8deadbeef"
