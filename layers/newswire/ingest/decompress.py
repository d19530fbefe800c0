"""Decompress the body of a fetched document within limits of size and parts.

The thread that archives documents does this, not those that fetch them: 16 of them would hold 50 MB each.
"""

from __future__ import annotations

import io
import zlib

import msgspec

from newswire.errors import FetchError
from newswire.ingest.parse.sniff import GZIP_MAGIC
from newswire.model import Fetched, FetchFailed, Outcome

INFLATE_BYTES = 16_384
"""Compressed bytes that are decompressed at a time; what follows a member is copied, so a large chunk would be too."""
MAX_MEMBERS = 1_000
"""Maximum members of a gzip file (RFC 1952 section 2.2): a body of 50 MB in blocks of 64 KB has 800."""
MAX_LAYERS = 3
"""Maximum times that a body is compressed: servers that compress files do it twice by mistake."""
_OTHER_COMPRESSIONS = frozenset(
    {"br", "zstd", "compress", "x-compress", "bzip2", "x-bzip2", "xz", "lzma", "dcb", "dcz"}
)
_SPACE = b" \t\r\n\x00"
_FIRST_LETTERS = frozenset({b"<", b"{", b"["})
_ZLIB_FIRST_BYTE = b"\x78"  # RFC 1950: deflate with a window of 32 kB, the usual header
_WBITS_DETECT = 47  # zlib: the largest window, and detect a gzip or zlib header
_WBITS_RAW = -15


def unpacked(outcome: Outcome, max_bytes: int) -> Outcome:
    """Return the outcome of a fetch with its body decompressed; a body that cannot be is a `FetchFailed`."""
    if not isinstance(outcome, Fetched) or outcome.coding is None:
        return outcome
    try:
        body, cut = decompress(outcome.body, outcome.coding, max_bytes, truncated=outcome.truncated)
    except FetchError as error:
        return FetchFailed(outcome.url, error.code, str(error), hops=outcome.hops, took_ms=outcome.took_ms)
    return msgspec.structs.replace(outcome, body=body, truncated=outcome.truncated or cut, coding=None)


def decompress(raw: bytes, encoding: str, max_bytes: int, *, truncated: bool) -> tuple[bytes, bool]:
    """Decompress a body by its first bytes and its Content-Encoding; return it, and whether the stream ended early.

    Servers mislabel both ways: a plain body declared as gzip or as a character encoding, a gzip file without
    a declaration, one compressed twice. So only a body that cannot be a document is refused.

    `truncated` tells that the body itself ended early; then what can be decompressed is returned. Raises `FetchError`:
    `content_encoding` or `too_large_decoded`.
    """
    codings = [name.strip().lower() for name in encoding.split(",")]
    body, cut = raw, False
    for _ in range(MAX_LAYERS):
        if not body.startswith(GZIP_MAGIC):
            break
        body, ended_early = _inflate(body, max_bytes, truncated=truncated)
        cut = cut or ended_early
    else:
        msg = f"The document is compressed more than {MAX_LAYERS} times, as no feed is."
        raise FetchError("content_encoding", msg)
    if body is not raw or _is_plain(body):
        return body, cut
    if "deflate" in codings:
        return _inflate(body, max_bytes, truncated=truncated)
    if unread := next((name for name in codings if name in _OTHER_COMPRESSIONS), None):
        msg = f"The document is compressed as {unread!r}, which the request did not accept."
        raise FetchError("content_encoding", msg)
    return body, cut


def _is_plain(body: bytes) -> bool:
    """Return whether a body begins like XML, JSON or a text with a byte order mark."""
    return (
        body.startswith((b"\xff\xfe", b"\xfe\xff", b"\xef\xbb\xbf")) or body[:200].lstrip(_SPACE)[:1] in _FIRST_LETTERS
    )


def _inflate(raw: bytes, max_bytes: int, *, truncated: bool) -> tuple[bytes, bool]:
    # RFC 9110 section 8.4.1.2: "deflate" is a zlib stream, but some servers send a raw deflate stream.
    has_header = raw.startswith(GZIP_MAGIC) or raw[:1] == _ZLIB_FIRST_BYTE
    wbits = _WBITS_DETECT if has_header else _WBITS_RAW
    plain = io.BytesIO()
    members = at = 0
    is_open = False
    stream = zlib.decompressobj(wbits)
    while at < len(raw):
        chunk = raw[at : at + INFLATE_BYTES]
        try:
            part = stream.decompress(chunk, max_bytes + 1 - plain.tell())
        except zlib.error as error:
            if members:
                break  # some servers send padding after the stream
            if truncated:
                return plain.getvalue(), True
            msg = "The document is declared as compressed, but decompression failed."
            raise FetchError("content_encoding", msg) from error
        plain.write(part)
        if plain.tell() > max_bytes:
            msg = f"The document has more than {max_bytes} bytes when decompressed (NEWSWIRE_FETCH_MAX_DECODED_BYTES)."
            raise FetchError("too_large_decoded", msg)
        at += len(chunk) - len(stream.unused_data)
        is_open = not stream.eof
        if stream.eof:
            members += 1
            if members > MAX_MEMBERS:
                msg = f"The document is compressed in more than {MAX_MEMBERS:,} parts, as no feed is."
                raise FetchError("content_encoding", msg)
            stream = zlib.decompressobj(wbits)
    return plain.getvalue(), is_open
