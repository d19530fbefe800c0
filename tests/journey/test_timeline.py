"""Test a year of real news: load 251,270 lines, count the items, and count again after a reindex."""

import json
import shutil
from collections import Counter

import msgspec
import pytest

from newswire.app import App
from newswire.clock import DAY
from newswire.engines.query import FacetQuery, SearchQuery, ValueFilter
from newswire.ingest.reindex import reindex
from newswire.settings import Settings
from tests import golden
from tests.support.timeline import END_OF_2023, loaded_timeline, timeline_file

YEAR_START = 1_672_531_200_000


@pytest.mark.long
def test_year_of_news_survives_a_reindex(shared, tmp_path) -> None:
    data = shutil.copytree(loaded_timeline(shared), tmp_path / "data")
    app = App(Settings(data=str(data)), clock=lambda: END_OF_2023)
    winners = timeline_file(shared).items

    def check_counts() -> dict[str, int]:
        everything = app.engine.search(SearchQuery(size=0, facets=(FacetQuery("feed", 500),)))
        assert everything.total == len(winners)
        counted = {bucket.value: bucket.count for bucket in everything.facets[0].values}
        assert counted == Counter(feed for feed, _at in winners.values())
        return counted

    check_counts()  # tests/journey/test_timeline_search.py walks over the same items
    assert reindex(app).items == len(winners)
    counted = check_counts()
    days = app.engine.search(SearchQuery(size=0, edges=tuple(YEAR_START + n * DAY for n in range(366)))).histogram
    found_days = {YEAR_START + n * DAY: count for n, count in enumerate(days)}
    ids: set[str] = set()
    per_day: Counter[int] = Counter()
    query = SearchQuery(size=200)
    while True:
        page = app.engine.search(query)
        for hit in page.hits:
            assert hit.item.id not in ids
            ids.add(hit.item.id)
            per_day[hit.item.published - hit.item.published % DAY] += 1
        if page.next is None:
            break
        query = msgspec.structs.replace(query, after=page.next)
    assert {id_ for id_ in winners if len(id_) == 32} <= ids
    assert len(ids) == len(winners)
    assert {day: count for day, count in per_day.items() if day in found_days} == {
        day: count for day, count in found_days.items() if count
    }
    one_feed = next(iter(counted))
    alone = app.engine.search(SearchQuery(size=0, filters=(ValueFilter("feed", (one_feed,)),)))
    assert alone.total == counted[one_feed]
    assert golden.items_digest(app) == json.loads(golden.read("items.json"))
    app.close()
