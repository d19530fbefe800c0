"""Take screenshots of each page in both themes for docs/screenshots (`make screenshots`)."""

import sys
import tempfile
from pathlib import Path

from newswire.app import App
from newswire.settings import Settings
from tests.conftest import ROOT, HandClock
from tests.support import browser
from tests.support.feed_server import FeedServer
from tests.support.newsroom import furnish
from tests.support.transports import OverHttp

FOLDER = ROOT / "docs" / "screenshots"
THEMES = ("light", "dark")
PAGES = ("search", "feed", "item", "error")


def targets(served: OverHttp) -> dict[str, str]:
    item = served.ask("/v1/search?q=summit&size=1").json()["items"][0]["id"]
    return {
        "search": "/?q=summit+OR+exercise&tz=Europe/Brussels",
        "feed": "/feeds/coast-dispatch?tz=Europe/Brussels",
        "item": f"/items/{item}?tz=Europe/Brussels",
        "error": "/?q=summit&from=last+week",
    }


def take(folder: Path) -> None:
    path = browser.executable()
    if path is None:
        sys.exit(browser.HOW)
    with tempfile.TemporaryDirectory() as data, browser.chromium(path) as opened:
        clock, server = HandClock(), FeedServer()
        app = App(Settings(data=data, feeds=f"{data}/none.toml", fetch_allow_private=True, fetch_ports=""), clock=clock)
        furnish(app, server, clock)
        served = OverHttp(app)
        folder.mkdir(parents=True, exist_ok=True)
        for theme in THEMES:
            for name, target in targets(served).items():
                context = opened.new_context(
                    base_url=served.address,
                    color_scheme=theme,  # type: ignore[arg-type]
                    viewport={"width": 1100, "height": 820},
                    timezone_id="Europe/Brussels",
                )
                page = context.new_page()
                page.goto(target)
                page.screenshot(path=folder / f"{name}-{theme}.png")
                context.close()
        served.close()
        app.close()
        server.close()


if __name__ == "__main__":
    take(FOLDER)
    print(f"Pictures are in {FOLDER.relative_to(ROOT)}.")
