"""The routes of the page: a call comes in, the engine is asked as the API asks it, and a page goes out, also for an error."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from aws_lambda_powertools.event_handler import Response

from newswire.clock import Clock, Instant
from newswire.engines import SearchEngine, SearchPage
from newswire.errors import DataError, EngineError
from newswire.search.answer import Answer, Watch, answer_with_page
from newswire.search.cursor import read_cursor
from newswire.search.request import (
    MAX_SIZE,
    BadParametersError,
    Bands,
    ParameterReader,
    Problem,
    SearchRequest,
    read_search,
    shorten,
    written_list,
    zone_of,
)
from newswire.settings import Settings
from newswire.web.messages import (
    RETRY_AFTER_S,
    ProblemOut,
    Request,
    problem_of,
    problem_response,
    weak_etag,
    whole_response,
)
from newswire.web.pages.addresses import query_of
from newswire.web.pages.chart import MOST_BARS
from newswire.web.pages.feed_page import feed_view, lately_from
from newswire.web.pages.forms import PAGE_FIELDS, SEARCH_FIELDS, Tidied, clean_query
from newswire.web.pages.item_page import item_view
from newswire.web.pages.narrowing import FACETS
from newswire.web.pages.render import assets, render
from newswire.web.pages.search_form import form_view
from newswire.web.pages.search_page import SearchView, search_view

HTML = "text/html; charset=utf-8"
SAFETY: Mapping[str, str] = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; "
        "frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
"""Nothing of a feed runs, nothing is asked of another host, and a publisher is not told what was searched for."""


class Pages:
    """What the routes for people answer."""

    def __init__(
        self, engine: SearchEngine, settings: Settings, clock: Clock, bands: Bands, watch: Watch | None
    ) -> None:
        self._engine = engine
        self._settings = settings
        self._clock = clock
        self._bands = bands
        self._watch = watch

    # --- pages ---

    def search(self, call: Request) -> Response[Any]:
        """Answer /: what was found, or what is wrong with what was asked, beside its field."""
        sent = clean_query(call.sent, SEARCH_FIELDS)
        if not sent.is_clean:
            return _see_other(call.top, sent)
        parameters, now = sent.parameters, self._clock()
        # Of the items as the API writes them only the highlights are shown; the rest is read from the items themselves.
        asked = parameters | {
            "fields": "id",
            "highlight": "title,summary,content",
            "facets": FACETS,
            "histogram": "auto",
        }
        try:
            try:
                request, answer, page = self._asked(asked, now)
            except BadParametersError as error:
                if any(problem.param != "histogram" for problem in error.problems):
                    raise
                del asked["histogram"]  # thousands of years have no picture, and nobody asked for one
                request, answer, page = self._asked(asked, now)
        except BadParametersError as error:
            return self._wrong(call, parameters, error.problems, now)
        # With a filter that names feeds the engine gives only theirs; the form offers the others too.
        listed = request.lists.get("feed")
        statuses = self._engine.statuses() if listed and listed.any_of else page.statuses
        view = search_view(parameters, request, answer, page, statuses, call.top, call.origin, now)
        return self._page(call, "search.html", call.top, answer.next, view=view)

    def feed(self, call: Request, feed_id: str) -> Response[Any]:
        """Answer /feeds/{id}."""
        sent = clean_query(call.sent, PAGE_FIELDS)
        if not sent.is_clean:
            return _see_other(quote(call.path.rpartition("/")[2]), sent)
        now = self._clock()
        found = self._engine.statuses([feed_id])
        if not found:
            return self.problem(call, problem_of(404, "not_found", f"There is no feed {shorten(feed_id)!r}."))
        status = found[0]
        asked = {**sent.parameters, "feed": written_list([status.id]), "fields": "id"}
        request, answer, page = self._asked(asked, now)
        since = {"from": lately_from(now, request.tz), "to": "today", "histogram": "day", "size": "0"}
        _, lately, _ = self._asked(
            {name: asked[name] for name in ("feed", "tz") if name in asked} | since, now, least=0
        )
        view = feed_view(
            sent.parameters,
            status,
            answer,
            page,
            lately,
            call.origin,
            request.tz,
            now,
            self._settings.stale_grace_seconds,
        )
        return self._page(call, "feed.html", "../", answer.next, view=view)

    def item(self, call: Request, item_id: str) -> Response[Any]:
        """Answer /items/{id}."""
        sent = clean_query(call.sent, ("tz",))
        if not sent.is_clean:
            return _see_other(quote(call.path.rpartition("/")[2]), sent)
        reader = ParameterReader(_each_once(sent.parameters), ("tz",))
        zone = zone_of(reader)
        reader.raise_if_wrong()
        found = self._engine.get([item_id]).get(item_id)
        if found is None:
            return self.problem(call, problem_of(404, "not_found", f"There is no item {shorten(item_id)!r}."))
        statuses = {status.id: status for status in self._engine.statuses([found.feed])}
        view = item_view(found, statuses, zone, self._clock())
        return self._page(call, "item.html", "../", view=view)

    def asset(self, call: Request, name: str) -> Response[Any] | None:
        """Answer /assets/{name}, named after what it holds, so it is asked for once; None if it is not there."""
        found = assets().get(name)
        if found is None:
            return None
        kept = {**SAFETY, "Cache-Control": "public, max-age=31536000, immutable"}
        body = found.text.encode()
        return whole_response(call, body, found.content_type, weak_etag(body), kept)

    def problem(self, call: Request, problem: ProblemOut) -> Response[Any]:
        """Say on a page what went wrong, and what can be done about it."""
        top = call.top if call.path == "/" else "../" * (call.path.count("/") - 1) or "./"
        body = render("error.html", top=top, problem=problem, retry_after_s=RETRY_AFTER_S)
        return _safe(problem_response(problem, HTML, body))

    # --- what they have in common ---

    def _asked(
        self, parameters: Mapping[str, str], now: Instant, least: int = 1
    ) -> tuple[SearchRequest, Answer, SearchPage]:
        """Ask the engine what the API would ask it; the clock is read once for a page."""
        request = read_search(_each_once(parameters), now, self._bands)
        if request.query.size < least:
            problem = Problem("size", "out_of_range", "A page has one item at least.", f"1 to {MAX_SIZE}")
            raise BadParametersError([problem])
        grace = self._settings.stale_grace_seconds
        answer, page = answer_with_page(self._engine, request, lambda: now, grace, self._watch, MOST_BARS)
        return request, answer, page

    def _wrong(
        self, call: Request, parameters: Mapping[str, str], problems: tuple[Problem, ...], now: Instant
    ) -> Response[Any]:
        """Give the form back as it was sent, with what is wrong beside each field."""
        try:
            statuses = self._engine.statuses()
        except (EngineError, DataError):  # what is wrong can be said without it
            statuses = []
        form = form_view(parameters, {status.id: status for status in statuses}, now, problems=problems)
        heading = "This cannot be searched for as it is"
        view = SearchView(f"Error: {heading}", heading, form, is_wrong=True)
        body = render("search.html", top=call.top, view=view)
        body = body.encode(errors="replace").decode()  # it quotes what was sent, and an event can hold half a character
        problem = problem_of(400, "invalid_request", "The request can't be answered as it is.", problems)
        return _safe(problem_response(problem, HTML, body))

    def _page(self, call: Request, template: str, top: str, cursor: str | None = None, **said: object) -> Response[Any]:
        """Answer with a page; one that would look the same is not sent again.

        `cursor` is that of the next page. It holds when the search was made, so its position stands for it in the tag.
        """
        body = render(template, top=top, **said).encode()
        following = read_cursor(cursor) if cursor else None
        steadily = body.replace(cursor.encode(), str(following.position).encode()) if cursor and following else body
        return whole_response(call, body, HTML, weak_etag(steadily), SAFETY)


def _see_other(here: str, sent: Tidied) -> Response[Any]:
    """Lead to the clean address, so that it is what a reader sends to somebody."""
    headers: dict[str, str | list[str]] = {
        **SAFETY,
        "Cache-Control": "no-store",
        "Location": here + query_of(sent.parameters),
    }
    return Response(303, HTML, "", headers=headers)


def _safe(response: Response[Any]) -> Response[Any]:
    response.headers.update(SAFETY)
    return response


def _each_once(parameters: Mapping[str, str]) -> dict[str, list[str]]:
    return {name: [value] for name, value in parameters.items()}
