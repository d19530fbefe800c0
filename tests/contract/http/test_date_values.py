"""Test docs/api.md: date values."""

import pytest

from newswire.app import App
from newswire.model import ItemWrite
from tests.conftest import NOON
from tests.contract.http.asking import found, titles, wrong
from tests.contract.http.contract import contract
from tests.contract.http.library import ITEMS, item
from tests.support.transports import AsEvents


@contract.covers("D5", "D6", "D7", "D8", "D9", "D10", "D13", "D14", "D18")
@pytest.mark.parametrize(
    ("sent", "start", "end"),
    [
        ({"from": "2025", "to": "2025"}, "2025-01-01T00:00:00Z", "2026-01-01T00:00:00Z"),
        ({"from": "2025-05-26", "to": "2025-W22"}, "2025-05-26T00:00:00Z", "2025-06-02T00:00:00Z"),
        ({"from": "2025-05-26T12:00", "to": "2025-05-26T12:00:00Z"}, "2025-05-26T12:00:00Z", "2025-05-26T12:00:01Z"),
        ({"from": "2025-05-26T12:00:30.5", "to": "2025-05-26T12:00:30.5"}, "2025-05-26T12:00:30.500Z", "2025-05-26T12:00:30.600Z"),
        ({"from": "2025-05-26T12:00+02:00"}, "2025-05-26T10:00:00Z", None),
        ({"from": "2025-05-26T12:00 02:00"}, "2025-05-26T10:00:00Z", None),
        ({"from": "2025-05-26T12:00", "tz": "America/New_York"}, "2025-05-26T16:00:00Z", None),
        ({"from": "today", "to": "today"}, "2025-11-24T00:00:00Z", "2025-11-25T00:00:00Z"),
        ({"from": "yesterday", "to": "yesterday", "tz": "Europe/Brussels"}, "2025-11-22T23:00:00Z", "2025-11-23T23:00:00Z"),
        ({"from": "P7D", "to": "now"}, "2025-11-17T12:00:00Z", "2025-11-24T12:00:00Z"),
        ({"from": "now-7d"}, "2025-11-17T12:00:00Z", None),
        ({"from": "PT36H"}, "2025-11-23T00:00:00Z", None),
        ({"from": "P1M"}, "2025-10-24T12:00:00Z", None),
        ({"from": "now-1M", "tz": "Europe/Brussels"}, "2025-10-24T11:00:00Z", None),
        ({"from": "P1Y2M"}, "2024-09-24T12:00:00Z", None),
        ({"from": "0001", "to": "9999"}, "0001-01-01T00:00:00Z", None),
    ],
)  # fmt: skip
def test_date_values_are_resolved_and_echoed(api, sent: dict, start: str | None, end: str | None) -> None:
    echo = found(api, **sent)["query"]
    assert (echo["from"], echo["to"]) == (start, end)


@contract.covers("D1", "D2", "D3", "D4")
def test_to_includes_its_whole_period(api) -> None:
    assert titles(api, from_="2025-05-26", to="2025-05-26") == {"Baltic"}
    assert found(api, from_="2025-05", to="2025-05")["total"]["value"] == 3
    assert titles(api, from_="2025-05-26T12:00:00Z", to="2025-05-26T12:00:00Z") == {"Baltic"}


@contract.covers("D11")
def test_instants_are_inclusive_from_and_exclusive_to(events, app) -> None:
    app.engine.index([ItemWrite(item("noon", published="2025-11-24T12:00"), 1)], 1)
    app.engine.index([ItemWrite(item("week", published="2025-11-17T12:00"), 1)], 1)
    assert titles(events, from_="now") == {"noon"}
    assert titles(events, to="now") == {"week"}
    assert titles(events, from_="P7D") == {"noon", "week"}
    assert titles(events, to="P7D") == set()


@contract.covers("D12", "D16")
def test_a_request_reads_the_clock_once(app) -> None:
    ticks = iter(range(NOON, NOON + 1000))
    moving = App(app.settings, clock=lambda: next(ticks), engine=app.engine)
    assert wrong(AsEvents(moving), from_="now", to="now") == [("to", "conflict")]


@contract.covers("D17", "D18")
def test_years_are_1_to_9999(api) -> None:
    assert found(api, from_="0001", to="9999")["total"]["value"] == len(ITEMS)
    assert found(api, from_="0001-01-01T00:00+14:00", to="9999")["query"]["from"] is None
    for year in ("0000", "10000"):
        assert wrong(api, from_=year) == [("from", "invalid_value")]


@contract.covers("D20")
def test_precision_is_one_millisecond(api) -> None:
    last = "2024-12-31T23:59:59.999"
    assert found(api, from_=last, to=last)["total"]["value"] == 1
    assert found(api, from_="2024-12-31T23:59:59.998", to="2024-12-31T23:59:59.998")["total"]["value"] == 0
    assert wrong(api, from_="2024-12-31T23:59:59.9990") == [("from", "invalid_value")]
