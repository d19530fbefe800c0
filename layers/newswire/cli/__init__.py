"""The commands of the command line, one module per group; `main.py` imports the module of the command that runs.

A command takes the app and its arguments, prints its result, and returns the exit status.
"""

OK, FAILED, USAGE = 0, 1, 2
