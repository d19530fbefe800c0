"""Turn the markup of a publisher into plain text, in time and memory that grow with the length of the text. Pure.

This is the tokenizer of the HTML standard (section 13.2.5) without its tree builder: newswire throws all markup away, and
a tree of 63 KB of unclosed elements can take 1.9 GB. The text of a document equals that of a tree builder, but that an
unclosed comment or quote ends at the next `>` instead of swallowing the rest.
"""

from __future__ import annotations

import html
import re
from html.entities import html5

from newswire.analysis import limit_marks
from newswire.model import Markup

_BLOCKS = frozenset({
    "address", "article", "aside", "blockquote", "body", "br", "button", "caption", "center", "dd", "details", "dialog", "dir",
    "div", "dl", "dt", "fieldset", "figcaption", "figure", "footer", "form", "h1", "h2", "h3", "h4", "h5", "h6", "head",
    "header", "hgroup", "hr", "html", "legend", "li", "main", "menu", "nav", "ol", "optgroup", "option", "p", "pre", "search",
    "section", "select", "summary", "table", "tbody", "td", "textarea", "tfoot", "th", "thead", "title", "tr", "ul",
})  # fmt: skip
"""Elements that HTML renders apart from the text around them (HTML standard, section 15.3)."""
_CELLS = frozenset({"td", "th"})
"""Blocks in one line."""
_HIDDEN = frozenset({"script", "style", "noscript", "template", "iframe", "object", "svg", "math"})
"""Elements whose text is not shown."""
_CODE = frozenset({"script", "style"})
"""Hidden elements whose text is code, also if they are not closed; of others only the tag is dropped then."""
_RAW = frozenset({"script", "style", "iframe"})
"""Hidden elements whose content has no elements: it ends at the first end tag of the same name."""
_INLINE = frozenset({
    "a", "abbr", "acronym", "amp-img", "applet", "area", "audio", "b", "base", "basefont", "bdi", "bdo", "big", "blink",
    "canvas", "cite", "code", "col", "colgroup", "data", "datalist", "del", "dfn", "em", "embed", "font", "frame", "frameset",
    "i", "img", "image", "input", "ins", "kbd", "label", "link", "map", "mark", "marquee", "meta", "meter", "nobr", "output",
    "param", "picture", "progress", "q", "rb", "rp", "rt", "rtc", "ruby", "s", "samp", "slot", "small", "source", "span",
    "strike", "strong", "sub", "sup", "time", "track", "tt", "u", "var", "video", "wbr",
})  # fmt: skip
_ELEMENTS = _BLOCKS | _HIDDEN | _INLINE
"""The elements of HTML, also obsolete ones; `<gorilla>` is text."""
_IN_TITLE = frozenset({
    "a", "abbr", "acronym", "b", "bdi", "bdo", "big", "br", "center", "cite", "code", "del", "dfn", "div", "em", "font", "h1",
    "h2", "h3", "h4", "h5", "h6", "i", "img", "ins", "kbd", "mark", "nobr", "p", "q", "s", "small", "span", "strike", "strong",
    "sub", "sup", "time", "tt", "u", "var", "wbr",
})  # fmt: skip
"""The elements that are markup in a title. A title speaks of other elements, unless they are hidden and have an end tag."""

