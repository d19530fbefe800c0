"""The commands of the command line, one module per group; `main.py` imports the module of the command that runs.

A command takes the app and its arguments, prints its result, and returns the exit status.
"""

from typing import Literal

OK, FAILED, USAGE = 0, 1, 2

Voice = Literal["quiet", "events", "all"]
"""What is printed about polls: errors of the engine; also what happened with a feed; also a line for each poll."""
