"""Run one newswire action in its own process for crash.py, and kill it with SIGKILL at a chosen step.

The only argument is JSON: the data folder, the clock in milliseconds, and the action (`poll`, `load` or `reindex`).
`die` optionally names the step: a method of the feed store, archive or engine, the number of its call, and when.
`settings` override the defaults.
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
    """Forward calls to a store or engine, and kill the process at the chosen call."""

    def __init__(self, name, edge, die) -> None:
        self._name, self._edge, self._die = name, edge, die
        self._calls: dict[str, int] = {}

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
    """Yield the first two writes, then kill the process."""
    for number, write in enumerate(writes):
        if number == 2:
            os.kill(os.getpid(), signal.SIGKILL)
        yield write


def main() -> None:
    output = json.loads(sys.argv[1])
    settings = Settings(
        data=output["data"],
        feeds="none.toml",
        fetch_allow_private=True,
        fetch_ports="",
        fetch_timeout_seconds=5,
        **output.get("settings", {}),
    )
    plain = App(settings, clock=lambda: output["clock"])
    edges = {name: Mortal(name, getattr(plain, name), output.get("die")) for name in ("feeds", "archive", "engine")}
    app = App(settings, clock=lambda: output["clock"], **edges)
    reconcile(app)
    if output["do"] == "poll":
        ids = [row.feed.id for row in app.feeds.rows()]
        tick(app, InlineQueue(lambda batches: run_batches(app, batches)))
        run_batches(app, [Batch(tuple(ids), now=True)])
    elif output["do"] == "load":
        load(app, [output["file"]], "loaded")
    else:
        reindex(app)
    app.close()


if __name__ == "__main__":
    main()
