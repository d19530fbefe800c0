"""URLs: canonical links, redaction, origins and the rules for feed and server URLs."""

from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newswire.urls import (
    canonical_link,
    feed_key,
    feed_url_problem,
    is_server_url,
    origin_of,
    redacted,
    resolve,
    resolve_text,
    safe_link,
    scheme_of,
    tidy_link,
    web_url,
)

hosts = st.sampled_from(["news.example", "WWW.News.Example", "news.example.", "127.0.0.1", "[::1]", "łódź.example"])
ports = st.sampled_from(["", ":80", ":443", ":8443", ":"])
words = st.text(st.sampled_from("abzAZ019._~%!$'()*,;:@/ł+-"), max_size=8)
parameters = st.builds(
    "{}={}".format, st.sampled_from(["p", "id", "utm_source", "UTM_x", "src", "ref", "rss", "a b", ""]), words
)
queries = st.lists(st.one_of(parameters, st.sampled_from(["", "rss", "x"])), max_size=4).map("&".join)
fragments = st.sampled_from(["", "#part-2", "#ftag=RSS1", "#rss", "#"])
links = st.builds(
    lambda scheme, user, host, port, path, query, fragment: (
        f"{scheme}://{user}{host}{port}{path}{'?' if query else ''}{query}{fragment}"
    ),
    st.sampled_from(["http", "https", "HTTP", "Https"]),
    st.sampled_from(["", "", "u@", "u:p@"]),
    hosts,
    ports,
    st.one_of(st.just(""), words.map(lambda path: f"/{path}")),
    queries,
    fragments,
)


@pytest.mark.parametrize(
    ("link", "canonical"),
    [
        ("HTTP://News.Example:80/a?utm_source=x&id=3&at_medium=RSS", "https://news.example/a?id=3"),
        ("https://news.example:443", "https://news.example/"),
        ("https://news.example:8443/a", "https://news.example:8443/a"),
        ("https://news.example/?p=12&rss=1", "https://news.example/?p=12"),
        ("https://news.example/a?src=rss&src=print", "https://news.example/a?src=print"),
        ("https://news.example/a#ftag=RSS1234", "https://news.example/a"),
        ("https://news.example/a#part-2", "https://news.example/a#part-2"),
        ("https://www.nato.int/en/x?selectedLocale=null", "https://www.nato.int/en/x"),
        ("tag:news.example,2025:1", "tag:news.example,2025:1"),
        ("https://[broken", "https://[broken"),
    ],
)
def test_links_are_canonicalised(link: str, canonical: str) -> None:
    assert canonical_link(link) == canonical


@given(st.one_of(links, st.text(max_size=200)))
def test_link_canonicalisation_is_idempotent(link: str) -> None:
    once = canonical_link(link)
    assert canonical_link(once) == once


@given(links)
def test_canonical_link_is_https_without_default_port(link: str) -> None:
    before, after = urlsplit(link), urlsplit(canonical_link(link))
    assert (before.hostname or "").rstrip(".") == after.hostname
    assert (after.scheme, after.port) == ("https", None if before.port in {80, 443} else before.port)
    assert not any(parameter.lower().startswith("utm_") for parameter in after.query.split("&"))


@pytest.mark.parametrize("link", ["javascript:alert(1)", "data:text/html,x", "https://", "/relative", "http://a\nb"])
def test_link_that_is_not_a_web_url_is_dropped(link: str) -> None:
    assert safe_link(link) == ""


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://news.example/feed", "https://news.example/feed"),
        ("https://u:p@news.example:8443/feed?key=s3cret&x&y=#frag", "https://news.example:8443/feed?key=…&x&y=…"),
        ("https://u:p@ss@news.example/", "https://news.example/"),
        ("https://news.example/?key=a=b&&", "https://news.example/?key=…"),
        ("http://[broken", "…"),
        ("", ""),
    ],
)
def test_redacted_url_keeps_only_what_is_not_secret(url: str, shown: str) -> None:
    assert redacted(url) == shown


secrets = st.text(st.sampled_from("QXZ0189._~%!$'()*,;:@=-"), max_size=12).map("QX{}".format)


