"""What a person sees in a terminal: lines for feeds and items, progress bars there, plain lines in a pipe."""

from __future__ import annotations

import html
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, NoReturn, TextIO

import msgspec

from newswire.clock import Instant, to_rfc3339
from newswire.model import Fetched, FetchFailed, NotModified
from newswire.search.ages import relative_age

if TYPE_CHECKING:
    from tqdm import tqdm

    from newswire.ingest.indexing import IndexResult
    from newswire.ingest.poll import BatchReport, PollReport
    from newswire.search.answer import SearchResult


def say(text: str = "") -> None:
    """Print a line on standard output."""
    _print(text, sys.stdout)


def complain(text: str) -> None:
    """Print a line on standard error."""
    _print(text, sys.stderr)


def _print(text: str, file: TextIO) -> None:
    if not _bars:
        print(text, file=file, flush=True)
        return
    with _bars[-1].external_write_mode(file=file):  # the bar is taken away meanwhile, so that it does not cut the line
        print(text, file=file, flush=True)


def say_json(value: object) -> None:
    """Print a value as indented JSON."""
    say(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())


_bars: list[tqdm[NoReturn]] = []
"""The bar that is shown now, if one is."""


@contextmanager
def progress(what: str, unit: str, total: int | None = None) -> Iterator[Callable[[int], object]]:
    """Show a bar of a growing count on a terminal; in a pipe, nothing."""
    if not sys.stderr.isatty():
        yield lambda _count: None
        return
    from tqdm import tqdm  # noqa: PLC0415 - 30 ms, for terminals only

    with tqdm(desc=what, unit=f" {unit}", total=total, file=sys.stderr, leave=False, dynamic_ncols=True) as bar:
        _bars.append(bar)
        try:
            yield bar.update
        finally:
            _bars.remove(bar)


def plural(count: int, word: str) -> str:
    """Write a count with its word."""
    return f"{count:,} {word}" if count == 1 else f"{count:,} {word}s"


def polled_line(polled: PollReport) -> str:
    """Say what came of one feed."""
    match polled.outcome:
        case Fetched() as came:
            what = f"{polled.length:,} bytes" if polled.changed else "not changed"
            what += ", cut short" if came.truncated else ""
        case NotModified():
            what = "not changed"
        case FetchFailed() as failed:
            what = f"failed: {failed.sentence}"
        case _:
            what = "passed over"
    return f"{polled.feed}: {what}{f' ({polled.refused})' if polled.refused else ''}"


def indexed_line(indexed: IndexResult) -> str:
    """Say what indexing did to one feed."""
    text = f"{indexed.feed}: {indexed.new} new, {indexed.changed} changed, {indexed.unchanged} as before"
    if indexed.refusal is not None:
        text += f"; {indexed.refusal.code}: {indexed.refusal.sentence}"
    if indexed.problem is not None:
        text += f"; {indexed.problem}"
    for refused in indexed.refused_items:
        text += f"; item {refused.id} refused: {refused.reason}"
    return text


def summary_line(report: BatchReport) -> str:
    """Say what a run of polls did in one line."""
    failed = sum(isinstance(one.outcome, FetchFailed) or one.refused is not None for one in report.polled)
    changed = sum(one.changed for one in report.polled)
    new = sum(one.new for one in report.indexed)
    edited = sum(one.changed for one in report.indexed)
    return (
        f"{plural(len(report.polled), 'feed')} polled, {changed} with a new document, {failed} failed; "
        f"{plural(new, 'item')} new, {edited} changed."
    )


def show_result(result: SearchResult) -> None:
    """Print found items, counts, warnings, and whether the feeds were being watched."""
    for hit in result.hits:
        item = hit.item
        columns = [to_rfc3339(item.published), item.feed, item.title or (item.summary or item.id)[:100]]
        say("  ".join(columns))
        if item.link:
            say(f"    {item.link}")
        for name, text in (hit.highlights or {}).items():
            say(f"    {name}: {html.unescape(text).replace('<mark>', '[').replace('</mark>', ']')}")
    for facet in result.facets:
        listed = ", ".join(f"{value.value} {value.count:,}" for value in facet.values)
        say(f"By {facet.field}: {listed or 'none'}; others {facet.other:,}, without {facet.missing:,}.")
    for bucket in result.histogram.buckets if result.histogram else ():
        say(f"{to_rfc3339(bucket.start)} to {to_rfc3339(bucket.end)}: {bucket.count:,}")
    say(f"{plural(result.total, 'item')} found, {len(result.hits)} shown.")
    for warning in result.warnings:
        say(f"Note: {warning.detail}")
    coverage = result.coverage
    if not coverage.is_complete:
        say(
            f"{coverage.not_ok_count} of {plural(coverage.feeds, 'feed')} are not up to date, with "
            f"{plural(coverage.gap_count, 'gap')} in this range. Run `newswire status` to list the errors."
        )


def ago(instant: Instant | None, now: Instant) -> str:
    """Say how long ago, or never."""
    return "never" if instant is None else f"{relative_age(instant, now)} ago"
