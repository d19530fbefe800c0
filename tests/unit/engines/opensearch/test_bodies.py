"""OpenSearch request bodies, compared in full."""

from newswire.engines.opensearch.bodies import (
    PREFIX_SCORE,
    document_of,
    item_of,
    items_template,
    of_feed_body,
    search_body,
    seen_body,
    span_body,
    state_body,
    statuses_template,
    translate,
)
from newswire.engines.opensearch.status_bodies import status_document, statuses_body
from newswire.engines.query import (
    And,
    FacetQuery,
    InField,
    Not,
    Nothing,
    Or,
    Phrase,
    Position,
    Prefix,
    RecencyBand,
    SearchQuery,
    Value,
    ValueFilter,
    Word,
)
from newswire.model import ItemWrite
from tests.factories import feed_status, item

DRILLS = Word("drills", "drill")
IN_TEXT = {
    "dis_max": {"queries": [{"term": {"text": {"value": "drills"}}}, {"term": {"text_stem": {"value": "drill"}}}]}
}
IN_TITLE = {
    "dis_max": {"queries": [{"term": {"title": {"value": "drills"}}}, {"term": {"title_stem": {"value": "drill"}}}]}
}


def unscored(query: dict) -> dict:
    return {"constant_score": {"filter": query, "boost": 0.0}}


def test_empty_query_matches_all_newest_first() -> None:
    assert search_body(SearchQuery(), 21) == {
        "size": 21,
        "track_total_hits": True,
        "track_scores": False,
        "_source": ["item"],
        "query": {"match_all": {}},
        "sort": [{"published": "desc"}, {"tie": "asc"}],
    }


def test_filtered_relevance_query_with_recency() -> None:
    query = SearchQuery(
        node=DRILLS,
        filters=(ValueFilter("feed", ("a", "b")), ValueFilter("category", (), ("sport",))),
        start=10,
        end=20,
        sort="relevance",
        recency=(RecencyBand(15, 1.5), RecencyBand(12, 1.25)),
        after=Position(offset=40),
        with_content=True,
    )
    base = {
        "bool": {
            "must": [{"bool": {"must": [IN_TEXT], "should": [{"bool": {"must": [IN_TITLE], "boost": 0.3}}]}}],
            "filter": [
                {"terms": {"feed": ["a", "b"]}},
                {"bool": {"must_not": [{"terms": {"category_value": ["sport"]}}]}},
                {"range": {"published": {"gte": 10, "lt": 20}}},
            ],
        }
    }
    assert search_body(query, 20) == {
        "size": 20,
        "from": 40,
        "track_total_hits": True,
        "track_scores": True,
        "_source": ["item", "body"],
        "query": {
            "function_score": {
                "query": base,
                "functions": [
                    {"filter": {"range": {"published": {"gte": 15}}}, "weight": 1.5},
                    {"filter": {"range": {"published": {"gte": 12, "lt": 15}}}, "weight": 1.25},
                ],
                "score_mode": "first",
                "boost_mode": "multiply",
            }
        },
        "sort": ["_score", {"tie": "asc"}],
    }


def test_next_page_searches_after_the_date_and_tie() -> None:
    body = search_body(SearchQuery(sort="oldest", date_field="changed", after=Position(value=5, tie=7)), 3)
    assert (body["sort"], body["search_after"]) == ([{"changed": "asc"}, {"tie": "asc"}], [5, 7])
    assert "from" not in body


def test_facets_and_buckets_are_aggregated_in_one_search() -> None:
    body = search_body(SearchQuery(facets=(FacetQuery("author", 3),), edges=(0, 10, 20)), 1)
    assert body["aggs"] == {
        "author": {
            "terms": {"field": "author_value", "size": 3, "order": [{"_count": "desc"}, {"_key": "asc"}]},
            "aggs": {"spellings": {"terms": {"field": "author_label", "size": 50}}},
        },
        "author_missing": {"missing": {"field": "author_label"}},
        "buckets": {"range": {"field": "published", "ranges": [{"from": 0, "to": 10}, {"from": 10, "to": 20}]}},
    }


def test_every_query_node_becomes_a_clause() -> None:
    def of(node) -> dict:
        return translate(SearchQuery(node=node))["bool"]["filter"][0]

    assert of(Nothing()) == {"match_none": {}}
    assert of(DRILLS) == IN_TEXT
    assert of(Phrase(("air", "policing"))) == {"match_phrase": {"text": {"query": "air policing"}}}
    assert of(Phrase(("air",))) == {"term": {"text": {"value": "air"}}}
    assert of(Prefix("inter")) == {
        "prefix": {"text": {"value": "inter", "rewrite": "constant_score", "boost": PREFIX_SCORE}}
    }
    assert of(Value("lang", "en")) == unscored({"terms": {"lang": ["en"]}})
    assert of(InField("title", DRILLS)) == IN_TITLE
    assert of(InField("author", DRILLS)) == {"term": {"author": {"value": "drills"}}}
    assert of(Not(DRILLS)) == unscored({"bool": {"must_not": [IN_TEXT]}})
    assert of(And((Prefix("a"), Not(DRILLS)))) == {"bool": {"must": [of(Prefix("a"))], "must_not": [IN_TEXT]}}
    assert of(And((Not(DRILLS), Not(Prefix("a"))))) == {
        "bool": {"must": [unscored({"match_all": {}})], "must_not": [IN_TEXT, of(Prefix("a"))]}
    }
    assert of(Or((DRILLS, Prefix("a")))) == {"bool": {"should": [IN_TEXT, of(Prefix("a"))], "minimum_should_match": 1}}