@given(
    secrets, secrets, st.lists(st.tuples(st.sampled_from(["key", "t", ""]), secrets), max_size=3), hosts, ports, secrets
)
def test_redacted_never_shows_user_info_or_query_values(
    user: str, password: str, query: list[tuple[str, str]], host: str, port: str, fragment: str
) -> None:
    written = "&".join(f"{name}={value}" for name, value in query)
    url = f"https://{user}:{password}@{host}{port}/feed?{written}#{fragment}"
    shown = redacted(url)
    assert "QX" not in shown
    assert shown.startswith(f"https://{host}{port}/feed")
    assert redacted(shown) == shown


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://News.Example/feed", "https://news.example:443"),
        ("http://news.example", "http://news.example:80"),
        ("http://u:p@news.example:8080/x?y", "http://news.example:8080"),
        ("https://news.example:bad/", ""),
        ("http://[broken", ""),
    ],
)
def test_origin_has_scheme_host_and_port(url: str, origin: str) -> None:
    assert origin_of(url) == origin


@given(hosts, words, queries)
def test_origin_depends_on_scheme_host_and_port_only(host: str, path: str, query: str) -> None:
    origin = origin_of(f"https://{host}")
    assert origin_of(f"HTTPS://u:p@{host.upper()}:443/{path}?{query}#x") == origin
    assert origin_of(f"http://{host}") != origin
    assert origin_of(f"https://{host}:444/") != origin


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("ftp://news.example/feed", "not an http or https URL"),
        ("news.example/feed", "not an http or https URL"),
        ("https:///feed", "not an http or https URL"),
        ("", "not an http or https URL"),
        ("http://[broken", "not a URL"),
        ("https://news.example:99999/", "not a URL"),
        ("https://news.example:port/", "not a URL"),
    ],
)
def test_url_a_feed_cannot_have_is_explained(url: str, reason: str) -> None:
    problem = feed_url_problem(url)
    assert problem is not None
    assert reason in problem


@given(links)
def test_web_url_has_no_problem(link: str) -> None:
    assert feed_url_problem(link) is None


@given(st.text(max_size=300))
def test_any_text_has_a_short_problem_or_is_a_web_url(text: str) -> None:
    problem = feed_url_problem(text)
    if problem is None:
        assert scheme_of(text) in {"http", "https"}
    else:
        assert len(problem) < 700


@pytest.mark.parametrize("url", ["https://search.example", "http://127.0.0.1:9200/", "https://[::1]:9200"])
def test_bare_host_is_a_server_url(url: str) -> None:
    assert is_server_url(url)


@pytest.mark.parametrize(
    "url",
    [
        "search.example",
        "ftp://search.example",
        "https://",
        "https://search.example/path",
        "https://search.example/?q",
        "https://search.example#x",
        "https://u:p@search.example",
        "https://search.example:0",
        "https://search.example:99999",
        "https://search.example ",
        "https://a b",
        "https://[broken",
        "",
    ],
)
def test_anything_else_is_not_a_server_url(url: str) -> None:
    assert not is_server_url(url)


@given(links)
def test_server_url_has_no_path_query_or_user_info(link: str) -> None:
    if is_server_url(link):
        remaining = link.partition("://")[2]
        assert not set("?#@") & set(remaining)
        assert "/" not in remaining.removesuffix("/")


@pytest.mark.parametrize(
    ("written", "tidy"),
    [
        ("https://a.example/a\n  b", "https://a.example/ab"),
        ("https://a.example/x\u200b", "https://a.example/x"),
        ("\u200ehttps://a.example/x", "https://a.example/x"),
        ("\ufeff https://a.example/x \u2069", "https://a.example/x"),
        ("https://a.example/a\xadd", "https://a.example/a%C2%ADd"),
        ("https:/a.example/x", "https://a.example/x"),
        ("http:a.example/x", "http://a.example/x"),
        ("https:\\\\a.example/x", "https://a.example/x"),
        ("https://a.example\\a\\b?c\\d", "https://a.example/a/b?c\\d"),
        ("https://a.example/\x00x\x07", "https://a.example/x"),
        ("https://a.example/новости?q=é", "https://a.example/новости?q=é"),
        ("https://a.example/\ud800", "https://a.example/%3F"),
        ("abc 123", "abc 123"),
        ("", ""),
    ],
)
def test_link_is_tidied_as_browsers_read_it(written: str, tidy: str) -> None:
    assert tidy_link(written) == tidy


@given(st.text(max_size=60))
def test_tidying_is_idempotent(text: str) -> None:
    assert tidy_link(tidy_link(text)) == tidy_link(text)


@pytest.mark.parametrize(
    ("link", "canonical"),
    [
        ("https://a.example/x#story-1&ref=rss", "https://a.example/x#story-1"),
        ("https://a.example/x#pref=1", "https://a.example/x#pref=1"),
        ("https://a.example/x#/story?ref=1", "https://a.example/x#/story?ref=1"),
        ("https://a.example/x#utm_source=rss&utm_medium=feed", "https://a.example/x"),
        ("https://a.example/x#rss", "https://a.example/x"),
        ("https://a.example/x#xtor=1", "https://a.example/x"),
    ],
)
def test_only_the_trackers_of_a_fragment_are_dropped(link: str, canonical: str) -> None:
    assert canonical_link(link) == canonical


