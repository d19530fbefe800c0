"""Parsing: every document kind, real encodings and truncated documents."""

import json
import time

import pytest

from newswire.ingest.markup import plain_text
from newswire.ingest.parse import parse
from newswire.ingest.parse.feedparser_rules import _RuledParser
from newswire.model import Document, Listing, RawDate, Record, Refusal
from tests import factories
from tests.support.feed_server import rss, story


def record(body: bytes | str, **more) -> Record:
    return factories.record(body=body.encode() if isinstance(body, str) else body, **more)


def read(body: bytes | str, **more) -> Document:
    result = parse(record(body, **more))
    assert isinstance(result, Document), result
    return result


ATOM = """<?xml version="1.0"?><feed xmlns="http://www.w3.org/2005/Atom" xml:lang="fr"><title type="text">A &lt;b&gt;</title><id>x</id>
<entry><id>urn:1</id><title type="text">AT&amp;T &lt;i&gt;</title><link href="/rel"/><published>2025-01-01T00:00:00Z</published>
<updated>2025-01-02T00:00:00Z</updated><author><name>Ann</name></author><category term="t" label="Label"/></entry></feed>"""
RDF = """<?xml version="1.0"?><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns="http://purl.org/rss/1.0/"
xmlns:dc="http://purl.org/dc/elements/1.1/"><channel><title>R</title></channel><item><title>One</title><link>http://a.example/1</link>
<dc:date>2025-01-01</dc:date></item></rdf:RDF>"""
CDF = """<?xml version="1.0"?><CHANNEL HREF="http://a.example/"><TITLE>C</TITLE><ITEM HREF="http://a.example/1"><TITLE>One</TITLE></ITEM></CHANNEL>"""
SITEMAP = """<?xml version="1.0"?><urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9" xmlns:n="http://www.google.com/schemas/sitemap-news/0.9">
<url><loc>http://a.example/1</loc><n:news><n:publication><n:name>P</n:name><n:language>de</n:language></n:publication>
<n:publication_date>2025-01-01</n:publication_date><n:title>Eins &amp; zwei</n:title><n:keywords>a, b</n:keywords></n:news></url>
<url><loc>http://a.example/page</loc></url></urlset>"""


def test_rss_metadata_entries_and_hints_are_read() -> None:
    channel = "<ttl>60</ttl><language>en</language><skipHours><hour>1</hour><hour>24</hour></skipHours><skipDays><day>Sunday</day></skipDays>"
    document = read(rss(story(1, "T", category="News"), channel=channel))
    assert (document.title, document.description, document.link, document.lang) == (
        "A feed",
        "About A feed",
        "https://news.example/",
        "en",
    )
    assert (document.hints.ttl_s, document.hints.skip_hours, document.hints.skip_days) == (3600, (0, 1), (6,))
    (entry,) = document.entries
    assert (entry.guid, entry.title.text, entry.categories) == ("https://news.example/1", "T", ("News",))
    assert entry.published == (RawDate("pubDate", "02 Nov 2025 01:00:00 GMT"),)


def test_atom_plain_text_and_update_time_are_read() -> None:
    (entry,) = read(ATOM).entries
    assert (entry.title.text, entry.title.html) == ("AT&T <i>", False)
    assert entry.link == "https://news.example/rel"
    assert entry.updated == RawDate("updated", "2025-01-02T00:00:00Z")
    assert [date.source for date in entry.published] == ["pubDate", "updated"]
    assert (entry.authors, entry.categories, entry.lang) == (("Ann",), ("Label",), "fr")


@pytest.mark.parametrize(
    "odd",
    [
        "<authors>Jane, Joe</authors>",
        "<links>x</links>",
        "<tags>x</tags><category>c</category>",
        '<psc:chapters xmlns:psc="http://podlove.org/simple-chapters"><psc:chapter title="b"/></psc:chapters>',
        "<description><div><video><width>640</width></video></div></description>",
        '<gml:pos xmlns:gml="http://www.opengis.net/gml">1 2</gml:pos>',
        "<textInput><name>x</name></textInput>",
        "<textinput/><image/><width>5</width><height>x</height>",
        "<enclosures>x</enclosures><media_content>x</media_content>",
        '<media:content xmlns:media="http://search.yahoo.com/mrss/"><media:credit/></media:content>',
        "<source/><guidislink>x</guidislink><summary_detail>x</summary_detail>",
    ],
)
@pytest.mark.parametrize("form", ["rss", "atom"])
def test_odd_element_costs_only_itself(form: str, odd: str) -> None:
    entries = read(with_odd(form, odd)).entries
    assert [(entry.guid, entry.link) for entry in entries] == [
        (f"urn:{n}", f"https://news.example/{n}") for n in (1, 2)
    ]


