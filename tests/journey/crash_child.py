"""A newswire that is killed with -9 at a chosen step: run as a process of its own by test_crash.py.

Arguments, as JSON: data folder, clock, what to do (`poll`, `load` with a file, `reindex`), and optionally the step at
which to die: the name of an edge's method, `before` or `after`, and at which of its calls. `settings` are beside the usual.
"""

import json
import os
import signal
import sys

from newswire.app import App
from newswire.ingest.archiving import reconcile
from newswire.ingest.backfill import load
from newswire.ingest.poll import run_batches
from newswire.ingest.reindex import reindex
from newswire.ingest.tick import tick
from newswire.model import Batch
from newswire.settings import Settings
from newswire.storage.queue.inline import InlineQueue


class Mortal:
    """Passes calls on to an edge, and dies at the chosen one."""

    def __init__(self, name, edge, die) -> None:
        self._name, self._edge, self._die, self._calls = name, edge, die, {}

    def __getattr__(self, method):
        real = getattr(self._edge, method)
        step = f"{self._name}.{method}"
        if not callable(real) or not self._die or self._die["step"] != step:
            return real

        def mortal(*args, **named):
            self._calls[step] = self._calls.get(step, 0) + 1
            here = self._calls[step] == self._die["call"]
            if here and self._die["when"] == "before":
                os.kill(os.getpid(), signal.SIGKILL)
            if here and self._die["when"] == "within" and method == "index":
                args = (dying(args[0]), *args[1:])
            result = real(*args, **named)
            if here and self._die["when"] == "after":
                os.kill(os.getpid(), signal.SIGKILL)
            return result

        return mortal


def dying(writes):
    """Give half of the writes and die."""
    for number, write in enumerate(writes):
        if number == 2:
            os.kill(os.getpid(), signal.SIGKILL)
        yield write


def main() -> None:
    told = json.loads(sys.argv[1])
    settings = Settings(
        data=told["data"],
        feeds="none.toml",
        fetch_allow_private=True,
        fetch_ports="",
        fetch_timeout_seconds=5,
        **told.get("settings", {}),
    )
    plain = App(settings, clock=lambda: told["clock"])
    edges = {name: Mortal(name, getattr(plain, name), told.get("die")) for name in ("feeds", "archive", "engine")}
    app = App(settings, clock=lambda: told["clock"], **edges)
    reconcile(app)
    if told["do"] == "poll":
        ids = [row.feed.id for row in app.feeds.rows()]
        tick(app, InlineQueue(lambda batches: run_batches(app, batches)))
        run_batches(app, [Batch(tuple(ids), now=True)])
    elif told["do"] == "load":
        load(app, [told["file"]], "loaded")
    else:
        reindex(app)
    app.close()


if __name__ == "__main__":
    main()
