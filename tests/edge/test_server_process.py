"""The parts of the server and of its worker processes, one by one in this process."""

import io
import json
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack

import msgspec
import pytest

from newswire.app import App
from newswire.cli import connections, workers
from newswire.cli.connections import max_connections
from newswire.cli.server import hosts_of, inherit_socket, listen
from newswire.ingest.reading import process
from newswire.ingest.reading.record import read_record
from newswire.model import ItemWrite, Reading
from newswire.settings import Settings
from tests import factories
from tests.factories import item
from tests.support.feed_server import rss, story
from tests.support.present import present
from tests.support.transports import OverHttp


@pytest.mark.parametrize(
    ("host", "settings", "accepted", "refused"),
    [
        ("127.0.0.1", Settings(), {"127.0.0.1", "localhost", "::1"}, {"news.example", "*"}),
        ("localhost", Settings(public_url="https://News.example/x"), {"localhost", "news.example"}, {"*"}),
        (
            "192.0.2.7",
            Settings(allowed_hosts="a.example, B.example"),
            {"192.0.2.7", "a.example", "b.example"},
            {"localhost"},
        ),
        ("0.0.0.0", Settings(), {"127.0.0.1", "*", socket.gethostname().lower()}, {"news.example"}),
    ],
)
def test_names_of_a_server_follow_from_its_address(host: str, settings: Settings, accepted: set, refused: set) -> None:
    names = hosts_of(App(settings), host)
    assert accepted <= names
    assert not refused & names


def test_server_on_all_addresses_answers_to_every_ip_address(app) -> None:
    api = OverHttp(app, hosts=frozenset({"*", "localhost"}))
    for host, status in (("192.0.2.1:80", 200), ("[2001:db8::1]", 200), ("10.0.0.1", 200), ("evil.example", 400)):
        assert api.ask("/healthz", headers={"Host": host}).status == status, host
    api.close()