_TAG_NAME = re.compile(r"/?([A-Za-z][^\s/>]{0,60}+)")
_QUALIFIED_NAME = re.compile(r"/?[a-z][\w.-]*+:[a-z][\w.-]*+")
_CUSTOM_NAME = re.compile(r"/?[a-z][\w.]*+-[\w.-]*+")
_END_NAME = re.compile(r"</([A-Za-z][\w.-]{0,60}+)[\s>]")
# The attributes and the end of a tag. A quote only counts after an equals sign.
_TAG_REST = re.compile(r"""(?:[^>=]++|=\s*+(?:"[^"]*+"|'[^']*+')?)*+>""")
# What may follow the name in a tag of a title, or in a tag that the end of the text cuts off: attributes with values.
_ATTRIBUTES = re.compile(r"""(?:\s++[\w:.-]++\s*+=\s*+(?:"[^"]*+"|'[^']*+'|[^\s"'<>]++))*+\s*+/?>""")
_CUT_TAG = re.compile(
    r"""(?:\s++[\w:.-]++\s*+=\s*+(?:"[^"]*+"|'[^']*+'|[^\s"'<>]++))*+(?:\s++[\w:.-]*+(?:\s*+=[^>]*+)?)?/?\Z"""
)
_SURROGATES = re.compile(
    r"&#(?:[xX]([dD][89abAB][0-9a-fA-F]{2})|(5[5-7]\d{3}));&#(?:[xX]([dD][c-fC-F][0-9a-fA-F]{2})|(5[67]\d{3}));"
)
_LINE_BREAK = "\x1e"
"""Stands for the boundary of a block until white space is collapsed: a control character that no text keeps."""
_LONG_REFERENCE = re.compile(r"&#(?:[xX]([0-9a-fA-F]++)|([0-9]++));?")
_MAX_REFERENCE_DIGITS = 7
_NAMED_REFERENCE = re.compile(r"&([A-Za-z][A-Za-z0-9]*+)([;=]?)")
_CONTROL_CHARACTERS = re.compile("[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\ud800-\udfff]+")


def plain_text(markup: Markup, *, lines: bool = False, title: bool = False) -> str:
    """Return text without markup and control characters, with entities decoded once more and white space collapsed.

    Block tags separate words, with `lines` by a line break. Only `html` markup is stripped and decoded, in a `title` only
    the elements that titles have.
    """
    text = markup.text
    if not text:
        return ""
    if lines:
        text = text.replace(_LINE_BREAK, "")
        if not markup.html:
            text = text.replace("\n", _LINE_BREAK)
    if markup.html:
        text = strip_markup(text, lines=lines, title=title) if "<" in text else decode_references(text)
    if not lines:
        return " ".join(clean_characters(text).split())
    parts = (" ".join(clean_characters(part).split()) for part in text.split(_LINE_BREAK))
    return "\n".join(part for part in parts if part)


def strip_markup(text: str, *, lines: bool = False, title: bool = False) -> str:
    """Return the text of an HTML fragment, with its character references decoded, and a space at each block tag."""
    parts: list[str] = []
    scanner = _Scanner(text, lines=lines, title=title)
    at = 0
    while (start := text.find("<", at)) >= 0:
        parts.append(scanner.text_of(text[at:start]))
        following = text[start + 1 : start + 2]
        if following.isascii() and following.isalpha():
            at = scanner.skip_element(start, parts)
        elif following == "/":
            at = scanner.skip_end_tag(start, parts)
        elif following in {"!", "?"}:
            at = scanner.skip_comment(start, parts)
        else:
            parts.append("<")
            at = start + 1
    parts.append(scanner.text_of(text[at:]))
    plain = "".join(parts)
    return decode_references(plain.replace("]]>", "") if scanner.has_section else plain)


def decode_references(text: str) -> str:
    """Decode character references as HTML does; one outside Unicode becomes U+FFFD, however many digits it has."""
    if "&" not in text:
        return text
    if "&#" in text:
        text = _LONG_REFERENCE.sub(_shorten_reference, _SURROGATES.sub(_join_surrogates, text))
    return html.unescape(_NAMED_REFERENCE.sub(_keep_words, text))


def _keep_words(match: re.Match[str]) -> str:
    """Return a reference unchanged, and an ampersand before another word as text: `&notes` is not `¬es`.

    HTML reads it so in attributes (13.2.5.73), and publishers mean it so in texts.
    """
    name, end = match.groups()
    is_reference = f"{name};" in html5 if end == ";" else name in html5 and end != "="
    return match.group() if is_reference else f"&amp;{name}{end}"


