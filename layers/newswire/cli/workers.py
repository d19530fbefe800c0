"""`newswire serve --workers N`: N processes answer on one listening socket, and one more polls if wanted.

The parent process only watches: it starts a worker again that has ended, and ends all of them on a signal. Workers share
the data folder as any processes do (`storage/`), and the socket by inheritance.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator

import msgspec
from msgspec import Struct

from newswire.app import App
from newswire.child import child_command
from newswire.cli import Voice
from newswire.cli.console import complain
from newswire.settings import read_settings

RESTART_SECONDS = 1.0
"""Pause before a worker is started again, so that one that cannot start does not use up a processor."""
END_SECONDS = 30.0
"""Time that workers have to finish their requests after a signal."""
LOOK_SECONDS = 0.2


class WorkerTask(Struct, frozen=True):
    """What a worker does: answer on the inherited socket `fd`, or poll if that is None. `base` is the server's URL."""

    fd: int | None
    base: str
    hosts: tuple[str, ...] = ()
    voice: Voice = "events"
    """How much a worker that polls prints."""


def run_workers(fd: int, base: str, hosts: frozenset[str], workers: int, voice: Voice | None) -> None:
    """Keep the workers on the listening socket `fd` running until SIGINT or SIGTERM, then end them.

    One more worker polls, unless `voice` is None; it prints as much as that says.
    """
    answer = WorkerTask(fd, base, tuple(sorted(hosts)))
    tasks = [answer] * workers + ([] if voice is None else [WorkerTask(None, base, voice=voice)])
    stop = threading.Event()
    with _signals_set(stop.set):
        running = [_start(task) for task in tasks]
        try:
            while not stop.is_set():
                for position, process in enumerate(running):
                    status = process.poll()
                    if status is None or stop.is_set():
                        continue
                    complain(
                        f"newswire: worker {position + 1} of {len(tasks)} ended ({_reason(status)}); it starts again."
                    )
                    stop.wait(RESTART_SECONDS)
                    if not stop.is_set():
                        running[position] = _start(tasks[position])
                stop.wait(LOOK_SECONDS)
        finally:
            _end(running)


@contextlib.contextmanager
def _signals_set(act: Callable[[], object]) -> Iterator[None]:
    """Call `act` on SIGINT and SIGTERM during the block."""
    before = {number: signal.signal(number, lambda *_: act()) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _start(task: WorkerTask) -> subprocess.Popen[bytes]:
    text = msgspec.json.encode(task).decode()
    return subprocess.Popen(  # noqa: S603 - our own program
        child_command("newswire.cli.workers", text),
        pass_fds=() if task.fd is None else (task.fd,),
        stdin=subprocess.DEVNULL,
        start_new_session=True,  # Ctrl-C is for the parent, which ends the workers
    )


def _end(running: list[subprocess.Popen[bytes]]) -> None:
    for process in running:
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
    until = time.monotonic() + END_SECONDS
    for process in running:
        try:
            process.wait(max(0.1, until - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _reason(status: int) -> str:
    return f"exit status {status}" if status >= 0 else signal.Signals(-status).name


# --- a worker ---------------------------------------------------------------------------------------------------------


def main() -> None:
    """Run one worker; the first argument is its `WorkerTask` as JSON."""
    task = msgspec.json.decode(sys.argv[1], type=WorkerTask)
    threading.Thread(target=_end_with_parent, args=(os.getppid(),), name="parent", daemon=True).start()
    app = App(read_settings())
    try:
        if task.fd is None:
            _poll(app, task.voice)
        else:
            _answer(app, task, task.fd)
    finally:
        app.close()


def _answer(app: App, task: WorkerTask, fd: int) -> None:
    from newswire.cli.server import inherit_socket, serve  # noqa: PLC0415 - for a worker that answers

    serve(app, inherit_socket(fd), task.base, frozenset(task.hosts))


def _poll(app: App, voice: Voice) -> None:
    from newswire.cli.poll import due_poller, keep_polling  # noqa: PLC0415 - for the worker that polls

    stop = threading.Event()
    with _signals_set(stop.set):
        keep_polling(stop, due_poller(app, voice))


def _end_with_parent(parent: int) -> None:
    """End this process if its parent is gone: it was killed, and cannot end its workers."""
    while os.getppid() == parent:
        time.sleep(1.0)
    os.kill(os.getpid(), signal.SIGTERM)