def test_span_covers_only_items_with_the_date() -> None:
    assert span_body(SearchQuery(date_field="updated", sort="relevance")) == {
        "size": 0,
        "query": {"bool": {"filter": [{"exists": {"field": "updated"}}]}},
        "aggs": {"first": {"min": {"field": "updated"}}, "last": {"max": {"field": "updated"}}},
    }


def test_item_round_trips_through_its_document() -> None:
    whole = item(
        7,
        "Drills begin",
        content="Long text",
        lang="en-us",
        authors=("Zoë Müller",),
        categories=("NATO", "Nato", "Air"),
    )
    document = document_of(ItemWrite(whole, 3), 99)
    assert {name: document[name] for name in ("text", "text_stem", "title", "summary", "content_stem")} == {
        "text": ["drills begin", "long text"],
        "text_stem": ["drill begin", "long text"],
        "title": "drills begin",
        "summary": "-",
        "content_stem": "long text",
    }
    assert document["lang"] == ["en", "en-us"]
    assert document["category_value"] == ["nato", "air"]
    assert document["category_label"] == ["nato\x1fNATO", "air\x1fAir"]
    assert document["author"] == ["zoe muller"]
    assert (document["seq"], document["mark"]) == (3, 99)
    assert item_of(document) == whole
    assert item_of({"item": document["item"]}).content == ""


def test_statuses_are_filtered_by_id_and_not_deleted() -> None:
    matching_all = {"bool": {"must_not": [{"term": {"deleted": {"value": True}}}]}}
    body = {"size": 1000, "_source": ["status"], "query": matching_all, "sort": [{"id": "asc"}]}
    assert statuses_body(None) == body
    some = {"bool": {"filter": [matching_all, {"terms": {"id": ["a", "b"]}}]}}
    assert statuses_body(["b", "a", "b"]) == body | {"query": some}


def test_state_body_sums_the_marks() -> None:
    assert state_body() == {"size": 0, "track_total_hits": True, "aggs": {"marks": {"sum": {"field": "mark"}}}}


def test_seen_and_feed_bodies_select_by_id_and_feed() -> None:
    assert seen_body(["x", "y"]) == {
        "size": 2,
        "_source": False,
        "docvalue_fields": ["seq", "mark"],
        "query": {"terms": {"id": ["x", "y"]}},
    }
    assert of_feed_body("News") == {"size": 1000, "_source": False, "query": {"term": {"feed": {"value": "news"}}}}


def test_deleted_status_keeps_only_its_sequence_number() -> None:
    removed = {"id": "a", "seq": 4, "mark": 9, "deleted": True, "indexed": 0, "status": {}}
    assert status_document(feed_status("a", 4, deleted=True), 9) == removed
    kept = feed_status("a", 4)
    fields = {"deleted": False, "standing": "never", "behind": False, "gaps": [], "status": kept}
    assert status_document(kept, 9) == removed | fields


def test_templates_are_strict_and_serverless_sets_no_shards() -> None:
    template = items_template("n-items-g*", 3, 1)
    assert (template["index_patterns"], template["priority"]) == (["n-items-g*"], 200)
    inner = template["template"]
    assert inner["mappings"]["dynamic"] == "strict"
    assert inner["settings"] == {
        "number_of_shards": 3,
        "number_of_replicas": 1,
        "analysis": {"analyzer": {"tokens": {"type": "custom", "tokenizer": "whitespace"}}},
    }
    assert set(
        document_of(ItemWrite(item(1, "x", updated=1, authors=("A",), categories=("B",), lang="en"), 1), 2)
    ) == set(inner["mappings"]["properties"])
    assert items_template("n", None, None)["template"]["settings"].keys() == {"analysis"}
    assert statuses_template("n", None)["template"]["settings"] == {}
    kept = statuses_template("n", 2)["template"]
    assert kept["settings"] == {"number_of_shards": 1, "number_of_replicas": 2}
    assert kept["mappings"]["dynamic"] == "strict"
    assert set(kept["mappings"]["properties"]) == set(
        status_document(feed_status("a", 1, last_success=1, next_check=2, newest=3), 2)
    )
