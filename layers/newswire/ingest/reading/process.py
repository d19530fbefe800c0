"""A child process that reads records within a limit of memory and time: both ends of its pipes, and the child's program.

A message is its length in four bytes and a MessagePack value. The child is started with `python -c`, since AWS Lambda has
no shared memory for `multiprocessing`, and a fork of a process with threads may hang. It imports the parsers once
(0.2 s) and stays for later records.
"""

from __future__ import annotations

import contextlib
import os
import select
import subprocess
import sys
import time
from typing import BinaryIO

import msgspec
from msgspec import Struct

from newswire.child import child_command
from newswire.ingest.reading.record import TOO_COSTLY, read_record, refuse_defect
from newswire.log import log_text
from newswire.model import Reading, Record, Refusal

_LENGTH_BYTES = 4
_EXIT_SECONDS = 5


class _Task(Struct, frozen=True, array_like=True):
    """One record to read, and the seconds after which the child ends itself, if its parent has not ended it."""

    record: Record
    max_entries: int
    timeout_s: float


class _Reply(Struct, frozen=True, array_like=True):
    """A reading, or the class and the trace of the exception that it raised."""

    reading: Reading | None
    error: str = ""
    trace: str = ""


class _Begun(Struct, frozen=True):
    """A record that the child is reading; `deadline` is an instant of the monotonic clock in seconds."""

    feed: str
    seq: int
    deadline: float
    timeout_s: float


class _ChildDiedError(Exception):
    """The child process ended, or did not answer in time."""


