"""Lists of feeds as OPML: what readers write is read, what is left out is named."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newswire.errors import FeedsFileError
from newswire.ingest.feed_ids import FeedIds
from newswire.ingest.opml import read_opml, write_opml
from newswire.model import Feed
from newswire.urls import web_url


def opml(*outlines: str, head: str = '<?xml version="1.0" encoding="UTF-8"?>') -> bytes:
    return f'{head}\n<opml version="2.0"><body>{"".join(outlines)}</body></opml>'.encode()


def outline(url: str, title: str = "A", more: str = "") -> str:
    return f'<outline type="rss" text="{title}" xmlUrl="{url}" {more}/>'


def urls(data: bytes) -> list[str]:
    return [feed.url for feed in read_opml(data, "list.opml").feeds]


def test_address_counts_once_and_has_the_folders_it_stands_in() -> None:
    feed = outline("https://a.example/feed")
    read = read_opml(
        opml(
            feed,
            f'<outline text="News"><outline text=" The  world ">{feed}</outline></outline>',
            f'<outline text="Daily">{feed}{outline("https://b.example/feed", "B")}</outline>',
        ),
        "x",
    )
    assert [(feed.id, feed.url, feed.groups) for feed in read.feeds] == [
        ("a", "https://a.example/feed", ("News", "The world", "Daily")),
        ("b", "https://b.example/feed", ("Daily",)),
    ]
    assert read.left_out == ()


@pytest.mark.parametrize(
    ("written", "url"),
    [
        ("feed://a.example/rss", "http://a.example/rss"),
        ("feed:https://a.example/rss", "https://a.example/rss"),
        ("FEED:http://a.example/rss", "http://a.example/rss"),
        ("feed://https://a.example/rss", "https://a.example/rss"),
        ("a.example/rss", "http://a.example/rss"),
        ("a.example:8080/rss", "http://a.example:8080/rss"),
        ("https://a.example/rss", "https://a.example/rss"),
        ("/rss.xml", "/rss.xml"),
        ("ftp://a.example/rss", "ftp://a.example/rss"),
    ],
)
def test_addresses_are_web_addresses(written: str, url: str) -> None:
    assert web_url(written) == url


@pytest.mark.parametrize("keep", [0.4, 0.7, 0.95])
def test_list_that_ends_early_says_so(keep: float) -> None:
    whole = opml(*(outline(f"https://a.example/{number}", f"A {number}") for number in range(30)))
    read = read_opml(whole[: int(len(whole) * keep)], "x")
    assert 10 < len(read.feeds) <= 30
    assert read.left_out == ("what follows its last line: the file ends before </opml>",)
    assert read_opml(whole, "x").left_out == ()


def test_what_is_left_out_is_named_with_the_reason() -> None:
    read = read_opml(
        opml(
            outline("ftp://a.example/feed", "By FTP"),
            outline("https://[broken/x", "Broken"),
            '<outline type="rss" text="No address"/>',
            '<outline type="link" text="A page" url="https://a.example/"/>',
            outline("https://b.example/feed", "B"),
        ),
        "x",
    )
    assert [feed.url for feed in read.feeds] == ["https://b.example/feed"]
    assert [sentence.partition(":")[0] for sentence in read.left_out] == ["By FTP", "Broken", "No address", "A page"]
    assert "is not an http or https URL" in read.left_out[0]


@pytest.mark.parametrize(
    "data",
    [
        opml(outline("https://a.example/?x=1&y=2", "R&D")),
        b"\n \n" + opml(outline("https://a.example/?x=1&amp;y=2")),
        opml(outline("https://a.example/?x=1&amp;y=2"), head='<?xml version="1.0" encoding="utf-16"?>'),
        opml(outline("https://a.example/?x=1&amp;y=2", "\x0bA")),
        opml(outline("https://a.example/?x=1&amp;y=2")).replace(b"</body></opml>", b""),
        opml(outline("https://a.example/?x=1&amp;y=2")).decode().encode("utf-16"),
        "<opml><body><outline text='中文' xmlurl='https://a.example/?x=1&amp;y=2'/></body></opml>".encode("gb18030"),
        b"<OPML><BODY><OUTLINE TEXT=A XMLURL='https://a.example/?x=1&amp;y=2'></BODY></OPML>",
    ],
)
def test_flaws_cost_no_feed(data: bytes) -> None:
    assert urls(data) == ["https://a.example/?x=1&y=2"]


@pytest.mark.parametrize(
    "data", [b"", b"no list", b"<html><body>x</body></html>", b"<rss><channel/></rss>", b"{}", b"<xml><outline/></xml>"]
)
def test_other_files_are_refused(data: bytes) -> None:
    with pytest.raises(FeedsFileError, match="is not OPML"):
        read_opml(data, "list.opml")


def test_declared_entities_are_refused() -> None:
    with pytest.raises(FeedsFileError, match="declares XML entities"):
        read_opml(b'<!DOCTYPE opml [<!ENTITY a "b">]><opml/>', "x")


_names = st.text(st.characters(exclude_categories=["C"]), min_size=1, max_size=30).map(lambda name: name.strip() or "x")


@given(st.lists(st.tuples(_names, st.sets(_names, max_size=3)), max_size=5))
def test_what_is_written_is_read_back(rows: list[tuple[str, set[str]]]) -> None:
    feeds = [
        Feed(id=f"f{number}", url=f"https://a.example/{number}", title=title, groups=tuple(sorted(groups)))
        for number, (title, groups) in enumerate(rows)
    ]
    read = {feed.url: feed for feed in read_opml(write_opml(feeds).encode(), "x").feeds}
    assert read.keys() == {feed.url for feed in feeds}
    for feed in feeds:
        assert read[feed.url].title == " ".join(feed.title.split())
        assert set(read[feed.url].groups) == {" ".join(group.split()) for group in feed.groups}


@pytest.mark.parametrize(
    ("title", "feed_id"),
    [
        ("Новости дня", "novosti-dnya"),
        ("日本ニュース", "ribenniyusu"),
        ("Ελληνικά νέα", "ellinika-nea"),
        ("الأخبار", "lkhbr"),
        ("Żółta łódź", "zolta-lodz"),
        ("https://www.news.example/a/feed?key=secret", "news-example-a-feed"),
        ("—", "feed"),
    ],
)
def test_id_of_any_script_can_be_read(title: str, feed_id: str) -> None:
    assert FeedIds(()).new_id(title) == feed_id
