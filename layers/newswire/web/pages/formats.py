"""The same search in other forms: the parameters of a page come in, the addresses of its feeds and tables go out. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from newswire.search.parameters import MAX_SIZE
from newswire.web.pages.addresses import query_of


class Formats(Struct, frozen=True):
    """Where the same is to be had from a program or a feed reader; addresses begin at the root of the pages."""

    api: str
    """Absolute where the public address is known."""
    rss: str
    atom: str
    jsonfeed: str
    csv: str
    ndjson: str
    rows: int = MAX_SIZE
    """So many items are in a table; its `Link` header leads on."""


def formats_of(parameters: Mapping[str, str], origin: str) -> Formats:
    """Say where they are; a feed has the newest first, so that nothing new is missed."""
    said = {name: value for name, value in parameters.items() if name != "cursor"}
    subscribed = {name: value for name, value in said.items() if name not in {"sort", "size"}} | {"sort": "newest"}
    table = said | {"size": str(MAX_SIZE)}

    def at(form: str, parameters: Mapping[str, str]) -> str:
        return f"v1/search{query_of({**parameters, 'format': form})}"

    return Formats(
        api=f"{origin}/v1/search{query_of(said)}",
        rss=at("rss", subscribed),
        atom=at("atom", subscribed),
        jsonfeed=at("jsonfeed", subscribed),
        csv=at("csv", table),
        ndjson=at("ndjson", table),
    )
