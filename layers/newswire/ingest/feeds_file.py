"""Read and write lists of feeds as TOML and OPML.

A file with a mistake is refused as a whole; the `FeedsFileError` names file, line and key. The feeds file (`feeds.toml`)
owns the fields of its feeds. `feed_list.py` merges it when its hash changes, and marks feeds missing from it as removed.
Their items and logs stay.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable
from pathlib import Path
from xml.parsers import expat
from xml.sax.saxutils import quoteattr

import msgspec
from msgspec import Struct

from newswire.errors import FeedsFileError, UsageError
from newswire.feed_id import check_feed_id
from newswire.ingest.fold import MAX_FEED_TITLE_CHARACTERS
from newswire.ingest.markup import clean_line
from newswire.ingest.parse.prolog import declares_entities
from newswire.ingest.secrets import reference_problem
from newswire.model import Feed, FeedKind, Listing
from newswire.type_errors import describe
from newswire.urls import feed_url_problem, path_of, quotable, safe_link, site_name, without_credentials

MIN_INTERVAL_SECONDS = 10
MAX_INTERVAL_SECONDS = 86_400
"""The range of `minimum_seconds` and `maximum_seconds`, the same as in `settings.py`."""

_TOML_POSITION = re.compile(r"at line (\d+), column (\d+)")


class FeedTable(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One table of feeds.toml: `[feed.<id>]`. docs/feeds.md explains each key."""

    url: str
    title: str = ""
    description: str = ""
    link: str = ""
    kind: FeedKind = "auto"
    minimum_seconds: int | None = None
    maximum_seconds: int | None = None
    user_agent: str | None = None
    headers: dict[str, str] = {}
    listing: Listing | None = None
    lang: str | None = None


def read_feeds_file(path: Path) -> list[Feed]:
    """Read a TOML file, or an OPML file if its name ends in `.opml` or `.xml`; raise `FeedsFileError` for a mistake."""
    try:
        data = path.read_bytes()
    except OSError as error:
        msg = f"{path} cannot be read ({(error.strerror or 'error').lower()}): name a TOML or OPML file."
        raise UsageError(msg) from error
    return read_opml(data, str(path)) if path.suffix.lower() in {".opml", ".xml"} else read_toml(data, str(path))


def read_toml(data: bytes, name: str) -> list[Feed]:
    """Read the tables `[feed.<id>]` of a TOML file; raise `FeedsFileError` for a mistake. `name` is the file's, for errors."""
    try:
        text = data.decode("utf-8-sig")
        tables = tomllib.loads(text)
    except RecursionError as error:
        msg = f"{name}: its tables are nested too deep. Write each feed as a table [feed.<id>]."
        raise FeedsFileError(msg) from error
    except UnicodeDecodeError as error:
        msg = f"{name} must be UTF-8, got an invalid byte at offset {error.start}: save the file as UTF-8."
        raise FeedsFileError(msg) from error
    except tomllib.TOMLDecodeError as error:
        position = _TOML_POSITION.search(str(error))
        where = f"line {position[1]}, column {position[2]}" if position else f"line {len(text.splitlines())}"
        msg = f"{name}, {where}: this is not valid TOML ({str(error).partition(' (at')[0]}): correct it there."
        raise FeedsFileError(msg) from error
    unknown = [key for key in tables if key != "feed"]
    if unknown:
        line = _find_line(text, unknown[0])
        msg = f"{name}, line {line}: unknown key {quotable(unknown[0])!r}. Write each feed as a table [feed.<id>]."
        raise FeedsFileError(msg)
    feeds = tables.get("feed", {})
    if not isinstance(feeds, dict):
        msg = (
            f"{name}, line {_find_line(text, 'feed')}: `feed` must be a table. Write each feed as a table [feed.<id>]."
        )
        raise FeedsFileError(msg)
    return [_feed_of(feed_id, table, name, text) for feed_id, table in feeds.items()]


