"""`newswire engine …`: manage the search engine."""

from __future__ import annotations

import argparse

from newswire.app import App
from newswire.cli import OK
from newswire.cli.console import say


def engine(app: App, _arguments: argparse.Namespace) -> int:
    """Create the indexes of the engine if they do not exist yet."""
    app.engine.setup()
    info = app.engine.info()
    say(f"{info.name} {info.version} is ready: generation {app.engine.generation()}, schema {info.schema}.")
    return OK
