"""`newswire serve` under load and attack: workers, lanes, limits of connections, and health."""

import http.client
import os
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest

from newswire.web.lanes import MIN_WAITING, Cost, Lane, Lanes, cost_of
from tests.conftest import ROOT
from tests.support.present import present
from tests.support.processes import Served, command
from tests.support.transports import OverHttp

SAMPLE = str(ROOT / "sample" / "nato-sample.xml")
COSTLY = "/v1/search?q=" + "+OR+".join(f"word{n}*" for n in range(30))


@pytest.fixture
def data(tmp_path) -> Path:
    process = command(tmp_path / "data", "ingest", SAMPLE, "--feed", "sample")
    process.communicate()
    return tmp_path / "data"


def children_of(pid: int) -> set[int]:
    tasks = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return {int(task) for task in tasks}


def is_replaced(parent: int, child: int) -> bool:
    return child not in children_of(parent) and len(children_of(parent)) == 3


def read_to_end(sock: socket.socket) -> bytes:
    with sock:
        sock.settimeout(20)
        return b"".join(iter(lambda: sock.recv(65_536), b""))


def wait_for(condition, seconds: float = 15.0) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.05)


def test_workers_share_the_port_and_are_replaced(data) -> None:
    served = Served(data, "--workers", "2", "--poll")
    pid = served.process.pid
    assert served.json("/v1/search?q=baltic")[1]["total"]["value"] == 2
    workers = children_of(pid)
    assert len(workers) == 3, "two that answer, and one that polls"
    for victim in workers:
        os.kill(victim, signal.SIGKILL)
        wait_for(partial(is_replaced, pid, victim))
        assert served.json("/v1/search?q=baltic")[1]["total"]["value"] == 2
    last = children_of(pid)
    _out, err = served.stop()
    assert served.process.returncode == 0
    assert err.count("SIGKILL") == 3
    wait_for(lambda: not any(Path(f"/proc/{worker}").exists() for worker in last))
    assert "Traceback" not in err


def test_workers_end_with_their_parent(data) -> None:
    served = Served(data, "--workers", "2", "--poll")
    served.json("/v1/status")
    workers = children_of(served.process.pid)
    served.process.kill()
    served.process.communicate()
    wait_for(lambda: not any(Path(f"/proc/{worker}").exists() for worker in workers))


def test_number_of_workers_is_checked(data) -> None:
    for wrong in ("0", "-1", "65", "two"):
        process = command(data, "serve", "--workers", wrong)
        _out, err = process.communicate()
        assert (process.returncode, f"got {wrong}" in err.replace("'", "")) == (2, True), err


def test_health_and_simple_searches_pass_costly_ones(data) -> None:
    served = Served(data)

    def ask(target: str) -> int:
        connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=60)
        connection.request("GET", target)
        response = connection.getresponse()
        response.read()
        connection.close()
        return response.status

    statuses: list[int] = []
    threads = [threading.Thread(target=lambda: statuses.append(ask(COSTLY))) for _ in range(100)]
    for thread in threads:
        thread.start()
    for target in ("/healthz", "/v1/status", "/v1/search?q=baltic"):
        assert ask(target) == 200
    for thread in threads:
        thread.join()
    assert set(statuses) <= {200, 503}
    assert len(statuses) == 100
    served.stop()


def test_silent_and_slow_connections_are_closed(data) -> None:
    served = Served(data)
    silent = socket.create_connection(("127.0.0.1", served.port))
    slow = socket.create_connection(("127.0.0.1", served.port))
    slow.sendall(b"GET /v1/status HTTP/1.1\r\nHost: loc")
    started = time.monotonic()
    for sock in (silent, slow):
        answer = read_to_end(sock)
        assert answer.startswith(b"HTTP/1.1 408 ")
        assert b'"code":"request_timeout"' in answer
    assert 5 < time.monotonic() - started < 18
    assert served.json("/v1/status")[0] == 200
    served.stop()


def test_connection_may_pause_between_its_requests(data) -> None:
    served = Served(data)
    connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=10)
    for _ in range(3):
        connection.request("GET", "/v1/status")
        assert connection.getresponse().read()
        time.sleep(1)
    connection.close()
    served.stop()


