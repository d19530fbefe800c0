"""Test docs/api.md: the answer of a search."""

import re

import msgspec
import pytest

from newswire.app import App
from newswire.clock import DAY
from newswire.feed_status import NOT_POLLED
from newswire.model import Enclosure, Gap, ItemWrite
from newswire.search.cursor import MAX_CURSOR_CHARACTERS, read_cursor
from tests.conftest import NOON
from tests.contract.http.asking import found, target, wrong
from tests.contract.http.contract import contract
from tests.contract.http.library import ITEMS, at, item, status
from tests.support.present import present
from tests.support.transports import AsEvents


@contract.covers("A1", "A2")
def test_total_is_exact_past_10_000(events, app) -> None:
    app.engine.index([ItemWrite(item(f"one n{n}", published="2025-01-01T00:00"), 1) for n in range(12_345)], 1)
    assert found(events, q="one OR n1", size=0)["total"] == {"value": 12_345, "exact": True}
    more: dict[str, str] = {}
    ids: set[str] = set()
    while True:
        answer = found(events, size=200, fields="id", **more)
        assert answer["total"]["value"] == 12_345
        ids |= {item["id"] for item in answer["items"]}
        if answer["next"] is None:
            break
        more = {"cursor": answer["next"]}
    assert len(ids) == 12_345


@contract.covers("A3")
def test_counts_cover_all_pages(api) -> None:
    first = found(api, size=1, facets="feed", histogram="year")
    whole = found(api, size=200, facets="feed", histogram="year")
    assert first["facets"] == whole["facets"]
    assert first["histogram"] == whole["histogram"]
    later = found(api, size=1, facets="feed", histogram="year", cursor=first["next"])
    assert later["facets"] == whole["facets"]


@contract.covers("A4", "A5", "A6", "A7", "A8", "A51")
def test_facet_is_ordered_and_complete(api) -> None:
    facet = found(api, facets="category:2")["facets"]["category"]
    assert facet == {
        "values": [{"value": "Air", "count": 2}, {"value": "-dash", "count": 1}],
        "other": 3,
        "missing": 7,
        "exact": True,
    }


@contract.covers("A9", "A10", "A11", "A12", "A13")
def test_buckets_are_contiguous_and_add_up(api) -> None:
    for sent in ({"from_": "2025-10-26", "to": "2025-10-26", "tz": "Europe/Brussels", "histogram": "hour"},
                 {"from_": "2025-03-30", "to": "2025-03-30", "tz": "Europe/Brussels", "histogram": "hour"},
                 {"histogram": "month"}, {"histogram": "day", "from_": "2025"}, {"histogram": "week", "to": "2025-05"}):  # fmt: skip
        answer = found(api, size=0, **sent)
        buckets = answer["histogram"]
        assert [bucket["to"] for bucket in buckets[:-1]] == [bucket["from"] for bucket in buckets[1:]]
        assert sum(bucket["count"] for bucket in buckets) == answer["total"]["value"]
        if "from_" in sent:
            assert buckets[0]["from"] == answer["query"]["from"]
        if "to" in sent:
            assert buckets[-1]["to"] == answer["query"]["to"]
        if sent["histogram"] == "hour":
            assert len(buckets) == (25 if "10" in sent["from_"] else 23)
    unbounded = found(api, histogram="month", size=0)["histogram"]
    assert (unbounded[0]["from"], unbounded[-1]["to"]) == ("2024-02-01T00:00:00Z", "2025-11-01T00:00:00Z")
    assert {value["count"] for value in unbounded} >= {0}
    refused = api.ask(target(histogram="day", from_="2020", to="2025")).json()["errors"][0]
    assert (refused["param"], refused["code"]) == ("histogram", "out_of_range")
    assert "week" in refused["allowed"]
    assert found(api, q="nothing", histogram="day")["histogram"] == []


@contract.covers("A14")
def test_auto_takes_the_finest_unit_that_fits(api) -> None:
    assert len(found(api, histogram="auto", from_="2025-05-01", to="2025-05-04")["histogram"]) == 96
    assert len(found(api, histogram="auto", from_="2025-05-01", to="2025-05-05")["histogram"]) == 5
    assert len(found(api, histogram="auto")["histogram"]) == len(found(api, histogram="week")["histogram"])


