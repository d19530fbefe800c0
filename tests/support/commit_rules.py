"""The rules of commit messages: `area: imperative summary`, at most 72 characters, and a body that says why.

`python -m tests.support.commit_rules` checks the commits of a branch, or the last ones of main; `--message FILE` checks
one message, as a commit-msg hook. Commits before the rules are not checked.
"""

import argparse
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

MAX_SUBJECT_CHARACTERS = 72
MAX_COMMITS = 100
FIRST_COMMIT = "tests: freeze the outputs and the state of 0.1.0"
"""The subject of the first commit that follows the rules."""
SUBJECT = re.compile(r"[a-z][a-z0-9/, -]*: \S.*[^.\s]")
NOT_IMPERATIVE = re.compile(r"[A-Za-z]+(?:ed|ing|s)\b", re.IGNORECASE)
IMPERATIVES_LIKE_OTHERS = frozenset({"address", "bring", "embed", "exceed", "express", "feed", "need", "pass", "press",
                                     "process", "seed", "speed", "string", "suppress", "toss", "access", "guess"})  # fmt: skip
FIXUPS = ("fixup! ", "squash! ", "Merge ", "Revert ")


def problems_of(message: str) -> Iterator[str]:
    """Yield what is wrong with a commit message."""
    subject, _, body = message.partition("\n")
    if subject.startswith(FIXUPS):
        return
    if len(subject) > MAX_SUBJECT_CHARACTERS:
        yield f"the subject must have at most {MAX_SUBJECT_CHARACTERS} characters, got {len(subject)}"
    if not SUBJECT.fullmatch(subject):
        yield "the subject must be `area: imperative summary`, without a full stop at its end"
        return
    verb = subject.partition(": ")[2].split()[0].lower()
    if NOT_IMPERATIVE.fullmatch(verb) and verb not in IMPERATIVES_LIKE_OTHERS:
        yield f"the summary must begin with an imperative verb, got {verb!r}"
    if body and not body.startswith("\n"):
        yield "an empty line must stand between subject and body"
    if not body.strip():
        yield "the body must say why"


def commits() -> Iterator[str]:
    """Yield the messages of the commits to check, the newest first, back to `FIRST_COMMIT`."""
    command = ["git", "log", "--no-merges", f"--max-count={MAX_COMMITS}", "--format=%B%x00"]
    log = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    for message in log.split("\0"):
        if message.strip():
            yield message.strip()
            if message.strip().startswith(FIRST_COMMIT):
                return


def main() -> int:
    parser = argparse.ArgumentParser(description="Check commit messages.")
    parser.add_argument("--message", metavar="FILE", help="check the message in this file only")
    arguments = parser.parse_args(sys.argv[1:])
    if arguments.message:
        lines = Path(arguments.message).read_text().splitlines()
        messages = ["\n".join(line for line in lines if not line.startswith("#")).strip()]
    else:
        messages = list(commits())
    wrong = [(message.splitlines()[0], problem) for message in messages for problem in problems_of(message)]
    for subject, problem in wrong:
        print(f"{subject}: {problem}")
    return int(bool(wrong))


if __name__ == "__main__":
    raise SystemExit(main())
