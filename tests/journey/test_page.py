"""Test the HTML pages over HTTP and as Lambda events: their URLs, forms, headers and size."""

import gzip
import json
import random
import re
from itertools import islice
from pathlib import Path
from urllib.parse import urljoin

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from newswire.clock import LAST_INSTANT
from newswire.ingest.backfill import load
from newswire.model import ItemWrite
from newswire.web.pages.forms import SEARCH_FIELDS, clean_query
from tests import factories
from tests.conftest import NOON
from tests.support.hostile import some_request
from tests.support.newsroom import furnish
from tests.support.pages import Page
from tests.support.timeline import timeline_file
from tests.support.transports import GATEWAY_ID, AsEvents, OverHttp, rest_event

PAGES = ("/", "/?q=summit", "/feeds/coast-dispatch", "/items/{item}", "/?from=x", "/feeds/none", "/items/none")
MOST_BYTES = 60_000


@pytest.fixture(params=[OverHttp, AsEvents], ids=["uvicorn", "rest-api-event"])
def api(request, app, server, clock):
    furnish(app, server, clock)
    built = request.param(app)
    yield built
    built.close()


@pytest.fixture
def item(api) -> str:
    return api.ask("/v1/search?size=1").json()["items"][0]["id"]


@pytest.mark.parametrize(
    ("sent", "clean"),
    [
        ("/?q=summit&from=&to=&tz=&sort=", "/?q=summit"),
        ("/?q=", "/"),
        ("/?feed=coast-dispatch&feed=courrier", "/?feed=coast-dispatch,courrier"),
        ("/?feed=coast-dispatch&feed=coast-dispatch&feed=", "/?feed=coast-dispatch"),
        ("/?category=%22Politics%2C+security%22&category=Money", "/?category=%22Politics,+security%22,Money"),
        ("/?q=summit&q=fjords", "/?q=summit+fjords"),
        ("/?from=2024&from=2025-10", "/?from=2025-10"),
        ("/?tz=UTC&tz=Asia/Tokyo&tz=UTC", "/?tz=UTC"),
        ("/?tz=Europe/Brussels&q=%20&utm_source=mail", "/?tz=Europe/Brussels"),
        ("/feeds/coast-dispatch?tz=&size=5", "/feeds/coast-dispatch?size=5"),
        ("/feeds/coast-dispatch?tz=", "/feeds/coast-dispatch"),
        ("/items/{item}?tz=", "/items/{item}"),
    ],
)
def test_form_submission_redirects_to_the_clean_url(api, item, sent: str, clean: str) -> None:
    sent, clean = sent.format(item=item), clean.format(item=item)
    response = api.ask(sent)
    assert response.status == 303
    assert urljoin(sent, response.headers["location"]) == clean
    assert response.headers["cache-control"] == "no-store"
    assert api.ask(clean).status == 200


def test_unknown_parameters_are_ignored(api) -> None:
    assert api.ask("/?q=summit&utm_source=mail&format=rss&facets=no").body == api.ask("/?q=summit").body


values = st.lists(st.sampled_from(["", " ", "a", "b,c", '"x, y"', "-a", "2025"]), max_size=3)


@given(st.dictionaries(st.sampled_from([*SEARCH_FIELDS, "nope", "format"]), values))
def test_clean_url_is_unchanged(sent: dict[str, list[str]]) -> None:
    clean = clean_query(sent, SEARCH_FIELDS)
    again = clean_query({name: [value] for name, value in clean.parameters.items()}, SEARCH_FIELDS)
    assert again.is_clean
    assert again.parameters == clean.parameters
    assert all(value.strip() for value in clean.parameters.values())
    if all(len(sent[name]) == 1 and sent[name][0].strip() for name in sent):
        assert clean.is_clean


