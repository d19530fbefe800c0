"""Servers that answer as no standard says, or as few do: what browsers read is read, and no feed gets another's answer."""

import gzip
import socket
import threading
import zlib
from collections.abc import Callable, Iterator

import pytest
from msgspec.structs import replace

from newswire.ingest.decompress import unpacked
from newswire.ingest.fetch import Fetcher, _destination_of
from newswire.ingest.redirects import RedirectChain, read_location
from newswire.model import Fetched, FetchFailed, FetchRequest, NotModified, Validators
from newswire.settings import Settings
from tests.support.feed_server import rss, story

OPEN = Settings(fetch_allow_private=True, fetch_ports="", fetch_timeout_seconds=5)
BODY = rss(story(1))


class RawServer:
    """Answers each request with bytes: `says(request line, number of the connection)` returns them, or None to hang up."""

    def __init__(self, says: Callable[[str, int], bytes | None]) -> None:
        self.says = says
        self.requests: list[bytes] = []
        self.connections = 0
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.base = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=(connection, self.connections), daemon=True).start()

    def _serve(self, connection: socket.socket, number: int) -> None:
        with connection:
            while head := self._read_head(connection):
                self.requests.append(head)
                answer = self.says(head.split(b"\r\n")[0].decode("latin-1"), number)
                if answer is None:
                    return
                connection.sendall(answer)
                if b"connection: close" in answer.lower():
                    return

    @staticmethod
    def _read_head(connection: socket.socket) -> bytes:
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            try:
                part = connection.recv(65_536)
            except OSError:
                return b""
            if not part:
                return b""
            head += part
        return head

    def close(self) -> None:
        self._socket.close()


def answer(body: bytes = BODY, *headers: bytes, status: bytes = b"200 OK") -> bytes:
    lines = [b"HTTP/1.1 " + status, *headers, b"Content-Length: %d" % len(body), b"", body]
    return b"\r\n".join(lines)


@pytest.fixture
def serve() -> Iterator[Callable[[Callable[[str, int], bytes | None]], RawServer]]:
    servers: list[RawServer] = []

    def start(says: Callable[[str, int], bytes | None]) -> RawServer:
        servers.append(RawServer(says))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


@pytest.fixture
def fetch():
    fetcher = Fetcher(OPEN)
    yield lambda url, **more: unpacked(fetcher.fetch(FetchRequest(url, "agent", **more)), 1_000_000)
    fetcher.close()


@pytest.mark.parametrize(
    "odd",
    [
        b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n",
        b"HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\n",
        b"HTTP/1.1 199 Odd\r\nX: 1\r\n\r\n",
    ],
)
def test_interim_answers_are_no_answers(serve, fetch, odd: bytes) -> None:
    server = serve(lambda line, _: odd + answer(rss(story(1, line.split()[1]))))
    for path in ("/a", "/b", "/c"):
        assert f"<title>{path}</title>".encode() in fetch(server.base + path).body


@pytest.mark.parametrize("headers", [b"Content-Length: 30\r\n", b"Transfer-Encoding: chunked\r\n"])
@pytest.mark.parametrize("status", [b"304 Not Modified", b"204 No Content", b"205 Reset Content"])
def test_late_body_is_not_the_answer_of_the_next_feed(serve, fetch, status: bytes, headers: bytes) -> None:
    """A server that announces a body where there is none sends it when the next request has come."""

    def says(line: str, number: int) -> bytes:
        if "/first" in line:
            return b"HTTP/1.1 " + status + b"\r\n" + headers + b"\r\n"
        late = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nwrong" if number == 1 else b""
        return late + answer()

    server = serve(says)
    first = fetch(f"{server.base}/first", validators=Validators(f"{server.base}/first", '"1"'))
    assert isinstance(first, NotModified if status.startswith(b"304") else FetchFailed)
    assert fetch(f"{server.base}/second").body == BODY


@pytest.mark.parametrize(
    "head",
    [
        b"304 Not Modified\r\n\r\n",
        b"204 No Content\r\n\r\n",
        b"205 Reset Content\r\n\r\n",
        b"404 Not Found\r\nContent-Length: 0\r\n\r\n",
        b"500 Oops\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"301 Moved\r\nLocation: /third\r\nContent-Length: 0\r\n\r\n",
    ],
)
def test_second_answer_after_one_without_a_document_is_not_that_of_the_next_feed(serve, fetch, head: bytes) -> None:
    """Nothing announces the second answer, which comes with the next request of the connection."""

    def says(line: str, number: int) -> bytes:
        if "/first" in line:
            return b"HTTP/1.1 " + head
        late = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nwrong" if number == 1 else b""
        return late + answer()

    server = serve(says)
    first = fetch(f"{server.base}/first", validators=Validators(f"{server.base}/first", etag='"1"'))
    assert not isinstance(first, Fetched) or first.body == BODY
    assert fetch(f"{server.base}/second").body == BODY


