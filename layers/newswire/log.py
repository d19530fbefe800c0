"""The log of defects: one record with a stack trace for each unexpected exception."""

from __future__ import annotations

import logging

_logger = logging.getLogger("newswire")


def log_text(text: str) -> None:
    """Log a text at level ERROR, such as the trace of a child process, or that the index is rebuilt."""
    _logger.error("%s", text)


def log_defect(error: BaseException, request_id: str | None = None) -> None:
    """Log a defect of newswire with its stack trace, at level ERROR; the record contains no input of the caller."""
    _logger.error("defect %s (request %s)", type(error).__name__, request_id, exc_info=error)
