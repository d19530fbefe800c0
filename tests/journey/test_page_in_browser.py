"""Test the pages in a real browser: mouse, keyboard, small screens, both themes and no JavaScript."""

import json
import re
from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import msgspec
import pytest

from tests.support.browser import Reading
from tests.support.newsroom import ITEMS, furnish
from tests.support.seed import in_order, publish_seed, seed_lines
from tests.support.transports import OverHttp

THEMES = ("light", "dark")


@pytest.fixture
def served(app, server, clock) -> Iterator[OverHttp]:
    furnish(app, server, clock)
    built = OverHttp(app)
    yield built
    built.close()


@pytest.fixture
def read(chromium, served) -> Iterator[object]:
    """Yield a function that opens windows; fail at the end if anything went wrong in one."""
    opened: list[Reading] = []

    def window(base: str = "", **options: object) -> Reading:
        opened.append(Reading(chromium, base or served.address, **options))
        return opened[-1]

    yield window
    for part in opened:
        part.close()


def asked(page) -> dict[str, str]:
    """Return the parameters in the URL of the page."""
    return {name: values[0] for name, values in parse_qs(urlsplit(page.url).query).items()}


def counted(page) -> int:
    return int(page.locator("#total").inner_text().split()[0].replace(",", ""))


def titles(page) -> list[str]:
    return page.locator(".news h3").all_inner_texts()


def test_search_url_can_be_shared(read, served) -> None:
    page = read().open("/")
    page.get_by_label("Search the news").fill("exercise -norvège")
    page.get_by_label("From", exact=True).fill("2025-10")
    page.get_by_role("button", name="Search").click()
    assert asked(page) == {"q": "exercise -norvège", "from": "2025-10"}  # empty fields are left out
    answer = served.ask("/v1/search?q=exercise+-norv%C3%A8ge&from=2025-10").json()
    assert counted(page) == answer["total"]["value"] > 0
    assert titles(page) == [item["title"] for item in answer["items"]]
    assert page.locator(".news mark").first.inner_text() == "Exercise"
    assert "exercise AND NOT norvege" in page.locator(".said").inner_text()
    somebody = read().open(urlsplit(page.url)._replace(scheme="", netloc="").geturl())
    assert titles(somebody) == titles(page)


def test_front_page_shows_the_newest_items(read, served) -> None:
    page = read().open("/")
    answer = served.ask("/v1/search").json()
    assert titles(page) == [item["title"] for item in answer["items"]]
    assert page.locator("#total").inner_text() == f"{answer['total']['value']} items"


def test_facet_filter_can_be_added_and_removed(read) -> None:
    page = read().open("/?q=day")
    before = counted(page)
    row = page.locator(".facet li", has_text="Politics, security")
    expected = int(row.locator(".count").inner_text())
    row.get_by_role("link").click()
    assert asked(page) == {"q": "day", "category": '"Politics, security"'}
    assert counted(page) == expected < before
    page.get_by_role("button", name="Search").click()  # the form keeps filters that it does not show
    assert asked(page) == {"q": "day", "category": '"Politics, security"'}
    page.get_by_role("link", name="Remove Category: Politics, security").click()
    assert (asked(page), counted(page)) == ({"q": "day"}, before)