@pytest.mark.parametrize("target", [*PAGES, "/nowhere"])
def test_csp_allows_only_our_own_files(api, item, target: str) -> None:
    response = api.ask(target.format(item=item), headers={"Accept": "text/html"})
    policy = response.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert (response.headers["referrer-policy"], response.headers["x-content-type-options"]) == (
        "no-referrer",
        "nosniff",
    )
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert re.fullmatch(f"[0-9a-f]{{32}}|{GATEWAY_ID}", response.headers["x-request-id"])
    Page(response.body)


@pytest.mark.parametrize("target", ["/", "/feeds/coast-dispatch", "/items/{item}", "/feeds/none"])
def test_assets_exist_and_are_cached_as_immutable(api, item, target: str) -> None:
    target = target.format(item=item)
    files = Page(api.ask(target).body).files
    assert [name.rpartition(".")[2] for name in files] == ["svg", "css", "js"]
    for name in files:
        response = api.ask(urljoin(target, name))
        assert (response.status, response.headers["cache-control"]) == (200, "public, max-age=31536000, immutable")
        assert api.ask(urljoin(target, name), headers={"If-None-Match": response.headers["etag"]}).status == 304
    assert api.ask("/assets/style.css").status == 404
    assert api.ask("/assets/render.py").status == 404


@pytest.mark.parametrize(
    "target", ["/?q=summit&sort=oldest&size=5", "/feeds/coast-dispatch?tz=Asia/Tokyo", "/items/{item}"]
)
def test_every_page_offers_its_feeds_newest_first(api, item, target: str) -> None:
    target = target.format(item=item)
    feed_links = [link for link in Page(api.ask(target).body).links if "format=" in link]
    kinds = ("rss", "atom", "jsonfeed")
    offered = [link for form in kinds for link in feed_links if link.endswith(f"format={form}")]
    assert {link.rpartition("=")[2] for link in offered} == set(kinds)
    for link in offered:
        assert "sort=newest" in link
        assert "size=" not in link
        assert api.ask(urljoin(target, link)).status == 200


@pytest.mark.parametrize("target", ["/", "/?q=summit&size=3", "/feeds/coast-dispatch", "/items/{item}"])
def test_every_page_link_works(api, item, target: str) -> None:
    target = target.format(item=item)
    for link in Page(api.ask(target).body).links:
        if link.startswith(("https://", "http://", "#")):
            continue
        assert api.ask(urljoin(target, link)).status == 200, link


def test_unchanged_page_gives_304(api, item, clock) -> None:
    for target in ("/", "/?q=summit", "/feeds/coast-dispatch", f"/items/{item}"):
        response = api.ask(target)
        tag = response.headers["etag"]
        assert tag.startswith('W/"')
        assert response.headers["cache-control"] == "private, no-cache"
        assert api.ask(target, headers={"If-None-Match": tag})[0::2] == (304, b"")
        clock.go(days=400)
        assert api.ask(target, headers={"If-None-Match": tag}).status == 200  # the ages on it have changed
        clock.go(days=-400)


def test_page_and_api_accept_the_same_cursors(api) -> None:
    page = Page(api.ask("/?q=day&size=7").body)
    href = next(link for link in page.links if "cursor=" in link)
    by_api = api.ask(f"/v1/search{href}").json()
    by_page = api.ask(urljoin("/", href)).body.decode()
    assert [item["id"] in by_page for item in by_api["items"]] == [True] * 7
    given = api.ask("/v1/search?q=day&size=7").json()["next"]
    assert api.ask(f"/?q=day&size=7&cursor={given}").body.decode() == by_page


def test_next_cursor_does_not_change_the_etag(api, clock) -> None:
    """The cursor holds the time of the search; the rest of the page stays the same a moment later."""
    for target in ("/", "/feeds/coast-dispatch"):
        response = api.ask(target)
        assert b"cursor=" in response.body
        clock.go(seconds=0.001)
        assert api.ask(target, headers={"If-None-Match": response.headers["etag"]}).status == 304