def with_odd(form: str, odd: str) -> str:
    """Return a feed of two entries with an odd element before and behind each other element of the first."""
    if form == "rss":
        first, last = (
            [
                "<title>Story</title>",
                f"<link>https://news.example/{n}</link>",
                f'<guid isPermaLink="false">urn:{n}</guid>',
            ]
            for n in (1, 2)
        )
        items = f"<item>{odd.join(['', *first, ''])}</item><item>{''.join(last)}</item>"
        return f"<rss version='2.0'><channel><title>F</title>{items}</channel></rss>"
    first, last = (
        ["<title>Story</title>", f"<link href='https://news.example/{n}'/>", f"<id>urn:{n}</id>"] for n in (1, 2)
    )
    entries = f"<entry>{odd.join(['', *first, ''])}</entry><entry>{''.join(last)}</entry>"
    return f"<feed xmlns='http://www.w3.org/2005/Atom'><title>F</title>{entries}</feed>"


@pytest.mark.parametrize("form", ["rss", "atom"])
def test_every_element_that_feedparser_knows_costs_only_itself(form: str) -> None:
    """Elements at places where feedparser does not expect them."""
    methods = sorted(name.removeprefix("_start_") for name in dir(_RuledParser) if name.startswith("_start_"))
    own = {"title", "link", "id", "guid", "entry", "item", "product", "channel", "feed", "rss", "rdf_rdf", "cdf_item"}
    names = [name for name in methods if name not in own and not name.endswith(("_title", "_link", "_id", "_guid"))]
    assert len(names) > 80
    prefixes = {prefix: uri for uri, prefix in _RuledParser.namespaces.items() if prefix and uri}
    for name in names:
        prefix, _, local = name.partition("_")
        qualified = prefix in prefixes and local
        element, space = (f"{prefix}:{local}", f' xmlns:{prefix}="{prefixes[prefix]}"') if qualified else (name, "")
        for odd in (
            f"<{element}{space}/>",
            f"<{element}{space}>x</{element}>",
            f"<image><{element}{space}>x</{element}></image>",
        ):
            entries = read(with_odd(form, odd)).entries
            assert [entry.guid for entry in entries] == ["urn:1", "urn:2"], odd
            assert entries[1].link == "https://news.example/2", odd


def test_base_and_language_end_with_their_element() -> None:
    one = (
        "<entry><id>1</id><title>One</title><link href='/one'/><content type='html' xml:base='http://o.example/d/'"
        " xml:lang='de'>x</content></entry>"
    )
    broken = "<entry xml:base='http://[x'><id>3</id><title>Three</title><link href='/three'/></entry>"
    two = "<entry><id>2</id><title>Two</title><link href='/two'/><content>y</content></entry>"
    feed = f"<feed xmlns='http://www.w3.org/2005/Atom'><title>F</title>{one}{broken}{two}</feed>"
    entries = read(feed, url="https://news.example/feed").entries
    assert [entry.link for entry in entries] == [f"https://news.example/{name}" for name in ("one", "three", "two")]
    assert [entry.lang for entry in entries] == ["de", None, None]


def test_comment_between_words_before_the_feed_is_no_feed() -> None:
    before = b"<br />\n<b>Notice</b>: x<br />\n<!-- cache of <rss> feed: <item> -->\n"
    document = read(before + b'<?xml version="1.0"?>' + rss(story(1)))
    assert (document.title, len(document.entries)) == ("A feed", 1)


def test_xhtml_content_is_markup_however_long() -> None:
    content = "<content type='xhtml'><div xmlns='http://www.w3.org/1999/xhtml'>" + "<p>para words</p>" * 3_000
    feed = "<feed xmlns='http://www.w3.org/2005/Atom'><title>F%s</title><entry><id>1</id><title>One</title>"
    whole = feed + content + "</div></content></entry></feed>"
    assert read(whole % " & ").entries == read(whole % "").entries


