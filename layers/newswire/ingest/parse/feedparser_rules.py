"""feedparser's strict parser with the rules of newswire, where feedparser's own lose or mix what a publisher wrote.

Its own sanitising, half of its time, is off, since `item.py` strips markup; so is its reading of dates (`feed_dates.py`).
"""

from __future__ import annotations

import re
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit
from xml.parsers import expat

from feedparser.api import StrictFeedParser
from feedparser.util import FeedParserDict

_ADDRESS = re.compile(r"[^\s<>()\[\],;:\"@]{1,64}@(?:[\w-]{1,63}\.){1,10}[\w-]{2,63}(?:\?subject=\S*)?")
_EMPTY_BRACKETS = re.compile(r"\(\s*\)|<\s*>|\[\s*\]|&lt;\s*&gt;")
_MAILTO = re.compile(r"\bmailto:\s*", re.IGNORECASE)
_BEHIND_ADDRESS = re.compile(r"[>\])]{0,9}[ \t]{0,9}(?:\([^()]{0,200}\))?")
_NEXT_NAME = re.compile(r"\s{0,9}(?:[,;&/|]\s{0,9}|and\s)\S", re.IGNORECASE)
_BEFORE_NAME = re.compile(r"[\s,;&/|]*(?:and\b[\s,]*)?", re.IGNORECASE)
_RESERVED = frozenset(
    {
        *("links", "authors", "contributors", "publishers", "tags", "enclosures", "guidislink", "media_content"),
        *(
            "media_thumbnail",
            "media_credit",
            "media_rating",
            "media_restriction",
            "media_license",
            "media_player",
            "where",
        ),
    }
)
"""Keys under which feedparser keeps lists and flags, in the same dictionary as the texts of unknown elements."""
TEXT_BYTES = 65_536
"""Bytes of a text that expat reports at once."""
MAX_AUTHOR_CHARACTERS = 2_000
"""Characters of an author in which an address is searched for."""


class _TextDetails(FeedParserDict):  # type: ignore[misc]  # feedparser has no types
    """The type, language and base of a text; feedparser copies them deeply for each text, though they hold only strings."""

    def __deepcopy__(self, _memo: object) -> FeedParserDict:
        return FeedParserDict(self)


