"""The command line: `newswire …` or `python -m newswire …`. Arguments come in, one of `cli/` is carried out.

Exit status 0, 1 (something failed, said on standard error) or 2 (usage). Ctrl-C leaves everything whole.
Only the module of the command that was asked for is loaded: a search is over before the write side is imported.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from importlib import import_module

from newswire import __version__
from newswire.app import App
from newswire.cli import FAILED, USAGE
from newswire.cli.console import complain
from newswire.errors import EngineError, IndexOutdatedError, NewswireError, UsageError
from newswire.settings import read_settings
from newswire.storage.data_folder import check

Command = Callable[[App, argparse.Namespace], int]


def main(arguments: Sequence[str] | None = None) -> int:
    """Carry out one command; gives the exit status."""
    parsed = _parser().parse_args(arguments)
    app = None
    try:
        settings = read_settings()
        check(settings.data_folder)
        app = App(settings)
        if not _leaves_the_index(parsed):
            _bring_up_to_date(app)
        return _command(parsed.run)(app, parsed)
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
        if app is not None:
            app.close()


def _leaves_the_index(parsed: argparse.Namespace) -> bool:
    """Say whether a command has nothing to do with the index that is there."""
    module = parsed.run.partition(".")[0]
    return module == "dlq" or parsed.run in {"reindex.reindex", "engine.engine"} or bool(getattr(parsed, "remote", ""))


def _bring_up_to_date(app: App) -> None:
    """Build the index anew where an older newswire wrote it; what else is wrong with it shows when it is used.

    Only the embedded index, which belongs to this folder: a cluster has other readers, and perhaps other archives.
    """
    if app.settings.engine != "tantivy":
        return
    try:
        app.engine.get(())
    except IndexOutdatedError:
        complain("newswire: the index is of an older version: it is built anew from the archive first.")
        import_module("newswire.ingest.reindex").reindex(app)
    except EngineError:
        pass


def _command(name: str) -> Command:
    """Load the module of a command and give the function that carries it out, by `module.function`."""
    module, _, function = name.partition(".")
    found: Command = getattr(import_module(f"newswire.cli.{module}"), function)
    return found


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="newswire", description="Polls news feeds, keeps them, and searches them.")
    parser.add_argument("--version", action="version", version=f"newswire {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, run: str, about: str) -> argparse.ArgumentParser:
        made = commands.add_parser(name, help=about, description=about)
        made.set_defaults(run=run)
        return made

    made = command("serve", "serve.serve", "Answer searches over HTTP; with --poll, poll the feeds meanwhile.")
    made.add_argument("--host", default="127.0.0.1")
    made.add_argument("--port", type=int, default=8000)
    made.add_argument("--poll", action="store_true", help="poll the feeds that are due meanwhile")
    made.add_argument("--sample", metavar="FILE", help="take this document in first, if there are no items yet")
    made.add_argument(
        "--remote", metavar="URL", help="answer from a deployed API instead, signed with your AWS credentials"
    )
    made = command("poll", "poll.poll", "Fetch the feeds that are due, keep what came, and index it.")
    made.add_argument("feeds", nargs="*", metavar="FEED", help="only these feeds, by id")
    made.add_argument("--watch", action="store_true", help="keep on, until Ctrl-C")
    made.add_argument("--now", action="store_true", help="also feeds that are not due")
    made = command("feeds", "feeds.list_feeds", "List the feeds, or change the list.")
    made.add_argument("--json", action="store_true")
    _feeds_commands(made)
    made = command("ingest", "ingest.ingest", "Take documents from disk, as though they had been fetched.")
    made.add_argument("files", nargs="+", metavar="FILE")
    made.add_argument("--feed", required=True, metavar="ID")
    made.add_argument("--url", default="", help="the address that they are taken to come from")
    made.add_argument("--at", metavar="TIME", help="when they are taken to have been fetched (RFC 3339)")
    made.add_argument("--content-type", default="", metavar="T")
    made = command("load", "load.load", "Back-fill items from JSON Lines (also gzipped; - is standard input).")
    made.add_argument("files", nargs="+", metavar="FILE")
    made.add_argument("--feed", metavar="ID", help="the feed of lines that name none")
    made = command("search", "search.search", "Search, as /v1/search does.")
    made.add_argument("words", nargs="*", metavar="WORDS", help="a query; after -- it may begin with a dash")
    for name, about in _SEARCH_OPTIONS.items():
        made.add_argument(f"--{name}", metavar="VALUE", help=about)
    made.add_argument("--json", action="store_true")
    command("reindex", "reindex.reindex", "Build the index anew from the archive, and swap it in whole.")
    made = command("engine", "engine.engine", "Look after the search engine itself.")
    made.add_argument("do", choices=["setup"], metavar="setup", help="make its indexes, if they are not there yet")
    made = command("dlq", "dlq.list_letters", "List the messages that failed ten times, or take them up.")
    made.add_argument("--json", action="store_true")
    _dead_letter_commands(made)
    made = command("status", "status.status", "Say how the feeds and the index are.")
    made.add_argument("--json", action="store_true")
    return parser


_SEARCH_OPTIONS = {
    "match": "all or any of the words",
    "from": "a date value: 2025, 2025-05, 2025-05-26, 2025-05-26T12:00, yesterday, P7D, now-36h",
    "to": "a date value; its end counts",
    "tz": "the time zone of dates, such as Europe/Brussels",
    "date-field": "published, updated, changed or first_seen",
    "feed": "list; with - before a value, without it",
    "category": "list",
    "author": "list",
    "lang": "list",
    "sort": "relevance, newest or oldest",
    "size": "0 to 200",
    "cursor": "where the next page begins",
    "fields": "list of the fields of an item",
    "highlight": "list of title, summary, content",
    "facets": "list of feed, category, author, lang",
    "histogram": "year, month, week, day, hour or auto",
}


def _feeds_commands(parser: argparse.ArgumentParser) -> None:
    commands = parser.add_subparsers(metavar="ADD|REMOVE|IMPORT|EXPORT")
    made = commands.add_parser("add", help="add a feed, by its address or that of its page")
    made.add_argument("url", metavar="URL")
    made.add_argument("--id")
    made.add_argument("--title", default="")
    made.add_argument("--kind", default="auto", choices=["auto", "syndication", "jsonfeed", "sitemap"])
    made.set_defaults(run="feeds.add")
    made = commands.add_parser("remove", help="stop polling a feed; with --purge, delete all that is of it")
    made.add_argument("id", metavar="ID")
    made.add_argument("--purge", action="store_true")
    made.set_defaults(run="feeds.remove")
    made = commands.add_parser("import", help="add the feeds of a TOML or OPML file")
    made.add_argument("file", metavar="F")
    made.set_defaults(run="feeds.import_list")
    made = commands.add_parser("export", help="write the feeds to a TOML or OPML file")
    made.add_argument("file", metavar="F")
    made.set_defaults(run="feeds.export_list")


def _dead_letter_commands(parser: argparse.ArgumentParser) -> None:
    commands = parser.add_subparsers(metavar="REDRIVE|DISCARD")
    made = commands.add_parser("redrive", help="put them back into the work queue, all or some")
    made.add_argument("ids", nargs="*", metavar="ID")
    made.set_defaults(run="dlq.redrive")
    made = commands.add_parser("discard", help="throw some away")
    made.add_argument("ids", nargs="+", metavar="ID")
    made.set_defaults(run="dlq.discard")
