"""Print to the terminal: lines about feeds and items, and progress bars that do not cut these lines.

In a pipe there are only lines.
"""

from __future__ import annotations

import html
import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, TextIO

import msgspec

from newswire.clock import Instant, to_rfc3339
from newswire.errors import OutputError
from newswire.model import Fetched, FetchFailed, NotModified
from newswire.search.ages import relative_age

if TYPE_CHECKING:
    from tqdm import tqdm

    from newswire.ingest.indexing import IndexResult
    from newswire.ingest.poll import BatchReport, PollReport
    from newswire.search.answer import SearchResult
    from newswire.settings import Settings


# Controls, marks of direction, separators, invisible and private characters, tags, and what is no character. The two
# joiners (U+200C, U+200D) stay: Persian and emoji need them.
_CONTROLS = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ud800-\uf8ff\ufdd0-\ufdef\ufeff"
    "\ufff0-\ufffb\ufffe\uffff\U000e0000-\U000e0fff\U000f0000-\U0010ffff]"
)


def escape_controls(text: str) -> str:
    r"""Return text whose control characters and changes of direction are written as `\u001b`, as in JSON.

    A publisher's text could otherwise change the title of a terminal, its clipboard, or the order of what it shows.
    """
    return _CONTROLS.sub(_escape, text)


def _escape(match: re.Match[str]) -> str:
    code = ord(match.group())
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"  # noqa: PLR2004 - the last of four digits


class _Terminal:
    """Prints lines, and removes the progress bar while it prints one."""

    def __init__(self) -> None:
        self._bar: tqdm[NoReturn] | None = None

    def print_line(self, text: str, file: TextIO) -> None:
        text = escape_controls(text)
        if self._bar is None:
            print(text, file=file, flush=True)
            return
        with self._bar.external_write_mode(file=file):
            print(text, file=file, flush=True)

    @contextmanager
    def show_progress(self, title: str, unit: str, total: int | None = None) -> Iterator[Callable[[int], object]]:
        """Show a progress bar on a terminal, nothing in a pipe; yield the function that adds to its count."""
        if not sys.stderr.isatty():
            yield lambda _count: None
            return
        from tqdm import tqdm  # noqa: PLC0415 - 30 ms, for terminals only

        with tqdm(desc=title, unit=f" {unit}", total=total, file=sys.stderr, leave=False, dynamic_ncols=True) as bar:
            self._bar = bar
            try:
                yield bar.update
            finally:
                self._bar = None


_terminal = _Terminal()  # one instance, because a process has one terminal, and every line must know its bar
progress = _terminal.show_progress


def say(text: str = "") -> None:
    """Print a line on standard output. Raises `OutputError` if it cannot be written, BrokenPipeError if nobody reads."""
    try:
        _terminal.print_line(text, sys.stdout)
    except BrokenPipeError:
        raise
    except OSError as error:
        sys.stdout = Path(os.devnull).open("w")  # noqa: SIM115 - or else Python reports the same line again at exit
        reason = (error.strerror or "error").lower()
        raise OutputError(f"Cannot write the output ({reason}). Free some space, or send it elsewhere.") from error


def complain(text: str) -> None:
    """Print a line on standard error."""
    _terminal.print_line(text, sys.stderr)


def say_json(value: object) -> None:
    """Print a value as indented JSON."""
    say(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())


def plural(count: int, word: str) -> str:
    """Return a count with its noun: "1 feed", "1,200 feeds"."""
    return f"{count:,} {word}" if count == 1 else f"{count:,} {word}s"


def polled_line(polled: PollReport) -> str:
    """Return a line about the poll of one feed."""
    match polled.outcome:
        case Fetched() as fetched:
            result = f"{polled.length:,} bytes" if polled.changed else "unchanged"
            result += ", truncated" if fetched.truncated else ""
        case NotModified():
            result = "unchanged"
        case FetchFailed() as failure:
            result = f"fetch failed: {failure.sentence}"
        case _:
            result = "skipped"
    return f"{polled.feed}: {result}{f' ({polled.refused})' if polled.refused else ''}"