class ReadingProcess:
    """The parent's end: a child process that is started when it is needed, and again after a record has killed it."""

    def __init__(self, memory_bytes: int) -> None:
        self._memory_bytes = memory_bytes
        self._process: subprocess.Popen[bytes] | None = None
        self._begun: _Begun | None = None
        self._encoder = msgspec.msgpack.Encoder()
        self._decoder = msgspec.msgpack.Decoder(_Reply)

    def begin(self, record: Record, max_entries: int, timeout_s: float) -> _Begun:
        """Send a record to the child, whose `read` follows; raise `_ChildDiedError` if it ends at once."""
        if self._begun is not None:
            try:
                self._receive_reply(self._begun)  # nobody asks for it any more
            except _ChildDiedError:
                self._kill()  # a reply that comes late must not be taken for the next record's
        self._begun = None
        self._send_task(self._encoder.encode(_Task(record, max_entries, timeout_s)))
        self._begun = _Begun(record.feed, record.seq, time.monotonic() + timeout_s, timeout_s)
        return self._begun

    def read(self, record: Record, max_entries: int, timeout_s: float, patience_s: float) -> Reading | None:
        """Read a record in the child. A record that kills it, or takes longer than `timeout_s`, is `too_costly`.

        Return None if the caller has no more patience before that time is over.
        """
        try:
            begun = self._begun
            if begun is None or (begun.feed, begun.seq) != (record.feed, record.seq):
                begun = self.begin(record, max_entries, timeout_s)
            self._begun = None
            if not self._replies_within(min(patience_s, begun.deadline - time.monotonic())) and patience_s < timeout_s:
                self._kill()
                return None
            reply = self._receive_reply(begun)
        except _ChildDiedError as error:
            self._kill()
            return Reading(refusal=Refusal(TOO_COSTLY, f"Reading the document {error}."))
        if reply.reading is not None:
            return reply.reading
        if reply.error == "MemoryError":
            self._kill()  # its heap is full of the document
            return Reading(refusal=Refusal(TOO_COSTLY, f"Reading the document {self._memory_sentence()}."))
        log_text(f"defect {reply.error} while reading record {record.seq} of {record.feed}\n{reply.trace}")
        return Reading(refusal=refuse_defect(reply.error))

    def close(self) -> None:
        """End the child."""
        process, self._process = self._process, None
        if process is None:
            return
        with contextlib.suppress(OSError):
            _stdin(process).close()  # the child ends at the end of its input
        try:
            process.wait(_EXIT_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        _stdout(process).close()

    def _memory_sentence(self) -> str:
        return f"takes more than {self._memory_bytes:,} bytes of memory (NEWSWIRE_READ_MAX_MEMORY_BYTES)"

    def _send_task(self, task: bytes) -> None:
        started = self._process is None
        process = self._running()
        try:
            _send(_stdin(process), task)
        except OSError:
            if started:
                raise _ChildDiedError("ended its process") from None
            self._kill()  # it died between two records, which is no fault of this one
            self._send_task(task)

    def _replies_within(self, seconds: float) -> bool:
        """Return whether a reply begins, or the child ends, in this time."""
        pipe = _stdout(self._running()).fileno()
        return bool(select.select([pipe], [], [], max(0.0, seconds))[0])

    def _receive_reply(self, begun: _Begun) -> _Reply:
        process = self._running()
        length = int.from_bytes(self._receive(process, _LENGTH_BYTES, begun.deadline, begun.timeout_s), "big")
        return self._decoder.decode(self._receive(process, length, begun.deadline, begun.timeout_s))

    def _receive(self, process: subprocess.Popen[bytes], length: int, deadline: float, timeout_s: float) -> bytes:
        """Return the next bytes of the child; raise `_ChildDiedError` at its end or at the deadline."""
        pipe = _stdout(process).fileno()
        received = bytearray()
        while len(received) < length:
            if not select.select([pipe], [], [], max(0.0, deadline - time.monotonic()))[0]:
                raise _ChildDiedError(f"takes more than {timeout_s:.0f} s (NEWSWIRE_READ_TIMEOUT_SECONDS)")
            chunk = os.read(pipe, min(length - len(received), 1 << 20))
            if not chunk:
                raise _ChildDiedError(f"ended its process; perhaps it {self._memory_sentence()}")
            received += chunk
        return bytes(received)

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            self._process = subprocess.Popen(  # noqa: S603 - our own program
                child_command("newswire.ingest.reading.process", str(self._memory_bytes)),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                bufsize=0,
                start_new_session=True,  # Ctrl-C is for the parent, which ends the child
            )
        return self._process

    def _kill(self) -> None:
        process, self._process, self._begun = self._process, None, None
        if process is not None:
            process.kill()
            with contextlib.suppress(OSError):
                _stdin(process).close()
            _stdout(process).close()
            process.wait()


def _stdin(process: subprocess.Popen[bytes]) -> BinaryIO:
    assert process.stdin is not None  # noqa: S101 - the process was started with pipes
    return process.stdin  # type: ignore[return-value]


def _stdout(process: subprocess.Popen[bytes]) -> BinaryIO:
    assert process.stdout is not None  # noqa: S101 - the process was started with pipes
    return process.stdout  # type: ignore[return-value]


def _send(pipe: BinaryIO, message: bytes) -> None:
    for part in (len(message).to_bytes(_LENGTH_BYTES, "big"), message):  # not joined: a copy may not fit
        view = memoryview(part)
        while view:
            view = view[pipe.write(view) :]


# --- the child --------------------------------------------------------------------------------------------------------


def main() -> None:
    """Read records from standard input until its end; the first argument is the limit of memory in bytes."""
    import resource  # noqa: PLC0415 - the child's alone

    limit = int(sys.argv[1])
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    answers = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)  # a library that prints must not break the messages
    answer_tasks(sys.stdin.buffer, answers)


def answer_tasks(pipe: BinaryIO, answers: BinaryIO) -> None:
    """Read the records of all messages of `pipe`, and write a reply to each."""
    import signal  # noqa: PLC0415 - the child's alone
    import traceback  # noqa: PLC0415

    encoder, decoder = msgspec.msgpack.Encoder(), msgspec.msgpack.Decoder(_Task)
    while length := pipe.read(_LENGTH_BYTES):
        task = decoder.decode(pipe.read(int.from_bytes(length, "big")))
        signal.setitimer(signal.ITIMER_REAL, task.timeout_s + 1)  # ends this process, should the parent be gone
        try:
            reply = _Reply(read_record(task.record, task.max_entries))
            message = encoder.encode(reply)
        except MemoryError:
            message = encoder.encode(_Reply(None, "MemoryError"))
        except Exception as error:  # noqa: BLE001 - the parent logs it and refuses the record
            message = encoder.encode(_Reply(None, type(error).__name__, traceback.format_exc()[-10_000:]))
        signal.setitimer(signal.ITIMER_REAL, 0)
        _send(answers, message)
