"""Documents that make one stage of newswire raise, hang or take much memory, in processes that import `sitecustomize`."""

from pathlib import Path

from tests.support.faults.sitecustomize import STAGES
from tests.support.feed_server import rss, story

FOLDER = Path(__file__).parent
"""The folder for PYTHONPATH."""
KINDS = ("raise", "hang", "memory")
FAULTS = [f"fault-{stage}-{kind}" for stage in STAGES for kind in KINDS]
CALM = {"a-calm": "Baltic one", "z-calm": "Baltic two"}
"""Feeds without a fault, and the title of their first story."""
READ_STAGES = ("parse", "clean", "date")
"""Stages in the child process, where a fault is a refusal of the document."""
_PADDING = "words that make the document large enough for the child process " * 160


def document(title: str, number: int = 1) -> bytes:
    """Return a feed of two stories, the first with this title and number; the child process reads it."""
    date = {"pubDate": title} if "-date-" in title else {}
    return rss(
        story(number, title, **date),
        story(number + 1_000, f"More on {title.replace('fault-', '')}", description=_PADDING),
    )


def documents() -> dict[str, bytes]:
    """Return the document of each feed: one for each fault, between two without."""
    first, last = CALM
    return {first: document(CALM[first]), **{fault: document(fault) for fault in FAULTS}, last: document(CALM[last])}


def expected_codes() -> dict[str, str]:
    """Return the error code of each feed whose document must be refused."""
    return {
        f"fault-{stage}-{kind}": "internal" if kind == "raise" else "too_costly"
        for stage in READ_STAGES
        for kind in KINDS
    }