def indexed_line(indexed: IndexResult) -> str:
    """Return a line about the indexing of one feed."""
    text = f"{indexed.feed}: {indexed.new} new, {indexed.changed} changed, {indexed.unchanged} unchanged"
    if indexed.merged:
        text += f", {indexed.merged} merged with another entry of their document"
    if indexed.refusal is not None:
        text += f"; {indexed.refusal.code}: {indexed.refusal.sentence}"
    if indexed.problem is not None:
        text += f"; {indexed.problem}"
    for refused in indexed.refused_items:
        text += f"; item {refused.id} refused: {refused.reason}"
    return text


def event_lines(report: BatchReport, *, is_repeated: bool) -> Iterator[str]:
    """Yield a line for each feed with which something happened: news, a failure, a recovery.

    `is_repeated` leaves out failures of feeds that have failed before, since they are polled again and again.
    """
    for polled in report.polled:
        if polled.has_failed and not (is_repeated and (polled.was_failing or polled.outcome is None)):
            yield polled_line(polled)
        elif polled.was_failing and not polled.has_failed:
            yield f"{polled.feed}: recovered"
    for indexed in report.indexed:
        if indexed.new or indexed.changed or indexed.refusal or indexed.problem or indexed.refused_items:
            yield indexed_line(indexed)


def summary_line(report: BatchReport) -> str:
    """Return a line with the totals of a run."""
    failed = sum(polled.has_failed for polled in report.polled)
    changed = sum(polled.changed for polled in report.polled)
    new = sum(indexed.new for indexed in report.indexed)
    edited = sum(indexed.changed for indexed in report.indexed)
    return (
        f"{plural(len(report.polled), 'feed')} polled, {changed} with a new document, {failed} failed; "
        f"{plural(new, 'item')} new, {edited} changed."
    )


def place_of(settings: Settings) -> str:
    """Return where feeds and documents are kept: the data folder, or the table and the bucket."""
    places = [settings.table and f"table {settings.table}", settings.bucket and f"bucket {settings.bucket}"]
    return ", ".join(filter(None, places)) or str(settings.data_folder.absolute())


def show_result(result: SearchResult, place: str) -> None:
    """Print items, facets, histogram, total and warnings, and the number of feeds that are not up to date.

    `place` is where the data is: nothing found may mean another folder.
    """
    for hit in result.hits:
        item = hit.item
        columns = [to_rfc3339(item.published), item.feed, item.title or (item.summary or item.id)[:100]]
        say("  ".join(columns))
        if item.link:
            say(f"    {item.link}")
        for name, text in (hit.highlights or {}).items():
            say(f"    {name}: {html.unescape(text).replace('<mark>', '[').replace('</mark>', ']')}")
    for facet in result.facets:
        counts = ", ".join(f"{value.value} {value.count:,}" for value in facet.values)
        say(f"By {facet.field}: {counts or 'none'}; others {facet.other:,}, without {facet.missing:,}.")
    for bucket in result.histogram.buckets if result.histogram else ():
        say(f"{to_rfc3339(bucket.start)} to {to_rfc3339(bucket.end)}: {bucket.count:,}")
    where = "" if result.total else f" The data is in {place}."
    say(f"{plural(result.total, 'item')} found, {len(result.hits)} shown.{where}")
    for warning in result.warnings:
        say(f"Note: {warning.detail}")
    coverage = result.coverage
    if coverage.not_ok_count or coverage.gap_count:
        verb = "is" if coverage.not_ok_count == 1 else "are"
        say(
            f"{coverage.not_ok_count} of {plural(coverage.feeds, 'feed')} {verb} not up to date, with "
            f"{plural(coverage.gap_count, 'gap')} in this range. Run `newswire status` to list the errors."
        )


def ago(instant: Instant | None, now: Instant) -> str:
    """Return how long ago an instant was, as "1 day 2 hours ago"; "never" for None."""
    return "never" if instant is None else f"{relative_age(instant, now)} ago"