@pytest.mark.parametrize("end", ["close", "close in the head"])
def test_kept_connection_that_was_given_up_is_tried_once_more(serve, fetch, end: str) -> None:
    seen: dict[int, int] = {}

    def says(_line: str, number: int) -> bytes | None:
        seen[number] = seen.get(number, 0) + 1
        if seen[number] == 1:
            return answer()
        return None if end == "close" else b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-"

    server = serve(says)
    outcomes = [fetch(f"{server.base}/{path}") for path in "abcd"]
    if end == "close":
        assert [type(outcome) for outcome in outcomes] == [Fetched] * 4
    else:  # an answer has begun: it is not asked for again
        assert isinstance(outcomes[0], Fetched)


def test_new_connection_that_is_closed_is_not_tried_again(serve, fetch) -> None:
    server = serve(lambda *_: None)
    assert fetch(f"{server.base}/a").code == "bad_response"
    assert len(server.requests) == 1


def redirect(location: bytes, *headers: bytes) -> bytes:
    return answer(b"", b"Location: " + location, *headers, status=b"302 Found")


@pytest.mark.parametrize(
    ("location", "target"),
    [
        ("/féd.xml".encode(), "/f%C3%A9d.xml"),
        ("/новости".encode(), "/%D0%BD%D0%BE%D0%B2%D0%BE%D1%81%D1%82%D0%B8"),
        (b"/feed.xml \t", "/feed.xml"),
        (b"/feed.xml\r\nLocation: /feed.xml", "/feed.xml"),
        (b"/a,b", "/a,b"),
        ("/f%C3%A9d.xml?q=é".encode(), "/f%C3%A9d.xml?q=%C3%A9"),
    ],
)
def test_location_is_read_as_browsers_read_it(serve, fetch, location: bytes, target: str) -> None:
    server = serve(lambda line, _: redirect(location) if line.split()[1] == "/start" else answer())
    assert isinstance(fetch(f"{server.base}/start"), Fetched)
    assert server.requests[-1].split()[1].decode() == target


def test_location_in_latin_1_is_read_as_it_is() -> None:
    assert read_location(["/f\xe9d"]) == "/f\xe9d"
    assert read_location([]) == ""


def test_cookies_of_a_redirect_come_with_the_next_request_of_this_fetch_only(serve, fetch) -> None:
    def says(line: str, _: int) -> bytes:
        if line.split()[1] == "/feed" and b"seen=1" not in server.requests[-1]:
            return redirect(b"/check", b"Set-Cookie: seen=1; Path=/", b"Set-Cookie: elsewhere=1; Domain=other.example")
        return redirect(b"/feed") if line.split()[1] == "/check" else answer()

    server = serve(says)
    for _ in range(2):
        outcome = fetch(f"{server.base}/feed")
        assert isinstance(outcome, Fetched)
        assert [hop.status for hop in outcome.hops] == [302, 302]
    assert b"elsewhere" not in b"".join(server.requests)
    assert b"ookie" not in server.requests[3], "the jar ends with the fetch"


def test_cookie_that_changes_nothing_is_a_loop(serve, fetch) -> None:
    server = serve(lambda *_: redirect(b"/feed", b"Set-Cookie: seen=1"))
    assert fetch(f"{server.base}/feed").code == "redirect_loop"
    assert len(server.requests) == 2


@pytest.mark.parametrize(
    "etag", ['"é-1"'.encode(), '"版-1"'.encode(), '"é-1"'.encode("latin-1"), b'"\x81"', '"😀"'.encode()]
)
def test_validators_outside_ascii_go_back_as_they_came_or_not_at_all(serve, fetch, etag: bytes) -> None:
    server = serve(lambda *_: answer(BODY, b"ETag: " + etag, b"Last-Modified: \xcf\xed, 4 Mar"))
    first = fetch(f"{server.base}/feed")
    validators = Validators(first.final_url, first.headers["etag"], first.headers["last-modified"])
    assert isinstance(fetch(f"{server.base}/feed", validators=validators), Fetched)
    sent = [line for line in server.requests[-1].split(b"\r\n") if line.lower().startswith(b"if-")]
    assert sent in ([b"If-None-Match: " + etag], [])
    assert bool(sent) == (etag.decode("utf-8", "ignore").encode() == etag)


