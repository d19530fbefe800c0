"""Addresses on pages: parameters come in, the query of an address goes out. Pure.

An address is all there is to a view. Those on pages are relative to the root of the pages, wherever that is.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from newswire.web.pages.forms import SEARCH_FIELDS


def query_of(parameters: Mapping[str, str]) -> str:
    """Write parameters as the query of an address, with its `?`; nothing for none. What a reader can read stays readable."""
    written = urlencode(parameters, safe=",:/", errors="replace")
    return f"?{written}" if written else ""


def changed(parameters: Mapping[str, str], **changes: str | None) -> dict[str, str]:
    """Change parameters, in their order; None takes one away. The page begins anew: a cursor belongs to one query only.

    `from_` stands for `from`, which Python keeps for itself.
    """
    new = {name.rstrip("_"): value for name, value in changes.items()}
    merged = {**parameters, "cursor": None, **new}
    return {name: value for name in SEARCH_FIELDS if (value := merged.get(name)) is not None}


def address_of(parameters: Mapping[str, str], **changes: str | None) -> str:
    """Write the query of the changed parameters, never empty: an empty address means the one that is open."""
    return query_of(changed(parameters, **changes)) or "?"


def following(parameters: Mapping[str, str], cursor: str | None) -> str:
    """Write the query of the next page; empty where there is none."""
    return query_of({**parameters, "cursor": cursor}) if cursor else ""


def around_range(parameters: Mapping[str, str]) -> tuple[str, str]:
    """Give what stands before and after `from=…&to=…` in the address of a first page: dates need no encoding."""
    first = changed(parameters, from_=None, to=None)
    before: dict[str, str] = {name: first.pop(name) for name in ("q", "match") if name in first}
    lead, rest = query_of(before), query_of(first)
    return f"{lead}&" if lead else "?", f"&{rest[1:]}" if rest else ""


def zone_parameter(zone: ZoneInfo) -> dict[str, str]:
    """Give the parameter that keeps a time zone from page to page; none for UTC, which is meant without."""
    return {} if zone.key == "UTC" else {"tz": zone.key}


def in_zone(zone: ZoneInfo) -> str:
    """Give the query that keeps a time zone from page to page."""
    return query_of(zone_parameter(zone))
