"""The commands of the command line, a module for each group of them; `main.py` loads the one that was asked for.

A command takes the app and its arguments, prints what a person wants to know, and gives the exit status.
"""

OK, FAILED, USAGE = 0, 1, 2
