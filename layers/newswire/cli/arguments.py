"""The parser of arguments: its errors are sentences like those of the commands."""

from __future__ import annotations

import argparse
import re
from typing import NoReturn

from newswire.cli import USAGE

MAX_WORKERS = 64
"""Maximum of `--workers`."""


class Parser(argparse.ArgumentParser):
    """A parser whose errors are sentences like those of the commands."""

    def error(self, message: str, hint: str = "") -> NoReturn:
        """End the program with a sentence, a hint that begins with a space, and the exit status for wrong usage."""
        self.exit(USAGE, f"newswire: {_rewrite(message)}{hint} Run `{self.prog} --help` for its arguments.\n")


def _rewrite(message: str) -> str:
    """Return an error of argparse as "<name> must <rule>, got <value>."."""
    message = re.sub(r"^argument ", "", message)
    if match := re.fullmatch(r"(.+?): invalid choice: (.+?) \(choose from (.+)\)", message, re.DOTALL):
        name, value, choices = match.groups()
        return f"{name} must be one of {choices.replace(chr(39), '')}; got {value}."
    if match := re.fullmatch(r"(.+?): expected .*?arguments?", message):
        return f"{match[1]} needs a value."
    if match := re.fullmatch(r"unrecognized arguments: (.+)", message, re.DOTALL):
        return f"{match[1]!r} is not an argument of this command."
    if match := re.fullmatch(r"the following arguments are required: (.+)", message):
        return f"{match[1]} is missing."
    return f"{message}."


def whole_number(text: str) -> int:
    """Return the integer that a text is; raise `argparse.ArgumentTypeError` for another text."""
    try:
        return int(text)
    except ValueError:
        msg = f"must be a whole number, got {text[:60]!r}"
        raise argparse.ArgumentTypeError(msg) from None


def count(text: str) -> int:
    """Return a number that is not negative; raise `argparse.ArgumentTypeError` for another text."""
    number = whole_number(text)
    if number < 0:
        msg = f"must not be negative, got {number}"
        raise argparse.ArgumentTypeError(msg)
    return number


def positive_number(text: str) -> int:
    """Return a number of processes, 1 to `MAX_WORKERS`; raise `argparse.ArgumentTypeError` for another text."""
    number = whole_number(text)
    if not 1 <= number <= MAX_WORKERS:
        msg = f"must be from 1 to {MAX_WORKERS}, got {number}"
        raise argparse.ArgumentTypeError(msg)
    return number


def add_voice_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options that set how much a command prints about polls."""
    voice = parser.add_mutually_exclusive_group()
    voice.add_argument("--quiet", action="store_true", help="print nothing about polls but errors of the engine")
    voice.add_argument("--verbose", action="store_true", help="print a line for each poll, also if nothing happened")


def add_json_argument(parser: argparse.ArgumentParser) -> None:
    """Add `--json`."""
    parser.add_argument("--json", action="store_true", help="print JSON")


def add_any_ids_argument(parser: argparse.ArgumentParser) -> None:
    """Add the ids of messages; none stands for all."""
    parser.add_argument("ids", nargs="*", metavar="ID", help="the ids of messages; none for all")


def add_ids_argument(parser: argparse.ArgumentParser) -> None:
    """Add the ids of messages, at least one."""
    parser.add_argument("ids", nargs="+", metavar="ID", help="the ids of messages")