def clean_line(text: str, most: int) -> str:
    """Return plain text as one line of at most `most` characters, without control characters."""
    return " ".join(clean_characters(text[: 2 * most]).split())[:most].rstrip()


def clean_characters(text: str) -> str:
    """Return text without control characters that are not white space, and with at most 30 combining marks in a row."""
    if not text.isprintable():
        text = _CONTROL_CHARACTERS.sub("", text)
    return text if text.isascii() else limit_marks(text)


def character_of_pair(high: int, low: int) -> str:
    """Return the character of a high and a low surrogate of UTF-16, or "" for two numbers that are not such a pair."""
    is_pair = 0xD800 <= high < 0xDC00 <= low <= 0xDFFF  # noqa: PLR2004 - the surrogates of UTF-16
    return chr(0x10000 + ((high - 0xD800) << 10) + low - 0xDC00) if is_pair else ""


def _join_surrogates(match: re.Match[str]) -> str:
    """Return the character that two references to a pair of surrogates mean, or the references as they are."""
    high = int(match[1], 16) if match[1] else int(match[2])
    low = int(match[3], 16) if match[3] else int(match[4])
    return character_of_pair(high, low) or match.group()


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

    def __init__(self, text: str, *, lines: bool, title: bool) -> None:
        self.has_section = False
        """The text has the start of a CDATA section, whose inside is text."""
        self._text = text
        self._block = _LINE_BREAK if lines else " "
        self._title = title
        self._lower: str | None = None
        self._unclosed: set[str] = set()
        """Hidden elements whose end tags do not suffice; only their tags are dropped from there on."""
        self._known: dict[str, int] = {}
        """The last position of each mark that was searched for; -1 for one that does not come any more."""
        self._quotes_count = True
        self._is_preformatted = False
        """Inside an element whose line breaks are shown as they are."""
        self._end_names: set[str] | None = None

    def text_of(self, text: str) -> str:
        """Return a text between tags, with the line breaks that HTML shows where lines are kept."""
        return text.replace("\n", self._block) if self._is_preformatted else text

    def skip_element(self, start: int, parts: list[str]) -> int:
        """Return the position after a start tag, and after its element if that is hidden."""
        name, end = self._read_tag(start, parts)
        self._is_preformatted = self._is_preformatted or name == "pre"
        is_empty = self._text[end - 2 : end] == "/>"  # HTML elements ignore the slash, but publishers mean it
        if name in _HIDDEN and not is_empty and name not in self._unclosed:
            return self._skip_hidden(name, end)
        return end

    def skip_end_tag(self, start: int, parts: list[str]) -> int:
        following = self._text[start + 2 : start + 3]
        if following.isascii() and following.isalpha():
            name, end = self._read_tag(start, parts)
            self._is_preformatted = self._is_preformatted and name != "pre"
            return end
        return self._skip_nameless(start, parts)

    def skip_comment(self, start: int, parts: list[str]) -> int:
        """Return the position after a comment, a document type, a processing instruction or the start of a CDATA section."""
        text = self._text
        if text.startswith("<![CDATA[", start):
            self.has_section = True
            return start + 9
        if text.startswith("<!-->", start) or text.startswith("<!--->", start):
            return text.index(">", start) + 1
        if text.startswith("<!--", start):
            end, wrong_end = self._find("-->", start + 4), self._find("--!>", start + 4)
            limit = end if end >= 0 else self._find(">", start + 4)
            if 0 <= wrong_end < limit:
                return wrong_end + 4
            if end >= 0:
                return end + 3
        return self._skip_nameless(start, parts)

    def _skip_nameless(self, start: int, parts: list[str]) -> int:
        """Return the position after what HTML takes for a comment up to the next `>`; in a title or without one, it is text."""
        end = -1 if self._title else self._find(">", start + 2)
        if end < 0:
            parts.append("<")
            return start + 1
        return end + 1

    def _find(self, mark: str, at: int) -> int:
        """Return the position of the next `mark`, or -1; what has been found stays known, so the whole takes linear time."""
        known = self._known.get(mark, 0)
        if 0 <= known < at:
            known = self._known[mark] = self._text.find(mark, at)
        return known

    def _skip_to(self, end: str, at: int) -> int:
        """Return the position after the next `end`, or the end of the text."""
        found = self._text.find(end, at)
        return len(self._text) if found < 0 else found + len(end)

    def _read_tag(self, start: int, parts: list[str]) -> tuple[str, int]:
        """Return the name of a tag, and the position after it; add the boundary of a block.

        Any other tag is text: the name is then empty, and the `<` is added.
        """
        match = _TAG_NAME.match(self._text, start + 1)
        name = match[1].lower() if match else ""
        end = self._end_of_tag(name, match.end()) if match else -1
        if end < 0:
            parts.append("<")
            return "", start + 1
        if name in _BLOCKS:
            parts.append(" " if name in _CELLS else self._block)
        return name, end

    def _end_of_tag(self, name: str, at: int) -> int:
        """Return the position after the tag whose name ends at `at`; -1 if it is none."""
        if self._title:
            if name not in _IN_TITLE and not (name in _HIDDEN and self._has_end_tag(name, at)):
                return -1
            attributes = _ATTRIBUTES.match(self._text, at)
            return attributes.end() if attributes else -1
        if name not in _ELEMENTS and not self._is_custom(name, at):
            return -1
        if self._quotes_count:
            if rest := _TAG_REST.match(self._text, at):
                return rest.end()
            self._quotes_count = False  # a quote is not closed: from here on, a tag ends at the next `>`
        end = self._find(">", at)
        if end >= 0:
            return end + 1
        return len(self._text) if _CUT_TAG.match(self._text, at) else -1

    def _is_custom(self, name: str, at: int) -> bool:
        """Return whether a name that HTML does not have is one of an element: `o:p`, or `my-card` with an end or attributes.

        `<https://a.example>` and `vector<my-type>` are text.
        """
        if _QUALIFIED_NAME.fullmatch(name):
            return True
        if not _CUSTOM_NAME.fullmatch(name):
            return False
        if self._end_names is None:
            self._end_names = {end.lower() for end in _END_NAME.findall(self._text)}
        attributes = _ATTRIBUTES.match(self._text, at)
        return name.removeprefix("/") in self._end_names or (attributes is not None and "=" in attributes.group())

    def _has_end_tag(self, name: str, at: int) -> bool:
        return self._find_tag(f"</{name}", at, len(self._text)) >= 0

    def _skip_hidden(self, name: str, at: int) -> int:
        """Return the position after the end tag of a hidden element, with elements of the same name inside it."""
        depth, end, opened = 1, -1, at
        while depth:
            if end < at:  # each end tag is searched for once
                end = self._find_tag(f"</{name}", at, len(self._text))
                if end < 0:
                    self._unclosed.add(name)
                    return len(self._text) if name in _CODE else opened
            start = -1 if name in _RAW else self._find_tag(f"<{name}", at, end)
            at = self._skip_to(">", start if start >= 0 else end)
            is_empty = start >= 0 and name in {"svg", "math"} and self._text[at - 2 : at] == "/>"
            depth += 0 if is_empty else 1 if start >= 0 else -1
        return at

    def _find_tag(self, opening: str, at: int, until: int) -> int:
        """Return the position of the next tag that begins so and whose name ends there; -1 for none before `until`."""
        if self._lower is None:
            self._lower = self._text.lower() if self._text.isascii() else re.sub("[A-Z]+", _lower, self._text)
        lower = self._lower
        while (start := lower.find(opening, at, until)) >= 0:
            after = lower[start + len(opening) : start + len(opening) + 1]
            if not after or after in "/>" or after.isspace():
                return start
            at = start + len(opening)
        return -1


def _lower(match: re.Match[str]) -> str:
    return match.group().lower()
