"""Every regular expression of the library takes linear time, whatever a publisher or caller sends."""

import importlib
import pkgutil
import re
import time
from collections.abc import Iterator
from functools import cached_property

import pytest

import newswire

SEEDS = (
    *"a0 .-_@=/:;,<>&#'\"?\t\n*()[]{}+~\\|%é中",
    "ab", "a.", "a-", "a ", "a=", "a@", "a,", "a;q=", "0 ", "1.", "1:", "1-", "12:", "\r\n", '""', '"a', "%2", "a/",
    "<a", "<a ", "<a>", "</", "</a", "</a ", "<a:", "<!", "<!--", "-->", "<!doctype ", "<?", "<![CDATA[", "]]>", "&#", "&#x", "&a",
    "<guid", "<guid ispermalink=", "<date", "<date>", "<date ", "<a:date ", "<lastBuildDate>", "<item", "<item ", "</item ",
    "<rss", "</rss ", "/>", "/> ", "<html", "ispermalink=", "charset=", "charset =", "http://", "http://a.", "https://a@",
    "12</hour", "a</day", "monday ", "Mon, 1 ", "1 de ", "2025-", "20251124", "T12:", "+01:", "(a", "-1 ", "..", "-v", "key=",
    "=1", ";=", "\u0301", "\u0301\u0316", "\ue000", "Ａ", "\u202e", "q=", "&q=", "size=1",
)  # fmt: skip
"""Parts of hostile inputs; each is repeated, alone and after or before a few others."""

SHORT_INPUTS = {
    "newswire.ingest.parse.feedparser_rules": 2_000,  # `names_of` looks at the first characters of an author
    "newswire.ingest.parse.feed_dates": 100,  # `read_feed_date` refuses longer texts
    "newswire.search.dates": 200,  # the API quotes and refuses longer values
}
"""Modules whose patterns only see inputs of a limited length, in characters."""

MATCHED_AT_ONE_PLACE = {
    ("newswire.urls", "_SCHEME"),
    ("newswire.search.grammar", "_FIELD"),
    ("newswire.urls", "_HOST"),
    ("newswire.urls", "_HOST_AND_PATH"),
    ("newswire.ingest.response_head", "_FIELD"),
    ("newswire.ingest.parse.feedparser_rules", "_BEHIND_ADDRESS"),
    ("newswire.ingest.parse.feedparser_rules", "_NEXT_NAME"),
    ("newswire.ingest.parse.feedparser_rules", "_BEFORE_NAME"),
    ("newswire.ingest.markup", "_ATTRIBUTES"),
    ("newswire.ingest.markup", "_QUALIFIED_NAME"),
    ("newswire.ingest.markup", "_CUSTOM_NAME"),
    ("newswire.ingest.markup", "_CUT_TAG"),
    ("newswire.ingest.markup", "_TAG_REST"),  # after a failure it is not tried again in the same text
}
"""Patterns that are never searched for, only matched at a known place."""

SIZES = (10_000, 100_000, 1_000_000)
BASE_SECONDS = 0.02
"""Times below this are not compared: they are lost in the noise of the machine."""


def modules() -> Iterator[str]:
    for module in pkgutil.walk_packages(newswire.__path__, "newswire."):
        if not module.name.startswith(("newswire.cli", "newswire.handlers", "newswire.__main__")):
            yield module.name


def patterns_of(name: str) -> dict[str, re.Pattern]:
    """Return the compiled patterns of a module, also those that are compiled on first use."""
    module = importlib.import_module(name)
    found = {}
    for attribute, value in vars(module).items():
        if isinstance(value, re.Pattern):
            found[attribute] = value
        elif isinstance(value, dict):
            found |= {f"{attribute}[{key}]": part for key, part in value.items() if isinstance(part, re.Pattern)}
        else:
            lazy = [key for key, part in vars(type(value)).items() if isinstance(part, cached_property)]
            if type(value).__module__ == name:
                parts = {key: getattr(value, key) for key in lazy}
                found |= {f"{attribute}.{key}": part for key, part in parts.items() if isinstance(part, re.Pattern)}
    return found


ALL = [(name, attribute) for name in modules() for attribute in patterns_of(name)]


def seconds(pattern: re.Pattern, text: str, size: int, *, is_searched: bool = True) -> float:
    """Return the CPU seconds of matching a repeated text, and of finding the pattern everywhere in it."""
    whole = (text * (size // len(text) + 1))[:size]
    subject = whole.encode() if isinstance(pattern.pattern, bytes) else whole
    started = time.process_time()
    pattern.match(subject)
    pattern.fullmatch(subject)
    if is_searched:
        for _match in pattern.finditer(subject):
            pass
    return time.process_time() - started


def test_there_are_patterns() -> None:
    assert len(ALL) > 50
    assert ("newswire.analysis", "_PATTERNS.token") in ALL


@pytest.mark.parametrize(("module", "name"), ALL)
def test_pattern_takes_linear_time(module: str, name: str) -> None:
    pattern = patterns_of(module)[name]
    if module in SHORT_INPUTS:
        worst = max(SEEDS, key=lambda seed: seconds(pattern, seed, SHORT_INPUTS[module]))
        assert seconds(pattern, worst, SHORT_INPUTS[module]) < BASE_SECONDS, worst
        return
    is_searched = (module, name) not in MATCHED_AT_ONE_PLACE
    for seed in SEEDS:
        before = seconds(pattern, seed, SIZES[0], is_searched=is_searched)
        for size in SIZES[1:]:
            took = seconds(pattern, seed, size, is_searched=is_searched)
            if took < BASE_SECONDS:
                break  # ten times as much is far below the second that a quadratic pattern would take
            assert took < 30 * max(before, BASE_SECONDS / 10), (seed, size, before, took)
            before = took