@pytest.mark.parametrize(
    ("link", "resolved"),
    [
        ("Read more", ""),
        ("none", ""),
        ('"https://a.example/q"', ""),
        ('<a href="https://a.example/q">x</a>', ""),
        ("www.a.example/a", "https://www.a.example/a"),
        ("/x", "https://b.example/x"),
        ("x.html", "https://b.example/news/x.html"),
        ("?p=1", "https://b.example/news/?p=1"),
        ("#a", "https://b.example/news/#a"),
        ("", ""),
    ],
)
def test_what_is_no_address_is_not_made_one(link: str, resolved: str) -> None:
    assert resolve_text(link, "https://b.example/news/") == resolved


@pytest.mark.parametrize(
    ("link", "resolved"),
    [
        ("my-post", "https://b.example/news/my-post"),
        ("/a b.html", "https://b.example/a%20b.html"),
        ("../x", "https://b.example/x"),
        ("read more", ""),
        ("”http://a.example/x.mp3”/", ""),
        ("see http://a.example/", ""),
        ("?u=http://a.example/", "https://b.example/news/?u=http://a.example/"),
        ("https://a.example/a", "https://a.example/a"),
    ],
)
def test_address_in_an_attribute_may_be_one_word(link: str, resolved: str) -> None:
    assert resolve(link, "https://b.example/news/") == resolved


@pytest.mark.parametrize("link", ["/a b.html", "/a", "x/y.html", "./x", "?p=1"])
def test_path_in_a_text_is_an_address(link: str) -> None:
    assert resolve_text(link, "https://b.example/") == resolve(link, "https://b.example/") != ""


@pytest.mark.parametrize(
    ("link", "safe"),
    [
        ("https://ex .example/", ""),
        ("https://a.example:99999/", ""),
        ("https://a.example:abc/", ""),
        ('https://a.example/c{e}"f<g>`h', "https://a.example/c%7Be%7D%22f%3Cg%3E%60h"),
        ("https://a.example/a b", "https://a.example/a%20b"),
    ],
)
def test_safe_link_is_an_address(link: str, safe: str) -> None:
    assert safe_link(link) == safe


def test_feeds_are_compared_by_the_address_that_is_asked() -> None:
    same = ["https://A.example/f", "https://a.example:443/f", "https://a.example/f#x"]
    assert {feed_key(url) for url in same} == {"https://a.example/f"}
    assert len({feed_key(url) for url in ("http://a.example/f", "https://a.example/f", "https://a.example/f?a")}) == 3
    assert feed_key("https://a.example") == "https://a.example/"


@pytest.mark.parametrize(
    ("address", "url"),
    [
        ("example.org/feed", "http://example.org/feed"),
        ("example.org:8080", "http://example.org:8080"),
        ("//example.org/feed", "http://example.org/feed"),
        ("127.0.0.1:8000/feed", "http://127.0.0.1:8000/feed"),
        ("LOCALHOST:8000/feed", "http://LOCALHOST:8000/feed"),
        ("[2001:db8::1]:8000/feed", "http://[2001:db8::1]:8000/feed"),
        ("feed://example.org/feed", "http://example.org/feed"),
        ("mailto:desk@example.org", "mailto:desk@example.org"),
        ("desk@example.org/feed", "desk@example.org/feed"),
        ("news", "news"),
    ],
)
def test_address_without_a_scheme_is_one_of_the_web(address: str, url: str) -> None:
    assert web_url(address) == url


@pytest.mark.parametrize(
    ("text", "link"),
    [
        ("N/A", ""),
        ("n/a", ""),
        ("TBD.", ""),
        ("-/-", ""),
        ("none", ""),
        ("example.com/story", "https://example.com/story"),
        ("http//x.example/a", "http://x.example/a"),
        ("index.php/story", "https://site.example/index.php/story"),
        ("news/1.html", "https://site.example/news/1.html"),
        ("story.html", "https://site.example/story.html"),
        ("p/5", "https://site.example/p/5"),
        ("?id=5", "https://site.example/?id=5"),
        ("2026/11/story", "https://site.example/2026/11/story"),
    ],
)
def test_placeholder_is_no_link(text: str, link: str) -> None:
    assert resolve_text(text, "https://site.example/") == link
