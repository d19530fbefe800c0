"""The id of a feed: which texts may be one."""

from __future__ import annotations

import re

from newswire.errors import UsageError

FEED_ID = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9])?")


def unknown_feed(feed_id: str) -> UsageError:
    """Return the error for an id that no feed has."""
    return UsageError(f"Feed {feed_id!r} does not exist. Run `newswire feeds` to list the feeds.")


def check_feed_id(feed_id: str) -> str:
    """Return the id unchanged; raise `UsageError` if a feed cannot have it."""
    if not FEED_ID.fullmatch(feed_id):
        msg = (
            f"A feed id must have 1 to 64 lower-case letters, digits, '.', '_' and '-', and begin and end with a letter "
            f"or digit, got {feed_id[:80]!r}."
        )
        raise UsageError(msg)
    return feed_id
