"""`newswire serve`: answer searches over HTTP until Ctrl-C, from this machine or from a deployed API.

With `--poll`, a thread also polls the feeds that are due.
"""

from __future__ import annotations

import argparse
import os
from contextlib import suppress

from newswire.app import App
from newswire.cli import OK
from newswire.cli.console import indexed_line, say
from newswire.cli.ingest import take_in
from newswire.cli.poll import begin, due_poller, voice_of
from newswire.cli.server import forward, hosts_of, listen
from newswire.cli.server import serve as run_server
from newswire.cli.workers import run_workers
from newswire.clock import to_rfc3339
from newswire.engines.query import SearchQuery
from newswire.errors import EngineError, UsageError
from newswire.extras import needs_extra
from newswire.settings import LOOPBACK


def serve(app: App, arguments: argparse.Namespace) -> int:
    """Answer searches on a port until a signal stops the server."""
    if arguments.remote:
        return _serve_remote(arguments)
    begin(app)
    if arguments.sample and not app.engine.count(app.engine.generation()):
        for result in take_in(app, [arguments.sample], "sample-news").results:
            if result.refusal or result.problem:
                raise UsageError(f"--sample {arguments.sample} cannot be read as a feed. {indexed_line(result)}")
    sock = listen(arguments.host, arguments.port)
    base = _base_url(arguments.host, sock.getsockname()[1])
    say(f"Serving at {base}/")
    _print_examples(app, base)
    hosts = hosts_of(app, arguments.host)
    workers = arguments.workers or available_processors()
    if workers > 1:
        app.close()  # each worker opens what it needs
        run_workers(sock.fileno(), base, hosts, workers, voice_of(arguments) if arguments.poll else None)
        return OK
    with suppress(KeyboardInterrupt):  # Ctrl-C is the normal way to stop a server
        run_server(app, sock, base, hosts, due_poller(app, voice_of(arguments)) if arguments.poll else None)
    return OK


def available_processors() -> int:
    """Return the number of processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


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