def test_head_has_no_body(api) -> None:
    response = api.ask("/?q=summit", "HEAD")
    assert (response.status, response.body) == (200, b"")


def test_errors_are_html_for_pages_and_json_for_the_api(api) -> None:
    browser, program = {"Accept": "text/html,*/*;q=0.8"}, {"Accept": "*/*"}
    for target in ("/v1", "/v1/search?q=", "/v1/nowhere", "/v1/feeds/none"):
        assert api.ask(target, headers=browser).headers["content-type"].startswith("application/problem+json")
    assert api.ask("/nowhere", headers=program).json()["code"] == "not_found"
    for target, headers in (("/nowhere", browser), ("/feeds/none", program), ("/items/none", program)):
        response = api.ask(target, headers=headers)
        assert (response.status, response.headers["content-type"]) == (404, "text/html; charset=utf-8")
        assert response.headers["x-request-id"] in response.body.decode()
    assert api.ask("/", "POST").status == 405
    assert api.ask("/", "POST").headers["allow"] == "GET, HEAD"


def test_page_urls_ignore_the_host_header(api) -> None:
    name = "Host" if isinstance(api, AsEvents) else "X-Forwarded-Host"
    body = api.ask("/?q=summit", headers={name: "evil.example"}).body.decode()
    assert "evil.example" not in body
    where = "https://abc123.execute-api.eu-west-1.amazonaws.com/live" if isinstance(api, AsEvents) else api.address
    assert f"curl '{where}/v1/search?q=summit'" in body


@pytest.mark.parametrize(("whole", "top"), [("/live/", "./"), ("/live", "/live/"), ("/", "./")])
def test_links_work_with_and_without_a_trailing_slash(app, server, clock, whole: str, top: str) -> None:
    furnish(app, server, clock)
    event = rest_event("/")
    event["requestContext"]["path"] = whole
    page = Page(AsEvents(app).event(event).body)
    assert all(name.startswith(f"{top}assets/") for name in page.files)
    assert any(link.startswith(f"{top}feeds/") for link in page.links)


def test_facets_and_filters_accept_any_value(api, app) -> None:
    """Commas, quotes and minus signs survive in facet links and in removable filters."""
    names = ['say "so", he said', "-minus", "\\back", "a,b", "<i>&", "ö ü"]
    lines = "".join(
        json.dumps(
            {"title": f"one {n}", "link": f"https://x.example/{n}", "categories": [name], "published": "2025-11-01"}
        )
        + "\n"
        for n, name in enumerate(names)
    )
    file = Path(app.settings.data) / "lines.jsonl"
    file.write_text(lines)
    load(app, [str(file)], "odd")
    body = api.ask("/?feed=odd").body.decode()
    section = body[body.index("facet-category") : body.index('class="subscribe"')]
    links = [link.replace("&amp;", "&") for link in re.findall(r'href="([^"]+)"', section)]
    assert len(links) == len(names)
    for link in links:
        narrowed = api.ask(urljoin("/", link))
        assert b">1 item<" in narrowed.body
        assert narrowed.body.count(b"Remove ") == 2
        assert Page(narrowed.body)


def added(number: int) -> str:
    return f"{number:032x}"


def add(app, *changes: dict, feed: str = "coast-dispatch") -> None:
    """Index items as they are, without cleaning."""
    built = [
        msgspec.structs.replace(factories.item(n), id=added(n), feed=feed, **change) for n, change in enumerate(changes)
    ]
    assert app.engine.index([ItemWrite(value, 99) for value in built], 1).refused == ()
    app.engine.refresh()


def facet_links(body: str) -> list[tuple[str, int]]:
    """Return the URL and the count of every facet value."""
    matches = re.findall(r'<li><a href="([^"]+)"><bdi>.*?</bdi></a> <span class="count">([\d,]+)</span>', body)
    return [(href.replace("&amp;", "&"), int(count.replace(",", ""))) for href, count in matches]


