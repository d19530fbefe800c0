"""The command line: `newswire …` or `python -m newswire …`.

Exit status 0, 1 (something failed, said on standard error) or 2 (usage). Ctrl-C leaves everything whole.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import msgspec

from newswire import __version__
from newswire.clock import to_rfc3339
from newswire.console import (
    ago,
    complain,
    indexed_line,
    plural,
    polled_line,
    progress,
    say,
    say_json,
    show_answer,
    summary_line,
)
from newswire.data_folder import check
from newswire.dates import FORMS, read_period
from newswire.errors import EngineError, NewswireError, UsageError
from newswire.health import state_of
from newswire.index import Indexed
from newswire.model import Batch, Feed, FeedStatus, FetchFailed
from newswire.poll import BatchReport
from newswire.search import BadParametersError, answer, read_request
from newswire.settings import read_settings
from newswire.wiring import Wired

OK, FAILED, USAGE = 0, 1, 2
WATCH_EVERY_S = 10.0
REFUSED_SHOWN = 50


def main(arguments: Sequence[str] | None = None) -> int:
    """Carry out one command; gives the exit status."""
    parsed = _parser().parse_args(arguments)
    wired = None
    try:
        settings = read_settings()
        check(settings.data_folder)
        wired = Wired(settings)
        status: int = parsed.run(wired, parsed)
    except BadParametersError as error:
        for problem in error.problems:
            allowed = f" Allowed: {problem.allowed}." if problem.allowed else ""
            complain(f"newswire: --{problem.param}: {problem.detail}{allowed}")
        return USAGE
    except UsageError as error:
        complain(f"newswire: {error}")
        return USAGE
    except NewswireError as error:
        complain(f"newswire: {error}")
        return FAILED
    except BrokenPipeError:
        sys.stderr.close()
        return FAILED
    except KeyboardInterrupt:
        complain("newswire: stopped; everything is whole, and the next run goes on from here.")
        return FAILED
    finally:
        if wired is not None:
            wired.close()
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="newswire", description="Polls news feeds, keeps them, and searches them.")
    parser.add_argument("--version", action="version", version=f"newswire {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, run: Callable[[Wired, argparse.Namespace], int], about: str) -> argparse.ArgumentParser:
        made = commands.add_parser(name, help=about, description=about)
        made.set_defaults(run=run)
        return made

    made = command("serve", _serve, "Answer searches over HTTP; with --poll, poll the feeds meanwhile.")
    made.add_argument("--host", default="127.0.0.1")
    made.add_argument("--port", type=int, default=8000)
    made.add_argument("--poll", action="store_true", help="poll the feeds that are due meanwhile")
    made.add_argument("--sample", metavar="FILE", help="take this document in first, if there are no items yet")
    made = command("poll", _poll, "Fetch the feeds that are due, keep what came, and index it.")
    made.add_argument("feeds", nargs="*", metavar="FEED", help="only these feeds, by id")
    made.add_argument("--watch", action="store_true", help="keep on, until Ctrl-C")
    made.add_argument("--now", action="store_true", help="also feeds that are not due")
    made = command("feeds", _feeds, "List the feeds, or change the list.")
    made.add_argument("--json", action="store_true")
    _feeds_commands(made)
    made = command("ingest", _ingest, "Take documents from disk, as though they had been fetched.")
    made.add_argument("files", nargs="+", metavar="FILE")
    made.add_argument("--feed", required=True, metavar="ID")
    made.add_argument("--url", default="", help="the address that they are taken to come from")
    made.add_argument("--at", metavar="TIME", help="when they are taken to have been fetched (RFC 3339)")
    made.add_argument("--content-type", default="", metavar="T")
    made = command("load", _load, "Back-fill items from JSON Lines (also gzipped; - is standard input).")
    made.add_argument("files", nargs="+", metavar="FILE")
    made.add_argument("--feed", metavar="ID", help="the feed of lines that name none")
    made = command("search", _search, "Search, as /v1/search does.")
    made.add_argument("words", nargs="*", metavar="WORDS")
    for name in ("from", "to", "feed", "sort", "size", "cursor"):
        made.add_argument(f"--{name}")
    made.add_argument("--json", action="store_true")
    command("reindex", _reindex, "Build the index anew from the archive, and swap it in whole.")
    made = command("status", _status, "Say how the feeds and the index are.")
    made.add_argument("--json", action="store_true")
    return parser


def _feeds_commands(parser: argparse.ArgumentParser) -> None:
    commands = parser.add_subparsers(metavar="ADD|REMOVE|IMPORT|EXPORT")
    made = commands.add_parser("add", help="add a feed, by its address or that of its page")
    made.add_argument("url", metavar="URL")
    made.add_argument("--id")
    made.add_argument("--title", default="")
    made.add_argument("--kind", default="auto", choices=["auto", "syndication", "jsonfeed", "sitemap"])
    made.set_defaults(run=_feeds_add)
    made = commands.add_parser("remove", help="stop polling a feed; with --purge, delete all that is of it")
    made.add_argument("id", metavar="ID")
    made.add_argument("--purge", action="store_true")
    made.set_defaults(run=_feeds_remove)
    made = commands.add_parser("import", help="add the feeds of a TOML or OPML file")
    made.add_argument("file", metavar="F")
    made.set_defaults(run=_feeds_import)
    made = commands.add_parser("export", help="write the feeds to a TOML or OPML file")
    made.add_argument("file", metavar="F")
    made.set_defaults(run=_feeds_export)


# --- polling and serving ----------------------------------------------------------------------------------------------


def _started(wired: Wired) -> None:
    """Do what every start of one machine does: take over feeds.toml, and bring the store level with the logs."""
    from newswire.poll import settle  # noqa: PLC0415 - the search command needs no polling

    _merge_feeds_file(wired)
    settle(wired)


def _merge_feeds_file(wired: Wired) -> None:
    """Take feeds.toml over, if it has changed."""
    from newswire.feeds_file import merge  # noqa: PLC0415 - only where feeds are changed

    merge(wired.feeds, Path(wired.settings.feeds), wired.clock())


def _poll_once(wired: Wired, feed_ids: Sequence[str], *, now: bool, quiet: bool = False, due_only: bool = False) -> int:
    from newswire.poll import run_batches, tick  # noqa: PLC0415 - the search command needs no polling
    from newswire.work.inline import InlineQueue  # noqa: PLC0415 - the search command needs no polling

    reports: list[BatchReport] = []

    def carry_out(batches: list[Batch]) -> None:
        watch = None if quiet else (lambda polled: say(polled_line(polled)))
        reports.append(run_batches(wired, batches, watch))

    if feed_ids or now:
        carry_out([Batch((feed_id,), now=not due_only) for feed_id in _chosen(wired, feed_ids)])
    else:
        tick(wired, InlineQueue(carry_out))
    if not reports and not quiet:
        say("No feed is due; `newswire poll --now` polls them all, `newswire feeds` says when each is next.")
    return max([OK, *(_reported(report, quiet=quiet) for report in reports)])


def _chosen(wired: Wired, feed_ids: Sequence[str]) -> Sequence[str]:
    """Give the feeds that a person named, or all that are polled; `UsageError` for one that is not there."""
    for feed_id in feed_ids:
        if wired.feeds.row(feed_id) is None:
            msg = f"There is no feed {feed_id!r}: `newswire feeds` lists them, `newswire feeds add URL` adds one."
            raise UsageError(msg)
    return feed_ids or [row.feed.id for row in wired.feeds.rows() if row.feed.polled and not row.feed.removed]


def _reported(report: BatchReport, *, quiet: bool) -> int:
    """Print what a run of polls did; gives the exit status."""
    if not quiet:
        for indexed in report.indexed:
            if indexed.records or indexed.problem:
                say(indexed_line(indexed))
        say(summary_line(report))
    if report.engine_error is not None:
        complain(f"newswire: {report.engine_error}")
    failed = any(one.refused is not None or isinstance(one.outcome, FetchFailed) for one in report.polled)
    failed = failed or any(one.refusal or one.problem for one in report.indexed)
    return FAILED if failed or report.engine_error is not None else OK


def _poll(wired: Wired, arguments: argparse.Namespace) -> int:
    _started(wired)
    status = _poll_once(wired, arguments.feeds, now=arguments.now)
    while arguments.watch:
        time.sleep(WATCH_EVERY_S)
        try:
            status = _poll_once(wired, arguments.feeds, now=False, due_only=True)
        except NewswireError as error:
            complain(f"newswire: {error}")
            status = FAILED
    return status


def _serve(wired: Wired, arguments: argparse.Namespace) -> int:
    from newswire.serve import listen, serve  # noqa: PLC0415 - uvicorn and Powertools take 150 ms

    _started(wired)
    if arguments.sample and not wired.engine.count(wired.engine.generation()):
        _take_in(wired, [arguments.sample], "sample-news")
    sock = listen(arguments.host, arguments.port)
    port = sock.getsockname()[1]
    say(f"newswire answers on http://{arguments.host}:{port}/")
    _advise(wired, f"http://{arguments.host}:{port}")
    poll_once = None
    if arguments.poll:

        def poll_once() -> None:
            try:
                _merge_feeds_file(wired)
                _poll_once(wired, [], now=False, quiet=True)
            except NewswireError as error:
                complain(f"newswire: {error}")

    with suppress(KeyboardInterrupt):  # Ctrl-C is how a server is stopped, and no failure
        serve(wired, sock, poll_once)
    return OK


def _advise(wired: Wired, base: str) -> None:
    """Print three things to try, with a word that is really there."""
    from newswire.query import SearchQuery  # noqa: PLC0415 - only for the advice

    try:
        hits = wired.engine.search(SearchQuery(size=1)).hits
    except EngineError:
        return
    words = [word for word in (hits[0].item.title.split() if hits else []) if len(word) > 5 and word.isalpha()]  # noqa: PLR2004
    word = words[0].lower() if words else "summit"
    day = to_rfc3339(hits[0].item.published)[:7] if hits else "2025-05"
    say("Try:")
    say(f"  curl '{base}/v1/search?q={word}'")
    say(f"  curl '{base}/v1/search?from={day}&to={day}&sort=oldest&size=5'")
    say(f"  curl '{base}/v1/feeds'")


# --- feeds ------------------------------------------------------------------------------------------------------------


def _feeds(wired: Wired, arguments: argparse.Namespace) -> int:
    from newswire.health import status_of  # noqa: PLC0415 - beside its use

    generation = wired.engine.generation()
    statuses = [status_of(row) for row in wired.feeds.rows(generation)]
    if arguments.json:
        say_json(statuses)
        return OK
    if not statuses:
        say("There are no feeds: `newswire feeds add URL` adds one.")
    now = wired.clock()
    for status in statuses:
        say(f"{status.id}: {_described(wired, status, now)}")
    return OK


def _described(wired: Wired, status: FeedStatus, now: int) -> str:
    state = state_of(status, now, wired.settings.stale_grace_seconds)
    text = f"{state}, {plural(status.items, 'item')}, checked {ago(status.last_checked, now)}"
    if status.error and state == "failing":
        text += f"; {status.error}"
    if status.paused:
        text += f"; {status.paused}"
    return text


def _feeds_add(wired: Wired, arguments: argparse.Namespace) -> int:
    from newswire.discover import feed_url_of  # noqa: PLC0415 - only for adding
    from newswire.feeds_file import new_id, url_problem  # noqa: PLC0415 - only for adding
    from newswire.index import publish  # noqa: PLC0415 - only for adding
    from newswire.load import check_feed_id  # noqa: PLC0415 - only for adding

    if reason := url_problem(arguments.url):
        raise UsageError(f"{reason}: give an address that begins with http:// or https://.")
    rows = wired.feeds.rows()
    url, remark = feed_url_of(wired.fetcher, arguments.url, wired.settings.user_agent)
    for row in rows:
        if row.feed.url == url and not row.feed.removed:
            raise UsageError(f"{url} is polled already, as {row.feed.id}.")
        if row.feed.url == url:
            wired.feeds.put(msgspec.structs.replace(row.feed, removed=False), wired.clock())
            publish(wired, [row.feed.id])
            say(f"{row.feed.id} is polled again.")
            return OK
    feed_id = arguments.id or new_id(arguments.title or url, {row.feed.id for row in rows})
    existing = wired.feeds.row(check_feed_id(feed_id))
    if existing is not None and existing.feed.url:
        raise UsageError(f"There is a feed {feed_id} already: choose another --id.")
    wired.feeds.put(Feed(id=feed_id, url=url, title=arguments.title, kind=arguments.kind), wired.clock())
    publish(wired, [feed_id])
    if remark:
        say(remark)
    say(f"{feed_id} is polled from now on; `newswire poll {feed_id} --now` fetches it at once.")
    return OK


def _feeds_remove(wired: Wired, arguments: argparse.Namespace) -> int:
    from newswire.health import status_of  # noqa: PLC0415 - beside its use
    from newswire.index import publish  # noqa: PLC0415 - only for removing

    row = wired.feeds.row(arguments.id, wired.engine.generation())
    if row is None:
        raise UsageError(f"There is no feed {arguments.id!r}: `newswire feeds` lists them.")
    if not arguments.purge:
        wired.feeds.put(msgspec.structs.replace(row.feed, removed=True), wired.clock())
        publish(wired, [arguments.id])
        say(f"{arguments.id} is not polled any more; its {plural(row.index.items, 'item')} stay. --purge deletes them.")
        return OK
    wired.feeds.put(msgspec.structs.replace(row.feed, removed=True), wired.clock())
    for generation in wired.engine.generations():
        wired.engine.delete_feed(arguments.id, generation)
    gone = wired.feeds.row(arguments.id)
    wired.engine.publish([msgspec.structs.replace(status_of(gone or row), deleted=True)])
    wired.archive.remove(arguments.id)
    wired.feeds.remove(arguments.id)
    say(f"{arguments.id} and its {plural(row.index.items, 'item')} are deleted.")
    return OK


def _feeds_import(wired: Wired, arguments: argparse.Namespace) -> int:
    from newswire.feeds_file import read_feeds_file  # noqa: PLC0415 - only for lists
    from newswire.index import publish  # noqa: PLC0415 - only for lists

    feeds = read_feeds_file(Path(arguments.file))
    urls = {row.feed.url for row in wired.feeds.rows() if not row.feed.removed}
    taken = {row.feed.id for row in wired.feeds.rows()}
    added = [feed for feed in feeds if feed.url not in urls]
    for feed in added:
        feed_id = feed.id
        number = 1
        while feed_id in taken:
            number += 1
            feed_id = f"{feed.id}-{number}"
        taken.add(feed_id)
        wired.feeds.put(msgspec.structs.replace(feed, id=feed_id, origin="added"), wired.clock())
        publish(wired, [feed_id])
    say(f"{plural(len(added), 'feed')} added, {len(feeds) - len(added)} were there already.")
    return OK


def _feeds_export(wired: Wired, arguments: argparse.Namespace) -> int:
    from newswire.data_folder import explained  # noqa: PLC0415 - beside its use
    from newswire.feeds_file import write_opml, write_toml  # noqa: PLC0415 - only for lists

    path = Path(arguments.file)
    feeds = [row.feed for row in wired.feeds.rows() if not row.feed.removed and row.feed.url]
    text = write_opml(feeds) if path.suffix.lower() in {".opml", ".xml"} else write_toml(feeds)
    with explained(path):
        path.write_text(text, "utf-8")
    say(f"{plural(len(feeds), 'feed')} written to {path}.")
    return OK


# --- documents and lines ----------------------------------------------------------------------------------------------


def _ingest(wired: Wired, arguments: argparse.Namespace) -> int:
    at = None
    if arguments.at is not None:
        period = read_period(arguments.at)
        if period is None or period.start is None:
            raise UsageError(f"--at {arguments.at[:60]!r} can't be read; write one of {FORMS}.")
        at = period.start
    fields: dict[str, object] = {"content_type": arguments.content_type, "fetched_at": at}
    if arguments.url:
        fields |= {"url": arguments.url, "final_url": arguments.url}
    indexed = _take_in(wired, arguments.files, arguments.feed, **fields)
    for one in indexed:
        say(indexed_line(one))
    return FAILED if any(one.refusal or one.problem for one in indexed) else OK


def _take_in(wired: Wired, files: Sequence[str], feed_id: str, **fields: object) -> list[Indexed]:
    """Archive documents from disk as though they had been fetched, and index them."""
    from newswire.index import index_feeds, publish  # noqa: PLC0415 - only for writing
    from newswire.load import append_to_feed, make_feed  # noqa: PLC0415 - only for writing

    bodies = []
    for name in files:
        try:
            bodies.append(Path(name).read_bytes())
        except OSError as error:
            raise UsageError(f"{name} can't be read ({(error.strerror or 'error').lower()}).") from error
    make_feed(wired, feed_id)
    for body in bodies:
        append_to_feed(wired, feed_id, body, kind="document", **fields)
    with progress("indexing", "items") as told:
        indexed = index_feeds(wired, [feed_id], progress=told)
    publish(wired, [feed_id])
    return indexed


def _load(wired: Wired, arguments: argparse.Namespace) -> int:
    from newswire.load import check_feed_id, load  # noqa: PLC0415 - only for writing

    if arguments.feed is not None:
        check_feed_id(arguments.feed)
    with progress("loading", "items") as told:
        report = load(wired, arguments.files, arguments.feed, told)
    for refused in report.refused[:REFUSED_SHOWN]:
        complain(f"{refused.file}, line {refused.line}: {refused.reason}")
    if report.refused_count > REFUSED_SHOWN:
        complain(f"… and {report.refused_count - REFUSED_SHOWN:,} more lines.")
    new = sum(one.new for one in report.indexed)
    changed = sum(one.changed for one in report.indexed)
    say(
        f"{plural(report.lines, 'line')} taken, {report.refused_count:,} refused; "
        f"{plural(new, 'item')} new, {changed:,} changed, {plural(len(report.indexed), 'feed')}."
    )
    return FAILED if report.refused_count else OK


def _reindex(wired: Wired, _arguments: argparse.Namespace) -> int:
    from newswire.reindex import reindex  # noqa: PLC0415 - only for this command

    with progress("reindexing", "items") as told:
        done = reindex(wired, told)
    begun = " (went on with one that was begun)" if done.resumed else ""
    say(
        f"Generation {done.generation} is in place{begun}: {plural(done.items, 'item')} of {plural(done.feeds, 'feed')}."
    )
    return OK


# --- reading ----------------------------------------------------------------------------------------------------------


def _search(wired: Wired, arguments: argparse.Namespace) -> int:
    parameters = {
        name: [value]
        for name in ("from", "to", "feed", "sort", "size", "cursor")
        if (value := getattr(arguments, name)) is not None
    }
    if arguments.words:
        parameters["q"] = [" ".join(arguments.words)]
    request = read_request(parameters, wired.clock())
    found = answer(wired.engine, request, wired.clock, wired.settings.stale_grace_seconds)
    if arguments.json:
        say_json(found)
    else:
        show_answer(found)
    return OK


class _StatusOut(msgspec.Struct):
    """What `newswire status` says."""

    version: str
    engine: str
    engine_version: str
    healthy: bool
    generation: int
    items: int
    feeds: dict[str, int]
    behind: int
    errors: dict[str, str]


def _status(wired: Wired, arguments: argparse.Namespace) -> int:
    info = wired.engine.info()
    statuses = wired.engine.statuses()
    now = wired.clock()
    states: dict[str, int] = {}
    errors: dict[str, str] = {}
    for status in statuses:
        state = state_of(status, now, wired.settings.stale_grace_seconds)
        states[state] = states.get(state, 0) + 1
        if state == "failing" and status.error:
            errors[status.id] = status.error
    generation = wired.engine.generation()
    out = _StatusOut(
        version=__version__,
        engine=info.name,
        engine_version=info.version,
        healthy=info.healthy,
        generation=generation,
        items=wired.engine.count(generation) if info.healthy else 0,
        feeds=states,
        behind=len(wired.feeds.behind(generation)),
        errors=errors,
    )
    if arguments.json:
        say_json(out)
        return OK
    say(f"newswire {out.version}, engine {out.engine} {out.engine_version}{'' if out.healthy else ' (not well)'}")
    say(f"{plural(out.items, 'item')} in generation {out.generation}; {plural(out.behind, 'feed')} behind")
    say(
        f"{plural(len(statuses), 'feed')}: "
        + (", ".join(f"{n} {state}" for state, n in sorted(states.items())) or "none")
    )
    for feed_id, error in errors.items():
        say(f"  {feed_id}: {error}")
    return OK


if __name__ == "__main__":
    raise SystemExit(main())
