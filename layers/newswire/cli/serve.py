"""`newswire serve`: answer searches over HTTP until Ctrl-C, from this machine or from a deployed API.

With `--poll`, a thread also polls the feeds that are due.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from contextlib import suppress

from newswire.app import App
from newswire.cli import OK
from newswire.cli.console import complain, indexed_line, say
from newswire.cli.ingest import take_in
from newswire.cli.poll import begin, poll_once
from newswire.cli.server import forward, listen
from newswire.cli.server import serve as run_server
from newswire.clock import to_rfc3339
from newswire.engines.query import SearchQuery
from newswire.errors import EngineError, FeedsFileError, NewswireError, UsageError
from newswire.extras import needs_extra
from newswire.ingest.feed_list import merge_feeds_file
from newswire.log import log_defect
from newswire.settings import LOOPBACK


def serve(app: App, arguments: argparse.Namespace) -> int:
    """Answer searches on a port until a signal stops the server."""
    if arguments.remote:
        return _serve_remote(arguments)
    begin(app)
    if arguments.sample and not app.engine.count(app.engine.generation()):
        for result in take_in(app, [arguments.sample], "sample-news"):
            if result.refusal or result.problem:
                raise UsageError(f"--sample {arguments.sample} cannot be read as a feed. {indexed_line(result)}")
    sock = listen(arguments.host, arguments.port)
    base = _base_url(arguments.host, sock.getsockname()[1])
    say(f"Serving at {base}/")
    _print_examples(app, base)
    with suppress(KeyboardInterrupt):  # Ctrl-C is the normal way to stop a server
        run_server(app, sock, base, due_poller(app) if arguments.poll else None)
    return OK


def _serve_remote(arguments: argparse.Namespace) -> int:
    """Forward requests to a deployed API, signed with AWS SigV4."""
    with needs_extra("aws", "newswire serve --remote"):
        from newswire.web.signing_proxy import SigningProxy  # noqa: PLC0415 - botocore takes 60 ms

    if arguments.poll or arguments.sample:
        raise UsageError("--remote cannot be combined with --poll or --sample: it only forwards to a deployed API.")
    if arguments.host not in LOOPBACK:
        msg = f"--host must be one of {', '.join(sorted(LOOPBACK))} with --remote, got {arguments.host!r}."
        raise UsageError(f"{msg} Whoever reaches the proxy uses your AWS credentials.")
    sock = listen(arguments.host, arguments.port)
    base = _base_url(arguments.host, sock.getsockname()[1])
    remote = SigningProxy(arguments.remote, base)
    say(f"Proxying {arguments.remote} with AWS SigV4 at {base}/")
    with suppress(KeyboardInterrupt):  # Ctrl-C is the normal way to stop a server
        forward(remote, sock)
    return OK


def _base_url(host: str, port: int) -> str:
    """Return the URL of a listening server, with an IPv6 address in brackets (RFC 3986, section 3.2.2)."""
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def due_poller(app: App) -> Callable[[], None]:
    """Return the function that polls the feeds that are due, to be called again and again; it never raises.

    A broken feeds file does not stop it: it polls the feeds of the last good one.
    """
    last_error = ""

    def poll_due() -> None:
        nonlocal last_error
        try:
            try:
                merge_feeds_file(app)
                last_error = ""
            except FeedsFileError as error:
                if str(error) != last_error:  # the file is read every few seconds, so an error is printed once
                    last_error = str(error)
                    complain(f"newswire: {last_error}")
            poll_once(app, [], now=False, quiet=True)
        except NewswireError as error:
            complain(f"newswire: {error}")
        except Exception as error:  # noqa: BLE001 - a defect is logged, and the next round tries again
            log_defect(error)

    return poll_due


def _print_examples(app: App, base: str) -> None:
    """Print three example requests, with a word and a month of the newest item."""
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
