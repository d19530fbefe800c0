"""`newswire feeds …`: list, add, remove, import and export feeds."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import msgspec

from newswire.app import App
from newswire.cli import OK
from newswire.cli.console import ago, complain, place_of, plural, say, say_json
from newswire.errors import UsageError
from newswire.feed_id import check_feed_id, unknown_feed
from newswire.feed_status import state_of
from newswire.ingest.archiving import record_of
from newswire.ingest.discover import Found, NotFound, find_feed
from newswire.ingest.feed_ids import FeedIds
from newswire.ingest.feeds_file import read_toml, write_toml
from newswire.ingest.fetch import fetcher_of
from newswire.ingest.fold import MAX_FEED_TITLE_CHARACTERS
from newswire.ingest.generations import serving_generation
from newswire.ingest.indexing import publish
from newswire.ingest.item import language_tag
from newswire.ingest.markup import clean_line
from newswire.ingest.opml import read_opml, write_opml
from newswire.ingest.reading import reader_of
from newswire.ingest.secrets import is_reference
from newswire.model import Feed, FeedKind, FeedStatus, FoldState, PollState, Reading
from newswire.storage.data_folder import translate_os_errors
from newswire.storage.feeds import FeedRow
from newswire.storage.feeds.status import status_of
from newswire.urls import feed_key, feed_url_problem, web_url, without_credentials
from newswire.web.feed_answers import FeedsOut, feed_out

MAX_NAMED_FEEDS = 5
MAX_NAMED_ITEMS = 3


def list_feeds(app: App, arguments: argparse.Namespace) -> int:
    """List the feeds with their states."""
    statuses = [status_of(row) for row in app.feeds.rows(serving_generation(app).number)]
    if arguments.problems:
        statuses = [status for status in statuses if _has_problem(app, status)]
    if arguments.json:
        now, grace_s = app.clock(), app.settings.stale_grace_seconds
        say_json(FeedsOut(tuple(feed_out(status, now, grace_s) for status in statuses), len(statuses), None))
        return OK
    if not statuses and arguments.problems:
        say("No feed has a problem.")
    elif not statuses:
        say(f"The list of feeds in {place_of(app.settings)} is empty. Run `newswire feeds add URL` to add one.")
    now = app.clock()
    for status in statuses:
        say(f"{status.id}: {_describe(app, status, now)}")
    return OK


def _describe(app: App, status: FeedStatus, now: int) -> str:
    state = state_of(status, now, app.settings.stale_grace_seconds)
    text = f"{state}, {plural(status.items, 'item')}, checked {ago(status.last_checked, now)}"
    if status.error and (state == "failing" or status.error_code is not None):
        text += f"; {status.error}"
    if status.paused:
        text += f"; {status.paused}"
    if status.behind:
        text += "; behind: not all of its documents are indexed"
    for refused in status.refused_items[:MAX_NAMED_ITEMS]:
        text += f"; refused item {refused.id}: {refused.reason}"
    return text


def _has_problem(app: App, status: FeedStatus) -> bool:
    """Return whether a feed is failing, stale or behind, was never fetched, or has items that the engine refused."""
    state = state_of(status, app.clock(), app.settings.stale_grace_seconds)
    is_refused = status.error_code is not None or bool(status.refused_items)
    return state in {"failing", "stale", "never"} or status.behind or is_refused


def add(app: App, arguments: argparse.Namespace) -> int:
    """Add a feed, by its URL or that of its page; a removed feed is polled again."""
    asked_url = web_url(arguments.url.strip())
    if reason := feed_url_problem(asked_url):
        raise UsageError(f"{reason}. Use a URL that starts with http:// or https://.")
    found = find_feed(fetcher_of(app), asked_url, app.settings.user_agent)
    if isinstance(found, NotFound):
        if not arguments.force:
            raise UsageError(found.sentence)
        found = Found(asked_url)
    rows = app.feeds.rows()
    known = _known_row(rows, found)
    is_same = known is not None and feed_key(known.feed.url) == feed_key(found.url)
    if known is not None and (is_same or not arguments.force):
        if not known.feed.removed:
            way = "" if is_same else f" leads to {known.feed.url}, which"
            others = f" The page also links to {', '.join(found.others)}." if found.others else ""
            raise UsageError(f"{found.url}{way} is already polled as {known.feed.id}.{others}")
        app.feeds.put(msgspec.structs.replace(known.feed, removed=False), app.clock())
        publish(app, [known.feed.id])
        say(f"{known.feed.id} is polled again.")
        return OK
    reading = _read(app, found, arguments.kind)
    if reading.refusal is not None and not arguments.force:
        msg = f"{found.url} cannot be read. {reading.refusal.sentence} Correct the URL, or add it with --force."
        raise UsageError(msg)
    title = arguments.title or (reading.document.title if reading.document is not None else "")
    feed_id = arguments.id or FeedIds(row.feed.id for row in rows).new_id(title or found.url)
    existing = app.feeds.row(check_feed_id(feed_id))
    if existing is not None and existing.feed.url:
        raise UsageError(f"Feed {feed_id} already exists. Choose another --id.")
    app.feeds.put(Feed(id=feed_id, url=found.url, title=arguments.title, kind=arguments.kind), app.clock())
    publish(app, [feed_id])
    _tell_about(found, asked_url)
    say(f"Added {feed_id}. Run `newswire poll {feed_id} --now` to fetch it now.")
    return OK


def _known_row(rows: Sequence[FeedRow], found: Found) -> FeedRow | None:
    """Return the row of a feed that is in the list by its URL, or by the URL that its redirects lead to."""
    urls = [found.url] if found.document is None else [found.url, found.document.final_url]
    by_key = {feed_key(url): row for row in rows for url in (row.poll.adopted_url, row.feed.url) if url}
    return next((by_key[key] for key in map(feed_key, urls) if key in by_key), None)


def _read(app: App, found: Found, kind: FeedKind) -> Reading:
    """Read the document of a feed as a poll will; an empty reading if it could not be fetched."""
    if found.document is None:
        return Reading()
    row = FeedRow(Feed(id="new", url=found.url, kind=kind), PollState(), FoldState(), rev=0)
    return reader_of(app).read(record_of(row, row.poll, found.document, app.clock()))


def _tell_about(found: Found, asked_url: str) -> None:
    if found.is_of_page:
        say(f"{asked_url} is a web page; its feed is {found.url}.")
    if found.others:
        say(f"It also links to {', '.join(found.others)}: add them by these URLs.")
    if found.failure is not None:
        say(f"The fetch failed and will be retried. {found.failure.sentence}")


def change(app: App, arguments: argparse.Namespace) -> int:
    """Change the title or the language of a feed; its file owns those of a feed in feeds.toml."""
    row = app.feeds.row(arguments.id)
    if row is None:
        raise unknown_feed(arguments.id)
    if row.feed.origin == "file":
        raise UsageError(f"Feed {arguments.id} belongs to {app.settings.feeds} (NEWSWIRE_FEEDS): change it there.")
    if arguments.title is None and arguments.lang is None:
        raise UsageError("Nothing to change: give --title, --lang, or both.")
    feed = row.feed
    if arguments.title is not None:
        feed = msgspec.structs.replace(feed, title=clean_line(arguments.title, MAX_FEED_TITLE_CHARACTERS))
    if arguments.lang is not None:
        lang = language_tag(arguments.lang)
        if arguments.lang and lang is None:
            raise UsageError(f"--lang must be a language tag, such as en or pt-BR, got {arguments.lang[:60]!r}.")
        feed = msgspec.structs.replace(feed, lang=lang)
    app.feeds.put(feed, app.clock())
    publish(app, [feed.id])
    say(f"Changed {feed.id}.")
    return OK


def remove(app: App, arguments: argparse.Namespace) -> int:
    """Stop polling a feed; with `--purge`, also delete its items, its archive and its row."""
    row = app.feeds.row(arguments.id, app.engine.generation())
    if row is None:
        raise unknown_feed(arguments.id)
    if not arguments.purge:
        app.feeds.put(msgspec.structs.replace(row.feed, removed=True), app.clock())
        publish(app, [arguments.id])
        say(f"Stopped polling {arguments.id}; kept its {plural(row.fold.items, 'item')}. Use --purge to delete them.")
        return OK
    app.feeds.put(msgspec.structs.replace(row.feed, removed=True), app.clock())
    stopped = status_of(app.feeds.row(arguments.id) or row)
    app.engine.publish([msgspec.structs.replace(stopped, indexed=0)])  # no search takes its items for lost ones
    for generation in app.engine.generations():
        app.engine.delete_feed(arguments.id, generation)
    removed = app.feeds.row(arguments.id)
    app.engine.publish([msgspec.structs.replace(status_of(removed or row), deleted=True)])
    app.archive.remove(arguments.id)
    app.feeds.remove(arguments.id)
    say(f"Deleted {arguments.id} and its {plural(row.fold.items, 'item')}.")
    return OK


def import_list(app: App, arguments: argparse.Namespace) -> int:
    """Add the feeds of a TOML or OPML file whose URLs are not in the list yet."""
    path = Path(arguments.file)
    feeds, left_out = _read_list(path)
    for sentence in left_out:
        complain(f"newswire: {path} leaves out {sentence}.")
    keys = {feed_key(row.feed.url) for row in app.feeds.rows() if not row.feed.removed}
    ids = FeedIds(row.feed.id for row in app.feeds.rows())
    new_feeds = {
        feed_key(feed.url): feed for feed in reversed(feeds) if feed_key(feed.url) not in keys
    }  # the first of each URL in the file
    for feed in reversed(new_feeds.values()):
        feed_id = ids.free_id(feed.id)
        app.feeds.put(msgspec.structs.replace(feed, id=feed_id, origin="added"), app.clock())
        publish(app, [feed_id])
    known = f"{len(feeds) - len(new_feeds)} already in the list"
    outside = f", {len(left_out)} left out" if left_out else ""
    say(f"{plural(len(new_feeds), 'feed')} added, {known}{outside}.")
    return OK


def _is_opml(path: Path) -> bool:
    return path.suffix.lower() in {".opml", ".xml"}


def _read_list(path: Path) -> tuple[Sequence[Feed], Sequence[str]]:
    """Return the feeds of a file, and a sentence for each of its entries that is left out."""
    try:
        data = path.read_bytes()
    except OSError as error:
        msg = f"{path} cannot be read ({(error.strerror or 'error').lower()}): name a TOML or OPML file."
        raise UsageError(msg) from error
    if not _is_opml(path):
        return read_toml(data, str(path)), ()
    read = read_opml(data, str(path))
    return read.feeds, read.left_out


def _as_published(row: FeedRow) -> Feed:
    """Return a feed with the title and the page of its publisher where its owner has set none."""
    feed, fold = row.feed, row.fold
    return msgspec.structs.replace(feed, title=feed.title or fold.title, link=feed.link or fold.link)


def _without_credentials(feed: Feed) -> Feed:
    """Return a feed without the credentials in its URLs and headers; headers that name their secret stay."""
    headers = {name: value for name, value in feed.headers.items() if is_reference(value)}
    listing = feed.listing
    if listing is not None:
        listing = msgspec.structs.replace(listing, base=without_credentials(listing.base))
    return msgspec.structs.replace(
        feed,
        url=without_credentials(feed.url),
        link=without_credentials(feed.link),
        headers=headers,
        listing=listing,
    )


def export_list(app: App, arguments: argparse.Namespace) -> int:
    """Write the feeds to a file: OPML if its name ends in .opml or .xml, else TOML."""
    path = Path(arguments.file)
    rows = app.feeds.rows(serving_generation(app).number)
    feeds = [_as_published(row) for row in rows if not row.feed.removed and row.feed.url]
    if not _is_opml(path):
        feeds = [row.feed for row in rows if not row.feed.removed and row.feed.url]
    if not arguments.with_secrets:
        plain = [_without_credentials(feed) for feed in feeds]
        cut = [feed.id for feed, bare in zip(feeds, plain, strict=True) if feed != bare]
        if cut:
            names = ", ".join(cut[:MAX_NAMED_FEEDS]) + (", …" if len(cut) > MAX_NAMED_FEEDS else "")
            count = plural(len(cut), "feed")
            complain(f"newswire: the credentials of {count} are left out ({names}). Use --with-secrets to export them.")
        feeds = plain
    text = write_opml(feeds) if _is_opml(path) else write_toml(feeds)
    with translate_os_errors(path):
        path.write_text(text, "utf-8")
    say(f"{plural(len(feeds), 'feed')} written to {path}.")
    return OK
