"""Lists of feeds as files: TOML or OPML comes in, feeds go out, and the other way round.

The list that ships (`feeds.toml`) owns the fields of its own feeds: it is merged when its hash changes, and a feed that
is gone from it is marked removed; its items and its log stay.
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

from newswire.errors import FeedsFileError
from newswire.model import Feed, FeedKind, Listing
from newswire.storage.feeds import FEED_ID
from newswire.urls import feed_url_problem, path_of, site_name

_TOML_LINE = re.compile(r"at line (\d+), column (\d+)")


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
    """Read a TOML or OPML file, by its name; `FeedsFileError` names file, line and key."""
    try:
        data = path.read_bytes()
    except OSError as error:
        msg = f"{path} can't be read ({(error.strerror or 'error').lower()}): give the path of a TOML or OPML file."
        raise FeedsFileError(msg) from error
    return read_opml(data, str(path)) if path.suffix.lower() in {".opml", ".xml"} else read_toml(data, str(path))


def read_toml(data: bytes, name: str) -> list[Feed]:
    """Read the tables `[feed.<id>]` of a TOML file."""
    try:
        text = data.decode("utf-8-sig")
        tables = tomllib.loads(text)
    except UnicodeDecodeError as error:
        msg = f"{name} is not UTF-8 (byte {error.start}): save it as UTF-8."
        raise FeedsFileError(msg) from error
    except tomllib.TOMLDecodeError as error:
        found = _TOML_LINE.search(str(error))
        where = f"line {found[1]}, column {found[2]}" if found else f"line {len(text.splitlines())}"
        msg = f"{name}, {where}: this is no TOML ({str(error).partition(' (at')[0]})."
        raise FeedsFileError(msg) from error
    unknown = [key for key in tables if key != "feed"]
    if unknown:
        msg = f"{name}, line {_line_of(text, unknown[0])}: unknown key {unknown[0]!r}; feeds are tables named [feed.<id>]."
        raise FeedsFileError(msg)
    feeds = tables.get("feed", {})
    if not isinstance(feeds, dict):
        msg = f"{name}, line {_line_of(text, 'feed')}: feeds are tables named [feed.<id>]."
        raise FeedsFileError(msg)
    return [_feed_of(feed_id, table, name, text) for feed_id, table in feeds.items()]


def _feed_of(feed_id: str, table: object, name: str, text: str) -> Feed:
    line = _line_of(text, f"feed.{feed_id}")
    if not FEED_ID.fullmatch(feed_id):
        msg = f"{name}, line {line}: {feed_id!r} can't be the id of a feed (lower-case letters, digits, '.', '_', '-')."
        raise FeedsFileError(msg)
    try:
        said = msgspec.convert(table, FeedTable)
    except msgspec.ValidationError as error:
        reason, _, path = str(error).partition(" - at `$.")
        key = re.split(r"[.\[]", path.rstrip("`"))[0] or (re.findall(r"`(\w+)`", reason) or [""])[0]
        msg = f"{name}, line {_line_of(text, key, after=line)}, key feed.{feed_id}.{key}: {reason}."
        raise FeedsFileError(msg) from error
    problem = _problem(said)
    if problem:
        key, reason = problem
        msg = f"{name}, line {_line_of(text, key, after=line)}, key feed.{feed_id}.{key}: {reason}."
        raise FeedsFileError(msg)
    return Feed(
        id=feed_id,
        url=said.url,
        title=said.title,
        description=said.description,
        link=said.link,
        kind=said.kind,
        origin="file",
        minimum_s=said.minimum_seconds,
        maximum_s=said.maximum_seconds,
        user_agent=said.user_agent,
        headers=said.headers,
        listing=said.listing,
        lang=said.lang,
    )


_LONGEST_S = 86_400
_SHORTEST_S = 10


def _problem(said: FeedTable) -> tuple[str, str] | None:
    """Give the key and the reason of what is wrong with a table, beyond its types."""
    if reason := feed_url_problem(said.url):
        return "url", reason
    if problem := _headers_problem(said):
        return problem
    for key in ("minimum_seconds", "maximum_seconds"):
        value = getattr(said, key)
        if value is not None and not _SHORTEST_S <= value <= _LONGEST_S:
            return key, f"{value} is not from {_SHORTEST_S} to {_LONGEST_S}"
    if said.kind == "listing" and said.listing is None:
        return "kind", "a listing needs a `listing` table that says where its rows are"
    if said.listing is not None:
        from newswire.ingest.parse.json_documents import check_listing  # noqa: PLC0415 - JMESPath, for listings only

        if reason := check_listing(said.listing):
            return "listing", reason
    return None


# A token of RFC 9110, section 5.6.2; and the headers that a request has by itself.
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_OWN_HEADERS = {"host", "content-length", "transfer-encoding", "connection", "te", "upgrade", "accept-encoding"}


def _headers_problem(said: FeedTable) -> tuple[str, str] | None:
    if reason := _header_problem("user agent", said.user_agent or ""):
        return "user_agent", reason
    for header, value in said.headers.items():
        if not _HEADER_NAME.fullmatch(header) or header.lower() in _OWN_HEADERS:
            return "headers", f"{header[:60]!r} can't be the name of a header that a feed sets"
        if reason := _header_problem(f"header {header}", value):
            return "headers", reason
    return None


def _header_problem(what: str, value: str) -> str | None:
    """Say why a text can't be the value of a header, without quoting it: it may be a key."""
    if value.isascii() and (value.isprintable() or not value):
        return None
    return f"the {what} has a character that no header can have (a line break, a control, or none of ASCII)"


