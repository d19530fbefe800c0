"""Flaws that real feeds have, each put into a well-formed document: the items that come out must stay the same.

A flaw is put either around the document or into the text of its first description, which is the only text it may change.
"""

import re
from collections.abc import Callable

Flaw = Callable[[bytes], bytes | None]
"""Returns a document with the flaw, or None for a document that has no place for it."""

_ENTRY = re.compile(rb"<(?:item|entry)[\s>]")
_TEXT_END = re.compile(rb"(?:\]\]>)?\s*</(?:description|summary)>")
_DECLARATION = re.compile(rb"\s*<\?xml[^>]*\?>")
_END = re.compile(rb"(?:</(?:channel|rss|feed|rdf:RDF)\s*>\s*)+\Z", re.IGNORECASE)


def in_text(flaw: bytes) -> Flaw:
    """Return the flaw that appends bytes to the first description of an entry."""

    def apply(document: bytes) -> bytes | None:
        entry = _ENTRY.search(document)
        end = _TEXT_END.search(document, entry.end()) if entry else None
        if end is None or b"<![CDATA[" in document[entry.end() if entry else 0 : end.start()].rpartition(b">")[2]:
            return None
        if end.group().startswith(b"]]>"):
            return document[: end.start() + 3] + flaw + document[end.start() + 3 :]
        return document[: end.start()] + flaw + document[end.start() :]

    return apply


def in_entry(flaw: bytes) -> Flaw:
    """Return the flaw that puts bytes before the end of the first entry."""

    def apply(document: bytes) -> bytes | None:
        end = re.search(rb"</(?:item|entry)>", document)
        return document[: end.start()] + flaw + document[end.start() :] if end else None

    return apply


def before(flaw: bytes) -> Flaw:
    return lambda document: flaw + document


def labelled(label: bytes) -> Flaw:
    """Return the flaw that declares another encoding than UTF-8, in which the document stays."""

    def apply(document: bytes) -> bytes | None:
        declaration = b'<?xml version="1.0" encoding="' + label + b'"?>'
        return declaration + _DECLARATION.sub(b"", document, count=1)

    return apply


def cut_end(document: bytes) -> bytes | None:
    end = _END.search(document)
    return document[: end.start()] if end else None


FLAWS: dict[str, Flaw] = {
    "a byte that is not UTF-8": in_text(b" odd \xff byte"),
    "a character that is cut in two": in_text(b" cut \xe2\x80"),
    "a bare ampersand": in_text(b" AT&T & R&D"),
    "a pair of surrogates as references": in_text(b" &#55357;&#56832; &#xD83D;&#xDE00;"),
    "half a pair of surrogates": in_text(b" &#xD83D; &#56832;"),
    "a reference beyond Unicode": in_text(b" &#x110000; &#99999999999;"),
    "a reference to zero": in_text(b" &#0;"),
    "a reference to a control character": in_text(b" &#11; &#x1F;"),
    "a named entity of HTML": in_text(b" caf&eacute;&nbsp;"),
    "an unknown entity": in_text(b" &unknown; &x;"),
    "a control character": in_text(b" a\x0bb\x1f"),
    "a zero byte": in_text(b" a\x00b"),
    "a bare angle bracket": in_text(b" 5 < 6 and a<4"),
    "the end of a section in a text": in_text(b" x ]]> y"),
    "an element of HTML without an end": in_text(b" <br> and <p>more"),
    "crossed elements": in_text(b" <b><i>both</b></i>"),
    "an end tag without a start": in_text(b" </span> word </div>"),
    "an attribute without quotes": in_entry(b"<flaw a=1 b/>"),
    "an attribute twice": in_entry(b"<flaw a='1' a='2'/>"),
    "a prefix that is not declared": in_entry(b"<flaw:x flaw:y='1'>word</flaw:x>"),
    "an ampersand in an attribute": in_entry(b"<flaw a='x&y=<z>'/>"),
    "an element without an end tag": in_entry(b"<flaw>"),
    "a quote that is not closed": in_entry(b'<flaw a="x>word</flaw>'),
    "a blank first line": before(b"\n \r\n"),
    "a byte order mark twice": before(b"\xef\xbb\xbf\xef\xbb\xbf"),
    "a warning of PHP before the document": before(b"<br />\n<b>Warning</b>: no such file in <b>feed.php</b><br />\n"),
    "a comment before the declaration": before(b"<!-- made by <html> -->\n"),
    "the label of another encoding": labelled(b"windows-1251"),
    "the label of UTF-16": labelled(b"utf-16"),
    "an unknown label": labelled(b"x-none"),
    "a cut end": cut_end,
    "words behind the end": lambda document: document + b"\n<script>var a = 1 && 2;</script><!-- x",
    "zero bytes behind the end": lambda document: document + b"\x00" * 20,
}
