"""Fetching from a real loopback server that misbehaves as publishers do."""

import contextlib
import gzip
import socket
import threading
import time
import zlib

import msgspec
import pytest

from newswire.ingest.connect import ConnectionPools, is_public, system_resolver
from newswire.ingest.decompress import unpacked
from newswire.ingest.fetch import Fetcher
from newswire.model import Fetched, FetchFailed, FetchRequest, NotModified, Outcome, Validators
from newswire.settings import Settings
from tests.support.feed_server import Answer, rss, story

OPEN = Settings(
    fetch_allow_private=True,
    fetch_ports="",
    fetch_timeout_seconds=2,
    fetch_max_bytes=200_000,
    fetch_max_decoded_bytes=400_000,
)
BODY = rss(story(1))


def failure(outcome: Outcome) -> FetchFailed:
    assert isinstance(outcome, FetchFailed)
    return outcome


@pytest.fixture
def fetch():
    built = Fetcher(OPEN)
    yield lambda url, **more: unpacked(
        built.fetch(FetchRequest(url, "test-agent", **more)), OPEN.fetch_max_decoded_bytes
    )
    built.close()


def test_document_has_headers_and_final_url(fetch, server) -> None:
    url = server.says("/feed", BODY, etag='"v1"', headers={"Content-Type": "text/xml", "Set-Cookie": "secret=1"})
    outcome = fetch(url)
    assert isinstance(outcome, Fetched)
    assert (outcome.body, outcome.final_url, outcome.headers["etag"], outcome.truncated) == (BODY, url, '"v1"', False)
    assert "set-cookie" not in outcome.headers
    assert server.last("/feed")["user-agent"] == "test-agent"
    assert server.last("/feed")["accept-encoding"] == "gzip"


def test_validators_are_sent_verbatim_to_their_url_only(fetch, server) -> None:
    url = server.says("/feed", BODY, etag='W/"odd, one"')
    validators = Validators(url, 'W/"odd, one"', "Thu,  1 Jan 2025 00:00:00 gmt")
    assert isinstance(fetch(url, validators=validators), NotModified)
    assert server.last("/feed")["if-modified-since"] == "Thu,  1 Jan 2025 00:00:00 gmt"
    assert isinstance(fetch(url, validators=msgspec.structs.replace(validators, url=url + "x")), Fetched)


def test_unrequested_304_is_a_bad_response(fetch, server) -> None:
    assert fetch(server.says("/feed", status=304)).code == "bad_response"


@pytest.mark.parametrize("named", ["gzip", "x-gzip", "deflate", ""])
def test_compression_is_detected_from_the_content(fetch, server, named: str) -> None:
    packed = zlib.compress(BODY) if named == "deflate" else gzip.compress(BODY)
    url = server.says("/feed", packed, headers={"Content-Encoding": named} if named else {})
    assert fetch(url).body == BODY


def test_mislabelled_gzip_is_read_as_plain(fetch, server) -> None:
    assert fetch(server.says("/feed", BODY, headers={"Content-Encoding": "gzip"})).body == BODY


def test_unrequested_compression_is_refused(fetch, server) -> None:
    assert fetch(server.says("/feed", b"x", headers={"Content-Encoding": "br"})).code == "content_encoding"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_followed_and_recorded(fetch, server, status: int) -> None:
    server.says("/new", BODY)
    outcome = fetch(server.says("/old", status=status, headers={"Location": "new"}))
    assert outcome.body == BODY
    assert (outcome.final_url, outcome.hops[0].status) == (server.url("/new"), status)


def test_redirect_loops_and_long_chains_fail(fetch, server) -> None:
    server.says("/b", status=302, headers={"Location": "/a"})
    assert fetch(server.says("/a", status=302, headers={"Location": "/b"})).code == "redirect_loop"
    for n in range(20):
        server.says(f"/{n}", status=302, headers={"Location": f"/{n + 1}"})
    assert fetch(server.url("/0")).code == "too_many_redirects"


