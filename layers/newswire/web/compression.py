"""Compress a response for a caller that accepts gzip (RFC 9110, section 12.5.3). Pure."""

from __future__ import annotations

import gzip
import re

MIN_BYTES = 1_000
"""Size below which compression does not save a packet."""
_LEVEL = 4
"""Compresses an answer of 170 kB to 30 kB in 3 ms; level 9 takes three times as long for 1 kB less."""
_CODING = re.compile(r"^([\w*-]+)(?:;q=([01](?:\.\d{0,3})?))?$")
_COMPRESSIBLE = ("text/", "application/", "image/svg")


def accepts_gzip(accept_encoding: str) -> bool:
    """Return whether the header allows gzip, by name or by `*`, with a weight above 0."""
    weights: dict[str, float] = {}
    for part in accept_encoding.lower().replace(" ", "").replace("\t", "").split(","):
        if match := _CODING.match(part):
            weights[match[1]] = float(match[2] or 1)
    return weights.get("gzip", weights.get("x-gzip", weights.get("*", 0.0))) > 0


def compress(status: int, headers: list[tuple[bytes, bytes]], body: bytes, accept_encoding: str) -> bytes:
    """Return the body to send, compressed if that is accepted and worth it; add the headers that say so.

    `Vary` is added to every response whose form could depend on the request. The entity tags of the API are weak, so that
    they are the same for both forms (RFC 9110, section 8.8.3).
    """
    content_type = next((value.decode() for name, value in headers if name == b"content-type"), "")
    if not content_type.startswith(_COMPRESSIBLE):
        return body
    headers.append((b"vary", b"Accept-Encoding"))
    if status != 200 or len(body) < MIN_BYTES or not accepts_gzip(accept_encoding):  # noqa: PLR2004 - OK
        return body
    headers.append((b"content-encoding", b"gzip"))
    return gzip.compress(body, _LEVEL, mtime=0)
