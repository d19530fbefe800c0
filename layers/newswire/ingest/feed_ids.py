"""Make the ids of new feeds from their titles, in ASCII letters that a person can read and type."""

from __future__ import annotations

import re
from collections.abc import Iterable

from newswire.urls import path_of, site_name

MAX_ID_CHARACTERS = 48
"""Maximum characters of an id that is made here."""


class FeedIds:
    """The ids of a list of feeds, in use and new."""

    def __init__(self, used: Iterable[str]) -> None:
        self._used = set(used)
        self._numbers: dict[str, int] = {}
        """The last number that was tried after a name, so that a thousand feeds of one name do not take a million tries."""

    def new_id(self, text: str) -> str:
        """Return a free id made from a title or URL; it is in use from now on."""
        return self.free_id(_slug_of(text))

    def free_id(self, name: str) -> str:
        """Return `name` if it is a free id, else the first free one of `name-2`, `name-3`…; it is in use from now on."""
        feed_id, number = name, self._numbers.get(name, 1)
        while feed_id in self._used:
            number += 1
            feed_id = f"{name}-{number}"
        self._numbers[name] = number
        self._used.add(feed_id)
        return feed_id


def _slug_of(text: str) -> str:
    """Return a title or URL as a name of lower-case ASCII letters, digits and hyphens; other scripts are transliterated.

    Only the host and path of a URL count: user info and query values may be secrets, and everybody sees an id.
    """
    from anyascii import anyascii  # noqa: PLC0415 - only for new feeds

    from newswire.analysis import fold  # noqa: PLC0415

    plain = text
    if re.match(r"https?://", text, re.IGNORECASE):
        plain = f"{site_name(text)}{path_of(text)}"
    ascii_text = anyascii(fold(plain)).lower()
    return re.sub(r"[^a-z0-9]+", "-", ascii_text).strip("-")[:MAX_ID_CHARACTERS].strip("-") or "feed"