PACKED = gzip.compress(BODY)


@pytest.mark.parametrize(
    ("coding", "body"),
    [
        *(
            (name, BODY)
            for name in ("none", "utf-8", "binary", "8bit", "aws-chunked", "text/xml", "br", "zstd", "", ",")
        ),
        *((name, b"\n" + BODY) for name in ("deflate", "gzip", "br")),
        ("gzip, identity", PACKED),
        ("aws-chunked, gzip", PACKED),
        ("utf-8", PACKED),
        ("gzip, gzip", PACKED),
        ("gzip, gzip", gzip.compress(PACKED)),
        ("gzip", gzip.compress(PACKED)),
        ("deflate, identity", zlib.compress(BODY)),
        ("deflate", zlib.compress(BODY)[2:-4]),
    ],
)
def test_content_decides_how_a_body_is_compressed(serve, fetch, coding: str, body: bytes) -> None:
    server = serve(lambda *_: answer(body, b"Content-Encoding: " + coding.encode()))
    assert fetch(f"{server.base}/feed").body.strip() == BODY.strip()


@pytest.mark.parametrize("coding", ["br", "zstd", "identity, br", "x-compress"])
def test_compression_that_was_not_accepted_is_refused(serve, fetch, coding: str) -> None:
    server = serve(lambda *_: answer(b"\x8b\x05\x80", b"Content-Encoding: " + coding.encode()))
    assert fetch(f"{server.base}/feed").code == "content_encoding"


def test_203_is_a_document(serve, fetch) -> None:
    server = serve(lambda *_: answer(status=b"203 Non-Authoritative Information"))
    assert fetch(f"{server.base}/feed").body == BODY


def test_many_header_lines_are_read(serve, fetch) -> None:
    server = serve(lambda *_: answer(BODY, *(b"Link: </%d.css>; rel=preload" % number for number in range(400))))
    assert fetch(f"{server.base}/feed").body == BODY
    endless = serve(lambda *_: answer(BODY, *(b"X: 1" for _ in range(2_000))))
    assert fetch(f"{endless.base}/feed").code == "bad_response"


@pytest.mark.parametrize(
    "line",
    [
        b"a line without a colon",
        b"X-Spaced : 1",
        b"Two words: 1",
        "Größe: 1".encode(),
        b"X: a\rb",
        b"bad\r\n  that goes on: 1",
        b" goes on before it begins",
        b"<!-- a comment: of a script -->",
        b"HTTP/1.1 200 OK",
        b"\x00\xff",
        b": nameless",
    ],
)
def test_line_that_is_no_header_ends_no_head(serve, fetch, line: bytes) -> None:
    server = serve(lambda *_: answer(BODY, line, b'ETag: "1"'))
    outcome = fetch(f"{server.base}/feed")
    assert (outcome.body, outcome.headers["etag"]) == (BODY, '"1"')
    assert fetch(f"{server.base}/feed").body == BODY
    assert server.connections == 1


def test_head_without_end_is_refused(serve, fetch) -> None:
    assert fetch(serve(lambda *_: answer(BODY, *[b"no header"] * 2_000)).base + "/feed").code == "bad_response"


@pytest.mark.parametrize("space", [b"", b" "])
def test_length_behind_an_odd_name_counts(serve, fetch, space: bytes) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length%s: %d\r\n\r\n" % (space, len(BODY))
    assert fetch(serve(lambda *_: head + BODY).base + "/feed").body == BODY


@pytest.mark.parametrize("form", [b"%d, %d", b"%d ,%d", b" %d,%d "])
def test_length_given_twice_is_one(serve, fetch, form: bytes) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: " + form % (len(BODY), len(BODY)) + b"\r\n\r\n"
    assert fetch(serve(lambda *_: head + BODY).base + "/feed").body == BODY


@pytest.mark.parametrize("length", [b"1, 2", b"1_0", b"-5", b"five", b""])
def test_length_that_is_none_lets_the_body_end_with_its_connection(serve, fetch, length: bytes) -> None:
    head = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: " + length + b"\r\n\r\n"
    assert fetch(serve(lambda *_: head + BODY).base + "/feed").body == BODY


