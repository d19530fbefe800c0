"""Bodies for OpenSearch: what an engine is told of a search comes in, JSON goes out, and an item becomes a document. Pure.

OpenSearch knows nothing of language here: its fields hold tokens from `analysis.py` with white space between, and queries
carry tokens, so that both engines find the same.
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
)
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
    ValueFilter,
    Word,
)
from newswire.model import FeedStatus, Item, ItemWrite

Json = dict[str, Any]

SCHEMA = 2
"""The version of the fields below; an index of another one is built anew from the archive."""

SPELLINGS = 50
"""Of the labels that stand beside a value, so many are looked at for its commonest spelling."""
STATUSES_PAGE = 1_000
"""So many statuses come in one answer; with more feeds a further request is made."""
DELETED_AT_ONCE = 1_000
PREFIX_SCORE = 1 / 2.2
"""What a prefix scores: the 1 of tantivy, whose BM25 gives k1 + 1 = 2.2 times the scores of Lucene's."""
ABSENT = "-"
"""Stands where an item has no tokens or no stems, and is none itself: Lucene reckons a term's rarity among the items that
have its field at all. (White space, such as control characters of ASCII, would be dropped by the tokenizer.)"""

_TEXT: Json = {"type": "text", "analyzer": "tokens"}
_STEMS: Json = {"type": "text", "analyzer": "tokens", "index_options": "freqs"}
_KEYWORD: Json = {"type": "keyword"}
_NUMBER: Json = {"type": "long"}
_UNINDEXED: Json = {"type": "object", "enabled": False}
_NUMBERS = (*DATE_FIELDS, "seq", "tie", "mark")
_STORED = ("item", "body")
_SINGLE_FIELDS = frozenset({"feed", "feed_label", "lang_label"})


# --- the index --------------------------------------------------------------------------------------------------------


def items_template(pattern: str, shards: int | None, replicas: int | None) -> Json:
    """Describe the indexes of items: strict, so that an unknown field is refused rather than guessed.

    `shards` and `replicas` are None where they can't be chosen (Serverless).
    """
    properties: Json = {
        "id": _KEYWORD,
        **dict.fromkeys(WORD_FIELDS, _TEXT),
        **dict.fromkeys(STEM_FIELDS, _STEMS),
        **dict.fromkeys((*KEYWORD_FIELDS, *LABEL_FIELDS), _KEYWORD),
        **dict.fromkeys(_NUMBERS, _NUMBER),
        **dict.fromkeys(_STORED, _UNINDEXED),
    }
    return {
        "index_patterns": [pattern],
        "priority": 200,
        "template": {
            "settings": {
                **_copies(shards, replicas),
                "analysis": {"analyzer": {"tokens": {"type": "custom", "tokenizer": "whitespace"}}},
            },
            "mappings": {
                "dynamic": "strict",
                "_meta": {"schema": SCHEMA},
                # Tokens are made anew from the archive, never from here; left in, they would double what is stored.
                "_source": {"includes": [*_STORED, "seq", "mark"]},
                "properties": properties,
            },
        },
    }


def statuses_template(pattern: str, replicas: int | None) -> Json:
    """Describe the small index of feed statuses."""
    properties: Json = {
        "id": _KEYWORD,
        "seq": _NUMBER,
        "mark": _NUMBER,
        "deleted": {"type": "boolean"},
        "status": _UNINDEXED,
    }
    return {
        "index_patterns": [pattern],
        "priority": 200,
        "template": {
            "settings": _copies(None if replicas is None else 1, replicas),
            "mappings": {"dynamic": "strict", "properties": properties},
        },
    }


def _copies(shards: int | None, replicas: int | None) -> Json:
    return {} if shards is None else {"number_of_shards": shards, "number_of_replicas": replicas}


# --- documents --------------------------------------------------------------------------------------------------------