def test_clicking_a_histogram_bar_narrows_the_range(read) -> None:
    page = read().open("/?tz=America/New_York")
    total = counted(page)
    while True:
        bars = page.locator(".chart svg a")
        count = bars.count()
        counts = [int(bars.nth(n).locator("title").text_content().rpartition(": ")[2]) for n in range(count)]
        assert sum(counts) == counted(page)
        bars.nth(count // 2).locator("path").first.click()  # also above a low bar
        assert counted(page) == counts[count // 2] < total
        total = counted(page)
        assert page.get_by_label("From", exact=True).input_value() == asked(page)["from"]
        if page.locator(".chart svg a").count() < 3:
            break


def test_histogram_is_also_available_as_a_list(read) -> None:
    page = read().open("/")
    page.get_by_text("Show as a list").click()
    rows = page.locator(".buckets li")
    count = int(rows.nth(2).inner_text().split()[-1])
    rows.nth(2).get_by_role("link").click()
    assert counted(page) == count


def test_paging_shows_every_item_once(read) -> None:
    page = read().open("/?size=25")
    total, seen = counted(page), titles(page)
    while page.get_by_role("link", name="Next page").count():
        page.get_by_role("link", name="Next page").click()
        seen += titles(page)
    assert (len(seen), len(set(seen))) == (total, total)
    page.get_by_role("link", name="First page").click()
    assert asked(page) == {"size": "25"}


def test_time_zone_changes_the_shown_times(read) -> None:
    page = read(timezone_id="UTC").open("/?feed=coast-dispatch")
    assert page.locator(".news time").first.inner_text() == "24 Nov 2025, 08:00"
    page.get_by_label("Time zone", exact=True).fill("Asia/Tokyo")
    page.get_by_role("button", name="Search").click()
    assert asked(page) == {"tz": "Asia/Tokyo", "feed": "coast-dispatch"}
    first = page.locator(".news time").first
    assert first.inner_text() == "24 Nov 2025, 17:00"
    assert first.get_attribute("datetime") == "2025-11-24T08:00:00Z"
    assert first.get_attribute("title") == "Monday 24 November 2025, 17:00:00, Asia/Tokyo"
    assert "Times in Asia/Tokyo" in page.locator(".said").inner_text()
    page.locator(".news h3 a").first.click()
    assert asked(page) == {"tz": "Asia/Tokyo"}
    page.get_by_role("link", name="Coast Dispatch").click()
    assert asked(page) == {"tz": "Asia/Tokyo"}


def test_browser_time_zone_is_offered(read) -> None:
    page = read(timezone_id="Europe/Warsaw").open("/?q=summit")
    page.get_by_role("button", name="Use Europe/Warsaw").click()
    assert asked(page) == {"q": "summit", "tz": "Europe/Warsaw"}
    assert page.get_by_role("button", name="Use Europe/Warsaw").count() == 0


def test_feeds_are_chosen_with_checkboxes(read) -> None:
    page = read().open("/")
    page.get_by_text("Feeds and more").click()
    page.get_by_label("Coast Dispatch", exact=True).check()
    page.get_by_label("Harbour Radio", exact=True).check()
    page.get_by_role("button", name="Search").click()
    assert asked(page) == {"feed": "coast-dispatch,harbour-radio"}
    assert page.get_by_label("Harbour Radio", exact=True).is_checked()
    assert {"Coast Dispatch", "Harbour Radio"} == set(page.locator(".news .meta a").all_inner_texts())


def test_preset_range_takes_one_click(read) -> None:
    page = read().open("/?q=day")
    page.get_by_role("link", name="7 days").click()
    assert asked(page) == {"q": "day", "from": "P7D"}
    assert page.get_by_role("link", name="7 days").get_attribute("aria-current") == "true"
    assert "since 17 Nov 2025, 12:00" in page.locator(".said").inner_text()


def test_feed_page_shows_the_feed_status(read) -> None:
    page = read().open("/?feed=coast-dispatch")
    page.locator(".news .meta").first.get_by_role("link", name="Coast Dispatch").click()
    assert urlsplit(page.url).path == "/feeds/coast-dispatch"
    assert page.locator("h1").inner_text() == "Coast Dispatch"
    text = page.locator("main").inner_text()
    assert "Checked\n2 hours 59 minutes ago\n" in text
    assert "What´s new along the coast?" in text
    assert "Up to date" in text
    assert "Next check" in text
    assert page.locator(".chart svg a").count() == 30
    assert page.locator(".chart svg a title").first.text_content() == "26 Oct 2025: 2"


def test_original_page_is_reproduced_line_by_line(chromium, app, server, clock, shared) -> None:
    publish_seed(app, server, clock, shared)
    over_http = OverHttp(app)
    window = Reading(chromium, over_http.address)
    try:
        seen = window.open("/feeds/nato-news").locator("main").inner_text().splitlines()
        assert in_order(seed_lines(shared), seen) == []
    finally:
        window.close()
        over_http.close()


def test_failing_feed_is_shown_where_items_may_be_missing(read) -> None:
    page = read().open("/")
    text = page.locator(".coverage").inner_text()
    assert (
        text == "Harbour Radio has not answered since Tuesday 14:00. Items that it published after that may be missing."
    )
    page = read().open("/?feed=coast-dispatch")
    assert page.locator(".coverage").inner_text() == "The feed is up to date, and nothing is known to be missing."
    page = read().open("/feeds/harbour-radio")
    text = page.locator("main").inner_text()
    assert "Last check failed" in text
    assert "Tuesday 14:00 to now" in text


def test_subscribe_link_gives_the_same_items(read, served) -> None:
    window = read()
    page = window.open("/feeds/coast-dispatch")
    link = page.get_by_role("link", name="Subscribe to Coast Dispatch feed")
    href = page.evaluate("link => link.href", link.element_handle())
    response = served.ask(urlsplit(href)._replace(scheme="", netloc="").geturl())
    assert response.headers["content-type"] == "application/rss+xml; charset=utf-8"
    for title in titles(page):
        assert title.encode() in response.body
    results = page.evaluate("[...document.querySelectorAll('link[rel=alternate]')].map(one => [one.type, one.href])")
    assert [kind for kind, _ in results] == ["application/rss+xml", "application/atom+xml", "application/feed+json"]
    for kind, address in results:
        offered = served.ask(urlsplit(address)._replace(scheme="", netloc="").geturl())
        assert (offered.status, offered.headers["content-type"]) == (200, f"{kind}; charset=utf-8")


def test_api_url_of_the_query_is_shown_and_copied(read, served) -> None:
    window = read(permissions=["clipboard-read", "clipboard-write"])
    page = window.open("/?q=summit+%22joint+statement%22&tz=Europe/Brussels&from=2025-10")
    address = page.locator(".programs a").first.get_attribute("href")
    assert address.startswith(f"{served.address}/v1/search?")
    answer = served.ask(address.removeprefix(served.address)).json()
    assert answer["total"]["value"] == counted(page) > 0
    page.get_by_role("button", name="Copy").click()
    page.get_by_role("button", name="Copied").wait_for()
    assert page.evaluate("navigator.clipboard.readText()") == f"curl '{address}'"


def test_item_page_shows_the_source_of_its_dates(read) -> None:
    page = read().open("/?q=courrier+OR+sommet&feed=courrier")
    page.locator(".news h3 a").first.click()
    text = page.locator("main").inner_text()
    assert page.locator("h1").inner_text() == "Le sommet du Nord, épisode 0"
    assert "The feed says “Mon, 24 Nov 2025 08:00:00 GMT” in pubDate." in text
    assert "First seen" in text
    assert (
        page.get_by_role("link", name="Read it at courrier.example").get_attribute("href")
        == "https://courrier.example/0"
    )
    page.get_by_role("link", name="Politique").click()
    assert asked(page) == {"category": "Politique"}
    page.go_back()
    page.get_by_role("link", name="What else was published that day").click()
    assert counted(page) == 2


def test_validation_errors_are_shown_at_their_fields(read) -> None:
    page = read().open("/?q=x&from=yesteryear&tz=Mars/Base&feed=harbour-radio", 400)
    field = page.get_by_label("From", exact=True)
    assert field.input_value() == "yesteryear"
    assert field.get_attribute("aria-invalid") == "true"
    described = page.locator(f"#{field.get_attribute('aria-describedby')}").inner_text()
    assert described.startswith("'yesteryear' is not a date value. Allowed: 2025, 2025-05")
    page.get_by_role("alert").get_by_role("link", name="Time zone").click()
    assert page.evaluate("document.activeElement.id") == "tz"
    field.fill("2025")
    page.get_by_label("Time zone", exact=True).fill("")
    page.get_by_role("button", name="Search").click()
    assert "problems" not in page.content()
    assert asked(page) == {"q": "x", "from": "2025", "feed": "harbour-radio"}


@pytest.mark.parametrize(
    ("target", "status", "said"),
    [
        ("/nowhere", 404, "Page not found"),
        ("/feeds/none", 404, "There is no feed 'none'."),
        ("/items/none", 404, "There is no item 'none'"),
        ("/feeds/coast-dispatch?tz=Mars", 400, "tz must be a time zone of the IANA database, got 'Mars'."),
        ("/?cursor=x", 400, "cursor: Invalid cursor: it was not issued by this API."),
        (f"/?q={'x' * 6001}", 400, "The request target must have at most 6000 bytes, got 6005."),
    ],
)
def test_error_pages_link_to_the_front_page(read, target: str, status: int, said: str) -> None:
    page = read().open(target, status)
    assert said in page.locator("main").inner_text()
    page.get_by_role("link", name="newswire", exact=True).click()
    assert page.locator(".news li").count() == 20


def test_unavailable_engine_page_says_when_to_retry(read, another) -> None:
    away = OverHttp(another(engine="opensearch", opensearch_url="http://127.0.0.1:9"))
    try:
        page = read(away.address).open("/", 503)
        assert "Try again in 10 seconds." in page.locator("main").inner_text()
    finally:
        away.close()


def test_search_works_with_the_keyboard_only(read) -> None:
    page = read().open("/")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the results"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "total"
    page.get_by_label("Search the news").focus()
    page.keyboard.type("lighthouse")
    page.keyboard.press("Enter")
    page.wait_for_url("**q=lighthouse")
    visited = []
    for _ in range(80):
        page.keyboard.press("Tab")
        visited.append(page.evaluate("document.activeElement.textContent.trim()"))
        if visited[-1].startswith("Lighthouse keepers"):
            break
    assert visited[-1].startswith("Lighthouse keepers"), visited
    assert not [
        text for text in visited if re.fullmatch(r".*: \d+", text)
    ]  # bars are for the mouse; keyboard users have the list
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"
    page.keyboard.press("Enter")
    page.wait_for_url("**/items/*")
    page.get_by_role("heading", name="Lighthouse keepers").first.wait_for()


def test_every_control_is_reachable_by_keyboard(read) -> None:
    page = read().open("/?q=day&size=5")
    reached = set()
    for _ in range(150):
        page.keyboard.press("Tab")
        reached.add(
            page.evaluate(
                "(e => `${e.tagName} ${e.id || e.getAttribute('href') || e.textContent.trim()}`)(document.activeElement)"
            )
        )
    expected = page.evaluate(
        """[...document.querySelectorAll('a[href]:not([tabindex="-1"]), button, input:not([type=hidden]), select, summary')]
        .filter(e => e.checkVisibility() && e.getClientRects().length)
        .map(e => `${e.tagName} ${e.id || e.getAttribute('href') || e.textContent.trim()}`)"""
    )
    assert set(expected) <= reached


def test_pages_work_without_javascript(read) -> None:
    window = read(java_script_enabled=False)
    page = window.open("/")
    page.get_by_label("Search the news").fill("summit")
    page.get_by_label("Time zone", exact=True).fill("Europe/Brussels")
    page.get_by_text("Feeds and more").click()
    page.get_by_label("Coast Dispatch", exact=True).check()
    page.get_by_role("button", name="Search").click()
    assert asked(page) == {"q": "summit", "tz": "Europe/Brussels", "feed": "coast-dispatch"}
    assert counted(page) == ITEMS // 5
    page.locator(".chart svg a path").first.click()
    assert counted(page) < ITEMS // 5
    page.locator(".news h3 a").first.click()
    assert "Summit ends" in page.locator("h1").inner_text()
    page.get_by_role("link", name="Coast Dispatch").click()
    assert page.get_by_role("link", name="Subscribe to Coast Dispatch feed").count() == 1


def pages_of(served) -> list[tuple[str, int]]:
    item = json.loads(served.ask("/v1/search?size=1&feed=courrier").body)["items"][0]["id"]
    return [
        ("/", 200),
        ("/?q=exercise&from=2025-10&tz=Europe/Brussels&category=Sea+and+land&size=200", 200),
        ("/?q=nothingofthekind", 200),
        ("/?q=%22open+quote&feed=none", 200),
        ("/?q=x&from=y&size=0.5&feed=harbour-radio&match=some", 400),
        ("/feeds/coast-dispatch", 200),
        ("/feeds/harbour-radio", 200),
        (f"/items/{item}", 200),
        ("/nowhere", 404),
    ]


@pytest.mark.parametrize("theme", THEMES)
def test_pages_have_no_accessibility_violations(read, served, theme: str) -> None:
    """axe-core finds no violation, with all details closed and with all open."""
    window = read(color_scheme=theme)
    for target, status in pages_of(served):
        page = window.open(target, status)
        assert window.barriers() == [], target
        page.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true })")
        assert window.barriers() == [], target