def _feed_of(feed_id: str, table: object, name: str, text: str) -> Feed:
    try:
        check_feed_id(feed_id)
    except UsageError as error:
        # A URL in the place of the id may hold a password, so the id is quoted without it.
        reason = str(error).replace(repr(feed_id), repr(quotable(feed_id))).replace(feed_id, quotable(feed_id))
        msg = f"{name}, line {_find_line(text, f'feed.{feed_id}')}: {reason}"
        raise FeedsFileError(msg) from error
    try:
        fields = msgspec.convert(table, FeedTable)
    except msgspec.ValidationError as error:
        line = _find_line(text, f"feed.{feed_id}")
        key, clause = describe(error, FeedTable)
        path = f"feed.{feed_id}.{quotable(key)}".rstrip(".")
        msg = f"{name}, line {_find_line(text, key.rpartition('.')[2], after=line)}, key {path}: {clause}."
        raise FeedsFileError(msg) from error
    problem = _problem_of(fields)
    if problem:
        line = _find_line(text, f"feed.{feed_id}")
        key, reason = problem
        msg = f"{name}, line {_find_line(text, key, after=line)}, key feed.{feed_id}.{key}: {reason}."
        raise FeedsFileError(msg)
    return Feed(
        id=feed_id,
        url=fields.url,
        title=fields.title,
        description=fields.description,
        link=safe_link(fields.link),
        kind=fields.kind,
        origin="file",
        minimum_s=fields.minimum_seconds,
        maximum_s=fields.maximum_seconds,
        user_agent=fields.user_agent,
        headers=fields.headers,
        listing=fields.listing,
        lang=fields.lang,
    )


def _problem_of(table: FeedTable) -> tuple[str, str] | None:
    """Return the key and the clause of the first mistake in a table, apart from its types; None if there is none."""
    if reason := feed_url_problem(table.url):
        return "url", reason
    if problem := _headers_problem(table):
        return problem
    for key in ("minimum_seconds", "maximum_seconds"):
        value = getattr(table, key)
        if value is not None and not MIN_INTERVAL_SECONDS <= value <= MAX_INTERVAL_SECONDS:
            return key, f"it must be from {MIN_INTERVAL_SECONDS} to {MAX_INTERVAL_SECONDS}, got {value}"
    if table.kind == "listing" and table.listing is None:
        return "kind", 'kind "listing" needs a `listing` table with the path of its rows'
    if table.listing is not None:
        from newswire.ingest.parse.json_documents import check_listing  # noqa: PLC0415 - JMESPath, for listings only

        if reason := check_listing(table.listing):
            return "listing", reason
    return None


# A token of RFC 9110, section 5.6.2; and the headers that the HTTP client sets itself.
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_CLIENT_HEADERS = {"host", "content-length", "transfer-encoding", "connection", "te", "upgrade", "accept-encoding"}


def _headers_problem(table: FeedTable) -> tuple[str, str] | None:
    if reason := _header_problem("user agent", table.user_agent or ""):
        return "user_agent", reason
    for header, value in table.headers.items():
        if not _HEADER_NAME.fullmatch(header):  # not quoted: a whole header with its secret may stand there
            return "headers", "the name of a header must have only letters, digits and !#$%&'*+-.^_`|~"
        if header.lower() in _CLIENT_HEADERS:
            return "headers", f"{header[:60]!r} is not a header that a feed can set"
        if reason := _header_problem(f"header {header}", value):
            return "headers", reason
        if reason := reference_problem(value):
            return "headers", f"the header {header} {reason}"
    return None


def _header_problem(what: str, value: str) -> str | None:
    """Return why a text cannot be the value of a header; None if it can. The value is not quoted: it may be a secret."""
    if value.isascii() and (value.isprintable() or not value):
        return None
    return f"the {what} must be printable ASCII without line breaks and control characters"


def _find_line(text: str, key: str, after: int = 1) -> int:
    """Return the number of the first line from `after` on that looks like this key or table; `after` if none does."""
    pattern = re.compile(rf"^\s*\[?\[?\s*[\"']?{re.escape(key)}[\"']?\s*(?:[=\].])")
    for number, line in enumerate(text.splitlines(), 1):
        if number >= after and pattern.match(line):
            return number
    return after