def test_second_byte_order_mark_of_json_is_passed_over() -> None:
    feed = '{"version": "https://jsonfeed.org/version/1.1", "title": "F", "items": [{"id": 1, "title": "x"}]}'
    for before in ("\ufeff\ufeff", " \ufeff", "\ufeff \n\ufeff"):
        assert len(read(before + feed).entries) == 1


def test_authors_of_json_may_be_names() -> None:
    feed = '{"version": "https://jsonfeed.org/version/1.1", "author": "Bo", "items": [{"id": 1, "title": "x"%s}]}'
    assert read(feed % "").entries[0].authors == ("Bo",)
    assert read(feed % ', "author": "Ann"').entries[0].authors == ("Ann",)


@pytest.mark.parametrize(
    ("written", "names"),
    [
        ("ann@news.example (Ann Arbor)", ("Ann Arbor",)),
        ("ann@news.photography", ("ann@news.photography",)),
        ("mailto:ann@news.example (Ann), mailto:bo@news.example (Bo)", ("Ann", "Bo")),
        (
            "Ann &lt;ann@news.example&gt;, Bo &lt;bo@news.example&gt; and Cy &lt;cy@news.example&gt;",
            ("Ann", "Bo", "Cy"),
        ),
        ("Arbor, Ann &lt;ann@news.example&gt;, Beau, Bo &lt;bo@news.example&gt;", ("Arbor, Ann", "Beau, Bo")),
        ("ann@news.example; andy@news.example", ("ann@news.example", "andy@news.example")),
        ("ann@news.example (Ann) and Bo", ("Ann", "Bo")),
        ("ann@news.example - Ann", ("Ann",)),
        ("ann@news.example (Ann), ann@other.example (Ann)", ("Ann",)),
        ("Arbor, Ann and Bo", ("Arbor, Ann and Bo",)),
    ],
)
def test_authors_are_read_from_their_addresses(written: str, names: tuple[str, ...]) -> None:
    (entry,) = read(rss(story(1, author=written))).entries
    assert entry.authors == names


def test_rdf_and_cdf_are_read() -> None:
    assert read(RDF).entries[0].published == (RawDate("dc:date", "2025-01-01"),)
    assert read(CDF).entries[0].title.text == "One"


def test_guid_marked_as_not_a_permalink_is_not_a_link() -> None:
    body = "<rss version='2.0'><channel><title>x</title><item><link>http://a.example/1</link><guid isPermaLink='false'>http://a.example/g</guid></item></channel></rss>"
    assert read(body).entries[0].guid_is_link is False
    assert read(body.replace(" isPermaLink='false'", "")).entries[0].guid_is_link is True


def test_news_sitemap_gives_only_its_news() -> None:
    (entry,) = read(SITEMAP).entries
    assert (entry.link, entry.title.text, entry.lang, entry.categories) == (
        "http://a.example/1",
        "Eins & zwei",
        "de",
        ("a", "b"),
    )


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (
            "<urlset xmlns='http://www.sitemaps.org/schemas/sitemap/0.9'><url><loc>http://a</loc></url></urlset>",
            "no_news",
        ),
        ("<sitemapindex/>", "sitemap_index"),
        ("<!DOCTYPE urlset [<!ENTITY a 'b'>]><urlset>&a;</urlset>", "entities"),
        ("<urlset><url></urlset>", "no_news"),
    ],
)
def test_unusable_sitemap_is_refused_with_a_code(body: str, code: str) -> None:
    refusal = parse(record(body))
    assert isinstance(refusal, Refusal)
    assert refusal.code == code


JSON_FEED = {
    "version": "https://jsonfeed.org/version/1.1",
    "title": "J",
    "home_page_url": "https://a.example/",
    "language": "en",
    "items": [
        {
            "id": 5,
            "url": "/5",
            "title": "Five",
            "content_html": "<p>x</p>",
            "summary": "s",
            "date_published": "2025-01-01T00:00:00Z",
            "date_modified": "2025-01-02T00:00:00Z",
            "authors": [{"name": "Ann"}],
            "tags": ["t", 7],
        },
        {"id": "6", "content_text": "only text <b>"},
    ],
}


