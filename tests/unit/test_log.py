"""What is logged is safe to show: the log may be a terminal."""

import logging

from newswire.log import log_text


def test_controls_in_a_logged_text_are_escaped(caplog) -> None:
    with caplog.at_level(logging.ERROR, "newswire"):
        log_text("Withdrawn: \x1b[31mX\x07\u202e\nsecond line é")
    assert caplog.messages == ["Withdrawn: \\u001b[31mX\\u0007\\u202e\nsecond line é"]
