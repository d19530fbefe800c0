"""The command line: parse the arguments, and run one command of the table below.

Exit status: 0, 1 (something failed, described on standard error) or 2 (usage). Ctrl-C leaves everything whole. A
command's module is imported when it runs, so that a search does not import the write side.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence

from msgspec import Struct

from newswire import __version__
from newswire.app import App
from newswire.cli import FAILED, USAGE
from newswire.cli.arguments import (
    Parser,
    add_any_ids_argument,
    add_ids_argument,
    add_json_argument,
    add_voice_arguments,
    count,
    positive_number,
    whole_number,
)
from newswire.cli.console import complain
from newswire.cli.search_options import SEARCH_OPTIONS, help_of, option_of
from newswire.errors import IndexOutdatedError, NewswireError, UsageError
from newswire.extras import needs_extra
from newswire.settings import Settings, read_settings, set_variables
from newswire.storage.data_folder import OTHERS, check


class Command(Struct, frozen=True):
    """A command: its name, its line in the help, its arguments, and the function that runs it."""

    name: str
    about: str
    run: Callable[[App, argparse.Namespace], int]
    add_arguments: Callable[[argparse.ArgumentParser], None] = lambda _parser: None
    uses_index: bool = True
    """It reads or writes the index that is there, so an outdated embedded index is rebuilt first."""
    needs_data: bool = False
    """It reads or changes what is there, and makes no data folder."""
    commands: tuple[Command, ...] = ()
    """Its own commands; without one of them, `run` runs."""
    metavar: str = ""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return the exit status."""
    parsed, unread = make_parser().parse_known_args(arguments)
    command: Command = parsed.command
    if unread:
        hint = _hint_for(command, parsed.parser, unread)
        parsed.parser.error(f"unrecognized arguments: {' '.join(unread)}", hint)
    os.umask(OTHERS)  # data and exports hold the keys of feeds
    app = None
    try:
        _check_texts(parsed)
        if parsed.stack:
            _use_stack(parsed.stack)
        settings = read_settings()
        check(settings.data_folder)
        if command.needs_data and not getattr(parsed, "remote", None):
            _check_data(settings)
        app = App(settings)
        if command.uses_index and not getattr(parsed, "remote", None):
            _rebuild_outdated_index(app)
        return command.run(app, parsed)
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
        complain("newswire: stopped. Everything is whole, and the next run continues from here.")
        return FAILED
    finally:
        if app is not None:
            app.close()


def _hint_for(command: Command, parser: argparse.ArgumentParser, unread: Sequence[str]) -> str:
    """Return a hint for options that are misspelt, or for excluded words that are taken for options, or ""."""
    from difflib import get_close_matches  # noqa: PLC0415 - only for a mistake

    if misspelt := next((word for word in unread if word.startswith("--")), ""):
        options = parser._option_string_actions  # noqa: SLF001 - argparse has no list of them
        near = get_close_matches(misspelt.partition("=")[0], options, 1)
        return f" Did you mean {near[0]}?" if near else ""
    if command.run is _search:
        return f" To exclude a word, write -- before the query: `newswire search -- {' '.join(unread)}`."
    return ""


_TEXTS = ("id", "ids", "reason", "title", "lang", "url", "feed", "feeds", "stack")
"""Arguments that are texts: names of files may be any bytes."""


def _check_texts(parsed: argparse.Namespace) -> None:
    """Raise `UsageError` for an argument with control characters, or with bytes that are not UTF-8."""
    for name in _TEXTS:
        value = getattr(parsed, name, None)
        for text in value if isinstance(value, list) else [value]:
            if isinstance(text, str) and not text.isprintable():
                msg = f"{name} must be printable Unicode text, got {text[:60]!a}."
                raise UsageError(msg)


def _use_stack(stack: str) -> None:
    """Take the settings of a deployed stack, also for the worker processes of this command."""
    with needs_extra("aws", "newswire --stack"):
        from newswire.storage.stack import stack_environ  # noqa: PLC0415 - only for a stack

    set_variables(stack_environ(stack))


def _check_data(settings: Settings) -> None:
    """Raise `UsageError` if a command that needs data would find, and make, an empty data folder."""
    is_local = settings.engine == "tantivy" and not settings.table
    if is_local and not settings.data_folder.exists():
        msg = (
            f"There is no data in {settings.data_folder.absolute()} (NEWSWIRE_DATA). Set NEWSWIRE_DATA to the folder with "
            "the data, or begin with `newswire feeds add URL`, `newswire load` or `newswire serve --poll`."
        )
        raise UsageError(msg)


