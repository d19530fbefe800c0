"""Golden outputs: what must stay the same while the code behind it changes.

`openapi.json` and `help.txt` are compared by the quick suite. `answers.json` and `items.json` hold digests of answers
over a year of real news (../shared/data), compared by the long suite. `state-0.1.0/` is a data folder and a table as
version 0.1.0 wrote them: later versions must open them. `python -m tests.golden` writes the outputs anew after a
change that is meant to be seen; the state of an old version is never written anew.
"""

import argparse
import json
import os
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from urllib.parse import urlencode

from newswire.app import App
from newswire.cli.main import make_parser
from newswire.web.openapi import document
from tests.support.transports import AsEvents

FOLDER = Path(__file__).parent
STATE = FOLDER / "state-0.1.0"
MOVING = frozenset({"took_ms", "next"})
SCORE_DIGITS = 4


def openapi_text() -> str:
    """Return the OpenAPI document, indented, with its keys in their own order."""
    return json.dumps(json.loads(document()), indent=1, ensure_ascii=False) + "\n"


def help_text() -> str:
    """Return `--help` of newswire and of each of its commands, as an 80-column terminal shows it."""
    before = os.environ.get("COLUMNS")
    os.environ["COLUMNS"] = "80"
    try:
        return "".join(f"$ {parser.prog} --help\n{parser.format_help()}\n" for parser in _parsers(make_parser()))
    finally:
        os.environ.pop("COLUMNS")
        if before is not None:
            os.environ["COLUMNS"] = before


def _parsers(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    yield parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for child in action.choices.values():
                yield from _parsers(child)


def settled(value: object) -> object:
    """Leave out what differs between two runs, and the last digits of scores."""
    if isinstance(value, dict):
        return {
            key: round(element, SCORE_DIGITS) if key == "score" and element is not None else settled(element)
            for key, element in value.items()
            if key not in MOVING
        }
    return [settled(element) for element in value] if isinstance(value, list) else value


def digest(value: object) -> str:
    return sha256(json.dumps(value, sort_keys=True, ensure_ascii=False).encode()).hexdigest()[:16]


def answers(app: App, *, scored: bool) -> dict[str, str]:
    """Return a digest of the answer to each search of `bench/mix.py`.

    A score of OpenSearch depends on which deleted documents its segments still hold, so it is left out (`scored`).
    """
    from bench.mix import fifty

    api, results = AsEvents(app), {}
    for search in fifty():
        answer = api.ask(f"/v1/search?{urlencode(search.sent)}").json()
        if not scored:
            for item in answer["items"]:
                item.pop("score", None)
        results[urlencode(search.sent)] = digest(settled(answer))
    return results


def items(app: App, fields: str = "id,revision,published,first_seen,changed") -> Iterator[dict]:
    """Walk all items by `changed`, oldest first."""
    api, cursor = AsEvents(app), None
    while True:
        sent = {"sort": "oldest", "size": "200", "fields": fields}
        answer = api.ask(f"/v1/search?{urlencode(sent | ({'cursor': cursor} if cursor else {}))}").json()
        yield from answer["items"]
        cursor = answer["next"]
        if cursor is None:
            return


def items_digest(app: App) -> dict[str, object]:
    """Return how many items there are, and a digest of their ids, revisions and dates."""
    rows = sorted(tuple(item.values()) for item in items(app))
    return {"count": len(rows), "digest": digest(rows)}


def read(name: str) -> str:
    return (FOLDER / name).read_text()
