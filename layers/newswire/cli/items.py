"""`newswire items withdraw`: take an item out of the index for good."""

from __future__ import annotations

import argparse

from newswire.app import App
from newswire.cli import FAILED, OK
from newswire.cli.console import complain, say
from newswire.clock import to_rfc3339
from newswire.errors import UsageError
from newswire.ingest.withdrawals import withdraw as take_out

MAX_REASON_CHARACTERS = 500


def withdraw(app: App, arguments: argparse.Namespace) -> int:
    """Withdraw an item; return 1 if the index did not take it yet."""
    reason = " ".join(arguments.reason.split())
    if not 1 <= len(reason) <= MAX_REASON_CHARACTERS:
        msg = f"--reason must have 1 to {MAX_REASON_CHARACTERS} characters, got {len(reason)}."
        raise UsageError(msg)
    app.engine.refresh()
    item = app.engine.get([arguments.id]).get(arguments.id)
    if item is None:
        known = app.engine.withdrawal(arguments.id)
        if known is None:
            raise UsageError(
                f"There is no item {arguments.id[:60]!r}. `newswire search --json` prints the ids of items."
            )
        say(f"{known.id} of {known.feed} was withdrawn at {to_rfc3339(known.at)}: {known.reason}")
        return OK
    problem = take_out(app, item, reason)
    if problem is not None:
        complain(f"newswire: the withdrawal is in the archive, and the index follows with the next run. {problem}")
        return FAILED
    say(f"{item.id} of {item.feed} is withdrawn: {item.title}")
    return OK
