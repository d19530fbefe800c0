"""Read and write lists of feeds as TOML.

A file with a mistake is refused as a whole; the `FeedsFileError` names file, line and key. The feeds file (`feeds.toml`)
owns the fields of its feeds. `feed_list.py` merges it when its hash changes, and marks feeds missing from it as removed.
Their items and logs stay.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable

import msgspec
from msgspec import Struct

from newswire.errors import FeedsFileError, UsageError
from newswire.feed_id import check_feed_id
from newswire.ingest.secrets import reference_problem
from newswire.model import VALUE_LENGTH, Feed, FeedKind, Listing
from newswire.type_errors import describe
from newswire.urls import feed_url_problem, quotable, safe_link

MIN_INTERVAL_SECONDS = 10
MAX_INTERVAL_SECONDS = 86_400
"""The range of `minimum_seconds` and `maximum_seconds`, the same as in `settings.py`."""

MAX_RETENTION_DAYS = 36_500
MAX_GROUPS = 50
"""Maximum groups of a feed."""
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
    groups: tuple[str, ...] = ()
    retention_days: int | None = None


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
        groups=tuple(dict.fromkeys(filter(None, map(clean_group, fields.groups)))),
        retention_days=fields.retention_days,
    )


def clean_group(name: str) -> str:
    """Return the name of a group as one line of at most `VALUE_LENGTH` characters."""
    return " ".join(name.split())[:VALUE_LENGTH].strip()


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
    if table.retention_days is not None and not 0 <= table.retention_days <= MAX_RETENTION_DAYS:
        return "retention_days", f"it must be from 0 to {MAX_RETENTION_DAYS}, got {table.retention_days}"
    if len(table.groups) > MAX_GROUPS:
        return "groups", f"a feed must have at most {MAX_GROUPS} groups, got {len(table.groups)}"
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
            groups=feed.groups,
            retention_days=feed.retention_days,
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
