"""Test `newswire serve --remote URL`: plain loopback requests reach an API that accepts only signed ones."""

import json
import os
from urllib.parse import urljoin

import pytest

from newswire.ingest.backfill import load
from tests.support.gateway import Gateway
from tests.support.pages import Page
from tests.support.processes import Served, command
from tests.support.serverless import REGION


@pytest.fixture
def gateway(app, tmp_path):
    lines = tmp_path / "lines.jsonl"
    stories = [
        {"title": f"Łódź summit {n}", "link": f"https://x.example/{n}", "published": f"2025-11-2{n}"} for n in range(5)
    ]
    lines.write_text("".join(json.dumps(story) + "\n" for story in stories))
    load(app, [str(lines)], "lines")
    built = Gateway(app)
    yield built
    built.close()


@pytest.fixture
def proxy(gateway, tmp_path):
    served = Served(tmp_path / "nothing", "--remote", gateway.url, AWS_REGION=REGION)
    yield served
    served.stop()


TARGETS = [
    "/v1/search?q=%C5%81%C3%B3d%C5%BA+summit&size=2",
    "/v1/search?q=summit%20%2B%22a%26b%22&from=2025-11-24&tz=Europe/Brussels&facets=feed,lang",
    "/v1/search?q=a*~!'()&size=1",
    "/v1/search?size=1&q&q=",
    "/v1/search?wrong=1",
    "/v1/feeds/l%C3%B3%20x",
    "/v1/feeds",
    "/",
    "/nowhere",
]


@pytest.mark.parametrize("target", TARGETS)
def test_plain_request_gets_the_signed_response(gateway, proxy, target: str) -> None:
    status, headers, body = proxy.get(target)
    direct = gateway._api.ask(target)
    assert (status, headers["content-type"]) == (direct.status, direct.headers["content-type"]), body
    assert proxy.get(target, "HEAD")[::2] == (status, b"")
    if status == 200 and target.startswith("/v1/search?q=%"):
        assert json.loads(body)["total"]["value"] == 5


def test_links_point_to_the_proxy_and_etags_work(proxy) -> None:
    _status, headers, _body = proxy.get("/v1/search?q=summit&size=2")
    link = headers["link"]
    assert link.startswith(f"<http://127.0.0.1:{proxy.port}/v1/search?")
    following = link[1:].partition(">")[0].removeprefix(f"http://127.0.0.1:{proxy.port}")
    status, _, body = proxy.get(following)
    assert (status, len(json.loads(body)["items"])) == (200, 2)
    assert proxy.get("/v1/search?q=summit&size=2", headers={"If-None-Match": headers["etag"]})[::2] == (304, b"")


@pytest.mark.parametrize("target", ["/", "/?q=summit&from=2025-11", "/feeds/lines"])
def test_pages_and_their_links_work_through_the_proxy(proxy, target: str) -> None:
    status, headers, body = proxy.get(target)
    assert (status, headers["content-type"]) == (200, "text/html; charset=utf-8")
    page = Page(body)
    assert len(page.files) == 3
    for link in [*page.files, *(link for link in page.links if not link.startswith(("http", "#")))]:
        assert proxy.get(urljoin(target, link))[0] == 200, link
    status, headers, _ = proxy.get("/?q=summit&from=&to=")
    assert (status, urljoin("/", headers["location"])) == (303, "/?q=summit")


def test_proxy_accepts_only_loopback_hosts_and_reads(gateway, proxy) -> None:
    before = len(gateway.asked)
    evil = proxy.raw(b"GET /v1/feeds HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n")
    assert evil.startswith(b"HTTP/1.1 400 ")
    post = proxy.raw(b"POST /v1/search HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
    assert post.startswith(b"HTTP/1.1 405 ")
    assert len(gateway.asked) == before


@pytest.mark.parametrize("target", [".evil.example/x", "/../Stage/v1/feeds", "/v1/%2e%2e/x", "/./v1"])
def test_targets_outside_the_api_are_refused(gateway, proxy, target: str) -> None:
    before = len(gateway.asked)
    answer = proxy.raw(f"GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert len(gateway.asked) == before


def test_missing_aws_profile_is_reported(gateway, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    status, err = refused(tmp_path, "--remote", gateway.url, AWS_REGION=REGION)
    assert (status, "nobody" in err, "Traceback" in err) == (2, True, False)


def test_private_caller_headers_are_not_forwarded(gateway, proxy) -> None:
    proxy.get("/v1/feeds", headers={"Cookie": "secret=1", "Authorization": "Basic x", "Accept": "application/json"})
    sent = gateway.asked[-1].headers
    assert "cookie" not in sent
    assert sent["authorization"].startswith("AWS4-HMAC-SHA256")
    assert sent["accept"] == "application/json"


def test_unreachable_api_gives_503(gateway, proxy) -> None:
    gateway.close()
    status, headers, body = proxy.get("/v1/feeds")
    assert (status, headers["retry-after"]) == (503, "10")
    assert "can't be reached" in json.loads(body)["detail"]


def refused(tmp_path, *arguments: str, **environ: str) -> tuple[int, str]:
    process = command(tmp_path / "nothing", "serve", "--port", "0", *arguments, **environ)
    _out, err = process.communicate(timeout=30)
    return process.returncode, err


def test_invalid_proxy_options_are_refused_with_a_reason(tmp_path, monkeypatch) -> None:
    url = "https://news.example/live"
    status, err = refused(tmp_path, "--remote", url, "--host", "0.0.0.0", AWS_REGION=REGION)
    assert (status, "--host must be" in err) == (2, True)
    status, err = refused(tmp_path, "--remote", url, "--poll", AWS_REGION=REGION)
    assert (status, "--poll" in err) == (2, True)
    status, err = refused(tmp_path, "--remote", "news.example", AWS_REGION=REGION)
    assert (status, "ApiUrl" in err) == (2, True)
    monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)
    status, err = refused(tmp_path, "--remote", url, AWS_CONFIG_FILE=os.devnull)
    assert (status, "AWS_REGION" in err) == (2, True)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name)
    nobody = {"AWS_SHARED_CREDENTIALS_FILE": os.devnull, "AWS_CONFIG_FILE": os.devnull}
    status, err = refused(tmp_path, "--remote", url, AWS_REGION=REGION, **nobody)
    assert (status, "AWS_PROFILE" in err) == (2, True)
    assert not (tmp_path / "nothing").exists()