class _RuledParser(StrictFeedParser):  # type: ignore[misc]  # feedparser has no types
    """feedparser's handler of the events of an XML parser. Its methods are named after elements: `_start_NAME`."""

    contentparams: FeedParserDict
    resolve_relative_uris = False
    sanitize_html = False

    # The texts of other vocabularies stay apart: feedparser takes the last of them for the description, even an empty one.

    def _start_itunes_subtitle(self, _attributes: dict[str, str]) -> None:
        self.push("itunes_subtitle", 1)

    def _end_itunes_subtitle(self) -> None:
        self._keep_first("itunes_subtitle")

    def _start_itunes_summary(self, _attributes: dict[str, str]) -> None:
        self.push("itunes_summary", 1)

    def _end_itunes_summary(self) -> None:
        self._keep_first("itunes_summary")

    def _start_media_title(self, _attributes: dict[str, str]) -> None:
        self.push("media_title", 1)

    def _end_media_title(self) -> None:
        self._keep_first("media_title")

    def _start_media_description(self, _attributes: dict[str, str]) -> None:
        self.push("media_caption" if self._is_in_media else "media_description", 1)

    def _end_media_description(self) -> None:
        self._keep_first("media_caption" if self._is_in_media else "media_description")

    def _start_media_content(self, attributes: dict[str, str]) -> None:
        self._is_in_media = True
        super()._start_media_content(attributes)

    def _end_media_content(self) -> None:
        self._is_in_media = False

    _is_in_media = False
    """Inside media:content, whose description is the caption of a picture."""

    def _keep_first(self, name: str) -> None:
        """End an element whose first text that is not empty counts."""
        context = self._get_context()
        before = dict.get(context, name)
        self.pop(name)
        if before:
            context[name] = before

    def push_content(self, *arguments: Any) -> None:  # noqa: ANN401 - feedparser has no types
        super().push_content(*arguments)
        self.contentparams = _TextDetails(self.contentparams)

    # An empty link replaces none, and a relation may be written as the URI of its registration (RFC 4287 4.2.7.2).

    def _start_link(self, attributes: dict[str, str]) -> None:
        relation = attributes.get("rel", "").strip()
        if relation.lower().startswith(_RELATIONS):
            attributes["rel"] = relation[len(_RELATIONS) :].lower()
        super()._start_link(attributes)

    def _end_link(self) -> None:
        context = self._get_context()
        before = dict.get(context, "link")
        self.pop("link")
        if before and not dict.get(context, "link"):
            context["link"] = before

    # A guid is a link only where it says so, and `syndication.py` decides.

    def _start_guid(self, attributes: dict[str, str]) -> None:
        self.guidislink = attributes.get("ispermalink", "true").strip().lower() not in {"false", "no", "0"}
        self.push("id", 1)

    _start_id = _start_guid

    def _end_guid(self) -> None:
        self.pop("id")
        self._save("guidislink", self.guidislink, overwrite=True)

    _end_id = _end_guid

    # A name is what is left without the address, whatever its top-level domain.

    def _sync_author_detail(self, key: str = "author") -> None:
        context = self._get_context()
        people = dict.get(context, f"{key}s")
        person = people[-1] if people else {}
        name, address = dict.get(person, "name"), dict.get(person, "email")
        if name or address:
            context[key] = name or address
            return
        text = dict.get(context, key)
        if text and people:
            first, *others = names_of(text)
            person["name"] = first
            people.extend(FeedParserDict(name=name) for name in others)

    # Dates are read by `feed_dates.py`.

    def _end_published(self) -> None:
        self.pop("published")

    _end_issued = _end_pubdate = _end_dcterms_issued = _end_published

    def _end_updated(self) -> None:
        self.pop("updated")

    _end_modified = _end_lastbuilddate = _end_dc_date = _end_dcterms_modified = _end_updated

    def _end_created(self) -> None:
        self.pop("created")

    _end_dcterms_created = _end_created


def names_of(author: str) -> list[str]:
    """Return the names in the text of an author, at least one; an address without a name is one too.

    Only addresses part names from each other: without them, a comma may stand inside one name ("Smith, Jane").
    """
    text = author[:MAX_AUTHOR_CHARACTERS]
    addresses = list(_ADDRESS.finditer(text)) if "@" in text else []
    if not addresses:
        return [author]
    if len(addresses) == 1 and not _is_followed_by_a_name(text, addresses[0]):
        return [_name_beside(text, addresses[0].group())]
    names, at = [], 0
    for address in addresses:
        end = _end_of(text, address)
        names.append(_name_beside(_BEFORE_NAME.sub("", text[at:end], 1), address.group()))
        at = end
    last = _BEFORE_NAME.sub("", text[at:], 1).strip()
    return list(dict.fromkeys(filter(None, [*names, last])))


def _is_followed_by_a_name(text: str, address: re.Match[str]) -> bool:
    """Return whether an address has its name, and another name comes behind it."""
    end = _end_of(text, address)
    return _NEXT_NAME.match(text, end) is not None and _name_beside(text[:end], address.group()) != address.group()


def _end_of(text: str, address: re.Match[str]) -> int:
    """Return the offset behind an address, its bracket, and a name in brackets that follows it."""
    behind = _BEHIND_ADDRESS.match(text, address.end())
    return behind.end() if behind is not None else address.end()


def _name_beside(text: str, address: str) -> str:
    """Return the name in a text beside an address, or the address."""
    text = _EMPTY_BRACKETS.sub("", _MAILTO.sub("", text).replace(address, "")).strip(" \t\r\n,;:-")
    if text[:1] == "(" and text[-1:] == ")":
        text = text[1:-1]
    return text.strip(" \t\r\n\"'") or address


