"""The routes of the HTML pages: read a request, ask the engine as the API does, and render a page, also for an error."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from aws_lambda_powertools.event_handler import Response

from newswire.clock import Clock, Instant
from newswire.engines import SearchEngine
from newswire.errors import DataError, EngineError
from newswire.model import FeedStatus
from newswire.search.answer import SearchResult, Watch, get_items, search
from newswire.search.parameter_reader import (
    BadParametersError,
    ParameterReader,
    Problem,
    included_list,
    sentence_of,
    shorten,
)
from newswire.search.parameters import MAX_SIZE
from newswire.search.request import Bands, read_search, read_zone_parameter
from newswire.settings import Settings
from newswire.web.absence import absent_item
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
from newswire.web.pages.chart import MAX_BARS
from newswire.web.pages.feed_page import feed_view, first_chart_day
from newswire.web.pages.forms import PAGE_FIELDS, SEARCH_FIELDS, CleanQuery, clean_query
from newswire.web.pages.item_page import item_view
from newswire.web.pages.narrowing import FACETS
from newswire.web.pages.render import assets, render
from newswire.web.pages.search_form import MAX_FEED_CHOICES, form_view
from newswire.web.pages.search_page import SearchView, search_view, shown_feeds

HTML = "text/html; charset=utf-8"
SECURITY_HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; "
        "frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
"""Content of a feed cannot run, no other host is contacted, and a publisher does not learn the search."""


class Pages:
    """The routes, each as a method that returns a response. Raises what `Api.answer` turns into problems."""

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
        """Answer / with the results, or with the form and the problems at its fields."""
        clean = clean_query(request.parameters, SEARCH_FIELDS)
        if not clean.is_clean:
            return _redirect(request.top, clean)
        parameters, now = clean.parameters, self._clock()
        query = parameters | {"highlight": "title,summary,content", "facets": FACETS, "histogram": "auto"}
        try:
            try:
                result = self._search(query, now)
            except BadParametersError as error:
                if any(problem.param != "histogram" for problem in error.problems):
                    raise
                del query["histogram"]  # a range of thousands of years has no chart
                result = self._search(query, now)
        except BadParametersError as error:
            return self._form_with_problems(request, parameters, error.problems, now)
        statuses = (*self._engine.statuses(shown_feeds(result)), *self._some_feeds())
        view = search_view(parameters, result, statuses, request.top, request.origin)
        return self._page_response(request, "search.html", request.top, result, view=view)

    def feed(self, request: Request, feed_id: str) -> Response[Any]:
        """Answer /feeds/{id} with its newest items, its state and a chart of its last days."""
        clean = clean_query(request.parameters, PAGE_FIELDS)
        if not clean.is_clean:
            return _redirect(quote(request.path.rpartition("/")[2]), clean)
        now = self._clock()
        statuses = self._engine.statuses([feed_id])
        if not statuses:
            return self.problem(request, problem_of(404, "not_found", f"There is no feed {shorten(feed_id)!r}."))
        status = statuses[0]
        query = {**clean.parameters, "feed": included_list([status.id])}
        result = self._search(query, now)
        recent_query: dict[str, str] = {name: query[name] for name in ("feed", "tz") if name in query}
        recent_query |= {
            "from": first_chart_day(now, result.request.tz),
            "to": "today",
            "histogram": "day",
            "size": "0",
        }
        recent = self._search(recent_query, now, least=0)
        grace_s = self._settings.stale_grace_seconds
        view = feed_view(clean.parameters, status, result, recent, request.origin, grace_s)
        return self._page_response(request, "feed.html", "../", result, view=view)

    def item(self, request: Request, item_id: str) -> Response[Any]:
        """Answer /items/{id}."""
        clean = clean_query(request.parameters, ("tz",))
        if not clean.is_clean:
            return _redirect(quote(request.path.rpartition("/")[2]), clean)
        reader = ParameterReader(_with_lists(clean.parameters), ("tz",))
        zone = read_zone_parameter(reader)
        reader.raise_if_wrong()
        item = get_items(self._engine, [item_id]).get(item_id)
        if item is None:
            return self.problem(request, absent_item(self._engine, item_id, "look for it on the search page"))
        statuses = {status.id: status for status in self._engine.statuses([item.feed])}
        view = item_view(item, statuses, zone, self._clock())
        return self._page_response(request, "item.html", "../", view=view)

    def asset(self, request: Request, name: str) -> Response[Any] | None:
        """Answer /assets/{name}, cacheable forever because the name has a hash of the content; None for an unknown name."""
        asset = assets().get(name)
        if asset is None:
            return None
        headers = {**SECURITY_HEADERS, "Cache-Control": "public, max-age=31536000, immutable"}
        body = asset.text.encode()
        return whole_response(request, body, asset.content_type, weak_etag(body), headers)

    def problem(self, request: Request, problem: ProblemOut) -> Response[Any]:
        """Answer with an error page: the problem, and what the reader can do."""
        top = request.top if request.path == "/" else "../" * (request.path.count("/") - 1) or "./"
        sentences = [sentence_of(error, error.param) for error in problem.errors or ()]
        body = render(
            "error.html", top=top, problem=problem, sentences=sentences, retry_after_seconds=RETRY_AFTER_SECONDS
        )
        return _with_security_headers(problem_response(problem, HTML, body))

    # --- common parts ---

    def _search(self, parameters: Mapping[str, str], now: Instant, least: int = 1) -> SearchResult:
        """Search as the API does, but with `now` as the only time of the page; raise `BadParametersError`."""
        request = read_search(_with_lists(parameters), now, self._bands)
        if request.query.size < least:
            problem = Problem("size", "out_of_range", "size must be at least 1 on a page.", f"1 to {MAX_SIZE}")
            raise BadParametersError([problem])
        grace_s = self._settings.stale_grace_seconds
        return search(self._engine, request, lambda: now, grace_s, self._watch, MAX_BARS)

    def _some_feeds(self) -> tuple[FeedStatus, ...]:
        """Return the feeds that the form offers beside those of the results, and one more."""
        return self._engine.status_page("", MAX_FEED_CHOICES + 1).statuses

    def _form_with_problems(
        self, request: Request, parameters: Mapping[str, str], problems: tuple[Problem, ...], now: Instant
    ) -> Response[Any]:
        """Answer 400 with the form as it was sent, and the problems at their fields."""
        try:
            statuses = self._some_feeds()
        except (EngineError, DataError):  # the problems can be shown without the feeds
            statuses = ()
        form = form_view(parameters, {status.id: status for status in statuses}, now, problems=problems)
        heading = "This search needs a correction"
        view = SearchView(f"Error: {heading}", heading, form, is_wrong=True)
        body = render("search.html", top=request.top, view=view)
        # It quotes what was sent, and an event can have half of a surrogate pair, which UTF-8 cannot.
        body = body.encode(errors="replace").decode()
        problem = problem_of(400, "invalid_request", "The request has wrong parameters.", problems)
        return _with_security_headers(problem_response(problem, HTML, body))

    def _page_response(
        self, request: Request, template: str, top: str, result: SearchResult | None = None, **values: object
    ) -> Response[Any]:
        """Answer with a page, or 304 if it would look the same.

        The cursor of the next page holds the time of the search, so only its position counts for the entity tag.
        """
        body = render(template, top=top, **values).encode()
        stable = body
        if result is not None and result.next is not None:
            stable = body.replace(result.next.encode(), str(result.next_position).encode())
        return whole_response(request, body, HTML, weak_etag(stable), SECURITY_HEADERS)


def _redirect(path: str, clean: CleanQuery) -> Response[Any]:
    """Redirect (303) to the clean URL at `path`, so that a reader shares that one."""
    headers: dict[str, str | list[str]] = {
        **SECURITY_HEADERS,
        "Cache-Control": "no-store",
        "Location": path + query_of(clean.parameters),
    }
    return Response(303, HTML, "", headers=headers)


def _with_security_headers(response: Response[Any]) -> Response[Any]:
    response.headers.update(SECURITY_HEADERS)
    return response


def _with_lists(parameters: Mapping[str, str]) -> dict[str, list[str]]:
    return {name: [value] for name, value in parameters.items()}