def _rebuild_outdated_index(app: App) -> None:
    """Rebuild an index that an older newswire wrote, or that is gone; any other problem with it shows when it is used.

    Only the embedded index, which belongs to this folder: a cluster has other readers, and perhaps other archives.
    """
    if app.settings.engine != "tantivy" or app.settings.table:
        return
    try:
        app.engine.get(())
        is_gone = app.engine.identity(app.engine.generation()) is None and bool(app.feeds.generations())
    except IndexOutdatedError:
        complain("newswire: the index has an older schema and is rebuilt from the archive first.")
    except NewswireError:
        return  # the command meets it, and says what it is
    else:
        if not is_gone:
            return
        complain("newswire: the index is gone and is rebuilt from the archive first.")
    from newswire.ingest.reindex import reindex  # noqa: PLC0415 - only for an index that cannot be used

    reindex(app)


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command line; a parsed command line has its `command` and `parser`."""
    parser = Parser(prog="newswire", description="Poll news feeds, keep them, and search them.")
    parser.add_argument("--version", action="version", version=f"newswire {__version__}")
    parser.add_argument("--stack", metavar="NAME", help="work on this deployed stack; it needs your AWS credentials")
    _add_commands(parser, COMMANDS, "COMMAND", required=True)
    return parser


def _add_commands(
    parser: argparse.ArgumentParser, commands: Sequence[Command], metavar: str, *, required: bool = False
) -> None:
    children = parser.add_subparsers(required=required, metavar=metavar)
    for command in commands:
        child = children.add_parser(command.name, help=command.about, description=command.about)
        child.set_defaults(command=command, parser=child)
        command.add_arguments(child)
        if command.commands:
            _add_commands(child, command.commands, command.metavar)


# --- serve, poll ------------------------------------------------------------------------------------------------------


def _serve(app: App, arguments: argparse.Namespace) -> int:
    from newswire.cli.serve import serve  # noqa: PLC0415 - see above, also for the functions below

    return serve(app, arguments)


def _serve_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--host", default="127.0.0.1", help="the address to listen on; the default serves this machine only"
    )
    parser.add_argument("--port", type=whole_number, default=8000, help="the port to listen on; 0 takes a free one")
    parser.add_argument("--poll", action="store_true", help="also poll the feeds that are due")
    add_voice_arguments(parser)
    parser.add_argument(
        "--workers",
        type=positive_number,
        metavar="N",
        help="processes that answer; the default is one for each processor",
    )
    parser.add_argument("--sample", metavar="FILE", help="ingest this document first if there are no items yet")
    parser.add_argument(
        "--remote", metavar="URL", help="answer from a deployed API instead, signed with your AWS credentials"
    )


def _poll(app: App, arguments: argparse.Namespace) -> int:
    from newswire.cli.poll import poll  # noqa: PLC0415

    return poll(app, arguments)


def _poll_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("feeds", nargs="*", metavar="FEED", help="only these feeds, by id")
    parser.add_argument("--watch", action="store_true", help="keep polling until Ctrl-C")
    parser.add_argument("--now", action="store_true", help="also poll feeds that are not due")
    add_voice_arguments(parser)


# --- feeds ------------------------------------------------------------------------------------------------------------


def _list_feeds(app: App, arguments: argparse.Namespace) -> int:
    from newswire.cli.feeds import list_feeds  # noqa: PLC0415

    return list_feeds(app, arguments)


def _list_feeds_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--problems",
        action="store_true",
        help="only feeds with a problem: failing, stale, never fetched, behind, gone, or with refused items",
    )
    add_json_argument(parser)


def _add_feed(app: App, arguments: argparse.Namespace) -> int:
    from newswire.cli.feeds import add  # noqa: PLC0415

    return add(app, arguments)


def _add_feed_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("url", metavar="URL", help="the URL of a feed, or of a page that links to one")
    parser.add_argument("--id", help="the id of the feed; the default is made from its title or URL")
    parser.add_argument("--title", default="", help="a title instead of the publisher's")
    parser.add_argument("--force", action="store_true", help="add the URL as it is, even if no feed can be read there")
    kinds = ["auto", "syndication", "jsonfeed", "sitemap"]
    parser.add_argument("--kind", default="auto", choices=kinds, help="the kind of its documents; auto detects it")


def _set_feed(app: App, arguments: argparse.Namespace) -> int:
    from newswire.cli.feeds import change  # noqa: PLC0415

    return change(app, arguments)


def _set_feed_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("id", metavar="ID", help="the id of the feed")
    parser.add_argument("--title", help="a title instead of the publisher's; empty for the publisher's")
    parser.add_argument("--lang", help="the language of entries without one, as in en; empty for that of the feed")


def _remove_feed(app: App, arguments: argparse.Namespace) -> int:
    from newswire.cli.feeds import remove  # noqa: PLC0415

    return remove(app, arguments)


def _remove_feed_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("id", metavar="ID", help="the id of the feed")
    parser.add_argument("--purge", action="store_true", help="also delete its items and its archive")


def _import_feeds(app: App, arguments: argparse.Namespace) -> int:
    from newswire.cli.feeds import import_list  # noqa: PLC0415

    return import_list(app, arguments)


def _export_feeds(app: App, arguments: argparse.Namespace) -> int:
    from newswire.cli.feeds import export_list  # noqa: PLC0415

    return export_list(app, arguments)


def _file_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", help="a TOML file, or an OPML file if its name ends in .opml or .xml")


def _export_arguments(parser: argparse.ArgumentParser) -> None:
    _file_argument(parser)
    parser.add_argument("--with-secrets", action="store_true", help="also write user info, keys in URLs, and headers")


# --- ingest, load, search ---------------------------------------------------------------------------------------------


def _ingest(app: App, arguments: argparse.Namespace) -> int:
    from newswire.cli.ingest import ingest  # noqa: PLC0415

    return ingest(app, arguments)


def _ingest_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("files", nargs="+", metavar="FILE", help="documents, in the order of their age")
    parser.add_argument("--feed", required=True, metavar="ID", help="the id of their feed, which is made if it is new")
    parser.add_argument("--url", default="", help="the URL that they count as fetched from")
    parser.add_argument("--at", metavar="TIME", help="the time at which they count as fetched: a date value, in UTC")
    parser.add_argument(
        "--content-type", default="", metavar="TYPE", help="their Content-Type, as a server would send it"
    )


def _load(app: App, arguments: argparse.Namespace) -> int:
    from newswire.cli.load import load  # noqa: PLC0415

    return load(app, arguments)


def _load_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("files", nargs="+", metavar="FILE", help="files of JSON Lines; - is standard input")
    parser.add_argument("--feed", metavar="ID", help="the feed of lines that name none")


def _search(app: App, arguments: argparse.Namespace) -> int:
    from newswire.cli.search import search  # noqa: PLC0415

    return search(app, arguments)


def _search_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("words", nargs="*", metavar="WORDS", help="a query; after -- it may begin with a dash")
    for option in SEARCH_OPTIONS:
        parser.add_argument(option_of(option.name), metavar="VALUE", help=help_of(option).replace("%", "%%"))
    parser.add_argument("--json", action="store_true", help="print JSON")


# --- reindex, engine, dlq, status -------------------------------------------------------------------------------------


def _reindex(app: App, arguments: argparse.Namespace) -> int:
    from newswire.cli.reindex import reindex  # noqa: PLC0415

    return reindex(app, arguments)


def _reindex_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--salvage",
        action="store_true",
        help="first set a damaged feeds.sqlite aside, and make the list of feeds again; stop `newswire serve` before",
    )


def _verify(app: App, arguments: argparse.Namespace) -> int:
    from newswire.cli.verify import verify  # noqa: PLC0415

    return verify(app, arguments)


def _verify_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("feeds", nargs="*", metavar="FEED", help="only these feeds, by id, and all of their items")
    parser.add_argument(
        "--full", action="store_true", help="compare all items of all feeds; it reads the whole archive"
    )
    parser.add_argument(
        "--sample",
        type=count,
        default=5,
        metavar="N",
        help="feeds that are compared item by item although their numbers agree; the default is 5",
    )
    parser.add_argument("--repair", action="store_true", help="write what is missing or wrong again from the archive")
    add_json_argument(parser)


def _items_usage(_app: App, _arguments: argparse.Namespace) -> int:
    raise UsageError("items needs a command. Run `newswire items withdraw ID --reason TEXT`.")


def _withdraw(app: App, arguments: argparse.Namespace) -> int:
    from newswire.cli.items import withdraw  # noqa: PLC0415

    return withdraw(app, arguments)


def _withdraw_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("id", metavar="ID", help="the id of the item")
    parser.add_argument("--reason", required=True, metavar="TEXT", help="why; callers that ask for the item get it")


def _engine(app: App, arguments: argparse.Namespace) -> int:
    from newswire.cli.engine import engine  # noqa: PLC0415

    return engine(app, arguments)


def _engine_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("do", choices=["setup"], metavar="setup", help="make its indexes if they do not exist yet")


def _list_letters(app: App, arguments: argparse.Namespace) -> int:
    with needs_extra("aws", "newswire dlq"):
        from newswire.cli.dlq import list_letters  # noqa: PLC0415

    return list_letters(app, arguments)


def _redrive(app: App, arguments: argparse.Namespace) -> int:
    with needs_extra("aws", "newswire dlq"):
        from newswire.cli.dlq import redrive  # noqa: PLC0415

    return redrive(app, arguments)


def _discard(app: App, arguments: argparse.Namespace) -> int:
    with needs_extra("aws", "newswire dlq"):
        from newswire.cli.dlq import discard  # noqa: PLC0415

    return discard(app, arguments)


def _status(app: App, arguments: argparse.Namespace) -> int:
    from newswire.cli.status import status  # noqa: PLC0415

    return status(app, arguments)


COMMANDS = (
    Command("serve", "Answer searches over HTTP; with --poll, also poll the feeds.", _serve, _serve_arguments),
    Command("poll", "Fetch the feeds that are due, archive their documents, and index them.", _poll, _poll_arguments),
    Command(
        "feeds",
        "List the feeds, or change the list.",
        _list_feeds,
        _list_feeds_arguments,
        needs_data=True,
        commands=(
            Command("add", "Add a feed, by its URL or that of its page.", _add_feed, _add_feed_arguments),
            Command(
                "remove",
                "Stop polling a feed; with --purge, also delete its items and its archive.",
                _remove_feed,
                _remove_feed_arguments,
                needs_data=True,
            ),
            Command("import", "Add the feeds of a TOML or OPML file.", _import_feeds, _file_argument),
            Command(
                "export", "Write the feeds to a TOML or OPML file.", _export_feeds, _export_arguments, needs_data=True
            ),
            Command(
                "set", "Change the title or the language of a feed.", _set_feed, _set_feed_arguments, needs_data=True
            ),
        ),
        metavar="add|set|remove|import|export",
    ),
    Command("ingest", "Ingest documents from disk as if they had been fetched.", _ingest, _ingest_arguments),
    Command("load", "Back-fill items from JSON Lines (also gzipped; - is standard input).", _load, _load_arguments),
    Command(
        "items",
        "Take items out of the index for good.",
        _items_usage,
        needs_data=True,
        commands=(
            Command(
                "withdraw",
                "Take an item out of the index for good; its entry never comes back.",
                _withdraw,
                _withdraw_arguments,
                needs_data=True,
            ),
        ),
        metavar="withdraw",
    ),
    Command("search", "Search, as /v1/search does.", _search, _search_arguments, needs_data=True),
    Command(
        "reindex",
        "Rebuild the index from the archive, and swap it in whole.",
        _reindex,
        _reindex_arguments,
        uses_index=False,
        needs_data=True,
    ),
    Command(
        "verify",
        "Compare the archive, the states of items and the index; with --repair, mend the index.",
        _verify,
        _verify_arguments,
        needs_data=True,
        uses_index=False,
    ),
    Command("engine", "Manage the search engine itself.", _engine, _engine_arguments, uses_index=False),
    Command(
        "dlq",
        "List the messages that failed ten times, or retry them.",
        _list_letters,
        add_json_argument,
        uses_index=False,
        commands=(
            Command(
                "redrive",
                "Put messages back into the work queue, all or some.",
                _redrive,
                add_any_ids_argument,
                uses_index=False,
            ),
            Command("discard", "Delete messages.", _discard, add_ids_argument, uses_index=False),
        ),
        metavar="redrive|discard",
    ),
    Command("status", "Print the state of the feeds and the index.", _status, add_json_argument, needs_data=True),
)
