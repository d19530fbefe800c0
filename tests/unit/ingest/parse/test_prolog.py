"""The prolog of an XML document: where its root begins, and whether it declares entities."""

import pytest

from newswire.ingest.parse import parse
from newswire.ingest.parse.prolog import declares_entities, root_start
from newswire.model import Refusal
from tests import factories
from tests.support.hostile_documents import ENTITIES


@pytest.mark.parametrize(
    ("prolog", "root"),
    [
        (b"", b"<rss>"),
        (b'<?xml version="1.0"?>\n', b"<rss>"),
        (b"<!-- <rss> --> ", b"<feed>"),
        (b"<!DOCTYPE rss>", b"<rss>"),
        (b'<!doctype html PUBLIC "-//x//EN" "http://x.example/a.dtd">', b"<html>"),
        (b"<!DOCTYPE rss [<!ELEMENT a (#PCDATA)> <!-- ]> --> <?x ]> ?> <!NOTATION a PUBLIC ']>'>]\n>", b"<rss>"),
    ],
)
def test_root_comes_after_the_prolog(prolog: bytes, root: bytes) -> None:
    document = prolog + root
    assert root_start(document) == len(prolog)
    assert not declares_entities(document)


@pytest.mark.parametrize(
    "document", [b"", b"text", b"<!-- open", b"<?open", b"<!DOCTYPE open", b"<!DOCTYPE a [<!-- open"]
)
def test_prolog_without_an_end_has_no_root(document: bytes) -> None:
    assert root_start(document) == len(document)


@pytest.mark.parametrize("name", ENTITIES)
def test_declared_entities_are_refused_in_every_format(name: str) -> None:
    document = parse(factories.record(body=ENTITIES[name]))
    assert isinstance(document, Refusal)
    assert document.code == "entities"


def test_entities_in_a_text_are_no_declaration() -> None:
    body = b"<rss version='2.0'><channel><item><title><![CDATA[<!ENTITY a 'b'>]]></title></item></channel></rss>"
    assert not isinstance(parse(factories.record(body=body)), Refusal)