_RELATIONS = "http://www.iana.org/assignments/relation/"


class _Events:
    """Passes the events of expat on to feedparser, with names in the prefixes that feedparser gives to namespaces.

    The standard library's reader does the same in twice the time: it makes objects of all attributes, and reports a text
    in pieces.
    """

    def __init__(self, handler: _RuledParser) -> None:
        self._handler = handler
        self._scopes: list[tuple[str, str | None]] = []
        """The base and the language outside of each open element; feedparser itself does not leave all of them."""
        self._names: dict[str, str] = {}
        self._prefixes: dict[str, str] = {}
        """The first prefix that the document declares for a namespace."""

    def declare(self, prefix: str | None, uri: str | None) -> None:
        self._names.clear()
        if prefix and uri:
            self._prefixes.setdefault(uri, prefix)
        self._handler.startPrefixMapping(prefix, uri)

    def start(self, name: str, attributes: dict[str, str]) -> None:
        handler = self._handler
        self._scopes.append((handler.baseuri, handler.lang))
        pairs = []
        for key, value in attributes.items():
            uri, space, rest = key.partition(" ")
            if not space:
                pairs.append((key.lower(), value))
                continue
            local, _, prefix = rest.partition(" ")
            known = handler._matchnamespaces.get(uri.lower())  # noqa: SLF001 - feedparser has no other way
            names = [f"{given}:{local}".lower() for given in dict.fromkeys((known, prefix)) if given]
            pairs += [(given, value) for given in names if given != "xml:base" or _can_be_split(value)]
        with suppress(Exception):  # feedparser's methods raise for elements at odd places: only the element is lost
            handler.unknown_starttag(self._names.get(name) or self._name_of(name), pairs)

    def end(self, name: str) -> None:
        handler = self._handler
        with suppress(Exception):
            handler.unknown_endtag(self._names.get(name) or self._name_of(name))
        handler.baseuri, handler.lang = self._scopes.pop()
        del handler.basestack[len(self._scopes) :]
        del handler.langstack[len(self._scopes) :]

    def _name_of(self, name: str) -> str:
        """Return `prefix:local` in lower case for the `uri local prefix` of expat; the prefix is feedparser's if it has one."""
        uri, space, rest = name.partition(" ")
        if not space:
            return self._names.setdefault(name, _unreserved(name.lower()))
        local = _unreserved(rest.partition(" ")[0].lower())
        lower = "http://backend.userland.com/rss" if "backend.userland.com/rss" in uri.lower() else uri.lower()
        prefix = self._handler._matchnamespaces.get(lower)  # noqa: SLF001
        if prefix is None:
            prefix = self._prefixes.get(uri, "")
        return self._names.setdefault(name, f"{prefix}:{local}".lower() if prefix else local)


def _unreserved(name: str) -> str:
    """Return the name of an element so that its text does not take the place of one of feedparser's own values."""
    return f"other_{name}" if name in _RESERVED or name.endswith("_detail") else name


def _can_be_split(url: str) -> bool:
    try:
        urlsplit(url)
    except ValueError:
        return False
    return True


def run_feedparser(document: bytes) -> Any:  # noqa: ANN401 - feedparser has no types
    """Return the parser after a well-formed document in UTF-8: its `feeddata`, `entries` and `version`.

    Raises `expat.ExpatError` for a document that is not well-formed.
    """
    handler = _RuledParser("", None, "utf-8")
    events = _Events(handler)
    parser = expat.ParserCreate("utf-8", namespace_separator=" ")
    parser.namespace_prefixes = True
    parser.buffer_text = True
    parser.buffer_size = TEXT_BYTES
    parser.StartNamespaceDeclHandler = events.declare
    parser.StartElementHandler = events.start
    parser.EndElementHandler = events.end
    parser.CharacterDataHandler = handler.handle_data
    parser.Parse(document, True)  # noqa: FBT003 - expat's signature: True marks the end of the document
    return handler
