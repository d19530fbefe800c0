"""Find the root element of an XML document, and refuse documents that declare entities. Pure, and linear in the length."""

from __future__ import annotations

from newswire.model import Refusal

ENTITIES = Refusal(
    "entities",
    "The document declares XML entities or attributes, which newswire does not expand: a few bytes can become gigabytes.",
)
_DOCTYPE = b"<!DOCTYPE"
_DECLARATIONS = (b"<!ENTITY", b"<!ATTLIST")
"""Declarations that a parser expands: entities where they are used, default values of attributes in every element."""


def root_start(document: bytes) -> int:
    """Return the offset of the first tag, after comments, processing instructions and a document type.

    Return the length of the document if it has no tag: a comment or declaration without an end hides the rest.
    """
    at = 0
    while (start := document.find(b"<", at)) >= 0:
        if document.startswith(b"<!--", start):
            at = _end_of(document, b"-->", start + 4)
        elif document[start : start + 6].lower() == b"<?xml ":
            at = _end_of(document, b">", start + 2)  # some declarations end without the question mark
        elif document.startswith(b"<?", start):
            at = _end_of(document, b"?>", start + 2)
        elif document[start : start + 9].upper() == _DOCTYPE:
            at = _doctype_end(document, start)
        else:
            return start
    return len(document)


def declares_entities(document: bytes) -> bool:
    """Return whether the document type declares entities or attributes; the document may be UTF-16 or UTF-32.

    Every XML parser of newswire refuses such a document: no feed needs entities, and the parsers expand them.
    """
    head = document[: root_start(document)]
    if b"\x00" in document[:4]:  # the pattern of UTF-16 and UTF-32, in which the root is found without the zero bytes
        plain = document.replace(b"\x00", b"")
        head = plain[: root_start(plain)]
    upper = head.upper()
    return any(declaration in upper for declaration in _DECLARATIONS)


def _end_of(document: bytes, end: bytes, at: int) -> int:
    """Return the offset after the next `end`, or the length of the document."""
    found = document.find(end, at)
    return len(document) if found < 0 else found + len(end)


def _doctype_end(document: bytes, start: int) -> int:
    """Return the offset after a document type with its internal subset; quotes and comments hide brackets in both."""
    at = start + len(_DOCTYPE)
    while at < len(document):
        character = document[at : at + 1]
        if character in {b'"', b"'"}:
            at = _end_of(document, character, at + 1)
        elif character == b">":
            return at + 1
        elif character == b"[":
            return _subset_end(document, at + 1)
        else:
            at += 1
    return len(document)


def _subset_end(document: bytes, at: int) -> int:
    """Return the offset after the end of the document type whose internal subset begins at `at`."""
    while at < len(document):
        character = document[at : at + 1]
        if document.startswith(b"<!--", at):
            at = _end_of(document, b"-->", at + 4)
        elif document.startswith(b"<?", at):
            at = _end_of(document, b"?>", at + 2)
        elif character in {b'"', b"'"}:
            at = _end_of(document, character, at + 1)
        elif character == b"]":
            return _end_of(document, b">", at)
        else:
            at += 1
    return len(document)