@contract.covers("A15", "A16", "A17")
def test_link_header_is_the_same_as_next(api) -> None:
    response = api.ask(target(q="air OR drill", size=1, category="-Ä,-ö"))
    link = present(re.fullmatch(r'<[^>]*?(/v1/search\?[^>]+)>; rel="next"', response.headers["link"]))[1]
    assert f"cursor={response.json()['next']}" in link
    second = api.ask(link).json()
    assert second["items"][0]["id"] != response.json()["items"][0]["id"]
    assert second["query"]["category"] == ["-Ä", "-ö"]
    last = api.ask("/v1/search?size=200")
    assert last.json()["next"] is None
    assert "link" not in last.headers
    long = api.ask(target(size=1, feed=",".join(f"-x{n:04d}" for n in range(400))))
    assert long.json()["next"]
    assert "link" not in long.headers


@contract.covers("A18", "A19", "A20")
def test_cursor_belongs_to_its_query(api) -> None:
    sent = {"q": "air OR drill", "sort": "newest", "from_": "2024", "tz": "Europe/Brussels"}
    cursor = found(api, size=1, **sent)["next"]
    free = {"size": 2, "fields": "title", "highlight": "title", "facets": "feed", "histogram": "year", "format": "json"}
    assert len(found(api, cursor=cursor, **sent, **free)["items"]) == 2
    for change in ({"q": "air"}, {"sort": "oldest"}, {"from_": "2023"}, {"tz": "UTC"}, {"feed": "beta"}, {"to": "2030"},
                   {"match": "any"}, {"date_field": "changed"}, {"lang": "en"}, {"category": "x"}, {"author": "x"}):  # fmt: skip
        assert wrong(api, cursor=cursor, **(sent | change)) == [("cursor", "cursor_mismatch")], change


@contract.covers("A21", "A22", "A23")
def test_forged_cursor_only_moves_the_start(api) -> None:
    import base64

    from newswire.engines.query import Position
    from newswire.search.cursor import write_cursor

    cursor = found(api, q="secretword OR air", size=1, sort="newest")["next"]
    assert len(cursor) <= MAX_CURSOR_CHARACTERS
    assert b"secretword" not in base64.urlsafe_b64decode(cursor + "===")
    read = present(read_cursor(cursor))
    for position in (Position(at("2025-05-27T08:00"), 0), Position(0, 5), Position(at("2030-01-01"), 1 << 59)):
        forged = write_cursor(read.fingerprint, position, read.now, b"")
        items = found(api, q="secretword OR air", size=50, sort="newest", cursor=forged)["items"]
        assert {item["title"].split()[0] for item in items} <= {"Air"}


@contract.covers("A24")
def test_cursor_works_in_another_process(api, library) -> None:
    cursor = found(api, size=3, sort="newest")["next"]
    other = App(
        msgspec.structs.replace(library.settings, recency_weight=2.0, stale_grace_seconds=1), clock=lambda: NOON + DAY
    )
    try:
        again = found(AsEvents(other), size=3, sort="newest", cursor=cursor)
    finally:
        other.close()
    assert [item["id"] for item in again["items"]] == [
        item["id"] for item in found(api, size=3, sort="newest", cursor=cursor)["items"]
    ]


@contract.covers("A25", "A26", "A27")
@pytest.mark.parametrize("sort", ["newest", "oldest"])
def test_pages_by_date_give_every_item_once(events, app, sort: str) -> None:
    app.engine.index([ItemWrite(item(f"n{n}"), 1) for n in range(25_000)], 1)
    added = 0
    more: dict[str, str] = {}
    ids: list[str] = []
    while True:
        answer = found(events, size=200, fields="id", sort=sort, **more)
        ids += [item["id"] for item in answer["items"]]
        if answer["next"] is None:
            break
        more = {"cursor": answer["next"]}
        if len(ids) % 5000 == 0:
            added += 1
            app.engine.index(
                [
                    *(
                        ItemWrite(item(f"added{added}-{k}", published=p), 1)
                        for k in range(5)
                        for p in ("2025-05-26T12:00", "2030-01-01")
                    ),
                    *(ItemWrite(item(f"n{n}", summary="edited"), 1 + added) for n in range(added, 25_000, 5000)),
                ],
                1,
            )
    assert len(ids) == len(set(ids))
    assert {item(f"n{n}").id for n in range(25_000)} <= set(ids)