def test_surplus_connection_is_answered(app, monkeypatch) -> None:
    """Where every connection is being answered, a new one is refused; one that is idle would make room."""
    api, begun, go_on = OverHttp(app), threading.Event(), threading.Event()

    def busy(*_: object) -> dict:
        begun.set()
        go_on.wait(10)
        return {}

    monkeypatch.setattr(app.engine, "get", busy)
    with socket.create_connection(("127.0.0.1", api.port)) as asking:
        asking.sendall(b"GET /v1/items/x HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        assert begun.wait(10)
        monkeypatch.setattr(connections, "max_connections", lambda: 1)
        answer = api.raw(b"")
        assert answer.startswith(b"HTTP/1.1 503 Unavailable")
        assert b"overloaded" in answer
        go_on.set()
        assert asking.recv(100).startswith(b"HTTP/1.1 404 ")
        assert api.ask("/healthz").status == 200, "the first one is idle now, and makes room"
    monkeypatch.undo()
    assert max_connections() >= 8
    assert api.ask("/healthz").status == 200
    assert b"400 Bad request" in api.raw(b"GET /\xff HTTP/1.1\r\n\r\n")
    api.close()


def test_lack_of_file_descriptors_is_told_once(app, capsys) -> None:
    api = OverHttp(app)
    loop = api._server.servers[0].get_loop()
    for _ in range(5):
        loop.call_soon_threadsafe(
            loop.call_exception_handler, {"message": "accept", "exception": OSError(24, "too many")}
        )
    time.sleep(0.3)
    assert capsys.readouterr().err.count("too many files are open") == 1
    api.close()


def test_socket_is_inherited_by_its_descriptor() -> None:
    sock = listen("127.0.0.1", 0)
    port = sock.getsockname()[1]
    again = inherit_socket(sock.detach())
    assert again.getsockname()[1] == port
    again.close()


def test_workers_run_until_a_signal(tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.setenv("NEWSWIRE_DATA", str(tmp_path))
    monkeypatch.setenv("NEWSWIRE_FEEDS", str(tmp_path / "feeds.toml"))
    (tmp_path / "feeds.toml").write_text("")
    monkeypatch.setattr(workers, "RESTART_SECONDS", 0.1)
    started: list = []
    real = workers._start

    def start(task: workers.WorkerTask):
        started.append(real(task))
        return started[-1]

    monkeypatch.setattr(workers, "_start", start)
    threading.Timer(1.0, lambda: started[0].kill()).start()
    threading.Timer(3.0, os.kill, (os.getpid(), signal.SIGTERM)).start()
    before = signal.getsignal(signal.SIGTERM)
    with listen("127.0.0.1", 0) as sock:
        os.set_inheritable(sock.fileno(), True)
        workers.run_workers(sock.fileno(), "http://127.0.0.1", frozenset({"127.0.0.1"}), 1, voice="events")
    assert signal.getsignal(signal.SIGTERM) is before
    assert len(started) == 3
    assert all(process.poll() is not None for process in started)
    assert "worker 1 of 2 ended (SIGKILL); it starts again." in capsys.readouterr().err


@pytest.mark.parametrize("fd", [None, 7])
def test_worker_does_its_task(tmp_path, monkeypatch, fd: int | None) -> None:
    monkeypatch.setenv("NEWSWIRE_DATA", str(tmp_path))
    done: list[object] = []
    task = workers.WorkerTask(fd, "http://127.0.0.1:1", ("127.0.0.1",))
    monkeypatch.setattr(sys, "argv", ["worker", msgspec.json.encode(task).decode()])
    monkeypatch.setattr(workers, "_end_with_parent", lambda _parent: None)
    monkeypatch.setattr("newswire.cli.server.inherit_socket", lambda number: number)
    monkeypatch.setattr("newswire.cli.server.serve", lambda _app, *more: done.append(more))
    monkeypatch.setattr("newswire.cli.poll.keep_polling", lambda _stop, poll_due: done.append(callable(poll_due)))
    workers.main()
    assert done == [True if fd is None else (7, "http://127.0.0.1:1", frozenset({"127.0.0.1"}))]


def test_worker_ends_if_its_parent_is_another_one(monkeypatch) -> None:
    ended: list[tuple[int, int]] = []
    monkeypatch.setattr(os, "kill", lambda pid, number: ended.append((pid, number)))
    workers._end_with_parent(os.getppid() + 1)
    assert ended == [(os.getpid(), signal.SIGTERM)]


class _Answers(io.BytesIO):
    def replies(self) -> list[process._Reply]:
        data, replies = self.getvalue(), []
        while data:
            length = int.from_bytes(data[:4], "big")
            replies.append(msgspec.msgpack.decode(data[4 : 4 + length], type=process._Reply))
            data = data[4 + length :]
        return replies


@pytest.mark.parametrize("error", [None, MemoryError, ValueError])
def test_child_answers_each_task(monkeypatch, error: type[Exception] | None) -> None:
    record = factories.record(feed="news", body=rss(story(1), story(2)))

    def read(*_arguments: object) -> Reading:
        if error is not None:
            raise error("made to fail")
        return read_record(record)

    monkeypatch.setattr(process, "read_record", read)
    task = msgspec.msgpack.encode(process._Task(record, 10, 5.0))
    message = len(task).to_bytes(4, "big") + task
    answers = _Answers()
    process.answer_tasks(io.BytesIO(message * 2), answers)
    first, second = answers.replies()
    assert first == second
    if error is None:
        assert first.reading == read_record(record)
    else:
        assert (first.reading, first.error) == (None, error.__name__)
        assert ("made to fail" in first.trace) == (error is ValueError)


def test_defect_in_the_child_is_a_logged_refusal(monkeypatch, caplog) -> None:
    reading = process.ReadingProcess(600_000_000)
    for name, code in (("ValueError", "internal"), ("MemoryError", "too_costly")):
        reply = process._Reply(None, name, "Traceback of the child")
        monkeypatch.setattr(reading, "_send_task", lambda _task: None)
        monkeypatch.setattr(reading, "_receive_reply", lambda _begun, reply=reply: reply)
        monkeypatch.setattr(reading, "_replies_within", lambda _seconds: True)
        refusal = present(reading.read(factories.record(feed="news"), 10, 1.0, 1.0)).refusal
        assert refusal is not None
        assert refusal.code == code
    assert "Traceback of the child" in caplog.text
    reading.close()


def test_program_prints_its_version(monkeypatch, capsys) -> None:
    from newswire import __main__ as program
    from newswire import __version__

    monkeypatch.setattr(sys, "argv", ["newswire", "--version"])
    with pytest.raises(SystemExit):
        program.main()
    assert capsys.readouterr().out == f"newswire {__version__}\n"


def test_program_stopped_during_its_imports_says_so(monkeypatch, capsys) -> None:
    from newswire import __main__ as program
    from newswire.cli import main as command_line

    def stop() -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(command_line, "main", stop)
    assert program.main() == 1
    assert "stopped before the command began" in capsys.readouterr().err


def test_status_without_an_engine_says_so(app, monkeypatch, capsys) -> None:
    import argparse

    from newswire.cli.status import status
    from newswire.engines import EngineInfo

    monkeypatch.setattr(app.engine, "info", lambda: EngineInfo("opensearch", "", healthy=False))
    assert status(app, argparse.Namespace(json=False)) == 0
    assert "it does not answer. Check NEWSWIRE_OPENSEARCH_URL." in capsys.readouterr().out
    assert status(app, argparse.Namespace(json=True)) == 0
    assert json.loads(capsys.readouterr().out)["items"] is None


@pytest.fixture
def full(app) -> Iterator[OverHttp]:
    """Yield a server whose items are large."""
    writes = [ItemWrite(item(n, content="word " * 40_000), 1) for n in range(15)]
    app.engine.index(writes, 1)
    app.engine.refresh()
    api = OverHttp(app)
    yield api
    api.close()


LARGE = b"GET /v1/search?size=20&fields=content HTTP/1.1\r\nHost: localhost\r\n\r\n"


TCP_ESTABLISHED = 1


def slow_reader(port: int) -> socket.socket:
    """Ask for 3 MB, and read nothing of it."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    client.connect(("127.0.0.1", port))
    client.sendall(LARGE)
    return client


def is_closed(client: socket.socket, seconds: float) -> bool:
    """Return whether the server has closed a connection, without reading what it has sent."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        state = client.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0]
        if state != TCP_ESTABLISHED:
            return True
        time.sleep(0.05)
    return False


def test_client_that_reads_nothing_is_disconnected(full, monkeypatch) -> None:
    monkeypatch.setattr(connections, "LOOK_SECONDS", 0.3)
    with slow_reader(full.port) as client:
        assert is_closed(client, 5)


def test_client_that_reads_slowly_gets_its_whole_answer(full, monkeypatch) -> None:
    monkeypatch.setattr(connections, "LOOK_SECONDS", 1.5)
    received = 0
    with slow_reader(full.port) as client:
        client.settimeout(5)
        while received < 2_900_000:
            received += len(client.recv(50_000))
            time.sleep(0.02)
    assert received >= 2_900_000


def test_unread_answers_have_a_limit_together(full, monkeypatch) -> None:
    monkeypatch.setattr(connections, "MAX_UNSENT_BYTES", 8_000_000)
    monkeypatch.setattr(connections, "LOOK_SECONDS", 60.0)
    with ExitStack() as stack:
        clients = [stack.enter_context(slow_reader(full.port)) for _ in range(8)]
        assert is_closed(clients[0], 10)
        assert not is_closed(clients[-1], 0.2)
        assert full.ask("/healthz").status == 200


def test_client_that_reads_nothing_makes_room_for_others(full, monkeypatch) -> None:
    with slow_reader(full.port) as client:
        until = time.monotonic() + 10
        while not connections.LimitedProtocol._senders and time.monotonic() < until:
            time.sleep(0.02)
        monkeypatch.setattr(connections, "max_connections", lambda: 1)
        full.raw(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        assert is_closed(client, 5)
