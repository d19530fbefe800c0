"""The routes of the page: a call comes in, the engine is asked as the API asks it, and a page goes out, also for an error."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from aws_lambda_powertools.event_handler import Response

from newswire.clock import Clock, Instant
from newswire.engines import SearchEngine
from newswire.errors import DataError, EngineError
from newswire.search.answer import SearchResult, Watch, search
from newswire.search.parameter_reader import BadParametersError, ParameterReader, Problem, included_list, shorten
from newswire.search.parameters import MAX_SIZE
from newswire.search.request import Bands, read_search, read_zone_parameter
from newswire.settings import Settings
from newswire.web.messages import (
    RETRY_AFTER_SECONDS,
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
from newswire.web.pages.forms import PAGE_FIELDS, SEARCH_FIELDS, CleanQuery, clean_query
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

    def search(self, request: Request) -> Response[Any]:
        """Answer / with the found items, or with the form and what is wrong in its fields."""
        sent = clean_query(request.parameters, SEARCH_FIELDS)
        if not sent.is_clean:
            return _see_other(request.top, sent)
        parameters, now = sent.parameters, self._clock()
        query = parameters | {"highlight": "title,summary,content", "facets": FACETS, "histogram": "auto"}
        try:
            try:
                result = self._search(query, now)
            except BadParametersError as error:
                if any(problem.param != "histogram" for problem in error.problems):
                    raise
                del query["histogram"]  # thousands of years make no chart, and nobody asked for one
                result = self._search(query, now)
        except BadParametersError as error:
            return self._wrong(request, parameters, error.problems, now)
        # A filter that names feeds brings only their statuses; the form offers the other feeds too.
        feeds = result.request.lists.get("feed")
        statuses = self._engine.statuses() if feeds and feeds.any_of else result.statuses
        view = search_view(parameters, result, statuses, request.top, request.origin)
        return self._page(request, "search.html", request.top, result, view=view)

    def feed(self, request: Request, feed_id: str) -> Response[Any]:
        """Answer /feeds/{id}."""
        sent = clean_query(request.parameters, PAGE_FIELDS)
        if not sent.is_clean:
            return _see_other(quote(request.path.rpartition("/")[2]), sent)
        now = self._clock()
        found = self._engine.statuses([feed_id])
        if not found:
            return self.problem(request, problem_of(404, "not_found", f"There is no feed {shorten(feed_id)!r}."))
        status = found[0]
        query = {**sent.parameters, "feed": included_list([status.id])}
        result = self._search(query, now)
        since = {"from": lately_from(now, result.request.tz), "to": "today", "histogram": "day", "size": "0"}
        lately = self._search({name: query[name] for name in ("feed", "tz") if name in query} | since, now, least=0)
        grace_s = self._settings.stale_grace_seconds
        view = feed_view(sent.parameters, status, result, lately, request.origin, grace_s)
        return self._page(request, "feed.html", "../", result, view=view)

    def item(self, request: Request, item_id: str) -> Response[Any]:
        """Answer /items/{id}."""
        sent = clean_query(request.parameters, ("tz",))
        if not sent.is_clean:
            return _see_other(quote(request.path.rpartition("/")[2]), sent)
        reader = ParameterReader(_each_once(sent.parameters), ("tz",))
        zone = read_zone_parameter(reader)
        reader.raise_if_wrong()
        found = self._engine.get([item_id]).get(item_id)
        if found is None:
            return self.problem(request, problem_of(404, "not_found", f"There is no item {shorten(item_id)!r}."))
        statuses = {status.id: status for status in self._engine.statuses([found.feed])}
        view = item_view(found, statuses, zone, self._clock())
        return self._page(request, "item.html", "../", view=view)

    def asset(self, request: Request, name: str) -> Response[Any] | None:
        """Answer /assets/{name}, named after what it holds, so it is asked for once; None if it is not there."""
        found = assets().get(name)
        if found is None:
            return None
        kept = {**SAFETY, "Cache-Control": "public, max-age=31536000, immutable"}
        body = found.text.encode()
        return whole_response(request, body, found.content_type, weak_etag(body), kept)

    def problem(self, request: Request, problem: ProblemOut) -> Response[Any]:
        """Say on a page what went wrong, and what can be done about it."""
        top = request.top if request.path == "/" else "../" * (request.path.count("/") - 1) or "./"
        body = render("error.html", top=top, problem=problem, retry_after_seconds=RETRY_AFTER_SECONDS)
        return _safe(problem_response(problem, HTML, body))

    # --- what they have in common ---

    def _search(self, parameters: Mapping[str, str], now: Instant, least: int = 1) -> SearchResult:
        """Search as the API does, with one reading of the clock for the whole page."""
        request = read_search(_each_once(parameters), now, self._bands)
        if request.query.size < least:
            problem = Problem("size", "out_of_range", "size must be at least 1 on a page.", f"1 to {MAX_SIZE}")
            raise BadParametersError([problem])
        grace_s = self._settings.stale_grace_seconds
        return search(self._engine, request, lambda: now, grace_s, self._watch, MOST_BARS)

    def _wrong(
        self, request: Request, parameters: Mapping[str, str], problems: tuple[Problem, ...], now: Instant
    ) -> Response[Any]:
        """Give the form back as it was sent, with what is wrong beside each field."""
        try:
            statuses = self._engine.statuses()
        except (EngineError, DataError):  # what is wrong can be said without it
            statuses = []
        form = form_view(parameters, {status.id: status for status in statuses}, now, problems=problems)
        heading = "This cannot be searched for as it is"
        view = SearchView(f"Error: {heading}", heading, form, is_wrong=True)
        body = render("search.html", top=request.top, view=view)
        body = body.encode(errors="replace").decode()  # it quotes what was sent, and an event can hold half a character
        problem = problem_of(400, "invalid_request", "The request can't be answered as it is.", problems)
        return _safe(problem_response(problem, HTML, body))

    def _page(
        self, request: Request, template: str, top: str, result: SearchResult | None = None, **values: object
    ) -> Response[Any]:
        """Answer with a page, or 304 if it would look the same.

        The cursor of the next page holds the time of the search, so its position stands for it in the entity tag.
        """
        body = render(template, top=top, **values).encode()
        stable = body
        if result is not None and result.next is not None:
            stable = body.replace(result.next.encode(), str(result.next_position).encode())
        return whole_response(request, body, HTML, weak_etag(stable), SAFETY)


def _see_other(here: str, sent: CleanQuery) -> Response[Any]:
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
