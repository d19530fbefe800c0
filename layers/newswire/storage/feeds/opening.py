"""Choose the feed store that the settings name."""

from __future__ import annotations

from newswire.extras import needs_extra
from newswire.settings import Settings
from newswire.storage.feeds import FeedStore


def open_feeds(settings: Settings) -> FeedStore:
    """Return the feed store that the settings name. Opens nothing yet."""
    if settings.table:
        with needs_extra("aws", "NEWSWIRE_TABLE"):
            from newswire.storage.feeds.dynamodb import DynamoFeedStore  # noqa: PLC0415 - only the chosen one

        return DynamoFeedStore(settings.table)
    from newswire.storage.feeds.sqlite import SqliteFeedStore  # noqa: PLC0415 - only the chosen one is loaded

    return SqliteFeedStore(settings.data_folder)
