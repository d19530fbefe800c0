"""`newswire dlq …`: messages that failed ten times are listed, sent again or thrown away."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from newswire.app import App
from newswire.cli import FAILED, OK
from newswire.cli.console import complain, plural, say, say_json
from newswire.clock import to_rfc3339
from newswire.errors import UsageError
from newswire.storage.queue.dead_letters import DeadLetter, DeadLetterQueue

_SHOWN = 200


def list_letters(app: App, arguments: argparse.Namespace) -> int:
    """List what is in the dead-letter queue; it stays there."""
    letters = _queue(app).letters()
    if arguments.json:
        say_json({"messages": letters})
        return OK
    for one in letters:
        holds = ", ".join(one.feeds) if one.feeds is not None else f"no batch of ours: {one.body[:_SHOWN]!r}"
        say(f"{one.id}  {to_rfc3339(one.sent_at)}  {holds}")
    say(f"{plural(len(letters), 'message')}.")
    return OK


def redrive(app: App, arguments: argparse.Namespace) -> int:
    """Put messages back into the work queue; one that is no batch stays, since it would fail again."""
    done = _queue(app).redrive(arguments.ids)
    say(f"{plural(len(done), 'message')} put back into the work queue.")
    return _told(arguments.ids, done)


def discard(app: App, arguments: argparse.Namespace) -> int:
    """Throw messages away. Nothing that was fetched is lost: the next tick finds what is due or behind."""
    done = _queue(app).discard(arguments.ids)
    say(f"{plural(len(done), 'message')} thrown away.")
    return _told(arguments.ids, done)


def _queue(app: App) -> DeadLetterQueue:
    if not app.settings.queue_url:
        raise UsageError("There is no queue: set NEWSWIRE_QUEUE_URL to the output Queue of the stack.")
    return DeadLetterQueue(app.settings.queue_url)


def _told(ids: Sequence[str], done: Sequence[DeadLetter]) -> int:
    left = [id_ for id_ in ids if id_ not in {one.id for one in done}]
    for id_ in left:
        complain(f"{id_} was left as it is: it is not there, or no batch of ours; `newswire dlq` lists what there is.")
    return FAILED if left else OK