def test_browser_checks_detect_violations_and_errors(chromium, served) -> None:
    window = Reading(chromium, served.address)
    page = window.open("/")
    page.evaluate("document.querySelector('main').append(document.createElement('img'))")
    assert any(violation.startswith("image-alt") for violation in window.barriers())
    page.evaluate("document.querySelector('img').src = 'http://127.0.0.2:9/elsewhere.png'")
    page.evaluate("document.head.append(Object.assign(document.createElement('script'), {textContent: 'alert(1)'}))")
    page.evaluate("alert('seen')")
    page.goto("/nowhere")
    with pytest.raises(AssertionError) as output:
        window.close()
    for wrong in ("dialog: seen", "Content Security Policy", "404: "):
        assert wrong in str(output.value)


@pytest.mark.parametrize("theme", THEMES)
def test_theme_follows_the_reader_preference(read, theme: str) -> None:
    page = read(color_scheme=theme).open("/")
    paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
    dark = sum(map(int, re.findall(r"\d+", paper))) < 3 * 128
    assert dark == (theme == "dark")


@pytest.mark.parametrize("width", [320, 768, 1600])
def test_pages_fit_the_viewport_width(read, served, width: int) -> None:
    window = read(viewport={"width": width, "height": 700})
    for target, status in pages_of(served):
        page = window.open(target, status)
        page.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true })")
        assert not window.overflows(), target
        if width == 320:
            assert window.barriers() == [], target


