"""JSON for OpenSearch: index templates, documents of items and statuses, and request bodies of searches. Pure.

Fields hold tokens of `analysis.py` separated by white space, and queries hold tokens. So OpenSearch adds no language
rules, and both engines find the same items.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from newswire import analysis
from newswire.engines import TITLE_BOOST
from newswire.engines.fields import (
    DATE_FIELDS,
    KEYWORD_FIELDS,
    LABEL_FIELDS,
    STEM_FIELDS,
    TEXT_FIELDS,
    WORD_FIELDS,
    index_fields,
    value_field,
)
from newswire.engines.opensearch.status_bodies import STATUS_FIELDS
from newswire.engines.query import (
    And,
    FacetQuery,
    InField,
    Node,
    Not,
    Nothing,
    Or,
    Phrase,
    Prefix,
    RecencyBand,
    SearchQuery,
    Value,
    ValueField,
    ValueFilter,
    Word,
)
from newswire.model import Item, ItemWrite

Json = dict[str, Any]

SCHEMA = 2
"""Version of the schema below and of `engines/fields.py`; an index with another one is rebuilt from the archive."""

MAX_SPELLINGS = 50
"""Maximum labels per facet value among which the commonest spelling is chosen. An item with several categories counts
the labels of all of them."""
DELETIONS_PER_SEARCH = 1_000
PREFIX_SCORE = 1 / 2.2
"""Score of a prefix in Lucene. tantivy's is 1, and its BM25 scores are k1 + 1 = 2.2 times those of Lucene."""
ABSENT = "-"
"""The text of an item without tokens or without stems; it is not a token. Lucene computes the rarity of a term among the
items that have the field at all, so every item must have it. The tokenizer would drop ASCII control characters."""

_TEXT: Json = {"type": "text", "analyzer": "tokens"}
_STEMS: Json = {"type": "text", "analyzer": "tokens", "index_options": "freqs"}
_KEYWORD: Json = {"type": "keyword"}
_NUMBER: Json = {"type": "long"}
_UNINDEXED: Json = {"type": "object", "enabled": False}
_NUMBERS = (*DATE_FIELDS, "seq", "tie", "mark")
_SOURCE_FIELDS = ("item", "body")
_SINGLE_FIELDS = frozenset({"feed", "feed_label", "lang_label"})


# --- the index --------------------------------------------------------------------------------------------------------


def items_template(pattern: str, shards: int | None, replicas: int | None) -> Json:
    """Return the template of item indexes. It is strict: OpenSearch refuses an unknown field and does not guess its type.

    `shards` and `replicas` are None for a Serverless collection, which chooses them itself.
    """
    properties: Json = {
        "id": _KEYWORD,
        **dict.fromkeys(WORD_FIELDS, _TEXT),
        **dict.fromkeys(STEM_FIELDS, _STEMS),
        **dict.fromkeys((*KEYWORD_FIELDS, *LABEL_FIELDS), _KEYWORD),
        **dict.fromkeys(_NUMBERS, _NUMBER),
        **dict.fromkeys(_SOURCE_FIELDS, _UNINDEXED),
    }
    return {
        "index_patterns": [pattern],
        "priority": 200,
        "template": {
            "settings": {
                **_index_settings(shards, replicas),
                "analysis": {"analyzer": {"tokens": {"type": "custom", "tokenizer": "whitespace"}}},
            },
            "mappings": {
                "dynamic": "strict",
                "_meta": {"schema": SCHEMA},
                # A reindex makes tokens from the archive, never from `_source`; tokens in it would double the stored size.
                "_source": {"includes": [*_SOURCE_FIELDS, "seq", "mark"]},
                "properties": properties,
            },
        },
    }


def statuses_template(pattern: str, replicas: int | None) -> Json:
    """Return the template of the small index of feed statuses."""
    return {
        "index_patterns": [pattern],
        "priority": 200,
        "template": {
            "settings": _index_settings(None if replicas is None else 1, replicas),
            "mappings": {"dynamic": "strict", "properties": STATUS_FIELDS},
        },
    }


def _index_settings(shards: int | None, replicas: int | None) -> Json:
    return {} if shards is None else {"number_of_shards": shards, "number_of_replicas": replicas}


# --- documents --------------------------------------------------------------------------------------------------------