def read_opml(data: bytes, name: str) -> list[Feed]:
    """Read the outlines of an OPML file that have an http or https `xmlUrl`, with ids made from their titles.

    Raises `FeedsFileError` for invalid XML; `name` is the file's, for errors.
    """
    feeds: list[Feed] = []
    ids = FeedIds(())

    def start(_tag: str, attributes: dict[str, str]) -> None:
        outline = {key.lower(): value for key, value in attributes.items()}
        url = outline.get("xmlurl", "").strip()
        if not url or feed_url_problem(url):
            return
        title = clean_line(outline.get("title") or outline.get("text") or "", MAX_FEED_TITLE_CHARACTERS)
        link = without_credentials(safe_link(outline.get("htmlurl", "").strip()))
        feeds.append(Feed(id=ids.new_id(title or url), url=url, title=title, link=link))

    if declares_entities(data):
        msg = f"{name} declares XML entities, which newswire does not expand: remove its <!ENTITY declarations."
        raise FeedsFileError(msg)
    parser = expat.ParserCreate()
    parser.StartElementHandler = start
    try:
        parser.Parse(data, True)  # noqa: FBT003 - expat's signature: True marks the end of the document
    except expat.ExpatError as error:
        msg = (
            f"{name}, line {error.lineno}: this is not valid OPML ({expat.ErrorString(error.code)}): correct it there."
        )
        raise FeedsFileError(msg) from error
    return feeds


class FeedIds:
    """The ids of a list of feeds, in use and new."""

    def __init__(self, used: Iterable[str]) -> None:
        self._used = set(used)
        self._numbers: dict[str, int] = {}
        """The last number that was tried after a name, so that a thousand feeds of one name do not take a million tries."""

    def new_id(self, text: str) -> str:
        """Return a free id made from a title or URL; it is in use from now on."""
        return self.free_id(_slug_of(text))

    def free_id(self, name: str) -> str:
        """Return `name` if it is a free id, else the first free one of `name-2`, `name-3`…; it is in use from now on."""
        feed_id, number = name, self._numbers.get(name, 1)
        while feed_id in self._used:
            number += 1
            feed_id = f"{name}-{number}"
        self._numbers[name] = number
        self._used.add(feed_id)
        return feed_id


def _slug_of(text: str) -> str:
    """Return a title or URL as a name of lower-case ASCII letters, digits and hyphens.

    Only the host and path of a URL count: user info and query values may be secrets, and everybody sees an id.
    """
    from newswire.analysis import fold  # noqa: PLC0415 - only for new feeds

    plain = text
    if re.match(r"https?://", text, re.IGNORECASE):
        plain = f"{site_name(text)}{path_of(text)}"
    ascii_text = fold(plain).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]+", "-", ascii_text).strip("-")[:48].strip("-") or "feed"


def write_toml(feeds: Iterable[Feed]) -> str:
    """Return feeds as TOML tables in the form of feeds.toml; feeds without a URL are left out."""
    parts = []
    for feed in feeds:
        if not feed.url:
            continue
        table = FeedTable(
            url=feed.url,
            title=feed.title,
            description=feed.description,
            link=feed.link,
            kind=feed.kind,
            minimum_seconds=feed.minimum_s,
            maximum_seconds=feed.maximum_s,
            user_agent=feed.user_agent,
            headers=feed.headers,
            listing=feed.listing,
            lang=feed.lang,
        )
        lines = [f"[feed.{_toml_key(feed.id)}]"]
        lines += [f"{key} = {_toml_value(value)}" for key, value in msgspec.to_builtins(table).items()]
        parts.append("\n".join(lines))
    return "\n\n".join(parts) + "\n"


def _toml_key(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else msgspec.json.encode(key).decode()


def _toml_value(value: object) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{_toml_key(key)} = {_toml_value(part)}" for key, part in value.items()) + " }"
    return msgspec.json.encode(value).decode().replace("\x7f", "\\u007f")


def write_opml(feeds: Iterable[Feed]) -> str:
    """Return feeds as OPML 2.0. OPML cannot hold listings and headers: listing feeds and all headers are left out."""
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        '<opml version="2.0">',
        "<head><title>newswire</title></head>",
        "<body>",
    ]
    for feed in feeds:
        if feed.url and feed.kind != "listing":
            title = quoteattr(feed.title or feed.id)
            page = f" htmlUrl={quoteattr(feed.link)}" if feed.link else ""
            lines.append(f'<outline type="rss" text={title} title={title} xmlUrl={quoteattr(feed.url)}{page}/>')
    return "\n".join([*lines, "</body>", "</opml>"]) + "\n"