def document_of(write: ItemWrite, mark: int) -> Json:
    """Build the document of an item: its indexed fields, its `seq`, the writer's mark, and the item itself.

    The sum of all marks changes whenever the index does.
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
    document |= _single(indexed.strings) | indexed.dates
    document["body"] = {"content": plain.pop("content")}
    return document | {"seq": write.seq, "tie": indexed.tie, "mark": mark, "item": plain}


def _single(strings: dict[str, list[str]]) -> Json:
    """Write the fields of one value as a string, the others as a list."""
    return {name: values[0] if name in _SINGLE_FIELDS else values for name, values in strings.items()}


def item_of(source: Json) -> Item:
    """Read an item from what is stored; without its content where that was not asked for."""
    content = source.get("body", {}).get("content", "")
    return msgspec.convert({**source["item"], "content": content}, Item)


def stored_fields(*, with_content: bool) -> list[str]:
    """Say which stored fields a search is to give."""
    return list(_STORED) if with_content else ["item"]


def status_document(status: FeedStatus, mark: int) -> Json:
    """Make the document of a status; of one that is deleted only the number stays, so that no older one comes back."""
    return {
        "id": status.id,
        "seq": status.rev,
        "mark": mark,
        "deleted": status.deleted,
        "status": {} if status.deleted else status,
    }


# --- queries ----------------------------------------------------------------------------------------------------------


def search_body(query: SearchQuery, size: int) -> Json:
    """Ask for a page with its exact total, its facets and its histogram."""
    by_relevance = query.sort == "relevance"
    body: Json = {
        "size": size,
        "track_total_hits": True,
        "track_scores": by_relevance,
        "_source": stored_fields(with_content=query.with_content),
        "query": matching(query),
        "sort": ["_score", {"tie": "asc"}]
        if by_relevance
        else [{query.date_field: "desc" if query.sort == "newest" else "asc"}, {"tie": "asc"}],
    }
    after = query.after
    if after is not None and by_relevance:
        body["from"] = after.offset
    elif after is not None:
        body["search_after"] = [after.value, after.tie]
    if counted := counts_of(query):
        body["aggs"] = counted
    return body


def matching(query: SearchQuery) -> Json:
    """Translate a query: what scores in `must`, what only narrows in `filter`."""
    scored = query.sort == "relevance"
    filters = [clause for one in query.filters for clause in _filters(one)]
    if query.start is not None or query.end is not None:
        bounds = {"gte": query.start} if query.start is not None else {}
        bounds |= {"lt": query.end} if query.end is not None else {}
        filters.append({"range": {query.date_field: bounds}})
    elif query.date_field == "updated":
        filters.append({"exists": {"field": "updated"}})
    found: Json = {}
    if query.node is not None:
        found["must" if scored else "filter"] = [_node(query.node, None, scored=scored)]
    if filters:
        found["filter"] = [*found.get("filter", []), *filters]
    body: Json = {"bool": found} if found else {"match_all": {}}
    return _banded(body, query.recency) if scored and query.recency else body


def counts_of(query: SearchQuery) -> Json:
    """Ask for facets and buckets over all that is found."""
    asked: Json = {}
    for one in query.facets:
        asked |= _facet(one)
    if len(query.edges) > 1:
        ranges = [{"from": low, "to": high} for low, high in zip(query.edges, query.edges[1:], strict=False)]
        asked["buckets"] = {"range": {"field": query.date_field, "ranges": ranges}}
    return asked


def span_body(query: SearchQuery) -> Json:
    """Ask for the first and the last instant of what is found."""
    ends = {"first": {"min": {"field": query.date_field}}, "last": {"max": {"field": query.date_field}}}
    return {"size": 0, "query": matching(msgspec.structs.replace(query, sort="newest")), "aggs": ends}


def count_body() -> Json:
    """Ask how many items there are, exactly."""
    return {"size": 0, "track_total_hits": True}


def state_body() -> Json:
    """Ask for what changes whenever the index does; answered from the request cache while it does not."""
    return count_body() | {"aggs": {"marks": {"sum": {"field": "mark"}}}}


def statuses_body(feeds: Iterable[str] | None) -> Json:
    """Ask for the statuses of these feeds, or of all, by id."""
    matching: Json = {"bool": {"must_not": [{"term": {"deleted": {"value": True}}}]}}
    if feeds is not None:
        matching["bool"]["filter"] = [{"terms": {"id": sorted(set(feeds))}}]
    return {"size": STATUSES_PAGE, "_source": ["status"], "query": matching, "sort": [{"id": "asc"}]}


def seen_body(ids: list[str]) -> Json:
    """Ask which of these documents a search sees, with their numbers and the marks of their writers."""
    return {"size": len(ids), "_source": False, "docvalue_fields": ["seq", "mark"], "query": {"terms": {"id": ids}}}


def of_feed_body(feed: str) -> Json:
    """Ask for the ids of some items of a feed."""
    wanted = {"term": {"feed": {"value": analysis.fold_whole(feed)}}}
    return {"size": DELETED_AT_ONCE, "_source": False, "query": wanted}


def _facet(wanted: FacetQuery) -> Json:
    name = wanted.field
    field = f"{name}_value" if name in {"category", "author"} else f"{name}_label" if name == "lang" else name
    spellings = {"spellings": {"terms": {"field": f"{name}_label", "size": SPELLINGS}}}
    order = [{"_count": "desc"}, {"_key": "asc"}]
    return {
        name: {"terms": {"field": field, "size": wanted.size, "order": order}, "aggs": spellings},
        f"{name}_missing": {"missing": {"field": f"{name}_label"}},
    }


def _filters(one: ValueFilter) -> Iterable[Json]:
    if one.any_of:
        yield _whole(one.field, one.any_of)
    if one.none_of:
        yield {"bool": {"must_not": [_whole(one.field, one.none_of)]}}


def _whole(field: str, values: Iterable[str]) -> Json:
    name = f"{field}_value" if field in {"category", "author"} else field
    return {"terms": {name: list(values)}}


def _node(node: Node, field: str | None, *, scored: bool) -> Json:
    match node:
        case Nothing():
            return {"match_none": {}}
        case Word():
            return _looked_for(
                _word("text", node), _word("title", node), _word(field, node) if field else None, scored=scored
            )
        case Phrase(tokens=tokens):
            inside = _phrase(field, tokens) if field else None
            return _looked_for(_phrase("text", tokens), _phrase("title", tokens), inside, scored=scored)
        case Prefix(token=token):
            return {"prefix": {field or "text": {"value": token, "rewrite": "constant_score", "boost": PREFIX_SCORE}}}
        case Value(field=name, value=value):
            return _unscored(_whole(name, [value]))
        case InField(field=name, node=inner):
            return _node(inner, name, scored=scored)
        case Not(node=inner):
            return _unscored({"bool": {"must_not": [_node(inner, field, scored=False)]}})
        case And(nodes=nodes):
            return _all_of(nodes, field, scored=scored)
        case Or(nodes=nodes):
            return {"bool": {"should": [_node(one, field, scored=scored) for one in nodes], "minimum_should_match": 1}}
    raise TypeError(node)


def _all_of(nodes: Iterable[Node], field: str | None, *, scored: bool) -> Json:
    wanted = [_node(one, field, scored=scored) for one in nodes if not isinstance(one, Not)]
    excluded = [_node(one.node, field, scored=False) for one in nodes if isinstance(one, Not)]
    found: Json = {"must": wanted or [_unscored({"match_all": {}})]}
    if excluded:
        found["must_not"] = excluded
    return {"bool": found}


def _looked_for(text: Json, title: Json, inside: Json | None, *, scored: bool) -> Json:
    """Look in one field, or in the whole text with the title counting beside it."""
    if inside is not None:
        return inside
    if not scored:
        return text
    return {"bool": {"must": [text], "should": [{"bool": {"must": [title], "boost": TITLE_BOOST}}]}}


def _phrase(field: str, tokens: tuple[str, ...]) -> Json:
    if len(tokens) == 1:
        return {"term": {field: {"value": tokens[0]}}}
    return {"match_phrase": {field: {"query": " ".join(tokens)}}}


def _word(field: str, word: Word) -> Json:
    folded: Json = {"term": {field: {"value": word.token}}}
    if field in {"author", "category"}:
        return folded
    return {"dis_max": {"queries": [folded, {"term": {f"{field}_stem": {"value": word.stem}}}]}}


def _unscored(query: Json) -> Json:
    return {"constant_score": {"filter": query, "boost": 0.0}}


def _banded(query: Json, bands: tuple[RecencyBand, ...]) -> Json:
    """Multiply each score by the factor of the band that the item was published in."""
    functions = []
    end: int | None = None
    for band in bands:
        bounds = {"gte": band.start} | ({"lt": end} if end is not None else {})
        functions.append({"filter": {"range": {"published": bounds}}, "weight": band.factor})
        end = band.start
    return {"function_score": {"query": query, "functions": functions, "score_mode": "first", "boost_mode": "multiply"}}
