"""Run newswire in separate processes: a command, or a server on a free port."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from tests.conftest import ROOT
from tests.support.present import present

LOOPBACK = {"NEWSWIRE_FETCH_ALLOW_PRIVATE": "true", "NEWSWIRE_FETCH_PORTS": ""}
"""Settings that let newswire fetch from the servers of the tests."""
ANSWER_SECONDS = 25
"""Time for an answer: more than a busy machine needs, and less than a fault that hangs takes (`tests/support/faults`)."""


def command(data: Path, /, *arguments: str, **environ: str) -> subprocess.Popen[str]:
    """Start `newswire …` on a data folder; its default feed list is `feeds.toml` in the parent folder."""
    return command_writing_to({}, data, *arguments, **environ)


def command_writing_to(
    streams: Mapping[str, int], data: Path, /, *arguments: str, **environ: str
) -> subprocess.Popen[str]:
    """Start the command with other files for `stdout` or `stderr` than pipes."""
    feeds = data.parent / "feeds.toml"
    if "NEWSWIRE_FEEDS" not in environ and not feeds.exists():
        feeds.write_text("")
    env = {**os.environ, "NEWSWIRE_DATA": str(data), "NEWSWIRE_FEEDS": str(feeds), **LOOPBACK, **environ}
    return subprocess.Popen(
        [sys.executable, "-m", "newswire", *arguments],
        cwd=ROOT,
        env=env,
        text=True,
        stdout=streams.get("stdout", subprocess.PIPE),
        stderr=streams.get("stderr", subprocess.PIPE),
    )


class Served:
    """A running `newswire serve`, with one worker process unless `arguments` say otherwise."""

    def __init__(self, data: Path, /, *arguments: str, **environ: str) -> None:
        if "--workers" not in arguments and "--remote" not in arguments:
            arguments = ("--workers", "1", *arguments)
        self.process = command(data, "serve", "--port", "0", *arguments, **environ)
        first = self._first_line()  # the server listens before it prints this line
        if not first.startswith(("Serving at ", "Proxying ")):
            self.process.kill()
            raise AssertionError(self.process.communicate()[1] or "the server did not answer")
        self.port = int(first.rstrip("/\n").rpartition(":")[2])

    def _first_line(self) -> str:
        """Read exactly one line, so that `stop` can read the rest."""
        line = b""
        while not line.endswith(b"\n") and (letter := os.read(present(self.process.stdout).fileno(), 1)):
            line += letter
        return line.decode()

    def get(self, target: str, method: str = "GET", headers: dict[str, str] | None = None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=ANSWER_SECONDS)
        connection.putrequest(method, target, skip_host=False)
        for name, value in (headers or {}).items():
            connection.putheader(name, value)
        connection.endheaders()
        response = connection.getresponse()
        body = response.read()
        connection.close()
        return response.status, {name.lower(): value for name, value in response.getheaders()}, body

    def json(self, target: str):
        status, headers, body = self.get(target)
        assert headers["content-type"].startswith("application/"), body
        return status, json.loads(body)

    def raw(self, data: bytes) -> bytes:
        """Send bytes; return all bytes until the server closes, because an answer may arrive in pieces."""
        with socket.create_connection(("127.0.0.1", self.port), 10) as sock:
            sock.sendall(data)
            sock.settimeout(10)
            return b"".join(iter(lambda: sock.recv(65_536), b""))

    def stop(self) -> tuple[str, str]:
        self.process.send_signal(signal.SIGINT)
        try:
            return self.process.communicate(timeout=20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise
