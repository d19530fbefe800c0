"""Mend an XML document that is not well-formed, so that one strict parser reads every document. Pure, and linear in time.

Identities must not depend on how a document was read: a lenient parser gives other texts than a strict one for the same
bytes. So only what is wrong is changed, and everything else stays as it is.
"""

from __future__ import annotations

import html
import re
import sys
from html.entities import html5
from xml.parsers import expat

from newswire.ingest.markup import character_of_pair

_ENTRY_TAGS = {
    names: (
        re.compile(rb"<(?:[\w.-]+:)?(?:%s)[\s>]" % names, re.IGNORECASE),
        re.compile(rb"</(?:[\w.-]+:)?(?:%s)\s*>|/>\s*$" % names, re.IGNORECASE),
    )
    for names in (b"item|entry", b"url")
}
"""Start and end tags of the entries of feeds and of sitemaps."""
_ROOT_CLOSE = re.compile(rb"</(?:[\w.-]+:)?(?:rss|feed|rdf|channel|urlset)\s*>", re.IGNORECASE)

_NOT_XML = "\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff"
"""Characters that XML 1.0 (section 2.2) does not allow, without the surrogates, which no decoded text has."""
_SPECIAL = re.compile(f"[<&{_NOT_XML}]|\\]\\]>")
_SPECIAL_IN_VALUE = re.compile(f'[<&"{_NOT_XML}]')
_FORBIDDEN = re.compile(f"[{_NOT_XML}]")
_NAME = r"[^\W\d][\w.-]*+(?::[^\W\d][\w.-]*+)?+"
_ASCII_NAME = r"[A-Za-z_][A-Za-z0-9_.-]*+(?::[A-Za-z_][A-Za-z0-9_.-]*+)?+"
# The end of a tag; a quote only counts after an equals sign. A `<` shows that a quote is not closed, or that this is no
# tag; only if the tag cannot be read so, a short value may contain one.
_TAG_REST = r"""(?P<rest>(?:[^<>=]++|=\s*+(?:"[^"<]*+"|'[^'<]*+')?+)*+)>"""
_WIDE_REST = r"""(?P<rest>(?:[^<>=]++|=\s*+(?:"[^"]{0,300}+"|'[^']{0,300}+')?+)*+)>"""
_TAG_START = re.compile(r"</?[A-Za-z]")
_LOOSE_REST = r"(?P<rest>[^<>]*+)>"
_ATTRIBUTE = r"""(?P<name>%s)\s*+=\s*+(?:"(?P<double>[^"]*+)"|'(?P<single>[^']*+)'|(?P<bare>[^\s"'>]++))"""
_REFERENCE = re.compile(r"&(?:#[xX]([0-9a-fA-F]{1,40})|#([0-9]{1,40})|([A-Za-z][A-Za-z0-9]{1,40}));")
_PREDEFINED = frozenset({"amp", "lt", "gt", "quot", "apos"})

_ENTRIES = frozenset({"item", "entry", "url"})
_LEAVES = frozenset({
    "title", "link", "guid", "id", "pubdate", "category", "comments", "published", "updated", "dc:date", "dc:creator",
    "dc:subject", "loc", "lastmod", "news:title", "news:publication_date",
})  # fmt: skip
"""Elements that contain no element of a feed: one of `_FIELDS` inside them shows that their end tag is missing."""
_FIELDS = _LEAVES | {"description", "summary", "content", "content:encoded", "enclosure", "author", "source"}
_TEXTS = frozenset({"description", "summary", "content", "content:encoded"})
_ALL_TEXTS = _TEXTS | {"title", "news:title", "dc:creator", "author", "name", "category"}
_FEED_ELEMENTS = _FIELDS | _ENTRIES
_MAX_TEXT = 20_000
"""Characters in which the end of an element inside a text is searched for."""
_NOT_HTML = _FIELDS - _TEXTS - {"title", "link", "category", "source"} | {"content:encoded"}
"""Fields that no HTML element is named like: inside a text, one of them shows that its end tag is missing."""
_KNOWN_PREFIXES = {
    "atom": "http://www.w3.org/2005/Atom",
    "content": "http://purl.org/rss/1.0/modules/content/",
    "dc": "http://purl.org/dc/elements/1.1/",
    "dcterms": "http://purl.org/dc/terms/",
    "image": "http://www.google.com/schemas/sitemap-image/1.1",
    "itunes": "http://www.itunes.com/DTDs/PodCast-1.0.dtd",
    "media": "http://search.yahoo.com/mrss/",
    "news": "http://www.google.com/schemas/sitemap-news/0.9",
    "rdf": "http://www.w3.org/1999/02/22-rdf-syntax-ns#",
    "slash": "http://purl.org/rss/1.0/modules/slash/",
    "sy": "http://purl.org/rss/1.0/modules/syndication/",
    "xhtml": "http://www.w3.org/1999/xhtml",
    "xlink": "http://www.w3.org/1999/xlink",
}
"""Namespaces of prefixes that a document uses and does not declare."""
_RESERVED = frozenset({"http://www.w3.org/XML/1998/namespace", "http://www.w3.org/2000/xmlns/"})
_MAX_OPEN = 1_000
"""Maximum elements that are open at once; a deeper start tag is text."""


def cut_open_entry(body: bytes, names: bytes = b"item|entry") -> tuple[bytes, bool]:
    """Return a document without a last entry that is not closed, and whether the document is truncated."""
    start_tag, end_tag = _ENTRY_TAGS[names]
    last = None
    for last in start_tag.finditer(body):  # noqa: B007 - only the last one counts
        pass
    start = last.start() if last else 0
    if _ROOT_CLOSE.search(body, start):
        return body, False
    if last is None or end_tag.search(body, start):
        return body, True
    return body[:start], True


def well_formed(document: bytes) -> bytes:
    """Return a document that a strict parser with namespaces reads: itself if it is one, else a mended one.

    `document` is UTF-8 and begins with its root element, so no declaration and no document type comes before it.
    """
    if _is_well_formed(document):
        return document
    text = document.decode("utf-8", "replace")
    mended = _Mender(text, _NAME).mend().encode("utf-8", "replace")
    if _is_well_formed(mended):
        return mended
    return _Mender(text, _ASCII_NAME).mend().encode("utf-8", "replace")  # names that Python takes for words, not XML


def _is_well_formed(document: bytes) -> bool:
    parser = expat.ParserCreate("utf-8", namespace_separator=" ")
    try:
        parser.Parse(document, True)  # noqa: FBT003 - expat's signature: True marks the end of the document
    except expat.ExpatError:
        return False
    return True


class _Mender:
    """Writes one document again, token by token, with its elements closed and its characters escaped."""

    def __init__(self, text: str, name: str) -> None:
        self._text = text
        self._is_second = name == _ASCII_NAME
        self._tags = [
            re.compile(f"</?(?P<name>{name})(?=[\\s/>]){rest}") for rest in (_TAG_REST, _LOOSE_REST, _WIDE_REST)
        ]
        self._attribute = re.compile(_ATTRIBUTE % name)
        self._parts: list[str] = []
        self._open: list[str] = []
        self._declared: set[str] = {"xml", "xmlns"}
        self._missing: dict[str, str] = {}
        """Prefixes that are used and not declared, and their namespaces."""
        self._lacking: set[str] = set()
        """Ends that the rest of the text does not have, so that none is searched for twice."""
        self._xhtml = 0
        """The number of open elements where the last one is a text in XHTML."""
        self._is_over = False
        """The root element has ended."""

    def mend(self) -> str:
        """Return the mended document."""
        text, parts, at = self._text, self._parts, 0
        while not self._is_over and (match := _SPECIAL.search(text, at)):
            start = match.start()
            if self._open:
                parts.append(text[at:start])
            special = match.group()
            if special == "<":
                at = self._read_markup(start)
            elif special == "&":
                at = self._read_reference(start)
            else:
                parts.append("]]&gt;" if special == "]]>" else "")
                at = match.end()
        if self._open:
            parts.append(text[at:])
        self._close_down_to(0)
        return self._with_declarations("".join(parts))

    def _with_declarations(self, document: str) -> str:
        """Return the document with declarations of the missing prefixes in its root element."""
        if not self._missing:
            return document
        root = re.compile(r"<[^\s/>]+").match(document)
        end = root.end() if root else 0
        declarations = "".join(f' xmlns:{prefix}="{uri}"' for prefix, uri in sorted(self._missing.items()))
        return document[:end] + declarations + document[end:]

    def _read_markup(self, start: int) -> int:
        """Write the token that begins with this `<`, and return the position after it."""
        text = self._text
        if text.startswith("<![CDATA[", start):
            return self._read_cdata(start + 9)
        if text.startswith("<!--", start):
            end = self._find("-->", start + 4)
            return len(text) if end < 0 and not self._open else start + 4 if end < 0 else end + 3
        if text.startswith("<?", start):
            end = self._find("?>", start + 2)
            return start + 2 if end < 0 else end + 2
        if text.startswith("<!", start):
            end = self._find(">", start + 2)
            return start + 2 if end < 0 else end + 1
        match = next((match for pattern in self._tags if (match := pattern.match(text, start))), None)
        if match is None:
            if self._find(">", start) < 0 and _TAG_START.match(text, start):
                return len(text)  # the document ends inside a tag
            if self._open:
                self._parts.append("&lt;")
            return start + 1
        if text[start + 1] == "/":
            self._read_end_tag(match["name"])
        elif self._is_text(match):
            self._parts.append("&lt;")
            return start + 1
        else:
            self._read_start_tag(match["name"], match["rest"])
        return match.end()

    def _is_text(self, match: re.Match[str]) -> bool:
        """Return whether a start tag inside a text begins an element that does not end there: `<br>`, `<gorilla>`."""
        name = match["name"]
        if not self._open or self._open[-1].lower() not in _ALL_TEXTS:
            return False
        if ":" in name or match["rest"].endswith("/") or name.lower() in _FEED_ELEMENTS:
            return False
        if self._xhtml == len(self._open):  # its elements have ends, however far away
            return self._find(f"</{name}", match.end()) < 0
        return self._text.find(f"</{name}", match.end(), match.end() + _MAX_TEXT) < 0

    def _read_cdata(self, start: int) -> int:
        """Write a section as escaped text; one without an end is ended by the end tag of its element."""
        text = self._text
        end = self._find("]]>", start)
        after = end + 3
        own_end = self._find(f"</{self._open[-1]}>", start) if self._open else -1
        if end < 0 or 0 <= own_end < text.find("<![CDATA[", start, end):  # the end found is that of the next section
            end = after = own_end if own_end >= 0 else len(text)
        if self._open:
            self._parts.append(html.escape(_FORBIDDEN.sub("", text[start:end]), quote=False))
        return after

    def _read_reference(self, start: int) -> int:
        written, after = _reference_at(self._text, start)
        if self._open:
            self._parts.append(written)
        return after

    def _read_start_tag(self, name: str, rest: str) -> None:
        lower = name.lower()
        if len(self._open) >= _MAX_OPEN or lower.startswith("xmlns:"):
            return
        self._close_before(lower)
        attributes: dict[str, str] = {}
        for match in self._attribute.finditer(rest):
            value = match["double"] if match["double"] is not None else match["single"] or match["bare"] or ""
            self._add_attribute(attributes, match["name"], _mend_value(value))
        for used in (name, *attributes):
            self._declare(used)
        written = "".join(f' {key}="{value}"' for key, value in attributes.items())
        if rest.endswith("/"):
            self._parts.append(f"<{name}{written}/>")
            self._is_over = not self._open
            return
        self._parts.append(f"<{name}{written}>")
        self._open.append(name)
        if "xhtml" in attributes.get("type", ""):
            self._xhtml = len(self._open)

    def _add_attribute(self, attributes: dict[str, str], name: str, value: str) -> None:
        """Add an attribute, unless it is there already or declares what XML reserves (Namespaces in XML 1.0, section 3)."""
        prefix, _, local = name.rpartition(":")
        if name in attributes or name in {"xmlns:xml", "xmlns:xmlns"}:
            return
        if self._is_second and any(local == known.rpartition(":")[2] for known in attributes):
            return  # two prefixes may mean one namespace
        if prefix == "xmlns" or name == "xmlns":
            value = "%20".join(value.split())  # expat refuses white space in a namespace
            if value in _RESERVED or (prefix and not value):
                value = f"urn:prefix:{local}"
            if not (self._is_second and self._open):  # the declaration of an inner element ends with it
                self._declared.add(local)
        attributes[name] = value

    def _close_before(self, lower: str) -> None:
        """Close the elements in which an element of this name cannot be: their end tags are missing."""
        if lower in _ENTRIES:
            names = [name.lower() for name in self._open]
            if lower in names:
                self._close_down_to(names.index(lower))
        elif self._open:
            last = self._open[-1].lower()
            if (last in _LEAVES and lower in _FIELDS) or (last in _TEXTS and lower in _NOT_HTML):
                self._close_last()

    def _declare(self, name: str) -> None:
        prefix, colon, _ = name.partition(":")
        if colon and prefix not in self._declared and prefix not in self._missing:
            self._missing[prefix] = _KNOWN_PREFIXES.get(prefix.lower(), f"urn:prefix:{prefix}")

    def _read_end_tag(self, name: str) -> None:
        """Close the innermost open element of this name, and those inside it; leave out an end tag without a start."""
        lower = name.lower()
        for position in range(len(self._open) - 1, -1, -1):
            if self._open[position].lower() == lower:
                self._close_down_to(position)
                return

    def _close_down_to(self, count: int) -> None:
        """Close open elements until `count` are left."""
        while len(self._open) > count:
            self._close_last()

    def _close_last(self) -> None:
        self._parts.append(f"</{self._open.pop()}>")
        self._is_over = not self._open

    def _find(self, end: str, at: int) -> int:
        if end in self._lacking:
            return -1
        found = self._text.find(end, at)
        if found < 0:
            self._lacking.add(end)
        return found


def _mend_value(value: str) -> str:
    """Return the value of an attribute with its special characters escaped."""
    if not _SPECIAL_IN_VALUE.search(value):
        return value
    parts: list[str] = []
    at = 0
    while match := _SPECIAL_IN_VALUE.search(value, at):
        parts.append(value[at : match.start()])
        if match.group() == "&":
            written, at = _reference_at(value, match.start())
        else:
            written, at = {"<": "&lt;", '"': "&quot;"}.get(match.group(), ""), match.end()
        parts.append(written)
    parts.append(value[at:])
    return "".join(parts)


def _reference_at(text: str, start: int) -> tuple[str, int]:
    """Return what XML may have in place of the reference that begins here, and the position after it.

    An ampersand that begins none is text, so is the name of an unknown entity. Two references to the halves of a pair of
    surrogates are one character.
    """
    match = _REFERENCE.match(text, start)
    if match is None:
        return "&amp;", start + 1
    if name := match[3]:
        if name in _PREDEFINED:
            return match.group(), match.end()
        character = html5.get(f"{name};")
        return f"&amp;{name};" if character is None else html.escape(character, quote=False), match.end()
    number = int(match[1], 16) if match[1] else int(match[2])
    if _is_surrogate(number) and (low := _REFERENCE.match(text, match.end())) and not low[3]:
        pair = character_of_pair(number, int(low[1], 16) if low[1] else int(low[2]))
        if pair:
            return pair, low.end()
    return _character(number), match.end()


def _is_surrogate(number: int) -> bool:
    return 0xD800 <= number <= 0xDFFF  # noqa: PLR2004 - the surrogates of UTF-16


def _character(number: int) -> str:
    """Return the character of a number as XML may contain it: U+FFFD for none, "" for a control character."""
    if number > sys.maxunicode or _is_surrogate(number) or number in {0, 0xFFFE, 0xFFFF}:
        return "\ufffd"
    character = chr(number)
    if _FORBIDDEN.match(character):
        return ""
    return f"&#{number};" if character in "<>&\"'\t\n\r" else character