def _line_of(text: str, key: str, after: int = 1) -> int:
    """Find the line on which a key or table stands, as well as that can be told from the text."""
    pattern = re.compile(rf"^\s*\[?\[?\s*[\"']?{re.escape(key)}[\"']?\s*(?:[=\].])")
    for number, line in enumerate(text.splitlines(), 1):
        if number >= after and pattern.match(line):
            return number
    return after


def read_opml(data: bytes, name: str) -> list[Feed]:
    """Read the outlines of an OPML file that have an `xmlUrl`; the ids are made of their titles."""
    feeds: list[Feed] = []
    taken: set[str] = set()

    def start(_tag: str, attributes: dict[str, str]) -> None:
        said = {key.lower(): value for key, value in attributes.items()}
        url = said.get("xmlurl", "").strip()
        if not url or feed_url_problem(url):
            return
        title = (said.get("title") or said.get("text") or "").strip()
        feeds.append(Feed(id=new_id(title or url, taken), url=url, title=title, link=said.get("htmlurl", "")))

    parser = expat.ParserCreate()
    parser.StartElementHandler = start
    try:
        parser.Parse(data, True)  # noqa: FBT003 - expat's own way to say that this is all
    except expat.ExpatError as error:
        msg = f"{name}, line {error.lineno}: this is no OPML ({expat.ErrorString(error.code)})."
        raise FeedsFileError(msg) from error
    return feeds


def new_id(text: str, taken: set[str]) -> str:
    """Make an id of a title or URL that is not taken yet, and take it.

    Of a URL only its host and path: user info and the values of a query may be secrets, and an id is seen by everybody.
    """
    from newswire.analysis import fold  # noqa: PLC0415 - only for new feeds

    plain = text
    if re.match(r"https?://", text, re.IGNORECASE):
        plain = f"{site_name(text)}{path_of(text)}"
    slug = (
        re.sub(r"[^a-z0-9]+", "-", fold(plain).encode("ascii", "ignore").decode()).strip("-")[:48].strip("-") or "feed"
    )
    chosen, number = slug, 1
    while chosen in taken:
        number += 1
        chosen = f"{slug}-{number}"
    taken.add(chosen)
    return chosen


def write_toml(feeds: Iterable[Feed]) -> str:
    """Write feeds as feeds.toml has them."""
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
        lines = [f"[feed.{_toml(feed.id)}]"]
        lines += [f"{key} = {_toml_value(value)}" for key, value in msgspec.to_builtins(table).items()]
        parts.append("\n".join(lines))
    return "\n\n".join(parts) + "\n"


def _toml(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else msgspec.json.encode(key).decode()


def _toml_value(value: object) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{_toml(key)} = {_toml_value(one)}" for key, one in value.items()) + " }"
    return msgspec.json.encode(value).decode().replace("\x7f", "\\u007f")


def write_opml(feeds: Iterable[Feed]) -> str:
    """Write feeds as OPML 2.0; what OPML has no place for (listings, headers) is left out."""
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
