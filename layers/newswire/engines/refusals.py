"""Refuse an item that an engine cannot write, so that it stops no other item."""

from __future__ import annotations

from newswire.log import log_defect
from newswire.model import RefusedItem

MAX_REASON_CHARACTERS = 200


def refuse_item(item_id: str, error: Exception) -> RefusedItem:
    """Log why no document can be made of an item, and return the item as refused."""
    log_defect(error)
    return RefusedItem(item_id, f"{type(error).__name__}: {error}"[:MAX_REASON_CHARACTERS])
