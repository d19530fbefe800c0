"""Drive a real Chromium with Playwright; any error in the browser fails the test."""

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import axe_playwright_python
from playwright.sync_api import Browser, ConsoleMessage, Dialog, Page, Request, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
HOW = "no Chromium here: install one (Debian: apt-get install chromium), or set NEWSWIRE_TEST_CHROMIUM to its path"
AXE = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text()
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
_STATUS = re.compile(r"Failed to load resource: the server responded with a status of (\d+)")


def executable() -> str | None:
    """Return the path of an installed Chromium, or None."""
    return os.environ.get("NEWSWIRE_TEST_CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)


@contextmanager
def chromium(path: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


class Reading:
    """A browser window on one newswire: it fails on dialogs, console errors and requests to other hosts."""

    def __init__(self, browser: Browser, base: str, **options: Any) -> None:
        self.base = base
        self._context = browser.new_context(**{"base_url": base, "viewport": {"width": 1100, "height": 900}, **options})
        self._context.set_default_timeout(10_000)
        self.wrong: list[str] = []
        self._expected: set[int] = set()
        self.page: Page = self._context.new_page()
        self.page.on("dialog", self._refuse_dialog)
        self.page.on("pageerror", lambda error: self.wrong.append(f"error: {error}"))
        self.page.on("console", self._keep_console_message)
        self.page.on("request", self._keep_request)
        self.page.on("response", lambda got: self._status(got.status, got.url))

    def _refuse_dialog(self, dialog: Dialog) -> None:
        self.wrong.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def _keep_console_message(self, message: ConsoleMessage) -> None:
        match = _STATUS.search(message.text)
        if message.type in {"error", "warning"} and not (match and int(match[1]) in self._expected):
            self.wrong.append(f"console: {message.text}")

    def _keep_request(self, request: Request) -> None:
        here = urlsplit(self.base)
        there = urlsplit(request.url)
        if (there.scheme, there.netloc) != (here.scheme, here.netloc):
            self.wrong.append(f"asked elsewhere: {request.url}")

    def _status(self, status: int, url: str) -> None:
        if status not in self._expected | {200, 303, 304}:
            self.wrong.append(f"{status}: {url}")

    def open(self, target: str, status: int | None = 200) -> Page:
        """Open a URL that must answer with `status` (None: 200 or 400); all its resources must load."""
        self._expected = {200, 400} if status is None else {status}
        response = self.page.goto(target)
        self._expected = set()
        assert response is not None
        assert response.status in ({200, 400} if status is None else {status}), (target, response.status)
        return self.page

    def barriers(self) -> list[str]:
        """Return the violations that axe finds of WCAG 2.2 A and AA and of its best practices."""
        self.page.evaluate(AXE)
        result = self.page.evaluate("rules => axe.run({runOnly: rules})", RULES)
        return [
            f"{violation['id']}: {node['html'][:150]} {node['failureSummary'][:200]}"
            for violation in result["violations"]
            for node in violation["nodes"]
        ]

    def overflows(self) -> bool:
        """Return whether the page is wider than the window."""
        return self.page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth")

    def close(self) -> None:
        self._context.close()
        if self.wrong:
            raise AssertionError("; ".join(self.wrong))
