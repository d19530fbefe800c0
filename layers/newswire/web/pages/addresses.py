"""URLs on pages: write query strings from parameters. Pure.

The URL is the whole state of a page. URLs on pages are relative to the root of the pages, wherever that is.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from newswire.web.pages.forms import SEARCH_FIELDS


def query_of(parameters: Mapping[str, str]) -> str:
    """Return parameters as a query string with its `?`; "" for none. `,`, `:` and `/` stay readable."""
    query = urlencode(parameters, safe=",:/", errors="replace")
    return f"?{query}" if query else ""


def change_parameters(parameters: Mapping[str, str], **changes: str | None) -> dict[str, str]:
    """Return the parameters with changes, in the order of `SEARCH_FIELDS`; None removes one.

    The cursor is removed too, because it belongs to one query only. `from_` means `from`, a keyword in Python.
    """
    new = {name.rstrip("_"): value for name, value in changes.items()}
    merged = {**parameters, "cursor": None, **new}
    return {name: value for name in SEARCH_FIELDS if (value := merged.get(name)) is not None}


def change_query(parameters: Mapping[str, str], **changes: str | None) -> str:
    """Return the query string of the changed parameters, at least `?`: an empty link would lead to the current page."""
    return query_of(change_parameters(parameters, **changes)) or "?"


def next_page_query(parameters: Mapping[str, str], cursor: str | None) -> str:
    """Return the query string of the next page; "" on the last page."""
    return query_of({**parameters, "cursor": cursor}) if cursor else ""


def split_at_range(parameters: Mapping[str, str]) -> tuple[str, str]:
    """Return the parts of a query string before and after `from=…&to=…`, without the cursor.

    A caller inserts date values between the parts; they need no encoding.
    """
    first = change_parameters(parameters, from_=None, to=None)
    before: dict[str, str] = {name: first.pop(name) for name in ("q", "match") if name in first}
    lead, tail = query_of(before), query_of(first)
    return f"{lead}&" if lead else "?", f"&{tail[1:]}" if tail else ""


def zone_parameter(zone: ZoneInfo) -> dict[str, str]:
    """Return the parameter that keeps a time zone from page to page; none for UTC, the default."""
    return {} if zone.key == "UTC" else {"tz": zone.key}


def zone_query(zone: ZoneInfo) -> str:
    """Return the query string that keeps a time zone from page to page; "" for UTC."""
    return query_of(zone_parameter(zone))
