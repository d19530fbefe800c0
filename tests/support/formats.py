"""Validate documents against the schemas of their formats in `tests/support/schemas`."""

import json
from functools import lru_cache

import jsonschema
from lxml import etree

from tests.conftest import ROOT

SCHEMAS = ROOT / "tests" / "support" / "schemas"


@lru_cache
def relax_ng(form: str) -> etree.RelaxNG:
    return etree.RelaxNG(etree.parse(SCHEMAS / f"{form}.rng"))


def assert_valid(form: str, body: bytes) -> None:
    """Validate RSS and Atom with RELAX NG, and JSON Feed with its JSON schema."""
    if form == "jsonfeed":
        schema = json.loads((SCHEMAS / "jsonfeed.json").read_text())
        validator = jsonschema.Draft202012Validator(schema, format_checker=jsonschema.FormatChecker())
        assert [error.message for error in validator.iter_errors(json.loads(body))] == []
        return
    document = etree.fromstring(body, etree.XMLParser(resolve_entities=False, no_network=True))
    grammar = relax_ng(form)
    assert grammar.validate(document), grammar.error_log.last_error
