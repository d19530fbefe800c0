"""Read the head of an HTTP response as browsers do, where http.client stops or takes it for something else."""

from __future__ import annotations

import http.client
import re
from collections.abc import Iterator
from io import BufferedReader

MAX_INTERIM_RESPONSES = 100
MAX_HEADER_LINES = 1_000
"""http.client refuses a response with more than 100 header lines; some publishers send a Link header for each file."""
http.client._MAXHEADERS = MAX_HEADER_LINES  # type: ignore[attr-defined]  # noqa: SLF001 - it has no setting for it

_FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+)[ \t]*:[ \t]*(.*)", re.DOTALL)
"""The name and the value of a header (RFC 9110 section 5.1); a space before the colon is dropped (RFC 9112 section 5.1)."""
_LENGTH = re.compile(rb"[0-9]{1,18}")
_ENDS = frozenset({b"\r\n", b"\n", b""})


class LenientResponse(http.client.HTTPResponse):
    """A response that begins after the interim ones, and whose header lines are read or left out one by one."""

    def begin(self) -> None:
        """Read the head; urllib3 calls it before anything else."""
        try:
            super().begin()
        finally:
            if isinstance(self.fp, _HeaderLines):
                self.fp = self.fp.stream

    def _read_status(self) -> tuple[str, int, str]:
        """Return the status line of the final response (RFC 9110, section 15.2)."""
        read_status, read_headers = super()._read_status, http.client._read_headers  # type: ignore[misc,attr-defined]  # noqa: SLF001
        for _ in range(MAX_INTERIM_RESPONSES):
            version, status, reason = read_status()
            if not 100 < status < 200 or status == 101:  # noqa: PLR2004 - 100 is http.client's own, 101 is final
                if status != http.client.CONTINUE:
                    self.fp = _HeaderLines(self.fp)  # type: ignore[assignment]  # http.client reads lines of it
                return version, status, reason
            read_headers(self.fp)
        raise http.client.BadStatusLine("too many interim responses")


class _HeaderLines:
    """The header lines of a response.

    For http.client, a line that is not a header ends all headers, the length of the body among them. For browsers it
    does not count, and neither do the lines that continue it.
    """

    def __init__(self, stream: BufferedReader) -> None:
        self.stream = stream
        self._transfer_codings: list[bytes] = []
        self._has_dropped = False
        self._read = 0
        self._end: Iterator[bytes] | None = None

    def readline(self, limit: int) -> bytes:
        """Return the next header line in at most `limit` bytes, or the end of the head."""
        while self._end is None:
            line = self.stream.readline(limit)
            self._read += 1
            if len(line) == limit or self._read > MAX_HEADER_LINES:
                raise http.client.HTTPException("the head is too long")
            if line in _ENDS:
                self._end = iter([*self._transfer_headers(), line])
            elif header := self._header(line):
                return header
        return next(self._end, b"")

    def close(self) -> None:
        self.stream.close()

    def _header(self, line: bytes) -> bytes:
        """Return a line as http.client reads it, or b"" for one that does not count.

        A length that is given several times is one (RFC 9112 section 6.3).
        """
        text = line.rstrip(b"\r\n").replace(b"\r", b" ")  # http.client ends the line at each (RFC 9112 section 2.2)
        if text[:1] in b" \t":
            return b"" if self._has_dropped else text + b"\r\n"
        field = _FIELD.fullmatch(text)
        name, value = (field[1].lower(), field[2]) if field is not None else (b"", b"")
        self._has_dropped = name in {b"", b"transfer-encoding"}
        if name == b"transfer-encoding":
            self._transfer_codings += [coding.strip().lower() for coding in value.split(b",")]
        if self._has_dropped:
            return b""
        if name == b"content-length":
            lengths = {length.strip() for length in value.split(b",")}
            value = lengths.pop() if len(lengths) == 1 else b""
            value = value if _LENGTH.fullmatch(value) else b""
        return b"%s: %s\r\n" % (name, value)

    def _transfer_headers(self) -> Iterator[bytes]:
        """Yield the codings of the transfer as those of the content, but for the chunks.

        http.client knows only `chunked` alone (RFC 9112 section 6.1).
        """
        if b"chunked" in self._transfer_codings:
            yield b"transfer-encoding: chunked\r\n"
        codings = [coding for coding in self._transfer_codings if coding not in {b"", b"chunked", b"identity"}]
        if codings:
            yield b"content-encoding: %s\r\n" % b", ".join(codings)