@contract.covers("A28", "A29", "A30", "A31")
def test_relevance_warns_of_its_depth_and_of_changes(events, app) -> None:
    app.engine.index([ItemWrite(item(f"word n{n}", summary="word " * (n % 7)), 1) for n in range(10_300)], 1)
    more: dict[str, str] = {}
    ids: list[str] = []
    while True:
        answer = found(events, q="word", size=200, fields="id", **more)
        ids += [item["id"] for item in answer["items"]]
        if answer["next"] is None:
            break
        assert answer["warnings"] == []
        more = {"cursor": answer["next"]}
    assert len(ids) == len(set(ids)) == 10_000
    assert [warning["code"] for warning in answer["warnings"]] == ["relevance_depth"]
    first = found(events, q="word", size=1)
    app.engine.index([ItemWrite(item("word anew"), 1)], 1)
    second = found(events, q="word", size=1, cursor=first["next"])
    assert [warning["code"] for warning in second["warnings"]] == ["order_changed"]
    third = found(events, q="word", size=1, cursor=second["next"])
    assert [warning["code"] for warning in third["warnings"]] == ["order_changed"]


@contract.covers("A32", "A33")
def test_score_is_null_without_scored_words(api) -> None:
    scores = [item["score"] for item in found(api, q="air OR drill OR tank")["items"]]
    assert scores == sorted(scores, reverse=True)
    assert all(score > 0 for score in scores)
    assert {item["score"] for item in found(api, q="air", sort="newest")["items"]} == {None}
    assert {item["score"] for item in found(api)["items"]} == {None}


@contract.covers("A34", "A35")
def test_age_has_two_units(events, app) -> None:
    for number, (published, age) in enumerate(
        [
            ("2025-11-24T09:01", "2 hours 59 minutes"),
            ("2025-10-27T12:00", "4 weeks"),
            ("2025-10-18T12:00", "1 month 1 week"),
        ]
    ):
        app.engine.index([ItemWrite(item(f"a{number}", published=published), 1)], 1)
        assert found(events, q=f"a{number}")["items"][0]["age"] == age


@contract.covers("A36", "A37", "A38", "A39", "A40")
def test_highlights_mark_the_matches(api) -> None:
    assert found(api, q="siauliai", highlight="title,summary")["items"][0]["highlights"] == {
        "summary": "Ships train near <mark>Šiauliai</mark> &amp; Klaipėda."
    }
    marked = found(api, q='"air policing" exercise -tank', highlight="title,summary")["items"][0]["highlights"]
    assert marked == {
        "title": "<mark>Air policing</mark> over Iceland",
        "summary": "A show of <mark>exercises</mark> in the air",
    }
    content = found(api, q="submarine", highlight="content")["items"][0]["highlights"]["content"]
    assert "Deep inside stands a <mark>submarine</mark>." in content
    assert content.startswith("…")
    assert content.endswith("…")
    assert len(re.sub("</?mark>", "", content)) <= 300


@contract.covers("A41")
def test_coverage_describes_the_filtered_feeds(api) -> None:
    whole = found(api)["coverage"]
    assert (whole["feeds"], whole["ok"], whole["not_ok_count"]) == (5, 3, 2)
    assert {feed["feed"]: feed["state"] for feed in whole["not_ok"]} == {"delta": "failing", "gamma": "stale"}
    assert whole["oldest_success"] == "2025-11-21T12:00:00Z"
    one = found(api, feed="alpha")["coverage"]
    assert (one["feeds"], one["ok"], one["not_ok_count"], one["gap_count"]) == (1, 1, 0, 0)
    assert found(api, feed="-delta,-gamma")["coverage"]["ok"] == 3
    assert found(api, feed="none")["coverage"]["feeds"] == 0


@contract.covers("A41", "A44", "A45")
def test_gaps_are_those_that_meet_the_range(api) -> None:
    gaps = {item["feed"]: item for item in found(api)["coverage"]["gaps"]}
    assert gaps["beta"] == {"feed": "beta", "from": "2025-05-01T00:00:00Z", "to": "2025-05-02T00:00:00Z"}
    assert gaps["delta"] == {"feed": "delta", "from": "2025-11-21T12:00:00Z", "to": None}
    for sent, count in (
        ({"from_": "2025-05-01", "to": "2025-05-01"}, 1),
        ({"from_": "2025-05-02", "to": "2025-05-02"}, 0),
        ({"to": "2025-04-30"}, 0),
        ({"from_": "2025-11-22"}, 2),
        ({"feed": "beta"}, 1),
    ):
        assert found(api, **sent)["coverage"]["gap_count"] == count, sent


