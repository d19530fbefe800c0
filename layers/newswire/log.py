"""The log of defects: one record with a stack trace for each unexpected exception."""

from __future__ import annotations

import logging

_logger = logging.getLogger("newswire")


def log_text(text: str) -> None:
    """Log a text at level ERROR, such as the trace of a child process, or that the index is rebuilt.

    Control characters but line breaks are escaped: the log may be a terminal.
    """
    _logger.error(
        "%s", "".join(letter if letter.isprintable() or letter == "\n" else _escape(letter) for letter in text)
    )


def _escape(letter: str) -> str:
    return f"\\u{ord(letter):04x}"


def log_defect(error: BaseException, request_id: str | None = None) -> None:
    """Log a defect of newswire with its stack trace, at level ERROR; the record contains no input of the caller."""
    _logger.error("defect %s (request %s)", type(error).__name__, request_id, exc_info=error)
