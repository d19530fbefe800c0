"""Parse pages strictly: only known elements and attributes, each closed, and nothing executable inline."""

from html.parser import HTMLParser
from urllib.parse import urlsplit

EMPTY = frozenset({"meta", "link", "input", "br"})
OF_SVG = frozenset({"path"})
ELEMENTS = (
    EMPTY
    | OF_SVG
    | {
        "a",
        "article",
        "aside",
        "bdi",
        "body",
        "button",
        "code",
        "datalist",
        "dd",
        "details",
        "div",
        "dl",
        "dt",
        "em",
        "fieldset",
        "figcaption",
        "figure",
        "footer",
        "form",
        "h1",
        "h2",
        "h3",
        "head",
        "header",
        "html",
        "label",
        "legend",
        "li",
        "main",
        "mark",
        "nav",
        "ol",
        "option",
        "p",
        "pre",
        "script",
        "section",
        "select",
        "span",
        "summary",
        "svg",
        "table",
        "tbody",
        "td",
        "th",
        "thead",
        "time",
        "title",
        "tr",
        "ul",
    }
)
ATTRIBUTES = {
    "action",
    "aria-current",
    "aria-describedby",
    "aria-hidden",
    "aria-invalid",
    "aria-label",
    "aria-labelledby",
    "autocomplete",
    "charset",
    "checked",
    "class",
    "content",
    "d",
    "datetime",
    "defer",
    "dir",
    "focusable",
    "for",
    "href",
    "id",
    "inputmode",
    "lang",
    "list",
    "name",
    "open",
    "placeholder",
    "preserveaspectratio",
    "rel",
    "role",
    "scope",
    "selected",
    "src",
    "tabindex",
    "title",
    "type",
    "value",
    "viewbox",
}


class Page(HTMLParser):
    """Collect the resources (`files`) and the links of a page; raise `AssertionError` for anything unexpected."""

    def __init__(self, body: bytes) -> None:
        super().__init__()
        self.open: list[str] = []
        self.links: list[str] = []
        self.files: list[str] = []
        self.ids: list[str] = []
        self.feed(body.decode())
        self.close()
        assert self.open == [], self.open
        assert len(set(self.ids)) == len(self.ids), self.ids
        for name in self.files:
            parts = urlsplit(name)
            assert not parts.scheme, name
            assert not parts.netloc, name
            assert "assets/" in parts.path, name

    def _element(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        assert len(attributes) == len(attrs), (tag, attrs)
        assert tag in ELEMENTS, tag
        assert attributes.keys() <= ATTRIBUTES, (tag, attributes)
        if identity := attributes.get("id"):
            self.ids.append(identity)
        if tag == "form":
            assert urlsplit(attributes["action"] or "").netloc == "", attributes
        if tag == "meta":
            assert attributes.keys() in ({"charset"}, {"name", "content"}), attributes
        if tag == "script":
            assert attributes.get("src"), "a script without an address"
        if tag == "script" or (tag == "link" and attributes.get("rel") in {"stylesheet", "icon"}):
            self.files.append(attributes.get("src") or attributes["href"] or "")
            return
        assert "src" not in attributes, (tag, attributes)
        if href := attributes.get("href"):
            assert urlsplit(href).scheme in {"", "http", "https"}, href
            self.links.append(href)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._element(tag, attrs)
        if tag not in EMPTY:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in OF_SVG, tag
        self._element(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        assert self.open, tag
        assert self.open.pop() == tag, tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "script":
            assert not data.strip(), data
