"""Render views with Jinja2 templates, and load the assets of pages: style sheet, script and icon.

Templates escape everything except `Markup`. Only `item_rows.py` (highlights) and `chart.py` (bars) make `Markup`.
"""

from __future__ import annotations

from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from msgspec import Struct

from newswire import __version__
from newswire.web.pages.chart import HEIGHT, WIDTH

_HERE = Path(__file__).parent
_CONTENT_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


class Asset(Struct, frozen=True):
    """A file that pages load from /assets/."""

    name: str
    """With a hash of the content, so that clients may cache it forever."""
    content_type: str
    text: str


@lru_cache(maxsize=1)
def assets() -> dict[str, Asset]:
    """Return the assets by name."""
    files = {}
    for path in sorted((_HERE / "assets").iterdir()):
        text = path.read_text("utf-8")
        name = f"{path.stem}.{sha256(text.encode()).hexdigest()[:12]}{path.suffix}"
        files[name] = Asset(name, _CONTENT_TYPES[path.suffix], text)
    return files


def render(template: str, **values: Any) -> str:  # noqa: ANN401 - views of any page
    """Return the HTML of a template with these values."""
    return _environment().get_template(template).render(values)


@lru_cache(maxsize=1)
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.globals["asset"] = {name.partition(".")[0]: name for name in assets()}
    environment.globals |= {"version": __version__, "chart_width": WIDTH, "chart_height": HEIGHT}
    return environment