def test_facet_counts_match_their_searches(api, app) -> None:
    add(app, *({"lang": lang, "published": NOON} for lang in ("en", "en-us", "en-gb", "en-us", "fr-ca", "pl")))
    for target in ("/", "/?q=a*+OR+the", "/?feed=-courrier&tz=Asia/Tokyo&from=2025-10"):
        links = facet_links(api.ask(target).body.decode())
        assert len(links) >= 5
        for href, count in links:
            assert f">{count:,} item" in api.ask(urljoin("/", href)).body.decode(), (target, href, count)


def test_unsearchable_values_are_not_links(api, app) -> None:
    add(app, {"categories": ("\u200b", "\u0301", "plain"), "authors": ("\u200b",), "published": NOON})
    for target in ("/", f"/items/{added(0)}"):
        for link in Page(api.ask(target).body).links:
            if "category=" in link or "author=" in link:
                assert api.ask(urljoin(target, link)).status == 200, link


def test_form_offers_other_feeds_and_keeps_unknown_ones(api) -> None:
    body = api.ask("/?feed=courrier").body.decode()
    assert body.count('type="checkbox"') == 3
    assert body.count(" checked") == 1
    unknown = api.ask("/?feed=nope").body.decode()
    assert 'name="feed" value="nope"' in unknown
    assert "None of these feeds is known here" in unknown
    wrong = api.ask("/?feed=courrier&from=x").body.decode()
    assert wrong.count(" checked") == 1


def test_invalid_hidden_filter_is_dropped(api) -> None:
    response = api.ask("/?q=summit&category=%22open&lang=fr")
    assert response.status == 400
    hidden = re.findall(r'<input type="hidden" name="(\w+)"', response.body.decode())
    assert hidden == ["lang"]


def test_page_size_is_at_least_one(api) -> None:
    for target in ("/?size=0", "/feeds/courrier?size=0"):
        response = api.ask(target)
        assert response.status == 400
        assert "1 to 200" in response.body.decode()


def test_list_shows_the_date_it_is_sorted_by(api) -> None:
    body = api.ask("/?date_field=first_seen&sort=newest&size=3").body.decode()
    assert "Date: first seen." in body
    assert body.count("<span>first seen 24 Nov 2025, 09:01</span>") == 3


def test_empty_result_offers_wider_searches(api) -> None:
    target = "/?q=summit+nothingofthekind&from=2025&lang=en"
    body = api.ask(target).body.decode()
    assert ">0 items<" in body
    wider = [link for link in Page(body.encode()).links if "nothingofthekind" in link and "match=any" in link]
    assert wider
    assert ">at any time</a>" in body
    assert "without “Language: en”" in body


def test_warning_names_its_position_in_the_query(api) -> None:
    assert "At “&#34;joint statement”." in api.ask("/?q=summit+%22joint+statement").body.decode()


def test_same_day_link_includes_the_item(api, app) -> None:
    add(app, {"published": 1_763_596_800_000, "published_precision": "day", "title": "A day without a time"})
    for zone in ("UTC", "America/New_York", "Pacific/Auckland"):
        target = f"/items/{added(0)}?tz={zone}"
        body = api.ask(target).body.decode()
        assert "Thursday 20 November 2025, no time of day given" in body
        link = next(link for link in Page(body.encode()).links if "from=2025-11-20" in link)
        assert b"A day without a time" in api.ask(urljoin("/items/x", link)).body


def test_feed_content_cannot_make_a_page_too_long(app) -> None:
    loud = '&"<' * 33_000
    add(
        app,
        *({"title": f"{n} {loud}", "summary": loud, "content": loud, "categories": (loud,)} for n in range(199)),
        {"title": "", "content": '"' * 1_000_000, "authors": tuple(f"{n} {loud[:256]}" for n in range(3_000))},
        feed="loud",
    )
    app.engine.publish([msgspec.structs.replace(factories.feed_status("loud", 1), title=loud, description=loud)])
    api = AsEvents(app)
    for target in (
        "/?size=200",
        "/?size=200&q=amp+OR+lt+OR+1",
        "/feeds/loud?size=200",
        f"/items/{added(0)}",
        f"/items/{added(199)}",
    ):
        response = api.ask(target)
        assert response.status == 200
        assert len(response.body) < 2_000_000, (target, len(response.body))