def test_a_json_feed_is_read() -> None:
    first, second = read(json.dumps(JSON_FEED)).entries
    assert (first.guid, first.link, first.content.text, first.authors, first.categories) == (
        "5",
        "https://news.example/5",
        "<p>x</p>",
        ("Ann",),
        ("t", "7"),
    )
    assert (second.summary.text, second.content.text, second.content.html) == ("", "only text <b>", False)


LISTING = Listing(
    rows="pages[?kind=='news']", title="head", link="url", date="when", summary="body.text", base="https://www.example/"
)
ROWS = {
    "pages": [
        {"kind": "news", "head": "H", "url": "/1?selectedLocale=null", "when": "07 July 2026", "body": {"text": "B"}},
        {"kind": "other"},
        5,
    ]
}


def test_a_listing_is_read_by_its_expressions() -> None:
    (entry,) = read(json.dumps(ROWS), feed_kind="listing", listing=LISTING).entries
    assert (entry.title.text, entry.summary.text, entry.link) == ("H", "B", "https://www.example/1?selectedLocale=null")
    assert entry.published == (RawDate("pubDate", "07 July 2026"),)


def test_listing_without_rows_is_refused() -> None:
    refusal = parse(record('{"other": 1}', feed_kind="listing", listing=LISTING))
    assert isinstance(refusal, Refusal)
    assert refusal.code == "wrong_listing"


@pytest.mark.parametrize("number", ["9" * 5_000, "-" + "9" * 400, "1e999", "1" + "0" * 400 + ".5", "-1E+400"])
def test_number_beyond_every_range_costs_only_itself(number: str) -> None:
    text = json.dumps(JSON_FEED)
    hostile = text.replace('"items"', f'"size": {number}, "items"').replace(
        '"id": 5', f'"id": {number}, "x": "1e999 \\" 9"'
    )
    first, second = read(hostile).entries
    assert (first.guid, second) == (number, read(text).entries[1])
    truncated = text.replace('"items": [{', f'"items": [{{"size": {number}}}, {{')[:-30]
    assert read(truncated).cut


@pytest.mark.parametrize(
    ("kind", "body"), [("syndication", "{}"), ("jsonfeed", "<rss/>"), ("sitemap", "<rss/>"), ("listing", "<rss/>")]
)
def test_document_of_another_kind_is_refused(kind: str, body: str) -> None:
    refusal = parse(record(body, feed_kind=kind))
    assert isinstance(refusal, Refusal)
    assert refusal.code == "wrong_kind"


def test_truncated_json_feed_gives_its_complete_entries() -> None:
    text = json.dumps(JSON_FEED)
    cut = read(text[: text.index('"only text')])
    assert (len(cut.entries), cut.cut) == (1, True)
    assert read(text[:-1]).cut


def test_truncated_rss_gives_its_complete_entries() -> None:
    whole = rss(*[story(n) for n in range(5)]).decode()
    for end in range(whole.index("<item>") + 10, len(whole) - 20, 37):
        result = parse(record(whole[:end]))
        if isinstance(result, Document):
            assert len(result.entries) == whole[:end].count("</item>")


@pytest.mark.parametrize(
    ("encoding", "declared", "content_type"),
    [
        ("utf-8", "utf-8", ""),
        ("utf-8-sig", "utf-8", ""),
        ("windows-1251", "windows-1251", ""),
        ("koi8-r", "koi8-r", ""),
        ("utf-16", "utf-16", ""),
        ("utf-8", None, ""),
        ("windows-1251", None, "text/xml; charset=windows-1251"),
        ("utf-8", "nonsense-8", ""),
        ("utf-8", "utf-8", "text/xml"),
    ],
)
def test_the_encodings_of_real_feeds_are_read(encoding: str, declared: str | None, content_type: str) -> None:
    head = f'<?xml version="1.0" encoding="{declared}"?>' if declared else "<?xml version='1.0'?>"
    body = f"{head}<rss version='2.0'><channel><title>Новости</title><item><title>Учения &quot;Щит&quot;</title><link>http://a.example/1</link></item></channel></rss>"
    document = read(body.encode(encoding), content_type=content_type)
    assert document.entries[0].title.text == 'Учения "Щит"'


def test_invalid_utf8_keeps_the_readable_text() -> None:
    document = read(rss(story(1, "caf\u00e9")).replace(b"caf\xc3\xa9", b"caf\xe9"))
    assert document.entries[0].title.text.startswith("caf")


