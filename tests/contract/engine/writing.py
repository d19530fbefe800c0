"""Write items and search them in the engine tests."""

import msgspec

from newswire import analysis
from newswire.engines.query import (
    SearchQuery,
    Word,
)
from newswire.model import Item, ItemWrite


def put(engine, *items: Item, seq: int = 1, generation: int = 1):
    report = engine.index((ItemWrite(item, seq) for item in items), generation)
    engine.refresh()
    return report


def word(text: str) -> Word:
    return Word(analysis.tokens(text)[0], analysis.stem(analysis.tokens(text)[0]))


def titles(engine, node=None, **more) -> list[str]:
    query = SearchQuery(node=node, **{"size": 200, **more})
    return sorted(hit.item.title for hit in engine.search(query).hits)


def walk(engine, query: SearchQuery, each=None) -> list[str]:
    ids: list[str] = []
    while True:
        page = engine.search(query)
        ids += [hit.item.id for hit in page.hits]
        if each is not None:
            each()
        if page.next is None:
            return ids
        query = msgspec.structs.replace(query, after=page.next)
