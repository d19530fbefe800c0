"""Facets with more values than the engine counts at once: the commonest are right, and `exact` says what is not."""

import msgspec

from newswire.engines.query import FacetQuery, SearchQuery
from newswire.model import ItemWrite
from tests.factories import item
from tests.support.transports import AsEvents

COUNT = 70_000


def test_facet_of_70_000_values_gives_the_commonest_ones(app) -> None:
    def authors(number: int) -> tuple[str, ...]:
        if number % 1_000 == 1:
            return ()
        common = ("Common",) if number % 7 == 0 else ("COMMON",) if number % 70 == 1 else ()
        return (f"Author {number}", *common)

    writes = (
        ItemWrite(
            msgspec.structs.replace(item(0), id=f"{number:032x}", authors=authors(number), categories=("News",)), 1
        )
        for number in range(COUNT)
    )
    app.engine.index(writes, 1)
    app.engine.refresh()
    facets = {
        facet.field: facet
        for facet in app.engine.search(SearchQuery(facets=(FacetQuery("author"), FacetQuery("category")))).facets
    }
    common = sum("common" in map(str.lower, authors(number)) for number in range(COUNT))
    assert (facets["author"].values[0].value, facets["author"].values[0].count) == ("Common", common)
    assert (facets["author"].missing, facets["author"].exact) == (COUNT // 1_000, False)
    pairs = sum(len(authors(number)) for number in range(COUNT))
    assert sum(value.count for value in facets["author"].values) + facets["author"].other == pairs
    assert (facets["category"].values[0].count, facets["category"].missing) == (COUNT, 0)
    events = AsEvents(app)
    assert events.ask("/").status == 200
    answer = events.ask("/v1/search?facets=author:200,category,feed&histogram=day&size=0").json()
    assert len(answer["facets"]["author"]["values"]) == 200
    assert answer["facets"]["author"]["exact"] is False
