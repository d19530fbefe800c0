"""Run the command line: the `newswire` program, and `python -m newswire`."""

import os
import sys
import threading


def main() -> int:
    """Run one command with the arguments of the process; return the exit status.

    The command line is imported here, so that Ctrl-C during the import (0.2 s) ends as quietly as later.
    """
    try:
        from newswire.cli import main as command_line  # noqa: PLC0415 - after the try

        return _leave(command_line.main())
    except KeyboardInterrupt:
        sys.stderr.write("newswire: stopped before the command began.\n")
        return 1


def _leave(status: int) -> int:
    """Return the exit status; after Ctrl-C end the process instead, without a wait for publishers that hang."""
    if any(thread.name.startswith("fetch") for thread in threading.enumerate()):
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
    return status


if __name__ == "__main__":
    raise SystemExit(main())
