"""Markup: a view and a template come in, HTML goes out; and the files that a page asks for, each named after what it holds.

Everything that a template writes is escaped, but for `Markup`. `item_rows.py` makes some of highlights, and `chart.py` of bars.
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
_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


class Asset(Struct, frozen=True):
    """A file that pages ask for."""

    name: str
    """With a mark of what it holds, so that it may be kept for ever."""
    content_type: str
    text: str


@lru_cache(maxsize=1)
def assets() -> dict[str, Asset]:
    """Read the files that pages ask for, by their names."""
    made = {}
    for path in sorted((_HERE / "assets").iterdir()):
        text = path.read_text("utf-8")
        name = f"{path.stem}.{sha256(text.encode()).hexdigest()[:12]}{path.suffix}"
        made[name] = Asset(name, _TYPES[path.suffix], text)
    return made


def render(template: str, **said: Any) -> str:  # noqa: ANN401 - views of any page
    """Write a page."""
    return _environment().get_template(template).render(said)


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
