"""The rules of prose: one sentence a line, at most 120 characters, and no banned phrase in documents and docstrings.

`python -m tests.support.prose_rules` checks the Markdown of the repository and the Python of the library. Vale could do the
first part; it would not read docstrings.
"""

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
MAX_CHARACTERS = 120
SENTENCE_END = re.compile(r"[.!?][)”\"`*]*\s+(?=[A-Z“(`*])")
ABBREVIATIONS = re.compile(r"\b(?:e\.g|i\.e|etc|vs|cf|No|St|U\.S|approx)\.$")
BANNED = {
    r"\banew\b": "again",
    r"(?<![Tt]here )\bis no\b(?! longer| more)": "is not a",
    r"(?<![Tt]here )\bare no\b(?! longer| more)": "are not",
    r"\bof ours\b": "our, or name the owner",
    r"\bof its own\b": "its own, or a separate",
    r"\bSo (?:many|long|much|often)\b": "Maximum …, or The number of …",
    r"\bgoes on\b": "continues",
    r"\bcomes in\b.*\bgoes out\b": "the responsibility",
    r"\bSay whether\b": "Return whether",
    r"\bbrought level\b|\blevel with\b": "caught up",
    r"\bput in order\b": "sorted",
    r"\bsaid otherwise\b": "overridden",
    r"\bbeside (?:it|them|this|that)\b": "besides, next to, or also",
    r"\bwould else\b": "otherwise … would",
    r"\bWhat came of\b": "The result of",
    r"\bhow the whole is\b": "the state of newswire",
}
"""Banned phrases, as regular expressions, with what to write instead."""
WEAK_STARTS = ("Give ", "Say ", "So many ", "Whether ", "Let ")
"""Beginnings of docstrings that hide the verb: "Return …" instead."""


class Finding(NamedTuple):
    """A place in a file, and what is wrong there."""

    file: Path
    line: int
    problem: str

    def __str__(self) -> str:
        return f"{self.file.relative_to(ROOT)}:{self.line}: {self.problem}"


def markdown_findings(file: Path) -> Iterator[Finding]:
    """Yield what is wrong in a Markdown file; code, tables and HTML are not prose."""
    is_code = False
    for number, line in enumerate(file.read_text().splitlines(), 1):
        if line.lstrip().startswith("```"):
            is_code = not is_code
        shown = re.sub(r"<!--.*?-->", "", line).rstrip()
        prose = shown.strip()
        if is_code or line.startswith(("    ", "|", "<", "#", "![")) or not prose:
            continue
        plain = re.sub(r"`[^`]*`", "`x`", prose)
        if len(shown) > MAX_CHARACTERS and "](" not in prose and "http" not in prose:
            yield Finding(file, number, f"a line must have at most {MAX_CHARACTERS} characters, got {len(shown)}")
        for end in SENTENCE_END.finditer(plain):
            before = plain[: end.start() + 1]
            if not ABBREVIATIONS.search(before) and not re.fullmatch(r"\d+\.", before.strip()):
                yield Finding(
                    file, number, f"a line must have one sentence; a second one begins at {plain[end.end() :][:30]!r}"
                )
                break
        yield from _banned(file, number, prose)


def python_findings(file: Path) -> Iterator[Finding]:
    """Yield what is wrong in the docstrings of a Python file."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            text = node.value.value
            if text.startswith(WEAK_STARTS):
                yield Finding(file, node.lineno, f"a docstring must begin with its verb, got {text.split()[0]!r}")
            yield from _banned(file, node.lineno, " ".join(text.split()))


def _banned(file: Path, number: int, text: str) -> Iterator[Finding]:
    for pattern, better in BANNED.items():
        if match := re.search(pattern, text):
            yield Finding(file, number, f"{match.group()!r} is banned; write: {better}")


def findings() -> list[Finding]:
    """Return what is wrong in all documents and in the library."""
    tracked = subprocess.run(["git", "ls-files", "*.md", "layers/**/*.py", "functions/**/*.py"], cwd=ROOT,
                             capture_output=True, text=True, check=True).stdout.split()  # fmt: skip
    results: list[Finding] = []
    for name in tracked:
        file = ROOT / name
        if file.exists():
            results += markdown_findings(file) if file.suffix == ".md" else python_findings(file)
    return results


def main() -> int:
    wrong = findings()
    for finding in wrong:
        print(finding)
    return int(bool(wrong))


if __name__ == "__main__":
    raise SystemExit(main())
