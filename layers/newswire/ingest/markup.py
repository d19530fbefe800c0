"""Turn the markup of a publisher into plain text, in time and memory that grow with the length of the text. Pure.

This is the tokenizer of the HTML standard (section 13.2.5) without its tree builder: newswire throws all markup away, and
a tree of 63 KB of unclosed elements can take 1.9 GB. The text of a document equals that of a tree builder, but that an
unclosed comment or quote ends at the next `>` instead of swallowing the rest.
"""

from __future__ import annotations

import html
import re

from newswire.analysis import limit_marks

_BLOCKS = frozenset({
    "p", "br", "div", "li", "ul", "ol", "h1", "h2", "h3", "h4", "h5", "h6", "tr", "td", "th", "table", "blockquote",
    "section", "article", "figure", "figcaption", "hr", "pre", "dd", "dt",
})  # fmt: skip
"""Elements that HTML renders apart from the text around them."""
_HIDDEN = frozenset({"script", "style", "noscript", "template", "iframe", "object", "svg", "math"})
"""Elements whose text is not shown."""
_RAW = frozenset({"script", "style", "iframe"})
"""Hidden elements whose content has no elements: it ends at the first end tag of the same name."""

_TAG_NAME = re.compile(r"/?([A-Za-z][^\s/>]*+)")
# The attributes and the end of a tag. A quote only counts after an equals sign.
_TAG_REST = re.compile(r"""(?:[^>=]++|=\s*+(?:"[^"]*+"|'[^']*+')?)*+>""")
_LONG_REFERENCE = re.compile(r"&#(?:[xX]([0-9a-fA-F]++)|([0-9]++));?")
_MAX_REFERENCE_DIGITS = 7
_CONTROL_CHARACTERS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]+")


def strip_markup(text: str) -> str:
    """Return the text of an HTML fragment, with its character references decoded, and a space at each block tag."""
    parts: list[str] = []
    scanner = _Scanner(text)
    at = 0
    while (start := text.find("<", at)) >= 0:
        parts.append(text[at:start])
        following = text[start + 1 : start + 2]
        if following.isascii() and following.isalpha():
            at = scanner.skip_element(start, parts)
        elif following == "/":
            at = scanner.skip_end_tag(start, parts)
        elif following in {"!", "?"}:
            at = scanner.skip_comment(start)
        else:
            parts.append("<")
            at = start + 1
    parts.append(text[at:])
    return decode_references("".join(parts))


def decode_references(text: str) -> str:
    """Decode character references as HTML does; one outside Unicode becomes U+FFFD, however many digits it has."""
    if "&" not in text:
        return text
    if "&#" in text:
        text = _LONG_REFERENCE.sub(_shorten_reference, text)
    return html.unescape(text)


def clean_line(text: str, most: int) -> str:
    """Return plain text as one line of at most `most` characters, without control characters."""
    return " ".join(clean_characters(text[: 2 * most]).split())[:most].rstrip()


def clean_characters(text: str) -> str:
    """Return text without control characters and lone surrogates, with at most 30 combining marks in a row."""
    if not text.isprintable():
        text = _CONTROL_CHARACTERS.sub("", text)
    return text if text.isascii() else limit_marks(text)


def _shorten_reference(match: re.Match[str]) -> str:
    """Return a numeric reference that `html.unescape` can read: `int` refuses more than 4,300 digits."""
    digits = (match[1] or match[2]).lstrip("0")
    if len(digits) > _MAX_REFERENCE_DIGITS:
        return "\ufffd"
    return (
        match.group()
        if len(match.group()) < 2 * _MAX_REFERENCE_DIGITS
        else f"&#{'x' if match[1] else ''}{digits or 0};"
    )


class _Scanner:
    """Skips the markup of one text. It remembers which ends the text does not have, so that none is searched for twice."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._lower: str | None = None
        self._lacks_comment_end = False
        self._quotes_count = True

    def skip_element(self, start: int, parts: list[str]) -> int:
        """Return the position after a start tag, and after its element if that is hidden."""
        name, end = self._read_tag(start, parts)
        is_empty = name in {"svg", "math"} and self._text[end - 2 : end] == "/>"  # HTML elements ignore the slash
        if name in _HIDDEN and not is_empty:
            return self._skip_hidden(name, end)
        return end

    def skip_end_tag(self, start: int, parts: list[str]) -> int:
        following = self._text[start + 2 : start + 3]
        if following.isascii() and following.isalpha():
            return self._read_tag(start, parts)[1]
        if not following:
            parts.append("</")
            return start + 2
        return self._skip_to(">", start + 2)

    def skip_comment(self, start: int) -> int:
        """Return the position after a comment, a document type, a processing instruction or a CDATA section."""
        text = self._text
        if text.startswith("<!-->", start) or text.startswith("<!--->", start):
            return text.index(">", start) + 1
        if text.startswith("<!--", start):
            end = -1 if self._lacks_comment_end else text.find("-->", start + 4)
            self._lacks_comment_end = end < 0
            wrong_end = text.find("--!>", start + 4, end if end >= 0 else self._skip_to(">", start + 4))
            if wrong_end >= 0:
                return wrong_end + 4
            if end >= 0:
                return end + 3
        return self._skip_to(">", start + 2)

    def _skip_to(self, end: str, at: int) -> int:
        """Return the position after the next `end`, or the end of the text."""
        found = self._text.find(end, at)
        return len(self._text) if found < 0 else found + len(end)

    def _read_tag(self, start: int, parts: list[str]) -> tuple[str, int]:
        """Return the name of a tag, and the position after it; add a space for a block."""
        match = _TAG_NAME.match(self._text, start + 1)
        if match is None:  # cannot be: the caller has seen the first letter
            return "", start + 1
        name = match[1].lower()
        if name in _BLOCKS:
            parts.append(" ")
        if self._quotes_count:
            if rest := _TAG_REST.match(self._text, match.end()):
                return name, rest.end()
            self._quotes_count = False  # a quote is not closed: from here on, a tag ends at the next `>`
        return name, self._skip_to(">", match.end())

    def _skip_hidden(self, name: str, at: int) -> int:
        """Return the position after the end tag of a hidden element, with elements of the same name inside it."""
        if self._lower is None:
            self._lower = self._text.lower() if self._text.isascii() else re.sub("[A-Z]+", _lower, self._text)
        depth, end = 1, -1
        while depth:
            if end < at:  # each end tag is searched for once
                end = self._find_tag(f"</{name}", at, len(self._text))
                if end < 0:
                    return len(self._text)
            start = -1 if name in _RAW else self._find_tag(f"<{name}", at, end)
            at = self._skip_to(">", start if start >= 0 else end)
            is_empty = start >= 0 and name in {"svg", "math"} and self._text[at - 2 : at] == "/>"
            depth += 0 if is_empty else 1 if start >= 0 else -1
        return at

    def _find_tag(self, opening: str, at: int, until: int) -> int:
        """Return the position of the next tag that begins so and whose name ends there; -1 for none before `until`."""
        lower = self._lower or ""
        while (start := lower.find(opening, at, until)) >= 0:
            after = lower[start + len(opening) : start + len(opening) + 1]
            if not after or after in "/>" or after.isspace():
                return start
            at = start + len(opening)
        return -1


def _lower(match: re.Match[str]) -> str:
    return match.group().lower()