@pytest.mark.parametrize("value", ["a," * 1_400 + "a", ",".join(f"f{n}" for n in range(500))])
@pytest.mark.parametrize("name", ["category", "feed"])
def test_parameters_cannot_make_a_page_too_long(api, name: str, value: str) -> None:
    response = api.ask(f"/?{name}={value}")
    assert response.status == 200
    assert len(response.body) < 500_000
    assert "more</li>" in response.body.decode()


def test_last_instant_is_shown_and_counted(api, app) -> None:
    add(app, {"updated": LAST_INSTANT, "title": "At the end of time"})
    for target in ("/?date_field=updated", "/?date_field=updated&from=9999"):
        assert "At the end of time" in api.ask(target).body.decode()
    for unit in ("auto", "year", "hour"):
        answer = api.ask(f"/v1/search?date_field=updated&histogram={unit}").json()
        assert sum(value["count"] for value in answer["histogram"]) == answer["total"]["value"] == 1


@pytest.mark.parametrize(
    "target", ["/%0A", "/items/{item}%0A", "/feeds/courrier%0A", "/v1/search%0A?size=1", "/v1/feeds%0A?size=1"]
)
def test_line_end_in_a_path_gives_404(api, item, target: str) -> None:
    assert api.ask(target.format(item=item)).status == 404


def test_url_length_limit_is_the_same_for_events(api) -> None:
    assert api.ask(f"/?feed={','.join(f'nope{n:05d}' for n in range(500))}").status == 200


def test_lone_surrogate_does_not_break_a_response(app) -> None:
    api = AsEvents(app)
    for sent in ({"q": ["\ud800x"]}, {"feed": ["\udfff"], "q": [""]}, {"category": ["\ud800", "a"]}):
        answered = api.answered({**rest_event("/"), "multiValueQueryStringParameters": sent})
        assert answered["statusCode"] in {303, 400}
        json.dumps(answered, ensure_ascii=False).encode()


def test_range_of_all_years_has_no_chart(api) -> None:
    response = api.ask("/?from=0001&to=9999")
    assert response.status == 200
    assert b"<svg" not in response.body


def test_hostile_requests_get_html_pages(api) -> None:
    rng = random.Random(7)
    statuses = set()
    for _ in range(400):
        target, _method, _headers = some_request(rng, [])
        path = rng.choice(["/", "/feeds/coast-dispatch", "/items/x"])
        response = api.ask(path + target[target.index("?") :] if "?" in target else path)
        statuses.add(response.status)
        assert response.status in {200, 303, 400, 404}, target
        assert response.headers["content-type"] == "text/html; charset=utf-8"
        if response.body:
            Page(response.body)
    assert statuses == {200, 303, 400, 404}


def test_page_of_20_real_items_is_below_60_kb(app, shared, tmp_path) -> None:
    some = tmp_path / "some.jsonl"
    with gzip.open(timeline_file(shared).path, "rt") as lines:
        some.write_text("".join(islice(lines, 0, 250_000, 25)))
    load(app, [str(some)], None)
    api = AsEvents(app)
    longest = {}
    for query in (
        "",
        "?q=nato",
        "?q=the",
        "?q=russia+OR+ukraine&tz=Europe/Brussels&sort=oldest",
        "?q=a*&match=any",
        "?lang=pl",
        "?from=2023-03&to=2023-04&q=%22prime+minister%22+OR+president",
    ):
        response = api.ask(f"/{query}")
        assert response.body.count(b"<h3") == 20
        longest[query] = len(response.body)
    assert max(longest.values()) < MOST_BYTES, longest
