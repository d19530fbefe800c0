"""The log of defects: an exception that nobody expected goes in, one line with its request id and its trace comes out."""

from __future__ import annotations

import logging

_logger = logging.getLogger("newswire")


def log_defect(error: BaseException, request_id: str | None = None) -> None:
    """Log a defect of ours with its trace; what a caller sent is not in it."""
    _logger.error("defect %s (request %s)", type(error).__name__, request_id, exc_info=error)