@pytest.mark.parametrize("codings", [b"gzip, chunked", b"GZip ,Chunked", b"gzip\r\nTransfer-Encoding: chunked"])
def test_transfer_may_be_compressed_and_in_chunks(serve, fetch, codings: bytes) -> None:
    packed = gzip.compress(BODY)
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: " + codings + b"\r\n\r\n"
    server = serve(lambda *_: head + b"%x\r\n%s\r\n0\r\n\r\n" % (len(packed), packed))
    for _ in range(2):
        assert fetch(f"{server.base}/feed").body == BODY
    assert server.connections == 1


@pytest.mark.parametrize("status", [b"302 Found", b"404 Not Found"])
def test_answer_without_a_length_is_not_waited_for(serve, fetch, status: bytes) -> None:
    def says(line: str, _: int) -> bytes:
        head = b"HTTP/1.1 " + status + b"\r\nLocation: /feed\r\n\r\n"
        return answer() if line.split()[1] == "/feed" else head

    outcome = fetch(serve(says).base + "/start")
    if status.startswith(b"302"):
        assert outcome.body == BODY
    else:
        assert outcome.code == "http_404"
    assert outcome.took_ms < OPEN.fetch_timeout_seconds * 500


@pytest.mark.parametrize(
    ("path", "asked"),
    [
        ("/%zz?u=http%3a", "/%zz?u=http%3a"),
        ("/a?x=[1]&y=2|3", "/a?x=[1]&y=2|3"),
        ("/a b?c d", "/a%20b?c%20d"),
        ("/é?ö", "/%C3%A9?%C3%B6"),
        ("/a/../b", "/b"),
        ("/a;b=c@d:e!$'()*+,", "/a;b=c@d:e!$'()*+,"),
        ('/a"<>{}`b', "/a%22%3C%3E%7B%7D%60b"),
        ("", "/"),
    ],
)
def test_address_is_asked_as_it_is_written(path: str, asked: str) -> None:
    assert _destination_of(f"https://a.example{path}", frozenset()).target == asked


def test_cookie_without_a_domain_stays_with_its_host() -> None:
    chain = RedirectChain("https://news.example/feed")
    chain.keep_cookies(["alone=1; Path=/", "shared=1; Path=/; Domain=news.example"])
    assert chain.cookies() == "alone=1; shared=1"
    chain.follow(302, "https://www.news.example/feed", 5)
    assert chain.cookies() == "shared=1"
    chain.follow(302, "https://news.example/other", 5)
    assert chain.cookies() == "alone=1; shared=1"


@pytest.mark.parametrize("end", [b"\r\n", b"", b"\r\nzz\r\n", b"\r\n5\r\nab"])
def test_chunks_without_their_end_give_what_has_come(serve, fetch, end: bytes) -> None:
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
    chunks = b"%x\r\n%s\r\n%x\r\n%s" % (100, BODY[:100], len(BODY) - 100, BODY[100:])
    outcome = fetch(serve(lambda *_: head + chunks + end).base + "/feed")
    assert isinstance(outcome, Fetched)
    assert outcome.body.removesuffix(b"ab") == BODY
    assert outcome.truncated


def test_last_chunk_that_never_comes_on_an_open_connection_costs_no_item(serve) -> None:
    """The document is there, and only the line that says so is missing."""
    chunks = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n" % len(BODY) + BODY + b"\r\n"
    server = serve(lambda line, _: chunks if "/whole" in line else chunks[:-40])
    fetcher = Fetcher(replace(OPEN, fetch_timeout_seconds=1))
    whole, part = (fetcher.fetch(FetchRequest(server.base + path, "agent")) for path in ("/whole", "/part"))
    fetcher.close()
    assert isinstance(whole, Fetched)
    assert (whole.body, whole.truncated) == (BODY, True)
    assert isinstance(part, FetchFailed)
    assert part.code == "timeout"


@pytest.mark.parametrize(
    ("host", "asked"),
    [
        ("straße.example", "xn--strae-oqa.example"),
        ("faß.example", "xn--fa-hia.example"),
        ("βόλος.example", "xn--nxasmm1c.example"),
        ("WWW.Россия.example", "www.xn--h1alffa9f.example"),
        ("日本語。example", "xn--wgv71a119e.example"),
        ("i❤.example", "xn--i-7iq.example"),
        ("💩.example", "xn--ls8h.example"),
        ("a_b.mü.example", "a_b.xn--m-eha.example"),
    ],
)
def test_host_is_asked_by_idna_2008(host: str, asked: str) -> None:
    assert _destination_of(f"https://{host}/feed", frozenset({443})).host == asked


def test_host_that_is_no_name_is_a_failure(fetch) -> None:
    assert fetch("https://xn--é\u0300\u2488.example/feed").code == "invalid_url"