@contract.covers("A46", "A47")
def test_coverage_lists_20_and_counts_all(events, app) -> None:
    day = at("2025-05-01")
    app.engine.publish(
        [
            *(status(f"f{n:02d}", paused="stopped") for n in range(30)),
            status("gappy", gaps=tuple(Gap(day + n * DAY, day + n * DAY + 1) for n in range(25))),
        ]
    )
    coverage = found(events)["coverage"]
    assert (coverage["not_ok_count"], len(coverage["not_ok"])) == (30, 20)
    assert (coverage["gap_count"], len(coverage["gaps"])) == (25, 20)


@contract.covers("A56", "A57")
def test_feed_that_was_only_loaded_is_archived(events, app) -> None:
    before = found(events)["coverage"]
    app.engine.publish([status("loaded", paused=NOT_POLLED, last_success=None, next_check=None)])
    coverage = found(events)["coverage"]
    assert (coverage["feeds"], coverage["archived"]) == (before["feeds"] + 1, 1)
    assert (coverage["ok"], coverage["not_ok"]) == (before["ok"], before["not_ok"])
    assert found(events, feed="loaded")["coverage"]["not_ok_count"] == 0
    assert events.ask("/v1/feeds?state=archive").json()["feeds"][0]["id"] == "loaded"


@contract.covers("A58", "P23")
def test_coverage_is_told_in_lists_in_counts_or_not(api) -> None:
    full, counts = found(api, coverage="full")["coverage"], found(api, coverage="counts")["coverage"]
    assert full == found(api)["coverage"]
    assert counts == {name: value for name, value in full.items() if name not in {"not_ok", "gaps"}}
    assert "coverage" not in found(api, coverage="none")
    first = found(api, size=2, coverage="none")
    assert len(found(api, size=2, coverage="counts", cursor=first["next"])["items"]) == 2, (
        "it may change from page to page"
    )
    (problem,) = api.ask("/v1/search?coverage=some").json()["errors"]
    assert (problem["param"], problem["allowed"]) == ("coverage", "full, counts, none")
    assert api.ask("/v1/search?coverage=none&format=csv").status == 400, "a table has no coverage"


@contract.covers("A54", "A55")
def test_answer_says_that_the_index_is_made_anew(events, app) -> None:
    app.engine.index([ItemWrite(ITEMS[0], 1)], 1)
    app.engine.publish([status(ITEMS[0].feed, indexed=3)])
    assert found(events, coverage="none")["total"]["exact"] is False
    answer = found(events)
    assert (answer["total"], answer["coverage"]["rebuilding"]) == ({"value": 1, "exact": False}, True)
    (warning,) = answer["warnings"]
    assert (warning["code"], "2 items" in warning["detail"]) == ("rebuilding", True)
    app.engine.publish([status(ITEMS[0].feed, indexed=1)])
    answer = found(events)
    assert (answer["total"], answer["warnings"]) == ({"value": 1, "exact": True}, [])
    assert "rebuilding" not in answer["coverage"]


@contract.covers("A42", "A43")
def test_empty_answer_with_full_coverage_means_nothing(api) -> None:
    def coverage(feed: str) -> tuple[int, int, int]:
        answer = found(api, feed=feed, q="nothingofthekind")
        assert answer["items"] == []
        return tuple(answer["coverage"][name] for name in ("ok", "not_ok_count", "gap_count"))

    assert coverage("alpha") == (1, 0, 0)
    assert coverage("beta") == (1, 0, 1)
    assert coverage("delta") == (0, 1, 1)


