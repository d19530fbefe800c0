"""Fetching over TLS from a real loopback server with generated certificates."""

import socket
import time
from pathlib import Path

import msgspec
import pytest

from newswire.ingest.fetch import Fetcher
from newswire.model import Fetched, FetchFailed, FetchRequest
from newswire.settings import Settings
from tests.support.certificates import Authority, self_signed
from tests.support.feed_server import Answer, FeedServer, rss, story
from tests.support.processes import command

BODY = rss(story(1))
OPEN = Settings(fetch_allow_private=True, fetch_ports="", fetch_timeout_seconds=2)


@pytest.fixture(scope="module")
def authority(tmp_path_factory) -> Authority:
    return Authority(tmp_path_factory.mktemp("certificates") / "ours")


@pytest.fixture(scope="module")
def server(authority):
    """Yield a server with a certificate for `news.example`."""
    built = FeedServer(certificate=authority.signs("DNS:news.example"))
    built.says("/feed", BODY)
    yield built
    built.close()


@pytest.fixture
def trusted(authority, monkeypatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))


def fetched_from(host: str, server: FeedServer, settings: Settings = OPEN, path: str = "/feed"):
    fetcher = Fetcher(settings, resolver=lambda _host, _port: ["127.0.0.1"])
    try:
        return fetcher.fetch(FetchRequest(f"https://{host}:{server.port}{path}", "t"))
    finally:
        fetcher.close()


@pytest.mark.usefixtures("trusted")
def test_document_is_fetched_with_a_private_authority(server) -> None:
    outcome = fetched_from("news.example", server)
    assert isinstance(outcome, Fetched), outcome
    assert outcome.body == BODY
    assert server.last("/feed")["host"] == f"news.example:{server.port}"


@pytest.mark.usefixtures("trusted")
def test_tls_sends_the_host_name_to_the_checked_address(server) -> None:
    server.names_asked_for.clear()
    hosts: list[str] = []

    def resolver(host: str, _port: int) -> list[str]:
        hosts.append(host)
        return ["127.0.0.1"]

    fetcher = Fetcher(OPEN, resolver)
    url = f"https://news.example:{server.port}/feed"
    assert [isinstance(fetcher.fetch(FetchRequest(url, "t")), Fetched) for _ in range(2)] == [True, True]
    fetcher.close()
    assert hosts == ["news.example"], "the connection is used again, and the name not looked up a second time"
    assert server.names_asked_for == ["news.example"]


@pytest.mark.usefixtures("trusted")
def test_private_address_is_refused_before_the_handshake(server) -> None:
    server.names_asked_for.clear()
    outcome = fetched_from("news.example", server, msgspec.structs.replace(OPEN, fetch_allow_private=False))
    assert outcome.code == "private_address"
    assert server.names_asked_for == []


@pytest.mark.usefixtures("trusted")
@pytest.mark.parametrize("host", ["other.example", "127.0.0.1", "news.example.evil.example"])
def test_wrong_host_certificate_error_names_the_host(server, host: str) -> None:
    before = len(server.asked)
    outcome = fetched_from(host, server)
    assert isinstance(outcome, FetchFailed)
    assert outcome.code == "tls"
    assert f"The certificate of {host} is invalid (" in outcome.sentence
    assert f"certificate is not valid for '{host}')." in outcome.sentence
    assert len(server.asked) == before, "nothing was asked for, and no header shown"


def test_unknown_authority_error_suggests_ssl_cert_file(server) -> None:
    outcome = fetched_from("news.example", server)
    assert outcome.code == "tls"
    assert outcome.sentence == (
        "The certificate of news.example is invalid (unable to get local issuer certificate). If you trust its issuer, "
        "write the issuer's certificate into a file and set SSL_CERT_FILE to it."
    )


def test_self_signed_certificate_error_suggests_ssl_cert_file(tmp_path) -> None:
    alone = FeedServer(certificate=self_signed(tmp_path, "DNS:news.example"))
    try:
        outcome = fetched_from("news.example", alone)
    finally:
        alone.close()
    assert outcome.code == "tls"
    assert "(self-signed certificate)" in outcome.sentence
    assert "SSL_CERT_FILE" in outcome.sentence
    assert alone.asked == []


@pytest.mark.usefixtures("trusted")
def test_expired_certificate_is_reported(authority) -> None:
    late = FeedServer(certificate=authority.signs("DNS:late.example", days=-1))
    try:
        outcome = fetched_from("late.example", late)
    finally:
        late.close()
    assert outcome.sentence == "The certificate of late.example is invalid (certificate has expired)."


@pytest.mark.usefixtures("trusted")
def test_redirect_checks_the_certificate_of_the_new_host(server) -> None:
    target = f"https://other.example:{server.port}/feed"
    server.says("/old", status=301, headers={"Location": target})
    outcome = fetched_from("news.example", server, path="/old")
    assert (outcome.code, outcome.hops[0].target) == ("tls", target)
    assert "other.example" in outcome.sentence


def test_server_without_tls_is_a_tls_failure() -> None:
    plain = FeedServer()
    try:
        outcome = fetched_from("news.example", plain)
    finally:
        plain.close()
    assert outcome.code == "tls"
    assert outcome.sentence.startswith("TLS with news.example failed (")


def test_stalled_handshake_fails_at_the_deadline() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()  # the kernel accepts connections, but nothing answers them
        fetcher = Fetcher(OPEN)
        started = time.monotonic()
        outcome = fetcher.fetch(FetchRequest(f"https://127.0.0.1:{silent.getsockname()[1]}/", "t"))
        assert isinstance(outcome, FetchFailed)
        assert outcome.code == "timeout"
        assert 1.5 < time.monotonic() - started < 3


@pytest.mark.usefixtures("trusted")
def test_slow_drip_over_tls_fails_at_the_deadline(server) -> None:
    def drip(connection: socket.socket) -> None:
        try:
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n")
            for _ in range(60):
                connection.sendall(b"x")
                time.sleep(0.1)
        except OSError:
            pass

    server.answers["/drip"] = Answer(act=drip)
    started = time.monotonic()
    assert fetched_from("news.example", server, path="/drip").code == "timeout"
    assert time.monotonic() - started < 4


def test_poll_command_reads_ssl_cert_file(authority, tmp_path: Path) -> None:
    local = FeedServer(certificate=authority.signs("IP:127.0.0.1"))
    try:
        (tmp_path / "feeds.toml").write_text(f'[feed.a]\nurl = "{local.says("/feed", BODY)}"\n')
        out, err = command(tmp_path / "data", "poll", "--now").communicate(timeout=30)
        assert "a: fetch failed: The certificate of 127.0.0.1 is invalid" in out, err
        output = command(tmp_path / "data", "poll", "--now", SSL_CERT_FILE=str(authority.file))
        out, err = output.communicate(timeout=30)
        assert "1 item new" in out, err
    finally:
        local.close()
