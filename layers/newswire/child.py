"""The command line of a child process that runs a module of newswire."""

from __future__ import annotations

import sys


def child_command(module: str, argument: str) -> list[str]:
    """Return the command that calls `main` of a module, with `argument` as its first argument (`sys.argv[1]`).

    The child gets the import path of this process: on AWS Lambda the packages of the layer are on that path only.
    """
    program = f"import sys; sys.path[:0] = sys.argv[2:]; from {module} import main; main()"
    return [sys.executable, "-c", program, argument, *filter(None, sys.path)]