@contract.covers("A48")
def test_matches_are_looked_for_in_the_start_of_long_texts(app) -> None:
    text = "word " * 40_000
    late = item("Late", content=f"{text[:150_000]}submarine")
    early = item("Early", content=f"{text[:50_000]}submarine {text[:100_000]}")
    app.engine.index([ItemWrite(late, 1), ItemWrite(early, 1)], 1)
    answer = AsEvents(app).ask("/v1/search?q=submarine&highlight=content").json()
    marked = {hit["title"]: hit["highlights"] for hit in answer["items"]}
    assert marked["Late"] == {}
    assert "<mark>submarine</mark>" in marked["Early"]["content"]
    many = [item(f"n{number}", content=f"{text[:9_000]}torpedo {text[:90_000]}") for number in range(150)]
    app.engine.index([ItemWrite(each, 1) for each in many], 1)
    answer = AsEvents(app).ask("/v1/search?q=torpedo&highlight=content&size=50&fields=title").json()
    assert all("torpedo" in hit["highlights"]["content"] for hit in answer["items"])
    answer = AsEvents(app).ask("/v1/search?q=torpedo&highlight=content&size=150&fields=title").json()
    assert all(hit["highlights"] == {} for hit in answer["items"]), "500,000 characters are 3,333 for each of 150 items"


@contract.covers("A49")
def test_cut_names_the_fields_that_were_longer(app) -> None:
    app.engine.index([ItemWrite(item("Long", cut=("content", "authors")), 1), ItemWrite(item("Short"), 1)], 1)
    api = AsEvents(app)
    answer = api.ask("/v1/search?sort=newest").json()
    assert {hit["title"]: hit["cut"] for hit in answer["items"]} == {"Long": ["content", "authors"], "Short": []}
    assert b"content, authors" in api.ask(f"/items/{item('Long').id}").body


@contract.covers("A52", "A53")
def test_picture_and_files_of_an_item_are_shown(app) -> None:
    files = (Enclosure("https://a.example/1.mp3", "audio/mpeg", 4096), Enclosure("https://a.example/2"))
    story = item("With files", image="https://a.example/p.jpg", enclosures=files)
    app.engine.index([ItemWrite(story, 1), ItemWrite(item("Without"), 1)], 1)
    api = AsEvents(app)
    shown = {hit["title"]: (hit["image"], hit["enclosures"]) for hit in api.ask("/v1/search").json()["items"]}
    assert shown == {
        "With files": (
            "https://a.example/p.jpg",
            [
                {"url": "https://a.example/1.mp3", "type": "audio/mpeg", "length": 4096},
                {"url": "https://a.example/2", "type": "", "length": None},
            ],
        ),
        "Without": (None, []),
    }
    page = api.ask(f"/items/{story.id}").body.decode()
    assert '<a href="https://a.example/p.jpg" rel="noopener noreferrer">p.jpg</a>' in page
    assert "https://a.example/1.mp3; https://a.example/2" in api.ask("/v1/search?format=csv").body.decode()


@contract.covers("A50")
def test_item_that_cannot_be_shown_is_left_out_with_a_warning(app, monkeypatch, caplog) -> None:
    good, bad = item("Good"), item("Bad")
    app.engine.index([ItemWrite(good, 1), ItemWrite(bad, 1)], 1)
    search, get = app.engine.search, app.engine.get
    broken = msgspec.structs.replace(bad, updated=400_000_000_000_000)

    def search_broken(query):
        page = search(query)
        hits = tuple(msgspec.structs.replace(hit, item=broken) if hit.item.id == bad.id else hit for hit in page.hits)
        return msgspec.structs.replace(page, hits=hits)

    monkeypatch.setattr(app.engine, "search", search_broken)
    monkeypatch.setattr(
        app.engine, "get", lambda ids: {id_: broken if id_ == bad.id else got for id_, got in get(ids).items()}
    )
    api = AsEvents(app)
    for form in ("", "&format=rss", "&format=atom", "&format=jsonfeed", "&format=csv", "&format=ndjson"):
        response = api.ask(f"/v1/search?sort=newest{form}")
        assert (response.status, b"Good" in response.body, b"Bad" in response.body) == (200, True, False), form
    (warning,) = api.ask("/v1/search?sort=newest").json()["warnings"]
    assert warning["code"] == "item_left_out"
    assert bad.id in warning["detail"]
    assert "OverflowError" in caplog.text
    assert api.ask("/").status == 200
    assert api.ask(f"/v1/items/{bad.id}").status == 404
    assert api.ask(f"/items/{bad.id}").status == 404
    assert api.ask(f"/v1/items?ids={bad.id},{good.id}").json()["not_found"] == [bad.id]
