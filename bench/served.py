"""Start servers to measure: processes that print their port, requested over one connection."""

from __future__ import annotations

import http.client
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import IO, Self, cast

from bench.measurement import ROOT

_PORT = re.compile(rb":(\d+)/?\s*$")


class Served:
    """`newswire serve` on a data folder, or another program that prints its URL in its first line."""

    def __init__(self, data: Path, program: Path | None = None, workers: int = 1, **environ: str) -> None:
        command = ["-m", "newswire", "serve", "--port", "0", "--workers", str(workers)]
        if program is not None:
            command = [str(program), str(data)]
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("NEWSWIRE_")}
        self._process = subprocess.Popen(
            [sys.executable, *command],
            cwd=ROOT,
            env={**inherited, "NEWSWIRE_DATA": str(data), **environ},
            stdout=subprocess.PIPE,
        )
        first = cast("IO[bytes]", self._process.stdout).readline()
        match = _PORT.search(first)
        if match is None:
            self._process.kill()
            msg = f"The first line of the server must end with its port, got {first!r}."
            raise RuntimeError(msg)
        self.port, self.pid = int(match.group(1)), self._process.pid
        self._connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)

    def ask(self, target: str) -> bytes:
        """Request a target and return the body; raise `RuntimeError` unless the status is 200."""
        self._connection.request("GET", target)
        response = self._connection.getresponse()
        body = response.read()
        if response.status != 200:
            raise RuntimeError(body)
        return body

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _kind: type[BaseException] | None, _error: object, _trace: TracebackType | None) -> None:
        self._connection.close()
        self._process.send_signal(signal.SIGINT)
        self._process.communicate(timeout=30)
