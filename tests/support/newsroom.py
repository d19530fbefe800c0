"""Provide three invented feeds with two months of news: one healthy, one in French, one that fails."""

from collections.abc import Callable
from email.utils import formatdate
from xml.sax.saxutils import escape

from newswire.app import App
from newswire.clock import DAY, HOUR, MINUTE, SECOND
from newswire.ingest.poll import run_batches
from newswire.model import Batch, Feed
from tests.conftest import NOON, HandClock
from tests.support.feed_server import Answer, FeedServer

SUBJECTS = (
    ("Exercise in the fjords tests fast reinforcement", "Sea and land", "Twelve thousand people trained in the cold."),
    ("Summit ends with a joint statement", "Politics, security", "Ministers agreed on a plan for harbours & railways."),
    ("Drones find old mines off the coast", "Sea and land", "A crew of nine cleared a lane in four days."),
    ("Budget for winter roads is settled", "Money", "The council voted after a long night, 31 to 12."),
    ("Lighthouse keepers open their doors", "Culture", ""),
)
FEEDS = ("coast-dispatch", "courrier", "harbour-radio")
ITEMS = 60
STOPPED = NOON - 6 * DAY + 2 * HOUR
"""Tuesday 18 November 2025, 14:00 UTC."""


def furnish(app: App, server: FeedServer, clock: HandClock) -> None:
    """Fill an empty newswire; set the clock to Monday 24 November 2025, 12:00 UTC, 2:59 h after the last check."""
    feeds = (
        Feed(id="coast-dispatch", url=server.url("/coast"), description="What´s new along the coast?"),
        Feed(id="courrier", url=server.url("/courrier"), lang="fr"),
        Feed(id="harbour-radio", url=server.url("/harbour")),
    )
    for feed in feeds:
        app.feeds.put(feed, clock())
    clock.at = STOPPED
    server.says("/coast", coast(clock.at))
    server.says("/courrier", courrier(clock.at))
    server.says("/harbour", harbour(clock.at))
    poll(app)
    server.answers["/harbour"] = Answer(status=500)
    for at in (NOON - 2 * DAY, NOON - 2 * HOUR - 59 * MINUTE):
        clock.at = at
        server.says("/coast", coast(clock.at))
        server.says("/courrier", courrier(clock.at))
        poll(app)
    clock.at = NOON


def poll(app: App) -> None:
    run_batches(app, [Batch(FEEDS, now=True)])


def rss(title: str, link: str, items: list[str]) -> bytes:
    head = f"<title>{title}</title><link>{link}</link><description>Invented for newswire.</description>"
    return f'<rss version="2.0" xmlns:dc="d"><channel>{head}{"".join(items)}</channel></rss>'.encode()


def numbered(until: int, count: int, every: int, write: Callable[[int, int], str]) -> list[str]:
    """Return the items published until an instant, newest first; `write` takes a number and an instant (ms)."""
    return [write(number, at) for number in range(count) if (at := NOON - 4 * HOUR - number * every) <= until]


def coast(until: int) -> bytes:
    def item(number: int, at: int) -> str:
        title, category, text = SUBJECTS[number % len(SUBJECTS)]
        return (
            f"<item><title>{title}, day {number}</title><link>https://coast.example/news/{number}</link>"
            f"<description>{escape(text)}</description><category>{category}</category>"
            f"<pubDate>{formatdate(at / SECOND, usegmt=True)}</pubDate></item>"
        )

    return rss("Coast Dispatch", "https://coast.example/", numbered(until, ITEMS, 18 * HOUR, item))


def courrier(until: int) -> bytes:
    def item(number: int, at: int) -> str:
        return (
            f"<item><title>Le sommet du Nord, épisode {number}</title><link>https://courrier.example/{number}</link>"
            f"<description>L’exercice continue en Norvège.</description><author>Zoé Lemoine</author>"
            f"<category>Politique</category><pubDate>{formatdate(at / SECOND, usegmt=True)}</pubDate></item>"
        )

    return rss("Le Courrier du Nord", "https://courrier.example/", numbered(until, 12, 4 * DAY + HOUR, item))


def harbour(until: int) -> bytes:
    def item(number: int, at: int) -> str:
        return (
            f"<item><title>Harbour bulletin {number}: ice and wind</title><link>https://harbour.example/{number}</link>"
            f"<description>Drifting ice off the northern pier.</description>"
            f"<pubDate>{formatdate(at / SECOND, usegmt=True)}</pubDate></item>"
        )

    return rss("Harbour Radio", "https://harbour.example/", numbered(until, 20, 2 * DAY, item))
