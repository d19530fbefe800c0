"""`newswire dlq …`: list, retry or delete the messages that failed ten times."""

from __future__ import annotations

import argparse
from collections.abc import Collection, Iterable

from newswire.app import App
from newswire.cli import FAILED, OK
from newswire.cli.console import complain, plural, say, say_json
from newswire.clock import to_rfc3339
from newswire.errors import UsageError
from newswire.storage.queue.dead_letters import DeadLetter, DeadLetterQueue

_MAX_BODY_CHARACTERS = 200
"""Maximum characters of a foreign message that a line shows."""


def list_letters(app: App, arguments: argparse.Namespace) -> int:
    """List the messages in the dead-letter queue; they stay there."""
    letters = _queue(app).letters()
    if arguments.json:
        say_json({"messages": letters})
        return OK
    for letter in letters:
        feeds = letter.feeds
        content = f"not a batch: {letter.body[:_MAX_BODY_CHARACTERS]!r}" if feeds is None else ", ".join(feeds)
        say(f"{letter.id}  {to_rfc3339(letter.sent_at)}  {content}")
    say(f"{plural(len(letters), 'message')}.")
    return OK


def redrive(app: App, arguments: argparse.Namespace) -> int:
    """Put messages back into the work queue, except those that are not batches: they would fail again."""
    redriven = _queue(app).redrive(arguments.ids)
    say(f"{plural(len(redriven), 'message')} put back into the work queue.")
    return _report_skipped(arguments.ids, redriven, "it is not in the dead-letter queue, or it is not a batch")


def discard(app: App, arguments: argparse.Namespace) -> int:
    """Delete messages; no fetched document is lost, because the next tick finds the feeds that are due or behind."""
    discarded = _queue(app).discard(arguments.ids)
    say(f"{plural(len(discarded), 'message')} deleted.")
    return _report_skipped(arguments.ids, discarded, "it is not in the dead-letter queue")


def _queue(app: App) -> DeadLetterQueue:
    if not app.settings.queue_url:
        raise UsageError("No work queue is configured: set NEWSWIRE_QUEUE_URL to the output Queue of the stack.")
    return DeadLetterQueue(app.settings.queue_url)


def _report_skipped(ids: Iterable[str], done: Collection[DeadLetter], reason: str) -> int:
    """Print the ids that nothing was done for; return the exit status."""
    skipped = [id_ for id_ in ids if id_ not in {letter.id for letter in done}]
    for id_ in skipped:
        complain(f"{id_} was skipped: {reason}. Run `newswire dlq` to list the messages.")
    return FAILED if skipped else OK