def test_idle_connections_make_room_for_requests_and_are_not_logged(tmp_path, data) -> None:
    """Three hundred clients send half a head, where file descriptors are enough for sixty connections."""
    script = f'ulimit -n 160; exec "{sys.executable}" -m newswire serve --port 0 --workers 1'
    environ = os.environ | {"NEWSWIRE_DATA": str(data), "NEWSWIRE_FEEDS": str(tmp_path / "feeds.toml")}
    process = subprocess.Popen(
        ["/bin/sh", "-c", script], cwd=ROOT, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    port = int(present(process.stdout).readline().rstrip("/\n").rpartition(":")[2])
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(4096, hard), hard))
    sockets = [socket.create_connection(("127.0.0.1", port)) for _ in range(300)]
    for sock in sockets:
        with suppress(OSError):  # it was closed already
            sock.sendall(b"GET / HT")
    time.sleep(0.5)
    for _ in range(5):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        connection.request("GET", "/v1/search?q=baltic")
        assert connection.getresponse().status == 200, "while all of them are there"
        connection.close()
    ended = 0
    for sock in sockets:
        sock.settimeout(0.2)
        try:
            ended += sock.recv(100) == b""
        except ConnectionError:
            ended += 1
        except TimeoutError:
            pass
        sock.close()
    assert ended > 200
    process.send_signal(signal.SIGINT)
    _out, err = process.communicate(timeout=20)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert len(err.splitlines()) < 10, err[:2000]


def test_lane_refuses_what_its_queue_cannot_hold_and_drops_what_is_cancelled() -> None:
    lane: Lane[int] = Lane("test", threads=1, waiting=2)
    go_on = threading.Event()
    begun: list[int] = []

    def call(number: int) -> int:
        begun.append(number)
        go_on.wait(10)
        return number

    futures = [lane.submit(partial(call, number)) for number in range(3)]
    assert lane.submit(lambda: 9) is None
    present(futures[1]).cancel()
    go_on.set()
    assert (present(futures[0]).result(), present(futures[2]).result()) == (0, 2)
    assert begun == [0, 2]
    wait_for(lambda: lane.submit(lambda: 9) is not None)
    lane.close()


@pytest.mark.parametrize(
    ("target", "cost"),
    [
        ("/healthz", "health"),
        ("/v1/status", "status"),
        ("/v1/search?q=baltic", "simple"),
        ("/v1/search?q=baltic&size=20&fields=id,title&format=json", "simple"),
        ("/v1/search?q=x&highlight=title", "simple"),
        ("/v1/items/a", "simple"),
        ("/v1/items?ids=" + ",".join("abcdefghij"), "simple"),
        ("/v1/feeds?size=200", "simple"),
        ("/v1/search?q=baltic+exercise+nato+summit&facets=feed&histogram=auto", "broad"),
        ("/v1/search?q=x&f%61cets=category:200", "broad"),
        ("/v1/search?q=x&histogram=year", "broad"),
        ("/v1/search?q=x&size=50", "broad"),
        ("/v1/search?q=x&fields=id,c%6Fntent", "broad"),
        ("/v1/search?q=x&format=atom", "broad"),
        ("/v1/items?ids=" + ",".join("abcdefghijklmnopqrstuvwxyz"), "broad"),
        ("/v1/items?ids=" + "%2c".join("abcdefghijklmnopqrstuvwxyz"), "broad"),
        ("/?q=baltic%20exercise", "broad"),
        ("/feeds/nato-news", "broad"),
        ("/v1/search?q=a*", "costly"),
        ("/v1/search?q=a%2A", "costly"),
        ("/v1/search?q=" + "+".join("abcdefghijklm"), "costly"),
        ("/?q=" + "+".join("abcdefghijklm"), "costly"),
        ("/v1/search?size=200", "costly"),
        ("/v1/search?siz%65=200", "costly"),
        ("/v1/search?size=%20200", "costly"),
        ("/v1/search?size=1e2", "costly"),
        ("/v1/search?%71=a%2A", "costly"),
        ("/v1/search?q=" + "%0A".join("abcdefghijklm"), "costly"),
        ("/v1/search?q=" + "%E5%8C%97" * 101, "costly"),
        ("/v1/search?q=x&highlight=%63ontent", "costly"),
        ("/v1/search?q=x&highlight=content", "costly"),
    ],
)
def test_cost_of_a_request_is_known_by_its_url(target: str, cost: Cost) -> None:
    path, _, query = target.partition("?")
    assert cost_of(path, query.encode()) == cost


def test_absolute_target_goes_the_way_of_its_path(app, monkeypatch) -> None:
    paths: list[str] = []
    submit = Lanes.submit

    def note(lanes, path, query, call):
        paths.append(path)
        return submit(lanes, path, query, call)

    monkeypatch.setattr(Lanes, "submit", note)
    api = OverHttp(app)
    answer = api.raw(b"GET http://localhost/v1/search?q=a* HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    api.close()
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert paths == ["/v1/search"]


def test_lane_admits_as_many_calls_as_it_answers_in_time() -> None:
    go_on = threading.Event()
    lanes: list[Lane[bool]] = [Lane("slow", threads=1, usual_s=2.0), Lane("quick", threads=1, usual_s=0.1)]
    admitted = [sum(lane.submit(go_on.wait) is not None for _ in range(200)) for lane in lanes]
    go_on.set()
    for lane in lanes:
        lane.close()
    assert admitted == [1 + MIN_WAITING, 1 + 80]