def test_print_keeps_news_and_source_urls(read) -> None:
    page = read().open("/?q=summit")
    page.emulate_media(media="print", color_scheme="dark")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.locator(".news li").first.is_visible()
    assert not page.locator("form.search").is_visible()
    address = page.evaluate("getComputedStyle(document.querySelector('.source a'), '::after').content")
    assert "attr" in address or "https://coast.example" in address


def test_page_links_use_only_http_and_https(read) -> None:
    page = read().open("/")
    schemes = page.evaluate(
        "[...document.querySelectorAll('a')].map(one => new URL(one.href.baseVal ?? one.href, document.baseURI).protocol)"
    )
    assert set(schemes) <= {"http:", "https:"}


def test_unlisted_feeds_are_entered_by_id(read, app) -> None:
    status = app.engine.statuses(["coast-dispatch"])[0]
    app.engine.publish([msgspec.structs.replace(status, id=f"made-{n:02d}", title=f"Made {n}") for n in range(30)])
    page = read().open("/?feed=coast-dispatch,made-29,-made-01")
    assert page.get_by_label("Coast Dispatch", exact=True).is_checked()
    assert page.get_by_label("Made 29", exact=True).is_checked()
    assert page.get_by_label("Other feeds, by id").input_value() == "-made-01"
    page.get_by_label("Other feeds, by id").fill("-made-01,-made-02")
    page.get_by_role("button", name="Search").click()
    assert asked(page) == {"feed": "coast-dispatch,made-29,-made-01,-made-02"}