def document_of(write: ItemWrite, mark: int) -> Json:
    """Build the document of an item: its indexed fields, its `seq`, a mark, and the item itself.

    `mark` is a random number of the writing call, so the sum of all marks changes whenever the index does.
    """
    item = write.item
    indexed = index_fields(item)
    document: Json = {"id": item.id, "text": [], "text_stem": []}
    document |= dict.fromkeys((*TEXT_FIELDS, *(f"{name}_stem" for name in TEXT_FIELDS)), ABSENT)
    for text in indexed.texts:
        if text.folded:
            stems = text.stems or ABSENT
            document["text"].append(text.folded)
            document["text_stem"].append(stems)
            document[text.field] = text.folded
            document[f"{text.field}_stem"] = stems
    plain: Json = msgspec.to_builtins(item)
    document |= _unwrap_single_values(indexed.strings) | indexed.dates
    document["body"] = {"content": plain.pop("content")}
    return document | {"seq": write.seq, "tie": indexed.tie, "mark": mark, "item": plain}


def _unwrap_single_values(strings: dict[str, list[str]]) -> Json:
    """Return single-valued fields as a string, the others as a list."""
    return {name: values[0] if name in _SINGLE_FIELDS else values for name, values in strings.items()}


def item_of(source: Json) -> Item:
    """Return the item of a `_source`; its content is empty if the search did not request it."""
    content = source.get("body", {}).get("content", "")
    return msgspec.convert({**source["item"], "content": content}, Item)


def stored_fields(*, with_content: bool) -> list[str]:
    """Return the `_source` fields that a search requests."""
    return list(_SOURCE_FIELDS) if with_content else ["item"]


# --- queries ----------------------------------------------------------------------------------------------------------


def search_body(query: SearchQuery, size: int) -> Json:
    """Return the request of a page with its exact total, facets and histogram."""
    by_relevance = query.sort == "relevance"
    body: Json = {
        "size": size,
        "track_total_hits": True,
        "track_scores": by_relevance,
        "_source": stored_fields(with_content=query.with_content),
        "query": translate(query),
        "sort": ["_score", {"tie": "asc"}]
        if by_relevance
        else [{query.date_field: "desc" if query.sort == "newest" else "asc"}, {"tie": "asc"}],
    }
    after = query.after
    if after is not None and by_relevance:
        body["from"] = after.offset
    elif after is not None:
        body["search_after"] = [after.value, after.tie]
    if aggregations := count_aggregations(query):
        body["aggs"] = aggregations
    return body


def translate(query: SearchQuery) -> Json:
    """Translate node, filters and range: scoring clauses into `must`, the others into `filter`."""
    scored = query.sort == "relevance"
    filters = [clause for value_filter in query.filters for clause in _translate_filter(value_filter)]
    if query.start is not None or query.end is not None:
        bounds = {"gte": query.start} if query.start is not None else {}
        bounds |= {"lt": query.end} if query.end is not None else {}
        filters.append({"range": {query.date_field: bounds}})
    elif query.date_field == "updated":
        filters.append({"exists": {"field": "updated"}})
    clauses: Json = {}
    if query.node is not None:
        clauses["must" if scored else "filter"] = [_translate_node(query.node, None, scored=scored)]
    if filters:
        clauses["filter"] = [*clauses.get("filter", []), *filters]
    body: Json = {"bool": clauses} if clauses else {"match_all": {}}
    return _boost_bands(body, query.recency) if scored and query.recency else body


def count_aggregations(query: SearchQuery) -> Json:
    """Return the aggregations of facets and histogram buckets over all found items."""
    aggregations: Json = {}
    for facet in query.facets:
        aggregations |= _facet_aggregations(facet)
    if len(query.edges) > 1:
        ranges = [{"from": low, "to": high} for low, high in zip(query.edges, query.edges[1:], strict=False)]
        aggregations["buckets"] = {"range": {"field": query.date_field, "ranges": ranges}}
    return aggregations


def span_body(query: SearchQuery) -> Json:
    """Return the request of the first and last instant of `date_field` among the found items."""
    ends = {"first": {"min": {"field": query.date_field}}, "last": {"max": {"field": query.date_field}}}
    return {"size": 0, "query": translate(msgspec.structs.replace(query, sort="newest")), "aggs": ends}


def count_body() -> Json:
    """Return the request of the exact number of items."""
    return {"size": 0, "track_total_hits": True}


def state_body() -> Json:
    """Return the request of a number that changes with the index. Until then the request cache answers it."""
    return count_body() | {"aggs": {"marks": {"sum": {"field": "mark"}}}}


def seen_body(ids: list[str]) -> Json:
    """Return the request of the `seq` and `mark` of those documents among `ids` that a search sees."""
    return {"size": len(ids), "_source": False, "docvalue_fields": ["seq", "mark"], "query": {"terms": {"id": ids}}}


