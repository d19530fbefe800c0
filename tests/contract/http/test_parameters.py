"""Test docs/api.md: the parameters of a search."""

from datetime import datetime

import pytest

from tests.contract.http.asking import found, titles
from tests.contract.http.contract import contract
from tests.contract.http.library import ITEMS


@contract.covers("P1")
def test_without_q_every_item_is_found(api) -> None:
    assert titles(api, q="iceland") == {"Air"}
    assert found(api)["total"]["value"] == len(ITEMS)
    assert found(api, q="x" * 1000)["total"]["value"] == 0


@contract.covers("P2", "P19")
def test_match_any_ranks_more_and_rarer_words_higher(api) -> None:
    assert titles(api, q="tank baltic") == set()
    answer = found(api, q="cancelled drill air", match="any")
    assert answer["items"][0]["title"] == "Tank drill cancelled"
    assert {item["title"].split()[0] for item in answer["items"]} == {"Tank", "Air"}
    assert answer["query"]["understood"] == "cancelled OR drill OR air"
    assert titles(api, q="tank baltic -drill", match="any") == {"Baltic"}


@contract.covers("P3", "P15", "D2", "D4", "D5")
def test_from_and_to_are_each_optional(api) -> None:
    assert titles(api, from_="2025-10") == {"Η", "北京の空港"}
    assert titles(api, to="2024-02") == {"F-16"}
    assert titles(api, from_="2025-05-26", to="2025-05-26") == {"Baltic"}
    echo = found(api, from_="2025-05", to="2025-05", tz="Europe/Brussels")["query"]
    assert (echo["from"], echo["to"], echo["tz"]) == ("2025-04-30T22:00:00Z", "2025-05-31T22:00:00Z", "Europe/Brussels")


@contract.covers("P4")
def test_tz_applies_to_local_dates_and_buckets(api) -> None:
    may = {"from_": "2025-05-31", "to": "2025-05-31"}
    assert titles(api, **may) == {"Air"}
    assert titles(api, tz="Europe/Brussels", **may) == set()
    assert titles(api, tz="Europe/Brussels", from_="2025-06-01", to="2025-06-01") == {"Air", "Tank"}
    first = found(api, tz="Asia/Kolkata", histogram="month", from_="2025-05")["histogram"][0]
    assert first["from"] == "2025-04-30T18:30:00Z"


@contract.covers("P5", "P20", "P21")
def test_date_field_chooses_the_date(api) -> None:
    assert titles(api, date_field="updated") == {"Tank"}
    assert titles(api, date_field="updated", from_="2025-06-02", to="2025-06-02") == {"Tank"}
    assert titles(api, date_field="changed", from_="2025-05-26T13:00", to="2025-05-26T13:00") == {"Baltic"}
    assert titles(api, date_field="first_seen", from_="2025-05-26T12:00", to="2025-05-26T12:00") == set()


@contract.covers("P7")
def test_default_sort_is_relevance_with_words_else_newest(api) -> None:
    assert found(api, q="air")["query"]["sort"] == "relevance"
    for parameters in ({}, {"q": "-air"}, {"q": "feed:alpha"}, {"q": "..."}):
        assert found(api, **parameters)["query"]["sort"] == "newest"
    dates = [item["published"] for item in found(api, size=50)["items"]]
    assert dates == sorted(dates, reverse=True)
    assert [item["published"] for item in found(api, size=50, sort="oldest")["items"]] == dates[::-1]
    assert found(api, q="drill", sort="newest")["items"][0]["title"].startswith("Tank")


@contract.covers("P8")
def test_size_is_the_number_of_items(api) -> None:
    assert len(found(api, size=0)["items"]) == 0
    assert found(api, size=0)["total"]["value"] == len(ITEMS)
    assert found(api, size=0)["next"] is None
    assert len(found(api, size=3)["items"]) == 3
    assert len(found(api)["items"]) == len(ITEMS)


@contract.covers("P9")
def test_cursor_continues_where_the_page_ended(api) -> None:
    for sent in ({"sort": "newest"}, {"sort": "oldest"}, {"q": "air OR drill OR exercise", "sort": "relevance"}):
        whole = [item["id"] for item in found(api, size=50, **sent)["items"]]
        ids: list[str] = []
        more: dict[str, str] = {}
        while True:
            answer = found(api, size=2, **sent, **more)
            ids += [item["id"] for item in answer["items"]]
            if answer["next"] is None:
                break
            more = {"cursor": answer["next"]}
        assert ids == whole


@contract.covers("P10")
def test_fields_chooses_the_fields_of_an_item(api) -> None:
    assert "content" not in found(api)["items"][0]
    assert set(found(api, fields="title")["items"][0]) == {"id", "title"}
    assert set(found(api, fields="content,age, score")["items"][0]) == {"id", "content", "age", "score"}
    whole = found(api, fields="id,content", q="submarine")["items"][0]["content"]
    assert "Deep inside stands a submarine." in whole


@contract.covers("P11")
def test_highlight_is_off_by_default(api) -> None:
    assert "highlights" not in found(api, q="baltic")["items"][0]
    assert found(api, q="baltic", highlight="title")["items"][0]["highlights"] == {
        "title": "<mark>Baltic</mark> exercise begins"
    }
    assert found(api, highlight="title")["items"][0]["highlights"] == {}


@contract.covers("P12")
def test_facets_count_values(api) -> None:
    facets = found(api, facets="feed,lang:1,category,author")["facets"]
    assert [value["value"] for value in facets["feed"]["values"]] == ["delta", "beta", "gamma", "-odd", "alpha"]
    assert facets["lang"]["values"] == [{"value": "en", "count": 4}]
    assert facets["author"]["missing"] == len(ITEMS) - 1


@contract.covers("P13", "P22")
@pytest.mark.parametrize("unit", ["year", "month", "week", "day", "hour", "auto"])
def test_histogram_counts_by_date(api, unit: str) -> None:
    answer = found(api, histogram=unit, from_="2025-05-20", to="2025-06-05", size=0)
    assert sum(value["count"] for value in answer["histogram"]) == answer["total"]["value"] == 4
    if unit == "week":
        assert all(datetime.fromisoformat(value["from"]).weekday() == 0 for value in answer["histogram"][1:])


@contract.covers("R1", "P14")
def test_default_format_is_json(api) -> None:
    assert api.ask("/v1/search?format=json").headers["content-type"] == "application/json; charset=utf-8"