def test_entries_over_the_limit_are_cut_and_flagged() -> None:
    document = parse(record(rss(*[story(n) for n in range(30)])), max_entries=10)
    assert isinstance(document, Document)
    assert (len(document.entries), document.cut) == (10, True)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", ";"),
        (")]}',\n", ""),
        ("\n", "\n<!-- cached -->"),
        ("", " // made by"),
    ],
)
def test_words_around_a_json_feed_cost_nothing(before: str, after: str) -> None:
    document = parse(record(before + json.dumps(JSON_FEED) + after))
    assert isinstance(document, Document), document
    assert len(document.entries) == len(JSON_FEED["items"])


@pytest.mark.parametrize(
    "value", ["007", "+1", "undefined", "NaN", "-Infinity", '1,, "x": 2', "1e999", '"\\ud800"', '"a\nb"']
)
def test_odd_value_costs_only_itself(value: str) -> None:
    text = (
        '{"version": "https://jsonfeed.org/version/1.1", "items": [{"id": "1", "title": "T", "odd": ' + value + "}, ]}"
    )
    document = parse(record(text))
    if value == "+1":  # neither a number nor anything else of JSON
        return
    assert isinstance(document, Document), document
    assert [entry.title.text for entry in document.entries] == ["T"]


@pytest.mark.parametrize(
    ("written", "title"),
    [
        ("The <i>New</i> Yorker", "The New Yorker"),
        ("A & B <gorilla> c", "A & B <gorilla> c"),
        ("a <b>x", "a x"),
        ("5 < 6", "5 < 6"),
    ],
)
def test_title_of_a_sitemap_keeps_its_words(written: str, title: str) -> None:
    body = (
        '<urlset xmlns:news="n"><url><loc>https://a.example/1</loc>'
        f"<news:news><news:title>{written}</news:title></news:news></url></urlset>"
    )
    document = parse(record(body))
    assert isinstance(document, Document), document
    assert plain_text(document.entries[0].title, title=True) == title


@pytest.mark.parametrize(
    "start",
    [
        '<?xml version="1.0" encoding="utf-8">',
        "<!DOCTYPE html>",
        "<!-- <html> --><?xml version='1.0'?>",
        "<?php x ?>\n",
    ],
)
def test_odd_beginnings_of_a_feed_are_passed_over(start: str) -> None:
    document = parse(record(f"{start}<rss version='2.0'><channel><item><title>T</title></item></channel></rss>"))
    assert isinstance(document, Document), document
    assert len(document.entries) == 1


def test_title_of_a_feed_is_read_as_a_title_and_its_picture_by_its_address() -> None:
    item = "<title>t</title><enclosure url='https://a.example/p.JPG?x' length='1'/><media:thumbnail url='data:x'/>"
    document = parse(
        record(
            "<rss version='2.0' xmlns:media='http://search.yahoo.com/mrss/'><channel>"
            f"<title>The &lt;table&gt; &lt;b&gt;blog&lt;/b&gt;</title><item>{item}</item></channel></rss>"
        )
    )
    assert isinstance(document, Document), document
    assert document.title == "The <table> blog"
    assert document.entries[0].image == "https://a.example/p.JPG?x"


def test_many_undeclared_prefixes_take_linear_time() -> None:
    body = (
        "<rss><channel><item><title>t</title>" + "".join(f"<p{n}:a/>" for n in range(9_000)) + "</item></channel></rss>"
    )
    started = time.process_time()
    document = parse(record(body))
    assert isinstance(document, Document)
    assert time.process_time() - started < 5  # a quadratic search took 7 s, this takes 0.3 s


@pytest.mark.parametrize(
    "links",
    [
        "<link>https://x.example/first</link><link></link>",
        "<link></link><link>https://x.example/first</link>",
        '<a:link xmlns:a="http://www.w3.org/2005/Atom" rel="http://www.iana.org/assignments/relation/alternate"'
        ' href="https://x.example/first"/>',
    ],
)
def test_empty_link_replaces_none_and_a_relation_may_be_a_uri(links: str) -> None:
    item = f'<item><guid isPermaLink="false">1</guid><title>t</title>{links}</item>'
    document = read(f'<rss version="2.0"><channel><title>x</title>{item}</channel></rss>')
    assert document.entries[0].link == "https://x.example/first"
