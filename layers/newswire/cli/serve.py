"""`newswire serve`: searches are answered over HTTP until Ctrl-C, from here (the due feeds polled meanwhile) or from afar."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from contextlib import suppress

from newswire.app import App
from newswire.cli import OK
from newswire.cli.console import complain, say
from newswire.cli.ingest import take_in
from newswire.cli.poll import begin, poll_once
from newswire.cli.server import forward, listen
from newswire.cli.server import serve as answer_until_stopped
from newswire.clock import to_rfc3339
from newswire.engines.query import SearchQuery
from newswire.errors import EngineError, FeedsFileError, NewswireError, UsageError
from newswire.extras import needs_extra
from newswire.ingest.feed_list import merge_feeds_file
from newswire.log import log_defect
from newswire.settings import LOOPBACK


def serve(app: App, arguments: argparse.Namespace) -> int:
    """Answer searches on a port until a signal says stop."""
    if arguments.remote:
        return _stand_for(arguments)
    begin(app)
    if arguments.sample and not app.engine.count(app.engine.generation()):
        take_in(app, [arguments.sample], "sample-news")
    sock = listen(arguments.host, arguments.port)
    base = _address(arguments.host, sock.getsockname()[1])
    say(f"newswire answers on {base}/")
    _advise(app, base)
    with suppress(KeyboardInterrupt):  # Ctrl-C is how a server is stopped, and no failure
        answer_until_stopped(app, sock, base, due_poller(app) if arguments.poll else None)
    return OK


def _stand_for(arguments: argparse.Namespace) -> int:
    """Answer from a deployed API, signing for whoever asks here."""
    with needs_extra("aws", "newswire serve --remote"):
        from newswire.web.signing_proxy import SigningProxy  # noqa: PLC0415 - botocore takes 60 ms

    if arguments.poll or arguments.sample:
        raise UsageError("--remote stands for an API that is elsewhere: it goes without --poll and --sample.")
    if arguments.host not in LOOPBACK:
        raise UsageError("--remote acts with your AWS credentials for whoever reaches it: it listens on loopback only.")
    sock = listen(arguments.host, arguments.port)
    base = _address(arguments.host, sock.getsockname()[1])
    remote = SigningProxy(arguments.remote, base)
    say(f"newswire signs for you what it asks {arguments.remote}, and answers on {base}/")
    with suppress(KeyboardInterrupt):  # Ctrl-C is how a server is stopped, and no failure
        forward(remote, sock)
    return OK


def _address(host: str, port: int) -> str:
    """Give the address of what listens, as it is written (an IPv6 address in brackets)."""
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def due_poller(app: App) -> Callable[[], None]:
    """Give what is called again and again while serving: what is due is polled, also while the list of feeds is wrong."""
    said = ""

    def poll_due() -> None:
        nonlocal said
        try:
            try:
                merge_feeds_file(app)
                said = ""
            except FeedsFileError as error:
                if str(error) != said:  # it is read again every few seconds, and wrong until somebody mends it
                    said = str(error)
                    complain(f"newswire: {said}")
            poll_once(app, [], now=False, quiet=True)
        except NewswireError as error:
            complain(f"newswire: {error}")
        except Exception as error:  # noqa: BLE001 - a defect of ours is logged, and the next round is another try
            log_defect(error)

    return poll_due


def _advise(app: App, base: str) -> None:
    """Print three things to try, with a word that is really there."""
    try:
        hits = app.engine.search(SearchQuery(size=1)).hits
    except EngineError:
        return
    words = [word for word in (hits[0].item.title.split() if hits else []) if len(word) > 5 and word.isalpha()]  # noqa: PLR2004
    word = words[0].lower() if words else "summit"
    day = to_rfc3339(hits[0].item.published)[:7] if hits else "2025-05"
    say("Try:")
    say(f"  curl '{base}/v1/search?q={word}'")
    say(f"  curl '{base}/v1/search?from={day}&to={day}&sort=oldest&size=5'")
    say(f"  curl '{base}/v1/feeds'")
