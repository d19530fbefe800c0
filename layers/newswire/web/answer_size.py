"""The length of an answer as it is sent, and how many items fit into one. Pure."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from newswire.web.search_answers import ItemOut

MAX_ANSWER_BYTES = 4_000_000
MAX_EVENT_BYTES = 5_900_000
"""Maximum bytes of a body within the response of a Lambda function, whose limit is 6 MB with the headers. It is a JSON
string in ASCII: a quote takes two bytes there, and a Cyrillic letter six instead of two."""
_ENCODER = msgspec.json.Encoder()


def event_length(body: bytes) -> int:
    """Return the bytes of a body as a JSON string of ASCII, the form in which a Lambda function returns it."""
    text = body.decode()
    ascii_characters = len(text.encode("ascii", "ignore"))
    astral = len(text.encode("utf-16-le")) // 2 - len(text)
    return ascii_characters + body.count(b'"') + body.count(b"\\") + 6 * (len(text) - ascii_characters + astral)


def is_too_long(body: bytes) -> bool:
    """Return whether a body is longer than an answer may be, in HTTP or as the response of a Lambda function."""
    if len(body) > MAX_ANSWER_BYTES:
        return True
    return len(body) > MAX_EVENT_BYTES // 3 and event_length(body) > MAX_EVENT_BYTES


def count_that_fits(items: Sequence[ItemOut], body_bytes: int) -> int:
    """Return how many items of an answer that is too long fit into one; at least one."""
    encoded = [_ENCODER.encode(item) for item in items]
    around = body_bytes - sum(len(item) + 1 for item in encoded)
    room, event_room = MAX_ANSWER_BYTES - around, MAX_EVENT_BYTES - 2 * around
    size = 0
    for item in encoded:
        room -= len(item) + 1
        event_room -= event_length(item) + 1
        if min(room, event_room) < 0:
            break
        size += 1
    return max(min(size, len(encoded) - 1), 1)
