"""Links from a page to the same search in other formats: JSON, feeds and tables. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from newswire.search.parameters import MAX_SIZE
from newswire.web.pages.addresses import query_of


class Formats(Struct, frozen=True):
    """The URLs of a search for programs and feed readers; relative to the root of the pages, except `api`."""

    api: str
    """Absolute if the public URL is known."""
    rss: str
    atom: str
    jsonfeed: str
    csv: str
    ndjson: str
    rows: int = MAX_SIZE
    """Maximum items in a table; its `Link` header leads to the next page."""


def formats_of(parameters: Mapping[str, str], origin: str) -> Formats:
    """Return the URLs of a search; feeds are sorted by newest, so that a subscriber misses no new item."""
    query = {name: value for name, value in parameters.items() if name != "cursor"}
    subscribed = {name: value for name, value in query.items() if name not in {"sort", "size"}} | {"sort": "newest"}
    table = query | {"size": str(MAX_SIZE)}

    def url_in(form: str, parameters: Mapping[str, str]) -> str:
        return f"v1/search{query_of({**parameters, 'format': form})}"

    return Formats(
        api=f"{origin}/v1/search{query_of(query)}",
        rss=url_in("rss", subscribed),
        atom=url_in("atom", subscribed),
        jsonfeed=url_in("jsonfeed", subscribed),
        csv=url_in("csv", table),
        ndjson=url_in("ndjson", table),
    )