def of_feed_body(feed: str) -> Json:
    """Return the request of the ids of up to `DELETIONS_PER_SEARCH` items of a feed."""
    query = {"term": {"feed": {"value": analysis.fold_whole(feed)}}}
    return {"size": DELETIONS_PER_SEARCH, "_source": False, "query": query}


def _facet_aggregations(facet: FacetQuery) -> Json:
    name = facet.field
    field = "lang_label" if name == "lang" else value_field(name)  # an item has a `lang` for each part of its tag
    spellings = {"spellings": {"terms": {"field": f"{name}_label", "size": MAX_SPELLINGS}}}
    order = [{"_count": "desc"}, {"_key": "asc"}]
    return {
        name: {"terms": {"field": field, "size": facet.size, "order": order}, "aggs": spellings},
        f"{name}_missing": {"missing": {"field": f"{name}_label"}},
    }


def _translate_filter(value_filter: ValueFilter) -> Iterable[Json]:
    if value_filter.any_of:
        yield _match_values(value_filter.field, value_filter.any_of)
    if value_filter.none_of:
        yield {"bool": {"must_not": [_match_values(value_filter.field, value_filter.none_of)]}}


def _match_values(field: ValueField, values: Iterable[str]) -> Json:
    name = value_field(field)
    return {"terms": {name: list(values)}}


def _translate_node(node: Node, field: str | None, *, scored: bool) -> Json:
    match node:
        case Nothing():
            return {"match_none": {}}
        case Word():
            return _search_text(
                _match_word("text", node),
                _match_word("title", node),
                _match_word(field, node) if field else None,
                scored=scored,
            )
        case Phrase(tokens=tokens):
            inside = _match_phrase(field, tokens) if field else None
            return _search_text(_match_phrase("text", tokens), _match_phrase("title", tokens), inside, scored=scored)
        case Prefix(token=token):
            return {"prefix": {field or "text": {"value": token, "rewrite": "constant_score", "boost": PREFIX_SCORE}}}
        case Value(field=name, value=value):
            return _drop_score(_match_values(name, [value]))
        case InField(field=name, node=inner):
            return _translate_node(inner, name, scored=scored)
        case Not(node=inner):
            return _drop_score({"bool": {"must_not": [_translate_node(inner, field, scored=False)]}})
        case And(nodes=nodes):
            return _translate_and(nodes, field, scored=scored)
        case Or(nodes=nodes):
            children = [_translate_node(child, field, scored=scored) for child in nodes]
            return {"bool": {"should": children, "minimum_should_match": 1}}
    raise TypeError(node)


def _translate_and(nodes: Iterable[Node], field: str | None, *, scored: bool) -> Json:
    included = [_translate_node(node, field, scored=scored) for node in nodes if not isinstance(node, Not)]
    excluded = [_translate_node(node.node, field, scored=False) for node in nodes if isinstance(node, Not)]
    clauses: Json = {"must": included or [_drop_score({"match_all": {}})]}
    if excluded:
        clauses["must_not"] = excluded
    return {"bool": clauses}


def _search_text(text: Json, title: Json, inside: Json | None, *, scored: bool) -> Json:
    """Search one field; without a field search the whole text, and add a match in the title to the score."""
    if inside is not None:
        return inside
    if not scored:
        return text
    return {"bool": {"must": [text], "should": [{"bool": {"must": [title], "boost": TITLE_BOOST}}]}}


def _match_phrase(field: str, tokens: tuple[str, ...]) -> Json:
    if len(tokens) == 1:
        return {"term": {field: {"value": tokens[0]}}}
    return {"match_phrase": {field: {"query": " ".join(tokens)}}}


def _match_word(field: str, word: Word) -> Json:
    folded: Json = {"term": {field: {"value": word.token}}}
    if field in {"author", "category"}:
        return folded
    return {"dis_max": {"queries": [folded, {"term": {f"{field}_stem": {"value": word.stem}}}]}}


def _drop_score(query: Json) -> Json:
    return {"constant_score": {"filter": query, "boost": 0.0}}


def _boost_bands(query: Json, bands: tuple[RecencyBand, ...]) -> Json:
    """Multiply the score of each item by the factor of its band."""
    functions = []
    end: int | None = None
    for band in bands:
        bounds = {"gte": band.start} | ({"lt": end} if end is not None else {})
        functions.append({"filter": {"range": {"published": bounds}}, "weight": band.factor})
        end = band.start
    return {"function_score": {"query": query, "functions": functions, "score_mode": "first", "boost_mode": "multiply"}}