def test_feed_headers_and_credentials_stay_with_their_origin(fetch, server) -> None:
    from tests.support.feed_server import FeedServer

    other = FeedServer()
    try:
        target = other.says("/there", BODY)
        url = server.says("/here", status=302, headers={"Location": target}).replace("http://", "http://user:p%40ss@")
        assert isinstance(fetch(url, headers={"X-Key": "k"}), Fetched)
        assert server.last("/here")["x-key"] == "k"
        assert server.last("/here")["authorization"] == "Basic dXNlcjpwQHNz"
        assert "x-key" not in other.last("/there")
        assert "authorization" not in other.last("/there")
    finally:
        other.close()


@pytest.mark.parametrize(
    ("status", "code"), [(404, "http_404"), (410, "http_410"), (429, "http_429"), (500, "http_500"), (204, "http_204")]
)
def test_other_statuses_fail_with_a_code(fetch, server, status: int, code: str) -> None:
    outcome = fetch(server.says("/feed", b"x" if status != 204 else b"", status=status, headers={"Retry-After": "60"}))
    assert (outcome.code, outcome.status, outcome.headers["retry-after"]) == (code, status, "60")


def test_a_body_over_the_limit_is_not_read(fetch, server) -> None:
    assert fetch(server.says("/feed", b"x" * 200_001)).code == "too_large"

    def endless(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 10000000000\r\n\r\n")

    server.answers["/huge"] = Answer(act=endless)
    assert fetch(server.url("/huge")).code == "too_large"

    def unannounced(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
        try:
            for _ in range(1000):
                connection.sendall(b"x" * 10_000)
        except OSError:
            pass

    server.answers["/more"] = Answer(act=unannounced)
    assert fetch(server.url("/more")).code == "too_large"


def test_a_decompression_bomb_is_stopped(fetch, server) -> None:
    bomb = gzip.compress(b"\0" * 30_000_000)
    assert len(bomb) < 200_000
    assert fetch(server.says("/feed", bomb, headers={"Content-Encoding": "gzip"})).code == "too_large_decoded"


def test_slow_drip_fails_at_the_deadline(fetch, server) -> None:
    def drip(connection: socket.socket) -> None:
        try:
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n")
            for _ in range(100):
                connection.sendall(b"x")
                time.sleep(0.1)
        except OSError:
            pass

    def drip_headers(connection: socket.socket) -> None:
        try:
            for letter in b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100:
                connection.sendall(bytes([letter]))
                time.sleep(0.1)
        except OSError:
            pass

    for act in (drip, drip_headers):
        server.answers["/feed"] = Answer(act=act)
        started = time.monotonic()
        assert fetch(server.url("/feed")).code == "timeout"
        assert time.monotonic() - started < 4


def test_incomplete_transfer_is_kept_and_flagged(fetch, server) -> None:
    outcome = fetch(server.says("/feed", BODY, length=len(BODY) + 100))
    assert isinstance(outcome, Fetched)
    assert (outcome.truncated, outcome.body) == (True, BODY)
    half = gzip.compress(BODY * 50)
    outcome = fetch(server.says("/gz", half[: len(half) // 2], headers={"Content-Encoding": "gzip"}))
    assert (outcome.truncated, outcome.body[:20]) == (True, BODY[:20])


@pytest.mark.parametrize(
    "response", [b"", b"HTTP/1.1 200 OK\r\nContent-Le", b"\x00\x01\x02rubbish\r\n\r\n", b"HTTP/1.1 999999999 X\r\n\r\n"]
)
def test_non_http_response_is_a_failure(fetch, server, response: bytes) -> None:
    server.answers["/feed"] = Answer(act=lambda connection: connection.sendall(response) if response else None)
    assert isinstance(fetch(server.url("/feed")), FetchFailed)


@pytest.mark.parametrize(
    "location", ["http://[", "http://a.example:99999/", "http://a\u00ff" + "b" * 80 + ".example/", "//[::z]/"]
)
def test_redirect_to_no_url_is_told_as_the_fault_of_the_server(fetch, server, location: str) -> None:
    outcome = fetch(server.says("/feed", status=302, headers={"Location": location}))
    assert isinstance(outcome, FetchFailed)
    assert (outcome.code, outcome.sentence.startswith("127.0.0.1 redirects to ")) == ("invalid_url", True)


@pytest.mark.parametrize("chunk", [b"zz\r\nhello", b"\x80\r\n", b"\r\nhello"])
def test_invalid_chunk_is_told_as_the_fault_of_the_server(fetch, server, chunk: bytes) -> None:
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
    server.answers["/feed"] = Answer(act=lambda connection: connection.sendall(head + chunk))
    outcome = fetch(server.url("/feed"))
    assert isinstance(outcome, FetchFailed), outcome
    assert outcome.code == "bad_response"


@pytest.mark.parametrize("length", ["9" * 5_000, "\u00b2", "-4", "0x10", "1e3", ""])
def test_unreadable_content_length_is_ignored(fetch, server, length: str) -> None:
    head = f"HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n".encode("latin-1")
    server.answers["/feed"] = Answer(act=lambda connection: connection.sendall(head + BODY))
    outcome = fetch(server.url("/feed"))
    assert isinstance(outcome, Fetched), outcome
    assert outcome.body == BODY


@pytest.mark.parametrize(
    "line", [b"HTTP/1.1 2\x0b00 OK", b"HTTP/9\x1b[31m 200 OK", b"hello\x85world", b"HTTP/1.1 abc\x0cdef"]
)
def test_reason_of_a_bad_response_is_one_line(fetch, server, line: bytes) -> None:
    server.answers["/feed"] = Answer(act=lambda connection: connection.sendall(line + b"\r\n\r\n"))
    outcome = fetch(server.url("/feed"))
    assert isinstance(outcome, FetchFailed)
    assert outcome.sentence == " ".join(outcome.sentence.split())


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("ftp://a.example/", "invalid_url"),
        ("file:///etc/passwd", "invalid_url"),
        ("http://", "invalid_url"),
        ("http://[bad", "invalid_url"),
        ("http://a.example:99999/", "invalid_url"),
        ("http://a" + "b" * 5000, "invalid_url"),
        ("/etc/passwd", "invalid_url"),
        ("", "invalid_url"),
        ("http://nothing.invalid/", "dns"),
        ("http://127.0.0.1:9/", "connect"),
    ],
)
def test_url_that_cannot_be_fetched_is_a_failure(fetch, url: str, code: str) -> None:
    assert fetch(url).code == code


def test_only_configured_ports_are_fetched(server) -> None:
    fetcher = Fetcher(msgspec.structs.replace(OPEN, fetch_ports="80,443"))
    assert failure(fetcher.fetch(FetchRequest(server.says("/feed", BODY), "t"))).code == "port"


@pytest.mark.parametrize("through_redirect", [False, True])
def test_end_of_an_ipv6_literal_is_not_a_port(fetch, server, through_redirect: bool) -> None:
    with _listen_on_four_digits() as other:
        target = f"http://[::1:{other.getsockname()[1]}]/"
        url = server.says("/moved", status=302, headers={"Location": target}) if through_redirect else target
        assert failure(fetch(url)).code in {"connect", "timeout"}
        other.settimeout(0.05)
        with pytest.raises(TimeoutError):
            other.accept()


def _listen_on_four_digits() -> socket.socket:
    """Listen on a port that can also be the last group of an IPv6 address."""
    for port in range(9999, 1024, -1):
        with contextlib.suppress(OSError):
            return socket.create_server(("::1", port), family=socket.AF_INET6)
    raise AssertionError("no port of four digits is free")


def test_ipv6_literal_without_a_port_is_connected_to_port_80() -> None:
    pools = ConnectionPools(system_resolver, allow_private=True, max_pools=1)
    pool = pools.pool_of("http", "2606:4700::6810:84e5", None)
    assert (pool.host, pool.port) == ("2606:4700::6810:84e5", 80)
    pools.close()


PRIVATE = [
    "127.0.0.1",
    "127.255.0.1",
    "10.0.0.1",
    "172.16.0.1",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "0.0.0.0",
    "192.0.0.192",
    "192.0.2.1",
    "198.18.0.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.1.1.1",
    "240.0.0.1",
    "255.255.255.255",
    "::1",
    "::",
    "::127.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::ffff:0:127.0.0.1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b::7f00:1",
    "64:ff9b:1::a00:1",
    "2002:7f00:1::",
    "2002:a9fe:a9fe::1",
    "2001:0:4136:e378:8000:63bf:80ff:fffe",
    "2001:0:7f00:1::",
    "fe80::1",
    "fe80::1%eth0",
    "fec0::1",
    "fc00::1",
    "fd12::1",
    "ff02::1",
    "2001:db8::1",
    "100::1",
    "2001:470::5efe:127.0.0.1",
    "3fff::1",
    "nonsense",
]


@pytest.mark.parametrize("address", PRIVATE)
def test_private_addresses_are_not_public_in_any_notation(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize(
    "address",
    [
        "8.8.8.8",
        "1.1.1.1",
        "193.110.130.10",
        "2606:4700::1111",
        "2a00:1450:4001::1",
        "::ffff:8.8.8.8",
        "64:ff9b::808:808",
    ],
)
def test_public_addresses_are_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize("address", PRIVATE[:-1])
def test_name_resolving_to_a_private_address_is_refused(server, address: str) -> None:
    url = server.says("/feed", BODY).replace("127.0.0.1", "news.example")
    closed = Fetcher(
        msgspec.structs.replace(OPEN, fetch_allow_private=False), resolver=lambda _host, _port: ["8.8.8.8", address]
    )
    outcome = failure(closed.fetch(FetchRequest(url, "t")))
    assert outcome.code == "private_address"
    assert server.asked == []


def test_connection_uses_the_checked_address(server, monkeypatch) -> None:
    answers = iter([["192.0.2.99"], ["127.0.0.1"]])
    monkeypatch.setattr("newswire.ingest.connect.is_public", lambda address: address == "192.0.2.99")
    monkeypatch.setattr("newswire.ingest.connect.CONNECT_SECONDS", 0.2)
    fetcher = Fetcher(
        msgspec.structs.replace(OPEN, fetch_allow_private=False), resolver=lambda _host, _port: next(answers)
    )
    outcome = failure(fetcher.fetch(FetchRequest(server.says("/feed", BODY).replace("127.0.0.1", "news.example"), "t")))
    assert outcome.code in {"timeout", "connect"}
    assert server.asked == []
    assert next(answers) == ["127.0.0.1"]  # the second answer was not used


def test_a_redirect_to_a_private_address_is_refused(server, monkeypatch) -> None:
    url = server.says("/feed", status=302, headers={"Location": "http://inside.example/secret"})
    names = {"public.example": ["127.0.0.1"], "inside.example": ["10.0.0.1"]}
    fetcher = Fetcher(
        msgspec.structs.replace(OPEN, fetch_allow_private=False), resolver=lambda host, _port: names[host]
    )
    monkeypatch.setattr(
        "newswire.ingest.connect.is_public", lambda address: address == "127.0.0.1" or is_public(address)
    )
    outcome = failure(fetcher.fetch(FetchRequest(url.replace("127.0.0.1", "public.example"), "t")))
    assert outcome.code == "private_address"
    assert "inside.example" in outcome.sentence


def test_slow_dns_lookup_fails_at_the_deadline(server) -> None:
    given_up = threading.Event()
    url = server.says("/feed", BODY).replace("127.0.0.1", "slow.example")

    def slow(_host: str, _port: int) -> list[str]:
        given_up.wait(30)
        return ["127.0.0.1"]

    fetcher = Fetcher(msgspec.structs.replace(OPEN, fetch_timeout_seconds=1), slow)
    started = time.monotonic()
    outcome = failure(fetcher.fetch(FetchRequest(url, "t")))
    took = time.monotonic() - started
    given_up.set()
    assert outcome.code == "timeout"
    assert "The name lookup of slow.example missed the deadline of the fetch" in outcome.sentence
    assert 0.9 < took < 2
    assert server.asked == []


def test_dns_lookups_of_all_redirects_share_one_deadline(server) -> None:
    def slow(_host: str, _port: int) -> list[str]:
        time.sleep(0.25)
        return ["127.0.0.1"]

    for n in range(5):
        server.says(f"/{n}", status=302, headers={"Location": f"http://name-{n + 1}.example:{server.port}/{n + 1}"})
    server.says("/5", BODY)
    first = f"http://name-0.example:{server.port}/0"
    fetcher = Fetcher(msgspec.structs.replace(OPEN, fetch_timeout_seconds=1), slow)
    started = time.monotonic()
    assert failure(fetcher.fetch(FetchRequest(first, "t"))).code == "timeout"
    assert time.monotonic() - started < 1.5
    patient = Fetcher(msgspec.structs.replace(OPEN, fetch_timeout_seconds=10), slow)
    whole = patient.fetch(FetchRequest(first, "t"))
    assert isinstance(whole, Fetched)
    assert whole.body == BODY


def test_ip_literal_is_not_looked_up(server) -> None:
    lookups: list[str] = []

    def look_up(host: str, _port: int) -> list[str]:
        lookups.append(host)
        return []

    fetcher = Fetcher(OPEN, look_up)
    assert isinstance(fetcher.fetch(FetchRequest(server.says("/feed", BODY), "t")), Fetched)
    closed = Fetcher(msgspec.structs.replace(OPEN, fetch_allow_private=False), look_up)
    for host in ("127.0.0.1", "[::1]", "[::ffff:10.0.0.1]"):
        assert failure(closed.fetch(FetchRequest(f"http://{host}:{server.port}/feed", "t"))).code == "private_address"
    assert lookups == []


@pytest.mark.parametrize("odd", ["127.1", "2130706433", "0x7f.0.0.1", "0177.0.0.1", "localhost"])
def test_unusual_notation_of_a_private_address_is_refused(server, odd: str) -> None:
    closed = Fetcher(msgspec.structs.replace(OPEN, fetch_allow_private=False))
    server.says("/feed", BODY)
    assert failure(closed.fetch(FetchRequest(f"http://{odd}:{server.port}/feed", "t"))).code == "private_address"
    assert server.asked == []


def test_fetcher_reuses_the_connection_of_a_host(fetch, server) -> None:
    urls = [server.says("/feed", BODY), server.says("/other", BODY), server.says("/feed", BODY)]
    assert all(isinstance(fetch(url), Fetched) for url in urls)
    assert (len(server.asked), server.connections) == (3, 1)
    server.says("/last", BODY, headers={"Connection": "close"})
    for _ in range(2):
        assert isinstance(fetch(server.url("/last")), Fetched)
    assert server.connections == 2


def test_proxy_environment_variables_are_ignored(fetch, server, monkeypatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    assert isinstance(fetch(server.says("/feed", BODY)), Fetched)


@pytest.mark.parametrize(
    "interim", [b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n", b"HTTP/1.1 102 Processing\r\n\r\n"]
)
@pytest.mark.parametrize("times", [1, 5])
def test_interim_responses_are_passed_over(server, settings, interim: bytes, times: int) -> None:
    def act(sock) -> None:
        sock.sendall(interim * times + b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\n<rss>")

    server.answers["/early"] = Answer(act=act)
    server.answers["/next"] = Answer(body=b"<rss>next")
    fetcher = Fetcher(settings)
    outcome = fetcher.fetch(FetchRequest(server.url("/early"), "test"))
    assert isinstance(outcome, Fetched), outcome
    assert (outcome.status, outcome.body) == (200, b"<rss>")
    following = fetcher.fetch(FetchRequest(server.url("/next"), "test"))
    assert isinstance(following, Fetched)
    assert following.body == b"<rss>next", "never the answer of the request before"
    fetcher.close()


def test_endless_interim_responses_fail(server, settings) -> None:
    def act(sock) -> None:
        with contextlib.suppress(OSError):
            sock.sendall(b"HTTP/1.1 103 Early Hints\r\n\r\n" * 10_000)

    server.answers["/early"] = Answer(act=act)
    fetcher = Fetcher(settings)
    assert isinstance(fetcher.fetch(FetchRequest(server.url("/early"), "test")), FetchFailed)
    fetcher.close()
